// SPDX-License-Identifier: Apache-2.0
/** String table, UTF-8, numbers and notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/text.h"

static int add(StringTable *table, const char *text)
{
    return string_table_add(table, text, strlen(text));
}

static int find(const StringTable *table, const char *text)
{
    return string_table_find(table, text, strlen(text));
}

static void table_numbers_in_order(void **state)
{
    (void)state;
    StringTable table = {0};
    assert_int_equal(find(&table, "b"), -1);
    assert_int_equal(add(&table, "b"), 0);
    assert_int_equal(add(&table, "a"), 1);
    assert_int_equal(add(&table, ""), 2);
    assert_int_equal(add(&table, "b"), 0);
    assert_int_equal(add(&table, "ba"), 3);
    assert_int_equal(string_table_add(&table, "bax", 2), 3);
    assert_int_equal(string_table_find(&table, "bax", 1), 0);
    assert_int_equal(find(&table, "bax"), -1);
    assert_int_equal(find(&table, ""), 2);
    assert_int_equal(table.n, 4);
    assert_string_equal(string_table_text(&table, 0), "b");
    assert_string_equal(string_table_text(&table, 2), "");
    assert_string_equal(string_table_text(&table, 3), "ba");
    string_table_free(&table);
    assert_int_equal(table.n, 0);
    string_table_free(&table);
}

/** Against a plain array: the table must answer as a linear search does. */
static void table_equals_linear_search(void **state)
{
    (void)state;
    enum { N = 3000, MAX_LENGTH = 3 };
    static char seen[N][MAX_LENGTH + 1];
    Rng rng = rng_init(1, RNG_TEST);
    StringTable table = {0};
    int n = 0;
    for (uint32_t k = 0; k < N; k++) {
        char word[MAX_LENGTH + 1] = "";
        size_t length = rng_below(&rng, (RngPlace){k, 0, 0}, 0, MAX_LENGTH + 1);
        for (size_t i = 0; i < length; i++) {
            word[i] = (char)('a' + rng_below(&rng, (RngPlace){k, 0, 0}, 1 + (uint32_t)i, 9));
        }
        int expected = 0;
        while (expected < n && strcmp(seen[expected], word) != 0) {
            expected++;
        }
        assert_int_equal(find(&table, word), expected < n ? expected : -1);
        if (expected == n) {
            strcpy(seen[n++], word);
        }
        assert_int_equal(add(&table, word), expected);
    }
    assert_int_equal(table.n, n);
    for (int i = 0; i < n; i++) {
        assert_string_equal(string_table_text(&table, i), seen[i]);
        assert_int_equal(find(&table, seen[i]), i);
    }
    string_table_free(&table);
}

static void table_tells_prefixes_apart(void **state)
{
    (void)state;
    enum { N = 2000 };
    char text[N];
    StringTable table = {0};
    memset(text, 'x', N);
    for (size_t n = 0; n < N; n++) {
        size_t length = N - 1 - n;
        assert_int_equal(string_table_find(&table, text, length), -1);
        assert_int_equal(string_table_add(&table, text, length), n);
    }
    string_table_free(&table);
}

static void table_holds_long_and_many(void **state)
{
    (void)state;
    enum { LONG = 1 << 20, MANY = 200000 };
    StringTable table = {0};
    char *text = MEM_ARRAY(char, LONG), word[32];
    memset(text, 'x', LONG);
    assert_int_equal(string_table_add(&table, text, LONG), 0);
    assert_int_equal(string_table_add(&table, text, LONG - 1), 1);
    for (int i = 0; i < MANY; i++) {
        snprintf(word, sizeof word, "word%d", i);
        assert_int_equal(add(&table, word), i + 2);
    }
    for (int i = 0; i < MANY; i += 97) {
        snprintf(word, sizeof word, "word%d", i);
        assert_int_equal(find(&table, word), i + 2);
        assert_string_equal(string_table_text(&table, i + 2), word);
    }
    assert_int_equal(string_table_find(&table, text, LONG), 0);
    mem_free(text);
    string_table_free(&table);
}

