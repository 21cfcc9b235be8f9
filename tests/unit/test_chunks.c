// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "data/chunks.h"

/** Score a text in memory; out gets the report or the error. */
static int score(const char *text, size_t n, const ScoreOptions *options, char **out, size_t *n_out)
{
    FILE *in = n > 0 ? fmemopen((void *)(uintptr_t)text, n, "r") : fopen("/dev/null", "r");
    FILE *report = open_memstream(out, n_out);
    assert_non_null(in);
    assert_non_null(report);
    Chunks chunks = {0};
    Status status = chunks_score_stream(&chunks, in, "memory", options);
    if (status.code == CODE_OK) {
        chunks_report(&chunks, report, options->latex);
    } else {
        fprintf(report, "%s\n", status.text);
    }
    chunks_free(&chunks);
    fclose(in);
    fclose(report);
    return status.code;
}

static void check_report(const char *text, bool raw, int code, const char *want)
{
    ScoreOptions options = {.delimiter = " ", .outside = "O", .raw = raw};
    char *out = NULL;
    size_t n = 0;
    assert_int_equal(score(text, strlen(text), &options, &out, &n), code);
    assert_string_equal(out, want);
    free(out);
}

/** Tags of gold and guess, apart by spaces; "/" is a sentence boundary. */
static void count_tags(Chunks *chunks, const char *gold, const char *guess)
{
    char g[200], p[200], *g_rest = g, *p_rest = p, *g_tag, *p_tag;
    assert_true(strlen(gold) < sizeof g && strlen(guess) < sizeof p);
    strcpy(g, gold);
    strcpy(p, guess);
    while ((g_tag = strtok_r(g_rest, " ", &g_rest)) != NULL) {
        p_tag = strtok_r(p_rest, " ", &p_rest);
        assert_non_null(p_tag);
        if (strcmp(g_tag, "/") == 0) {
            chunks_boundary(chunks);
        } else {
            chunks_token(chunks, g_tag, p_tag);
        }
    }
    chunks_finish(chunks);
}

