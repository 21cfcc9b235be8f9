// SPDX-License-Identifier: Apache-2.0
#include "train/inspect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

enum { SLAB_BYTES = 1 << 24 };

/** A walk through the elements of an array, a slab of whole rows at a time. */
typedef struct Slabs {
    const H5File *file;
    const char *name;
    H5Kind kind;
    H5Shape shape;
    int64_t next, rows, most_rows;  // rows in data
    size_t row_elements, element;
    void *data;
} Slabs;

static void slabs_begin(Slabs *slabs, const H5File *file, const char *name, H5Kind kind,
                        H5Shape shape)
{
    static const size_t size[H5_KINDS] = {4, 8, 4, 1};
    H5Shape row = shape;
    row.dim[0] = 1;
    *slabs =
        (Slabs){.file = file, .name = name, .kind = kind, .shape = shape, .element = size[kind]};
    slabs->row_elements = (size_t)h5_elements(row);
    const size_t row_bytes = slabs->row_elements * slabs->element;
    const int64_t fits =
        row_bytes == 0 || row_bytes > SLAB_BYTES ? 1 : (int64_t)(SLAB_BYTES / row_bytes);
    slabs->most_rows = fits < shape.dim[0] ? fits : shape.dim[0];
    slabs->data = mem_alloc((size_t)slabs->most_rows * row_bytes + 1, 1);
}

/** The next slab; rows 0: no more. */
static Status slabs_next(Slabs *slabs)
{
    const int64_t left = slabs->shape.dim[0] - slabs->next;
    const int64_t first = slabs->next;
    slabs->rows = left < slabs->most_rows ? left : slabs->most_rows;
    slabs->next += slabs->rows;
    return h5_read(slabs->file, slabs->name, slabs->kind, slabs->shape, first, slabs->rows,
                   slabs->data);
}

static double slabs_value(const Slabs *slabs, size_t i)
{
    return slabs->kind == H5_DOUBLE  ? ((const double *)slabs->data)[i]
           : slabs->kind == H5_FLOAT ? (double)((const float *)slabs->data)[i]
           : slabs->kind == H5_INT   ? ((const int32_t *)slabs->data)[i]
                                     : ((const unsigned char *)slabs->data)[i];
}

/* ---- arrays ---- */

/** "moe.expert.w1" of "params/moe.expert.w1" or "optim/moe.expert.w1/m", in text. */
static void tensor_of(const char *name, char text[TENSOR_NAME])
{
    const char *slash = strchr(name, '/');
    snprintf(text, TENSOR_NAME, "%s", slash == NULL ? name : slash + 1);
    text[strcspn(text, "/")] = '\0';
}

