// SPDX-License-Identifier: Apache-2.0
/** Routing logs as a test reads them, column by column through store/h5, without the program's own reader.
 *
 *     routes equal A B           every column but times, bytes and waits
 *     routes recount FILE STEPS  a log of every step with every token traced, STEPS steps an epoch: rows and evaluations against counts of tokens
 *     routes follow FILE ROWS    open it again and again while it grows, until it has so many rows
 *     routes rows FILE           rows of /steps, evaluations, traced tokens
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "store/h5.h"

/** A column in memory. */
typedef struct Column {
    H5Kind kind;
    H5Shape shape;
    int64_t n;  // elements
    void *data;
} Column;

static void must(Status status)
{
    CHECK(status.code == CODE_OK, "%s", status.text);
}

/** Everything that was read, freed at the end. */
static void **kept;
static size_t n_kept;

static void *keep(size_t count, size_t size)
{
    kept = mem_grow(kept, n_kept + 1, sizeof *kept);
    return kept[n_kept++] = mem_alloc(count, size);
}

static void forget(void)
{
    for (size_t i = 0; i < n_kept; i++) {
        mem_free(kept[i]);
    }
    n_kept = 0;
}

static Column read_column(const H5File *file, const char *name)
{
    Column c;
    must(h5_shape(file, name, &c.kind, &c.shape));
    c.n = h5_elements(c.shape);
    c.data = keep((size_t)c.n + 1, 8);
    must(h5_read(file, name, c.kind, c.shape, 0, c.shape.dim[0], c.data));
    return c;
}

static int at(const Column *c, int64_t i)
{
    CHECK(i < c->n, "element %lld of %lld", (long long)i, (long long)c->n);
    return ((const int32_t *)c->data)[i];
}

static double number(const Column *c, int64_t i)
{
    return ((const double *)c->data)[i];
}

/* ---- equal ---- */

typedef struct Pair {
    const H5File *a, *b;
    const char *group;
} Pair;

static Status equal_column(void *context, const char *name)
{
    const Pair *pair = context;
    char path[200];
    snprintf(path, sizeof path, "%s/%s", pair->group, name);
    if (strcmp(name, "bytes") == 0 || strcmp(name, "seconds") == 0 ||
        strcmp(name, "wait_seconds") == 0) {
        return status_ok();
    }
    Column a = read_column(pair->a, path), b = read_column(pair->b, path);
    const size_t size = a.kind == H5_DOUBLE ? 8 : 4;
    CHECK(a.kind == b.kind && a.n == b.n && memcmp(&a.shape, &b.shape, sizeof a.shape) == 0,
          "%s: other shapes", path);
    CHECK(memcmp(a.data, b.data, (size_t)a.n * size) == 0, "%s: other values", path);
    return status_ok();
}

static void equal(const char *first, const char *second)
{
    H5File a, b;
    const char *group[] = {"steps", "evals", "tokens", "trace"},
               *text[] = {"names/labels", "names/words"};
    must(h5_open_log(&a, first));
    must(h5_open_log(&b, second));
    for (int i = 0; i < 4; i++) {
        Pair pair = {&a, &b, group[i]};
        must(h5_each(&a, group[i], false, equal_column, &pair));
    }
    for (int i = 0; i < 2; i++) {
        char *one, *two;
        size_t n, m;
        must(h5_read_text(&a, text[i], &one, &n));
        must(h5_read_text(&b, text[i], &two, &m));
        CHECK(n == m && memcmp(one, two, n) == 0, "%s: other lines", text[i]);
        mem_free(one);
        mem_free(two);
    }
    h5_close(&a);
    h5_close(&b);
}

/* ---- recount ---- */

typedef struct Counts {
    int32_t *load, *status;  // [K, E], [3, E]
    double *weight;          // [E]
} Counts;

