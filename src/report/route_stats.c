// SPDX-License-Identifier: Apache-2.0
#include "report/route_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

/* ---- information ---- */

/** Entropy of n things in cells, in bits, and how many cells are not empty. */
typedef struct Entropy {
    double bits;
    int64_t cells;
} Entropy;

static void entropy_add(Entropy *entropy, double count, double n)
{
    if (count > 0) {
        entropy->bits -= count / n * log2(count / n);
        entropy->cells++;
    }
}

static double miller_madow(Entropy entropy, double n)
{
    return n > 0 ? entropy.bits + (double)(entropy.cells - 1) / (2 * n * log(2)) : 0;
}

/** Sums of a table over experts and over classes. */
static void margins(const int32_t *count, int classes, int E, int64_t *of_class, int64_t *of_expert)
{
    memset(of_class, 0, (size_t)classes * sizeof *of_class);
    memset(of_expert, 0, (size_t)E * sizeof *of_expert);
    for (int c = 0; c < classes; c++) {
        for (int e = 0; e < E; e++) {
            of_class[c] += count[(size_t)c * (size_t)E + (size_t)e];
            of_expert[e] += count[(size_t)c * (size_t)E + (size_t)e];
        }
    }
}

/** Tokens of the commonest class of their expert. */
static double in_commonest(const int32_t *count, int classes, int E)
{
    double sum = 0;
    for (int e = 0; e < E; e++) {
        int32_t most = 0;
        for (int c = 0; c < classes; c++) {
            const int32_t n = count[(size_t)c * (size_t)E + (size_t)e];
            most = n > most ? n : most;
        }
        sum += most;
    }
    return sum;
}

RouteInformation route_information(const int32_t *count, int classes, int E)
{
    RouteInformation out = {0};
    Entropy joint = {0}, by_class = {0}, by_expert = {0};
    int64_t *of_class = MEM_ARRAY(int64_t, classes), *of_expert = MEM_ARRAY(int64_t, E), most = 0;
    margins(count, classes, E, of_class, of_expert);
    for (int c = 0; c < classes; c++) {
        out.n += of_class[c];
        most = of_class[c] > most ? of_class[c] : most;
    }
    const double n = (double)out.n;
    for (int c = 0; c < classes; c++) {
        entropy_add(&by_class, (double)of_class[c], n);
    }
    for (int e = 0; e < E; e++) {
        entropy_add(&by_expert, (double)of_expert[e], n);
    }
    for (size_t i = 0; i < (size_t)classes * (size_t)E; i++) {
        entropy_add(&joint, count[i], n);
    }
    out.bits = by_class.bits + by_expert.bits - joint.bits;
    out.corrected = miller_madow(by_class, n) + miller_madow(by_expert, n) - miller_madow(joint, n);
    out.entropy = by_class.bits;
    out.entropy_corrected = miller_madow(by_class, n);
    if (by_class.cells > 1 && out.corrected > 0) {
        out.share = out.corrected / out.entropy_corrected;
    }
    if (out.n > 0) {
        out.purity = in_commonest(count, classes, E) / n;
        out.purity_of_one = (double)most / n;
    }
    mem_free(of_class);
    mem_free(of_expert);
    return out;
}

void route_pairs(const int32_t *a, const int32_t *b, int n, int B, int32_t *count)
{
    for (int i = 0; i < n; i++) {
        count[(size_t)a[i] * (size_t)B + (size_t)b[i]]++;
    }
}

/** A number of each token, so that number i stands as often as the table says. */
static void spread_out(const int64_t *times, int numbers, int32_t *token)
{
    for (int i = 0; i < numbers; i++) {
        for (int64_t k = 0; k < times[i]; k++) {
            *token++ = i;
        }
    }
}

typedef struct Moments {
    double sum, squares;
} Moments;

static void moments_add(Moments *moments, double x)
{
    moments->sum += x;
    moments->squares += x * x;
}

static double mean_of(Moments moments, int n)
{
    return moments.sum / n;
}

static double spread_of(Moments moments, int n)
{
    const double mean = moments.sum / n;
    return n > 1 ? sqrt(fmax(0, moments.squares / n - mean * mean) * n / (n - 1)) : 0;
}

