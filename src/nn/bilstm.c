// SPDX-License-Identifier: Apache-2.0
#include "nn/bilstm.h"

#include "math/gemm.h"
#include "math/vec.h"
#include "nn/lstm.h"

static LstmState direction(const BilstmState *state, int dir, int H)
{
    LstmState one = {state->gates + dir * 4 * H, 8 * H, state->c[dir], state->tanh_c[dir],
                     state->h + dir * H,         2 * H};
    return one;
}

void bilstm_forward(BilstmState *state, const real *x, BilstmWeights weights, const Packed *packed,
                    int d_in, int H, Arena *arena)
{
    const size_t n = (size_t)packed->n_tok, width = 8 * (size_t)H;
    state->x = x;
    state->gates = ARENA_ARRAY(arena, real, n * width);
    state->h = ARENA_ARRAY(arena, real, 2 * n * (size_t)H);
    for (size_t i = 0; i < n; i++) {
        vec_copy(state->gates + i * width, weights.bias, width);
    }
    gemm_nn(packed->n_tok, 8 * H, d_in, x, d_in, weights.input, 8 * H, 1, state->gates, 8 * H);
    for (int dir = 0; dir < 2; dir++) {
        state->c[dir] = ARENA_ARRAY(arena, real, n * (size_t)H);
        state->tanh_c[dir] = ARENA_ARRAY(arena, real, n * (size_t)H);
        LstmState one = direction(state, dir, H);
        lstm_forward(&one, weights.recurrent + (size_t)dir * (size_t)H * 4 * (size_t)H, packed,
                     dir == 1, H);
    }
}

void bilstm_backward(real *dx, BilstmGrads grads, real *dh, BilstmState *state,
                     BilstmWeights weights, const Packed *packed, int d_in, int H, Arena *arena)
{
    for (int dir = 0; dir < 2; dir++) {
        const size_t recurrent = (size_t)dir * (size_t)H * 4 * (size_t)H;
        LstmState one = direction(state, dir, H);
        lstm_backward(dh + dir * H, grads.recurrent + recurrent, &one,
                      weights.recurrent + recurrent, packed, dir == 1, H, arena);
    }
    if (dx != NULL) {
        gemm_nt(packed->n_tok, d_in, 8 * H, state->gates, 8 * H, weights.input, 8 * H, 0, dx, d_in);
    }
    gemm_tn(d_in, 8 * H, packed->n_tok, state->x, d_in, state->gates, 8 * H, 0, grads.input, 8 * H);
    vec_sum_rows(grads.bias, state->gates, packed->n_tok, 8 * H, 8 * H);
}