static void recount_steps(const H5File *file, int64_t E, int64_t K)
{
    const char *of_status[] = {"steps/kept", "steps/dropped", "steps/skipped"};
    Column step = read_column(file, "steps/step"), load = read_column(file, "steps/load"),
           tokens = read_column(file, "steps/tokens"), weight = read_column(file, "steps/weight"),
           dead = read_column(file, "steps/dead"), worst = read_column(file, "steps/max_violation");
    Column t_step = read_column(file, "trace/step"), expert = read_column(file, "trace/expert"),
           status = read_column(file, "trace/status"), t_weight = read_column(file, "trace/weight"),
           slot = read_column(file, "trace/slot"), counted[3];
    int64_t t = 0;
    for (int s = 0; s < 3; s++) {
        counted[s] = read_column(file, of_status[s]);
    }
    CHECK(step.n > 20 && t_step.n > 100, "a short log");
    for (int64_t row = 0; row < step.n; row++) {
        Counts own = {keep((size_t)(K * E), 4), keep((size_t)(3 * E), 4), keep((size_t)E, 8)};
        int64_t n = 0, total = 0, largest = 0;
        int none = 0;
        for (; t < t_step.n && at(&t_step, t) == at(&step, row); t++, n++) {
            for (int64_t k = 0; k < K; k++) {
                const int e = at(&expert, t * K + k), what = at(&status, t * K + k);
                CHECK(e >= 0 && e < E && what >= 0 && what < 3, "token %lld", (long long)t);
                CHECK((what == 0) <= (at(&slot, t * K + k) >= 0), "a kept choice without a slot");
                own.load[k * E + e]++;
                own.status[what * E + e]++;
                own.weight[e] += (double)((const float *)t_weight.data)[t * K + k];
            }
        }
        CHECK(n == at(&tokens, row), "row %lld: %d tokens, traced %lld", (long long)row,
              at(&tokens, row), (long long)n);
        for (int64_t e = 0; e < E; e++) {
            int choices = 0;
            for (int64_t k = 0; k < K; k++) {
                CHECK(own.load[k * E + e] == at(&load, (row * K + k) * E + e), "row %lld: load",
                      (long long)row);
                choices += own.load[k * E + e];
            }
            for (int s = 0; s < 3; s++) {
                CHECK(own.status[s * E + e] == at(&counted[s], row * E + e), "row %lld: %s",
                      (long long)row, of_status[s]);
            }
            const double mean = choices > 0 ? own.weight[e] / choices : 0;
            CHECK(fabs(mean - number(&weight, row * E + e)) < 1e-5, "row %lld: weight",
                  (long long)row);
            total += own.status[e];
            largest = own.status[e] > largest ? own.status[e] : largest;
            none += own.status[e] == 0;
        }
        CHECK(none == at(&dead, row), "row %lld: dead", (long long)row);
        CHECK(fabs((double)(largest * E) / (double)total - 1 - number(&worst, row)) < 1e-12,
              "row %lld: max_violation", (long long)row);
    }
    CHECK(t == t_step.n, "tokens of no row");
}

static int frequency_class(int n)
{
    const int limit[] = {1, 2, 5, 20, 100};
    int class = 0;
    while (class < 5 && n >= limit[class]) {
        class ++;
    }
    return class;
}

static void recount_eval(const H5File *file, int64_t E, int64_t K, int64_t L, int steps)
{
    const char *name[] = {"evals/by_gold", "evals/by_predicted", "evals/by_frequency",
                          "evals/by_seen"};
    const int64_t classes[] = {L, L, 6, 2};
    Column gold = read_column(file, "tokens/gold"),
           predicted = read_column(file, "tokens/predicted"),
           expert = read_column(file, "tokens/expert"), word = read_column(file, "tokens/word"),
           first = read_column(file, "evals/first_expert"),
           t_step = read_column(file, "trace/step"), t_word = read_column(file, "trace/word"),
           epoch = read_column(file, "evals/epoch");
    int32_t *seen = keep(1 << 20, 4);
    for (int64_t i = 0; i < t_step.n; i++) {
        seen[at(&t_word, i)] += at(&t_step, i) <= steps;
    }
    const int64_t T = gold.n, m = epoch.n;
    for (int64_t i = 0; i < T; i++) {
        CHECK(at(&first, (m - 1) * T + i) == at(&expert, i * K), "first expert of token %lld",
              (long long)i);
    }
    for (int c = 0; c < 4; c++) {
        Column table = read_column(file, name[c]);
        const int64_t each = K * classes[c] * E;
        int32_t *own = keep((size_t)each, 4);
        for (int64_t i = 0; i < T; i++) {
            const int n = seen[at(&word, i)];
            const int of[] = {at(&gold, i), at(&predicted, i), frequency_class(n), n > 0};
            for (int64_t k = 0; k < K; k++) {
                own[(k * classes[c] + of[c]) * E + at(&expert, i * K + k)]++;
            }
        }
        CHECK(table.n == m * each &&
                  memcmp((int32_t *)table.data + (m - 1) * each, own, (size_t)each * 4) == 0,
              "%s", name[c]);
    }
}

