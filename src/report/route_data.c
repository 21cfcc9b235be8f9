// SPDX-License-Identifier: Apache-2.0
#include "report/route_data.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "store/h5.h"

enum { MOST_EXPERTS = 1 << 16, MOST_LABELS = 1 << 14, MOST_RANKS = 1 << 20, MOST_TRIES = 5 };

/** A dataset of the log, and the field of RouteData that gets its rows. */
typedef struct Column {
    const char *name;
    H5Kind kind;
    size_t field;
    int n_dims;      // of one row
    int64_t dim[3];  // of one row
} Column;

#define FIELD(name) offsetof(RouteData, name)

enum { STEP_COLUMNS = 20, EVAL_COLUMNS = 9, TOKEN_COLUMNS = 7 };

static Status absurd(const H5File *file, const char *name, const char *what)
{
    return status_error(CODE_STORED, "%s: %s: %s", file->path, name, what);
}

/* ---- tables ---- */

/** Rows of a column, after a check of its kind and of the axes of a row. */
static Status column_rows(const H5File *file, const Column *column, H5Shape *shape)
{
    H5Kind kind;
    TRY(h5_shape(file, column->name, &kind, shape));
    bool same = kind == column->kind && shape->n_dims == column->n_dims + 1;
    for (int i = 0; same && i < column->n_dims; i++) {
        same = shape->dim[i + 1] == column->dim[i];
    }
    if (!same) {
        char is[80];
        h5_shape_text(*shape, is, sizeof is);
        return status_error(CODE_STORED,
                            "%s: %s: its type or shape (%s) is not that of the experts, choices, "
                            "labels, ranks and tokens of this log",
                            file->path, column->name, is);
    }
    return status_ok();
}

/** The first rows of a column into a new block; data gets it even when it cannot be read. */
static Status read_column(const H5File *file, RouteData *data, const Column *column, int64_t rows)
{
    static const size_t size[H5_KINDS] = {sizeof(float), sizeof(double), sizeof(int32_t), 1};
    H5Shape shape;
    TRY(column_rows(file, column, &shape));
    H5Shape wanted = shape;
    wanted.dim[0] = rows;
    void *block = mem_alloc((size_t)h5_elements(wanted), size[column->kind]);
    memcpy((char *)data + column->field, &block, sizeof block);
    return h5_read(file, column->name, column->kind, shape, 0, rows, block);
}

/** All columns of a table: as many rows as the shortest of them has. */
static Status read_table(const H5File *file, RouteData *data, const Column *column, int n_columns,
                         int *n_rows)
{
    int64_t rows = INT32_MAX;
    for (int i = 0; i < n_columns; i++) {
        H5Shape shape;
        TRY(column_rows(file, &column[i], &shape));
        rows = shape.dim[0] < rows ? shape.dim[0] : rows;
    }
    for (int i = 0; i < n_columns; i++) {
        TRY(read_column(file, data, &column[i], rows));
    }
    *n_rows = (int)rows;
    return status_ok();
}

