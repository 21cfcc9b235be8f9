// SPDX-License-Identifier: Apache-2.0
/* Word vectors: numbers against strtod, the three formats plain and gzip, words with spaces, and bad files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "data/vectors.h"

#ifdef MOE_DOUBLE
#define REAL_STRTO(text) strtod(text, NULL)
#define REAL_NEXT(x, y)  nextafter(x, y)
#else
#define REAL_STRTO(text) strtof(text, NULL)
#define REAL_NEXT(x, y)  nextafterf(x, y)
#endif

static char folder[] = "/tmp/test_vectors_XXXXXX";
static char path[sizeof folder + 16];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    remove(path);
    return rmdir(folder) == 0 && mem_live() == 0 ? 0 : -1;
}

/** mode "wb": gzip, "wbT": plain. */
static void write_file(const char *bytes, size_t n, const char *mode)
{
    gzFile gz = gzopen(path, mode);
    assert_non_null(gz);
    if (n > 0) {
        assert_int_equal(gzwrite(gz, bytes, (unsigned)n), n);
    }
    assert_int_equal(gzclose(gz), Z_OK);
}

static void write_text(const char *text)
{
    write_file(text, strlen(text), "wbT");
}

static Vectors read_good(int want_dim, Notes *notes)
{
    Vectors vectors;
    Status status = vectors_read(&vectors, path, want_dim, notes);
    assert_string_equal(status.text, "");
    assert_int_equal(status.code, CODE_OK);
    assert_int_equal(vectors.n, vectors.words.n);
    return vectors;
}

static Vectors read_text(const char *text, Notes *notes)
{
    write_text(text);
    return read_good(0, notes);
}

/** The file is refused, with these parts in the message, and leaves nothing behind. */
static void refuse_file(int want_dim, const char *part1, const char *part2)
{
    Vectors vectors;
    Notes notes = {0};
    Status status = vectors_read(&vectors, path, want_dim, &notes);
    assert_int_equal(status.code, CODE_INPUT);
    if (strstr(status.text, part1) == NULL || strstr(status.text, part2) == NULL) {
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", status.text, part1, part2);
    }
    assert_non_null(strstr(status.text, path));
    assert_null(vectors.row);
    assert_int_equal(vectors.n, 0);
    assert_int_equal(mem_live(), 0);
}

static void refuse(const char *text, const char *part1, const char *part2)
{
    write_text(text);
    refuse_file(0, part1, part2);
}

static void expect_row(const Vectors *vectors, const char *word, size_t n, const double *values)
{
    int row = string_table_find(&vectors->words, word, n);
    assert_in_range(row, 0, vectors->n - 1);
    for (int j = 0; j < vectors->dim; j++) {
        assert_true(vectors->row[(size_t)row * (size_t)vectors->dim + (size_t)j] ==
                    (real)values[j]);
    }
}

#define EXPECT_ROW(vectors, word, ...)                                                             \
    expect_row(vectors, word, sizeof(word) - 1, (const double[]){__VA_ARGS__})

/** One number through a file of one row. */
static real parse_one(const char *number)
{
    char line[2000];
    snprintf(line, sizeof line, "w %s\n", number);
    Notes notes = {0};
    Vectors vectors = read_text(line, &notes);
    assert_int_equal(vectors.dim, 1);
    real value = vectors.row[0];
    vectors_free(&vectors);
    return value;
}

static void assert_near(real value, const char *text)
{
    real exact = REAL_STRTO(text);
    if (value != exact && value != REAL_NEXT(exact, REAL_MAX) &&
        value != REAL_NEXT(exact, -REAL_MAX)) {
        fail_msg("%s read as %.20g", text, (double)value);
    }
}

