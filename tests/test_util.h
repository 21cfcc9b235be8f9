// SPDX-License-Identifier: Apache-2.0
/** What several tests share: random draws, sentences, groups, a filled mixture layer, slots added up. */
#ifndef MOE_TESTS_TEST_UTIL_H
#define MOE_TESTS_TEST_UTIL_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/tree.h"
#include "moe/moe.h"

/** A stream of random numbers; draws of different seeds are independent. */
typedef struct Draws {
    Rng rng;
    RngPlace place;
} Draws;

static inline Draws draws_init(uint32_t seed)
{
    return (Draws){rng_init(20261, RNG_TEST), {seed, 0, 0}};
}

/** Uniform on 0 .. n-1. */
static inline int draw_below(Draws *draws, int n)
{
    return (int)rng_below(&draws->rng, draws->place, draws->place.position++, (uint32_t)n);
}

/** Uniform on first .. last. */
static inline int draw_between(Draws *draws, int first, int last)
{
    return first + draw_below(draws, last - first + 1);
}

/** Uniform on [-1, 1). */
static inline real draw_real(Draws *draws)
{
    return (real)(2 * rng_uniform(&draws->rng, draws->place, draws->place.position++) - 1);
}

static inline void draw_array(Draws *draws, real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = draw_real(draws);
    }
}

/** n tokens in n_groups runs of random length, some of them empty: start [n_groups + 1]. */
static inline void draw_groups(Draws *draws, int *start, int n_groups, int n)
{
    start[0] = 0;
    for (int g = 0; g < n_groups; g++) {
        const int left = n - start[g];
        const int size = g + 1 == n_groups           ? left
                         : draw_below(draws, 4) == 0 ? 0
                                                     : draw_between(draws, 0, left);
        start[g + 1] = start[g] + size;
    }
}

/** Places of n tokens, three to a sentence. */
static inline void fill_places(RngPlace *place, int n, uint32_t step)
{
    for (int t = 0; t < n; t++) {
        place[t] = (RngPlace){step, (uint32_t)t / 3, (uint32_t)t % 3};
    }
}

/** A layer with random weights, biases too, for groups first .. last-1; made anew, freed with params_free(). */
static inline void moe_make(Moe *moe, Params *params, MoeConfig config, int first, int last,
                            uint32_t seed)
{
    Draws draws = draws_init(seed);
    memset(params, 0, sizeof *params);
    moe_init(moe, params, params, NULL, "moe", config);
    params_allocate(params, first, last);
    moe_reset(moe, seed);
    draw_array(&draws, params_value(params, moe->b1), params->param[moe->b1].size);
    draw_array(&draws, params_value(params, moe->b2), params->param[moe->b2].size);
}

/** The sum over the groups of one rank in slot 0: what is left on the stack, right end first. */
static inline void merge_slots(Params *params)
{
    TreeNode node[TREE_MAX_NODES];
    const size_t n = params_grad_size(params);
    for (int i = tree_nodes(params->first_group, params->last_group, node) - 1; i > 0; i--) {
        for (size_t j = 0; j < n; j++) {
            params->slot[i - 1][j] += params->slot[i][j];
        }
    }
}

/** The same sum as the tree over all numbers 0, 1, 2, ... defines it: a block is its lower half + its upper half.
 * x [n_groups] values of the groups; groups start .. start + size - 1 with size a power of two. */
static inline real tree_sum(const real *x, int n_groups, int start, int size)
{
    if (size == 1) {
        return x[start];
    }
    const int half = size / 2;
    const real lower = tree_sum(x, n_groups, start, half);
    return start + half >= n_groups ? lower : lower + tree_sum(x, n_groups, start + half, half);
}

/** Smallest power of two that is no less than n. */
static inline int power_of_two(int n)
{
    int size = 1;
    while (size < n) {
        size *= 2;
    }
    return size;
}

#endif