static Status read_steps(const H5File *file, RouteData *data)
{
    const int64_t E = data->E, K = data->K, W = data->W;
    const Column column[STEP_COLUMNS] = {
        {"steps/step", H5_INT, FIELD(step), 0, {0}},
        {"steps/epoch", H5_INT, FIELD(epoch), 0, {0}},
        {"steps/load", H5_INT, FIELD(load), 2, {K, E}},
        {"steps/kept", H5_INT, FIELD(kept), 1, {E}},
        {"steps/dropped", H5_INT, FIELD(dropped), 1, {E}},
        {"steps/skipped", H5_INT, FIELD(skipped), 1, {E}},
        {"steps/importance", H5_DOUBLE, FIELD(importance), 1, {E}},
        {"steps/weight", H5_DOUBLE, FIELD(weight), 1, {E}},
        {"steps/tokens", H5_INT, FIELD(tokens), 0, {0}},
        {"steps/entropy", H5_DOUBLE, FIELD(entropy), 0, {0}},
        {"steps/variation", H5_DOUBLE, FIELD(variation), 0, {0}},
        {"steps/max_violation", H5_DOUBLE, FIELD(max_violation), 0, {0}},
        {"steps/max_violation_running", H5_DOUBLE, FIELD(max_violation_running), 0, {0}},
        {"steps/dead", H5_INT, FIELD(dead), 0, {0}},
        {"steps/aux_loss", H5_DOUBLE, FIELD(aux_loss), 0, {0}},
        {"steps/z_loss", H5_DOUBLE, FIELD(z_loss), 0, {0}},
        {"steps/loss", H5_DOUBLE, FIELD(loss), 0, {0}},
        {"steps/bytes", H5_DOUBLE, FIELD(bytes), 0, {0}},
        {"steps/seconds", H5_DOUBLE, FIELD(seconds), 0, {0}},
        {"steps/wait_seconds", H5_DOUBLE, FIELD(wait_seconds), 1, {W}},
    };
    return read_table(file, data, column, STEP_COLUMNS, &data->n);
}

static Status read_evals(const H5File *file, RouteData *data)
{
    const int64_t E = data->E, K = data->K, L = data->L;
    const Column column[EVAL_COLUMNS] = {
        {"evals/epoch", H5_INT, FIELD(eval_epoch), 0, {0}},
        {"evals/step", H5_INT, FIELD(eval_step), 0, {0}},
        {"evals/f1", H5_DOUBLE, FIELD(f1), 0, {0}},
        {"evals/by_gold", H5_INT, FIELD(by_gold), 3, {K, L, E}},
        {"evals/by_predicted", H5_INT, FIELD(by_predicted), 3, {K, L, E}},
        {"evals/by_frequency", H5_INT, FIELD(by_frequency), 3, {K, ROUTE_FREQUENCIES, E}},
        {"evals/by_capitals", H5_INT, FIELD(by_capitals), 3, {K, ROUTE_CAPITALS, E}},
        {"evals/by_seen", H5_INT, FIELD(by_seen), 3, {K, ROUTE_SEEN, E}},
        {"evals/first_expert", H5_INT, FIELD(first_expert), 1, {data->T}},
    };
    return read_table(file, data, column, EVAL_COLUMNS, &data->m);
}

static Status read_tokens(const H5File *file, RouteData *data)
{
    const Column column[TOKEN_COLUMNS] = {
        {"tokens/sentence", H5_INT, FIELD(sentence), 0, {0}},
        {"tokens/position", H5_INT, FIELD(position), 0, {0}},
        {"tokens/word", H5_INT, FIELD(word), 0, {0}},
        {"tokens/gold", H5_INT, FIELD(gold), 0, {0}},
        {"tokens/predicted", H5_INT, FIELD(predicted), 0, {0}},
        {"tokens/expert", H5_INT, FIELD(expert), 1, {data->K}},
        {"tokens/weight", H5_FLOAT, FIELD(token_weight), 1, {data->K}},
    };
    return read_table(file, data, column, TOKEN_COLUMNS, &data->T);
}

/* ---- the head of the file ---- */

static Status read_size(const H5File *file, const char *name, int64_t least, int64_t most,
                        int *value)
{
    int64_t number;
    TRY(h5_get_integer(file, "/", name, &number));
    if (number < least || number > most) {
        return status_error(CODE_STORED, "%s: attribute %s is %lld, legal is %lld to %lld",
                            file->path, name, (long long)number, (long long)least, (long long)most);
    }
    *value = (int)number;
    return status_ok();
}

