// SPDX-License-Identifier: Apache-2.0
/** The CoNLL reader on what real and hostile files contain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "data/conll.h"
#include "scratch.h"

/** The bytes of a literal, zero bytes included, and how many. */
#define BYTES(literal) literal, sizeof literal - 1

static const ConllColumns first_and_last = {0, -1};

/** What one test reads: the file, and the notes about it in silence. */
typedef struct Case {
    Conll conll;
    Notes notes;
    Status status;
    Scratch file;
} Case;

static Case read_bytes(const char *bytes, size_t n, ConllColumns columns, const char *prefix)
{
    Case c = {.notes = {.out = NULL}, .file = scratch_write(bytes, n)};
    c.status = conll_read(&c.conll, c.file.path, columns, prefix, &c.notes);
    scratch_remove(&c.file);
    return c;
}

static Case read_text(const char *text)
{
    return read_bytes(text, strlen(text), first_and_last, NULL);
}

static void end_case(Case *c)
{
    conll_free(&c->conll);
}

/** All tokens as `word/tag`, a space between tokens, ` | ` between sentences. */
static void assert_tokens(const Case *c, const char *expected)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (c->status.code != CODE_OK) {
        fail_msg("%s", c->status.text);
    }
    for (int s = 0; s < c->conll.n_sentences; s++) {
        fputs(s > 0 ? " |" : "", out);
        for (int i = c->conll.sentence_start[s]; i < c->conll.sentence_start[s + 1]; i++) {
            fprintf(out, "%s%s/%s", i > 0 ? " " : "", conll_word(&c->conll, i),
                    conll_tag(&c->conll, i));
        }
    }
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void check_tokens(const char *bytes, const char *expected)
{
    Case c = read_text(bytes);
    assert_tokens(&c, expected);
    end_case(&c);
}

/** As check_tokens, and exactly one kind of note, so many times. */
static void check_note(const char *bytes, const char *expected, const char *kind, long count)
{
    Case c = read_text(bytes);
    assert_tokens(&c, expected);
    assert_int_equal(notes_count(&c.notes, kind), count);
    assert_int_equal(c.notes.n_kinds, count > 0 ? 1 : 0);
    end_case(&c);
}

static void assert_error(const Case *c, int code, const char *part)
{
    assert_int_equal(c->status.code, code);
    assert_true(strlen(c->status.text) + 1 < STATUS_TEXT);
    if (strstr(c->status.text, part) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", c->status.text, part);
    }
    assert_int_equal(c->conll.n_tokens, 0);
    assert_null(c->conll.text);
}

/** The error names path:line. */
static void check_error(const char *bytes, ConllColumns columns, long line)
{
    Case c = read_bytes(bytes, strlen(bytes), columns, NULL);
    char place[SCRATCH_PATH + 32];
    snprintf(place, sizeof place, "%s:%ld: ", c.file.path, line);
    assert_error(&c, CODE_INPUT, place);
}

static void columns_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int token, tag;
    } good[] = {{"", 0, -1},        {"token=0,tag=-1", 0, -1}, {"tag=3", 0, 3},
                {"token=2", 2, -1}, {"tag=-2,token=1", 1, -2}, {"token=-4,tag=12", -4, 12},
                {"token=+1", 1, -1}};
    static const char *const bad[] = {
        "token",       "token=",      "token=x",         "tokens=1", "=1",
        "token=1,",    ",token=1",    "token=1,,",       "token=1 ", "tag=1.0",
        "tag=1,2",     "tag=1,tag=2", "token=1,token=1", "tag= 1",   "token=99999999999999999999",
        "tag=2000000", "tag=token"};
    ConllColumns columns;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(conll_columns(&columns, good[i].text).code, CODE_OK);
        assert_int_equal(columns.token, good[i].token);
        assert_int_equal(columns.tag, good[i].tag);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Status status = conll_columns(&columns, bad[i]);
        assert_int_equal(status.code, CODE_OPTION);
        assert_non_null(strstr(status.text, "--columns"));
    }
}

static void plain_file(void **state)
{
    (void)state;
    Case c = read_text("Ada NNP B-PER\nsings VBZ O\n\nRiga NNP B-LOC\n\n");
    assert_tokens(&c, "Ada/B-PER sings/O | Riga/B-LOC");
    assert_int_equal(c.conll.n_tokens, 3);
    assert_int_equal(c.conll.n_documents, 1);
    assert_int_equal(c.conll.max_length, 2);
    assert_int_equal(c.conll.tags.n, 3);
    assert_int_equal(c.conll.sentence_line[0], 1);
    assert_int_equal(c.conll.sentence_line[1], 4);
    assert_int_equal(conll_line(&c.conll, 1), 2);
    assert_int_equal(conll_line(&c.conll, 2), 4);
    assert_int_equal(c.notes.n_kinds, 0);
    assert_string_equal(c.conll.path, c.file.path);
    end_case(&c);
    end_case(&c);
}

