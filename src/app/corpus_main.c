// SPDX-License-Identifier: Apache-2.0
/* moe_corpus: writes the made-up corpus. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/options.h"
#include "base/check.h"
#include "data/synth.h"

enum { PATH_TEXT = 4096 };

typedef struct Command {
    const char *out;
    int sentences;
    uint64_t seed;
    bool overwrite, help, version;
} Command;

static const char *const split_name[] = {"train", "dev", "test"};

static Status path_of(char path[PATH_TEXT], const char *folder, SynthSplit split)
{
    int n = snprintf(path, PATH_TEXT, "%s/%s.conll", folder, split_name[split]);
    return n < PATH_TEXT ? status_ok() : status_error(CODE_OPTION, "--out: the path is too long");
}

/** Make the folder, or see that an existing one holds none of the files. */
static Status prepare_folder(const Command *command)
{
    struct stat info;
    if (mkdir(command->out, 0777) == 0) {
        return status_ok();
    }
    if (errno != EEXIST) {
        return status_error(CODE_OPTION, "--out %s: cannot make the folder: %s", command->out,
                            strerror(errno));
    }
    if (stat(command->out, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return status_error(CODE_OPTION, "--out %s: it is no folder", command->out);
    }
    for (SynthSplit split = SYNTH_TRAIN; split <= SYNTH_TEST && !command->overwrite; split++) {
        char path[PATH_TEXT];
        TRY(path_of(path, command->out, split));
        if (lstat(path, &info) == 0) {
            return status_error(CODE_OPTION, "%s exists; --overwrite replaces it", path);
        }
    }
    return status_ok();
}

static Status write_split(const Command *command, SynthSplit split)
{
    char path[PATH_TEXT];
    TRY(path_of(path, command->out, split));
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return status_error(CODE_FAILED, "%s: cannot write: %s", path, strerror(errno));
    }
    long n = split == SYNTH_TRAIN ? command->sentences : (command->sentences + 3L) / 4;
    SynthCounts counts = synth_write(out, command->seed, split, n);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        Status status = status_error(CODE_FAILED, "%s: cannot write: %s", path, strerror(errno));
        remove(path);
        return status;
    }
    printf("%-6s %10ld %10ld %10ld\n", split_name[split], counts.sentences, counts.tokens,
           counts.entities);
    return status_ok();
}

static Status run(const Command *command, const Options *options)
{
    if (command->help) {
        options_help(options, stdout);
    } else if (command->version) {
        printf("moe_corpus %s (%s)\n", MOE_VERSION, MOE_COMMIT);
    } else if (options->n_arguments > 0) {
        return status_error(CODE_OPTION, "%s is no option; see moe_corpus --help",
                            options->argument[0]);
    } else if (command->out == NULL || *command->out == '\0') {
        return status_error(CODE_OPTION, "--out DIR is missing; see moe_corpus --help");
    } else {
        TRY(prepare_folder(command));
        printf("%-6s %10s %10s %10s\n", "file", "sentences", "tokens", "entities");
        for (SynthSplit split = SYNTH_TRAIN; split <= SYNTH_TEST; split++) {
            TRY(write_split(command, split));
        }
    }
    return status_ok();
}

int main(int argc, char **argv)
{
    Command command = {0};
    Option table[] = {
        {.name = "out",
         .kind = OPTION_TEXT,
         .value = &command.out,
         .choices = "DIR",
         .help = "Folder for train.conll, dev.conll and test.conll; made when it does not exist."},
        {.name = "sentences",
         .kind = OPTION_INT,
         .value = &command.sentences,
         .fallback = "2000",
         .min = 1,
         .max = 100e6,
         .help = "Sentences of the training file; the other two get a quarter each."},
        {.name = "seed",
         .kind = OPTION_SEED,
         .value = &command.seed,
         .fallback = "1",
         .help = "Another seed, another corpus."},
        {.name = "overwrite",
         .kind = OPTION_FLAG,
         .value = &command.overwrite,
         .fallback = "false",
         .help = "Replace files that exist."},
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
        .program = "moe_corpus",
        .usage = "moe_corpus --out DIR [options]",
        .purpose = "Write a made-up corpus for named-entity recognition (PER ORG LOC MISC, IOB2): "
                   "English news-like sentences from a grammar, to try the trainer without any "
                   "data. The same seed gives the same bytes, and fewer sentences are a prefix of "
                   "more.",
        .examples = "  moe_corpus --out corpus\n"
                    "  moe_corpus --out corpus-large --sentences 60000 --seed 7\n",
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
