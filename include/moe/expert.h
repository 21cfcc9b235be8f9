// SPDX-License-Identifier: Apache-2.0
/** One expert: out = relu(in w1 + b1) w2 + b2, on a block of rows. Local. Also the dense feed-forward block.
 */
#ifndef MOE_MOE_EXPERT_H
#define MOE_MOE_EXPERT_H

#include "base/arena.h"
#include "base/real.h"

typedef struct ExpertWeights {
    const real *w1, *b1;  // [d, F], [F]
    const real *w2, *b2;  // [F, d], [d]
} ExpertWeights;

typedef struct ExpertGrads {
    real *w1, *b1, *w2, *b2;  // shapes as above; written, also when n is 0
} ExpertGrads;

/** out [n, d], hidden [n, F] (after relu, kept for backward) from in [n, d]. */
void expert_forward(real *out, real *hidden, const real *in, ExpertWeights weights, int n, int d,
                    int F);

/** din [n, d] and the gradients from dout [n, d]. Scratch from the arena. */
void expert_backward(real *din, ExpertGrads grads, const real *dout, const real *in,
                     const real *hidden, ExpertWeights weights, int n, int d, int F, Arena *arena);

#endif
