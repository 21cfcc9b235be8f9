// SPDX-License-Identifier: Apache-2.0
/** What the trainer knows of a model: a handful of function pointers. The tagger is the first. */
#ifndef MOE_MODEL_TASK_H
#define MOE_MODEL_TASK_H

#include <stdbool.h>

#include "base/arena.h"
#include "data/batch.h"
#include "moe/balance.h"
#include "nn/params.h"

/** Figures of a group of a step; sums of them over steps. The mixture's own figures follow. */
enum {
    TASK_LOSS,  // sum over sentences of the task's loss
    TASK_SENTENCES,
    TASK_TOKENS,
    TASK_BYTES,  // that rows of tokens carried between ranks: there and back, forward and backward
    TASK_MOE     // then STAT_WIDTH(E, K) figures of moe/balance.h
};

typedef struct Task {
    void *model;
    Params *params;        // tensors that all ranks hold
    Params *experts;       // this rank's block of the experts; empty without a mixture
    int n_experts, top_k;  // on all ranks; 0: no mixture
    int n_stats;           // TASK_MOE + STAT_WIDTH(E, K), the width of a row of figures

    /** Loss and state of this rank's groups. stats [n_local, n_stats] is added to. Collective on the expert-parallel set. */
    void (*forward)(void *model, const Batch *batch, double *stats, Arena *arena);

    /** Gradients of (sum of losses) / S into the slots of both tables; after forward() of the same batch. Collective on the
     * expert-parallel set. */
    void (*backward)(void *model, const Batch *batch, Arena *arena);

    /** Best label of every token of a batch built without training, at its number in the corpus. Nothing is dropped, nothing
     * drawn. A rank without sentences takes part. Collective on the expert-parallel set. */
    void (*predict)(void *model, const Batch *batch, int *label, Arena *arena);

    /** How the batch that was just gone through, forward() or predict(), was routed: of this rank's tokens, in their order; valid until the
     * next batch. NULL both without a mixture. Local. */
    void (*routing)(void *model, const Gate **gate, const Plan **plan);
} Task;

#endif
