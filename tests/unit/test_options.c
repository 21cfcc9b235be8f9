// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/options.h"
#include "base/arena.h"
#include "base/rng.h"

enum { MAX_WORDS = 32, MAX_TEXT = 8192, PATH_ROOM = 64 };

typedef struct Settings {
    const char *train, *prefix, *config;
    int hidden, offset, epochs, router;
    double dropout, rate, shift;
    uint64_t seed;
    bool overwrite, trace, help;
} Settings;

enum { N_OPTIONS = 19 };

/* A program's table whose values live in s. */
typedef struct Fixture {
    Settings s;
    Option option[N_OPTIONS];
    Options options;
} Fixture;

static void fixture_init(Fixture *f)
{
    Settings *s = &f->s;
    *f = (Fixture){0};
    const Option table[N_OPTIONS] = {
        {.name = "data", .kind = OPTION_GROUP},
        {.name = "train", .kind = OPTION_TEXT, .value = &s->train, .choices = "FILE"},
        {.name = "comment-prefix", .kind = OPTION_TEXT, .value = &s->prefix, .fallback = "#"},
        {.name = "model", .kind = OPTION_GROUP},
        {.name = "hidden",
         .kind = OPTION_INT,
         .value = &s->hidden,
         .fallback = "200",
         .min = 1,
         .max = 65536},
        {.name = "offset", .kind = OPTION_INT, .value = &s->offset, .fallback = "-1"},
        {.name = "epochs",
         .kind = OPTION_INT,
         .value = &s->epochs,
         .fallback = "50",
         .min = 1,
         .max = INT_MAX},
        {.name = "dropout",
         .kind = OPTION_REAL,
         .value = &s->dropout,
         .fallback = "0.5",
         .max = 0.95},
        {.name = "rate",
         .kind = OPTION_REAL,
         .value = &s->rate,
         .fallback = "0.015",
         .max = HUGE_VAL},
        {.name = "shift", .kind = OPTION_REAL, .value = &s->shift, .fallback = "0"},
        {.name = "router",
         .kind = OPTION_CHOICE,
         .value = &s->router,
         .fallback = "gshard",
         .choices = "gshard|switch|noisy-top-k|expert-choice"},
        {.name = "run", .kind = OPTION_GROUP},
        {.name = "seed", .kind = OPTION_SEED, .value = &s->seed, .fallback = "1"},
        {.name = "overwrite", .kind = OPTION_FLAG, .value = &s->overwrite},
        {.name = "trace", .kind = OPTION_FLAG, .value = &s->trace, .fallback = "true"},
        {.name = "rest", .kind = OPTION_GROUP},
        {.name = "config",
         .kind = OPTION_TEXT,
         .value = &s->config,
         .choices = "FILE",
         .transient = true},
        {.name = "help", .kind = OPTION_FLAG, .value = &s->help, .transient = true},
        {.name = "quick", .kind = OPTION_GROUP},
    };
    memcpy(f->option, table, sizeof table);
    for (int i = 0; i < N_OPTIONS; i++) {
        f->option[i].help =
            "One sentence about this option, long enough to be wrapped twice when it "
            "stands in the right column of the page.";
    }
    f->option[N_OPTIONS - 2].help =
        "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f";
    f->options = (Options){.program = "prog",
                           .usage = "prog --train FILE [options]",
                           .purpose = "Does a thing.\nDoes another one.",
                           .examples = "prog --train x\nprog --help\n",
                           .option = f->option,
                           .n = N_OPTIONS};
}

/* Parse "prog" and the words up to NULL. */
static Status parse(Fixture *f, ...)
{
    char *argv[MAX_WORDS] = {(char *)"prog"};
    int argc = 1;
    va_list words;
    va_start(words, f);
    for (char *word; (word = va_arg(words, char *)) != NULL; argc++) {
        argv[argc] = word;
    }
    va_end(words);
    return options_parse(&f->options, argc, argv);
}

static void check_error(const char *expected, int code, const char *word, const char *next)
{
    Fixture f;
    fixture_init(&f);
    Status status = parse(&f, word, next, NULL);
    assert_string_equal(status.text, expected);
    assert_int_equal(status.code, code);
    options_free(&f.options);
}

static void check_ok(Status status)
{
    assert_string_equal(status.text, "");
    assert_int_equal(status.code, CODE_OK);
}