static Status read_names(const H5File *file, const char *name, StringTable *table)
{
    char *text;
    size_t n;
    int lines = 0;
    TRY(h5_read_text(file, name, &text, &n));
    bool distinct = true;
    for (size_t begin = 0; begin < n && distinct; lines++) {
        const char *end = memchr(text + begin, '\n', n - begin);
        const size_t length = end == NULL ? n - begin : (size_t)(end - text) - begin;
        distinct = end != NULL && memchr(text + begin, '\0', length) == NULL &&
                   string_table_add(table, text + begin, length) == lines;
        begin += length + 1;
    }
    mem_free(text);
    return distinct ? status_ok() : absurd(file, name, "is no list of distinct lines");
}

static Status read_head(const H5File *file, RouteData *data)
{
    char format[64];
    int64_t version;
    TRY(h5_get_text(file, "/", "format", format, sizeof format));
    if (strcmp(format, "moe routing log") != 0) {
        return status_error(CODE_STORED, "%s: is no routing log", file->path);
    }
    TRY(h5_get_integer(file, "/", "version", &version));
    if (version != 1) {
        return status_error(CODE_STORED,
                            "%s: is a routing log of version %lld; this program reads version 1",
                            file->path, (long long)version);
    }
    TRY(h5_get_text(file, "/", "run", data->run, sizeof data->run));
    TRY(h5_get_text(file, "/", "program", data->program, sizeof data->program));
    TRY(h5_get_text(file, "/", "created", data->created, sizeof data->created));
    TRY(h5_get_number(file, "/", "capacity_factor", &data->capacity_factor));
    TRY(read_size(file, "experts", 1, MOST_EXPERTS, &data->E));
    TRY(read_size(file, "top_k", 1, data->E, &data->K));
    TRY(read_size(file, "labels", 1, MOST_LABELS, &data->L));
    TRY(read_size(file, "ranks", 1, MOST_RANKS, &data->W));
    TRY(read_names(file, "names/labels", &data->labels));
    TRY(read_names(file, "names/words", &data->words));
    return data->labels.n == data->L
               ? status_ok()
               : absurd(file, "names/labels", "has not as many lines as the log has labels");
}

/* ---- values ---- */

static bool within(const int32_t *value, size_t n, int least, int most)
{
    for (size_t i = 0; i < n; i++) {
        if (value[i] < least || value[i] > most) {
            return false;
        }
    }
    return true;
}

/** Does every table of an evaluation count each token once per choice? table: [m, K, classes, E] */
static bool counts_all(const RouteData *data, const int32_t *table, int classes)
{
    const size_t cells = (size_t)classes * (size_t)data->E;
    for (size_t row = 0; row < (size_t)data->m * (size_t)data->K; row++) {
        int64_t sum = 0;
        for (size_t i = 0; i < cells; i++) {
            const int32_t count = table[row * cells + i];
            if (count < 0) {
                return false;
            }
            sum += count;
        }
        if (sum != data->T) {
            return false;
        }
    }
    return true;
}

