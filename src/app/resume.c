// SPDX-License-Identifier: Apache-2.0
#include "app/resume.h"

#include <stdio.h>
#include <string.h>

/** Read what a run was. A model opens as well, but nothing can go on from it. */
static Status read_run(Resume *resume, const char *path)
{
    H5File file;
    char kind[16];
    card_lines_free(&resume->config);
    card_lines_free(&resume->inputs);
    TRY(checkpoint_open(&file, path));
    const Status status = h5_get_text(&file, "/", "kind", kind, sizeof kind);
    h5_close(&file);
    TRY(status);
    if (strcmp(kind, "run") != 0) {
        return status_error(
            CODE_STORED,
            "%s: is a model, which has no moments to go on with; start from it with --init", path);
    }
    return checkpoint_read_card(path, &resume->config, &resume->inputs);
}

Status resume_find(Resume *resume, const TrainSettings *settings, FILE *out)
{
    const char *wish = settings->resume;
    Status status[RESUME_FILES] = {{CODE_OK, ""}};
    if (strcmp(wish, "auto") == 0 && settings->out != NULL) {
        resume->n = saver_candidates(settings->out, resume->file, RESUME_FILES);
    } else if (strcmp(wish, "auto") != 0 && strcmp(wish, "never") != 0) {
        snprintf(resume->file[0], H5_PATH, "%s", wish);
        resume->n = 1;
    }
    for (int i = 0; i < resume->n; i++) {
        status[i] = read_run(resume, resume->file[i]);
        if (status[i].code == CODE_OK) {
            return status[i];  // those before it are named when they are loaded
        }
    }
    for (int i = 0; i + 1 < resume->n && out != NULL; i++) {
        fprintf(out, "%s\n", status[i].text);
    }
    return resume->n > 0 ? status[resume->n - 1] : status_ok();
}

/** An option that was given, and that the run did not have. */
typedef struct Missing {
    const Resume *resume;
    const Options *options;
    Status status;
} Missing;

static void check_missing(void *context, const char *name, const char *value)
{
    Missing *missing = context;
    for (int i = 0; i < missing->options->n; i++) {
        const Option *option = &missing->options->option[i];
        if (strcmp(option->name, name) == 0 && option->given && option->resume == RESUME_SAME &&
            card_find(&missing->resume->config, name) == NULL) {
            missing->status =
                status_error(CODE_OPTION,
                             "--%s: is %.100s, but the run in %s has none; leave it out to go on, "
                             "or begin another run with another --out",
                             name, value, missing->resume->file[0]);
        }
    }
}

Status resume_options(const Resume *resume, Options *options)
{
    if (resume->n == 0) {
        return status_ok();
    }
    Missing missing = {resume, options, status_ok()};
    options_each(options, check_missing, &missing);
    TRY(missing.status);
    for (int i = 0; i < resume->config.n; i++) {
        const CardLine *line = &resume->config.line[i];
        TRY(options_resume(options, resume->file[0], line->name, line->value));
    }
    return status_ok();
}

Status resume_inputs(const Resume *resume, const CardLines *inputs)
{
    const char *name[] = {"train", "dev", "test", "vectors"};
    for (int i = 0; i < 4 && resume->n > 0; i++) {
        const char *was = card_find(&resume->inputs, name[i]), *is = card_find(inputs, name[i]);
        if ((was == NULL) != (is == NULL)) {
            return status_error(CODE_OPTION,
                                "--%s: the run in %s has %s; begin another run with another --out",
                                name[i], resume->file[0], was == NULL ? "none" : "one");
        }
        if (was != NULL && strcmp(was, is) != 0) {
            return status_error(
                CODE_OPTION,
                "--%s: is not the file that the run in %s has read (SHA-256 %.12s..., it was "
                "%.12s...)",
                name[i], resume->file[0], is, was);
        }
    }
    return status_ok();
}

void resume_free(Resume *resume)
{
    card_lines_free(&resume->config);
    card_lines_free(&resume->inputs);
    resume->n = 0;
}