static void numbers_at_the_edges(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "+1",
                                          "-1.",
                                          ".5",
                                          "-.25",
                                          "007.50",
                                          "12345678",
                                          "123456789",
                                          "0.12345678",
                                          "0.123456789",
                                          "0.1234567890123456",
                                          "-0.12345678901234567",
                                          "1234567890.1234567890",
                                          "9007199254740993",
                                          "9007199254740992",
                                          "9999999999999999999",
                                          "99999999999999999999",
                                          "18446744073709551616.5",
                                          "0.000000000000000000000000000000000001",
                                          "1e0",
                                          "1E5",
                                          "2.5e-3",
                                          "-7e+2",
                                          "1e-45",
                                          "1e-38",
                                          "1.17549435e-38",
                                          "3.4028234e38",
                                          "1e-400",
                                          "1e-99999999999999999",
                                          "0e99999999999999999",
                                          "0.0000000000000000000000000000000000000000000001e30",
                                          "100000000000000000000000000000000000000e-30",
                                          "4.9e-324",
                                          "2.2250738585072014e-308",
                                          "0.30000001192092896",
                                          "16777217",
                                          "33554435"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_near(parse_one(numbers[i]), numbers[i]);
    }
    assert_true(signbit(parse_one("-0.0")));
    char digits[1500];
    memset(digits, '3', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    digits[1] = '.';
    assert_near(parse_one(digits), digits);
    memset(digits, '0', sizeof digits - 6);
    digits[1] = '.';
    memcpy(digits + sizeof digits - 6, "7e+23", 6);  // 7e-1470 or so
    assert_near(parse_one(digits), digits);
}

/** Random numbers of every shape that printf has, most of them exact to the nearest. */
static void numbers_against_strtod(void **state)
{
    (void)state;
    enum { N = 40000, DIM = 40, SIZE = 40 };
    static const char *const formats[] = {"%.4g", "%.5g",  "%.6g", "%.9g", "%.17g",
                                          "%f",   "%.12f", "%e",   "%.0e", "%.20f"};
    enum { FORMATS = sizeof formats / sizeof *formats };
    static char text[N][SIZE];
    Rng rng = rng_init(3, RNG_TEST);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (uint32_t i = 0; i < N; i++) {
        RngPlace place = {0, 0, i};
        double sign = rng_below(&rng, place, 0, 2) == 0 ? 1 : -1;
        double size = pow(10, (int)rng_below(&rng, place, 1, 30) - 20);
        double mantissa = rng_uniform(&rng, place, 2) + rng_uniform(&rng, place, 3) / 16777216;
        double value = sign * mantissa * (rng_below(&rng, place, 4, 2) == 0 ? 1 : size);
        snprintf(text[i], SIZE, formats[rng_below(&rng, place, 5, FORMATS)], value);
        if (i % DIM == 0) {
            fprintf(file, "w%u", i / DIM);
        }
        fprintf(file, " %s%s", text[i], i % DIM == DIM - 1 ? "\n" : "");
    }
    assert_int_equal(fclose(file), 0);
    Notes notes = {0};
    Vectors vectors = read_good(DIM, &notes);
    assert_int_equal(vectors.n, N / DIM);
    int n_nearest = 0;
    for (int i = 0; i < N; i++) {
        assert_near(vectors.row[i], text[i]);
        n_nearest += vectors.row[i] == REAL_STRTO(text[i]);
    }
    assert_in_range(n_nearest, N / 100 * 99, N);
    vectors_free(&vectors);
}

static void not_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"inf",  "-inf", "nan", "NaN",     "infinity", "1e",  "1e+",
                                      "-",    "+",    ".",   "0x10",    "1.2.3",    "1,5", "--1",
                                      "1e5x", "e5",   "1-",  "4e38999", "1e400"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "a 1 2\nb 0.5 %s\n", bad[i]);
        refuse(text, ":2:", bad[i]);
        snprintf(text, sizeof text, "a %s 1 2\n", bad[i]);
        refuse(text, ":1:", bad[i]);
    }
    refuse("a 1 2\nb 1 x\n", "file:2:", "\"x\" is not a finite number");
}

