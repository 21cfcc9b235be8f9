// SPDX-License-Identifier: Apache-2.0
#include "moe/plan.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>

#include "base/check.h"

int plan_capacity(Capacity capacity, int n_tok, int n_experts, int top_k)
{
    if (capacity.factor <= 0) {
        return INT_MAX;
    }
    // A factor such as 1.1 is a little more than it says: what is a whole number up to rounding stays one.
    double wanted = ceil(capacity.factor * top_k * n_tok / n_experts * (1 - 1e-12));
    int c = wanted > INT_MAX ? INT_MAX : (int)wanted;
    return c > capacity.minimum ? c : capacity.minimum;
}

void plan_init(Plan *plan, int n_tok, TokenGroups groups, Capacity capacity,
               const GateConfig *config, Arena *arena)
{
    const size_t choices = (size_t)n_tok * (size_t)config->top_k;
    const size_t blocks = (size_t)config->n_experts * (size_t)groups.n_groups;
    *plan = (Plan){.n_experts = config->n_experts,
                   .top_k = config->top_k,
                   .n_tok = n_tok,
                   .second = config->second,
                   .limit = capacity,
                   .groups = groups};
    plan->capacity = ARENA_ARRAY(arena, int, groups.n_groups);
    plan->status = ARENA_ARRAY(arena, uint8_t, choices);
    plan->slot = ARENA_ARRAY(arena, int, choices);
    plan->row = ARENA_ARRAY(arena, int, choices);
    plan->token = ARENA_ARRAY(arena, int, choices);
    plan->count_of = ARENA_ZEROED(arena, int, blocks);
    plan->block_start = ARENA_ZEROED(arena, int, blocks + 1);
}

/** Slots and fates of the choices of one group; row gets the number within the block. used [E]: zero at first. */
static void assign_slots(Plan *plan, const Gate *gate, int group, int *used, int *kept)
{
    const int K = plan->top_k, capacity = plan->capacity[group];
    for (int k = 0; k < K; k++) {
        for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
            const size_t i = (size_t)t * (size_t)K + (size_t)k;
            const int e = gate->expert[i];
            const bool skipped = !gate->wanted[i];
            plan->slot[i] = skipped && plan->second == SECOND_CONSERVE ? -1 : used[e]++;
            plan->status[i] = (uint8_t)(skipped                     ? CHOICE_SKIPPED
                                        : plan->slot[i] >= capacity ? CHOICE_DROPPED
                                                                    : CHOICE_KEPT);
            plan->row[i] = plan->status[i] == CHOICE_KEPT ? kept[e]++ : -1;
            plan->count[plan->status[i]]++;
        }
    }
}

void plan_group(Plan *plan, const Gate *gate, int group, Arena *arena)
{
    const int E = plan->n_experts, K = plan->top_k;
    const int first = plan->groups.start[group], last = plan->groups.start[group + 1];
    int *start = plan->block_start + (size_t)group * (size_t)E,
        *kept = plan->count_of + (size_t)group * (size_t)E;
    plan->capacity[group] = plan_capacity(plan->limit, last - first, E, K);
    assign_slots(plan, gate, group, ARENA_ZEROED(arena, int, E), kept);
    for (int e = 0; e < E; e++) {
        CHECK(kept[e] <= plan->capacity[group], "expert %d has %d rows of group %d, capacity %d", e,
              kept[e], group, plan->capacity[group]);
        start[e + 1] = start[e] + kept[e];
    }
    for (int t = first; t < last; t++) {
        for (int k = 0; k < K; k++) {
            const size_t i = (size_t)t * (size_t)K + (size_t)k;
            if (plan->row[i] >= 0) {
                plan->row[i] += start[gate->expert[i]];
                plan->token[plan->row[i]] = t;
            }
        }
    }
    plan->n_rows = start[E];
    const long planned =
        plan->count[CHOICE_KEPT] + plan->count[CHOICE_DROPPED] + plan->count[CHOICE_SKIPPED];
    CHECK(planned == (long)last * K && plan->count[CHOICE_KEPT] == plan->n_rows,
          "routing lost a choice: kept %ld, dropped %ld, skipped %ld of %ld",
          plan->count[CHOICE_KEPT], plan->count[CHOICE_DROPPED], plan->count[CHOICE_SKIPPED],
          (long)last * K);
}

void plan_build(Plan *plan, const Gate *gate, TokenGroups groups, Capacity capacity,
                const GateConfig *config, Arena *arena)
{
    plan_init(plan, gate->n, groups, capacity, config, arena);
    for (int g = 0; g < groups.n_groups; g++) {
        plan_group(plan, gate, g, arena);
    }
}
