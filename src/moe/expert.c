// SPDX-License-Identifier: Apache-2.0
#include "moe/expert.h"

#include "math/vec.h"
#include "nn/linear.h"

void expert_forward(real *out, real *hidden, const real *in, ExpertWeights weights, int n, int d,
                    int F)
{
    linear_forward(hidden, in, weights.w1, weights.b1, n, d, F);
    vec_relu(hidden, (size_t)n * (size_t)F);
    linear_forward(out, hidden, weights.w2, weights.b2, n, F, d);
}

void expert_backward_data(real *din, real *dhidden, const real *dout, const real *hidden,
                          ExpertWeights weights, int n, int d, int F)
{
    linear_backward_data(dhidden, dout, weights.w2, n, F, d);
    vec_relu_backward(dhidden, hidden, (size_t)n * (size_t)F);
    linear_backward_data(din, dhidden, weights.w1, n, d, F);
}

void expert_backward_weights(ExpertGrads grads, const real *dout, const real *dhidden,
                             const real *in, const real *hidden, int n, int d, int F)
{
    linear_backward_weights(grads.w2, grads.b2, dout, hidden, n, F, d);
    linear_backward_weights(grads.w1, grads.b1, dhidden, in, n, d, F);
}

void expert_backward(real *din, ExpertGrads grads, const real *dout, const real *in,
                     const real *hidden, ExpertWeights weights, int n, int d, int F, Arena *arena)
{
    const ArenaMark mark = arena_mark(arena);
    real *dhidden = ARENA_ARRAY(arena, real, (size_t)n * (size_t)F);
    expert_backward_data(din, dhidden, dout, hidden, weights, n, d, F);
    expert_backward_weights(grads, dout, dhidden, in, hidden, n, d, F);
    arena_release(arena, mark);
}