/** Every number that serves as an index, and every count. */
static Status check_values(const H5File *file, const RouteData *data)
{
    const size_t T = (size_t)data->T, K = (size_t)data->K, E = (size_t)data->E, n = (size_t)data->n;
    const struct {
        const char *name;
        const int32_t *value;
        size_t n;
        int least, most;
    } range[] = {
        {"tokens/sentence", data->sentence, T, 0, INT32_MAX},
        {"tokens/position", data->position, T, 0, INT32_MAX},
        {"tokens/word", data->word, T, 0, data->words.n - 1},
        {"tokens/gold", data->gold, T, 0, data->L - 1},
        {"tokens/predicted", data->predicted, T, 0, data->L - 1},
        {"tokens/expert", data->expert, T * K, 0, data->E - 1},
        {"evals/first_expert", data->first_expert, (size_t)data->m * T, 0, data->E - 1},
        {"evals/epoch", data->eval_epoch, (size_t)data->m, 0, INT32_MAX},
        {"evals/step", data->eval_step, (size_t)data->m, 0, INT32_MAX},
        {"steps/step", data->step, n, 0, INT32_MAX},
        {"steps/epoch", data->epoch, n, 0, INT32_MAX},
        {"steps/load", data->load, n * K * E, 0, INT32_MAX},
        {"steps/kept", data->kept, n * E, 0, INT32_MAX},
        {"steps/dropped", data->dropped, n * E, 0, INT32_MAX},
        {"steps/skipped", data->skipped, n * E, 0, INT32_MAX},
        {"steps/tokens", data->tokens, n, 0, INT32_MAX},
        {"steps/dead", data->dead, n, 0, data->E},
    };
    for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
        if (!within(range[i].value, range[i].n, range[i].least, range[i].most)) {
            return absurd(file, range[i].name, "has a number that is out of range");
        }
    }
    const struct {
        const char *name;
        const int32_t *table;
        int classes;
    } counts[] = {
        {"evals/by_gold", data->by_gold, data->L},
        {"evals/by_predicted", data->by_predicted, data->L},
        {"evals/by_frequency", data->by_frequency, ROUTE_FREQUENCIES},
        {"evals/by_capitals", data->by_capitals, ROUTE_CAPITALS},
        {"evals/by_seen", data->by_seen, ROUTE_SEEN},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (!counts_all(data, counts[i].table, counts[i].classes)) {
            return absurd(file, counts[i].name, "does not count every token once");
        }
    }
    return status_ok();
}

/* ---- the whole ---- */

static Status read_file(RouteData *data, const char *path)
{
    H5File file;
    TRY(h5_open_log(&file, path));
    Status status = read_head(&file, data);
    status = status.code == CODE_OK ? read_tokens(&file, data) : status;
    status = status.code == CODE_OK ? read_evals(&file, data) : status;
    status = status.code == CODE_OK ? read_steps(&file, data) : status;
    status = status.code == CODE_OK ? check_values(&file, data) : status;
    h5_close(&file);
    return status;
}

/** Has the file been written to since? */
static bool has_changed(const struct stat *before, const char *path)
{
    struct stat now;
    return stat(path, &now) == 0 &&
           (now.st_size != before->st_size || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

Status route_data_read(RouteData *data, const char *path)
{
    struct stat info;
    char name[sizeof data->path];
    memset(data, 0, sizeof *data);
    const bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    const int n = snprintf(name, sizeof name, "%s%s", path, is_folder ? "/routes.h5" : "");
    if (n >= (int)sizeof name) {
        return status_error(CODE_STORED, "%.200s...: the path is too long", path);
    }
    // A failure means something only when no row came while the file was read.
    Status status = status_ok();
    for (int i = 0; i < MOST_TRIES; i++) {
        const bool known = stat(name, &info) == 0;
        status = read_file(data, name);
        if (status.code == CODE_OK || !known || !has_changed(&info, name)) {
            break;
        }
        route_data_free(data);
    }
    if (status.code != CODE_OK) {
        route_data_free(data);
        return status;
    }
    memcpy(data->path, name, sizeof name);
    return status_ok();
}

void route_data_free(RouteData *data)
{
    void *block[] = {
        data->step,         data->epoch,        data->load,        data->kept,
        data->dropped,      data->skipped,      data->importance,  data->weight,
        data->tokens,       data->entropy,      data->variation,   data->max_violation,
        data->dead,         data->aux_loss,     data->z_loss,      data->max_violation_running,
        data->loss,         data->bytes,        data->seconds,     data->wait_seconds,
        data->eval_epoch,   data->eval_step,    data->f1,          data->by_gold,
        data->by_predicted, data->by_frequency, data->by_capitals, data->by_seen,
        data->first_expert, data->sentence,     data->position,    data->word,
        data->gold,         data->predicted,    data->expert,      data->token_weight,
    };
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        mem_free(block[i]);
    }
    string_table_free(&data->labels);
    string_table_free(&data->words);
    memset(data, 0, sizeof *data);
}
