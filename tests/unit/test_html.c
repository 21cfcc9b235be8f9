// SPDX-License-Identifier: Apache-2.0
/** The page of small, empty, huge and hostile logs is sound, and says what the log says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/arena.h"
#include "markup_check.h"
#include "report/html.h"
#include "report/run_files.h"
#include "scratch.h"

enum { LABELS = 5 };

/** A log of T tokens in sentences of 7, E experts, n rows and m evaluations: token t goes to expert t % E, its second choice to
 * the next one; gold labels go round. */
static RouteData make_data(int E, int K, int n, int m, int T, const char *const *word, int n_words)
{
    static const char *const label[LABELS] = {"O", "B-LOC", "I-LOC", "B-<b>", "(other)"};
    const size_t e = (size_t)E, k = (size_t)K, rows = (size_t)n, evals = (size_t)m, t = (size_t)T;
    RouteData d = {
        .E = E, .K = K, .L = LABELS, .W = 2, .capacity_factor = 1.25, .n = n, .m = m, .T = T};
    snprintf(d.run, sizeof d.run, "runs/<one> & \"two\"");
    snprintf(d.program, sizeof d.program, "moe_train");
    for (int i = 0; i < LABELS; i++) {
        string_table_add(&d.labels, label[i], strlen(label[i]));
    }
    for (int i = 0; i < n_words; i++) {
        string_table_add(&d.words, word[i], strlen(word[i]));
    }
    int32_t **ints[] = {&d.step, &d.epoch, &d.tokens, &d.dead};
    double **reals[] = {&d.entropy,  &d.variation, &d.max_violation, &d.max_violation_running,
                        &d.aux_loss, &d.z_loss,    &d.loss,          &d.bytes,
                        &d.seconds};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        *ints[i] = MEM_ARRAY(int32_t, rows);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        *reals[i] = MEM_ARRAY(double, rows);
    }
    d.load = MEM_ARRAY(int32_t, rows * k * e);
    d.kept = MEM_ARRAY(int32_t, rows * e);
    d.dropped = MEM_ARRAY(int32_t, rows * e);
    d.skipped = MEM_ARRAY(int32_t, rows * e);
    d.importance = MEM_ARRAY(double, rows *e);
    d.weight = MEM_ARRAY(double, rows *e);
    d.wait_seconds = MEM_ARRAY(double, rows * 2);
    for (int i = 0; i < n; i++) {
        d.step[i] = 10 * (i + 1);
        d.entropy[i] = i % 5 == 0 ? NAN : 1;
        for (int j = 0; j < K * E; j++) {
            d.load[i * K * E + j] = 4;
        }
        for (int j = 0; j < E; j++) {
            d.dropped[i * E + j] = K;  // a quarter
        }
    }
    d.eval_epoch = MEM_ARRAY(int32_t, evals);
    d.eval_step = MEM_ARRAY(int32_t, evals);
    d.f1 = MEM_ARRAY(double, evals);
    d.by_gold = MEM_ARRAY(int32_t, evals * k * LABELS * e);
    d.by_predicted = MEM_ARRAY(int32_t, evals * k * LABELS * e);
    d.by_frequency = MEM_ARRAY(int32_t, evals * k * ROUTE_FREQUENCIES * e);
    d.by_capitals = MEM_ARRAY(int32_t, evals * k * ROUTE_CAPITALS * e);
    d.by_seen = MEM_ARRAY(int32_t, evals * k * ROUTE_SEEN * e);
    d.first_expert = MEM_ARRAY(int32_t, evals * t);
    d.sentence = MEM_ARRAY(int32_t, t);
    d.position = MEM_ARRAY(int32_t, t);
    d.word = MEM_ARRAY(int32_t, t);
    d.gold = MEM_ARRAY(int32_t, t);
    d.predicted = MEM_ARRAY(int32_t, t);
    d.expert = MEM_ARRAY(int32_t, t * k);
    d.token_weight = MEM_ARRAY(float, t *k);
    for (int i = 0; i < T; i++) {
        d.sentence[i] = i / 7;
        d.position[i] = i % 7;
        d.word[i] = i % n_words;
        d.gold[i] = i % (LABELS - 1);
        d.predicted[i] = i % 11 == 0 ? 0 : d.gold[i];
        for (int c = 0; c < K; c++) {
            d.expert[i * K + c] = (i + c) % E;
        }
        for (int j = 0; j < m; j++) {
            d.first_expert[(size_t)j * t + (size_t)i] = i % E;
            for (int c = 0; c < K; c++) {
                const size_t row = (size_t)j * k + (size_t)c, to = (size_t)((i + c) % E);
                d.by_gold[(row * LABELS + (size_t)d.gold[i]) * e + to]++;
                d.by_predicted[(row * LABELS + (size_t)d.predicted[i]) * e + to]++;
                d.by_frequency[row * ROUTE_FREQUENCIES * e + to]++;
                d.by_capitals[row * ROUTE_CAPITALS * e + to]++;
                d.by_seen[row * ROUTE_SEEN * e + to]++;
            }
        }
    }
    for (int j = 0; j < m; j++) {
        d.eval_epoch[j] = j;
        d.f1[j] = 50 + j;
    }
    return d;
}