static void spaces_and_tabs(void **state)
{
    (void)state;
    check_note("  a   X  O  \nb X B-P", "a/O b/B-P", "", 0);
    check_note("a\tX\tO\nb\tX\tB-P\t\t\n", "a/O b/B-P", "", 0);
    check_note("a\t\tO\nb\tX\tO\n", "a/O b/O", "", 0);
    check_note("a b\tX\tO\n", "a b/O", "space inside a token kept", 1);
    check_note("a\tO \nb\t B-P\n", "a/O b/B-P", "space around a tag removed", 2);
    check_note("\tX\tO\nb\tX\tO\n", "/O b/O", "empty token kept", 1);
    check_note(" \tO\n", " /O", "space inside a token kept", 1);
    check_note("a\xc2\xa0z O\n", "a\xc2\xa0z/O", "", 0);
}

static void separators(void **state)
{
    (void)state;
    check_tokens("a O\n\t\nb O\n \t \nc O\n   \n\n\nd O", "a/O | b/O | c/O | d/O");
    check_tokens("\n\n\na O\n", "a/O");
    check_tokens("a O\n\v\f\nb O\n", "a/O | b/O");
    check_tokens("", "");
    check_tokens("\n", "");
    check_tokens("\n \n\t\n\n", "");
    check_tokens(" ", "");
}

static void no_tokens_is_an_empty_file(void **state)
{
    (void)state;
    Case c = read_text("\n\n");
    assert_int_equal(c.status.code, CODE_OK);
    assert_int_equal(c.conll.n_sentences, 0);
    assert_int_equal(c.conll.sentence_start[0], 0);
    assert_int_equal(c.conll.n_documents, 0);
    assert_int_equal(c.conll.max_length, 0);
    end_case(&c);
}

static void carriage_returns(void **state)
{
    (void)state;
    check_note("a O\r\n\r\nb O\r\r\n", "a/O | b/O", "carriage return at the line end removed", 3);
    check_note("a\rb O\n", "a\rb/O", "", 0);
    check_note("a O\r", "a/O", "carriage return at the line end removed", 1);
}

static void byte_order_marks(void **state)
{
    (void)state;
    check_note("\xef\xbb\xbf"
               "a O\n",
               "a/O", "byte-order mark removed", 1);
    check_note("a O\n\xef\xbb\xbf\nb O\n", "a/O | b/O", "byte-order mark removed", 1);
    check_note("a O\n\n\xef\xbb\xbf"
               "b O\n",
               "a/O | b/O", "byte-order mark removed", 1);
    check_note("\xef\xbb\xbf", "", "byte-order mark removed", 1);
    check_note("a\xef\xbb\xbf O\n", "a\xef\xbb\xbf/O", "", 0);
    check_note("a\tO\n\xef\xbb\xbf\tO\n", "a/O \xef\xbb\xbf/O", "", 0);
    Case c = read_bytes(BYTES("\xff\xfew\0 \0O\0"), first_and_last, NULL);
    assert_error(&c, CODE_INPUT, ":1: is UTF-16");
}

static void documents(void **state)
{
    (void)state;
    Case c = read_text("a O\n-DOCSTART- -X- O O\n\nb O\nc O\n-DOCSTART-\nd O\n\ne O\n"
                       "-DOCSTART- O\n-DOCSTART- O\n\n");
    assert_tokens(&c, "a/O | b/O c/O | d/O | e/O");
    assert_int_equal(c.conll.n_documents, 3);
    assert_int_equal(c.notes.n_kinds, 0);
    end_case(&c);
    c = read_bytes(BYTES("1\ta\tO\n2\t-DOCSTART-\tO\n3\tb\tO\n"), (ConllColumns){1, 2}, NULL);
    assert_tokens(&c, "a/O | b/O");
    assert_int_equal(c.conll.n_documents, 2);
    end_case(&c);
    c = read_bytes(BYTES("-DOCSTART- x y z\nn a X O\n"), (ConllColumns){1, -1}, NULL);
    assert_tokens(&c, "a/O");
    end_case(&c);
    check_tokens("a -DOCSTART-\n-DOCSTART-x O\n", "a/-DOCSTART- -DOCSTART-x/O");
}

