// SPDX-License-Identifier: Apache-2.0
/** When a run is saved, when it is asked to stop, and how it goes on: the policy around train/checkpoint.
 *
 *     DIR/last.h5      newest checkpoint;  last-1.h5, ... the ones before it
 *     DIR/next.h5      a whole one that was not yet put in its place when the run was killed
 *     DIR/best.h5      model with the best development F1
 *
 * Ranks ask each other once a step, in a message that travels while they compute, whether one of them was told to stop (SIGUSR1, SIGTERM,
 * --stop-after) and whether it is time to save; the clock is rank 0's.
 */
#ifndef MOE_TRAIN_SAVER_H
#define MOE_TRAIN_SAVER_H

#include "train/checkpoint.h"
#include "train/progress.h"

typedef struct SaverConfig {
    const char *dir;           // NULL: nothing is ever saved
    double every;              // seconds between saves, 0: only at the end and when asked to stop
    double stop_after;         // seconds after which the run is saved and left, 0: never
    int keep;                  // checkpoints of a run that stay
    bool continue_on_failure;  // what cannot be saved is said, and training goes on
} SaverConfig;

enum { SAVER_STOP = 1, SAVER_SAVE = 2 };

typedef struct Saver {
    SaverConfig config;
    Checkpoint checkpoint;  // arrays set by the trainer once, the cursor before every save
    Progress *progress;
    Vote vote;
    double start, last;  // of the run, of the last save
} Saver;

void saver_init(Saver *saver, SaverConfig config, Progress *progress);

/** Around a step: ask, and get the answer of all ranks, a set of SAVER_ flags. Collective on the mesh. */
void saver_ask(Saver *saver);
int saver_answer(Saver *saver);

/** Save the run as DIR/last.h5, or its weights as DIR/best.h5. Error (CODE_FAILED): the disk, unless config.continue_on_failure.
 * Collective on the mesh. */
Status saver_save_last(Saver *saver) MUST_USE;
Status saver_save_best(Saver *saver) MUST_USE;

/** What a failure to write means: it is said and forgotten, or stays. status is the same on all ranks. */
Status saver_failed(Saver *saver, Status status) MUST_USE;

/** Load the first whole file of a list [n]; those that are not are named. path gets the one. Error: the last one's. The history is left in
 * checkpoint.history, owned by the saver. Collective on the mesh. */
Status saver_resume(Saver *saver, char (*file)[H5_PATH], int n, const char **path) MUST_USE;

/** Checkpoints of a folder that exist, newest first: file [max]; returns their number. Local. */
int saver_candidates(const char *dir, char (*file)[H5_PATH], int max);

void saver_free(Saver *saver);

#endif
