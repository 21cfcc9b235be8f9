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

/** One step of the scan: its rows, and those of the step whose h goes into it. */
typedef struct Step {
    size_t row, before;  // first row of either
    int alive;           // sentences at this step
    int carried;         // of them, those that had the step before; the others start from zero
} Step;

/** Step number k of the scan, in the order of its direction. */
static Step step_at(const Packed *packed, int k, bool reverse)
{
    const int t = reverse ? packed->n_steps - 1 - k : k, previous = reverse ? t + 1 : t - 1;
    Step step = {.row = (size_t)packed->start[t], .alive = packed_alive(packed, t)};
    if (k > 0) {
        const int before = packed_alive(packed, previous);
        step.before = (size_t)packed->start[previous];
        step.carried = step.alive < before ? step.alive : before;
    }
    return step;
}

void lstm_forward(LstmState *state, const real *w_h, const Packed *packed, bool reverse, int H)
{
    const size_t h_row = (size_t)state->ld_h, g_row = (size_t)state->ld_gates, c_row = (size_t)H;
    for (int k = 0; k < packed->n_steps; k++) {
        const Step step = step_at(packed, k, reverse);
        gemm_nn(step.carried, 4 * H, H, state->h + step.before * h_row, state->ld_h, w_h, 4 * H, 1,
                state->gates + step.row * g_row, state->ld_gates);
        for (int s = 0; s < step.alive; s++) {
            const size_t row = step.row + (size_t)s, before = step.before + (size_t)s;
            real *gates = state->gates + row * g_row;
            vec_sigmoid(gates, gates, 3 * (size_t)H);
            vec_tanh(gates + 3 * H, gates + 3 * H, (size_t)H);
            cell_forward(state->c + row * c_row, gates,
                         s < step.carried ? state->c + before * c_row : NULL, H);
        }
        for (int s = 0; s < step.alive; s++) {
            const size_t row = step.row + (size_t)s;
            vec_tanh(state->tanh_c + row * c_row, state->c + row * c_row,
                     c_row);  // row by row: see vec.h
            cell_output(state->h + row * h_row, state->gates + row * g_row + 2 * H,
                        state->tanh_c + row * c_row, H);
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
        const Step step = step_at(packed, k, reverse);
        for (int s = 0; s < step.alive; s++) {
            const size_t row = step.row + (size_t)s, before = step.before + (size_t)s;
            cell_backward(state->gates + row * g_row, dc + (size_t)s * c_row, dh + row * h_row,
                          state->tanh_c + row * c_row,
                          s < step.carried ? state->c + before * c_row : zeros, H);
            if (s < step.carried) {
                vec_copy(h_prev + row * c_row, state->h + before * h_row, c_row);
            }
        }
        gemm_nt(step.carried, H, 4 * H, state->gates + step.row * g_row, state->ld_gates, w_h,
                4 * H, 1, dh + step.before * h_row, state->ld_h);
    }
    gemm_tn(H, 4 * H, packed->n_tok, h_prev, H, state->gates, state->ld_gates, 0, dw_h, 4 * H);
}