static void comments(void **state)
{
    (void)state;
    static const char text[] =
        "# id 1\n#win O\na O\n# inside\n#b O\n# twice\n# twice\nc O\n# end\n\n"
        "#id 2\nd O\n# id\ne O\n";
    Case c = read_text("#win O\n# O\n\n#a O\n");
    assert_tokens(&c, "#win/O #/O | #a/O");
    end_case(&c);
    c = read_bytes(text, strlen(text), first_and_last, "# ");
    assert_tokens(&c, "#win/O a/O #b/O c/O | #id/2 d/O e/O");
    assert_int_equal(notes_count(&c.notes, "comment left out"), 6);
    static const long line[] = {2, 3, 5, 8, 11, 12, 14};
    for (int i = 0; i < c.conll.n_tokens; i++) {
        assert_int_equal(conll_line(&c.conll, i), line[i]);
    }
    end_case(&c);
    c = read_bytes(BYTES("a O\n#\tx\nb O\n"), first_and_last, "#");
    assert_tokens(&c, "a/O b/O");
    end_case(&c);
    c = read_bytes(BYTES("#a O\n"), first_and_last, "");
    assert_tokens(&c, "#a/O");
    end_case(&c);
}

static void last_line_without_end(void **state)
{
    (void)state;
    check_note("a O\n\nb O\nc B-P", "a/O | b/O c/B-P", "", 0);
    check_note("a O\n\nb O\nc B-P\n", "a/O | b/O c/B-P", "", 0);
}

static void invalid_bytes_are_kept(void **state)
{
    (void)state;
    check_note("caf\xe9 O\n\xc0\xaf O\nb O\n", "caf\xe9/O \xc0\xaf/O b/O", "invalid UTF-8 kept", 2);
    check_note("a B-\xff\n", "a/B-\xff", "invalid UTF-8 kept", 1);
    check_note("a \xff O\n", "a/O", "", 0);
    Case c = read_bytes(BYTES("a\0b O\n\0 O\n"), first_and_last, NULL);
    assert_tokens(&c, "a\xef\xbf\xbd"
                      "b/O \xef\xbf\xbd/O");
    assert_int_equal(notes_count(&c.notes, "zero byte kept as U+FFFD"), 2);
    assert_int_equal(c.notes.n_kinds, 1);
    end_case(&c);
}