/* A temporary file with n bytes; path gets its name. */
static void write_file(char path[PATH_ROOM], const char *bytes, size_t n)
{
    strcpy(path, "test_options_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

/* The file's text gives the error `PATH` + expected. */
static void check_file_error(const char *expected, int code, const char *bytes, size_t n)
{
    Fixture f;
    char path[PATH_ROOM], text[STATUS_TEXT];
    write_file(path, bytes, n);
    fixture_init(&f);
    Status status = parse(&f, "--config", path, NULL);
    unlink(path);
    snprintf(text, sizeof text, "%s%s", path, expected);
    assert_string_equal(status.text, text);
    assert_int_equal(status.code, code);
    options_free(&f.options);
}

static void test_defaults(void **state)
{
    (void)state;
    Fixture f;
    fixture_init(&f);
    check_ok(parse(&f, NULL));
    assert_null(f.s.train);
    assert_string_equal(f.s.prefix, "#");
    assert_int_equal(f.s.hidden, 200);
    assert_int_equal(f.s.offset, -1);
    assert_int_equal(f.s.router, 0);
    assert_true(f.s.dropout == 0.5);
    assert_int_equal(f.s.seed, 1);
    assert_false(f.s.overwrite);
    assert_true(f.s.trace);
    assert_int_equal(f.options.n_arguments, 0);
    options_free(&f.options);
}

static void test_command_line(void **state)
{
    (void)state;
    Fixture f;
    fixture_init(&f);
    check_ok(parse(&f, "a", "--train=x=y", "--hidden", "7", "--offset=-3", "--dropout", "0",
                   "--router", "noisy-top-k", "--seed=18446744073709551615", "-", "--overwrite",
                   "--no-trace", "--", "--help", NULL));
    assert_string_equal(f.s.train, "x=y");
    assert_int_equal(f.s.hidden, 7);
    assert_int_equal(f.s.offset, -3);
    assert_true(f.s.dropout == 0);
    assert_int_equal(f.s.router, 2);
    assert_true(f.s.seed == UINT64_MAX);
    assert_true(f.s.overwrite);
    assert_false(f.s.trace);
    assert_false(f.s.help);
    assert_int_equal(f.options.n_arguments, 3);
    assert_string_equal(f.options.argument[0], "a");
    assert_string_equal(f.options.argument[1], "-");
    assert_string_equal(f.options.argument[2], "--help");
    options_free(&f.options);

    fixture_init(&f);
    check_ok(parse(&f, "--overwrite=true", "--trace=false", "--hidden=1", "--hidden=2", "-h",
                   "--train=", "--comment-prefix", "", "--shift", "-1e9", "--dropout=0.95",
                   "--epochs=2147483647", NULL));
    assert_true(f.s.overwrite);
    assert_false(f.s.trace);
    assert_true(f.s.help);
    assert_int_equal(f.s.hidden, 2);
    assert_string_equal(f.s.train, "");
    assert_string_equal(f.s.prefix, "");
    assert_true(f.s.shift == -1e9);
    assert_true(f.s.dropout == 0.95);
    assert_int_equal(f.s.epochs, INT_MAX);
    options_free(&f.options);
}

static void test_errors(void **state)
{
    (void)state;
    const int code = CODE_OPTION;
    check_error("prog: --dropout 1.5: must be between 0 and 0.95", code, "--dropout", "1.5");
    check_error("prog: --dropout nan: must be a number between 0 and 0.95", code, "--dropout",
                "nan");
    check_error("prog: --rate -1: must be 0 or more", code, "--rate", "-1");
    check_error("prog: --rate inf: must be a number, 0 or more", code, "--rate=inf", NULL);
    check_error("prog: --shift x: must be a number", code, "--shift=x", NULL);
    check_error("prog: --hidden 3x: must be a whole number between 1 and 65536", code, "--hidden",
                "3x");
    check_error("prog: --hidden 2.5: must be a whole number between 1 and 65536", code, "--hidden",
                "2.5");
    check_error("prog: --hidden : must be a whole number between 1 and 65536", code,
                "--hidden=", NULL);
    check_error("prog: --hidden 65537: must be between 1 and 65536", code, "--hidden", "65537");
    check_error("prog: --epochs 0: must be 1 or more", code, "--epochs", "0");
    check_error("prog: --offset 2147483648: must be between -2147483648 and 2147483647", code,
                "--offset", "2147483648");
    check_error("prog: --seed -1: must be a whole number between 0 and 18446744073709551615", code,
                "--seed", "-1");
    check_error("prog: --seed 18446744073709551616: must be a whole number between 0 and "
                "18446744073709551615",
                code, "--seed", "18446744073709551616");
    check_error("prog: --router top: must be gshard, switch, noisy-top-k or expert-choice", code,
                "--router", "top");
    check_error("prog: --router switchx: must be gshard, switch, noisy-top-k or expert-choice",
                code, "--router", "switchx");
    check_error("prog: --trace maybe: must be true or false", code, "--trace=maybe", NULL);
    check_error("prog: --no-trace=true: takes no value", code, "--no-trace=true", NULL);
    check_error("prog: --config -: needs a file that every rank can read", code, "--config", "-");
}

static void test_missing_values(void **state)
{
    (void)state;
    check_error("prog: --dropout: needs a value: between 0 and 0.95", CODE_OPTION, "--dropout",
                NULL);
    check_error("prog: --hidden: needs a value: between 1 and 65536", CODE_OPTION, "--hidden",
                "--help");
    check_error("prog: --train: needs a value: FILE", CODE_OPTION, "--train", "--");
    check_error("prog: --seed: needs a value", CODE_OPTION, "--seed", NULL);
    check_error("prog: --router: needs a value: gshard, switch, noisy-top-k or expert-choice",
                CODE_OPTION, "--router", NULL);
}

static void test_unknown_names(void **state)
{
    (void)state;
    check_error("prog: --droput: unknown option; did you mean --dropout", CODE_OPTION, "--droput",
                "0.1");
    check_error("prog: --hiddne=3: unknown option; did you mean --hidden", CODE_OPTION,
                "--hiddne=3", NULL);
    check_error("prog: --comment_prefix: unknown option; did you mean --comment-prefix",
                CODE_OPTION, "--comment_prefix", "%");
    check_error("prog: --comm: unknown option; did you mean --comment-prefix", CODE_OPTION,
                "--comm", "%");
    check_error("prog: --no-hidden: unknown option; did you mean --hidden", CODE_OPTION,
                "--no-hidden", NULL);
    check_error("prog: --zzzzzzzz: unknown option; see --help", CODE_OPTION, "--zzzzzzzz", NULL);
    check_error("prog: --model: unknown option; see --help", CODE_OPTION, "--model", NULL);
    check_error("prog: -x: unknown option; see --help", CODE_OPTION, "-x", NULL);
    check_error("prog: -seed: unknown option; did you mean --seed", CODE_OPTION, "-seed", "3");
}

static void test_config(void **state)
{
    (void)state;
    Fixture f;
    char path[PATH_ROOM];
    const char *text =
        "\xEF\xBB\xBFhidden = 8\r\n"
        "# a comment, and one with a line that is longer than what inih reads at once "
        "..................................................................."
        "................................................................\r\n"
        "; another\r\n"
        "\r\n"
        "[any heading]\r\n"
        "   dropout : 0.25 ; why\r\n"
        "\ttrain=a;b#c = d   \r\n"
        "comment-prefix = \" ;\\\"\\\\\\x \" # why\r\n"
        "epochs=3\r\n"
        "router = switch\r\n"
        "overwrite = true\r\n"
        "seed = 5";
    write_file(path, text, strlen(text));
    fixture_init(&f);
    check_ok(parse(&f, "--epochs", "4", "word", "--config", path, "--seed=6", NULL));
    unlink(path);
    assert_int_equal(f.s.hidden, 8);
    assert_true(f.s.dropout == 0.25);
    assert_string_equal(f.s.train, "a;b#c = d");
    assert_string_equal(f.s.prefix, " ;\"\\\\x ");
    assert_int_equal(f.s.epochs, 4);
    assert_int_equal(f.s.router, 1);
    assert_int_equal(f.s.seed, 6);
    assert_true(f.s.overwrite);
    assert_true(f.s.trace);
    assert_int_equal(f.options.n_arguments, 1);
    options_free(&f.options);
}

#define CHECK_FILE(expected, code, text) check_file_error(expected, code, text, sizeof(text) - 1)

static void test_config_errors(void **state)
{
    (void)state;
    CHECK_FILE(":2: dropout = 1.5: must be between 0 and 0.95", CODE_OPTION,
               "# a\ndropout = 1.5 ; b\n");
    CHECK_FILE(":2: droput: unknown option; did you mean dropout", CODE_OPTION, "\ndroput = 0\n");
    CHECK_FILE(":1: zzzzzzzz: unknown option; see --help", CODE_OPTION, "zzzzzzzz = 0\n");
    CHECK_FILE(":1: model: unknown option; see --help", CODE_OPTION, "model = moe\n");
    CHECK_FILE(":3: hidden: is already set in line 1", CODE_OPTION, "hidden=1\n\nhidden=1");
    CHECK_FILE(":1: config: a file cannot name another one", CODE_OPTION, "config = x\n");
    CHECK_FILE(":1: trace = yes: must be true or false", CODE_OPTION, "trace = yes\n");
    CHECK_FILE(":1: train: needs a value; leave the line out for the default", CODE_OPTION,
               "train = ; none\n");
    CHECK_FILE(":1: train: the quotes do not match", CODE_INPUT, "train = \"a\n");
    CHECK_FILE(":1: train: the quotes do not match", CODE_INPUT, "train = \"a\" b\n");
    CHECK_FILE(":1: train: the quotes do not match", CODE_INPUT, "train = \"a\\\"");
    CHECK_FILE(":1: expected name = value, [group] or a comment (#)", CODE_INPUT, "hidden 3\n");
    CHECK_FILE(":2: expected name = value, [group] or a comment (#)", CODE_INPUT,
               "hidden=3\n[a\nseed=x\n");
    CHECK_FILE(":1: seed = x: must be a whole number between 0 and 18446744073709551615",
               CODE_OPTION, "seed = x\nhidden 3\n");
    CHECK_FILE(":2: a zero byte; this is no text file", CODE_INPUT, "seed=1\nhidden\0=3\n");
    CHECK_FILE(":1: hidden = 3 4: must be a whole number between 1 and 65536", CODE_OPTION,
               "hidden = 3 4\n");

    Fixture f;
    fixture_init(&f);
    Status status = parse(&f, "--config", "no/such.ini", NULL);
    assert_int_equal(status.code, CODE_INPUT);
    assert_ptr_equal(strstr(status.text, "no/such.ini"), status.text);
    options_free(&f.options);
}

/* What options_write() prints, in a file of its own. */
static void write_settings(const Options *options, char path[PATH_ROOM])
{
    write_file(path, "", 0);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    options_write(options, out);
    fclose(out);
}

static void read_text(const char *path, char text[MAX_TEXT])
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, MAX_TEXT - 1, in)] = '\0';
    fclose(in);
}

