// SPDX-License-Identifier: Apache-2.0
#include "train/route_log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "comm/watch.h"

static const char format_name[] = "moe routing log";
static const double flush_seconds = 5;

enum { VERSION = 1, FREQUENCIES = 6, SEEN = 2 };

/** Columns in the order of the table below; the first of each table counts its rows. */
enum {
    STEP,
    EPOCH,
    LOAD,
    KEPT,
    DROPPED,
    SKIPPED,
    IMPORTANCE,
    WEIGHT,
    TOKENS,
    ENTROPY,
    VARIATION,
    MAX_VIOLATION,
    MAX_VIOLATION_RUNNING,
    DEAD,
    AUX_LOSS,
    Z_LOSS,
    LOSS,
    BYTES,
    SECONDS,
    WAIT,
    EVAL_EPOCH,
    EVAL_STEP,
    F1,
    BY_GOLD,
    BY_PREDICTED,
    BY_FREQUENCY,
    BY_CAPITALS,
    BY_SEEN,
    FIRST_EXPERT,
    SENTENCE,
    POSITION,
    WORD,
    GOLD,
    PREDICTED,
    EXPERT,
    TOKEN_WEIGHT,
    TRACE_STEP,
    TRACE_SENTENCE,
    TRACE_POSITION,
    TRACE_WORD,
    TRACE_GOLD,
    TRACE_EXPERT,
    TRACE_SLOT,
    TRACE_STATUS,
    TRACE_WEIGHT,
    COLUMNS
};

static const char *scale_expert = "names/expert", *scale_choice = "names/choice";