RouteControl route_shuffled(const int32_t *count, int classes, int E, int rounds)
{
    const size_t cells = (size_t)classes * (size_t)E;
    const Rng rng = rng_init(1, RNG_REPORT);
    Moments bits = {0}, corrected = {0}, purity = {0};
    int64_t *of_class = MEM_ARRAY(int64_t, classes), *of_expert = MEM_ARRAY(int64_t, E);
    margins(count, classes, E, of_class, of_expert);
    int64_t sum = 0;
    for (int e = 0; e < E; e++) {
        sum += of_expert[e];
    }
    const int n = (int)sum;
    int32_t *class = MEM_ARRAY(int32_t, n), *expert = MEM_ARRAY(int32_t, n);
    int32_t *table = MEM_ARRAY(int32_t, cells);
    int *order = MEM_ARRAY(int, n);
    spread_out(of_class, classes, class);
    spread_out(of_expert, E, expert);
    for (int round = 0; round < rounds; round++) {
        memset(table, 0, cells * sizeof *table);
        rng_shuffle(&rng, (uint32_t)round, order, n);
        for (int i = 0; i < n; i++) {
            table[(size_t) class[i] * (size_t)E + (size_t)expert[order[i]]]++;
        }
        const RouteInformation information = route_information(table, classes, E);
        moments_add(&bits, information.bits);
        moments_add(&corrected, information.corrected);
        moments_add(&purity, information.purity);
    }
    mem_free(of_class);
    mem_free(of_expert);
    mem_free(class);
    mem_free(expert);
    mem_free(table);
    mem_free(order);
    return (RouteControl){mean_of(bits, rounds),        mean_of(corrected, rounds),
                          mean_of(purity, rounds),      spread_of(bits, rounds),
                          spread_of(corrected, rounds), spread_of(purity, rounds)};
}

/* ---- classes ---- */

const char *route_kind_name(RouteKind kind)
{
    static const char *const name[ROUTE_KINDS] = {"label", "label of entities", "capitals",
                                                  "frequency", "seen in training"};
    return name[kind];
}

const char *route_class_name(const RouteData *data, RouteKind kind, int number)
{
    static const char *const capitals[ROUTE_CAPITALS] = {"lower", "UPPER",  "Initial",
                                                         "miXed", "digits", "other"};
    static const char *const frequency[ROUTE_FREQUENCIES] = {"0",    "1",     "2-4",
                                                             "5-19", "20-99", "100+"};
    static const char *const seen[ROUTE_SEEN] = {"unseen", "seen"};
    switch (kind) {
    case ROUTE_CAPITAL:
        return capitals[number];
    case ROUTE_FREQUENCY:
        return frequency[number];
    case ROUTE_KNOWN:
        return seen[number];
    default:
        return string_table_text(&data->labels, number + (kind == ROUTE_ENTITY_LABEL));
    }
}

RouteTable route_table(const RouteData *data, int eval, RouteKind kind)
{
    const RouteTable first[ROUTE_KINDS] = {
        {data->by_gold, data->L},
        {data->by_gold, data->L},
        {data->by_capitals, ROUTE_CAPITALS},
        {data->by_frequency, ROUTE_FREQUENCIES},
        {data->by_seen, ROUTE_SEEN},
    };
    RouteTable table = first[kind];
    table.count += (size_t)eval * (size_t)data->K * (size_t)table.classes * (size_t)data->E;
    if (kind == ROUTE_ENTITY_LABEL) {  // all but row 0, which is O
        table.count += data->E;
        table.classes--;
    }
    return table;
}

/* ---- experts and labels ---- */

/** Shares of first choices, and of all choices, at an evaluation. */
static void shares(const RouteData *data, int eval, RouteExpert *expert)
{
    const int32_t *count = route_table(data, eval, ROUTE_LABEL).count;
    const double n = data->T > 0 ? data->T : 1;
    for (int k = 0; k < data->K; k++) {
        for (int l = 0; l < data->L; l++, count += data->E) {
            for (int e = 0; e < data->E; e++) {
                expert[e].first += k == 0 ? count[e] / n : 0;
                expert[e].any += count[e] / n / data->K;
            }
        }
    }
}

