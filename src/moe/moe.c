// SPDX-License-Identifier: Apache-2.0
#include "moe/moe.h"

#include <math.h>
#include <stdio.h>

#include "base/profile.h"
#include "math/vec.h"
#include "moe/combine.h"
#include "moe/dispatch.h"

/* ---- tensors ---- */

static int add_tensor(Params *params, const char *layer, const char *part, ParamKind kind,
                      bool decay, int n_dims, const int *shape)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return params_add(params, name, kind, decay, n_dims, shape);
}

void moe_init(Moe *moe, Params *params, Params *experts, const Mesh *mesh, const char *name,
              MoeConfig config)
{
    const int d = config.gate.d, E = config.gate.n_experts, F = config.hidden;
    int first = 0, last = E;
    if (mesh != NULL) {
        mesh_experts(E, mesh->experts.size, mesh->experts.rank, &first, &last);
    }
    const int n = last - first;
    *moe =
        (Moe){.config = config, .mesh = mesh, .params = params, .experts = experts, .n_local = n};
    moe->section = params_section(params);
    moe->w_g = add_tensor(params, name, "gate", PARAM_DENSE, true, 2, (int[]){d, E});
    moe->expert_section = params_section(experts);
    params_set_experts(experts, first, E);
    moe->w1 = add_tensor(experts, name, "expert.w1", PARAM_EXPERT, true, 3, (int[]){n, d, F});
    moe->b1 = add_tensor(experts, name, "expert.b1", PARAM_EXPERT, false, 2, (int[]){n, F});
    moe->w2 = add_tensor(experts, name, "expert.w2", PARAM_EXPERT, true, 3, (int[]){n, F, d});
    moe->b2 = add_tensor(experts, name, "expert.b2", PARAM_EXPERT, false, 2, (int[]){n, d});
}

void moe_reset(const Moe *moe, uint64_t seed)
{
    const int d = moe->config.gate.d, E = moe->config.gate.n_experts, F = moe->config.hidden;
    params_fill_uniform(moe->params, moe->w_g, seed, sqrt(6.0 / (d + E)));
    params_fill_uniform(moe->experts, moe->w1, seed, sqrt(6.0 / (d + F)));
    params_fill_uniform(moe->experts, moe->w2, seed, sqrt(6.0 / (d + F)));
}

/** Weights and gradients of local expert e. */
static ExpertWeights weights_of(const Moe *moe, int e)
{
    const size_t d = (size_t)moe->config.gate.d, F = (size_t)moe->config.hidden, i = (size_t)e;
    const Params *p = moe->experts;
    return (ExpertWeights){params_value(p, moe->w1) + i * d * F, params_value(p, moe->b1) + i * F,
                           params_value(p, moe->w2) + i * d * F, params_value(p, moe->b2) + i * d};
}

static ExpertGrads grads_of(const Moe *moe, int e)
{
    const size_t d = (size_t)moe->config.gate.d, F = (size_t)moe->config.hidden, i = (size_t)e;
    const Params *p = moe->experts;
    return (ExpertGrads){params_grad(p, moe->w1) + i * d * F, params_grad(p, moe->b1) + i * F,
                         params_grad(p, moe->w2) + i * d * F, params_grad(p, moe->b2) + i * d};
}

/* ---- forward: each function does one stage of one round ---- */

static int set_size(const Moe *moe)
{
    return moe->mesh == NULL ? 1 : moe->mesh->experts.size;
}

/** Between products: let rows that travel move on. */
static void poke(const Moe *moe)
{
    if (set_size(moe) > 1) {
        comm_poke();
    }
}