static void fill_columns(RouteLog *log)
{
    const int64_t E = log->E, K = log->K, L = log->L, T = log->n_tokens, W = log->mesh->world.size;
    const char *e = scale_expert, *k = scale_choice;
    const H5Column table[COLUMNS] = {
        {"steps/step", H5_INT, 0, {0}, -1, "steps", "last step of the row, from 1", {"row"}},
        {"steps/epoch", H5_INT, 0, {0}, -1, "epochs", "its epoch, from 1", {"row"}},
        {"steps/load",
         H5_INT,
         2,
         {K, E},
         -1,
         "choices",
         "that fell on an expert, before any drop",
         {"row", k, e}},
        {"steps/kept", H5_INT, 1, {E}, -1, "choices", "carried to an expert", {"row", e}},
        {"steps/dropped", H5_INT, 1, {E}, -1, "choices", "beyond the capacity", {"row", e}},
        {"steps/skipped", H5_INT, 1, {E}, -1, "choices", "that the coin refused", {"row", e}},
        {"steps/importance",
         H5_DOUBLE,
         1,
         {E},
         -1,
         "1",
         "mean gate probability of a token",
         {"row", e}},
        {"steps/weight", H5_DOUBLE, 1, {E}, -1, "1", "mean gate weight of a choice", {"row", e}},
        {"steps/tokens", H5_INT, 0, {0}, -1, "tokens", "of the row", {"row"}},
        {"steps/entropy", H5_DOUBLE, 0, {0}, -1, "nat/token", "of the gate", {"row"}},
        {"steps/variation",
         H5_DOUBLE,
         0,
         {0},
         -1,
         "1",
         "standard deviation of kept / its mean",
         {"row"}},
        {"steps/max_violation",
         H5_DOUBLE,
         0,
         {0},
         -1,
         "1",
         "(largest kept - mean) / mean",
         {"row"}},
        {"steps/max_violation_running",
         H5_DOUBLE,
         0,
         {0},
         -1,
         "1",
         "the same of all rows so far",
         {"row"}},
        {"steps/dead", H5_INT, 0, {0}, -1, "experts", "without a row of the batch", {"row"}},
        {"steps/aux_loss", H5_DOUBLE, 0, {0}, -1, "1", "balance loss before its factor", {"row"}},
        {"steps/z_loss", H5_DOUBLE, 0, {0}, -1, "1", "z loss before its factor", {"row"}},
        {"steps/loss", H5_DOUBLE, 0, {0}, -1, "nat/sentence", "of the task", {"row"}},
        {"steps/bytes", H5_DOUBLE, 0, {0}, -1, "byte", "that travelled between ranks", {"row"}},
        {"steps/seconds", H5_DOUBLE, 0, {0}, -1, "s", "since the start of the run", {"row"}},
        {"steps/wait_seconds",
         H5_DOUBLE,
         1,
         {W},
         -1,
         "s",
         "that a rank waited for others",
         {"row", "rank"}},
        {"evals/epoch",
         H5_INT,
         0,
         {0},
         -1,
         "epochs",
         "done; 0: the untrained model",
         {"evaluation"}},
        {"evals/step", H5_INT, 0, {0}, -1, "steps", "done", {"evaluation"}},
        {"evals/f1", H5_DOUBLE, 0, {0}, -1, "percent", "on the development corpus", {"evaluation"}},
        {"evals/by_gold",
         H5_INT,
         3,
         {K, L, E},
         -1,
         "tokens",
         "by gold label",
         {"evaluation", k, "label", e}},
        {"evals/by_predicted",
         H5_INT,
         3,
         {K, L, E},
         -1,
         "tokens",
         "by predicted label",
         {"evaluation", k, "label", e}},
        {"evals/by_frequency",
         H5_INT,
         3,
         {K, FREQUENCIES, E},
         -1,
         "tokens",
         "of words seen 0, 1, 2-4, 5-19, 20-99, 100+ times in training",
         {"evaluation", k, "frequency", e}},
        {"evals/by_capitals",
         H5_INT,
         3,
         {K, CAP_CLASSES, E},
         -1,
         "tokens",
         "lower, UPPER, Initial, miXed, digits, other",
         {"evaluation", k, "capitals", e}},
        {"evals/by_seen",
         H5_INT,
         3,
         {K, SEEN, E},
         -1,
         "tokens",
         "not in the training corpus, in it",
         {"evaluation", k, "seen", e}},
        {"evals/first_expert",
         H5_INT,
         1,
         {T},
         -1,
         "expert",
         "first choice of every token",
         {"evaluation", "token"}},
        {"tokens/sentence",
         H5_INT,
         0,
         {0},
         T,
         "sentence",
         "of the development corpus, from 0",
         {"token"}},
        {"tokens/position", H5_INT, 0, {0}, T, "token", "in its sentence, from 0", {"token"}},
        {"tokens/word", H5_INT, 0, {0}, T, "line of names/words", "as written", {"token"}},
        {"tokens/gold", H5_INT, 0, {0}, T, "line of names/labels", "of the file", {"token"}},
        {"tokens/predicted",
         H5_INT,
         0,
         {0},
         T,
         "line of names/labels",
         "at the last evaluation",
         {"token"}},
        {"tokens/expert",
         H5_INT,
         1,
         {K},
         T,
         "expert",
         "choices at the last evaluation, best first",
         {"token", k}},
        {"tokens/weight", H5_FLOAT, 1, {K}, T, "1", "their gate weights", {"token", k}},
        {"trace/step", H5_INT, 0, {0}, -1, "steps", "the training step, from 1", {"token"}},
        {"trace/sentence",
         H5_INT,
         0,
         {0},
         -1,
         "sentence",
         "of the training corpus, from 0",
         {"token"}},
        {"trace/position", H5_INT, 0, {0}, -1, "token", "in its sentence, from 0", {"token"}},
        {"trace/word", H5_INT, 0, {0}, -1, "line of names/words", "as written", {"token"}},
        {"trace/gold", H5_INT, 0, {0}, -1, "line of names/labels", "of the file", {"token"}},
        {"trace/expert", H5_INT, 1, {K}, -1, "expert", "choices, best first", {"token", k}},
        {"trace/slot", H5_INT, 1, {K}, -1, "slot", "in (expert, group); -1: none", {"token", k}},
        {"trace/status", H5_INT, 1, {K}, -1, "1", "0 kept, 1 dropped, 2 skipped", {"token", k}},
        {"trace/weight", H5_FLOAT, 1, {K}, -1, "1", "gate weight before any drop", {"token", k}}};
    _Static_assert((int)COLUMNS <= (int)ROUTE_COLUMNS, "room for all columns");
    log->n_columns = COLUMNS;
    for (int i = 0; i < COLUMNS; i++) {
        size_t bytes = table[i].kind == H5_DOUBLE ? 8 : 4;
        for (int d = 0; d < table[i].n_dims; d++) {
            bytes *= (size_t)table[i].dim[d];
        }
        log->column[i] = (RouteColumn){.spec = table[i], .row_bytes = bytes};
    }
}