static const char *const plain_words[] = {"river", "Ada", "of", "42", "stone", "Nile", "and"};
enum { PLAIN_WORDS = sizeof plain_words / sizeof *plain_words };

/** The page, checked for being sound; the caller frees it. */
static char *page_of(const RouteData *data, const char *dir)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(html_report(data, dir, out).code, CODE_OK);
    assert_int_equal(fclose(out), 0);
    assert_null(markup_fault(text, n));
    assert_int_equal(strlen(text), n);
    assert_int_equal(markup_count(text, "<script"), 0);
    assert_int_equal(markup_count(text, "=\"http"), 0);
    assert_int_equal(markup_count(text, "nan"), 0);
    assert_int_equal(markup_count(text, "</html>"), 1);
    return text;
}

static void every_section_is_there(void **state)
{
    (void)state;
    static const char *const id[] = {"labels",  "settling", "training",
                                     "experts", "options",  "terms"};
    RouteData data = make_data(4, 2, 30, 3, 280, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL), text[64];
    for (size_t i = 0; i < sizeof id / sizeof *id; i++) {
        snprintf(text, sizeof text, "<section id=\"%s\">", id[i]);
        assert_int_equal(markup_count(page, text), 1);
        snprintf(text, sizeof text, "href=\"#%s\"", id[i]);
        assert_int_equal(markup_count(page, text), 1);
    }
    assert_int_equal(markup_count(page, "<article"), 4);
    assert_int_equal(markup_count(page, "<table"), 4);
    assert_int_equal(markup_count(page, "<svg"), markup_count(page, "</title><desc>"));
    // Labels go round 4 of 4 experts: an expert has one label, so that its number tells all of 2 bits.
    assert_non_null(strstr(page, "<b>2.01 of the 2.01 bits</b> of its label, <b>100%</b>"));
    assert_non_null(strstr(page, "expert 1, B-LOC: 70 tokens, 100% of the row, 100% of the label"));
    assert_non_null(strstr(page, "expert 1, I-LOC: 0 tokens, 0% of the row, 0% of the label"));
    assert_non_null(strstr(page, "<dd class=\"big\">25.0%</dd><dd class=\"small\">last tenth"));
    assert_non_null(strstr(page, "<dd class=\"big\">52.00</dd>"));  // the best F1
    free(page);
    route_data_free(&data);
}

/** Token 1 is Ada, B-LOC, of experts 1 and 2. */
static void tokens_say_what_they_are(void **state)
{
    (void)state;
    RouteData data = make_data(4, 2, 2, 2, 28, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL);
    assert_non_null(strstr(page,
                           "<span class=\"t c1 f g\" title=\"B-LOC; experts 1 (0.00), 2 (0.00)\">"
                           "Ada<sub>1</sub></span>"));
    assert_non_null(strstr(page, "<span class=\"t c0 f\" title=\"O; experts 0 (0.00), 1 (0.00)\">"
                                 "river<sub>0</sub></span>"));
    assert_non_null(strstr(page, "title=\"I-LOC, predicted O; experts 2 (0.00), 3 (0.00)\">"));
    free(page);
    route_data_free(&data);
}