/** Gate and plan of this rank's group; its counts set out. */
static void round_gate(Moe *moe, int i, const RngPlace *place, bool training, Arena *arena)
{
    MoeRound *round = &moe->round[i];
    const int E = moe->config.gate.n_experts;
    const TokenGroups groups = moe->plan.groups;
    round->group = i < groups.n_groups ? i : -1;
    round->home = (size_t)moe->plan.n_rows;
    profile_enter(PHASE_GATE);
    if (round->group >= 0) {
        gate_forward(&moe->gate, params_value(moe->params, moe->w_g), groups.start[i],
                     groups.start[i + 1], place, training, &moe->config.gate, arena);
        profile_enter(PHASE_PLAN);
        plan_group(&moe->plan, &moe->gate, i, arena);
        round->sent = moe->plan.count_of + (size_t)i * (size_t)E;
    } else {
        round->sent = ARENA_ZEROED(arena, int, E);
    }
    if (set_size(moe) > 1) {
        exchange_counts(&round->exchange, &moe->mesh->experts, E, round->sent, moe->config.gate.d,
                        arena);
    }
}

/** Rows of this rank's group set out for their experts. */
static void round_dispatch(Moe *moe, int i, const real *x, Arena *arena)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_DISPATCH);
    const int size = set_size(moe), blocks = size * moe->n_local, d = moe->config.gate.d;
    const int *received = round->sent;
    if (round->group >= 0) {
        dispatch_forward(moe->row, x, &moe->plan, round->group, d);
    }
    if (size > 1) {
        exchange_wait_counts(&round->exchange);
        received = round->exchange.received;
    }
    round->block_start = ARENA_ZEROED(arena, int, blocks + 1);
    for (int b = 0; b < blocks; b++) {
        round->block_start[b + 1] = round->block_start[b] + received[b];
    }
    round->n_rows = round->block_start[blocks];
    round->hidden = ARENA_ARRAY(arena, real, (size_t)round->n_rows * (size_t)moe->config.hidden);
    real *home_in = moe->row + round->home * (size_t)d,
         *home_out = moe->out + round->home * (size_t)d;
    if (size > 1) {
        round->in = ARENA_ARRAY(arena, real, (size_t)round->n_rows * (size_t)d);
        round->out = ARENA_ARRAY(arena, real, (size_t)round->n_rows * (size_t)d);
        exchange_out(&round->exchange, home_in, round->in, d);
    } else {
        round->in = home_in;
        round->out = home_out;
    }
}

/** Rows and first row of (rank r of the set, local expert e) in a round. */
static int block_rows(const Moe *moe, const MoeRound *round, int r, int e, size_t *first)
{
    const int block = r * moe->n_local + e;
    *first = (size_t)round->block_start[block];
    return round->block_start[block + 1] - round->block_start[block];
}

/** The local experts on what has come; results set out for home. One product per (expert, group) block: its shape is the same
 * on any number of ranks. */
static void round_experts(Moe *moe, int i)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_EXPERTS);
    const int d = moe->config.gate.d, F = moe->config.hidden;
    if (set_size(moe) > 1) {
        exchange_wait(&round->exchange);
    }
    for (int r = 0; r < set_size(moe); r++) {
        for (int e = 0; e < moe->n_local; e++) {
            size_t first;
            const int n = block_rows(moe, round, r, e, &first);
            expert_forward(round->out + first * (size_t)d, round->hidden + first * (size_t)F,
                           round->in + first * (size_t)d, weights_of(moe, e), n, d, F);
            poke(moe);
        }
    }
    if (set_size(moe) > 1) {
        exchange_back(&round->exchange, round->out, moe->out + round->home * (size_t)d, d);
    }
}

/** Weighted sum of what has come home. */
static void round_combine(Moe *moe, int i, real *y)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_DISPATCH);
    if (set_size(moe) > 1) {
        exchange_wait(&round->exchange);
    }
    if (round->group >= 0) {
        combine_forward(y, moe->out, moe->gate.weight, &moe->plan, round->group,
                        moe->config.gate.d);
    }
}

/** Rows sent = rows received, over the whole set. */
static void check_rows(const Moe *moe)
{
    long sent = 0, received = 0;
    if (set_size(moe) > 1) {
        for (int i = 0; i < moe->n_rounds; i++) {
            sent += moe->round[i].exchange.n_send;
            received += moe->round[i].exchange.n_receive;
        }
        exchange_check(&moe->mesh->experts, sent, received);
    }
}

