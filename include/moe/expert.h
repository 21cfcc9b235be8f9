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

/** The data's half of the way back: din [n, d] and dhidden [n, F] (gradient before relu) from dout [n, d]. */
void expert_backward_data(real *din, real *dhidden, const real *dout, const real *hidden,
                          ExpertWeights weights, int n, int d, int F);

/** The weights' half: grads from what the data's half and forward left. */
void expert_backward_weights(ExpertGrads grads, const real *dout, const real *dhidden,
                             const real *in, const real *hidden, int n, int d, int F);

/** Both at once. Scratch from the arena. */
void expert_backward(real *din, ExpertGrads grads, const real *dout, const real *in,
                     const real *hidden, ExpertWeights weights, int n, int d, int F, Arena *arena);

#endif
