// SPDX-License-Identifier: Apache-2.0
/** The routing plan: an object, built once per step, used by dispatch, combine and both backwards. Local.
 *
 * GShard (arXiv:2006.16668), algorithm 1, per group: all first choices in token order take slots 0, 1, 2, ... of their expert,
 * then all second choices in token order; a slot number at or past the capacity is a drop.  Token order is the packed
 * order: by position in the sentence, then by sentence.
 *
 *     rows of the kept choices   group 0                          group 1
 *                                expert 0 | expert 1 | expert 2   expert 0 | ...        within a block by slot
 *     block_start                0          3          5          9
 *
 * The rows of a group are in the order of their experts, and so of the ranks that own these: they are sent as they stand.
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

/** Tokens of this rank by group: group g has tokens start[g] .. start[g + 1) - 1. Experts are reached in rounds, one group of every
 * rank in each, so that all ranks of a set must go through equally many: a rank may have fewer groups. */
typedef struct TokenGroups {
    int n_groups;
    const int *start;  // [n_groups + 1]
    int n_rounds;      // largest n_groups of all ranks of the expert-parallel set; 0: n_groups
} TokenGroups;

typedef struct Capacity {
    double factor;  // C = ceil(factor K N / E); 0: no limit
    int minimum;    // C is at least this
} Capacity;

typedef struct Plan {
    int n_experts, top_k, n_tok, n_rows;
    SecondExpert second;
    Capacity limit;
    TokenGroups groups;
    int *capacity;                // [n_groups]
    uint8_t *status;              // [n_tok, K] ChoiceStatus
    int *slot;                    // [n_tok, K] slot in (expert, group), or -1 when it took none
    int *row;                     // [n_tok, K] row of a kept choice, or -1
    int *block_start;             // [n_groups * n_experts + 1] first row of (group, expert)
    int *count_of;                // [n_groups, n_experts] rows of (group, expert)
    int *token;                   // [n_rows, room for n_tok K] whose row it is
    long count[CHOICE_STATUSES];  // choices by status
} Plan;

/** Capacity of a group of n tokens. */
int plan_capacity(Capacity capacity, int n_tok, int n_experts, int top_k);

/** Start a plan of n tokens in groups; nothing is planned yet. */
void plan_init(Plan *plan, int n_tok, TokenGroups groups, Capacity capacity,
               const GateConfig *config, Arena *arena);

/** Plan the next group, groups in order, from the gate's choices. Checked: kept + dropped + skipped = K tokens, no block larger
 * than the capacity. */
void plan_group(Plan *plan, const Gate *gate, int group, Arena *arena);

/** All groups at once. */
void plan_build(Plan *plan, const Gate *gate, TokenGroups groups, Capacity capacity,
                const GateConfig *config, Arena *arena);

#endif
