// SPDX-License-Identifier: Apache-2.0
#include "nn/lstm.h"

#include <stddef.h>

#include "math/gemm.h"
#include "math/vec.h"

/** c, tanh c and h of one row from its activated gates; c_prev NULL: zero. */
static void cell_forward(real *restrict c, const real *restrict gates, const real *restrict c_prev,
                         int H)
{
    const real *i = gates, *f = gates + H, *g = gates + 3 * H;
    if (c_prev == NULL) {
        for (int j = 0; j < H; j++) {
            c[j] = i[j] * g[j];
        }
        return;
    }
    for (int j = 0; j < H; j++) {
        c[j] = f[j] * c_prev[j] + i[j] * g[j];
    }
}

static void cell_output(real *restrict h, const real *restrict o, const real *restrict tanh_c,
                        int H)
{
    for (int j = 0; j < H; j++) {
        h[j] = o[j] * tanh_c[j];
    }
}

/** Gates of one row become their gradients; dc [H]: in: from the later step, out: for the earlier one. c_prev [H], zeros at
 * the start of a sentence. */
static void cell_backward(real *restrict gates, real *restrict dc, const real *restrict dh,
                          const real *restrict tanh_c, const real *restrict c_prev, int H)
{
    real *restrict gi = gates, *restrict gf = gates + H, *restrict go = gates + 2 * H,
                   *restrict gg = gates + 3 * H;
    for (int j = 0; j < H; j++) {
        real i = gi[j], f = gf[j], o = go[j], g = gg[j], t = tanh_c[j];
        real d = dc[j] + dh[j] * o * (1 - t * t);
        gi[j] = d * g * i * (1 - i);
        gf[j] = d * c_prev[j] * f * (1 - f);
        go[j] = dh[j] * t * o * (1 - o);
        gg[j] = d * i * (1 - g * g);
        dc[j] = d * f;
    }
}

/** The step whose h goes into step t, or -1. */
static int previous_step(const Packed *packed, int t, bool reverse)
{
    int previous = reverse ? t + 1 : t - 1;
    return previous >= 0 && previous < packed->n_steps ? previous : -1;
}

/** Sentences of step t that had that previous step. */
static int carried(const Packed *packed, int t, bool reverse)
{
    int previous = previous_step(packed, t, reverse);
    if (previous < 0) {
        return 0;
    }
    int now = packed_alive(packed, t), before = packed_alive(packed, previous);
    return now < before ? now : before;
}

void lstm_forward(LstmState *state, const real *w_h, const Packed *packed, bool reverse, int H)
{
    const size_t h_row = (size_t)state->ld_h, g_row = (size_t)state->ld_gates, c_row = (size_t)H;
    for (int k = 0; k < packed->n_steps; k++) {
        const int t = reverse ? packed->n_steps - 1 - k : k;
        const int previous = previous_step(packed, t, reverse),
                  n_carried = carried(packed, t, reverse);
        const size_t row = (size_t)packed->start[t];
        const size_t before = previous < 0 ? 0 : (size_t)packed->start[previous];
        const int alive = packed_alive(packed, t);
        gemm_nn(n_carried, 4 * H, H, state->h + before * h_row, state->ld_h, w_h, 4 * H, 1,
                state->gates + row * g_row, state->ld_gates);
        for (int s = 0; s < alive; s++) {
            real *gates = state->gates + (row + (size_t)s) * g_row;
            const real *c_prev = s < n_carried ? state->c + (before + (size_t)s) * c_row : NULL;
            vec_sigmoid(gates, gates, 3 * (size_t)H);
            vec_tanh(gates + 3 * H, gates + 3 * H, (size_t)H);
            cell_forward(state->c + (row + (size_t)s) * c_row, gates, c_prev, H);
        }
        vec_tanh(state->tanh_c + row * c_row, state->c + row * c_row, (size_t)alive * c_row);
        for (int s = 0; s < alive; s++) {
            size_t r = row + (size_t)s;
            cell_output(state->h + r * h_row, state->gates + r * g_row + 2 * H,
                        state->tanh_c + r * c_row, H);
        }
    }
}

void lstm_backward(real *dh, real *dw_h, LstmState *state, const real *w_h, const Packed *packed,
                   bool reverse, int H, Arena *arena)
{
    const size_t h_row = (size_t)state->ld_h, g_row = (size_t)state->ld_gates, c_row = (size_t)H;
    real *dc = ARENA_ZEROED(arena, real, (size_t)packed->n_sent * c_row);
    real *h_prev = ARENA_ZEROED(arena, real, (size_t)packed->n_tok * c_row);
    real *zeros = ARENA_ZEROED(arena, real, c_row);
    for (int k = packed->n_steps - 1; k >= 0; k--) {
        const int t = reverse ? packed->n_steps - 1 - k : k;
        const int previous = previous_step(packed, t, reverse),
                  n_carried = carried(packed, t, reverse);
        const size_t row = (size_t)packed->start[t];
        const size_t before = previous < 0 ? 0 : (size_t)packed->start[previous];
        const int alive = packed_alive(packed, t);
        for (int s = 0; s < alive; s++) {
            size_t r = row + (size_t)s;
            const real *c_prev = s < n_carried ? state->c + (before + (size_t)s) * c_row : zeros;
            cell_backward(state->gates + r * g_row, dc + (size_t)s * c_row, dh + r * h_row,
                          state->tanh_c + r * c_row, c_prev, H);
            if (s < n_carried) {
                vec_copy(h_prev + r * c_row, state->h + (before + (size_t)s) * h_row, c_row);
            }
        }
        gemm_nt(n_carried, H, 4 * H, state->gates + row * g_row, state->ld_gates, w_h, 4 * H, 1,
                dh + before * h_row, state->ld_h);
    }
    gemm_tn(H, 4 * H, packed->n_tok, h_prev, H, state->gates, state->ld_gates, 0, dw_h, 4 * H);
}
