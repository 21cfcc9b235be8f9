// SPDX-License-Identifier: Apache-2.0
// moe_report: which expert sees what, from the routing log of a run.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/contrast.h"
#include "app/options.h"
#include "base/check.h"
#include "base/source.h"
#include "base/text.h"
#include "math/gemm.h"
#include "report/html.h"
#include "report/route_compare.h"
#include "report/route_data.h"
#include "report/route_export.h"
#include "report/route_text.h"
#include "report/route_views.h"

enum { PATH_TEXT = 4096, LABELS_TEXT = 400 };

typedef struct Command {
    const char *label, *expert, *words, *compare, *html, *text[2];
    bool json, csv, help, version;
} Command;

/* ---- what is asked ---- */

/** At most one page at a time. */
static Status check_command(const Command *command, const Options *options)
{
    const struct {
        const char *name;
        bool given;
    } page[] = {{"label", command->label != NULL},
                {"expert", command->expert != NULL},
                {"words", command->words != NULL},
                {"html", command->html != NULL},
                {"compare", command->compare != NULL},
                {"text", command->text[1] != NULL},
                {"json", command->json},
                {"csv", command->csv}};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof page / sizeof *page; i++) {
        if (page[i].given && first != NULL) {
            return status_error(CODE_OPTION, "--%s and --%s: one of them at a time", first,
                                page[i].name);
        }
        first = page[i].given ? page[i].name : first;
    }
    if (options->n_arguments == 0) {
        return status_error(CODE_OPTION,
                            "the run folder or its routes.h5 is missing; see moe_report --help");
    }
    if (command->text[1] != NULL && command->text[0] == NULL) {
        return status_error(CODE_OPTION, "--text %s: give a second --text to hold it against",
                            command->text[1]);
    }
    if (options->n_arguments > 1) {
        return status_error(CODE_OPTION, "%s: one run at a time; --compare DIR takes another",
                            options->argument[1]);
    }
    return status_ok();
}

static Status find_expert(const RouteData *data, const char *text, int *expert)
{
    int64_t number;
    if (!text_parse_int64(text, &number) || number < 0 || number >= data->E) {
        return status_error(CODE_OPTION, "--expert %s: this run has experts 0 to %d", text,
                            data->E - 1);
    }
    *expert = (int)number;
    return status_ok();
}

static Status find_label(const RouteData *data, const char *text, int *label)
{
    char all[LABELS_TEXT] = "";
    *label = string_table_find(&data->labels, text, strlen(text));
    if (*label >= 0) {
        return status_ok();
    }
    for (int i = 0; i < data->L; i++) {
        const size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, " %s", string_table_text(&data->labels, i));
    }
    return status_error(CODE_OPTION, "--label %s: this run has%s", text, all);
}

static Status read_words(StringTable *words, const char *path)
{
    Source source = {0};
    bool found = true;
    TRY(source_open(&source, path));
    Status status = status_ok();
    while (status.code == CODE_OK && found) {
        const char *line;
        size_t n;
        status = source_line(&source, &line, &n, &found);
        if (status.code == CODE_OK && found) {
            n -= n > 0 && line[n - 1] == '\r';
            if (n > 0 && memchr(line, '\0', n) == NULL) {
                string_table_add(words, line, n);
            }
        }
    }
    source_close(&source);
    return status;
}

/* ---- pages ---- */

/** The folder that a log lies in. */
static void folder_of(char folder[PATH_TEXT], const char *path)
{
    snprintf(folder, PATH_TEXT, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, PATH_TEXT, ".");
    } else {
        slash[slash == folder] = '\0';
    }
}

