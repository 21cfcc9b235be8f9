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

/** Slots and fates of one group. used [E]: slots taken so far, kept [E]: rows kept; both zero at first. */
static void assign_group(Plan *plan, const Gate *gate, int group, SecondExpert second, int *used,
                         int *kept)
{
    const int K = plan->top_k, capacity = plan->capacity[group];
    for (int k = 0; k < K; k++) {
        for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
            const size_t i = (size_t)t * (size_t)K + (size_t)k;
            const int e = gate->expert[i];
            const bool skipped = !gate->wanted[i];
            plan->slot[i] = skipped && second == SECOND_CONSERVE ? -1 : used[e]++;
            plan->status[i] = (uint8_t)(skipped                     ? CHOICE_SKIPPED
                                        : plan->slot[i] >= capacity ? CHOICE_DROPPED
                                                                    : CHOICE_KEPT);
            plan->row[i] = plan->status[i] == CHOICE_KEPT ? kept[e]++ : -1;
            plan->count[plan->status[i]]++;
        }
    }
}

void plan_build(Plan *plan, const Gate *gate, TokenGroups groups, Capacity capacity,
                const GateConfig *config, Arena *arena)
{
    const int E = config->n_experts, K = config->top_k, G = groups.n_groups;
    const size_t choices = (size_t)gate->n * (size_t)K, blocks = (size_t)E * (size_t)G;
    *plan = (Plan){.n_experts = E, .top_k = K, .n_tok = gate->n, .groups = groups};
    plan->capacity = ARENA_ARRAY(arena, int, G);
    plan->status = ARENA_ARRAY(arena, uint8_t, choices);
    plan->slot = ARENA_ARRAY(arena, int, choices);
    plan->row = ARENA_ARRAY(arena, int, choices);
    plan->block_start = ARENA_ZEROED(arena, int, blocks + 1);
    int *kept = ARENA_ZEROED(arena, int, blocks), *used = ARENA_ARRAY(arena, int, E);
    for (int g = 0; g < G; g++) {
        for (int e = 0; e < E; e++) {
            used[e] = 0;
        }
        plan->capacity[g] = plan_capacity(capacity, groups.start[g + 1] - groups.start[g], E, K);
        assign_group(plan, gate, g, config->second, used, kept + (size_t)g * (size_t)E);
    }
    for (int e = 0; e < E; e++) {
        for (int g = 0; g < G; g++) {
            const int rows = kept[(size_t)g * (size_t)E + (size_t)e];
            CHECK(rows <= plan->capacity[g], "expert %d has %d rows of group %d, capacity %d", e,
                  rows, g, plan->capacity[g]);
            plan->block_start[e * G + g + 1] = plan->block_start[e * G + g] + rows;
        }
    }
    plan->n_rows = plan->block_start[blocks];
    plan->token = ARENA_ARRAY(arena, int, plan->n_rows);
    for (int g = 0; g < G; g++) {
        for (int t = groups.start[g]; t < groups.start[g + 1]; t++) {
            for (int k = 0; k < K; k++) {
                const size_t i = (size_t)t * (size_t)K + (size_t)k;
                if (plan->row[i] >= 0) {
                    plan->row[i] += plan->block_start[gate->expert[i] * G + g];
                    plan->token[plan->row[i]] = t;
                }
            }
        }
    }
    long total =
        plan->count[CHOICE_KEPT] + plan->count[CHOICE_DROPPED] + plan->count[CHOICE_SKIPPED];
    CHECK(total == (long)choices && plan->count[CHOICE_KEPT] == plan->n_rows,
          "routing lost a choice: kept %ld, dropped %ld, skipped %ld of %zu",
          plan->count[CHOICE_KEPT], plan->count[CHOICE_DROPPED], plan->count[CHOICE_SKIPPED],
          choices);
}