/* ---- rows that wait ---- */

/** Room for n more rows of a column; zeroed. */
static void *more(RouteLog *log, int i, size_t n)
{
    RouteColumn *column = &log->column[i];
    const size_t used = (size_t)column->n_rows;
    if (used + n > column->max_rows) {
        column->max_rows = 2 * (used + n);
        column->data = mem_grow(column->data, column->max_rows, column->row_bytes + 1);
    }
    char *row = column->data + used * column->row_bytes;
    if (n > 0) {
        memset(row, 0, n * column->row_bytes);
    }
    column->n_rows += (int64_t)n;
    return row;
}

static void put_int(RouteLog *log, int i, long value)
{
    *(int32_t *)more(log, i, 1) = (int32_t)value;
}

static void put_number(RouteLog *log, int i, double value)
{
    *(double *)more(log, i, 1) = value;
}

/** Counts as doubles, exact, as integers. */
static void put_counts(RouteLog *log, int i, const double *count, int n)
{
    int32_t *row = more(log, i, 1);
    for (int j = 0; j < n; j++) {
        row[j] = (int32_t)count[j];
    }
}

/* ---- names ---- */

/** Number of an IOBES label among the log's, which are IOB2. */
static int iob2_of(const RouteLog *log, int label)
{
    if (label < 0) {
        return log->L - 1;
    }
    const int type = (label - 1) / 4, prefix = (label - 1) % 4;  // B I E S
    return label == LABEL_O ? 0 : 1 + 2 * type + (prefix == 1 || prefix == 2);
}

static Status put_names(const RouteLog *log, H5File *file)
{
    const Tagset *tagset = &log->lexicon->tagset;
    const StringTable *words = &log->lexicon->spellings;
    const size_t room =
        2 * (tagset->types.n_bytes + 4 * (size_t)tagset->n_types) + words->n_bytes + 64;
    char *text = mem_alloc(room, 1);
    size_t n = (size_t)snprintf(text, room, "O\n");
    for (int i = 0; i < tagset->n_types; i++) {
        const char *type = string_table_text(&tagset->types, i);
        n += (size_t)snprintf(text + n, room - n, "B-%s\nI-%s\n", type, type);
    }
    n += (size_t)snprintf(text + n, room - n, "(other)\n");
    Status status = h5_write_text(file, "names/labels", text, n);
    n = 0;
    for (int i = 0; i < words->n; i++) {
        n += (size_t)snprintf(text + n, room - n, "%s\n", string_table_text(words, i));
    }
    if (status.code == CODE_OK) {
        status = h5_write_text(file, "names/words", text, n);
    }
    mem_free(text);
    return status;
}

static Status put_head(const RouteLog *log, H5File *file)
{
    char created[CLOCK_TEXT];
    clock_date(created);
    TRY(h5_put_text(file, "/", "format", format_name));
    TRY(h5_put_integer(file, "/", "version", VERSION));
    TRY(h5_put_text(file, "/", "run", log->config.dir));
    TRY(h5_put_text(file, "/", "created", created));
    TRY(h5_put_text(file, "/", "program", log->config.program));
    TRY(h5_put_integer(file, "/", "experts", log->E));
    TRY(h5_put_integer(file, "/", "top_k", log->K));
    TRY(h5_put_integer(file, "/", "labels", log->L));
    TRY(h5_put_integer(file, "/", "ranks", log->column[WAIT].spec.dim[0]));
    return h5_put_number(file, "/", "capacity_factor", log->config.capacity_factor);
}