/** Is a word in a list that is apart at spaces? */
static bool in_list(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n) {
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

/** Read an array: its hash (train/tensors.h) and its figures. */
static Status read_array(const H5File *file, Array *array)
{
    Slabs slabs;
    Digest whole;
    double squares = 0;
    Status status = status_ok();
    digest_init(&whole);
    slabs_begin(&slabs, file, array->id.name, array->kind, array->id.shape);
    const size_t row_bytes = slabs.row_elements * slabs.element;
    while (status.code == CODE_OK && slabs.next < slabs.shape.dim[0]) {
        status = slabs_next(&slabs);
        const size_t n = status.code == CODE_OK ? (size_t)slabs.rows * slabs.row_elements : 0;
        for (size_t i = 0; i < n; i++) {
            const double x = slabs_value(&slabs, i);
            squares += x * x;
            array->largest = fabs(x) > array->largest ? fabs(x) : array->largest;
        }
        for (int64_t e = 0; array->expert && n > 0 && e < slabs.rows; e++) {
            unsigned char hash[DIGEST_BYTES];
            Digest one;
            digest_init(&one);
            digest_add(&one, (const char *)slabs.data + (size_t)e * row_bytes, row_bytes);
            digest_bytes(&one, hash);
            digest_add(&whole, hash, sizeof hash);
        }
        if (!array->expert) {
            digest_add(&whole, slabs.data, n * slabs.element);
        }
    }
    digest_bytes(&whole, array->id.hash);
    mem_free(slabs.data);
    const int64_t elements = h5_elements(array->id.shape);
    array->mean_square = elements > 0 ? squares / (double)elements : 0;
    return status;
}

/** Where the arrays of a folder go. */
typedef struct ArrayReader {
    const H5File *file;
    Inspection *inspection;
    const char *experts;  // names of the expert tensors
    char folder[TENSOR_NAME];
} ArrayReader;

static Status visit_array(void *context, const char *name)
{
    ArrayReader *reader = context;
    Inspection *in = reader->inspection;
    Array array = {.expert = false};
    char tensor[TENSOR_NAME];
    const int n = snprintf(array.id.name, TENSOR_NAME, "%s/%s", reader->folder, name);
    if (n >= TENSOR_NAME) {
        return status_error(CODE_STORED, "%s: %s: a name of %d bytes is too long",
                            reader->file->path, array.id.name, n);
    }
    if (strcmp(reader->folder, "optim") == 0) {
        ArrayReader inner = *reader;
        memcpy(inner.folder, array.id.name, TENSOR_NAME);
        return h5_each(reader->file, inner.folder, false, visit_array, &inner);
    }
    TRY(h5_shape(reader->file, array.id.name, &array.kind, &array.id.shape));
    tensor_of(array.id.name, tensor);
    array.expert = in_list(reader->experts, tensor) &&
                   strcmp(array.id.name + n - (n > 9 ? 9 : n), "log_decay") != 0;
    TRY(read_array(reader->file, &array));
    in->array = mem_grow(in->array, (size_t)in->n + 1, sizeof *in->array);
    in->array[in->n++] = array;
    return status_ok();
}

/** Are the arrays those that were saved? */
static Status check_digests(const Inspection *in)
{
    char all[DIGEST_TEXT], weights[DIGEST_TEXT];
    TensorHash *hash = mem_alloc((size_t)in->n, sizeof *hash);
    for (int i = 0; i < in->n; i++) {
        hash[i] = in->array[i].id;
    }
    tensors_digest(all, hash, in->n, strcmp(in->kind, "run") == 0 ? in->step : -1);
    tensors_digest(weights, hash, tensors_weights(hash, in->n), -1);
    mem_free(hash);
    if (strcmp(all, in->digest) != 0 || strcmp(weights, in->weights_digest) != 0) {
        return status_error(CODE_STORED,
                            "%s: /: digest %.12s... is not that of its arrays, %.12s...", in->path,
                            in->digest, all);
    }
    return status_ok();
}

/* ---- the rest of a file ---- */

static Status read_head(const H5File *file, Inspection *in)
{
    const struct {
        const char *name;
        char *text;
        size_t size;
    } text[] = {{"kind", in->kind, sizeof in->kind},
                {"created", in->created, sizeof in->created},
                {"program", in->program, sizeof in->program},
                {"commit", in->commit, sizeof in->commit},
                {"mpi", in->mpi, sizeof in->mpi},
                {"blas", in->blas, sizeof in->blas},
                {"hdf5", in->hdf5, sizeof in->hdf5},
                {"digest", in->digest, DIGEST_TEXT},
                {"weights_digest", in->weights_digest, DIGEST_TEXT}};
    const struct {
        const char *where, *name;
        int64_t *value;
    } number[] = {{"/", "step", &in->step},
                  {"/", "epoch", &in->epoch},
                  {"/", "seed", &in->seed},
                  {"/", "groups", &in->groups},
                  {"/", "ranks", &in->ranks},
                  {"state", "best_epoch", &in->best_epoch},
                  {"state", "finished", &in->finished}};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        TRY(h5_get_text(file, "/", text[i].name, text[i].text, text[i].size));
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        TRY(h5_get_integer(file, number[i].where, number[i].name, number[i].value));
    }
    TRY(h5_get_number(file, "state", "best_f1", &in->best_f1));
    return h5_get_number(file, "state", "seconds", &in->seconds);
}

