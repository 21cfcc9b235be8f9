// SPDX-License-Identifier: Apache-2.0
/** The training loop: batches -> forward -> backward -> sum over groups -> clip -> optimiser -> progress; dev after each epoch.
 *
 * Every rank builds the same batches and holds the same weights; a rank computes the groups of its run.
 */
#ifndef MOE_TRAIN_TRAINER_H
#define MOE_TRAIN_TRAINER_H

#include "comm/comm.h"
#include "data/chunks.h"
#include "model/task.h"
#include "train/optim.h"
#include "train/progress.h"
#include "train/route_log.h"
#include "train/saver.h"
#include "train/schedule.h"

typedef struct TrainConfig {
    int epochs;
    int max_steps;  // 0: no limit
    int batch;      // sentences of the global batch
    int groups;     // G
    OptimConfig optim;
    Schedule schedule;
    double clip;     // largest gradient norm, 0: no limit
    double unknown;  // singleton words become unknown with this probability
    int patience;    // epochs without a better development F1 before stopping, 0: never
    int log_every;   // steps between log lines
    uint64_t seed;
    SaverConfig save;       // with the run folder, or NULL for none
    RouteLogConfig routes;  // with the same
    bool profile;           // show after every epoch where the time goes
    bool plain_sums;        // gradients are added by MPI_Allreduce, in its order
    double peak;            // operations per second of this machine's products, for percent_of_peak
} TrainConfig;

/** What a run needs and what it leaves; corpora and lexicon are the caller's. */
typedef struct Trainer {
    TrainConfig config;
    const Mesh *mesh;
    Task task;
    const Lexicon *lexicon;
    const Corpus *train, *dev, *test;  // test may be NULL
    Progress *progress;
    const Card *card;  // what goes into checkpoints; NULL: nothing is saved
    char (*resume)
        [H5_PATH];  // [n_resume] checkpoints to go on from, the first whole one; n_resume 0: a new run
    int n_resume;
    size_t active_per_token;  // parameters that one token uses, for the final line
    /* results */
    double best_f1;  // percent; negative before the first evaluation
    int best_epoch;
    long steps;
    Chunks best_dev, best_test;  // scores at the best epoch
} Trainer;

/** Train to the end, then write the final line of metrics.jsonl. Errors: CODE_FAILED, a loss, gradient or weight that is not
 * finite (the text names step, batch and tensor) or a file that cannot be written; CODE_STORED, no checkpoint to go on from;
 * CODE_STOPPED, asked to stop, and saved. Collective on the mesh: the status is the same on all ranks. */
Status trainer_run(Trainer *trainer) MUST_USE;

void trainer_free(Trainer *trainer);

#endif
