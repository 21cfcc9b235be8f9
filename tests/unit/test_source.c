// SPDX-License-Identifier: Apache-2.0
/* Reading files: plain and gzip, lines and bytes across block borders, and every way in which a file can be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/source.h"

static char folder[] = "/tmp/test_source_XXXXXX";
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

static void write_plain(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void write_gzip(const char *bytes, size_t n, const char *mode)
{
    gzFile gz = gzopen(path, mode);
    assert_non_null(gz);
    if (n > 0) {
        assert_int_equal(gzwrite(gz, bytes, (unsigned)n), n);
    }
    assert_int_equal(gzclose(gz), Z_OK);
}

static size_t read_back(char *bytes, size_t max)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, max, file);
    assert_int_equal(fclose(file), 0);
    return n;
}

static void assert_bad(Status status, const char *part)
{
    assert_int_equal(status.code, CODE_INPUT);
    assert_non_null(strstr(status.text, part));
}

/** Read all lines; the status is of the first call that failed. */
static Status read_all(const char *name, size_t *n_bytes, long *n_lines)
{
    Source source;
    const char *line;
    size_t n;
    bool found = true;
    *n_bytes = 0;
    *n_lines = 0;
    Status status = source_open(&source, name);
    while (status.code == CODE_OK && found) {
        status = source_line(&source, &line, &n, &found);
        if (status.code == CODE_OK && found) {
            *n_bytes += n;
            ++*n_lines;
        }
    }
    source_close(&source);
    return status;
}

static void expect_line(Source *source, const char *text, size_t n, long number)
{
    const char *line;
    size_t length;
    bool found;
    assert_int_equal(source_line(source, &line, &length, &found).code, CODE_OK);
    assert_true(found);
    assert_int_equal(length, n);
    assert_memory_equal(line, text, n);
    assert_int_equal(source->line, number);
}

static void expect_end(Source *source)
{
    const char *line;
    size_t n;
    bool found = true;
    assert_int_equal(source_line(source, &line, &n, &found).code, CODE_OK);
    assert_false(found);
}

static void lines_plain_and_gzip(void **state)
{
    (void)state;
    static const char text[] = "first\n\nwith\0zero\r\nlast";
    for (int compressed = 0; compressed < 2; compressed++) {
        Source source;
        if (compressed) {
            write_gzip(text, sizeof text - 1, "wb");
        } else {
            write_plain(text, sizeof text - 1);
        }
        assert_int_equal(source_open(&source, path).code, CODE_OK);
        assert_int_equal(source.compressed, compressed);
        struct stat about;
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(source.file_bytes, about.st_size);
        expect_line(&source, "first", 5, 1);
        expect_line(&source, "", 0, 2);
        expect_line(&source, "with\0zero\r", 10, 3);
        expect_line(&source, "last", 4, 4);
        expect_end(&source);
        expect_end(&source);
        source_close(&source);
        source_close(&source);
    }
}

static void empty_and_feed_only(void **state)
{
    (void)state;
    size_t n;
    long lines;
    write_plain("", 0);
    assert_int_equal(read_all(path, &n, &lines).code, CODE_OK);
    assert_int_equal(lines, 0);
    write_gzip("", 0, "wb");
    assert_int_equal(read_all(path, &n, &lines).code, CODE_OK);
    assert_int_equal(lines, 0);
    write_plain("\n", 1);
    assert_int_equal(read_all(path, &n, &lines).code, CODE_OK);
    assert_int_equal(lines, 1);
    write_plain("\x1f", 1);  // half of gzip's magic number is plain text
    assert_int_equal(read_all(path, &n, &lines).code, CODE_OK);
    assert_int_equal(n, 1);
}

/** Lines of many lengths, some longer than a block, come back as they were written. */
static void long_lines(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 262143, 262144, 262145, 0, 3000000, 7, 524288, 100};
    enum { N = sizeof lengths / sizeof *lengths };
    size_t total = 0, at = 0;
    for (int i = 0; i < N; i++) {
        total += lengths[i] + 1;
    }
    char *text = MEM_ARRAY(char, total);
    for (int i = 0; i < N; i++) {
        for (size_t j = 0; j < lengths[i]; j++) {
            text[at++] = (char)('a' + (j * 7 + (size_t)i) % 26);
        }
        text[at++] = '\n';
    }
    for (int compressed = 0; compressed < 2; compressed++) {
        Source source;
        if (compressed) {
            write_gzip(text, total, "wb1");
        } else {
            write_plain(text, total);
        }
        assert_int_equal(source_open(&source, path).code, CODE_OK);
        at = 0;
        for (int i = 0; i < N; i++) {
            expect_line(&source, text + at, lengths[i], i + 1);
            at += lengths[i] + 1;
        }
        expect_end(&source);
        source_close(&source);
    }
    mem_free(text);
}

