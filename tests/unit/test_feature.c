// SPDX-License-Identifier: Apache-2.0
/* Capitalisation classes and the character table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "data/feature.h"

enum { MAX_WORDS = 8 };

/** A file of these words, up to MAX_WORDS, the list ended by NULL. */
static Conll make_conll(const char *const *words)
{
    Conll conll = {0};
    size_t n_bytes = 0;
    conll.word_start = MEM_ARRAY(size_t, MAX_WORDS);
    for (int i = 0; words[i] != NULL; i++) {
        size_t n = strlen(words[i]) + 1;
        conll.text = mem_grow(conll.text, n_bytes + n, 1);
        memcpy(conll.text + n_bytes, words[i], n);
        conll.word_start[conll.n_tokens++] = n_bytes;
        n_bytes += n;
    }
    return conll;
}

static void capitalisation(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        CapClass class;
    } cases[] = {
        {"word", CAP_LOWER},
        {"x1", CAP_LOWER},
        {"'s", CAP_LOWER},
        {"\xc3\xa9t\xc3\xa9", CAP_LOWER},  // e with acute
        {"\xe4\xb8\xad"
         "a",
         CAP_LOWER},  // a caseless letter and a
        {"USA", CAP_UPPER},
        {"U.S.", CAP_UPPER},
        {"B-52H", CAP_UPPER},
        {"\xd0\xa1\xd0\xa1", CAP_UPPER},  // two Cyrillic Es
        {"Word", CAP_INITIAL},
        {"A", CAP_INITIAL},
        {"A.", CAP_INITIAL},
        {"3D", CAP_INITIAL},
        {"\"The", CAP_INITIAL},
        {"\xc3\x89t\xc3\xa9", CAP_INITIAL},
        {"\xc7\x85"
         "a",
         CAP_INITIAL},  // the title-case digraph Dz
        {"iPhone", CAP_MIXED},
        {"McDonald", CAP_MIXED},
        {"PhD", CAP_MIXED},
        {"e\xc3\x89", CAP_MIXED},
        {"1996", CAP_DIGITS},
        {"1,000.5", CAP_DIGITS},
        {"\xd9\xa3", CAP_DIGITS},  // Arabic-Indic three
        {"\xff"
         "7",
         CAP_DIGITS},
        {"", CAP_OTHER},
        {"--", CAP_OTHER},
        {"\xe4\xb8\xad", CAP_OTHER},
        {"\xe4\xb8\xad"
         "5",
         CAP_OTHER},
        {"\xff\xc3", CAP_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (feature_cap(cases[i].word) != cases[i].class) {
            fail_msg("%s has class %d", cases[i].word, feature_cap(cases[i].word));
        }
    }
}

static void expect_codes(const CharTable *table, const char *word, const uint16_t *codes, int n)
{
    uint16_t out[64];
    assert_int_equal(char_table_encode(table, word, out), n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(out[i], codes[i]);
    }
}

#define EXPECT_CODES(table, word, ...)                                                             \
    expect_codes(table, word, (const uint16_t[]){__VA_ARGS__},                                     \
                 (int)(sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t)))

static void characters(void **state)
{
    (void)state;
    // Sorted: byte 0xff (-256), byte 0xc3 (-196), b, c, e with acute (U+E9), a character beyond 16 bits (U+1F600).
    Conll conll = make_conll((const char *const[]){"cb",
                                                   "\xc3\xa9"
                                                   "b",
                                                   "\xf0\x9f\x98\x80", "b\xff", "", "\xc3", NULL});
    CharTable table = {0};
    char_table_build(&table, &conll);
    static const int32_t codes[] = {-256, -196, 'b', 'c', 0xe9, 0x1f600};
    assert_int_equal(table.n, 8);
    assert_memory_equal(table.code + 2, codes, sizeof codes);
    EXPECT_CODES(&table, "b", 4);
    EXPECT_CODES(&table, "cab", 5, CHAR_UNKNOWN, 4);
    EXPECT_CODES(&table, "\xc3\xa9\xf0\x9f\x98\x80", 6, 7);
    EXPECT_CODES(&table, "\xff\xc3\xfe", 2, 3, CHAR_UNKNOWN);
    EXPECT_CODES(&table, "\xf0\x9f", CHAR_UNKNOWN,
                 CHAR_UNKNOWN);  // cut short: two bytes, two characters
    EXPECT_CODES(&table, "", CHAR_UNKNOWN);
    char_table_free(&table);
    EXPECT_CODES(&table, "b", CHAR_UNKNOWN);  // an empty table knows nothing
    conll_free(&conll);
}

static void more_characters_than_numbers(void **state)
{
    (void)state;
    enum { FIRST = 0x10000, N = 70000 };
    char *text = MEM_ARRAY(char, 4 * N + 1);
    for (int i = 0; i < N; i++) {
        int code = FIRST + i;
        text[4 * i] = (char)(0xf0 | code >> 18);
        text[4 * i + 1] = (char)(0x80 | (code >> 12 & 63));
        text[4 * i + 2] = (char)(0x80 | (code >> 6 & 63));
        text[4 * i + 3] = (char)(0x80 | (code & 63));
    }
    Conll conll = make_conll((const char *const[]){text, NULL});
    CharTable table = {0};
    uint16_t *out = MEM_ARRAY(uint16_t, 4 * N);
    char_table_build(&table, &conll);
    assert_int_equal(table.n, 65535);
    assert_int_equal(char_table_encode(&table, text, out), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(out[i], i < 65533 ? 2 + i : CHAR_UNKNOWN);
    }
    mem_free(out);
    mem_free(text);
    char_table_free(&table);
    conll_free(&conll);
}

static int no_memory_left(void **state)
{
    (void)state;
    return mem_live() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capitalisation),
        cmocka_unit_test(characters),
        cmocka_unit_test(more_characters_than_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, no_memory_left);
}