static void formats(void **state)
{
    (void)state;
    static const char glove[] = "the 0.5 -1 25e-2\n, 1 2 3\n\xc3\xa9t\xc3\xa9 -0.25 0 7\n";
    static const char text[] = "3 3\nthe 0.5 -1 25e-2 \n, 1 2 3 \n\xc3\xa9t\xc3\xa9 -0.25 0 7 \n";
    static const char binary[] = "3 3\nthe \0\0\0\x3f\0\0\x80\xbf\0\0\x80\x3e\n"
                                 ", \0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\n"
                                 "\xc3\xa9t\xc3\xa9 \0\0\x80\xbe\0\0\0\0\0\0\xe0\x40\n";
    static const char joined[] = "3 3\nthe \0\0\0\x3f\0\0\x80\xbf\0\0\x80\x3e"
                                 ", \0\0\x80\x3f\0\0\0\x40\0\0\x40\x40"
                                 "\xc3\xa9t\xc3\xa9 \0\0\x80\xbe\0\0\0\0\0\0\xe0\x40";
    static const struct {
        const char *bytes;
        size_t n;
    } file[] = {{glove, sizeof glove - 1},
                {text, sizeof text - 1},
                {binary, sizeof binary - 1},
                {joined, sizeof joined - 1}};
    for (size_t i = 0; i < 2 * sizeof file / sizeof *file; i++) {
        write_file(file[i / 2].bytes, file[i / 2].n, i % 2 == 0 ? "wb" : "wbT");
        Notes notes = {0};
        Vectors vectors = read_good(i < 4 ? 3 : 0, &notes);
        assert_int_equal(vectors.n, 3);
        assert_int_equal(vectors.dim, 3);
        assert_int_equal(notes.n_kinds, 0);
        assert_int_equal(string_table_find(&vectors.words, ",", 1), 1);
        EXPECT_ROW(&vectors, "the", 0.5, -1, 0.25);
        EXPECT_ROW(&vectors, ",", 1, 2, 3);
        EXPECT_ROW(&vectors, "\xc3\xa9t\xc3\xa9", -0.25, 0, 7);
        vectors_free(&vectors);
    }
}

/** A larger binary file: rows lie across the borders of blocks, values are any finite pattern of bits. */
static void binary_of_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 3000, DIM = 50 };
    Rng rng = rng_init(4, RNG_TEST);
    uint32_t *bits = MEM_ARRAY(uint32_t, ROWS * DIM);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "%d %d\n", ROWS, DIM);
    for (uint32_t i = 0; i < ROWS; i++) {
        fprintf(file, "word%u ", i);
        for (uint32_t j = 0; j < DIM; j++) {
            uint32_t b = rng_bits(&rng, (RngPlace){0, i, 0}, j) & ~((uint32_t)1 << 30);
            bits[i * DIM + j] = b;
            for (int k = 0; k < 4; k++) {
                fputc((int)(b >> 8 * k & 255), file);
            }
        }
        if (i % 2 == 0) {
            fputc('\n', file);
        }
    }
    assert_int_equal(fclose(file), 0);
    Notes notes = {0};
    Vectors vectors = read_good(0, &notes);
    assert_int_equal(vectors.n, ROWS);
    assert_string_equal(string_table_text(&vectors.words, 2999), "word2999");
    for (int i = 0; i < ROWS * DIM; i++) {
        float value;
        memcpy(&value, &bits[i], sizeof value);
        assert_true(vectors.row[i] == (real)value);
    }
    vectors_free(&vectors);
    mem_free(bits);
}

static void words_with_spaces(void **state)
{
    (void)state;
    Notes notes = {0};
    Vectors vectors = read_text("the 1 2\n. . . 3 4\nat name@x.org 5 6\nin 1 x 7 8\n", &notes);
    assert_int_equal(vectors.n, 4);
    EXPECT_ROW(&vectors, ". . .", 3, 4);
    EXPECT_ROW(&vectors, "at name@x.org", 5, 6);
    EXPECT_ROW(&vectors, "in 1 x", 7, 8);
    vectors_free(&vectors);

    vectors = read_text("2 2\n\xc3\xa0 \xc3\xa9 1 2\nb 3 4\n",
                        &notes);  // as the first row of counted text
    EXPECT_ROW(&vectors, "\xc3\xa0 \xc3\xa9", 1, 2);
    vectors_free(&vectors);

    write_text(". . 1 2\nb 3 4\n");  // as the first line: the wanted width tells
    vectors = read_good(2, &notes);
    EXPECT_ROW(&vectors, ". .", 1, 2);
    vectors_free(&vectors);
    assert_int_equal(notes.n_kinds, 0);
}