/** Lines of a text dataset. */
static Status count_lines(const H5File *file, const char *name, int64_t *n)
{
    char *text;
    size_t bytes;
    TRY(h5_read_text(file, name, &text, &bytes));
    *n = 0;
    for (size_t i = 0; i < bytes; i++) {
        *n += text[i] == '\n';
    }
    mem_free(text);
    return status_ok();
}

/** Read a dataset that is only to be whole. */
static Status check_array(void *context, const char *name)
{
    const H5File *file = context;
    Array array = {.expert = false};
    snprintf(array.id.name, TENSOR_NAME, "state/%s", name);
    TRY(h5_shape(file, array.id.name, &array.kind, &array.id.shape));
    return read_array(file, &array);
}

static Status read_all(H5File *file, Inspection *in)
{
    const char *folder[] = {"params", "average", "optim"};
    char experts[CHECKPOINT_TEXT];
    int64_t lines;
    Array characters = {.id.name = "vocab/characters"};
    TRY(read_head(file, in));
    TRY(checkpoint_read_lines(file, &in->config, &in->inputs));
    TRY(count_lines(file, "vocab/words", &in->n_words));
    TRY(count_lines(file, "vocab/labels", &in->n_labels));
    TRY(count_lines(file, "history", &lines));
    TRY(h5_shape(file, characters.id.name, &characters.kind, &characters.id.shape));
    TRY(read_array(file, &characters));
    TRY(h5_each(file, "state", false, check_array, file));
    TRY(h5_get_text(file, "params", "expert_tensors", experts, sizeof experts));
    for (int i = 0; i < (strcmp(in->kind, "run") == 0 ? 3 : 1); i++) {
        ArrayReader reader = {file, in, experts, ""};
        snprintf(reader.folder, sizeof reader.folder, "%s", folder[i]);
        TRY(h5_each(file, folder[i], false, visit_array, &reader));
    }
    return check_digests(in);
}

Status inspect_file(Inspection *inspection, const char *path)
{
    H5File file;
    *inspection = (Inspection){.n = 0};
    snprintf(inspection->path, sizeof inspection->path, "%s", path);
    TRY(checkpoint_open(&file, path));
    const Status status = read_all(&file, inspection);
    h5_close(&file);
    return status;
}

Status inspect_difference(const Inspection *a, const Inspection *b, const Array *array,
                          double *largest, int64_t *element)
{
    H5File file[2] = {{0}};
    Slabs slabs[2];
    const Inspection *in[2] = {a, b};
    Status status = status_ok();
    *largest = 0;
    *element = 0;
    for (int i = 0; i < 2; i++) {
        status = status.code == CODE_OK ? checkpoint_open(&file[i], in[i]->path) : status;
        slabs_begin(&slabs[i], &file[i], array->id.name, array->kind, array->id.shape);
    }
    while (status.code == CODE_OK && slabs[0].next < slabs[0].shape.dim[0]) {
        const int64_t first = slabs[0].next * (int64_t)slabs[0].row_elements;
        status = slabs_next(&slabs[0]);
        status = status.code == CODE_OK ? slabs_next(&slabs[1]) : status;
        const size_t n = status.code == CODE_OK ? (size_t)slabs[0].rows * slabs[0].row_elements : 0;
        for (size_t i = 0; i < n; i++) {
            const double d = fabs(slabs_value(&slabs[0], i) - slabs_value(&slabs[1], i));
            if (d > *largest) {
                *largest = d;
                *element = first + (int64_t)i;
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        mem_free(slabs[i].data);
        h5_close(&file[i]);
    }
    return status;
}

int64_t inspect_count(const Inspection *inspection, char kind)
{
    int64_t n = 0;
    for (int i = 0; i < inspection->n; i++) {
        const Array *array = &inspection->array[i];
        const char of = array->expert                                 ? 'e'
                        : strcmp(array->id.name, "params/words") == 0 ? 'w'
                                                                      : 'd';
        if (strncmp(array->id.name, "params/", 7) == 0 && of == kind) {
            n += h5_elements(array->id.shape);
        }
    }
    return n;
}

void inspect_free(Inspection *inspection)
{
    card_lines_free(&inspection->config);
    card_lines_free(&inspection->inputs);
    mem_free(inspection->array);
    *inspection = (Inspection){.n = 0};
}
