// SPDX-License-Identifier: Apache-2.0
#include "report/run_files.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/source.h"

enum { LINE_MAX_BYTES = 16384, FIRST_ITEMS = 64 };

static void curve_add(RunCurve *curve, double x, double y)
{
    if (!isfinite(x) || !isfinite(y)) {
        return;
    }
    if (curve->n == curve->max_n) {
        curve->max_n = curve->max_n == 0 ? FIRST_ITEMS : 2 * curve->max_n;
        curve->x = mem_grow(curve->x, (size_t)curve->max_n, sizeof *curve->x);
        curve->y = mem_grow(curve->y, (size_t)curve->max_n, sizeof *curve->y);
    }
    curve->x[curve->n] = x;
    curve->y[curve->n++] = y;
}

/** The text without white space around it, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) {
        n--;
    }
    text[n] = '\0';
    return text;
}

static void option_add(RunFiles *files, const char *group, const char *name, const char *value)
{
    if (files->n_options == files->max_options) {
        files->max_options = files->max_options == 0 ? FIRST_ITEMS : 2 * files->max_options;
        files->option = mem_grow(files->option, (size_t)files->max_options, sizeof *files->option);
    }
    files->option[files->n_options++] =
        (RunOption){mem_copy_text(group), mem_copy_text(name), mem_copy_text(value)};
}

/** `[group]`, `name = value`, or neither; group [LINE_MAX_BYTES] is that of the lines before. */
static void config_line(RunFiles *files, char *line, char *group)
{
    char *text = trim(line), *equals = strchr(text, '=');
    const size_t n = strlen(text);
    if (text[0] == '[' && text[n - 1] == ']') {
        memcpy(group, text + 1, n - 2);
        group[n - 2] = '\0';
    } else if (text[0] != '#' && text[0] != ';' && equals != NULL) {
        *equals = '\0';
        option_add(files, group, trim(text), trim(equals + 1));
    }
}

/** The number of a field of a JSON object in one line; NAN without it. A quote inside a string has a backslash before it, so that a name in
 * quotes is never found in there. */
static double json_number(const char *line, const char *name)
{
    char pattern[64], *end;
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    const char *found = strstr(line, pattern);
    if (found == NULL) {
        return NAN;
    }
    found += strlen(pattern);
    const double value = strtod(found, &end);
    return end > found && isfinite(value) ? value : NAN;
}

static bool is_event(const char *line, const char *event)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "{\"event\": \"%s\"", event);
    return strncmp(line, pattern, strlen(pattern)) == 0;
}

static void metrics_line(RunFiles *files, const char *line)
{
    if (is_event(line, "step")) {
        curve_add(&files->loss, json_number(line, "step"), json_number(line, "loss"));
    } else if (is_event(line, "epoch")) {
        curve_add(&files->f1, json_number(line, "epoch"), json_number(line, "dev_f1"));
    } else if (is_event(line, "final")) {
        files->test_f1 = json_number(line, "test_f1");
        files->seconds = json_number(line, "seconds");
        files->parameters = json_number(line, "parameters_dense") +
                            json_number(line, "parameters_expert") +
                            json_number(line, "parameters_word_vectors");
    }
}

/** Every line of DIR/NAME that is short enough, as text. */
static Status read_lines(RunFiles *files, const char *dir, const char *name, bool config)
{
    char path[4096], group[LINE_MAX_BYTES] = "", text[LINE_MAX_BYTES];
    const char *line;
    size_t n;
    Source source = {0};
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
        access(path, F_OK) != 0) {
        return status_ok();
    }
    TRY(source_open(&source, path));
    Status status = status_ok();
    for (bool found = true; found;) {
        status = source_line(&source, &line, &n, &found);
        found = found && status.code == CODE_OK;
        if (found && n < sizeof text) {
            memcpy(text, line, n);
            text[n] = '\0';
            if (config) {
                config_line(files, text, group);
            } else {
                metrics_line(files, text);
            }
        }
    }
    source_close(&source);
    return status;
}

Status run_files_read(RunFiles *files, const char *dir)
{
    *files = (RunFiles){.test_f1 = NAN, .seconds = NAN, .parameters = NAN};
    TRY(read_lines(files, dir, "config.ini", true));
    return read_lines(files, dir, "metrics.jsonl", false);
}

const char *run_files_option(const RunFiles *files, const char *name)
{
    for (int i = 0; i < files->n_options; i++) {
        if (strcmp(files->option[i].name, name) == 0) {
            return files->option[i].value;
        }
    }
    return NULL;
}

void run_files_free(RunFiles *files)
{
    for (int i = 0; i < files->n_options; i++) {
        mem_free(files->option[i].group);
        mem_free(files->option[i].name);
        mem_free(files->option[i].value);
    }
    mem_free(files->option);
    mem_free(files->loss.x);
    mem_free(files->loss.y);
    mem_free(files->f1.x);
    mem_free(files->f1.y);
    memset(files, 0, sizeof *files);
}