static Status put_tables(const RouteLog *log, H5File *file)
{
    const char *group[] = {"names", "steps", "evals", "tokens", "trace"};
    for (int i = 0; i < 5; i++) {
        TRY(h5_group(file, group[i]));
    }
    TRY(put_names(log, file));
    TRY(h5log_scale(file, scale_expert, "expert", log->E));
    TRY(h5log_scale(file, scale_choice, "choice", log->K));
    for (int i = 0; i < log->n_columns; i++) {
        TRY(h5log_column(file, &log->column[i].spec));
    }
    return status_ok();
}

static Status create(const RouteLog *log)
{
    H5File file;
    TRY(h5_create(&file, &log->self, log->path));
    Status status = put_head(log, &file);
    status = status.code == CODE_OK ? put_tables(log, &file) : status;
    if (status.code != CODE_OK) {
        h5_abandon(&file);
        return status;
    }
    return h5_commit(&file);
}

/* ---- the file ---- */

static Status append_all(RouteLog *log)
{
    H5File file;
    int64_t bytes = 0;
    for (int i = 0; i < log->n_columns; i++) {
        bytes += log->column[i].n_rows * (int64_t)log->column[i].row_bytes;
    }
    TRY(h5log_open(&file, &log->self, log->path, bytes));  // without room the rows wait
    Status status = status_ok();
    for (int i = 0; i < log->n_columns && status.code == CODE_OK; i++) {
        RouteColumn *column = &log->column[i];
        if (column->spec.rows >= 0 && column->n_rows > 0) {
            status = h5log_overwrite(&file, &column->spec, column->data);
        } else if (column->spec.rows < 0) {
            status = h5log_append(&file, &column->spec, column->n_rows, column->data);
        }
        column->n_done += column->n_rows;
        column->n_rows = 0;
    }
    const Status closed = h5log_close(&file);
    return status.code != CODE_OK ? status : closed;
}

void route_log_flush_soon(RouteLog *log)
{
    if (!route_log_on(log) || clock_now() - log->last_flush < flush_seconds) {
        return;
    }
    if (comm_is_root(&log->mesh->world) && log->failure.code == CODE_OK) {
        log->failure = append_all(log);
    }
    log->last_flush = clock_now();
}

Status route_log_flush(RouteLog *log)
{
    if (!route_log_on(log)) {
        return status_ok();
    }
    log->last_flush = -2 * flush_seconds;
    route_log_flush_soon(log);
    const Status status = comm_agree(&log->mesh->world, log->failure);
    log->failure = status_ok();
    return status;
}

/** Rows of a column in an older log. */
static Status take_column(RouteLog *log, const H5File *old, int i, int64_t n)
{
    const H5Column *spec = &log->column[i].spec;
    H5Kind kind;
    H5Shape shape;
    TRY(h5_shape(old, spec->name, &kind, &shape));
    const bool wait = i == WAIT && shape.n_dims == 2;  // of as many ranks as there were
    bool same = kind == spec->kind && shape.n_dims == spec->n_dims + 1 && shape.dim[0] >= n;
    for (int d = 0; same && !wait && d < spec->n_dims; d++) {
        same = shape.dim[d + 1] == spec->dim[d];
    }
    if (!same) {
        return status_error(CODE_STORED, "%s: %s: is not of this run", old->path, spec->name);
    }
    if (!wait) {
        return h5_read(old, spec->name, kind, shape, 0, n, more(log, i, (size_t)n));
    }
    const size_t was = (size_t)shape.dim[1], is = (size_t)spec->dim[0];
    double *row = more(log, i, (size_t)n), *narrow = mem_alloc((size_t)n * was + 1, sizeof *narrow);
    const Status status = h5_read(old, spec->name, kind, shape, 0, n, narrow);
    for (size_t r = 0; r < (size_t)n; r++) {
        for (size_t w = 0; w < is; w++) {
            row[r * is + w] = w < was ? narrow[r * was + w] : NAN;
        }
    }
    mem_free(narrow);
    return status;
}

