// SPDX-License-Identifier: Apache-2.0
/** The gradient of a batch from those of its groups, on all ranks, in tree order.
 *
 *     tensors that all ranks hold     summed over all ranks; a section starts to travel when its last group is in, while the
 *                                     backward pass goes on below it
 *     experts                         complete at their owner but for the replicas: summed over those only
 *
 * Gradients are sums: no factor of ranks, groups or replicas appears anywhere.
 */
#ifndef MOE_TRAIN_GRADSYNC_H
#define MOE_TRAIN_GRADSYNC_H

#include "comm/reduce.h"
#include "nn/params.h"

enum { GRADSYNC_MAX_SECTIONS = 16 };

typedef struct Gradsync {
    const Mesh *mesh;
    Params *params, *experts;
    int n_groups;
    bool plain;                           // --sum mpi
    Reduce block[GRADSYNC_MAX_SECTIONS];  // of each section of params
    Reduce rows;                          // touched rows of the word table
    Reduce expert_block;
    bool started[GRADSYNC_MAX_SECTIONS];
    double *expert_squares;  // [experts on all ranks]
} Gradsync;

/** Listen to both tables. Local. */
void gradsync_init(Gradsync *sync, const Mesh *mesh, Params *params, Params *experts, int n_groups,
                   bool plain);

/** After the backward pass: slot 0 of both tables becomes the sum over all groups, bit-equal for any number of ranks (unless
 * plain). Collective on the mesh. */
void gradsync_finish(Gradsync *sync);

/** Sum of squares of the whole gradient, each logical parameter once: what all ranks hold, touched rows, then expert by
 * expert. The same bits on all ranks. Collective on the expert-parallel set. */
double gradsync_squares(Gradsync *sync);

void gradsync_free(Gradsync *sync);

#endif