static Status write_html(const RouteData *data, const char *path)
{
    char folder[PATH_TEXT];
    folder_of(folder, data->path);
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return status_error(CODE_FAILED, "%s: cannot be written: %s", path, strerror(errno));
    }
    Status status = html_report(data, folder, out);
    const bool failed = ferror(out) != 0;
    if ((fclose(out) != 0 || failed) && status.code == CODE_OK) {
        status = status_error(CODE_FAILED, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (status.code != CODE_OK) {
        remove(path);
    }
    return status;
}

static Status print_words(const RouteData *data, const char *path)
{
    StringTable words = {0};
    const Status status = read_words(&words, path);
    if (status.code == CODE_OK) {
        route_view_words(data, &words, console_style(stdout), stdout);
    }
    string_table_free(&words);
    return status;
}

static Status print_comparison(const RouteData *data, const char *path)
{
    RouteData other;
    TRY(route_data_read(&other, path));
    route_compare(data, &other, console_style(stdout), stdout);
    route_data_free(&other);
    return status_ok();
}

static Status print(const RouteData *data, const Command *command)
{
    const ConsoleStyle style = console_style(stdout);
    int number = 0;
    if (command->label != NULL) {
        TRY(find_label(data, command->label, &number));
        route_view_label(data, number, style, stdout);
    } else if (command->expert != NULL) {
        TRY(find_expert(data, command->expert, &number));
        route_view_expert(data, number, style, stdout);
    } else if (command->words != NULL) {
        return print_words(data, command->words);
    } else if (command->compare != NULL) {
        return print_comparison(data, command->compare);
    } else if (command->html != NULL) {
        return write_html(data, command->html);
    } else if (command->json) {
        route_json(data, stdout);
    } else if (command->csv) {
        route_csv(data, stdout);
    } else {
        route_text(data, style, stdout);
    }
    return status_ok();
}

static Status run(const Command *command, const Options *options)
{
    if (command->help) {
        options_help(options, stdout);
        return status_ok();
    }
    if (command->version) {
        printf("moe_report %s (%s)\n", MOE_VERSION, MOE_COMMIT);
        return status_ok();
    }
    RouteData data;
    TRY(check_command(command, options));
    if (command->text[0] != NULL) {
        gemm_init();
        return contrast_print(options->argument[0], command->text, stdout);
    }
    TRY(route_data_read(&data, options->argument[0]));
    const Status status = print(&data, command);
    route_data_free(&data);
    return status;
}

int main(int argc, char **argv)
{
    Command command = {0};
    Option table[] = {
        {.name = "label",
         .kind = OPTION_TEXT,
         .value = &command.label,
         .choices = "LABEL",
         .help = "One label (B-PER): which experts get it, since when, and with which words."},
        {.name = "expert",
         .kind = OPTION_TEXT,
         .value = &command.expert,
         .choices = "NUMBER",
         .help = "One expert: its load over time, all classes of its tokens, its typical words."},
        {.name = "words",
         .kind = OPTION_TEXT,
         .value = &command.words,
         .choices = "FILE",
         .help = "Words, one a line (- for standard input): experts and labels of each."},
        {.name = "compare",
         .kind = OPTION_TEXT,
         .value = &command.compare,
         .choices = "DIR",
         .help = "Another run beside this one."},
        {.name = "text",
         .kind = OPTION_TEXT,
         .value = &command.text[1],
         .earlier = &command.text[0],
         .choices = "FILE",
         .help = "Given twice, with a model (best.h5) instead of a run: route both texts (a "
                 "sentence a line, tokens apart by spaces) "
                 "and show which experts differ."},
        {.name = "html",
         .kind = OPTION_TEXT,
         .value = &command.html,
         .choices = "FILE",
         .help = "Write everything as one page for a browser, which needs no network."},
        {.name = "json",
         .kind = OPTION_FLAG,
         .value = &command.json,
         .fallback = "false",
         .help = "All rows and figures as one JSON object (not the single tokens)."},
        {.name = "csv",
         .kind = OPTION_FLAG,
         .value = &command.csv,
         .fallback = "false",
         .help = "The same as one long table, a value a line."},
        {.name = "help",
         .kind = OPTION_FLAG,
         .value = &command.help,
         .fallback = "false",
         .help = "Print this text.",
         .transient = true},
        {.name = "version",
         .kind = OPTION_FLAG,
         .value = &command.version,
         .fallback = "false",
         .help = "Print the version.",
         .transient = true},
    };
    Options options = {
        .program = "moe_report",
        .usage = "moe_report DIR|routes.h5 [options]\n"
                 "       moe_report MODEL.h5 --text FILE --text FILE",
        .purpose = "Which expert sees what? Read the routing log of a run, while it goes on or "
                   "afterwards: load and drops over time, labels and typical words of each expert, "
                   "how much the choice tells of the label beside two controls, and how early "
                   "routing settles. Width and blocks follow the terminal; elsewhere COLUMNS (80) "
                   "and plain ASCII.",
        .examples = "  moe_report run1\n"
                    "  moe_report run1 --label B-PER\n"
                    "  moe_report run1 --html run1/report.html\n"
                    "  moe_report run1 --json | python3 -m json.tool | less\n",
        .option = table,
        .n = sizeof table / sizeof *table,
    };
    Status status = options_parse(&options, argc, argv);
    if (status.code == CODE_OK) {
        status = run(&command, &options);
    }
    if (status.code == CODE_OK && (fflush(stdout) != 0 || ferror(stdout))) {
        status = status_error(CODE_FAILED, "cannot write the report: %s", strerror(errno));
    }
    if (status.code != CODE_OK) {
        fprintf(stderr, "%s\n", status.text);
    }
    options_free(&options);
    return status.code;
}
