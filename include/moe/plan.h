// SPDX-License-Identifier: Apache-2.0
/** The routing plan: an object, built once per step, used by dispatch, combine and both backwards. Local.
 *
 * GShard (arXiv:2006.16668), algorithm 1, per group: all first choices in token order take slots 0, 1, 2, ... of their expert, then
 * all second choices in token order; a slot number at or past the capacity is a drop.  Token order is the packed order: by
 * position in the sentence, then by sentence.
 *
 *     rows of the experts      expert 0             expert 1
 *                              group 0 | group 1    group 0 | group 1 ...     within a block by slot
 *     block_start              0         3          5         9
 */
#ifndef MOE_MOE_PLAN_H
#define MOE_MOE_PLAN_H

#include <stdint.h>

#include "base/arena.h"
#include "moe/gate.h"

typedef enum ChoiceStatus {
    CHOICE_KEPT,
    CHOICE_DROPPED,
    CHOICE_SKIPPED,
    CHOICE_STATUSES
} ChoiceStatus;

/** Tokens of this rank by group: group g has tokens start[g] .. start[g + 1) - 1. */
typedef struct TokenGroups {
    int n_groups;
    const int *start;  // [n_groups + 1]
} TokenGroups;

typedef struct Capacity {
    double factor;  // C = ceil(factor K N / E); 0: no limit
    int minimum;    // C is at least this
} Capacity;

typedef struct Plan {
    int n_experts, top_k, n_tok, n_rows;
    TokenGroups groups;
    int *capacity;    // [n_groups]
    uint8_t *status;  // [n_tok, K] ChoiceStatus
    int *slot;        // [n_tok, K] slot in (expert, group), or -1 when it took none
    int *row;         // [n_tok, K] row of a kept choice, or -1
    int *
        block_start;  // [n_experts * n_groups + 1] first row of (expert, group): number expert * n_groups + group
    int *token;                   // [n_rows] whose row it is
    long count[CHOICE_STATUSES];  // choices by status
} Plan;

/** Capacity of a group of n tokens. */
int plan_capacity(Capacity capacity, int n_tok, int n_experts, int top_k);

/** Everything from the gate's choices. Checked: kept + dropped + skipped = K n_tok, blocks no larger than the capacity. */
void plan_build(Plan *plan, const Gate *gate, TokenGroups groups, Capacity capacity,
                const GateConfig *config, Arena *arena);

#endif
