// SPDX-License-Identifier: Apache-2.0
// moe_info: what a checkpoint is, whether it is whole, and where two of them differ.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "train/inspect.h"

static const char help[] =
    "usage: moe_info FILE           what a checkpoint or model is; all of it is read and checked\n"
    "       moe_info FILE FILE      where two of them differ\n"
    "\n"
    "  --tensors          list every array with its shape and size, root of the mean square\n"
    "                     and largest absolute value\n"
    "  --help, --version\n"
    "\n"
    "Equal digests mean equal runs: the digest is that of the last line of metrics.jsonl.\n"
    "\n"
    "exit codes: 0 the files are whole; 2 bad option; 4 a file is damaged, or no checkpoint\n"
    "\n"
    "  moe_info run1/best.h5\n"
    "  moe_info run1/last.h5 run2/last.h5\n";

typedef struct Command {
    const char *path[2];
    int n_paths;
    bool tensors, help, version;
} Command;

static Status parse(Command *command, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--tensors") == 0) {
            command->tensors = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            command->help = true;
        } else if (strcmp(word, "--version") == 0) {
            command->version = true;
        } else if (word[0] == '-' && word[1] != '\0') {
            return status_error(CODE_OPTION, "unknown option %s; see moe_info --help", word);
        } else if (command->n_paths == 2) {
            return status_error(CODE_OPTION, "%s: two files at most; see moe_info --help", word);
        } else {
            command->path[command->n_paths++] = word;
        }
    }
    return command->n_paths > 0 || command->help || command->version
               ? status_ok()
               : status_error(CODE_OPTION, "no file; see moe_info --help");
}

/* ---- one file ---- */

static void print_inputs(const Inspection *in)
{
    const char *name[] = {"train", "dev", "test", "vectors"},
               *title[] = {"trained on", "dev", "test", "vectors"};
    for (int i = 0; i < 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_path", name[i]);
        const char *path = card_find(&in->inputs, key), *digest = card_find(&in->inputs, name[i]);
        if (path != NULL && digest != NULL) {
            printf("%-12s %s (SHA-256 %.12s...)\n", title[i], path, digest);
        }
    }
}

/** All options, wrapped. */
static void print_options(const CardLines *config)
{
    enum { WIDTH = 90, INDENT = 13 };
    int at = printf("%-12s ", "options");
    for (int i = 0; i < config->n; i++) {
        const CardLine *line = &config->line[i];
        const char *comma = i + 1 < config->n ? "," : "";
        const int n = (int)(strlen(line->name) + strlen(line->value)) + 3;
        if (at + n > WIDTH) {
            printf("\n%*s", INDENT, "");
            at = INDENT;
        }
        at += printf("%s%s %s%s", at > INDENT ? " " : "", line->name, line->value, comma);
    }
    putchar('\n');
}

static void print_tensors(const Inspection *in)
{
    printf("\n%-36s %-18s %12s %12s %12s\n", "array", "shape", "numbers", "rms", "largest");
    for (int i = 0; i < in->n; i++) {
        const Array *array = &in->array[i];
        char shape[80];
        h5_shape_text(array->id.shape, shape, sizeof shape);
        printf("%-36s %-18s %12" PRId64 " %12.4g %12.4g\n", array->id.name, shape,
               h5_elements(array->id.shape), sqrt(array->mean_square), array->largest);
    }
}

static void print_card(const Inspection *in, bool tensors)
{
    const bool model = strcmp(in->kind, "model") == 0;
    printf("%s: %s\n", in->path,
           model               ? "a model, ready to tag or to start from (--init)"
           : in->finished != 0 ? "a run that is finished"
                               : "a run, ready to go on (--resume)");
    printf("%-12s %s by %s (commit %s) on %" PRId64 " ranks\n", "written", in->created, in->program,
           in->commit, in->ranks);
    printf("%-12s %s, %s, HDF5 %s\n", "with", in->mpi, in->blas, in->hdf5);
    print_inputs(in);
    printf("%-12s %" PRId64 " epochs, %" PRId64 " steps, %.0f s; seed %" PRId64 ", %" PRId64
           " groups\n",
           "done", in->epoch, in->step, in->seconds, in->seed, in->groups);
    if (in->best_epoch > 0) {
        printf("%-12s development F1 %.2f in epoch %" PRId64 "%s\n", "best", in->best_f1,
               in->best_epoch, model ? " (these weights)" : "");
    }
    printf("%-12s %" PRId64 " dense, %" PRId64 " in experts, %" PRId64 " in word vectors (%" PRId64
           " words); %" PRId64 " labels\n",
           "parameters", inspect_count(in, 'd'), inspect_count(in, 'e'), inspect_count(in, 'w'),
           in->n_words, in->n_labels);
    print_options(&in->config);
    printf("%-12s %s\n", "digest", in->digest);
    if (!model) {
        printf("%-12s %s\n", "of weights", in->weights_digest);
    }
    printf("%-12s all %d arrays are whole: every checksum and the digest hold\n", "checked", in->n);
    if (tensors) {
        print_tensors(in);
    }
}