static void test_write(void **state)
{
    (void)state;
    Fixture f;
    char path[PATH_ROOM], text[MAX_TEXT];
    fixture_init(&f);
    check_ok(parse(&f, "--rate", "100000", "--dropout=0.30000000000000004", "--shift=1e-300",
                   "--comment-prefix= a\n\r\t", "--help", NULL));
    write_settings(&f.options, path);
    read_text(path, text);
    unlink(path);
    options_free(&f.options);
    assert_string_equal(text, "# Options of prog, ready for --config.\n"
                              "\n[data]\n"
                              "comment-prefix = \" a\\n\\r\\t\"\n"
                              "\n[model]\n"
                              "hidden = 200\noffset = -1\nepochs = 50\n"
                              "dropout = 0.30000000000000004\nrate = 100000\nshift = 1e-300\n"
                              "router = gshard\n"
                              "\n[run]\n"
                              "seed = 1\noverwrite = false\ntrace = true\n");
}

/* Characters that a reader of .ini files may stumble over, more often than others. */
static void random_text(const Rng *rng, RngPlace place, char *text, uint32_t max)
{
    const char *letters = " ;#\"\\=:[]\t\n\r'ab\xC3\xA9";
    uint32_t n = rng_below(rng, place, 0, max);
    for (uint32_t i = 0; i < n; i++) {
        text[i] = letters[rng_below(rng, place, i + 1, (uint32_t)strlen(letters))];
    }
    text[n] = '\0';
}