static void columns_are_found(void **state)
{
    (void)state;
    static const char text[] = "a b c d\ne f g h\n";
    static const struct {
        ConllColumns columns;
        const char *expected;
    } good[] = {{{0, -1}, "a/d e/h"},
                {{1, 2}, "b/c f/g"},
                {{-4, -3}, "a/b e/f"},
                {{3, 0}, "d/a h/e"},
                {{2, 2}, "c/c g/g"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        Case c = read_bytes(text, strlen(text), good[i].columns, NULL);
        assert_tokens(&c, good[i].expected);
        assert_int_equal(c.notes.n_kinds, 0);
        end_case(&c);
    }
}

static void columns_out_of_range(void **state)
{
    (void)state;
    check_error("\na b c d\n", (ConllColumns){4, 0}, 2);
    check_error("\na b c d\n", (ConllColumns){-5, 0}, 2);
    check_error("\na b c d\n", (ConllColumns){0, 4}, 2);
    check_error("a b\nc d\n\ne\n", (ConllColumns){0, 1}, 4);
    check_error("a b\r\nc\r\n", (ConllColumns){0, 1}, 2);
    check_error("a\tO\nb\t\n", first_and_last, 2);
    check_error("a b c\nd e\nf\n", first_and_last, 3);
}

static void rows_may_differ(void **state)
{
    (void)state;
    check_note("a X O\nb O\nc X Y Z O\nd X O\n", "a/O b/O c/O d/O",
               "another number of columns than in the first line", 2);
    check_note("word\n", "word/word", "", 0);  // text without tags
    Case c = read_bytes(BYTES("a O x\nb O\n"), (ConllColumns){0, 1}, NULL);
    assert_tokens(&c, "a/O b/O");
    assert_int_equal(c.notes.n_kinds, 1);
    end_case(&c);
}

static void notes_name_the_line(void **state)
{
    (void)state;
    static const char bytes[] = "a O\n\ncaf\xe9 O\n";
    char *text = NULL, expected[SCRATCH_PATH + 64];
    size_t n = 0;
    Conll conll;
    Notes notes = {.out = open_memstream(&text, &n)};
    Scratch file = scratch_write(bytes, strlen(bytes));
    Status status = conll_read(&conll, file.path, first_and_last, NULL, &notes);
    scratch_remove(&file);
    fclose(notes.out);
    assert_int_equal(status.code, CODE_OK);
    snprintf(expected, sizeof expected, "%s:3: invalid UTF-8 kept (caf\xe9)\n", file.path);
    assert_string_equal(text, expected);
    free(text);
    conll_free(&conll);
}

static void long_sentence(void **state)
{
    (void)state;
    enum { N = 10000 };
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    for (int i = 0; i < N; i++) {
        fprintf(out, "w%d X T%d\n", i, i % 7);
    }
    fputs("\nend X T0\n", out);
    fclose(out);
    Case c = read_bytes(text, n, first_and_last, NULL);
    free(text);
    assert_int_equal(c.status.code, CODE_OK);
    assert_int_equal(c.conll.n_sentences, 2);
    assert_int_equal(c.conll.max_length, N);
    assert_int_equal(c.conll.n_tokens, N + 1);
    for (int i = 0; i < N; i++) {
        char word[16], tag[16];
        snprintf(word, sizeof word, "w%d", i);
        snprintf(tag, sizeof tag, "T%d", i % 7);
        assert_string_equal(conll_word(&c.conll, i), word);
        assert_string_equal(conll_tag(&c.conll, i), tag);
        assert_int_equal(conll_line(&c.conll, i), i + 1);
    }
    assert_int_equal(conll_line(&c.conll, N), N + 2);
    end_case(&c);
}

static void many_sentences(void **state)
{
    (void)state;
    enum { N = 5000 };
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    for (int i = 0; i < N; i++) {
        fprintf(out, "w%d O\n\n", i);
    }
    fclose(out);
    Case c = read_bytes(text, n, first_and_last, NULL);
    free(text);
    assert_int_equal(c.conll.n_sentences, N);
    for (int s = 0; s < N; s++) {
        assert_int_equal(c.conll.sentence_start[s + 1], s + 1);
        assert_int_equal(c.conll.sentence_line[s], 2 * s + 1);
    }
    end_case(&c);
}

static void huge_token(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    char *text = MEM_ARRAY(char, N + 16);
    memset(text, 'x', N);
    memcpy(text + N, " B-P\nb O\n", 10);
    Case c = read_text(text);
    assert_int_equal(c.status.code, CODE_OK);
    assert_int_equal(c.conll.n_tokens, 2);
    assert_int_equal(strlen(conll_word(&c.conll, 0)), N);
    assert_memory_equal(conll_word(&c.conll, 0), text, N);
    assert_string_equal(conll_tag(&c.conll, 0), "B-P");
    assert_string_equal(conll_word(&c.conll, 1), "b");
    end_case(&c);
    for (size_t i = 0; i < N; i++) {
        text[i] = i % 2 == 0 ? 'x' : ' ';  // half a million columns
    }
    c = read_bytes(text, N, (ConllColumns){-1, N / 2 - 1}, NULL);
    assert_int_equal(c.conll.n_tokens, 1);
    end_case(&c);
    mem_free(text);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    Case c = {.notes = {.out = NULL}};
    c.status = conll_read(&c.conll, "/nonexistent/train.conll", first_and_last, NULL, &c.notes);
    assert_error(&c, CODE_INPUT, "/nonexistent/train.conll");
    c.status = conll_read(&c.conll, "/tmp", first_and_last, NULL, &c.notes);
    assert_error(&c, CODE_INPUT, "directory");
    Scratch file = scratch_write("a O\n", 4);
    uid_t me = geteuid();
    assert_int_equal(chmod(file.path, 0), 0);
    if (me == 0) {
        assert_int_equal(seteuid(65534), 0);  // root may read everything
    }
    c.status = conll_read(&c.conll, file.path, first_and_last, NULL, &c.notes);
    if (me == 0) {
        assert_int_equal(seteuid(me), 0);
    }
    scratch_remove(&file);
    assert_error(&c, CODE_INPUT, file.path);
}

static Scratch write_gzip(const char *text)
{
    Scratch file = scratch_write("", 0);
    gzFile gz = gzopen(file.path, "wb");
    assert_non_null(gz);
    assert_int_equal(gzputs(gz, text), strlen(text));
    assert_int_equal(gzclose(gz), Z_OK);
    return file;
}

static void compressed_files(void **state)
{
    (void)state;
    Case c = {.notes = {.out = NULL}, .file = write_gzip("a O\n\nb B-P\n")};
    c.status = conll_read(&c.conll, c.file.path, first_and_last, NULL, &c.notes);
    assert_tokens(&c, "a/O | b/B-P");
    end_case(&c);
    struct stat about;
    assert_int_equal(stat(c.file.path, &about), 0);
    assert_int_equal(truncate(c.file.path, about.st_size - 9), 0);
    c.status = conll_read(&c.conll, c.file.path, first_and_last, NULL, &c.notes);
    assert_error(&c, CODE_INPUT, c.file.path);
    scratch_remove(&c.file);
}

static void assert_consistent(const Conll *conll)
{
    int longest = 0;
    long line = 0;
    assert_int_equal(conll->sentence_start[0], 0);
    assert_int_equal(conll->sentence_start[conll->n_sentences], conll->n_tokens);
    assert_true(conll->n_documents <= conll->n_sentences);
    for (int s = 0; s < conll->n_sentences; s++) {
        int length = conll->sentence_start[s + 1] - conll->sentence_start[s];
        assert_true(length > 0);
        longest = length > longest ? length : longest;
        assert_int_equal(conll_line(conll, conll->sentence_start[s]), conll->sentence_line[s]);
    }
    assert_int_equal(conll->max_length, longest);
    for (int i = 0; i < conll->n_tokens; i++) {
        size_t next = conll->word_start[i] + strlen(conll_word(conll, i)) + 1;
        assert_true(i + 1 == conll->n_tokens || conll->word_start[i + 1] == next);
        assert_true(conll->tag[i] >= 0 && conll->tag[i] < conll->tags.n);
        assert_true(conll_line(conll, i) > line);
        line = conll_line(conll, i);
    }
}

/** Random pieces in a row: whatever comes out is consistent, or an error with file:line. */
static void random_files(void **state)
{
    (void)state;
    enum { FILES = 1500, PIECES = 60 };
    static const struct {
        const char *bytes;
        size_t n;
    } piece[] = {{"a", 1},  {" ", 1},    {"\t", 1},           {"\n", 1}, {"\r\n", 2}, {"\0", 1},
                 {"#", 1},  {"\xff", 1}, {"\xef\xbb\xbf", 3}, {"O", 1},  {" O\n", 3}, {"\tO\n", 3},
                 {"\r", 1}, {"\n\n", 2}, {"-DOCSTART-", 10},  {"B-", 2}, {"\xe2", 1}, {" O\n", 3}};
    Rng rng = rng_init(2, RNG_TEST);
    int n_good = 0, n_bad = 0;
    for (uint32_t f = 0; f < FILES; f++) {
        char bytes[10 * PIECES];
        size_t n = 0;
        for (uint32_t k = 0; k < PIECES; k++) {
            uint32_t p = rng_below(&rng, (RngPlace){f, 0, 0}, k, sizeof piece / sizeof *piece);
            memcpy(bytes + n, piece[p].bytes, piece[p].n);
            n += piece[p].n;
        }
        ConllColumns columns = {0, f % 3 == 0 ? 1 : -1};
        Case c = read_bytes(bytes, n, columns, f % 2 == 0 ? "#" : NULL);
        if (c.status.code == CODE_OK) {
            assert_consistent(&c.conll);
            n_good++;
            end_case(&c);
        } else {
            char place[SCRATCH_PATH + 2];
            snprintf(place, sizeof place, "%s:", c.file.path);
            assert_error(&c, CODE_INPUT, place);
            n_bad++;
        }
    }
    assert_true(n_good > FILES / 20 && n_bad > FILES / 20);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_parse),
        cmocka_unit_test(plain_file),
        cmocka_unit_test(spaces_and_tabs),
        cmocka_unit_test(separators),
        cmocka_unit_test(no_tokens_is_an_empty_file),
        cmocka_unit_test(carriage_returns),
        cmocka_unit_test(byte_order_marks),
        cmocka_unit_test(documents),
        cmocka_unit_test(comments),
        cmocka_unit_test(last_line_without_end),
        cmocka_unit_test(invalid_bytes_are_kept),
        cmocka_unit_test(columns_are_found),
        cmocka_unit_test(columns_out_of_range),
        cmocka_unit_test(rows_may_differ),
        cmocka_unit_test(notes_name_the_line),
        cmocka_unit_test(long_sentence),
        cmocka_unit_test(many_sentences),
        cmocka_unit_test(huge_token),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(compressed_files),
        cmocka_unit_test(random_files),
        cmocka_unit_test(nothing_stays_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
