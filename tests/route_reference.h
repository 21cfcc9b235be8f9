// SPDX-License-Identifier: Apache-2.0
/** Routing, choice by choice, as algorithm 1 of GShard (arXiv:2006.16668) reads. Slow, and on purpose unlike src/moe. */
#ifndef MOE_TESTS_ROUTE_REFERENCE_H
#define MOE_TESTS_ROUTE_REFERENCE_H

#include "moe/plan.h"

enum { ROUTE_MAX_EXPERTS = 16 };

typedef struct Choice {
    int expert;
    double weight;
    ChoiceStatus status;
    int slot;
} Choice;

/** All experts of one token by falling logit, equal ones by number: the first K of them are its choices. */
static inline void route_order(int *order, const double *logit, int E)
{
    for (int e = 0; e < E; e++) {
        int at = e;
        for (; at > 0 && logit[order[at - 1]] < logit[e]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = e;
    }
}

/** Status and slot of the choices [n, K] of one group, their expert and weight being known. rnd [n, K]: the coins, NULL: none. */
static inline void route_assign(Choice *choice, const double *rnd, int n, int K, int capacity,
                                SecondExpert second)
{
    int taken[ROUTE_MAX_EXPERTS] = {0};
    for (int s = 0; s < n; s++) {
        Choice *first = &choice[s * K];
        first->slot = taken[first->expert]++;
        first->status = first->slot < capacity ? CHOICE_KEPT : CHOICE_DROPPED;
    }
    for (int k = 1; k < K; k++) {
        for (int s = 0; s < n; s++) {
            Choice *next = &choice[s * K + k];
            if (rnd != NULL && second != SECOND_ALL && !(K * next->weight > rnd[s * K + k])) {
                next->status = CHOICE_SKIPPED;
                next->slot = second == SECOND_PAPER ? taken[next->expert]++ : -1;
            } else {
                next->slot = taken[next->expert]++;
                next->status = next->slot < capacity ? CHOICE_KEPT : CHOICE_DROPPED;
            }
        }
    }
}

#endif
