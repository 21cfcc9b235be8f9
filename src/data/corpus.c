// SPDX-License-Identifier: Apache-2.0
#include "data/corpus.h"

#include <string.h>

#include "base/arena.h"

enum { DEFAULT_DIM = 100 };

Status corpus_read(Corpus *corpus, const char *path, ConllColumns columns,
                   const char *comment_prefix, Notes *notes)
{
    TRY(conll_read(&corpus->conll, path, columns, comment_prefix, notes));
    return tagset_scheme(&corpus->scheme, &corpus->conll, notes);
}

void lexicon_name_labels(Lexicon *lexicon)
{
    const Tagset *tagset = &lexicon->tagset;
    size_t longest = 3;
    for (int i = 0; i < tagset->n_types; i++) {
        const size_t n = strlen(string_table_text(&tagset->types, i)) + 3;
        longest = n > longest ? n : longest;
    }
    char *text = mem_alloc(longest, 1);
    lexicon->label_text = MEM_ARRAY(int, tagset->n_labels);
    for (int label = 0; label < tagset->n_labels; label++) {
        tagset_iob2_text(tagset, label, text, longest);
        lexicon->label_text[label] = string_table_add(&lexicon->gold_texts, text, strlen(text));
    }
    mem_free(text);
}

Status lexicon_build(Lexicon *lexicon, const Corpus *train, const char *vectors_path, int dim,
                     uint64_t seed, Notes *notes)
{
    const Conll *conll = &train->conll;
    if (conll->n_sentences == 0) {
        return status_error(CODE_INPUT, "%s: no sentences: nothing to train on", conll->path);
    }
    TRY(tagset_build(&lexicon->tagset, conll, train->scheme));
    if (vectors_path != NULL) {
        TRY(vectors_read(&lexicon->vocab.vectors, vectors_path, dim, notes));
    } else {
        lexicon->vocab.vectors.dim = dim > 0 ? dim : DEFAULT_DIM;
    }
    TRY(vocab_build(&lexicon->vocab, conll, vectors_path, seed, &lexicon->vectors_coverage));
    char_table_build(&lexicon->chars, conll);
    lexicon_name_labels(lexicon);
    return status_ok();
}

/** Number of a word as written; a new one is spelt out once. */
static int find_spelling(Lexicon *lexicon, const char *word)
{
    const size_t bytes = strlen(word);
    const int known = lexicon->spellings.n, i = string_table_add(&lexicon->spellings, word, bytes);
    if (i < known) {
        return i;
    }
    const int used = i == 0 ? 0 : lexicon->spelling_start[i];
    CHECK(bytes < (size_t)(1 << 30) - (size_t)used, "too many distinct words");
    if (i + 2 > lexicon->max_spellings) {
        lexicon->max_spellings = 2 * i + 1024;
        lexicon->spelling_start =
            mem_grow(lexicon->spelling_start, (size_t)lexicon->max_spellings, sizeof(int));
    }
    if (used + (int)bytes + 1 > lexicon->max_chars) {
        lexicon->max_chars = 2 * (used + (int)bytes) + 8192;
        lexicon->spelling_chars =
            mem_grow(lexicon->spelling_chars, (size_t)lexicon->max_chars, sizeof(uint16_t));
    }
    lexicon->spelling_start[i] = used;
    lexicon->spelling_start[i + 1] =
        used + char_table_encode(&lexicon->chars, word, lexicon->spelling_chars + used);
    return i;
}

void corpus_encode(Corpus *corpus, Lexicon *lexicon, Notes *notes)
{
    const Conll *conll = &corpus->conll;
    const size_t n = (size_t)conll->n_tokens;
    corpus->word = MEM_ARRAY(int, n);
    corpus->spelling = MEM_ARRAY(int, n);
    corpus->cap = MEM_ARRAY(int, n);
    corpus->label = MEM_ARRAY(int, n);
    corpus->gold = MEM_ARRAY(int, n);
    for (int i = 0; i < conll->n_tokens; i++) {
        const char *word = conll_word(conll, i);
        corpus->word[i] = vocab_find(&lexicon->vocab, word, NULL);
        corpus->spelling[i] = find_spelling(lexicon, word);
        corpus->cap[i] = feature_cap(word);
    }
    tagset_encode(&lexicon->tagset, conll, corpus->scheme, corpus->label, &corpus->n_entities,
                  notes);
    tagset_gold_iob2(conll, corpus->scheme, corpus->gold, &lexicon->gold_texts);
    corpus->coverage = vocab_coverage(&lexicon->vocab, conll);
}

void corpus_free(Corpus *corpus)
{
    conll_free(&corpus->conll);
    mem_free(corpus->word);
    mem_free(corpus->spelling);
    mem_free(corpus->cap);
    mem_free(corpus->label);
    mem_free(corpus->gold);
    memset(corpus, 0, sizeof *corpus);
}

void lexicon_free(Lexicon *lexicon)
{
    vocab_free(&lexicon->vocab);
    char_table_free(&lexicon->chars);
    tagset_free(&lexicon->tagset);
    string_table_free(&lexicon->spellings);
    string_table_free(&lexicon->gold_texts);
    mem_free(lexicon->spelling_start);
    mem_free(lexicon->spelling_chars);
    mem_free(lexicon->label_text);
    memset(lexicon, 0, sizeof *lexicon);
}