/** Number of ranks of an older log: columns of waits are as wide as the larger of both. */
static Status widen(RouteLog *log, const H5File *old)
{
    int64_t ranks;
    TRY(h5_get_integer(old, "/", "ranks", &ranks));
    RouteColumn *wait = &log->column[WAIT];
    if (ranks > wait->spec.dim[0] && ranks < INT32_MAX) {
        wait->spec.dim[0] = ranks;
        wait->row_bytes = (size_t)ranks * sizeof(double);
    }
    return status_ok();
}

/** All that an older log has up to a checkpoint, as rows that wait. */
static Status take_rows(RouteLog *log, const char *path, const int64_t rows[3])
{
    H5File old;
    TRY(h5_open_log(&old, path));
    Status status = widen(log, &old);
    for (int i = 0; i < log->n_columns && status.code == CODE_OK; i++) {
        const int64_t fixed = rows[1] > 0 ? log->column[i].spec.rows : 0;
        status = take_column(log, &old, i,
                             i < EVAL_EPOCH   ? rows[0]
                             : i < SENTENCE   ? rows[1]
                             : i < TRACE_STEP ? fixed
                                              : rows[2]);
    }
    h5_close(&old);
    return status;
}

static void forget_rows(RouteLog *log)
{
    for (int i = 0; i < log->n_columns; i++) {
        log->column[i].n_rows = log->column[i].n_done = 0;
    }
}

/** Figures that go on: rows kept since the start. */
static void sum_kept(RouteLog *log)
{
    const RouteColumn *kept = &log->column[KEPT];
    for (int64_t r = 0; r < kept->n_rows; r++) {
        for (int e = 0; e < log->E; e++) {
            log->running[e] += ((const int32_t *)kept->data)[r * log->E + e];
        }
    }
}

static Status begin(RouteLog *log, const char *old, const int64_t rows[3], FILE *out)
{
    if (old != NULL) {
        const Status status = take_rows(log, old, rows);
        if (status.code != CODE_OK) {
            forget_rows(log);
            if (out != NULL) {
                fprintf(out, "%s; the routing log begins anew\n", status.text);
            }
        }
    }
    sum_kept(log);
    char whole[sizeof log->path];
    memcpy(whole, log->path, sizeof whole);
    snprintf(log->path, sizeof log->path, "%s/routes-next.h5",
             log->config.dir);  // until it is as long as the old one
    Status status = create(log);
    status = status.code == CODE_OK ? append_all(log) : status;
    if (status.code == CODE_OK && (rename(log->path, whole) != 0 || !h5_flush_folder(whole))) {
        status = status_error(CODE_FAILED, "%s: cannot be written: %s", whole, strerror(errno));
    }
    memcpy(log->path, whole, sizeof whole);
    return status;
}

Status route_log_begin(RouteLog *log, const char *old, int64_t n_steps, int64_t n_evals,
                       int64_t n_trace, FILE *out)
{
    const Comm *world = &log->mesh->world;
    if (!route_log_on(log)) {
        return status_ok();
    }
    log->waited = watch_waited();
    log->last_flush = clock_now();
    TRY(comm_agree(world, comm_is_root(world)
                              ? begin(log, old, (int64_t[]){n_steps, n_evals, n_trace}, out)
                              : status_ok()));
    int64_t width = log->column[WAIT].spec.dim[0];
    comm_broadcast(world, &width, sizeof width);
    log->column[WAIT].spec.dim[0] = width;
    log->column[WAIT].row_bytes = (size_t)width * sizeof(double);
    return status_ok();
}

void route_log_rows(const RouteLog *log, int64_t *n_steps, int64_t *n_evals, int64_t *n_trace)
{
    const RouteColumn *c = log->column;
    *n_steps = c[STEP].n_done + c[STEP].n_rows;
    *n_evals = c[EVAL_EPOCH].n_done + c[EVAL_EPOCH].n_rows;
    *n_trace = c[TRACE_STEP].n_done + c[TRACE_STEP].n_rows;
}

