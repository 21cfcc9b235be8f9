// SPDX-License-Identifier: Apache-2.0
/** The gradient of a batch from those of its groups, on all ranks, in tree order. */
#ifndef MOE_TRAIN_GRADSYNC_H
#define MOE_TRAIN_GRADSYNC_H

#include "comm/reduce.h"
#include "nn/params.h"

/** After the backward pass: slot 0 becomes the sum over all groups, bit-equal on every rank and for any number of ranks.
 * Collective on comm. */
void gradsync_sum(Reduce *reduce, const Comm *comm, Params *params, int n_groups);

#endif
