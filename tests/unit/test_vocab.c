// SPDX-License-Identifier: Apache-2.0
/* From words to rows: order of look-ups, the unknown row, new words, single words, coverage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "data/vocab.h"

enum { DIM = 4 };

/** A file whose tokens are the words of a text, apart at single spaces. */
static Conll make_conll(const char *text)
{
    Conll conll = {0};
    size_t n = strlen(text);
    conll.text = mem_copy_text(text);
    conll.word_start = MEM_ARRAY(size_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || text[i - 1] == ' ') {
            conll.word_start[conll.n_tokens++] = i;
        }
        if (text[i] == ' ') {
            conll.text[i] = '\0';
        }
    }
    return conll;
}

/** A vocabulary before vocab_build(): row i of the file is filled with i + 1. */
static Vocab file_rows(const char *words)
{
    Vocab vocab = {0};
    Conll list = make_conll(words);
    vocab.vectors.dim = DIM;
    for (int i = 0; i < list.n_tokens; i++) {
        const char *word = conll_word(&list, i);
        assert_int_equal(vectors_append(&vocab.vectors, word, strlen(word)), i);
        for (int j = 0; j < DIM; j++) {
            vocab.vectors.row[i * DIM + j] = (real)(i + 1);
        }
    }
    conll_free(&list);
    return vocab;
}

static Vocab build(const char *file_words, const char *training, uint64_t seed, Coverage *before)
{
    Vocab vocab = file_rows(file_words);
    Conll train = make_conll(training);
    Status status = vocab_build(&vocab, &train, "vectors.txt", seed, before);
    assert_string_equal(status.text, "");
    assert_int_equal(status.code, CODE_OK);
    conll_free(&train);
    return vocab;
}

static const real *row_of(const Vocab *vocab, int row)
{
    assert_in_range(row, 0, vocab->vectors.n - 1);
    return vocab->vectors.row + row * DIM;
}

static void expect_found(const Vocab *vocab, const char *word, int row, LookupKind kind)
{
    LookupKind how;
    assert_int_equal(vocab_find(vocab, word, &how), row);
    assert_int_equal(how, kind);
    assert_int_equal(vocab_find(vocab, word, NULL), row);
}

static void expect_coverage(const Coverage *coverage, const long tokens[LOOKUP_KINDS],
                            const long words[LOOKUP_KINDS])
{
    for (int k = 0; k < LOOKUP_KINDS; k++) {
        assert_int_equal(coverage->tokens[k], tokens[k]);
        assert_int_equal(coverage->words[k], words[k]);
    }
}

#define COUNTS(...) ((const long[LOOKUP_KINDS]){__VA_ARGS__})

static void order_of_lookups(void **state)
{
    (void)state;
    Coverage before;
    // row:               0   1   2  3     4   5    6
    Vocab vocab = build("the The us b52 b00 0000 unk", "the the The THE B52 B77 1996 US Zork Zork",
                        1, &before);
    assert_int_equal(vocab.n_from_file, 7);
    assert_int_equal(vocab.unknown, 7);
    assert_int_equal(vocab.vectors.n, 9);
    expect_found(&vocab, "the", 0, LOOKUP_EXACT);
    expect_found(&vocab, "The", 1, LOOKUP_EXACT);
    expect_found(&vocab, "THE", 0, LOOKUP_LOWER);
    expect_found(&vocab, "US", 2, LOOKUP_LOWER);
    expect_found(&vocab, "B52", 3, LOOKUP_LOWER);
    expect_found(&vocab, "B77", 4, LOOKUP_DIGITS);
    expect_found(&vocab, "1996", 5, LOOKUP_DIGITS);
    expect_found(&vocab, "Zork", 8, LOOKUP_LOWER);
    expect_found(&vocab, "zork", 8, LOOKUP_EXACT);
    expect_found(&vocab, "never", 7, LOOKUP_UNKNOWN);
    expect_found(&vocab, "", 7, LOOKUP_UNKNOWN);
    expect_coverage(&before, COUNTS(3, 3, 2, 2), COUNTS(2, 3, 2, 1));

    Conll dev = make_conll("the zork Zork ZORK 1 unseen unseen B11");
    Coverage coverage = vocab_coverage(&vocab, &dev);
    expect_coverage(&coverage, COUNTS(2, 2, 1, 3), COUNTS(2, 2, 1, 2));
    assert_int_equal(vocab.vectors.n, 9);
    conll_free(&dev);
    vocab_free(&vocab);
}