/* ---- steps ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/** (largest - mean) / mean, and the standard deviation / mean. */
static double violation(const double *count, int n, double *variation)
{
    double sum = 0, squares = 0, largest = 0;
    for (int i = 0; i < n; i++) {
        sum += count[i];
        largest = count[i] > largest ? count[i] : largest;
    }
    const double mean = sum / n;
    for (int i = 0; i < n; i++) {
        squares += (count[i] - mean) * (count[i] - mean);
    }
    *variation = ratio(sqrt(squares / n), mean);
    return ratio(largest - mean, mean);
}

static void put_experts(RouteLog *log, const double *of_expert, double tokens)
{
    const size_t E = (size_t)log->E, K = (size_t)log->K;
    const double *choice = of_expert + STAT_OF_CHOICE * E;
    put_counts(log, LOAD, choice, (int)(K * E));
    put_counts(log, KEPT, of_expert + STAT_OF_KEPT * E, log->E);
    put_counts(log, DROPPED, of_expert + STAT_OF_DROPPED * E, log->E);
    put_counts(log, SKIPPED, of_expert + STAT_OF_SKIPPED * E, log->E);
    double *importance = more(log, IMPORTANCE, 1), *weight = more(log, WEIGHT, 1);
    for (size_t e = 0; e < E; e++) {
        double choices = 0;
        for (size_t k = 0; k < K; k++) {
            choices += choice[k * E + e];
        }
        importance[e] = ratio(of_expert[STAT_OF_IMPORTANCE * E + e], tokens);
        weight[e] = ratio(of_expert[STAT_OF_WEIGHT * E + e], choices);
    }
}

void route_log_row(RouteLog *log, const double *sum, long step, int epoch, double seconds)
{
    const Comm *world = &log->mesh->world;
    const double *moe = sum + TASK_MOE, *kept = moe + STAT_LOAD, waited = watch_waited();
    const double wait = waited - log->waited;
    double *all = mem_alloc((size_t)world->size, sizeof *all), variation, ignored;
    int dead = 0;
    comm_gather_double(world, &wait, 1, all);
    log->waited = waited;
    for (int e = 0; e < log->E; e++) {
        log->running[e] += kept[e];
        dead += kept[e] == 0;
    }
    if (comm_is_root(world)) {
        const double violated = violation(kept, log->E, &variation), tokens = moe[STAT_TOKENS];
        put_int(log, STEP, step);
        put_int(log, EPOCH, epoch);
        put_experts(log, kept, tokens);
        put_int(log, TOKENS, (long)tokens);
        put_number(log, ENTROPY, ratio(moe[STAT_ENTROPY], tokens));
        put_number(log, VARIATION, variation);
        put_number(log, MAX_VIOLATION, violated);
        put_number(log, MAX_VIOLATION_RUNNING, violation(log->running, log->E, &ignored));
        put_int(log, DEAD, dead);
        put_number(log, AUX_LOSS, ratio(moe[STAT_BALANCE], tokens));
        put_number(log, Z_LOSS, ratio(moe[STAT_Z], tokens));
        put_number(log, LOSS, ratio(sum[TASK_LOSS], sum[TASK_SENTENCES]));
        put_number(log, BYTES, sum[TASK_BYTES]);
        put_number(log, SECONDS, seconds);
        double *row = more(log, WAIT, 1);
        for (int64_t r = 0; r < log->column[WAIT].spec.dim[0]; r++) {
            row[r] = r < world->size ? all[r] : NAN;
        }
    }
    mem_free(all);
}

/* ---- traced tokens ---- */

/** This rank's tokens of a batch as rows [n, 4 + 3 K] of integers and [n, K] weights, one after the other. */
static char *pack_trace(const RouteLog *log, const Batch *batch, int n, size_t bytes)
{
    const Gate *gate;
    const Plan *plan;
    const size_t K = (size_t)log->K;
    const int *start = log->train->conll.sentence_start;
    char *packed = mem_alloc(bytes, 1);
    int32_t *row = (int32_t *)(void *)packed;
    float *weight = (float *)(void *)(row + (size_t)n * (4 + 3 * K));
    log->task->routing(log->task->model, &gate, &plan);
    for (int i = 0; i < n; i++, row += 4 + 3 * K, weight += K) {
        const int token = batch->token[i], sentence = (int)batch->place[i].sentence;
        row[0] = sentence;
        row[1] = token - start[sentence];
        row[2] = log->train->spelling[token];
        row[3] = iob2_of(log, log->train->label[token]);
        for (size_t k = 0; k < K; k++) {
            const size_t at = (size_t)i * K + k;
            row[4 + k] = gate->expert[at];
            row[4 + K + k] = plan->slot[at];
            row[4 + 2 * K + k] = plan->status[at];
            weight[k] = (float)gate->weight[at];
        }
    }
    return packed;
}

