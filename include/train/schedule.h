// SPDX-License-Identifier: Apache-2.0
/** Learning rate over time: lr / (1 + decay epoch), with a linear warm-up over the first steps. Local. */
#ifndef MOE_TRAIN_SCHEDULE_H
#define MOE_TRAIN_SCHEDULE_H

typedef struct Schedule {
    double lr, decay;
    int warmup;  // steps
} Schedule;

/** Rate of a step (from 0) in an epoch (from 0). */
double schedule_lr(const Schedule *schedule, int epoch, long step);

#endif
