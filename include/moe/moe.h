// SPDX-License-Identifier: Apache-2.0
/** The mixture-of-experts layer on any [N, d], in groups: y = x + sum over kept choices of weight expert(x).
 *
 *     gate -> plan -> dispatch -> experts -> combine -> + residual;   backward = the same list upwards
 *
 * Knows no task. Source: GShard, arXiv:2006.16668, section 2.2 and algorithm 1; Switch, arXiv:2101.03961, for K = 1.
 */
#ifndef MOE_MOE_MOE_H
#define MOE_MOE_MOE_H

#include "comm/exchange.h"
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

/** One group of each rank of the expert-parallel set on its way through the experts; arrays from the arena. */
typedef struct MoeRound {
    int group;          // of this rank, counted from its first; -1: it has none in this round
    size_t home;        // first row of the group among this rank's rows
    const int *sent;    // [E] rows for each expert
    Exchange exchange;  // unused when the set is one rank
    int n_rows;         // rows at the local experts
    int *block_start;   // [size * n_local + 1] first of them of (rank, local expert)
    real *in, *out;     // [n_rows, d]
    real *hidden;       // [n_rows, F]
    real *dout, *din;   // [n_rows, d]
    real *dhidden;      // [n_rows, F]
} MoeRound;

/** The layer: its tensors, and the state of a step (from the arena). */
typedef struct Moe {
    MoeConfig config;
    const Mesh *mesh;             // NULL: all experts are here
    Params *params, *experts;     // tables of the gate and of the experts; may be one
    int section, expert_section;  // of these tables
    int n_local;                  // experts of this rank
    int w_g, w1, b1, w2,
        b2;  // tensor numbers: [d, E]; [n_local, d, F], [n_local, F], [n_local, F, d], [n_local, d]
    Gate gate;
    Plan plan;
    int n_rounds;
    MoeRound *round;  // [n_rounds]
    real *row, *out;  // [plan.n_rows, d] this rank's rows: sent to the experts, and come back
} Moe;

/** Register the tensors, in a section of their own in each table, named `name.gate`, `name.expert.w1`, ... experts holds this
 * rank's block of the experts of the mesh (NULL: all of them). Local. */
void moe_init(Moe *moe, Params *params, Params *experts, const Mesh *mesh, const char *name,
              MoeConfig config);

/** Fill the weights: uniform (Glorot) for experts and gate, zero biases. After params_allocate(). Local. */
void moe_reset(const Moe *moe, uint64_t seed);

/** y [n_tok, d] from x [n_tok, d] of all groups of this rank; place [n_tok]. training false: no drop, no draw.
 * Collective on the expert-parallel set: three exchanges a round; while one group travels another is gated or multiplied. */
void moe_forward(Moe *moe, real *y, const real *x, const RngPlace *place, TokenGroups groups,
                 bool training, Arena *arena);

/** Bytes that the rows of group g of this rank carry between ranks in a step: to the experts and back, forward and backward.
 * After moe_forward(). Local. */
double moe_bytes(const Moe *moe, int g);

/** dx [n_tok, d] from dy [n_tok, d], and the gradients into their slots: the gate's from this rank's groups, the experts' from all
 * groups of the set. n_batch, n_groups: tokens and groups of the global batch. The gradient is that of the task's loss (dy)
 * + balance_loss balance + z_loss z. Collective on the expert-parallel set. */
void moe_backward(Moe *moe, real *dx, const real *dy, long n_batch, int n_groups, Arena *arena);

#endif
