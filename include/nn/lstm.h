// SPDX-License-Identifier: Apache-2.0
/** One direction of an LSTM over packed sentences (Hochreiter and Schmidhuber 1997, with a forget gate, Gers et al. 2000). Local.
 *
 *     i f o g = sigmoid, sigmoid, sigmoid, tanh of (x w_x + b + h_prev w_h)       gates in this order
 *     c = f c_prev + i g;   h = o tanh(c)
 *
 * The input's share x w_x + b of all steps comes from outside in one product; only h_prev w_h is done per step.  The rows of a
 * step line up with the first rows of the step before (base/packed.h), so that nothing is gathered.  Backwards in time the
 * previous step of t is t + 1, and sentences that end at t begin there from zero.
 */
#ifndef MOE_NN_LSTM_H
#define MOE_NN_LSTM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/packed.h"
#include "base/real.h"

/** What forward leaves for backward, all rows packed; the caller's memory. */
typedef struct LstmState {
    real *gates;  // [n_tok, ld_gates], this direction's 4 H columns: in: x w_x + b; out: i f o g
    int ld_gates;
    real *c;       // [n_tok, H]
    real *tanh_c;  // [n_tok, H]
    real *h;       // [n_tok, ld_h], this direction's H columns
    int ld_h;
} LstmState;

/** w_h [H, 4 H]. */
void lstm_forward(LstmState *state, const real *w_h, const Packed *packed, bool reverse, int H);

/** dh [n_tok, ld_h]: in: gradient of h from above; used up. state->gates becomes the gradient before the activations,
 * [n_tok, ld_gates], for the caller's products with x. dw_h [H, 4 H] is written. Scratch from the arena. */
void lstm_backward(real *dh, real *dw_h, LstmState *state, const real *w_h, const Packed *packed,
                   bool reverse, int H, Arena *arena);

#endif
