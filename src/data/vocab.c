// SPDX-License-Identifier: Apache-2.0
#include "data/vocab.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/text.h"

enum { SHORT_WORD = 256 };

/** The distinct words of a file and how often each stands in it. */
typedef struct Counted {
    StringTable words;
    int *count;  // [words.n]
} Counted;

static void counted_build(Counted *counted, const Conll *conll)
{
    memset(counted, 0, sizeof *counted);
    counted->count = MEM_ARRAY(int, conll->n_tokens);
    for (int i = 0; i < conll->n_tokens; i++) {
        const char *word = conll_word(conll, i);
        counted->count[string_table_add(&counted->words, word, strlen(word))]++;
    }
}

static void counted_free(Counted *counted)
{
    string_table_free(&counted->words);
    mem_free(counted->count);
}

/** A word in lower case with digits as 0; text is local unless the word is long. */
typedef struct Key {
    char local[SHORT_WORD];
    char *text;
    size_t n;
} Key;

static void key_lower(Key *key, const char *word, size_t n)
{
    size_t size = utf8_lower_size(n);
    key->text = size <= sizeof key->local ? key->local : mem_alloc(size, 1);
    key->n = utf8_lower(word, n, key->text);
}

static void key_free(Key *key)
{
    if (key->text != key->local) {
        mem_free(key->text);
    }
}

/** Row of a word by the three look-ups in their order, or -1. */
static int find_row(const StringTable *words, const char *word, LookupKind *kind)
{
    size_t n = strlen(word);
    Key key;
    int row = string_table_find(words, word, n);
    *kind = LOOKUP_EXACT;
    if (row >= 0) {
        return row;
    }
    key_lower(&key, word, n);
    *kind = LOOKUP_LOWER;
    row = string_table_find(words, key.text, key.n);
    if (row < 0) {
        text_zero_digits(key.text, key.n);
        *kind = LOOKUP_DIGITS;
        row = string_table_find(words, key.text, key.n);
    }
    key_free(&key);
    *kind = row < 0 ? LOOKUP_UNKNOWN : *kind;
    return row;
}

static Coverage coverage_of(const StringTable *words, const Counted *counted)
{
    Coverage coverage = {{0}, {0}};
    for (int i = 0; i < counted->words.n; i++) {
        LookupKind kind;
        find_row(words, string_table_text(&counted->words, i), &kind);
        coverage.tokens[kind] += counted->count[i];
        coverage.words[kind]++;
    }
    return coverage;
}

/** FNV-1a. */
static uint64_t hash_word(const char *word, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)word[i]) * 0x100000001b3u;
    }
    return hash;
}

static int append_random(Vectors *vectors, const char *word, size_t n, const Rng *rng)
{
    int number = vectors_append(vectors, word, n);
    real *row = vectors->row + (size_t)number * (size_t)vectors->dim;
    double limit = sqrt(3.0 / vectors->dim);
    uint64_t hash = hash_word(word, n);
    RngPlace place = {(uint32_t)hash, (uint32_t)(hash >> 32), 1};  // 0: weights
    for (int j = 0; j < vectors->dim; j++) {
        row[j] = (real)(limit * (2 * rng_uniform(rng, place, (uint32_t)j) - 1));
    }
    return number;
}

/** Row "<unk>": the file's own, or a copy of the row that it uses for unknown words, or a new one. */
static int add_unknown(Vectors *vectors, const Rng *rng)
{
    static const char *const names[] = {"<unk>", "unk", "UNK", "<UNK>"};
    size_t dim = (size_t)vectors->dim;
    int from = -1;
    for (size_t i = 0; i < sizeof names / sizeof *names && from < 0; i++) {
        from = string_table_find(&vectors->words, names[i], strlen(names[i]));
    }
    int unknown = string_table_find(&vectors->words, names[0], strlen(names[0]));
    if (unknown < 0) {
        unknown = append_random(vectors, names[0], strlen(names[0]), rng);
        if (from >= 0) {
            memcpy(vectors->row + (size_t)unknown * dim, vectors->row + (size_t)from * dim,
                   dim * sizeof *vectors->row);
        }
    }
    return unknown;
}

static void add_words(Vectors *vectors, const Counted *counted, const Rng *rng)
{
    for (int i = 0; i < counted->words.n; i++) {
        const char *word = string_table_text(&counted->words, i);
        LookupKind kind;
        if (find_row(&vectors->words, word, &kind) < 0) {
            Key key;
            key_lower(&key, word, strlen(word));
            text_zero_digits(key.text, key.n);
            append_random(vectors, key.text, key.n, rng);
            key_free(&key);
        }
    }
}

/** Spellings that share a row count together. */
static void mark_singles(Vocab *vocab, const Counted *counted)
{
    const Vectors *vectors = &vocab->vectors;
    int *count = MEM_ARRAY(int, vectors->n);
    for (int i = 0; i < counted->words.n; i++) {
        count[vocab_find(vocab, string_table_text(&counted->words, i), NULL)] += counted->count[i];
    }
    vocab->single = MEM_ARRAY(unsigned char, vectors->n);
    for (int row = vocab->n_from_file; row < vectors->n; row++) {
        vocab->single[row] = count[row] == 1 && row != vocab->unknown;
    }
    mem_free(count);
}

Status vocab_build(Vocab *vocab, const Conll *train, const char *vectors_path, uint64_t seed,
                   Coverage *before)
{
    ASSERT(vocab->vectors.dim > 0);
    Vectors *vectors = &vocab->vectors;
    Rng rng = rng_init(seed, RNG_INIT);
    Counted counted;
    counted_build(&counted, train);
    *before = coverage_of(&vectors->words, &counted);
    long found = train->n_tokens - before->tokens[LOOKUP_UNKNOWN];
    if (vectors->n > 0 && 2 * found < train->n_tokens) {
        counted_free(&counted);
        return status_error(
            CODE_INPUT,
            "%s: has a vector for %.1f %% of the %d training tokens only, 50 %% are wanted; check "
            "--vectors: is it made for this language, for text in this case (upper or lower) and "
            "split into tokens in the same way, and is --columns right?",
            vectors_path, 100.0 * (double)found / train->n_tokens, train->n_tokens);
    }
    vocab->n_from_file = vectors->n;
    vocab->unknown = add_unknown(vectors, &rng);
    add_words(vectors, &counted, &rng);
    mark_singles(vocab, &counted);
    counted_free(&counted);
    return status_ok();
}

int vocab_find(const Vocab *vocab, const char *word, LookupKind *kind)
{
    LookupKind how;
    int row = find_row(&vocab->vectors.words, word, &how);
    if (kind != NULL) {
        *kind = how;
    }
    return row < 0 ? vocab->unknown : row;
}

Coverage vocab_coverage(const Vocab *vocab, const Conll *conll)
{
    Counted counted;
    counted_build(&counted, conll);
    Coverage coverage = coverage_of(&vocab->vectors.words, &counted);
    counted_free(&counted);
    return coverage;
}

void vocab_free(Vocab *vocab)
{
    vectors_free(&vocab->vectors);
    mem_free(vocab->single);
    memset(vocab, 0, sizeof *vocab);
}
