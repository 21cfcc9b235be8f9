// SPDX-License-Identifier: Apache-2.0
/** The mixture-of-experts layer on any [N, d], in groups: y = x + sum over kept choices of weight expert(x).
 *
 *     gate -> plan -> dispatch -> experts -> combine -> + residual;   backward = the same list upwards
 *
 * Knows no task. Source: GShard, arXiv:2006.16668, section 2.2 and algorithm 1; Switch, arXiv:2101.03961, for K = 1.
 */
#ifndef MOE_MOE_MOE_H
#define MOE_MOE_MOE_H

#include "moe/balance.h"
#include "moe/expert.h"
#include "moe/gate.h"
#include "moe/plan.h"
#include "nn/params.h"

typedef struct MoeConfig {
    GateConfig gate;      // d, experts, K, second expert, jitter, seed
    int hidden;           // F, expert hidden width
    Capacity capacity;    // while training; evaluation never drops
    double balance_loss;  // weights of the auxiliary losses
    double z_loss;
} MoeConfig;

/** The layer: its tensors, and the state of a step (from the arena). */
typedef struct Moe {
    MoeConfig config;
    int section;              // of the table of tensors
    int w_g, w1, b1, w2, b2;  // tensor numbers: [d, E], [E, d, F], [E, F], [E, F, d], [E, d]
    Gate gate;
    Plan plan;
    real *row, *hidden, *out;  // [n_rows, d], [n_rows, F], [n_rows, d]
} Moe;

/** Register the tensors as a section of their own, named `name.gate`, `name.expert.w1`, ... */
void moe_init(Moe *moe, Params *params, const char *name, MoeConfig config);

/** Fill the weights: uniform (Glorot) for experts and gate, zero biases. After params_allocate(). */
void moe_reset(const Moe *moe, Params *params, uint64_t seed);

/** y [n_tok, d] from x [n_tok, d] of all groups of this rank; place [n_tok]. training false: no drop, no draw. Local. */
void moe_forward(Moe *moe, real *y, const real *x, const RngPlace *place, TokenGroups groups,
                 const Params *params, bool training, Arena *arena);

/** dx [n_tok, d] from dy [n_tok, d], and the gradients of this rank's groups into their slots. n_batch: tokens of the global
 * batch. The gradient is that of the task's loss (dy) + balance_loss balance + z_loss z. Local. */
void moe_backward(Moe *moe, real *dx, const real *dy, Params *params, long n_batch, Arena *arena);

#endif