static void wrong_widths(void **state)
{
    (void)state;
    refuse("a 1 2 3\nb 1 2 3\nc 1 2\n", "file:3: 2 numbers", "has 3");
    refuse("a 1 2 3\nb 1 2 3 4\n", "file:2: 4 numbers", "has 3");
    refuse("a 1 2 3\nb\n", "file:2: 0 numbers", "has 3");
    refuse("2 3\na 1 2 3\nb 1 2\n", "file:3: 2 numbers", "says 3");
    refuse("2 3\na 1 2\nb 1 2\n", "file:2: 2 numbers", "says 3");
    refuse("word\nother\n", "file:1:", "width 0");
    refuse("5 0\n", "file:1:", "width 0");
    refuse("5 2000000000\na 1\n", "file:1:", "width 2000000000");
    refuse("1 1000000\na 1\n", "file:2: 1 numbers", "says 1000000");
    write_text("a 1 2 3\n");
    refuse_file(2, "width 3", "2 is wanted");
    refuse_file(4, "width 3", "4 is wanted");
    write_text("1 3\na 1 2 3\n");
    refuse_file(2, "width 3", "2 is wanted");
}

static void bad_binary(void **state)
{
    (void)state;
    static const char good[] = "2 2\na \0\0\x80\x3f\0\0\0\x40\nb \0\0\x80\x3f\0\0\0\x40\n";
    size_t header = 4;
    write_file(good, header, "wbT");
    refuse_file(0, "no row", "word vectors");
    for (size_t cut = header + 3; cut < sizeof good - 2;
         cut++) {  // from the first byte of a value on
        write_file(good, cut, "wbT");
        refuse_file(0, "ends in row", "of 2");
    }
    char bytes[sizeof good];
    memcpy(bytes, good, sizeof good);
    bytes[sizeof good - 4] = (char)0x80;  // infinite
    bytes[sizeof good - 3] = 0x7f;
    write_file(bytes, sizeof good - 1, "wbT");
    refuse_file(0, "row 2", "value 2 is not finite");

    enum { LONG = 70000 };
    char *word = MEM_ARRAY(char, LONG);
    memset(word, 'x', LONG);
    memcpy(word, "9 1\na \1\2\3\4", 10);
    write_file(word, LONG, "wbT");
    mem_free(word);
    refuse_file(0, "row 2", "no word2vec binary file");

    write_file("1 1\na \1\2\3\4\nmore", 15, "wbT");
    Notes notes = {0};
    Vectors vectors = read_good(0, &notes);
    assert_int_equal(vectors.n, 1);
    assert_int_equal(notes_count(&notes, "bytes after the last row left out"), 1);
    vectors_free(&vectors);
}

static void nothing_in_it(void **state)
{
    (void)state;
    refuse("", "is empty", "check");
    refuse("\n\n", "file:1:", "width 0");
    refuse("100 50\n", "no row", "word vectors");
    refuse(" 1 2\n", "no row", "word vectors");
    assert_int_equal(remove(path), 0);
    refuse_file(0, "No such file", "check the path");
    char gz[400];
    write_file("a 1\nb 2\nc 3\n", 12, "wb");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(gz, 1, sizeof gz, file);
    fclose(file);
    write_file(gz, n - 9, "wbT");
    refuse_file(0, "truncated gzip data", "again");
}

static void repairs_are_noted(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a 1 2\r\n"
                               "b\t3\t4 \r\n"
                               "\r\n"
                               "a 9 9\n"
                               "  5  6\n"
                               "z\0z 1 1\n"
                               "c  7  8";
    Notes notes = {0};
    write_file(text, sizeof text - 1, "wbT");
    Vectors vectors = read_good(0, &notes);
    assert_int_equal(vectors.n, 3);
    EXPECT_ROW(&vectors, "a", 1, 2);
    EXPECT_ROW(&vectors, "b", 3, 4);
    EXPECT_ROW(&vectors, "c", 7, 8);
    assert_int_equal(notes_count(&notes, "byte-order mark removed"), 1);
    assert_int_equal(notes_count(&notes, "empty line left out"), 1);
    assert_int_equal(notes_count(&notes, "row of a word that has one already left out"), 1);
    assert_int_equal(notes_count(&notes, "row without a word left out"), 1);
    assert_int_equal(notes_count(&notes, "word with a zero byte left out"), 1);
    vectors_free(&vectors);

    notes = (Notes){0};
    vectors = read_text("7 1\na 1\nb 2\n", &notes);
    assert_int_equal(vectors.n, 2);
    assert_int_equal(notes_count(&notes, "another number of rows than the first line says"), 1);
    vectors_free(&vectors);
    write_file("a 1 2\nb 1 2\0\n", 13, "wbT");
    refuse_file(0, "file:2:", "is not a finite number");
}

