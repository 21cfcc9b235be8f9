// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/tree.h"
#include "comm/signals.h"
#include "comm/watch.h"

static const char format_name[] = "moe checkpoint";

/* ---- cards ---- */

void card_add(CardLines *lines, const char *name, const char *value)
{
    lines->line = mem_grow(lines->line, (size_t)lines->n + 1, sizeof *lines->line);
    lines->line[lines->n++] = (CardLine){mem_copy_text(name), mem_copy_text(value)};
}

const char *card_find(const CardLines *lines, const char *name)
{
    for (int i = 0; i < lines->n; i++) {
        if (strcmp(lines->line[i].name, name) == 0) {
            return lines->line[i].value;
        }
    }
    return NULL;
}

void card_lines_free(CardLines *lines)
{
    for (int i = 0; i < lines->n; i++) {
        mem_free(lines->line[i].name);
        mem_free(lines->line[i].value);
    }
    mem_free(lines->line);
    *lines = (CardLines){0};
}

/* ---- what both ways walk ---- */

/** The numbers of a cursor by name: one table for writing and reading. */
typedef struct CursorField {
    const char *name;
    int64_t *integer;
    double *number;
} CursorField;

enum { CURSOR_FIELDS = 15 };

static void cursor_fields(CursorField field[CURSOR_FIELDS], Cursor *c)
{
    const CursorField all[CURSOR_FIELDS] = {{"step", &c->step, NULL},
                                            {"epoch", &c->epoch, NULL},
                                            {"batch", &c->batch, NULL},
                                            {"best_epoch", &c->best_epoch, NULL},
                                            {"epochs_without_gain", &c->epochs_without_gain, NULL},
                                            {"finished", &c->finished, NULL},
                                            {"route_steps", &c->route_steps, NULL},
                                            {"route_evals", &c->route_evals, NULL},
                                            {"route_trace", &c->route_trace, NULL},
                                            {"best_f1", NULL, &c->best_f1},
                                            {"epoch_seconds", NULL, &c->epoch_seconds},
                                            {"epoch_flops", NULL, &c->epoch_flops},
                                            {"recent_seconds", NULL, &c->recent_seconds},
                                            {"seconds", NULL, &c->seconds},
                                            {"log_decay", NULL, &c->log_decay}};
    memcpy(field, all, sizeof all);
}

/** Arrays of the run's state; count 0: this rank has no part in it. */
typedef struct StateArray {
    const char *name;
    H5Kind kind;
    H5Shape shape;
    int64_t first, count;
    void *data;  // of the first element of the share
} StateArray;

enum { STATE_ARRAYS = 5 };

static int state_arrays(StateArray array[STATE_ARRAYS], const Checkpoint *c)
{
    const size_t start = (size_t)c->first_group * (size_t)c->n_stats;
    const H5Shape stats = {2, {c->groups, c->n_stats}};
    const int64_t n_local = c->last_group - c->first_group;
    int n = 0;
    double *const figures[] = {c->epoch_stats, c->recent_stats, c->route_stats};
    const char *name[] = {"state/epoch_stats", "state/recent_stats", "state/route_stats"};
    for (int i = 0; i < 3; i++) {
        array[n++] =
            (StateArray){name[i], H5_DOUBLE, stats, c->first_group, n_local, figures[i] + start};
    }
    if (c->best_dev != NULL) {
        array[n++] =
            (StateArray){"state/best_dev", H5_INT, {1, {c->n_dev}}, 0, c->n_dev, c->best_dev};
    }
    if (c->best_test != NULL) {
        array[n++] =
            (StateArray){"state/best_test", H5_INT, {1, {c->n_test}}, 0, c->n_test, c->best_test};
    }
    return n;
}

/** All strings of a table, one a line, or the texts of labels. */
typedef struct Lines {
    char *text;
    size_t n;
} Lines;

static Lines words_of(const Lexicon *lexicon)
{
    const StringTable *words = &lexicon->vocab.vectors.words;
    Lines lines = {mem_alloc(words->n_bytes + 1, 1), 0};
    for (int i = 0; i < words->n; i++) {
        const char *word = string_table_text(words, i);
        const size_t n = strlen(word);
        memcpy(lines.text + lines.n, word, n);
        lines.n += n;
        lines.text[lines.n++] = '\n';
    }
    return lines;
}

static Lines labels_of(const Lexicon *lexicon)
{
    const Tagset *tagset = &lexicon->tagset;
    const size_t prefixed = 4;  // B- I- E- S-, and a line feed for the zero byte
    const size_t room = prefixed * (tagset->types.n_bytes + 2 * (size_t)tagset->n_types) + 8;
    Lines lines = {mem_alloc(room, 1), 0};
    for (int i = 0; i < tagset->n_labels; i++) {
        tagset_label_text(tagset, i, lines.text + lines.n, room - lines.n);
        lines.n += strlen(lines.text + lines.n);
        lines.text[lines.n++] = '\n';
    }
    return lines;
}