/** Written from the table in RFC 3629, section 4. */
static int decode_by_rfc(const unsigned char *c, size_t n)
{
    bool two = n >= 2 && c[1] >= 0x80 && c[1] <= 0xbf;
    bool three = two && n >= 3 && c[2] >= 0x80 && c[2] <= 0xbf;
    bool four = three && n >= 4 && c[3] >= 0x80 && c[3] <= 0xbf;
    if (c[0] <= 0x7f) {
        return 1;
    }
    if (c[0] >= 0xc2 && c[0] <= 0xdf) {
        return two ? 2 : 0;
    }
    if (c[0] >= 0xe0 && c[0] <= 0xef) {
        bool legal = (c[0] != 0xe0 || (n >= 2 && c[1] >= 0xa0)) &&
                     (c[0] != 0xed || (n >= 2 && c[1] <= 0x9f));
        return three && legal ? 3 : 0;
    }
    if (c[0] >= 0xf0 && c[0] <= 0xf4) {
        bool legal = (c[0] != 0xf0 || (n >= 2 && c[1] >= 0x90)) &&
                     (c[0] != 0xf4 || (n >= 2 && c[1] <= 0x8f));
        return four && legal ? 4 : 0;
    }
    return 0;
}

static void utf8_equals_rfc_table(void **state)
{
    (void)state;
    static const unsigned char edge[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                         0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                         0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff};
    enum { N = sizeof edge };
    for (int first = 0; first < 256; first++) {
        for (int rest = 0; rest < N * N * N; rest++) {
            unsigned char c[4] = {(unsigned char)first, edge[rest % N], edge[rest / N % N],
                                  edge[rest / N / N]};
            for (size_t n = 1; n <= 4; n++) {
                int32_t code = 0;
                assert_int_equal(utf8_decode((const char *)c, n, &code), decode_by_rfc(c, n));
            }
        }
    }
}

static void utf8_gives_code_points(void **state)
{
    (void)state;
    int32_t code = 0;
    assert_int_equal(utf8_decode("\xc3\xa4z", 3, &code), 2);
    assert_int_equal(code, 0xe4);
    assert_int_equal(utf8_decode("\xe2\x82\xac", 3, &code), 3);
    assert_int_equal(code, 0x20ac);
    assert_int_equal(utf8_decode("\xf0\x9f\x98\x80", 4, &code), 4);
    assert_int_equal(code, 0x1f600);
    assert_int_equal(utf8_decode("", 1, &code), 1);
    assert_int_equal(code, 0);
}