static void unpack_trace(RouteLog *log, const char *packed, int n, long step)
{
    const size_t K = (size_t)log->K, count = (size_t)n;
    const int32_t *row = (const int32_t *)(const void *)packed;
    const float *weight = (const float *)(const void *)(row + count * (4 + 3 * K));
    const int single[] = {TRACE_SENTENCE, TRACE_POSITION, TRACE_WORD, TRACE_GOLD},
              several[] = {TRACE_EXPERT, TRACE_SLOT, TRACE_STATUS};
    int32_t *column[7], *steps = more(log, TRACE_STEP, count);
    for (int c = 0; c < 7; c++) {
        column[c] = more(log, c < 4 ? single[c] : several[c - 4], count);
    }
    memcpy(more(log, TRACE_WEIGHT, count), weight, count * K * sizeof *weight);
    for (size_t i = 0; i < count; i++, row += 4 + 3 * K) {
        steps[i] = (int32_t)step;
        for (int c = 0; c < 4; c++) {
            column[c][i] = row[c];
        }
        for (size_t c = 0; c < 3; c++) {
            memcpy(column[4 + c] + i * K, row + 4 + c * K, K * sizeof *row);
        }
    }
}

void route_log_trace(RouteLog *log, const Batch *batch, long step)
{
    const Comm *world = &log->mesh->world;
    const size_t K = (size_t)log->K, each = (4 + 4 * K) * sizeof(int32_t);
    if (!route_log_on(log) || log->config.trace == 0 || step % log->config.trace != 0) {
        return;
    }
    const double own = batch->group_start[batch->n_local];
    double *count = mem_alloc((size_t)world->size, sizeof *count);
    comm_gather_double(world, &own, 1, count);
    for (int r = 0; r < world->size; r++) {
        const int n = (int)count[r];
        const size_t bytes = (size_t)n * each;
        char *packed = r == world->rank      ? pack_trace(log, batch, n, bytes + 1)
                       : comm_is_root(world) ? mem_alloc(bytes + 1, 1)
                                             : NULL;
        comm_copy(world, packed, bytes, r, 0);
        if (comm_is_root(world)) {
            unpack_trace(log, packed, n, step);
        }
        mem_free(packed);
    }
    mem_free(count);
}

/* ---- evaluations ---- */

static int frequency_class(int seen)
{
    return seen == 0 ? 0 : seen == 1 ? 1 : seen < 5 ? 2 : seen < 20 ? 3 : seen < 100 ? 4 : 5;
}

/** Count choice k of a token, which fell on expert e, in its classes. */
static void count_token(RouteLog *log, int32_t *const table[5], const int label[2], int token,
                        size_t k, size_t e)
{
    const size_t E = (size_t)log->E, L = (size_t)log->L;
    const int seen = log->seen[log->dev->spelling[token]];
    table[0][(k * L + (size_t)label[0]) * E + e]++;
    table[1][(k * L + (size_t)label[1]) * E + e]++;
    table[2][(k * FREQUENCIES + (size_t)frequency_class(seen)) * E + e]++;
    table[3][(k * CAP_CLASSES + (size_t)log->dev->cap[token]) * E + e]++;
    table[4][(k * SEEN + (seen > 0)) * E + e]++;
}

