// SPDX-License-Identifier: Apache-2.0
#include "moe/combine.h"

#include "math/vec.h"

void combine_forward(real *y, const real *out, const real *weight, const Plan *plan, int group,
                     int d)
{
    for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
        for (int k = 0; k < plan->top_k; k++) {
            const size_t i = (size_t)t * (size_t)plan->top_k + (size_t)k;
            if (plan->row[i] >= 0) {
                vec_axpy(y + (size_t)t * (size_t)d, weight[i],
                         out + (size_t)plan->row[i] * (size_t)d, (size_t)d);
            }
        }
    }
}

void combine_backward(real *dout, real *dweight, const real *dy, const real *out,
                      const real *weight, const Plan *plan, int group, int d)
{
    for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
        const real *dy_row = dy + (size_t)t * (size_t)d;
        for (int k = 0; k < plan->top_k; k++) {
            const size_t i = (size_t)t * (size_t)plan->top_k + (size_t)k;
            dweight[i] = 0;
            if (plan->row[i] >= 0) {
                const size_t row = (size_t)plan->row[i] * (size_t)d;
                dweight[i] = vec_dot(dy_row, out + row, (size_t)d);
                for (int j = 0; j < d; j++) {
                    dout[row + (size_t)j] = weight[i] * dy_row[j];
                }
            }
        }
    }
}
