// SPDX-License-Identifier: Apache-2.0
#include "train/gradsync.h"

void gradsync_sum(Reduce *reduce, const Comm *comm, Params *params, int n_groups)
{
    reduce_tree(reduce, comm, n_groups, params->slot, params_grad_size(params));
}