static void recount(const char *path, int steps)
{
    H5File file;
    int64_t E, K, L;
    must(h5_open_log(&file, path));
    must(h5_get_integer(&file, "/", "experts", &E));
    must(h5_get_integer(&file, "/", "top_k", &K));
    must(h5_get_integer(&file, "/", "labels", &L));
    recount_steps(&file, E, K);
    recount_eval(&file, E, K, L, steps);
    h5_close(&file);
}

/* ---- follow ---- */

/** Rows that are whole: every choice of every token is counted. Returns how many. */
static int64_t check_rows(const H5File *file)
{
    int64_t K;
    must(h5_get_integer(file, "/", "top_k", &K));
    Column load = read_column(file, "steps/load"), tokens = read_column(file, "steps/tokens"),
           step = read_column(file, "steps/step");
    int64_t n = step.n < tokens.n ? step.n : tokens.n;
    n = load.shape.dim[0] < n ? load.shape.dim[0] : n;
    const int64_t each = n > 0 ? load.n / load.shape.dim[0] : 0;
    for (int64_t row = 0; row < n; row++) {
        int64_t choices = 0;
        for (int64_t i = 0; i < each; i++) {
            choices += at(&load, row * each + i);
        }
        CHECK(choices == K * at(&tokens, row), "row %lld is not whole", (long long)row);
        CHECK(row == 0 || at(&step, row) > at(&step, row - 1),
              "row %lld is not after the one before", (long long)row);
    }
    forget();
    return n;
}

static void follow(const char *path, int64_t rows)
{
    int64_t seen = 0;
    int opened = 0, grown = 0;
    for (int tries = 0; seen < rows; tries++) {
        H5File file;
        CHECK(tries < 3000, "%lld rows of %lld after %d looks", (long long)seen, (long long)rows,
              opened);
        if (h5_open_log(&file, path).code == CODE_OK) {
            const int64_t n = check_rows(&file);
            CHECK(n >= seen, "rows have gone");
            grown += n > seen;
            seen = n;
            opened++;
            h5_close(&file);
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    printf("%lld rows, seen to grow %d times in %d looks\n", (long long)seen, grown, opened);
}

static void rows(const char *path)
{
    const char *name[] = {"steps/step", "evals/epoch", "trace/step"};
    H5File file;
    must(h5_open_log(&file, path));
    check_rows(&file);
    for (int i = 0; i < 3; i++) {
        Column c = read_column(&file, name[i]);
        printf("%lld%c", (long long)c.n, i < 2 ? ' ' : '\n');
    }
    h5_close(&file);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3, "routes equal|recount|follow|rows FILE ...");
    const char *how = argv[1];
    if (strcmp(how, "equal") == 0 && argc == 4) {
        equal(argv[2], argv[3]);
    } else if (strcmp(how, "recount") == 0 && argc == 4) {
        recount(argv[2], (int)strtol(argv[3], NULL, 10));
    } else if (strcmp(how, "follow") == 0 && argc == 4) {
        follow(argv[2], strtol(argv[3], NULL, 10));
    } else {
        rows(argv[2]);
    }
    forget();
    mem_free(kept);
    return 0;
}
