// SPDX-License-Identifier: Apache-2.0
/** One SHA-256 over all parameters and optimiser state in logical order: equal digests mean equal runs. */
#ifndef MOE_TRAIN_DIGEST_RUN_H
#define MOE_TRAIN_DIGEST_RUN_H

#include "base/digest.h"
#include "comm/comm.h"
#include "train/optim.h"

/** text on rank 0 of the world (empty elsewhere). Experts come to it one by one, in order of their global number, so that the
 * digest does not depend on who holds them. Collective on mesh->world. */
void digest_run(char text[DIGEST_TEXT], const Mesh *mesh, const Params *params, Optim *optim,
                const Params *experts, const Optim *expert_optim);

#endif