static void weights(const RouteData *data, RouteExpert *expert)
{
    int64_t *n = MEM_ARRAY(int64_t, data->E);
    for (size_t i = 0; i < (size_t)data->T * (size_t)data->K; i++) {
        expert[data->expert[i]].weight += data->token_weight[i];
        n[data->expert[i]]++;
    }
    for (int e = 0; e < data->E; e++) {
        expert[e].weight /= n[e] > 0 ? (double)n[e] : 1;
    }
    mem_free(n);
}

/** Choices that fell on an expert in a row. */
static double load_of(const RouteData *data, int row, int expert)
{
    double sum = 0;
    for (int k = 0; k < data->K; k++) {
        sum += data->load[((size_t)row * (size_t)data->K + (size_t)k) * (size_t)data->E +
                          (size_t)expert];
    }
    return sum;
}

static void training(const RouteData *data, RouteExpert *expert)
{
    const int last = data->n - (data->n + 9) / 10;
    double all = 0;
    for (int e = 0; e < data->E; e++) {
        double load = 0, dropped = 0;
        for (int row = 0; row < data->n; row++) {
            const double n = load_of(data, row, e);
            load += n;
            dropped += data->dropped[(size_t)row * (size_t)data->E + (size_t)e];
            expert[e].trained += row >= last ? n : 0;
        }
        expert[e].dropped = load > 0 ? dropped / load : 0;
        all += expert[e].trained;
    }
    for (int e = 0; e < data->E; e++) {
        expert[e].trained /= all > 0 ? all : 1;
    }
}

void route_experts(const RouteData *data, int eval, RouteExpert *expert)
{
    memset(expert, 0, (size_t)data->E * sizeof *expert);
    training(data, expert);
    if (eval >= 0) {
        shares(data, eval, expert);
        weights(data, expert);
    }
    for (int e = 0; e < data->E; e++) {
        expert[e].dead = (eval >= 0 ? expert[e].any : expert[e].trained) <= 0;
    }
}

static int by_count(const void *a, const void *b)
{
    const RouteShare *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->number > y->number) - (x->number < y->number);
}

/** The largest of a list of counts: of[i], which is of_all[i] among all tokens. */
static int top_shares(const int64_t *of, const int64_t *of_all, int numbers, RouteShare *top,
                      int most)
{
    int n = 0;
    double sum = 0, all = 0;
    RouteShare *list = MEM_ARRAY(RouteShare, numbers);
    for (int i = 0; i < numbers; i++) {
        sum += (double)of[i];
        all += (double)of_all[i];
    }
    for (int i = 0; i < numbers; i++) {
        if (of[i] > 0) {
            const double share = (double)of[i] / sum;
            list[n++] = (RouteShare){i, (int)of[i], share, share / ((double)of_all[i] / all)};
        }
    }
    qsort(list, (size_t)n, sizeof *list, by_count);
    n = n < most ? n : most;
    memcpy(top, list, (size_t)n * sizeof *list);
    mem_free(list);
    return n;
}

int route_labels_of(const RouteData *data, int eval, int expert, RouteShare *top, int most)
{
    const int32_t *count = route_table(data, eval, ROUTE_LABEL).count;
    int64_t *of = MEM_ARRAY(int64_t, data->L), *of_all = MEM_ARRAY(int64_t, data->L),
            *of_expert = MEM_ARRAY(int64_t, data->E);
    margins(count, data->L, data->E, of_all, of_expert);
    for (int l = 0; l < data->L; l++) {
        of[l] = count[(size_t)l * (size_t)data->E + (size_t)expert];
    }
    const int n = top_shares(of, of_all, data->L, top, most);
    mem_free(of);
    mem_free(of_all);
    mem_free(of_expert);
    return n;
}