static double random_real(const Rng *rng, RngPlace place, uint32_t lane)
{
    uint64_t bits = (uint64_t)rng_bits(rng, place, lane) << 32 | rng_bits(rng, place, lane + 1);
    double value;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 0.1 * (double)(bits & 0xFFFF);
}

static void test_round_trip(void **state)
{
    (void)state;
    static char train[4096], prefix[64];
    Rng rng = rng_init(7, RNG_TEST);
    for (uint32_t trial = 0; trial < 300; trial++) {
        Fixture f, g;
        char path[PATH_ROOM];
        RngPlace place = {trial, 0, 0}, texts = {trial, 1, 0}, more = {trial, 2, 0};
        fixture_init(&f);
        check_ok(parse(&f, NULL));
        random_text(&rng, texts, train, trial % 2 == 0 ? 8 : sizeof train);
        random_text(&rng, more, prefix, 4);
        f.s.train = trial % 5 == 0 ? NULL : train;
        f.s.prefix = prefix;
        f.s.hidden = 1 + (int)rng_below(&rng, place, 0, 65536);
        f.s.offset = (int)rng_bits(&rng, place, 1);
        f.s.router = (int)rng_below(&rng, place, 2, 4);
        f.s.dropout = rng_uniform(&rng, place, 3) * 0.95;
        f.s.rate = fabs(random_real(&rng, place, 4));
        f.s.shift = trial == 0 ? -0.0 : random_real(&rng, place, 6);
        f.s.seed = (uint64_t)rng_bits(&rng, place, 8) << 32 | rng_bits(&rng, place, 9);
        f.s.overwrite = rng_below(&rng, place, 10, 2) != 0;
        f.s.trace = rng_below(&rng, place, 11, 2) != 0;
        write_settings(&f.options, path);

        fixture_init(&g);
        check_ok(parse(&g, "--config", path, NULL));
        unlink(path);
        assert_int_equal(f.s.train == NULL, g.s.train == NULL);
        assert_string_equal(g.s.train != NULL ? g.s.train : "", f.s.train != NULL ? train : "");
        assert_string_equal(g.s.prefix, prefix);
        assert_int_equal(g.s.hidden, f.s.hidden);
        assert_int_equal(g.s.offset, f.s.offset);
        assert_int_equal(g.s.router, f.s.router);
        assert_memory_equal(&g.s.dropout, &f.s.dropout, sizeof(double));
        assert_memory_equal(&g.s.rate, &f.s.rate, sizeof(double));
        assert_memory_equal(&g.s.shift, &f.s.shift, sizeof(double));
        assert_true(g.s.seed == f.s.seed);
        assert_int_equal(g.s.overwrite, f.s.overwrite);
        assert_int_equal(g.s.trace, f.s.trace);
        options_free(&f.options);
        options_free(&g.options);
    }
}

