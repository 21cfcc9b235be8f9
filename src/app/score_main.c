// SPDX-License-Identifier: Apache-2.0
/* moe_score: conlleval's report, byte for byte, with its command line. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "data/chunks.h"

static const char help[] =
    "usage: moe_score [-d DELIM] [-o TAG] [-r] [-l] [FILE|-]\n"
    "\n"
    "Score a file of tagged tokens as conlleval does. A line is a token with its\n"
    "columns; the last column is the predicted tag, the one before it the gold tag;\n"
    "an empty line (or -X- as first column) ends a sentence. Without FILE, or with -,\n"
    "standard input is read.\n"
    "\n"
    "  -d DELIM   the one character between columns (default: a space); '\\t' is a tab\n"
    "  -o TAG     the tag outside chunks (default: O); only with -r\n"
    "  -r         raw: tags have no prefixes, and every token is a chunk of its own\n"
    "  -l         a LaTeX table\n"
    "  --help, --version\n"
    "\n"
    "Tags are read as IOB1, IOB2 or IOE. Convert IOBES tags to IOB2 first: S- is\n"
    "unknown to conlleval, and two entities side by side would count as one.\n"
    "\n"
    "exit codes: 0 done; 1 a line has another number of columns than the first;\n"
    "2 bad option; 3 cannot read; 255 a line has fewer than two columns\n"
    "\n"
    "  moe_score < predictions.conll\n"
    "  moe_score -d '\\t' predictions.tsv\n";

typedef struct Command {
    ScoreOptions score;
    const char *path;
    bool help, version;
} Command;

/** The option at argv[i]; i moves on to its value when it has one. */
static Status parse_option(Command *command, int argc, char **argv, int *i)
{
    const char *name = argv[*i];
    bool delimiter = strcmp(name, "-d") == 0, outside = strcmp(name, "-o") == 0;
    if (delimiter || outside) {
        if (++*i == argc) {
            return status_error(CODE_OPTION, "%s needs a value; see moe_score --help", name);
        }
        *(delimiter ? &command->score.delimiter : &command->score.outside) = argv[*i];
    } else if (strcmp(name, "-r") == 0) {
        command->score.raw = true;
    } else if (strcmp(name, "-l") == 0) {
        command->score.latex = true;
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        command->help = true;
    } else if (strcmp(name, "--version") == 0) {
        command->version = true;
    } else {
        return status_error(CODE_OPTION, "unknown option %s; see moe_score --help", name);
    }
    return status_ok();
}

static Status parse(Command *command, int argc, char **argv)
{
    bool words_only = false;
    for (int i = 1; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
            TRY(parse_option(command, argc, argv, &i));
        } else if (command->path != NULL) {
            return status_error(CODE_OPTION, "%s: one file at a time; see moe_score --help",
                                argv[i]);
        } else {
            command->path = argv[i];
        }
    }
    return status_ok();
}

static Status score(const Command *command, Chunks *chunks)
{
    if (command->path == NULL || strcmp(command->path, "-") == 0) {
        return chunks_score_stream(chunks, stdin, "standard input", &command->score);
    }
    FILE *in = fopen(command->path, "r");
    if (in == NULL) {
        return status_error(CODE_INPUT, "%s: cannot open: %s", command->path, strerror(errno));
    }
    Status status = chunks_score_stream(chunks, in, command->path, &command->score);
    fclose(in);
    return status;
}

static Status run(const Command *command)
{
    Chunks chunks = {0};
    if (command->help) {
        fputs(help, stdout);
    } else if (command->version) {
        printf("moe_score %s (%s)\n", MOE_VERSION, MOE_COMMIT);
    } else {
        Status status = score(command, &chunks);
        if (status.code == CODE_OK) {
            chunks_report(&chunks, stdout, command->score.latex);
        }
        chunks_free(&chunks);
        TRY(status);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return status_error(CODE_FAILED, "cannot write the report: %s", strerror(errno));
    }
    return status_ok();
}

int main(int argc, char **argv)
{
    Command command = {.score = {.delimiter = " ", .outside = "O"}};
    Status status = parse(&command, argc, argv);
    if (status.code == CODE_OK) {
        status = run(&command);
    }
    if (status.code != CODE_OK) {
        fprintf(stderr, "%s\n", status.text);
    }
    return status.code;
}