void moe_forward(Moe *moe, real *y, const real *x, const RngPlace *place, TokenGroups groups,
                 bool training, Arena *arena)
{
    const Capacity no_limit = {0, 0};
    const Phase phase = profile_enter(PHASE_DISPATCH);
    const size_t n = (size_t)groups.start[groups.n_groups], d = (size_t)moe->config.gate.d;
    const size_t most_rows = n * (size_t)moe->config.gate.top_k;
    gate_init(&moe->gate, x, (int)n, &moe->config.gate, arena);
    plan_init(&moe->plan, (int)n, groups, training ? moe->config.capacity : no_limit,
              &moe->config.gate, arena);
    moe->n_rounds = groups.n_rounds > groups.n_groups ? groups.n_rounds : groups.n_groups;
    moe->round = ARENA_ZEROED(arena, MoeRound, moe->n_rounds);
    moe->row = ARENA_ARRAY(arena, real, most_rows * d);
    moe->out = ARENA_ARRAY(arena, real, most_rows * d);
    vec_copy(y, x, n * d);
    for (int i = 0; i < moe->n_rounds + 3; i++) {
        if (i < moe->n_rounds) {
            round_gate(moe, i, place, training, arena);
        }
        if (i >= 1 && i - 1 < moe->n_rounds) {
            round_dispatch(moe, i - 1, x, arena);
        }
        if (i >= 2 && i - 2 < moe->n_rounds) {
            round_experts(moe, i - 2);
        }
        if (i >= 3) {
            round_combine(moe, i - 3, y);
        }
    }
    check_rows(moe);
    profile_enter(phase);
}

double moe_bytes(const Moe *moe, int g)
{
    const int first = moe->experts->first_expert, E = moe->config.gate.n_experts;
    const int *count = moe->plan.count_of + (size_t)g * (size_t)E;
    long rows = 0;
    for (int e = 0; e < E; e++) {
        rows += e < first || e >= first + moe->n_local ? count[e] : 0;
    }
    return 4.0 * (double)rows * moe->config.gate.d * (double)sizeof(real);
}

/* ---- backward: the same exchanges with their sides swapped ---- */

/** Gradients of this rank's weighted rows set out for their experts. */
static void round_combine_backward(Moe *moe, int i, real *dout, real *dweight, const real *dy,
                                   Arena *arena)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_DISPATCH);
    const size_t d = (size_t)moe->config.gate.d, rows = (size_t)round->n_rows;
    if (round->group >= 0) {
        combine_backward(dout, dweight, dy, moe->out, moe->gate.weight, &moe->plan, round->group,
                         (int)d);
    }
    round->dhidden = ARENA_ARRAY(arena, real, rows * (size_t)moe->config.hidden);
    round->dout = dout + round->home * d;
    if (set_size(moe) > 1) {
        round->dout = ARENA_ARRAY(arena, real, rows * d);
        round->din = ARENA_ARRAY(arena, real, rows * d);
        exchange_out(&round->exchange, dout + round->home * d, round->dout, (int)d);
    }
}

/** The data's half of the experts' way back; gradients of their rows set out for home. */
static void round_experts_backward(Moe *moe, int i, real *drow)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_EXPERTS);
    const int d = moe->config.gate.d, F = moe->config.hidden;
    real *home = drow + round->home * (size_t)d;
    if (set_size(moe) > 1) {
        exchange_wait(&round->exchange);
    } else {
        round->din = home;
    }
    for (int r = 0; r < set_size(moe); r++) {
        for (int e = 0; e < moe->n_local; e++) {
            size_t first;
            const int n = block_rows(moe, round, r, e, &first);
            expert_backward_data(round->din + first * (size_t)d, round->dhidden + first * (size_t)F,
                                 round->dout + first * (size_t)d, round->hidden + first * (size_t)F,
                                 weights_of(moe, e), n, d, F);
            poke(moe);
        }
    }
    if (set_size(moe) > 1) {
        exchange_back(&round->exchange, round->din, home, d);
    }
}