static void test_known_counts(void **state)
{
    (void)state;
    static const struct {
        const char *gold, *guess;
        long correct, found, gold_chunks;
    } known[] = {
        {"B-P O", "I-P O", 1, 1, 1},
        {"B-P O", "B-P I-L", 1, 2, 1},
        {"B-P B-L", "B-P I-L", 2, 2, 2},
        {"B-P I-P", "O I-P", 0, 1, 1},
        {"S-P S-P", "B-P E-P", 1, 1, 1},
        {"B-P E-P B-P E-P", "B-P I-P I-P E-P", 1, 1, 1},
        {"B-P E-P O", "B-P I-P O", 1, 1, 1},
        {"B-P / I-P", "B-P / I-P", 2, 2, 2},
        {"O I-P I-P", "O B-P I-P", 1, 1, 1},
        {"B-P I-P", "B-P B-P", 0, 2, 1},
        {"B-creative-work I-creative-work", "B-creative-work I-creative", 0, 2, 1},
        {"X-P X-P", "U-P U-P", 1, 1, 1},
        {"[-P [-P", "[-P [-P", 2, 2, 2},
        {"O o", "O o", 0, 0, 0},
        {"B-P o", "B-P o", 2, 2, 2},
        {"B-0 I-", "B- I-00", 0, 2, 1},
        {"B- . B-X", "B- . B-X", 1, 2, 2},
        {"B- .-X", "B- .-X", 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        Chunks chunks = {0};
        count_tags(&chunks, known[i].gold, known[i].guess);
        long got[] = {chunks.all.correct, chunks.all.guessed, chunks.all.gold};
        if (got[0] != known[i].correct || got[1] != known[i].found ||
            got[2] != known[i].gold_chunks) {
            fail_msg("%s -> %s: %ld/%ld/%ld, not %ld/%ld/%ld", known[i].gold, known[i].guess,
                     got[0], got[1], got[2], known[i].correct, known[i].found,
                     known[i].gold_chunks);
        }
        chunks_free(&chunks);
    }
}

static void test_figures(void **state)
{
    (void)state;
    Chunks chunks = {0};
    assert_true(chunks_f1(&chunks.all) == 0.0 && chunks_accuracy(&chunks) == 0.0);
    count_tags(&chunks, "B-P I-P O B-L O B-L", "B-P I-P O O B-L B-L");
    assert_true(chunks.n_tokens == 6 && chunks.n_right_tags == 4);
    assert_true(chunks_precision(&chunks.all) == 100.0 * 2 / 3);
    assert_true(chunks_recall(&chunks.all) == 100.0 * 2 / 3);
    assert_float_equal(chunks_f1(&chunks.all), 66.6666666667, 1e-9);
    assert_true(chunks_accuracy(&chunks) == 100.0 * 4 / 6);
    chunks_free(&chunks);
}

static void test_reports(void **state)
{
    (void)state;
    check_report("", false, 0,
                 "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n");
    check_report("\n  \n", false, 0,
                 "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n");
    // Carriage returns stay: types "PER\r", and "O\r" is a chunk without type, its row twice.
    check_report("a B-PER B-PER\r\nb O O\r", false, 0,
                 "processed 2 tokens with 1 phrases; found: 2 phrases; correct: 0.\n"
                 "accuracy:   0.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00\n"
                 "                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n"
                 "              PER: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n"
                 "             PER\r: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n");
    check_report("a o o\n", false, 0,
                 "processed 1 tokens with 0 phrases; found: 0 phrases; correct: 0.\n"
                 "accuracy: 100.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00\n");
    check_report("B- B\nO O\n", false, 0,
                 "processed 2 tokens with 1 phrases; found: 1 phrases; correct: 1.\n"
                 "accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00\n"
                 "                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  1\n"
                 "                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  1\n");
    check_report("a PER PER\na PER LOC\n", true, 0,
                 "processed 2 tokens with 2 phrases; found: 2 phrases; correct: 1.\n"
                 "accuracy:  50.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00\n"
                 "              LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n"
                 "              PER: precision: 100.00%; recall:  50.00%; FB1:  66.67  1\n");
}

static void test_reading(void **state)
{
    (void)state;
    check_report("a B-P B-P\n\r\n", false, 1, "unexpected number of features: 1 (3)\n");
    check_report("a O O\n-X-\n", false, 1, "unexpected number of features: 1 (3)\n");
    check_report("a  O O\nb O O\n", false, 1, "unexpected number of features: 3 (4)\n");
    check_report("a O O\n\t\n", false, 1, "unexpected number of features: 1 (3)\n");
    check_report("word\n", false, 255, "conlleval: unexpected number of features in line word\n");
    check_report("a B-P B-P\n-X- x x\nb I-P I-P  \n", false, 0,
                 "processed 2 tokens with 2 phrases; found: 2 phrases; correct: 2.\n"
                 "accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00\n"
                 "                P: precision: 100.00%; recall: 100.00%; FB1: 100.00  2\n");
    check_report("-DOCSTART- O O\n", false, 0,
                 "processed 1 tokens with 0 phrases; found: 0 phrases; correct: 0.\n"
                 "accuracy: 100.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00\n");
}

static void test_refusals(void **state)
{
    (void)state;
    char *out = NULL;
    size_t n = 0;
    ScoreOptions options = {.delimiter = " +", .outside = "O"};
    assert_int_equal(score("a O O\n", 6, &options, &out, &n), CODE_OPTION);
    free(out);
    options.delimiter = "\\s";
    assert_int_equal(score("a O O\n", 6, &options, &out, &n), CODE_OPTION);
    free(out);
    options.delimiter = "\\|";
    assert_int_equal(score("a|O|O\n", 6, &options, &out, &n), CODE_OK);
    free(out);
    assert_int_equal(score("a|O|O\nb|O\0|O\n", 13, &options, &out, &n), CODE_INPUT);
    assert_non_null(strstr(out, "memory:2: "));
    free(out);
}

static void test_latex(void **state)
{
    (void)state;
    ScoreOptions options = {.delimiter = "\\t", .outside = "O", .latex = true};
    const char *text = "a\tB-P\tB-P\nb\tB-LONGNAME\tO\n";
    char *out = NULL;
    size_t n = 0;
    assert_int_equal(score(text, strlen(text), &options, &out, &n), CODE_OK);
    assert_string_equal(out, "          & Precision &  Recall  & F$_{\\beta=1} \\\\\\hline\n"
                             "LONGNAME &    0.00\\% &   0.00\\% &   0.00 \\\\\n"
                             "P       &  100.00\\% & 100.00\\% & 100.00 \\\\\\hline\n"
                             "Overall &  100.00\\% &  50.00\\% &  66.67 \\\\\\hline\n");
    free(out);
}

/** More types than the first table holds, and long tags. */
static void test_many_types(void **state)
{
    (void)state;
    Chunks chunks = {0};
    char tag[5000];
    for (int i = 0; i < 500; i++) {
        snprintf(tag, sizeof tag, "B-%0*d", 1 + i * 9, i);
        chunks_token(&chunks, tag, tag);
    }
    chunks_finish(&chunks);
    assert_true(chunks.all.correct == 500 && chunks.types.n == 500);
    for (int i = 0; i < 500; i++) {
        assert_true(chunks.type[i].correct == 1);
    }
    chunks_free(&chunks);
}

/** One case of the oracle: see score_oracle.pl. Returns false at the end. */
static bool check_case(FILE *cases)
{
    char outside[32], delimiter[8];
    size_t n_text, n_want, n = 0;
    int code, raw, latex;
    if (fscanf(cases, "%zu %zu %d %d %d %31s %7s", &n_text, &n_want, &code, &raw, &latex, outside,
               delimiter) != 7) {
        return false;
    }
    assert_int_equal(getc(cases), '\n');
    char *text = mem_alloc(n_text + 1, 1), *want = mem_alloc(n_want + 1, 1), *out = NULL;
    assert_true(fread(text, 1, n_text, cases) == n_text && fread(want, 1, n_want, cases) == n_want);
    ScoreOptions options = {.delimiter = *delimiter == '_' ? " " : delimiter,
                            .outside = outside,
                            .raw = raw != 0,
                            .latex = latex != 0};
    int got = score(text, n_text, &options, &out, &n);
    size_t compared = code == 255 ? strlen("conlleval: unexpected number of features") : n_want;
    if (got != code || (code != 255 && n != n_want) || memcmp(out, want, compared) != 0) {
        fail_msg("input:\n%s\nwant (code %d):\n%s\ngot (code %d):\n%s", text, code, want, got, out);
    }
    free(out);
    mem_free(text);
    mem_free(want);
    return true;
}

static void test_against_oracle(void **state)
{
    (void)state;
    const char *source = getenv("MOE_SOURCE");
    if (source == NULL || system("perl -e 1") != 0) {
        print_message("MOE_SOURCE is not set or there is no perl\n");
        skip();
    }
    char command[1000];
    snprintf(command, sizeof command, "perl '%s/tests/programs/score_oracle.pl' cases 1 10000",
             source);
    FILE *cases = popen(command, "r");
    assert_non_null(cases);
    int n = 0;
    while (check_case(cases)) {
        n++;
    }
    assert_int_equal(pclose(cases), 0);
    assert_int_equal(n, 10000);
}

static void test_no_leak(void **state)
{
    (void)state;
    assert_true(mem_live() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_counts), cmocka_unit_test(test_figures),
        cmocka_unit_test(test_reports),      cmocka_unit_test(test_reading),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_latex),
        cmocka_unit_test(test_many_types),   cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
