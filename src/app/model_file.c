// SPDX-License-Identifier: Apache-2.0
#include "app/model_file.h"

#include <string.h>

#include "base/arena.h"

unsigned char *model_file_legal(const Tagset *tagset)
{
    const int L = tagset->n_labels;
    unsigned char *legal = mem_alloc((size_t)(L + 1) * (size_t)(L + 1), 1);
    for (int from = 0; from <= L; from++) {
        for (int to = 0; to <= L; to++) {
            legal[from * (L + 1) + to] = from == L ? to < L && tagset_legal_start(tagset, to)
                                         : to == L ? tagset_legal_end(tagset, from)
                                                   : tagset_legal(tagset, from, to);
        }
    }
    return legal;
}

/** Add the lines of a text to a table; every skip-th (1: all), without their first n bytes. */
static Status add_lines(StringTable *table, const H5File *file, const char *name, int skip,
                        size_t prefix)
{
    char *text;
    size_t n;
    TRY(h5_read_text(file, name, &text, &n));
    int line = 0;
    bool distinct = true;
    for (size_t start = 0, i = 0; i < n; i++) {
        if (text[i] == '\n') {
            const size_t from = start + prefix;
            if (line % skip == 0 && from <= i) {
                const int before = table->n;
                distinct = string_table_add(table, text + from, i - from) == before && distinct;
            }
            line++;
            start = i + 1;
        }
    }
    mem_free(text);
    return distinct
               ? status_ok()
               : status_error(CODE_STORED, "%s: %s: a line stands there twice", file->path, name);
}

static Status read_words(ModelFile *model, const H5File *file)
{
    Vectors *vectors = &model->lexicon.vocab.vectors;
    H5Kind kind;
    H5Shape shape;
    int64_t unknown, from_file;
    TRY(add_lines(&vectors->words, file, "vocab/words", 1, 0));
    TRY(h5_shape(file, "params/words", &kind, &shape));
    TRY(h5_get_integer(file, "vocab", "unknown", &unknown));
    TRY(h5_get_integer(file, "vocab", "rows_from_file", &from_file));
    vectors->n = vectors->max_n = vectors->words.n;
    if (shape.n_dims != 2 || shape.dim[0] != vectors->n || unknown < 0 || unknown >= vectors->n) {
        return status_error(CODE_STORED, "%s: params/words: is not a row for each of the %d words",
                            file->path, vectors->n);
    }
    vectors->dim = (int)shape.dim[1];
    vectors->row = mem_alloc((size_t)h5_elements(shape), sizeof *vectors->row);
    model->lexicon.vocab.unknown = (int)unknown;
    model->lexicon.vocab.n_from_file = (int)from_file;
    model->lexicon.vocab.single = mem_alloc((size_t)vectors->n, 1);
    return status_ok();
}

static Status read_lexicon(ModelFile *model, const H5File *file)
{
    Lexicon *lexicon = &model->lexicon;
    H5Kind kind;
    H5Shape shape;
    TRY(read_words(model, file));
    TRY(h5_shape(file, "vocab/characters", &kind, &shape));
    const int64_t n = h5_elements(shape);
    if (shape.n_dims != 1 || n < 2 || n > UINT16_MAX) {
        return status_error(CODE_STORED, "%s: vocab/characters: is no list of characters",
                            file->path);
    }
    lexicon->chars.n = (int)n;
    lexicon->chars.code = mem_alloc((size_t)n, sizeof *lexicon->chars.code);
    TRY(h5_read(file, "vocab/characters", H5_INT, shape, 0, n, lexicon->chars.code));
    StringTable labels = {0};
    Status status = add_lines(&labels, file, "vocab/labels", 1, 0);
    for (int i = 1; i < labels.n; i += 4) {  // O, then B- I- E- S- of each type
        const char *type = string_table_text(&labels, i) + 2;
        string_table_add(&lexicon->tagset.types, type, strlen(type));
    }
    lexicon->tagset.n_types = lexicon->tagset.types.n;
    lexicon->tagset.n_labels = 1 + 4 * lexicon->tagset.n_types;
    if (status.code == CODE_OK && (labels.n != lexicon->tagset.n_labels || labels.n < 5)) {
        status = status_error(CODE_STORED, "%s: vocab/labels: are not O and four of each type",
                              file->path);
    }
    string_table_free(&labels);
    if (status.code == CODE_OK) {
        lexicon_name_labels(lexicon);
    }
    return status;
}

static Status read_settings(ModelFile *model, const H5File *file)
{
    char *no_words[] = {"moe_train", NULL};
    train_settings_table(&model->options, model->table, &model->settings);
    TRY(options_parse(&model->options, 1, no_words));
    TRY(checkpoint_read_lines(file, &model->config, &model->inputs));
    for (int i = 0; i < model->config.n; i++) {
        const CardLine *line = &model->config.line[i];
        Status status = options_resume(&model->options, file->path, line->name, line->value);
        status.code = status.code == CODE_OK ? CODE_OK : CODE_STORED;
        TRY(status);
    }
    return status_ok();
}

Status model_file_open(ModelFile *model, const char *path)
{
    H5File file;
    Warmstart taken;
    memset(model, 0, sizeof *model);
    model->alone = (Comm){.size = 1, .stride = 1};
    TRY(checkpoint_open(&file, path));
    Status status = read_settings(model, &file);
    status = status.code == CODE_OK ? read_lexicon(model, &file) : status;
    h5_close(&file);
    TRY(status);
    model->legal = model_file_legal(&model->lexicon.tagset);
    tagger_init(&model->tagger, train_settings_tagger(&model->settings, &model->lexicon),
                model->lexicon.vocab.vectors.row, model->legal, NULL, tagger_groups(0, 1));
    TRY(warmstart(&taken, &model->tagger.params, &model->tagger.experts, &model->lexicon, path));
    return taken.fresh[0] == '\0'
               ? status_ok()
               : status_error(CODE_STORED, "%s: params: lacks %s", path, taken.fresh);
}

void model_file_free(ModelFile *model)
{
    tagger_free(&model->tagger);
    lexicon_free(&model->lexicon);
    card_lines_free(&model->config);
    card_lines_free(&model->inputs);
    options_free(&model->options);
    mem_free(model->legal);
    memset(model, 0, sizeof *model);
}