/** Groups of rank r of the set: first and number. */
static int groups_of(const Moe *moe, int n_groups, int r, int *first)
{
    int last;
    if (moe->mesh == NULL) {
        *first = moe->experts->first_group;
        return moe->plan.groups.n_groups;
    }
    mesh_groups_of(moe->mesh, n_groups, r, first, &last);
    return last - *first;
}

/** The weights' half, group by group in the order of the tree, while the rows travel home. */
static void weights_backward(Moe *moe, int n_groups)
{
    const int d = moe->config.gate.d, F = moe->config.hidden;
    profile_enter(PHASE_EXPERTS);
    for (int r = 0; r < set_size(moe); r++) {
        int first_group, n = groups_of(moe, n_groups, r, &first_group);
        for (int i = 0; i < n; i++) {
            const MoeRound *round = &moe->round[i];
            params_group_begin(moe->experts, first_group + i);
            for (int e = 0; e < moe->n_local; e++) {
                size_t first;
                const int rows = block_rows(moe, round, r, e, &first);
                expert_backward_weights(grads_of(moe, e), round->dout + first * (size_t)d,
                                        round->dhidden + first * (size_t)F,
                                        round->in + first * (size_t)d,
                                        round->hidden + first * (size_t)F, rows, d, F);
                poke(moe);
            }
            params_group_end(moe->experts, moe->expert_section, first_group + i);
        }
    }
}

/** Gate of this rank's group, and its rows' gradients when they have come home. */
static void round_gate_backward(Moe *moe, int i, real *dx, const real *drow, const real *dweight,
                                long n_batch, Arena *arena)
{
    MoeRound *round = &moe->round[i];
    profile_enter(PHASE_GATE);
    const int g = round->group, *start = moe->plan.groups.start;
    if (g >= 0) {
        const double share = (double)(start[g + 1] - start[g]) / (double)n_batch;
        real *dprob = ARENA_ARRAY(arena, real, moe->plan.n_experts);
        params_group_begin(moe->params, moe->params->first_group + g);
        balance_backward(dprob, &moe->gate, &moe->plan, g, moe->config.balance_loss * share);
        gate_backward(dx, params_grad(moe->params, moe->w_g), &moe->gate,
                      params_value(moe->params, moe->w_g), dweight, dprob,
                      (real)(moe->config.z_loss / (double)n_batch), start[g], start[g + 1],
                      &moe->config.gate, arena);
        params_group_end(moe->params, moe->section, moe->params->first_group + g);
    }
    if (set_size(moe) > 1) {
        exchange_wait(&round->exchange);
    }
    if (g >= 0) {
        dispatch_backward(dx, drow, &moe->plan, g, moe->config.gate.d);
    }
}

void moe_backward(Moe *moe, real *dx, const real *dy, long n_batch, int n_groups, Arena *arena)
{
    const Plan *plan = &moe->plan;
    const size_t d = (size_t)moe->config.gate.d, rows = (size_t)plan->n_rows * d;
    const Phase phase = profile_enter(PHASE_DISPATCH);
    real *dout = ARENA_ARRAY(arena, real, rows), *drow = ARENA_ARRAY(arena, real, rows);
    real *dweight = ARENA_ARRAY(arena, real, (size_t)plan->n_tok * (size_t)plan->top_k);
    vec_copy(dx, dy, (size_t)plan->n_tok * d);
    for (int i = 0; i < moe->n_rounds + 1; i++) {
        if (i < moe->n_rounds) {
            round_combine_backward(moe, i, dout, dweight, dy, arena);
        }
        if (i >= 1) {
            round_experts_backward(moe, i - 1, drow);
        }
    }
    weights_backward(moe, n_groups);
    for (int i = 0; i < moe->n_rounds; i++) {
        round_gate_backward(moe, i, dx, drow, dweight, n_batch, arena);
    }
    profile_enter(phase);
}