static void test_help(void **state)
{
    (void)state;
    Fixture f;
    char path[PATH_ROOM], text[MAX_TEXT];
    fixture_init(&f);
    write_file(path, "", 0);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    options_help(&f.options, out);
    fclose(out);
    read_text(path, text);
    unlink(path);

    const char *expected[] = {
        "usage: prog --train FILE [options]\n",
        "Does a thing.\nDoes another one.\n",
        "\ndata:\n  --train FILE              One sentence",
        "\n  --hidden N                One",
        "\n                            the page. [between 1 and 65536; default 200]\n",
        "\n  --rate X                  One",
        "the page. [0 or more; default 0.015]\n",
        "\n  --router NAME             One",
        "expert-choice;",
        "[on by default; --no-trace turns it off]",
        "\n   3  bad input file\n",
        "\n  prog --train x\n  prog --help\n"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(text, expected[i]) == NULL) {
            fail_msg("--help lacks: %s\n%s", expected[i], text);
        }
    }
    for (int i = 0; i < N_OPTIONS; i++) {
        assert_non_null(strstr(text, f.option[i].name));
    }
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t n = strcspn(line, "\n");
        assert_in_range(n, 0, 80);
        assert_true(n == 0 || line[n - 1] != ' ');
    }
}

static void test_no_memory_left(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_unknown_names),  cmocka_unit_test(test_config),
        cmocka_unit_test(test_config_errors),  cmocka_unit_test(test_write),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_help),
        cmocka_unit_test(test_no_memory_left),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