/* ---- two files ---- */

/** Lines of one card that are other, or missing, in the other; returns how many. */
static int compare_lines(const char *title, const CardLines *a, const CardLines *b)
{
    int n = 0;
    for (int i = 0; i < a->n; i++) {
        const char *other = card_find(b, a->line[i].name);
        if (other == NULL || strcmp(other, a->line[i].value) != 0) {
            printf("%s %-18s %s | %s\n", title, a->line[i].name, a->line[i].value,
                   other == NULL ? "(none)" : other);
            n++;
        }
    }
    for (int i = 0; i < b->n; i++) {
        if (card_find(a, b->line[i].name) == NULL) {
            printf("%s %-18s (none) | %s\n", title, b->line[i].name, b->line[i].value);
            n++;
        }
    }
    return n;
}

static const Array *find_array(const Inspection *in, const char *name)
{
    for (int i = 0; i < in->n; i++) {
        if (strcmp(in->array[i].id.name, name) == 0) {
            return &in->array[i];
        }
    }
    return NULL;
}

/** One array of a against its like in b; counts what is equal and what differs. */
static Status compare_array(const Inspection *a, const Inspection *b, const Array *array,
                            int *n_equal, int *n_other)
{
    const Array *other = find_array(b, array->id.name);
    char shape[2][80];
    double largest;
    int64_t element;
    if (other != NULL && memcmp(array->id.hash, other->id.hash, DIGEST_BYTES) == 0) {
        ++*n_equal;
        return status_ok();
    }
    ++*n_other;
    h5_shape_text(array->id.shape, shape[0], sizeof shape[0]);
    if (other == NULL) {
        printf("array  %-36s only in %s\n", array->id.name, a->path);
        return status_ok();
    }
    h5_shape_text(other->id.shape, shape[1], sizeof shape[1]);
    if (strcmp(shape[0], shape[1]) != 0 || array->kind != other->kind) {
        printf("array  %-36s shape %s | %s\n", array->id.name, shape[0], shape[1]);
        return status_ok();
    }
    TRY(inspect_difference(a, b, array, &largest, &element));
    printf("array  %-36s largest difference %.4g, at element %" PRId64 " of %" PRId64 "\n",
           array->id.name, largest, element, h5_elements(array->id.shape));
    return status_ok();
}

static bool is_weight(const Array *array)
{
    return strncmp(array->id.name, "params/", 7) == 0;
}

static Status compare(const Inspection *a, const Inspection *b)
{
    int n_equal = 0, n_other = 0;
    printf("%s | %s\n", a->path, b->path);
    int n = compare_lines("option", &a->config, &b->config) +
            compare_lines("input ", &a->inputs, &b->inputs);
    if (a->step != b->step) {
        printf("steps  %" PRId64 " | %" PRId64 "\n", a->step, b->step);
        n++;
    }
    const bool weights = strcmp(a->kind, b->kind) != 0;  // a model has nothing else
    if (weights) {
        printf("one is a run and one is a model: weights alone are compared\n");
    }
    for (int i = 0; i < a->n; i++) {
        if (!weights || is_weight(&a->array[i])) {
            TRY(compare_array(a, b, &a->array[i], &n_equal, &n_other));
        }
    }
    for (int i = 0; i < b->n; i++) {
        if ((!weights || is_weight(&b->array[i])) && find_array(a, b->array[i].id.name) == NULL) {
            printf("array  %-36s only in %s\n", b->array[i].id.name, b->path);
            n_other++;
        }
    }
    printf("%d arrays are equal, %d differ\n", n_equal, n_other);
    if (strcmp(a->digest, b->digest) == 0) {
        printf("equal digests: %s\n", n == 0 ? "the same run at the same step" : "the same state");
    }
    return status_ok();
}

static Status run(const Command *command)
{
    Inspection in[2] = {{.n = 0}, {.n = 0}};
    Status status = status_ok();
    if (command->help) {
        fputs(help, stdout);
    } else if (command->version) {
        printf("moe_info %s (%s)\n", MOE_VERSION, MOE_COMMIT);
    }
    const int n = command->help || command->version ? 0 : command->n_paths;
    for (int i = 0; i < n && status.code == CODE_OK; i++) {
        status = inspect_file(&in[i], command->path[i]);
    }
    if (status.code == CODE_OK && n == 1) {
        print_card(&in[0], command->tensors);
    } else if (status.code == CODE_OK && n == 2) {
        status = compare(&in[0], &in[1]);
    }
    inspect_free(&in[0]);
    inspect_free(&in[1]);
    TRY(status);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return status_error(CODE_FAILED, "cannot write the report: %s", strerror(errno));
    }
    return status_ok();
}

int main(int argc, char **argv)
{
    Command command = {.n_paths = 0};
    Status status = parse(&command, argc, argv);
    if (status.code == CODE_OK) {
        status = run(&command);
    }
    if (status.code != CODE_OK) {
        fprintf(stderr, "%s\n", status.text);
    }
    return status.code;
}
