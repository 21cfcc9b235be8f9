// SPDX-License-Identifier: Apache-2.0
/** Auxiliary losses, and the figures of a step: load, drops, entropy, importance. Local.
 *
 *     balance = E sum_e f_e m_e      f_e: share of the group's tokens whose first choice is e, before any drop; m_e: mean p_e.
 *                                    GShard's l_aux (algorithm 1) times E^2, so that perfect balance gives 1
 *     z       = mean_t log_sum_exp(z_t)^2      (ST-MoE, arXiv:2202.08906)
 *
 * Both are means over a group; a group counts in the batch by its share of the tokens, N_g / N, so that they are means
 * over the batch's tokens. f_e has no gradient.
 */
#ifndef MOE_MOE_BALANCE_H
#define MOE_MOE_BALANCE_H

#include "base/real.h"
#include "moe/plan.h"

/** Figures of one group of one step, or sums of them. All counts as doubles, exact. */
enum {
    STAT_TOKENS,
    STAT_BALANCE,  // N_g balance: divide by the tokens
    STAT_Z,        // N_g z
    STAT_ENTROPY,  // sum over tokens of -sum p log p
    STAT_KEPT,
    STAT_DROPPED,
    STAT_SKIPPED,
    STAT_LOAD,  // then blocks of E values: see StatBlock
    STAT_MAX_EXPERTS = 1024
};

/** Figures of each expert: block b begins at STAT_LOAD + b E. */
typedef enum StatBlock {
    STAT_OF_KEPT,     // rows
    STAT_OF_DROPPED,  // choices
    STAT_OF_SKIPPED,
    STAT_OF_IMPORTANCE,  // sum over tokens of p_e
    STAT_OF_WEIGHT,      // sum of the gate weights of the choices that fell on it
    STAT_OF_CHOICE  // then K blocks: first, second, ... choices that fell on it, before any drop
} StatBlock;

#define STAT_WIDTH(n_experts, top_k) (STAT_LOAD + (STAT_OF_CHOICE + (top_k)) * (n_experts))

/** dprob [E] = gradient of scale * balance with respect to each token's prob: E f_e / N_g scale; first choices of group g. */
void balance_backward(real *dprob, const Gate *gate, const Plan *plan, int group, double scale);

/** stats [STAT_WIDTH(E, K)] += the figures of group g. */
void balance_stats(double *stats, const Gate *gate, const Plan *plan, int group);

#endif