static Status make_groups(H5File *file, bool model)
{
    const char *name[] = {"config", "inputs", "vocab", "params", "state", "optim", "average"};
    for (int i = 0; i < (model ? 5 : 7); i++) {
        TRY(h5_group(file, name[i]));
    }
    return status_ok();
}

/* ---- saving ---- */

static Status put_lines(H5File *file, const char *group, const CardLines *lines)
{
    for (int i = 0; i < lines->n; i++) {
        TRY(h5_put_text(file, group, lines->line[i].name, lines->line[i].value));
    }
    return status_ok();
}

static Status put_head(H5File *file, Checkpoint *c, const Tensors *tensors)
{
    const Card *card = c->card;
    const bool model = c->optim == NULL;
    char created[CLOCK_TEXT], digest[DIGEST_TEXT], weights[DIGEST_TEXT];
    clock_date(created);
    comm_broadcast(&c->mesh->world, created, sizeof created);
    tensors_digest_run(digest, weights, c->mesh, tensors, model ? -1 : c->cursor.step);
    TRY(h5_put_text(file, "/", "format", format_name));
    TRY(h5_put_integer(file, "/", "version", CHECKPOINT_VERSION));
    TRY(h5_put_text(file, "/", "kind", model ? "model" : "run"));
    TRY(h5_put_text(file, "/", "created", created));
    TRY(h5_put_text(file, "/", "program", card->program));
    TRY(h5_put_text(file, "/", "commit", card->commit));
    TRY(h5_put_text(file, "/", "mpi", comm_library()));
    TRY(h5_put_text(file, "/", "blas", card->blas));
    TRY(h5_put_text(file, "/", "hdf5", h5_library()));
    TRY(h5_put_integer(file, "/", "seed", (int64_t)card->seed));
    TRY(h5_put_integer(file, "/", "groups", card->groups));
    TRY(h5_put_integer(file, "/", "ranks", c->mesh->world.size));
    TRY(h5_put_integer(file, "/", "step", c->cursor.step));
    TRY(h5_put_integer(file, "/", "epoch", c->cursor.epoch));
    TRY(h5_put_text(file, "/", "weights_digest", weights));
    return h5_put_text(file, "/", "digest", digest);
}

static Status put_vocab(H5File *file, const Lexicon *lexicon)
{
    const bool root = comm_is_root(file->comm);
    const H5Shape shape = {1, {lexicon->chars.n}};
    Lines words = words_of(lexicon), labels = labels_of(lexicon);
    Status status = h5_write_text(file, "vocab/words", words.text, words.n);
    if (status.code == CODE_OK) {
        status = h5_write_text(file, "vocab/labels", labels.text, labels.n);
    }
    mem_free(words.text);
    mem_free(labels.text);
    TRY(status);
    TRY(h5_write(file, "vocab/characters", H5_INT, shape, 0, 0, root ? lexicon->chars.n : 0,
                 lexicon->chars.code));
    TRY(h5_put_integer(file, "vocab", "unknown", lexicon->vocab.unknown));
    return h5_put_integer(file, "vocab", "rows_from_file", lexicon->vocab.n_from_file);
}

/** This rank's share of a tensor: an expert's owners are one rank of each set, others are held by all. */
static Status put_tensor(H5File *file, const Mesh *mesh, const Tensor *tensor)
{
    int64_t first, count;
    if (tensor->expert) {
        const int n = mesh->replicas.size, r = mesh->replicas.rank;
        first = tree_split((int)tensor->count, n, r);
        count = tree_split((int)tensor->count, n, r + 1) - first;
    } else {
        h5_share(tensor->kind, tensor->shape, mesh->world.rank, mesh->world.size, &first, &count);
    }
    const char *data = (const char *)tensor->data + (size_t)first * tensors_row_bytes(tensor);
    return h5_write(file, tensor->name, tensor->kind, tensor->shape, tensor->expert ? 1 : 0,
                    tensor->first + first, count, data);
}

static Status put_tensors(H5File *file, const Checkpoint *c, const Tensors *tensors)
{
    const Params *table[] = {c->params, c->experts};
    char name[TENSOR_NAME], experts[CHECKPOINT_TEXT] = "";
    size_t used = 0;
    for (int t = 0; t < 2 && c->optim != NULL; t++) {
        for (int i = 0; i < table[t]->n; i++) {
            snprintf(name, sizeof name, "optim/%s", table[t]->param[i].name);
            TRY(h5_group(file, name));
        }
    }
    for (int i = 0; i < tensors->n; i++) {
        TRY(put_tensor(file, c->mesh, &tensors->tensor[i]));
    }
    for (int i = 0; i < c->experts->n; i++) {
        used += (size_t)snprintf(experts + used, sizeof experts - used, "%s%s", i > 0 ? " " : "",
                                 c->experts->param[i].name);
        CHECK(used < sizeof experts, "too many expert tensors to name");
    }
    return h5_put_text(file, "params", "expert_tensors", experts);
}