/** A card for every expert, and on it only tokens of that expert stand out. */
static void cards_are_of_their_expert(void **state)
{
    (void)state;
    enum { EXPERTS = 5 };
    int cards[EXPERTS] = {0}, strong = 0;
    RouteData data = make_data(EXPERTS, 2, 2, 2, 280, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL);
    for (const char *at = strstr(page, "<article"); at != NULL;) {
        const char *next = strstr(at + 1, "<article");
        const int expert = atoi(strstr(at, "<h3>Expert ") + strlen("<h3>Expert "));
        assert_in_range(expert, 0, EXPERTS - 1);
        cards[expert]++;
        const char *token = at;
        while ((token = strstr(token, "class=\"t c")) != NULL && (next == NULL || token < next)) {
            char *end;
            const long of = strtol(token + strlen("class=\"t c"), &end, 10);
            assert_int_equal(strncmp(end, " f", 2) == 0, of == expert);
            strong += of == expert;
            token = end;
        }
        at = next;
    }
    for (int e = 0; e < EXPERTS; e++) {
        assert_int_equal(cards[e], 1);
    }
    assert_true(strong > 10);
    free(page);
    route_data_free(&data);
}

/** Two experts have two labels each: half of a row, all of a column. */
static void heat_maps_add_up_their_way(void **state)
{
    (void)state;
    RouteData data = make_data(2, 1, 2, 2, 280, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL);
    assert_int_equal(markup_count(page, ">50</text><title>"), 4);
    assert_int_equal(markup_count(page, ">100</text><title>"), 4);
    free(page);
    route_data_free(&data);
}