static void assert_lower(const char *text, const char *expected)
{
    char out[64] = "";
    assert_true(utf8_lower_size(strlen(text)) < sizeof out);
    size_t n = utf8_lower(text, strlen(text), out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void lower_maps_letters(void **state)
{
    (void)state;
    assert_lower("", "");
    assert_lower("EU-Land AZ@[`{ 12", "eu-land az@[`{ 12");
    assert_lower("\xc3\x84RGER", "\xc3\xa4rger");
    assert_lower("\xd0\x9c\xd0\x98\xd0\xa0", "\xd0\xbc\xd0\xb8\xd1\x80");
    assert_lower("\xc8\xba", "\xe2\xb1\xa5");  // two bytes become three
    assert_lower("\xe2\x84\xaa", "k");         // the Kelvin sign: three become one
    assert_lower("\xf0\x90\x90\x80", "\xf0\x90\x90\xa8");
    assert_lower("A\xff"
                 "B\xc3"
                 "C\xed\xa0\x80",
                 "a\xff"
                 "b\xc3"
                 "c\xed\xa0\x80");
}

static size_t encode(int32_t code, char *out)
{
    int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const int lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    return (size_t)n;
}

static void lower_fits_for_every_character(void **state)
{
    (void)state;
    for (int32_t code = 1; code <= 0x10ffff; code++) {
        char text[4], out[8];
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        size_t n = encode(code, text), n_out = utf8_lower(text, n, out);
        int32_t lower = 0;
        assert_true(n_out <= utf8_lower_size(n));
        assert_int_equal(utf8_decode(out, n_out, &lower), n_out);
    }
}

static void digits_become_zero(void **state)
{
    (void)state;
    char text[] = "a1-2/:9\xd9\xa1";
    text_zero_digits(text, strlen(text));
    assert_string_equal(text, "a0-0/:0\xd9\xa1");
    char part[] = "12";
    text_zero_digits(part, 1);
    assert_string_equal(part, "02");
}

static void numbers_are_whole_strings(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    " ",   " 1",   "1 ",   "1x",       "x",   "--1", "+",
                                      "nan", "inf", "-nan", "-inf", "infinity", "1,5", "1\n", "."};
    double real_value = 0;
    int64_t value = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(text_parse_double(bad[i], &real_value));
        assert_false(text_parse_int64(bad[i], &value));
    }
    assert_true(text_parse_double("-1.5e-3", &real_value));
    assert_true(real_value == -1.5e-3);
    assert_true(text_parse_double(".5", &real_value));
    assert_true(real_value == 0.5);
    assert_false(text_parse_double("1e999", &real_value));
    assert_true(text_parse_int64("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    assert_true(text_parse_int64("007", &value));
    assert_int_equal(value, 7);
    assert_false(text_parse_int64("9223372036854775808", &value));
    assert_false(text_parse_int64("1.0", &value));
}

static void notes_show_a_few_and_count_all(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    Notes notes = {.out = open_memstream(&text, &n)};
    char kind[] = "kind one";  // equal text, another address
    notes_add(&notes, "f", 1, "kind one", NULL);
    notes_add(&notes, "f", 2, kind, "de\x1btail");
    notes_add(&notes, "f", 3, "kind two", NULL);
    for (long line = 4; line < 9; line++) {
        notes_add(&notes, "f", line, "kind one", NULL);
    }
    assert_int_equal(notes_count(&notes, "kind one"), 7);
    assert_int_equal(notes_count(&notes, "kind two"), 1);
    assert_int_equal(notes_count(&notes, "kind three"), 0);
    notes_end(&notes, "f");
    assert_int_equal(notes_count(&notes, "kind one"), 0);
    notes_end(&notes, "f");
    fclose(notes.out);
    assert_string_equal(text, "f:1: kind one\nf:2: kind one (de?tail)\nf:3: kind two\n"
                              "f:4: kind one\nf: kind one: 4 more\n");
    free(text);
}

static void notes_cut_long_details(void **state)
{
    (void)state;
    char *text = NULL, detail[400];
    size_t n = 0;
    Notes notes = {.out = open_memstream(&text, &n)};
    for (size_t i = 0; i + 1 < sizeof detail; i += 2) {
        memcpy(detail + i, "\xc3\xa4", 2);
    }
    memmove(detail + 1, detail, sizeof detail - 2);  // so that a cut falls inside a character
    detail[0] = 'x';
    detail[sizeof detail - 1] = '\0';
    notes_add(&notes, "f", 1, "kind", detail);
    fclose(notes.out);
    assert_true(n < 100);
    for (size_t i = 0; i < n;) {
        int32_t code = 0;
        int length = utf8_decode(text + i, n - i, &code);
        assert_true(length > 0);
        i += (size_t)length;
    }
    assert_non_null(strstr(text, "...)\n"));
    free(text);
}

static void notes_can_be_silent(void **state)
{
    (void)state;
    Notes notes = {.out = NULL};
    notes_add(&notes, "f", 1, "kind", "detail");
    assert_int_equal(notes_count(&notes, "kind"), 1);
    notes_end(&notes, "f");
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_numbers_in_order),
        cmocka_unit_test(table_equals_linear_search),
        cmocka_unit_test(table_tells_prefixes_apart),
        cmocka_unit_test(table_holds_long_and_many),
        cmocka_unit_test(utf8_equals_rfc_table),
        cmocka_unit_test(utf8_gives_code_points),
        cmocka_unit_test(lower_maps_letters),
        cmocka_unit_test(lower_fits_for_every_character),
        cmocka_unit_test(digits_become_zero),
        cmocka_unit_test(numbers_are_whole_strings),
        cmocka_unit_test(notes_show_a_few_and_count_all),
        cmocka_unit_test(notes_cut_long_details),
        cmocka_unit_test(notes_can_be_silent),
        cmocka_unit_test(nothing_stays_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