/** Notes of a binary file name the line that the row would have as text. */
static void note_names_the_row(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t size;
    Notes notes = {.out = open_memstream(&printed, &size)};
    write_file("3 1\na \1\2\3\4\nb \1\2\3\4\na \1\2\3\4\n", 25, "wbT");
    Vectors vectors = read_good(0, &notes);
    assert_int_equal(vectors.n, 2);
    fclose(notes.out);
    assert_non_null(strstr(printed, "file:4: row of a word"));
    free(printed);
    vectors_free(&vectors);
}

static void very_long_lines(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = MEM_ARRAY(char, SIZE + 100);
    memset(text, 'x', SIZE);
    memcpy(text + SIZE, " 1 2\nb 3 4", 11);  // a word of a megabyte
    Notes notes = {0};
    Vectors vectors = read_text(text, &notes);
    assert_int_equal(vectors.n, 2);
    assert_int_equal(vectors.dim, 2);
    vectors_free(&vectors);
    for (int i = 0; i < SIZE / 2; i++) {
        memcpy(text + 2 * i, " 1", 2);
    }
    text[0] = 'w';
    memcpy(text + SIZE, "\nb 3 4", 7);  // "w1 1 1 ..." of half a million numbers
    write_text(text);
    mem_free(text);
    refuse_file(0, "file:2: 2 numbers", "has 524287");
}

/** Random bytes after random good beginnings: an answer or an error, never a crash (run with sanitizers). */
static void random_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789.-+eE \t\r\n\n  ab\xc3\xa9\0\xff";
    static const char *const begins[] = {"", "2 2\n", "a 1 2\n", "9 1\nb ", "\xef\xbb\xbf"};
    Rng rng = rng_init(5, RNG_TEST);
    int n_good = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        char bytes[100];
        const char *begin = begins[i % 5];
        size_t n = strlen(begin), more = rng_below(&rng, (RngPlace){0, i, 0}, 0, 80);
        memcpy(bytes, begin, n);
        for (uint32_t j = 0; j < more; j++) {
            bytes[n++] = alphabet[rng_below(&rng, (RngPlace){1, i, j}, 0, sizeof alphabet - 1)];
        }
        write_file(bytes, n, "wbT");
        Notes notes = {0};
        Vectors vectors;
        Status status = vectors_read(&vectors, path, 0, &notes);
        assert_true(status.code == CODE_OK ? vectors.n > 0 : status.code == CODE_INPUT);
        for (int j = 0; j < vectors.n * vectors.dim; j++) {
            assert_true(isfinite(vectors.row[j]));
        }
        n_good += status.code == CODE_OK;
        vectors_free(&vectors);
    }
    assert_in_range(n_good, 30, 2970);
}

static void append_rows(void **state)
{
    (void)state;
    Notes notes = {0};
    Vectors vectors = read_text("a 1 2\n", &notes);
    for (int i = 0; i < 100; i++) {
        char word[16];
        int n = snprintf(word, sizeof word, "new%d", i);
        assert_int_equal(vectors_append(&vectors, word, (size_t)n), i + 1);
        vectors.row[2 * i + 2] = vectors.row[2 * i + 3] = (real)i;
    }
    assert_int_equal(vectors.n, 101);
    EXPECT_ROW(&vectors, "a", 1, 2);
    EXPECT_ROW(&vectors, "new50", 50, 50);
    vectors_free(&vectors);
    vectors.dim = 4;
    assert_int_equal(vectors_append(&vectors, "first", 5), 0);
    vectors_free(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_at_the_edges), cmocka_unit_test(numbers_against_strtod),
        cmocka_unit_test(not_numbers),          cmocka_unit_test(formats),
        cmocka_unit_test(binary_of_many_rows),  cmocka_unit_test(words_with_spaces),
        cmocka_unit_test(wrong_widths),         cmocka_unit_test(bad_binary),
        cmocka_unit_test(nothing_in_it),        cmocka_unit_test(repairs_are_noted),
        cmocka_unit_test(note_names_the_row),   cmocka_unit_test(very_long_lines),
        cmocka_unit_test(random_bytes),         cmocka_unit_test(append_rows),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
