// SPDX-License-Identifier: Apache-2.0
/** A mixture of one expert without drops is the dense block, bit for bit; in float and in double. */
#ifndef MOE_TESTS_DENSE_CHECK_H
#define MOE_TESTS_DENSE_CHECK_H

#include "test_util.h"

enum { DENSE_MAX_TOK = 40, DENSE_MAX_D = 24, DENSE_MAX_F = 40, DENSE_MAX_G = 4 };

/** Gradients of one group of the dense block, in the order of the table. */
typedef struct DenseGrads {
    real w1[DENSE_MAX_D * DENSE_MAX_F], b1[DENSE_MAX_F], w2[DENSE_MAX_D * DENSE_MAX_F],
        b2[DENSE_MAX_D];
} DenseGrads;

/** Is x [n] the tree sum of part g of each group, bit for bit? part: offset in DenseGrads. */
static inline bool dense_same_sum(const real *x, const DenseGrads *grads, const real *part,
                                  size_t n, int G)
{
    const size_t offset = (size_t)(part - (const real *)grads);
    for (size_t i = 0; i < n; i++) {
        real term[DENSE_MAX_G];
        for (int g = 0; g < G; g++) {
            term[g] = ((const real *)&grads[g])[offset + i];
        }
        const real sum = tree_sum(term, G, 0, power_of_two(G));
        if (memcmp(&sum, &x[i], sizeof sum) != 0) {
            return false;
        }
    }
    return true;
}

/** One random layer and batch; true when output and expert gradients have the same bits, and the input gradient too where the
 * balance loss, whose gradient for one expert is 0 but for rounding, does not take part. */
static inline bool dense_is_mixture_of_one(uint32_t seed)
{
    static DenseGrads grads[DENSE_MAX_G];
    static real x[DENSE_MAX_TOK * DENSE_MAX_D], dy[DENSE_MAX_TOK * DENSE_MAX_D];
    static real y[2][DENSE_MAX_TOK * DENSE_MAX_D], dx[2][DENSE_MAX_TOK * DENSE_MAX_D];
    static real hidden[DENSE_MAX_TOK * DENSE_MAX_F];
    Draws draws = draws_init(seed);
    Arena arena = {0};
    Moe moe;
    Params params;
    RngPlace place[DENSE_MAX_TOK];
    int start[DENSE_MAX_G + 1];
    const int n = draw_between(&draws, 1, DENSE_MAX_TOK), d = draw_between(&draws, 1, DENSE_MAX_D);
    const int F = draw_between(&draws, 1, DENSE_MAX_F), G = draw_between(&draws, 1, DENSE_MAX_G);
    const size_t cells = (size_t)(n * d);
    const MoeConfig config = {.gate = {d, 1, 1, SECOND_PAPER, 0, seed},
                              .hidden = F,
                              .capacity = {draw_below(&draws, 2) ? 1.25 : 0, 0},
                              .balance_loss = draw_below(&draws, 2) * 0.01};
    moe_make(&moe, &params, config, 0, G, seed);
    draw_groups(&draws, start, G, n);
    draw_array(&draws, x, cells);
    draw_array(&draws, dy, cells);
    fill_places(place, n, seed);
    moe_forward(&moe, y[0], x, place, (TokenGroups){G, start, 0}, true, &arena);
    moe_backward(&moe, dx[0], dy, n, G, &arena);
    merge_slots(&params);

    const ExpertWeights weights = {params_value(&params, moe.w1), params_value(&params, moe.b1),
                                   params_value(&params, moe.w2), params_value(&params, moe.b2)};
    for (int g = 0; g < G; g++) {
        const int at = start[g] * d, rows = start[g + 1] - start[g];
        expert_forward(y[1] + at, hidden, x + at, weights, rows, d, F);
        expert_backward(dx[1] + at,
                        (ExpertGrads){grads[g].w1, grads[g].b1, grads[g].w2, grads[g].b2}, dy + at,
                        x + at, hidden, weights, rows, d, F, &arena);
    }
    for (size_t i = 0; i < cells; i++) {
        y[1][i] += x[i];
        dx[1][i] += dy[i];
    }
    bool same = memcmp(y[0], y[1], cells * sizeof(real)) == 0;
    same &= config.balance_loss > 0 || memcmp(dx[0], dx[1], cells * sizeof(real)) == 0;
    same &= dense_same_sum(params_grad(&params, moe.w1), grads, grads->w1, (size_t)(d * F), G);
    same &= dense_same_sum(params_grad(&params, moe.b1), grads, grads->b1, (size_t)F, G);
    same &= dense_same_sum(params_grad(&params, moe.w2), grads, grads->w2, (size_t)(d * F), G);
    same &= dense_same_sum(params_grad(&params, moe.b2), grads, grads->b2, (size_t)d, G);
    params_free(&params);
    arena_free(&arena);
    return same;
}

#endif
