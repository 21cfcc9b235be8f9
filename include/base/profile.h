// SPDX-License-Identifier: Apache-2.0
/** Where the time of a step goes: this process is in one phase at a time. Local. */
#ifndef MOE_BASE_PROFILE_H
#define MOE_BASE_PROFILE_H

#include <stdbool.h>

typedef enum Phase {
    PHASE_OTHER,    // reading, evaluation, reports
    PHASE_BATCH,    // building batches
    PHASE_ENCODER,  // embeddings and BiLSTM, both ways
    PHASE_GATE,
    PHASE_PLAN,
    PHASE_DISPATCH,  // rows gathered and combined on this rank
    PHASE_EXCHANGE,  // waiting for rows of other ranks
    PHASE_EXPERTS,
    PHASE_CRF,        // output layer and CRF
    PHASE_SUMS,       // gradients over groups and ranks, waits included
    PHASE_OPTIMISER,  // norm, clip, update
    PHASES
} Phase;

/** Go on in another phase; returns the one before, to go back to. */
Phase profile_enter(Phase phase);

/** While paused all time is PHASE_OTHER's: an evaluation runs the same layers as a step. */
void profile_pause(bool pause);

/** Seconds spent in a phase so far. */
double profile_seconds(Phase phase);

const char *profile_name(Phase phase);

#endif