/** Bytes, peeks and lines mixed at random are one stream. */
static void bytes_peeks_and_lines(void **state)
{
    (void)state;
    enum { TOTAL = 2000000, MAX_PART = 400000 };
    char *text = MEM_ARRAY(char, TOTAL), *out = MEM_ARRAY(char, MAX_PART);
    Rng rng = rng_init(2, RNG_TEST);
    for (uint32_t i = 0; i < TOTAL; i++) {
        text[i] = rng_below(&rng, (RngPlace){0, 0, i}, 0, 9000) == 0 ? '\n' : (char)('a' + i % 26);
    }
    text[TOTAL - 1] = 'z';
    write_gzip(text, TOTAL, "wb1");
    Source source;
    size_t at = 0;
    assert_int_equal(source_open(&source, path).code, CODE_OK);
    for (uint32_t i = 0; at < TOTAL; i++) {
        size_t n = rng_below(&rng, (RngPlace){1, 0, i}, 0, MAX_PART), got;
        size_t left = TOTAL - at;
        switch (rng_below(&rng, (RngPlace){2, 0, i}, 0, 3)) {
        case 0:
            assert_int_equal(source_bytes(&source, out, n, &got).code, CODE_OK);
            assert_int_equal(got, n < left ? n : left);
            assert_memory_equal(out, text + at, got);
            at += got;
            break;
        case 1:
            assert_int_equal(source_peek(&source, n).code, CODE_OK);
            got = source.end - source.begin;
            assert_true(got >= (n < left ? n : left) && got <= left);
            assert_memory_equal(source.block + source.begin, text + at, got);
            break;
        default: {
            const char *feed = memchr(text + at, '\n', left);
            size_t length = feed != NULL ? (size_t)(feed - text) - at : left;
            expect_line(&source, text + at, length, source.line + 1);
            at += length + (feed != NULL ? 1 : 0);
        }
        }
    }
    size_t got;
    assert_int_equal(source_bytes(&source, out, 10, &got).code, CODE_OK);
    assert_int_equal(got, 0);
    source_close(&source);
    mem_free(text);
    mem_free(out);
}

static void gzip_of_two_members(void **state)
{
    (void)state;
    Source source;
    write_gzip("one\ntw", 6, "wb");
    write_gzip("o\nthree\n", 8, "ab");
    assert_int_equal(source_open(&source, path).code, CODE_OK);
    expect_line(&source, "one", 3, 1);
    expect_line(&source, "two", 3, 2);
    expect_line(&source, "three", 5, 3);
    expect_end(&source);
    source_close(&source);
}

/** Every cut of a gzip file behind its magic number is an error, never a shorter file. */
static void truncated_gzip(void **state)
{
    (void)state;
    static char bytes[4096];
    char text[600];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i * i % 251);
    }
    write_gzip(text, sizeof text, "wb");
    size_t n = read_back(bytes, sizeof bytes), got;
    long lines;
    assert_in_range(n, 30, sizeof bytes - 1);
    for (size_t cut = 2; cut < n; cut++) {
        write_plain(bytes, cut);
        Status status = read_all(path, &got, &lines);
        assert_bad(status, "truncated gzip data");
        assert_non_null(strstr(status.text, path));
    }
    write_plain(bytes, n);
    assert_int_equal(read_all(path, &got, &lines).code, CODE_OK);
}

static void damaged_gzip(void **state)
{
    (void)state;
    char bytes[256];
    size_t got;
    long lines;
    write_gzip("some text\n", 10, "wb");
    size_t n = read_back(bytes, sizeof bytes);
    bytes[n - 8] = (char)(bytes[n - 8] ^ 1);  // the checksum
    write_plain(bytes, n);
    assert_bad(read_all(path, &got, &lines), "damaged gzip data");
    bytes[n - 8] = (char)(bytes[n - 8] ^ 1);
    bytes[10] = (char)0xff;  // the first block's kind
    write_plain(bytes, n);
    assert_bad(read_all(path, &got, &lines), "damaged gzip data");
}

static void files_that_do_not_open(void **state)
{
    (void)state;
    Source source;
    char name[sizeof folder + 16];
    snprintf(name, sizeof name, "%s/none", folder);
    Status status = source_open(&source, name);
    assert_bad(status, name);
    assert_bad(status, "No such file");
    source_close(&source);
    assert_bad(source_open(&source, folder), "is a directory");
    assert_bad(source_open(&source, ""), "cannot be opened");
    assert_int_equal(symlink("none", name), 0);  // a link to itself
    assert_bad(source_open(&source, name), name);
    assert_int_equal(remove(name), 0);
    if (geteuid() != 0) {
        write_plain("x", 1);
        assert_int_equal(chmod(path, 0), 0);
        assert_bad(source_open(&source, path), "permission");
        assert_int_equal(chmod(path, 0600), 0);
    }
}

static void standard_input_and_pipe(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO);
    Source source;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a\nb", 3), 3);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    assert_int_equal(source_open(&source, "-").code, CODE_OK);
    assert_int_equal(source.file_bytes, -1);
    expect_line(&source, "a", 1, 1);
    expect_line(&source, "b", 1, 2);
    expect_end(&source);
    source_close(&source);
    close(STDIN_FILENO);
    assert_bad(source_open(&source, "-"), "standard input");
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_plain_and_gzip),
        cmocka_unit_test(empty_and_feed_only),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(bytes_peeks_and_lines),
        cmocka_unit_test(gzip_of_two_members),
        cmocka_unit_test(truncated_gzip),
        cmocka_unit_test(damaged_gzip),
        cmocka_unit_test(files_that_do_not_open),
        cmocka_unit_test(standard_input_and_pipe),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
