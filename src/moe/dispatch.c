// SPDX-License-Identifier: Apache-2.0
#include "moe/dispatch.h"

#include "math/vec.h"

void dispatch_forward(real *row, const real *x, const Plan *plan, int group, int d)
{
    const int *start = plan->block_start + (size_t)group * (size_t)plan->n_experts;
    for (int i = start[0]; i < start[plan->n_experts]; i++) {
        vec_copy(row + (size_t)i * (size_t)d, x + (size_t)plan->token[i] * (size_t)d, (size_t)d);
    }
}

void dispatch_backward(real *dx, const real *drow, const Plan *plan, int group, int d)
{
    for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
        for (int k = 0; k < plan->top_k; k++) {
            const int row = plan->row[(size_t)t * (size_t)plan->top_k + (size_t)k];
            if (row >= 0) {
                vec_add(dx + (size_t)t * (size_t)d, drow + (size_t)row * (size_t)d, (size_t)d);
            }
        }
    }
}