static Status put_state(H5File *file, Checkpoint *c)
{
    CursorField field[CURSOR_FIELDS];
    StateArray array[STATE_ARRAYS];
    cursor_fields(field, &c->cursor);
    for (int i = 0; i < CURSOR_FIELDS; i++) {
        TRY(field[i].integer != NULL
                ? h5_put_integer(file, "state", field[i].name, *field[i].integer)
                : h5_put_number(file, "state", field[i].name, *field[i].number));
    }
    const int n = c->optim == NULL ? 0 : state_arrays(array, c);
    for (int i = 0; i < n; i++) {
        const bool by_groups = array[i].kind == H5_DOUBLE;  // labels are the same everywhere
        TRY(h5_write(file, array[i].name, array[i].kind, array[i].shape, by_groups ? 1 : 0,
                     array[i].first, by_groups || comm_is_root(file->comm) ? array[i].count : 0,
                     array[i].data));
    }
    return h5_write_text(file, "history", c->history, c->n_history);
}

static Status put_all(H5File *file, Checkpoint *c, const Tensors *tensors)
{
    TRY(make_groups(file, c->optim == NULL));
    TRY(put_head(file, c, tensors));
    TRY(put_lines(file, "config", &c->card->config));
    TRY(put_lines(file, "inputs", &c->card->inputs));
    TRY(put_vocab(file, c->card->lexicon));
    TRY(put_tensors(file, c, tensors));
    return put_state(file, c);
}

Status checkpoint_save(Checkpoint *checkpoint, const char *path)
{
    H5File file;
    Tensors tensors;
    watch_guard_begin("writing a checkpoint");
    Status status = h5_create(&file, &checkpoint->mesh->world, path);
    if (status.code == CODE_OK) {
        tensors_list(&tensors, checkpoint->params, checkpoint->optim, checkpoint->experts,
                     checkpoint->expert_optim);
        status = put_all(&file, checkpoint, &tensors);
        tensors_free(&tensors);
        if (status.code == CODE_OK) {
            status = h5_commit(&file);
        } else {
            h5_abandon(&file);
        }
    }
    watch_guard_end();
    return status;
}

void checkpoint_path(char path[H5_PATH], const char *dir, int age)
{
    if (age == 0) {
        snprintf(path, H5_PATH, "%s/last.h5", dir);
    } else {
        snprintf(path, H5_PATH, "%s/last-%d.h5", dir, age);
    }
}

void checkpoint_rotate(const char *dir, int keep)
{
    char from[H5_PATH], to[H5_PATH];
    for (int age = keep - 1; age >= 1; age--) {
        checkpoint_path(from, dir, age - 1);
        checkpoint_path(to, dir, age);
        if (age > 1) {
            rename(from, to);
        } else {
            remove(to);
            if (link(from, to) !=
                0) {  // so that there is a last.h5 at every moment, where links are
                rename(from, to);
            }
        }
    }
}

/* ---- loading ---- */

Status checkpoint_open(H5File *file, const char *path)
{
    char format[64], kind[16];
    int64_t version;
    TRY(h5_open(file, path));
    Status status = h5_get_text(file, "/", "format", format, sizeof format);
    if (status.code != CODE_OK || strcmp(format, format_name) != 0) {
        h5_close(file);
        return status_error(CODE_STORED, "%s: is an HDF5 file, but no checkpoint of this program",
                            path);
    }
    status = h5_get_integer(file, "/", "version", &version);
    if (status.code == CODE_OK && version != CHECKPOINT_VERSION) {
        status = status_error(CODE_STORED,
                              "%s: is of version %" PRId64 ", this program reads version %d", path,
                              version, CHECKPOINT_VERSION);
    }
    if (status.code == CODE_OK) {
        status = h5_get_text(file, "/", "kind", kind, sizeof kind);
    }
    if (status.code == CODE_OK && strcmp(kind, "run") != 0 && strcmp(kind, "model") != 0) {
        status = status_error(CODE_STORED, "%s: /: attribute kind is neither run nor model", path);
    }
    if (status.code != CODE_OK) {
        h5_close(file);
    }
    return status;
}

/** Where attributes go that are read by name. */
typedef struct CardReader {
    const H5File *file;
    const char *group;
    CardLines *lines;
} CardReader;

