// SPDX-License-Identifier: Apache-2.0
/** A bidirectional LSTM layer over packed sentences: y = [forward h, backward h]. Local.
 *
 * The input products of both directions are one product for all tokens: x [n_tok, d_in] times [d_in, 8 H].
 */
#ifndef MOE_NN_BILSTM_H
#define MOE_NN_BILSTM_H

#include "base/arena.h"
#include "base/packed.h"
#include "base/real.h"

typedef struct BilstmWeights {
    const real *input;      // [d_in, 2, 4 H]: forward, backward; gates i f o g
    const real *recurrent;  // [2, H, 4 H]
    const real *bias;       // [2, 4 H]
} BilstmWeights;

typedef struct BilstmGrads {
    real *input, *recurrent, *bias;  // shapes as above; written
} BilstmGrads;

/** What forward leaves for backward; from the arena. */
typedef struct BilstmState {
    const real *x;           // [n_tok, d_in] the caller's input, must stay
    real *gates;             // [n_tok, 8 H]
    real *c[2], *tanh_c[2];  // [n_tok, H] each
    real *h;                 // [n_tok, 2 H] the result
} BilstmState;

/** state->h [n_tok, 2 H] from x [n_tok, d_in]. */
void bilstm_forward(BilstmState *state, const real *x, BilstmWeights weights, const Packed *packed,
                    int d_in, int H, Arena *arena);

/** dx [n_tok, d_in] (NULL: not wanted) and the gradients, from dh [n_tok, 2 H], which is used up, as is the state. */
void bilstm_backward(real *dx, BilstmGrads grads, real *dh, BilstmState *state,
                     BilstmWeights weights, const Packed *packed, int d_in, int H, Arena *arena);

#endif
