// SPDX-License-Identifier: Apache-2.0
#include "moe/moe.h"

#include <math.h>
#include <stdio.h>

#include "math/vec.h"
#include "moe/combine.h"
#include "moe/dispatch.h"

static int add_tensor(Params *params, const char *layer, const char *part, ParamKind kind,
                      bool decay, int n_dims, const int *shape)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return params_add(params, name, kind, decay, n_dims, shape);
}

void moe_init(Moe *moe, Params *params, const char *name, MoeConfig config)
{
    const int d = config.gate.d, E = config.gate.n_experts, F = config.hidden;
    *moe = (Moe){.config = config, .section = params_section(params)};
    moe->w_g = add_tensor(params, name, "gate", PARAM_DENSE, true, 2, (int[]){d, E});
    moe->w1 = add_tensor(params, name, "expert.w1", PARAM_EXPERT, true, 3, (int[]){E, d, F});
    moe->b1 = add_tensor(params, name, "expert.b1", PARAM_EXPERT, false, 2, (int[]){E, F});
    moe->w2 = add_tensor(params, name, "expert.w2", PARAM_EXPERT, true, 3, (int[]){E, F, d});
    moe->b2 = add_tensor(params, name, "expert.b2", PARAM_EXPERT, false, 2, (int[]){E, d});
}

void moe_reset(const Moe *moe, Params *params, uint64_t seed)
{
    const int d = moe->config.gate.d, E = moe->config.gate.n_experts, F = moe->config.hidden;
    params_fill_uniform(params, moe->w_g, seed, sqrt(6.0 / (d + E)));
    params_fill_uniform(params, moe->w1, seed, sqrt(6.0 / (d + F)));
    params_fill_uniform(params, moe->w2, seed, sqrt(6.0 / (d + F)));
}

static ExpertWeights weights_of(const Moe *moe, const Params *params, int e)
{
    const size_t d = (size_t)moe->config.gate.d, F = (size_t)moe->config.hidden, i = (size_t)e;
    return (ExpertWeights){
        params_value(params, moe->w1) + i * d * F, params_value(params, moe->b1) + i * F,
        params_value(params, moe->w2) + i * d * F, params_value(params, moe->b2) + i * d};
}

static ExpertGrads grads_of(const Moe *moe, const Params *params, int e)
{
    const size_t d = (size_t)moe->config.gate.d, F = (size_t)moe->config.hidden, i = (size_t)e;
    return (ExpertGrads){
        params_grad(params, moe->w1) + i * d * F, params_grad(params, moe->b1) + i * F,
        params_grad(params, moe->w2) + i * d * F, params_grad(params, moe->b2) + i * d};
}

/** Rows of (expert, group). */
static int block_rows(const Plan *plan, int e, int g, size_t *first)
{
    const int block = e * plan->groups.n_groups + g;
    *first = (size_t)plan->block_start[block];
    return plan->block_start[block + 1] - plan->block_start[block];
}

void moe_forward(Moe *moe, real *y, const real *x, const RngPlace *place, TokenGroups groups,
                 const Params *params, bool training, Arena *arena)
{
    const int d = moe->config.gate.d, F = moe->config.hidden, n_tok = groups.start[groups.n_groups];
    const Capacity no_limit = {0, 0};
    gate_init(&moe->gate, x, n_tok, &moe->config.gate, arena);
    for (int g = 0; g < groups.n_groups; g++) {
        gate_forward(&moe->gate, params_value(params, moe->w_g), groups.start[g],
                     groups.start[g + 1], place, training, &moe->config.gate, arena);
    }
    plan_build(&moe->plan, &moe->gate, groups, training ? moe->config.capacity : no_limit,
               &moe->config.gate, arena);
    const size_t rows = (size_t)moe->plan.n_rows;
    moe->row = ARENA_ARRAY(arena, real, rows * (size_t)d);
    moe->hidden = ARENA_ARRAY(arena, real, rows * (size_t)F);
    moe->out = ARENA_ARRAY(arena, real, rows * (size_t)d);
    dispatch_forward(moe->row, x, &moe->plan, d);
    for (int e = 0; e < moe->config.gate.n_experts; e++) {
        for (int g = 0; g < groups.n_groups; g++) {
            size_t first;
            int n = block_rows(&moe->plan, e, g, &first);
            expert_forward(moe->out + first * (size_t)d, moe->hidden + first * (size_t)F,
                           moe->row + first * (size_t)d, weights_of(moe, params, e), n, d, F);
        }
    }
    vec_copy(y, x, (size_t)n_tok * (size_t)d);
    combine_forward(y, moe->out, moe->gate.weight, &moe->plan, d);
}

/** Gradients of the experts and the gate from one group; drow gets the gradient of its rows. */
static void experts_backward(Moe *moe, real *drow, const real *dout, int group, Params *params,
                             Arena *arena)
{
    const int d = moe->config.gate.d, F = moe->config.hidden;
    for (int e = 0; e < moe->config.gate.n_experts; e++) {
        size_t first;
        int n = block_rows(&moe->plan, e, group, &first);
        expert_backward(drow + first * (size_t)d, grads_of(moe, params, e),
                        dout + first * (size_t)d, moe->row + first * (size_t)d,
                        moe->hidden + first * (size_t)F, weights_of(moe, params, e), n, d, F,
                        arena);
    }
}

void moe_backward(Moe *moe, real *dx, const real *dy, Params *params, long n_batch, Arena *arena)
{
    const Plan *plan = &moe->plan;
    const int d = moe->config.gate.d;
    const size_t rows = (size_t)plan->n_rows * (size_t)d;
    real *dout = ARENA_ARRAY(arena, real, rows), *drow = ARENA_ARRAY(arena, real, rows);
    real *dweight = ARENA_ARRAY(arena, real, (size_t)plan->n_tok * (size_t)plan->top_k);
    real *dprob = ARENA_ARRAY(arena, real, plan->n_experts);
    combine_backward(dout, dweight, dy, moe->out, moe->gate.weight, plan, d);
    vec_copy(dx, dy, (size_t)plan->n_tok * (size_t)d);
    for (int g = 0; g < plan->groups.n_groups; g++) {
        const double share =
            (double)(plan->groups.start[g + 1] - plan->groups.start[g]) / (double)n_batch;
        params_group_begin(params, params->first_group + g);
        experts_backward(moe, drow, dout, g, params, arena);
        balance_backward(dprob, &moe->gate, plan, g, moe->config.balance_loss * share);
        gate_backward(dx, params_grad(params, moe->w_g), &moe->gate, params_value(params, moe->w_g),
                      dweight, dprob, (real)(moe->config.z_loss / (double)n_batch),
                      plan->groups.start[g], plan->groups.start[g + 1], &moe->config.gate, arena);
        params_group_end(params, moe->section, params->first_group + g);
    }
    dispatch_backward(dx, drow, plan, d);
}
