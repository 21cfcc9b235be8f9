// SPDX-License-Identifier: Apache-2.0
/** Which checkpoint a start of moe_train goes on from, and what that says of its options and files. Local. */
#ifndef MOE_APP_RESUME_H
#define MOE_APP_RESUME_H

#include "app/options.h"
#include "app/train_settings.h"

enum { RESUME_FILES = 16 };

/** Zeroed struct: a new run. */
typedef struct Resume {
    char file[RESUME_FILES][H5_PATH];  // [n] candidates, newest first
    int n;                             // 0: a new run
    CardLines config, inputs;          // of the first that can be opened
} Resume;

/** Find the checkpoints that --resume means. Errors (CODE_STORED): there are some, and none can be opened; all but the last
 * are named on out, which may be NULL. */
Status resume_find(Resume *resume, const TrainSettings *settings, FILE *out) MUST_USE;

/** Give the options the values that the run had. Errors (CODE_OPTION): one that was given would change the run. */
Status resume_options(const Resume *resume, Options *options) MUST_USE;

/** Are the files those that the run has read? inputs: as they are now. Errors (CODE_OPTION): another content. */
Status resume_inputs(const Resume *resume, const CardLines *inputs) MUST_USE;

void resume_free(Resume *resume);

#endif