void route_log_eval(RouteLog *log, const Routes *routes, const int *label, double f1, long step,
                    int epoch)
{
    const size_t K = (size_t)log->K;
    if (!route_log_on(log) || !comm_is_root(&log->mesh->world)) {
        return;
    }
    for (int i = SENTENCE; i < TRACE_STEP; i++) {
        log->column[i].n_rows = 0;  // of the last evaluation alone
    }
    const size_t T = (size_t)log->n_tokens;
    int32_t *table[5], *first = more(log, FIRST_EXPERT, 1), *of_token[6];
    for (int i = 0; i < 5; i++) {
        table[i] = more(log, BY_GOLD + i, 1);
    }
    for (int i = 0; i < 6; i++) {
        of_token[i] = more(log, SENTENCE + i, T);
    }
    float *weight = more(log, TOKEN_WEIGHT, T);
    put_int(log, EVAL_EPOCH, epoch);
    put_int(log, EVAL_STEP, step);
    put_number(log, F1, f1);
    const int *start = log->dev->conll.sentence_start;
    for (int s = 0; s < log->dev->conll.n_sentences; s++) {
        for (int t = start[s]; t < start[s + 1]; t++) {
            const int both[2] = {iob2_of(log, log->dev->label[t]), iob2_of(log, label[t])};
            const int32_t row[5] = {s, t - start[s], log->dev->spelling[t], both[0], both[1]};
            for (int i = 0; i < 5; i++) {
                of_token[i][t] = row[i];
            }
            for (size_t k = 0; k < K; k++) {
                const size_t at = (size_t)t * K + k;
                of_token[5][at] = routes->expert[at];
                weight[at] = (float)routes->weight[at];
                count_token(log, table, both, t, k, (size_t)routes->expert[at]);
            }
            first[t] = routes->expert[(size_t)t * K];
        }
    }
}

/* ---- life ---- */

bool route_log_on(const RouteLog *log)
{
    return log->config.dir != NULL && log->E > 0;
}

void route_log_init(RouteLog *log, RouteLogConfig config, const Mesh *mesh, const Task *task,
                    const Lexicon *lexicon, const Corpus *train, const Corpus *dev, int groups)
{
    *log = (RouteLog){.config = config,
                      .mesh = mesh,
                      .task = task,
                      .lexicon = lexicon,
                      .train = train,
                      .dev = dev,
                      .E = config.every > 0 ? task->n_experts : 0,
                      .K = task->top_k,
                      .L = 2 * lexicon->tagset.n_types + 2,
                      .n_tokens = dev->conll.n_tokens,
                      .failure = status_ok()};
    log->stats = mem_alloc((size_t)groups * (size_t)task->n_stats, sizeof *log->stats);
    log->running = mem_alloc((size_t)log->E + 1, sizeof *log->running);
    log->seen = mem_alloc((size_t)lexicon->spellings.n + 1, sizeof *log->seen);
    for (int i = 0; i < train->conll.n_tokens; i++) {
        log->seen[train->spelling[i]]++;
    }
    fill_columns(log);
    if (route_log_on(log)) {
        snprintf(log->path, sizeof log->path, "%s/routes.h5", config.dir);
        comm_self(&log->self);
    }
}

/** Bytes of one row of the columns first .. last-1. */
static double row_bytes(const RouteLog *log, int first, int last)
{
    double bytes = 0;
    for (int i = first; i < last; i++) {
        bytes += (double)log->column[i].row_bytes;
    }
    return bytes;
}

double route_log_bytes(const RouteLog *log, double n_steps, double n_evals)
{
    return row_bytes(log, STEP, EVAL_EPOCH) * n_steps / log->config.every +
           row_bytes(log, EVAL_EPOCH, SENTENCE) * n_evals +
           row_bytes(log, SENTENCE, TRACE_STEP) * log->n_tokens;
}

double route_log_trace_bytes(const RouteLog *log, double n_tokens)
{
    return log->config.trace > 0
               ? row_bytes(log, TRACE_STEP, COLUMNS) * n_tokens / log->config.trace
               : 0;
}

void route_log_free(RouteLog *log)
{
    if (route_log_on(log)) {
        comm_self_free(&log->self);
    }
    for (int i = 0; i < log->n_columns; i++) {
        mem_free(log->column[i].data);
    }
    mem_free(log->stats);
    mem_free(log->running);
    mem_free(log->seen);
}