/** Look-ups of letters beyond ASCII, of invalid bytes, and of words longer than any buffer. */
static void unusual_words(void **state)
{
    (void)state;
    char training[3000] = "\xc3\x89T\xc3\x89 \xff"
                          "A7 ",
         word[2001];
    for (size_t i = 0; i < sizeof word - 1; i++) {
        word[i] = "Ab9"[i % 3];
    }
    word[sizeof word - 1] = '\0';
    strcat(training, word);
    Coverage before;
    Vocab vocab = build("\xc3\xa9t\xc3\xa9 x \xff"
                        "a0",
                        training, 1, &before);
    expect_coverage(&before, COUNTS(0, 1, 1, 1), COUNTS(0, 1, 1, 1));
    expect_found(&vocab, word, 4, LOOKUP_DIGITS);
    assert_int_equal(strlen(string_table_text(&vocab.vectors.words, 4)), 2000);
    assert_memory_equal(string_table_text(&vocab.vectors.words, 4), "ab0ab0", 6);
    for (size_t n = 1000; n-- > 0;) {
        word[n] = '\0';
        expect_found(&vocab, word, vocab.unknown, LOOKUP_UNKNOWN);
    }
    vocab_free(&vocab);
}

static void unknown_row(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int row;     // of <unk>
        real value;  // 0: a new row
    } cases[] = {{"a <unk> unk", 1, 2},
                 {"a UNK unk", 3, 3},
                 {"a <UNK> UNK", 3, 3},
                 {"a <UNK>", 2, 2},
                 {"a b", 2, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Coverage before;
        Vocab vocab = build(cases[i].file, "a", 1, &before);
        assert_int_equal(vocab.unknown, cases[i].row);
        assert_int_equal(vocab.single[vocab.unknown], 0);
        expect_found(&vocab, "<unk>", cases[i].row, LOOKUP_EXACT);
        for (int j = 0; j < DIM; j++) {
            real value = row_of(&vocab, vocab.unknown)[j];
            assert_true(cases[i].value > 0 ? value == cases[i].value : value != 0);
        }
        vocab_free(&vocab);
    }
}

/** Single: a new row that one training token alone uses. */
static void single_words(void **state)
{
    (void)state;
    Coverage before;
    // rows:              0 1        2 unknown, then 3 once, 4 twice, 5 foo, 6 r00
    Vocab vocab = build("a b", "a a a b once twice twice Foo foo r12 R34 a a b", 1, &before);
    static const unsigned char single[] = {0, 0, 0, 1, 0, 0, 0};
    assert_int_equal(vocab.vectors.n, 7);
    assert_string_equal(string_table_text(&vocab.vectors.words, 3), "once");
    assert_string_equal(string_table_text(&vocab.vectors.words, 6), "r00");
    assert_memory_equal(vocab.single, single, sizeof single);
    vocab_free(&vocab);

    vocab = build("a b", "a a <unk>", 1, &before);  // the unknown word itself, once in training
    assert_int_equal(vocab.vectors.n, 3);
    assert_int_equal(vocab.single[2], 0);
    vocab_free(&vocab);
}