int route_experts_of(const RouteData *data, int eval, int label, RouteShare *top, int most)
{
    const int32_t *count = route_table(data, eval, ROUTE_LABEL).count;
    int64_t *of = MEM_ARRAY(int64_t, data->E), *of_all = MEM_ARRAY(int64_t, data->E),
            *of_label = MEM_ARRAY(int64_t, data->L);
    margins(count, data->L, data->E, of_label, of_all);
    for (int e = 0; e < data->E; e++) {
        of[e] = count[(size_t)label * (size_t)data->E + (size_t)e];
    }
    const int n = top_shares(of, of_all, data->E, top, most);
    mem_free(of);
    mem_free(of_all);
    mem_free(of_label);
    return n;
}

/* ---- words ---- */

double route_log_odds(double inside, double n_inside, double outside, double n_outside,
                      double prior)
{
    const double a = prior * (inside + outside) / (n_inside + n_outside);
    const double y = inside + a, rest = n_inside + prior - y;
    const double y_out = outside + a, rest_out = n_outside + prior - y_out;
    return (log(y / rest) - log(y_out / rest_out)) / sqrt(1 / y + 1 / y_out);
}

static int by_z(const void *a, const void *b)
{
    const RouteWord *x = a, *y = b;
    return x->z < y->z || x->z > y->z ? (x->z < y->z) - (x->z > y->z)
                                      : (x->word > y->word) - (x->word < y->word);
}

int route_words_of(const RouteData *data, int expert, RouteWord *top, int most)
{
    const int V = data->words.n;
    int n = 0, n_inside = 0;
    RouteWord *list = MEM_ARRAY(RouteWord, V);
    for (int t = 0; t < data->T; t++) {
        RouteWord *word = &list[data->word[t]];
        const bool inside = data->expert[(size_t)t * (size_t)data->K] == expert;
        word->total++;
        word->count += inside;
        n_inside += inside;
    }
    for (int v = 0; v < V; v++) {
        const int in = list[v].count, out = list[v].total - in;
        const double z =
            in > 0 ? route_log_odds(in, n_inside, out, data->T - n_inside, ROUTE_PRIOR) : 0;
        if (z > 0) {
            list[n++] = (RouteWord){v, in, in + out, z};
        }
    }
    qsort(list, (size_t)n, sizeof *list, by_z);
    n = n < most ? n : most;
    memcpy(top, list, (size_t)n * sizeof *list);
    mem_free(list);
    return n;
}

/* ---- over time ---- */

RouteAgreement route_agreement(const int32_t *a, const int32_t *b, int n, int E)
{
    RouteAgreement out = {0};
    int64_t *of_a = MEM_ARRAY(int64_t, E), *of_b = MEM_ARRAY(int64_t, E);
    for (int i = 0; i < n; i++) {
        out.same += a[i] == b[i];
        of_a[a[i]]++;
        of_b[b[i]]++;
    }
    for (int e = 0; e < E && n > 0; e++) {
        out.chance += (double)of_a[e] / n * ((double)of_b[e] / n);
    }
    out.same /= n > 0 ? n : 1;
    mem_free(of_a);
    mem_free(of_b);
    return out;
}

void route_rate(const RouteData *data, const int32_t *table, double *value)
{
    for (int row = 0; row < data->n; row++) {
        double sum = 0;
        for (int e = 0; e < data->E; e++) {
            sum += table[(size_t)row * (size_t)data->E + (size_t)e];
        }
        value[row] = data->tokens[row] > 0 ? sum / data->tokens[row] / data->K : NAN;
    }
}

void route_load_share(const RouteData *data, int expert, double *value)
{
    for (int row = 0; row < data->n; row++) {
        double sum = 0;
        for (int k = 0; k < data->K; k++) {
            sum += data->load[((size_t)row * (size_t)data->K + (size_t)k) * (size_t)data->E +
                              (size_t)expert];
        }
        value[row] = data->tokens[row] > 0 ? sum / data->tokens[row] / data->K : NAN;
    }
}

int route_untrained(const RouteData *data)
{
    return data->m > 0 && data->eval_step[0] == 0 ? 0 : -1;
}

const int32_t *route_first(const RouteData *data, int eval)
{
    return data->first_expert + (size_t)eval * (size_t)data->T;
}

RouteInformation route_information_at(const RouteData *data, int eval, RouteKind kind)
{
    const RouteTable table = route_table(data, eval, kind);
    return route_information(table.count, table.classes, data->E);
}
