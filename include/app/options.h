// SPDX-License-Identifier: Apache-2.0
/** One table of options drives the command line, --config FILE.ini, --help and config.ini. Local.
 *
 * A program declares its table once: name, kind, where the value lives, default, range, help. Later settings win:
 * defaults, then the file of --config (wherever it stands on the command line), then the command line.
 */
#ifndef MOE_APP_OPTIONS_H
#define MOE_APP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/check.h"

typedef enum OptionKind {
    OPTION_GROUP,   // a heading of --help; only name is used
    OPTION_FLAG,    // bool; --name, --no-name; in a file name = true|false
    OPTION_INT,     // int
    OPTION_SEED,    // uint64_t
    OPTION_REAL,    // double
    OPTION_CHOICE,  // int: index in choices
    OPTION_TEXT     // const char *, NULL when not given
} OptionKind;

/** What a run that goes on may do with an option. */
typedef enum OptionResume {
    RESUME_SAME,  // it stays as it was
    RESUME_FREE,  // it may change, and stays as it was when not given
    RESUME_ANEW   // it is that of this start alone
} OptionResume;

typedef struct Option {
    const char *name;  // without the dashes
    OptionKind kind;
    void *value;           // where the value lives
    const char *fallback;  // default as text; NULL for none (OPTION_TEXT)
    double min, max;       // legal range of INT and REAL, both ends included; both 0: any value
    const char *choices;   // "none|dense|moe" for CHOICE; the placeholder (FILE, DIR) for TEXT
    const char *help;      // one or two sentences, wrapped by options_help()
    bool transient;        // not written to config.ini: --config, --help, --dry-run, ...
    OptionResume resume;
    const char **earlier;  // TEXT that may be given twice: where the first value goes
    bool given;  // set by the command line or a file, and not by its default; by options_parse()
} Option;

/** A program's table with what --help says around it. */
typedef struct Options {
    const char *program;   // "moe_train"
    const char *usage;     // "moe_train --train FILE --dev FILE --out DIR [options]"
    const char *purpose;   // two or three sentences under the usage
    const char *examples;  // ready lines under the table
    Option *option;        // [n]
    int n;
    char **owned;  // texts that came from a file, freed by options_free()
    int n_owned;
    const char **argument;  // [n_arguments] words of the command line that are no options
    int n_arguments;
} Options;

/** Set defaults, read --config when given, then the command line (--name value, --name=value, `--` ends options).
 * Errors: CODE_OPTION with one line that names the option, its value, what is legal and (for an unknown name) the nearest known
 * one; a missing, unreadable or malformed config file is CODE_INPUT with file:line. Settings of an option that the
 * program does not have are errors in a file too. */
Status options_parse(Options *options, int argc, char **argv) MUST_USE;

/** --help: usage, purpose, groups with every option, its range or choices and default, exit codes, examples. 80 columns. */
void options_help(const Options *options, FILE *out);

/** Every lasting option in force, grouped, as an .ini file that --config reads back to the same values. */
void options_write(const Options *options, FILE *out);

/** Call visit with every lasting option and its value as text. */
typedef void (*OptionVisit)(void *context, const char *name, const char *value);
void options_each(const Options *options, OptionVisit visit, void *context);

/** A run goes on: an option that was not given takes the value it had, one that was given must have it, unless it may change. Unknown
 * names are of another version: refused too. Errors (CODE_OPTION): a value that would change the run, with old and new; path is
 * the checkpoint. */
Status options_resume(Options *options, const char *path, const char *name,
                      const char *value) MUST_USE;

void options_free(Options *options);

#endif