/** A new row depends on the seed and its word alone: not on its number, the file or the order of words. */
static void new_rows(void **state)
{
    (void)state;
    Coverage before;
    Vocab vocab = build("", "alpha beta Gamma7 delta", 5, &before);
    Vocab other = build("x y z", "x x x x x x delta x beta gamma1 alpha", 5, &before);
    Vocab seeded = build("", "alpha beta Gamma7 delta", 6, &before);
    static const char *const words[] = {"alpha", "beta", "gamma0", "delta"};
    double limit = sqrt(3.0 / DIM);
    assert_int_equal(vocab.n_from_file, 0);
    assert_int_equal(vocab.vectors.n, 5);
    for (int i = 0; i < 4; i++) {
        const real *row = row_of(&vocab, vocab_find(&vocab, words[i], NULL));
        assert_memory_equal(row, row_of(&other, vocab_find(&other, words[i], NULL)),
                            DIM * sizeof *row);
        assert_memory_not_equal(row, row_of(&seeded, vocab_find(&seeded, words[i], NULL)),
                                DIM * sizeof *row);
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(row, row_of(&vocab, vocab_find(&vocab, words[j], NULL)),
                                    DIM * sizeof *row);
        }
        for (int j = 0; j < DIM; j++) {
            assert_true(fabs((double)row[j]) <= limit);
            assert_true(j == 0 || row[j] != row[j - 1]);
        }
    }
    vocab_free(&vocab);
    vocab_free(&other);
    vocab_free(&seeded);
}

/** Uniform on +-sqrt(3 / d): mean 0, variance 1 / d, and values near both ends. */
static void distribution_of_new_rows(void **state)
{
    (void)state;
    enum { N = 2000 };
    char training[N * 8] = "";
    size_t at = 0;
    for (int i = 0; i < N; i++) {
        at += (size_t)snprintf(training + at, sizeof training - at, "%sw%c%c%c", i > 0 ? " " : "",
                               'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
    }
    Coverage before;
    Vocab vocab = build("", training, 9, &before);
    double sum = 0, squares = 0, least = 0, most = 0, limit = sqrt(3.0 / DIM);
    assert_int_equal(vocab.vectors.n, N + 1);
    for (int i = 0; i < N * DIM; i++) {
        double x = (double)vocab.vectors.row[i];
        sum += x;
        squares += x * x;
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    assert_true(fabs(sum / (N * DIM)) < 0.03);
    assert_true(fabs(squares / (N * DIM) * DIM - 1) < 0.05);
    assert_true(least < -0.99 * limit && least >= -limit && most > 0.99 * limit && most <= limit);
    vocab_free(&vocab);
}

static void little_coverage(void **state)
{
    (void)state;
    Coverage before;
    Vocab vocab = build("a b", "a b c d", 1, &before);  // half is enough
    vocab_free(&vocab);

    vocab = file_rows("a b");
    Conll train = make_conll("a b c d e");
    Status status = vocab_build(&vocab, &train, "vectors.txt", 1, &before);
    assert_int_equal(status.code, CODE_INPUT);
    static const char *const parts[] = {
        "vectors.txt", "40.0 %", "5 training tokens",     "--vectors",
        "language",    "case",   "tokens in the same way"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(status.text, parts[i]));
    }
    expect_coverage(&before, COUNTS(2, 0, 0, 3), COUNTS(2, 0, 0, 3));
    vocab_free(&vocab);
    conll_free(&train);

    vocab = build("", "a b", 1, &before);  // no file: every word is new
    expect_coverage(&before, COUNTS(0, 0, 0, 2), COUNTS(0, 0, 0, 2));
    vocab_free(&vocab);

    vocab = build("a", "", 1, &before);  // no training word: only the unknown row is added
    assert_int_equal(vocab.vectors.n, 2);
    vocab_free(&vocab);
    vocab_free(&vocab);
}

static int no_memory_left(void **state)
{
    (void)state;
    return mem_live() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_lookups), cmocka_unit_test(unusual_words),
        cmocka_unit_test(unknown_row),      cmocka_unit_test(single_words),
        cmocka_unit_test(new_rows),         cmocka_unit_test(distribution_of_new_rows),
        cmocka_unit_test(little_coverage),
    };
    return cmocka_run_group_tests(tests, NULL, no_memory_left);
}
