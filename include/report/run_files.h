// SPDX-License-Identifier: Apache-2.0
/** What a run leaves beside its routing log, as far as a page shows it: options and learning curve. Local. */
#ifndef MOE_REPORT_RUN_FILES_H
#define MOE_REPORT_RUN_FILES_H

#include "base/check.h"

/** A line of config.ini. */
typedef struct RunOption {
    char *group, *name, *value;
} RunOption;

/** Points of a curve. */
typedef struct RunCurve {
    int n, max_n;
    double *x, *y;  // [n]
} RunCurve;

/** Zeroed struct: empty. */
typedef struct RunFiles {
    RunOption *option;  // [n_options] in the order of the file
    int n_options, max_options;
    RunCurve loss;                        // by step
    RunCurve f1;                          // of the development corpus, by epoch
    double test_f1, seconds, parameters;  // NAN: not known
} RunFiles;

/** Read DIR/config.ini and DIR/metrics.jsonl; a file that is not there leaves its part empty, and lines of another kind are passed over.
 * Errors (CODE_INPUT): a file is there and cannot be read. */
Status run_files_read(RunFiles *files, const char *dir) MUST_USE;

/** Value of an option, or NULL. */
const char *run_files_option(const RunFiles *files, const char *name);

void run_files_free(RunFiles *files);

#endif
