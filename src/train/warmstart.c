// SPDX-License-Identifier: Apache-2.0
#include "train/warmstart.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

/** The other model, and what of it is taken. */
typedef struct Other {
    H5File file;
    const Lexicon *lexicon;  // of this run
    StringTable words;       // of the other, by row
    int32_t *code;           // [n_codes] its characters
    int n_codes;
    bool same_labels;
    Warmstart *taken;
} Other;

/** Where the other has a tensor: its average when there is one, else its weights; false: nowhere. */
static bool place_of(const Other *other, const char *name, char place[TENSOR_NAME])
{
    snprintf(place, TENSOR_NAME, "average/%s", name);
    if (!h5_has(&other->file, place)) {
        snprintf(place, TENSOR_NAME, "params/%s", name);
    }
    return h5_has(&other->file, place);
}

static void stays_new(Other *other, const char *name)
{
    char *fresh = other->taken->fresh;
    const size_t used = strlen(fresh);
    snprintf(fresh + used, CHECKPOINT_TEXT - used, "%s%s", used > 0 ? ", " : "", name);
}

static H5Shape shape_of(const Params *params, const Param *param)
{
    H5Shape shape = {.n_dims = param->n_dims};
    for (int i = 0; i < param->n_dims; i++) {
        shape.dim[i] = param->shape[i];
    }
    shape.dim[0] = param->kind == PARAM_EXPERT ? params->n_experts : param->shape[0];
    return shape;
}

/* ---- words, characters, labels of the other ---- */

static void split_lines(StringTable *table, const char *text, size_t n)
{
    for (size_t start = 0, i = 0; i < n; i++) {
        if (text[i] == '\n') {
            string_table_add(table, text + start, i - start);
            start = i + 1;
        }
    }
}

static Status read_labels(Other *other)
{
    StringTable labels = {0};
    char *text;
    size_t n;
    TRY(h5_read_text(&other->file, "vocab/labels", &text, &n));
    split_lines(&labels, text, n);
    mem_free(text);
    const Tagset *tagset = &other->lexicon->tagset;
    other->same_labels = labels.n == tagset->n_labels;
    for (int i = 0; other->same_labels && i < labels.n; i++) {
        char label[STATUS_TEXT];
        tagset_label_text(tagset, i, label, sizeof label);
        other->same_labels = strcmp(label, string_table_text(&labels, i)) == 0;
    }
    string_table_free(&labels);
    return status_ok();
}

static Status read_vocabulary(Other *other)
{
    char *text;
    size_t n;
    H5Kind kind;
    H5Shape shape;
    TRY(h5_read_text(&other->file, "vocab/words", &text, &n));
    split_lines(&other->words, text, n);
    mem_free(text);
    TRY(h5_shape(&other->file, "vocab/characters", &kind, &shape));
    other->n_codes = (int)shape.dim[0];
    other->code = mem_alloc((size_t)other->n_codes + 1, sizeof(int32_t));
    TRY(h5_read(&other->file, "vocab/characters", H5_INT, (H5Shape){1, {other->n_codes}}, 0,
                other->n_codes, other->code));
    return read_labels(other);
}

/* ---- tensors ---- */

/** Row of the other that row i of the word table or of the characters comes from, or -1. */
static int row_of(const Other *other, bool words, int i)
{
    if (words) {
        const char *word = string_table_text(&other->lexicon->vocab.vectors.words, i);
        return string_table_find(&other->words, word, strlen(word));
    }
    for (int j = i <= CHAR_UNKNOWN ? i : CHAR_UNKNOWN + 1; j < other->n_codes; j++) {
        if (i <= CHAR_UNKNOWN || other->code[j] == other->lexicon->chars.code[i]) {
            return j;
        }
    }
    return -1;
}

/** Rows by word or by character. */
static Status take_rows(Other *other, const Param *param, const char *place, bool words)
{
    const int dim = param->shape[1], n_rows = words ? other->words.n : other->n_codes;
    H5Kind kind;
    H5Shape shape;
    TRY(h5_shape(&other->file, place, &kind, &shape));  // before memory is taken for it
    const H5Shape wanted = {2, {n_rows, dim}};
    real *all = mem_alloc((size_t)h5_elements(shape) + 1, sizeof *all);
    const Status status = h5_read(&other->file, place, H5_REAL, wanted, 0,
                                  h5_elements(shape) == h5_elements(wanted) ? n_rows : 0, all);
    for (int i = 0; i < param->shape[0] && status.code == CODE_OK; i++) {
        const int from = row_of(other, words, i);
        if (from >= 0) {
            memcpy(param->value + (size_t)i * (size_t)dim, all + (size_t)from * (size_t)dim,
                   (size_t)dim * sizeof *all);
            *(words ? &other->taken->n_words : &other->taken->n_characters) += 1;
        }
    }
    mem_free(all);
    return status;
}

/** Every local expert becomes the dense block's tensor. */
static Status copy_dense(Other *other, const Param *param, const char *place)
{
    H5Shape shape = {.n_dims = param->n_dims - 1};
    for (int i = 1; i < param->n_dims; i++) {
        shape.dim[i - 1] = param->shape[i];
    }
    const size_t each = (size_t)h5_elements(shape);
    real *one = mem_alloc(each, sizeof *one);
    const Status status = h5_read(&other->file, place, H5_REAL, shape, 0, shape.dim[0], one);
    for (int e = 0; e < param->shape[0] && status.code == CODE_OK; e++) {
        memcpy(param->value + (size_t)e * each, one, each * sizeof *one);
    }
    mem_free(one);
    other->taken->upcycled = true;
    return status.code == CODE_OK
               ? status
               : status_error(
                     status.code,
                     "%s; an expert is a copy of the dense block when --expert-hidden is its width",
                     status.text);
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static Status take(Other *other, const Params *params, const Param *param)
{
    char place[TENSOR_NAME], dense[64];
    const char *name = param->name;
    const bool of_labels = begins(name, "output.") || begins(name, "crf.");
    const bool found = place_of(other, name, place);
    if (found && of_labels && !other->same_labels) {
        stays_new(other, name);
        return status_ok();
    }
    if (found) {
        const bool words = param->kind == PARAM_ROWS;
        other->taken->n_taken++;
        return words || strcmp(name, "chars.embedding") == 0
                   ? take_rows(other, param, place, words)
                   : h5_read(&other->file, place, H5_REAL, shape_of(params, param),
                             param->kind == PARAM_EXPERT ? params->first_expert : 0,
                             param->shape[0], param->value);
    }
    if (param->kind == PARAM_EXPERT) {  // moe.expert.w1 <- dense.w1
        snprintf(dense, sizeof dense, "dense.%s", strrchr(name, '.') + 1);
        if (place_of(other, dense, place)) {
            other->taken->n_taken++;
            return copy_dense(other, param, place);
        }
    }
    stays_new(other, name);
    return status_ok();
}

static Status take_all(Other *other, const Params *params, const Params *experts)
{
    const Params *table[] = {params, experts};
    TRY(read_vocabulary(other));
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < table[t]->n; i++) {
            TRY(take(other, table[t], &table[t]->param[i]));
        }
    }
    return status_ok();
}

Status warmstart(Warmstart *taken, Params *params, Params *experts, const Lexicon *lexicon,
                 const char *path)
{
    Other other = {.lexicon = lexicon, .taken = taken};
    *taken = (Warmstart){.n_taken = 0};
    TRY(checkpoint_open(&other.file, path));
    const Status status = take_all(&other, params, experts);
    h5_close(&other.file);
    string_table_free(&other.words);
    mem_free(other.code);
    return status;
}