static void hostile_words_are_escaped(void **state)
{
    (void)state;
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    static const char *const word[] = {"<script>alert(1)</script>",
                                       "\" onload=\"x",
                                       "'",
                                       "&amp;",
                                       "\xff\xfe\x80",
                                       "]]>",
                                       "http://example.org/",
                                       "\xe2\x80\xae rtl",
                                       "a\x01\x1b[31mb",
                                       "--><style>",
                                       longest,
                                       "%s%n"};
    RouteData data = make_data(3, 1, 3, 2, 240, word, sizeof word / sizeof *word);
    char *page = page_of(&data, NULL);
    assert_non_null(strstr(page, "&#60;script&#62;alert(1)&#60;/script&#62;"));
    assert_non_null(strstr(page, "&#34; onload=&#34;x"));
    assert_non_null(strstr(page, "&#38;amp;"));
    assert_non_null(strstr(page, "<h1>runs/&#60;one&#62; &#38; &#34;two&#34;</h1>"));
    assert_non_null(strstr(page, ">B-&#60;b&#62;<"));
    assert_null(strstr(page, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    free(page);
    route_data_free(&data);
}

static void odd_sizes_make_a_page(void **state)
{
    (void)state;
    static const int size[][5] = {{1, 1, 40, 3, 70}, {8, 2, 0, 0, 0},   {8, 2, 0, 2, 70},
                                  {8, 2, 1, 1, 70},  {8, 2, 40, 0, 0},  {8, 2, 40, 0, 70},
                                  {8, 2, 40, 1, 70}, {8, 8, 5, 2, 0},   {2, 1, 1, 1, 1},
                                  {16, 2, 5, 2, 70}, {17, 2, 5, 2, 70}, {200, 3, 700, 2, 70}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        const int *s = size[i];
        RouteData data = make_data(s[0], s[1], s[2], s[3], s[4], plain_words, PLAIN_WORDS);
        char *page = page_of(&data, NULL);
        const bool evaluated = s[3] > 0 && s[4] > 0;
        assert_int_equal(markup_count(page, "No evaluation is in this log yet"), !evaluated);
        assert_int_equal(markup_count(page, "No row of training"), s[2] == 0);
        assert_int_equal(markup_count(page, "<article"), s[0] < HTML_CARDS ? s[0] : HTML_CARDS);
        free(page);
        route_data_free(&data);
    }
}

static void a_thousand_experts_stay_readable(void **state)
{
    (void)state;
    RouteData data = make_data(1024, 2, 300, 3, 20000, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL);
    assert_int_equal(markup_count(page, "<article"), HTML_CARDS);
    assert_non_null(strstr(page, "<b>24 largest</b> of 1024 experts; the other 1000 have "));
    assert_non_null(strstr(page, ">992 others</text>"));
    assert_true(strlen(page) < 600000);
    free(page);
    route_data_free(&data);
}

static void a_long_log_is_a_small_page(void **state)
{
    (void)state;
    RouteData data = make_data(8, 2, 5000, 20, 50000, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, NULL);
    assert_true(strlen(page) < 300000);
    free(page);
    route_data_free(&data);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[SCRATCH_PATH + 32];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void remove_dir(const char *dir)
{
    char path[SCRATCH_PATH + 32];
    static const char *const name[] = {"config.ini", "metrics.jsonl"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        remove(path);
    }
    rmdir(dir);
}

static void files_of_the_run_are_shown(void **state)
{
    (void)state;
    Scratch place = scratch_write("", 0);
    scratch_remove(&place);
    assert_int_equal(mkdir(place.path, 0700), 0);
    put_file(
        place.path, "config.ini",
        "# comment\n[data]\ntrain = a <b>.conll \n\n[model]\nexperts=8\nnothing\n[\n[]\n; c = d\n");
    put_file(
        place.path, "metrics.jsonl",
        "{\"event\": \"step\", \"step\": 10, \"loss\": 9.5}\n"
        "{\"event\": \"step\", \"step\": 20, \"loss\": null}\n"
        "{\"event\": \"epoch\", \"epoch\": 1, \"note\": \"x\\\"dev_f1\\\": 7\", \"dev_f1\": "
        "81.25}\n"
        "{\"event\": \"epoch\", \"epoch\": 2, \"dev_f1\": 79}\nrubbish\n{\"event\": \"final\", "
        "\"test_f1\": 77.5");
    RunFiles files;
    assert_int_equal(run_files_read(&files, place.path).code, CODE_OK);
    assert_int_equal(files.n_options, 2);
    assert_string_equal(files.option[0].group, "data");
    assert_string_equal(run_files_option(&files, "train"), "a <b>.conll");
    assert_string_equal(run_files_option(&files, "experts"), "8");
    assert_null(run_files_option(&files, "nothing"));
    assert_int_equal(files.loss.n, 1);
    assert_float_equal(files.loss.y[0], 9.5, 0);
    assert_int_equal(files.f1.n, 2);
    assert_float_equal(files.f1.y[0], 81.25, 0);
    assert_float_equal(files.test_f1, 77.5, 0);
    run_files_free(&files);

    RouteData data = make_data(4, 2, 3, 2, 70, plain_words, PLAIN_WORDS);
    char *page = page_of(&data, place.path);
    assert_non_null(strstr(page, "<dt>train</dt><dd>a &#60;b&#62;.conll</dd>"));
    assert_non_null(
        strstr(page, "<dd class=\"big\">81.25</dd><dd class=\"small\">epoch 1; test F1 77.50"));
    free(page);
    remove_dir(place.path);
    page = page_of(&data, place.path);
    assert_non_null(strstr(page, "No config.ini stands beside this log."));
    free(page);
    route_data_free(&data);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    RouteData data = make_data(4, 2, 3, 2, 70, plain_words, PLAIN_WORDS);
    FILE *out = fopen("/dev/full", "w");
    if (out != NULL) {
        assert_int_equal(html_report(&data, NULL, out).code, CODE_FAILED);
        fclose(out);
    }
    route_data_free(&data);
}

/** Of all tests before: it is the last one. */
static void no_memory_is_left(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_is_there),
        cmocka_unit_test(tokens_say_what_they_are),
        cmocka_unit_test(cards_are_of_their_expert),
        cmocka_unit_test(heat_maps_add_up_their_way),
        cmocka_unit_test(hostile_words_are_escaped),
        cmocka_unit_test(odd_sizes_make_a_page),
        cmocka_unit_test(a_thousand_experts_stay_readable),
        cmocka_unit_test(a_long_log_is_a_small_page),
        cmocka_unit_test(files_of_the_run_are_shown),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(no_memory_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