static Status read_line(void *context, const char *name)
{
    CardReader *reader = context;
    char value[CHECKPOINT_TEXT];
    TRY(h5_get_text(reader->file, reader->group, name, value, sizeof value));
    card_add(reader->lines, name, value);
    return status_ok();
}

Status checkpoint_read_lines(const H5File *file, CardLines *config, CardLines *inputs)
{
    CardReader of_config = {file, "config", config}, of_inputs = {file, "inputs", inputs};
    TRY(h5_each(file, "config", true, read_line, &of_config));
    return h5_each(file, "inputs", true, read_line, &of_inputs);
}

Status checkpoint_read_card(const char *path, CardLines *config, CardLines *inputs)
{
    H5File file;
    TRY(checkpoint_open(&file, path));
    const Status status = checkpoint_read_lines(&file, config, inputs);
    h5_close(&file);
    return status;
}

/** A text that must be what this run has. */
static Status same_text(const H5File *file, const char *name, Lines own, const char *what)
{
    char *text;
    size_t n;
    Status status = h5_read_text(file, name, &text, &n);
    if (status.code == CODE_OK && (n != own.n || memcmp(text, own.text, n) != 0)) {
        status =
            status_error(CODE_STORED, "%s: %s: other %s than this run has", file->path, name, what);
    }
    mem_free(text);
    mem_free(own.text);
    return status;
}

static Status load_vocab(const H5File *file, const Lexicon *lexicon)
{
    const int n = lexicon->chars.n;
    int32_t *code = mem_alloc((size_t)n, sizeof *code);
    Status status = h5_read(file, "vocab/characters", H5_INT, (H5Shape){1, {n}}, 0, n, code);
    if (status.code == CODE_OK &&
        memcmp(code, lexicon->chars.code, (size_t)n * sizeof *code) != 0) {
        status = status_error(
            CODE_STORED, "%s: vocab/characters: other characters than this run has", file->path);
    }
    mem_free(code);
    TRY(status);
    TRY(same_text(file, "vocab/words", words_of(lexicon), "words"));
    return same_text(file, "vocab/labels", labels_of(lexicon), "labels");
}

static Status load_state(const H5File *file, Checkpoint *c)
{
    CursorField field[CURSOR_FIELDS];
    StateArray array[STATE_ARRAYS];
    cursor_fields(field, &c->cursor);
    for (int i = 0; i < CURSOR_FIELDS; i++) {
        TRY(field[i].integer != NULL
                ? h5_get_integer(file, "state", field[i].name, field[i].integer)
                : h5_get_number(file, "state", field[i].name, field[i].number));
    }
    const int n = state_arrays(array, c);
    for (int i = 0; i < n; i++) {
        TRY(h5_read(file, array[i].name, array[i].kind, array[i].shape, array[i].first,
                    array[i].count, array[i].data));
    }
    return h5_read_text(file, "history", &c->history, &c->n_history);
}

static Status load_all(const H5File *file, Checkpoint *c, const Tensors *tensors,
                       char digest[DIGEST_TEXT])
{
    char kind[16];
    TRY(h5_get_text(file, "/", "kind", kind, sizeof kind));
    if (strcmp(kind, "run") != 0) {
        return status_error(
            CODE_STORED,
            "%s: is a model, which has no moments to go on with; start from it with --init",
            file->path);
    }
    TRY(h5_get_text(file, "/", "digest", digest, DIGEST_TEXT));
    TRY(load_vocab(file, c->card->lexicon));
    for (int i = 0; i < tensors->n; i++) {
        const Tensor *t = &tensors->tensor[i];
        TRY(h5_read(file, t->name, t->kind, t->shape, t->first, t->count, t->data));
    }
    return load_state(file, c);
}

Status checkpoint_load(Checkpoint *c, const char *path)
{
    const Comm *world = &c->mesh->world;
    char saved[DIGEST_TEXT] = "", loaded[DIGEST_TEXT];
    H5File file;
    Tensors tensors;
    tensors_list(&tensors, c->params, c->optim, c->experts, c->expert_optim);
    Status status = checkpoint_open(&file, path);
    if (status.code == CODE_OK) {
        status = load_all(&file, c, &tensors, saved);
        h5_close(&file);
    }
    status = comm_agree(world, status);
    if (status.code == CODE_OK) {
        c->optim->t = c->expert_optim->t = (long)c->cursor.step;
        c->optim->log_decay = c->expert_optim->log_decay = c->cursor.log_decay;
        tensors_digest_run(loaded, NULL, c->mesh, &tensors, c->cursor.step);
        if (strcmp(saved, loaded) != 0) {
            status = status_error(CODE_STORED,
                                  "%s: /: digest %.12s... is not that of its arrays, %.12s...",
                                  path, saved, loaded);
        }
    }
    tensors_free(&tensors);
    return status;
}
