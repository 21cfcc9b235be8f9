// SPDX-License-Identifier: Apache-2.0
/** The whole mixture layer, forward and backward, against loops over tokens and experts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dense_check.h"
#include "route_reference.h"
#include "test_util.h"

enum { MAX_TOK = 24, MAX_D = 6, MAX_E = 6, MAX_F = 7, MAX_K = 3, MAX_G = 4, CASES = 2000 };

static const double TOLERANCE = 1e-10;

/** A random layer and batch. */
typedef struct Problem {
    MoeConfig config;
    int n, start[MAX_G + 1];
    TokenGroups groups;
    long n_batch;
    bool training;
    RngPlace place[MAX_TOK];
    real x[MAX_TOK * MAX_D], dy[MAX_TOK * MAX_D];
    Moe moe;
    Params params;
} Problem;

/** What a layer makes of it; gradients are sums over the groups. */
typedef struct Answer {
    double y[MAX_TOK * MAX_D], dx[MAX_TOK * MAX_D];
    double dw_g[MAX_D * MAX_E];
    double dw1[MAX_E * MAX_D * MAX_F], db1[MAX_E * MAX_F], dw2[MAX_E * MAX_D * MAX_F],
        db2[MAX_E * MAX_D];
    Choice choice[MAX_TOK * MAX_K];
} Answer;

static void draw_problem(Problem *p, uint32_t seed)
{
    Draws draws = draws_init(seed);
    const int E = draw_between(&draws, 1, MAX_E),
              K = draw_between(&draws, 1, E < MAX_K ? E : MAX_K);
    const int d = draw_between(&draws, 1, MAX_D), G = draw_between(&draws, 1, MAX_G);
    static const double FACTOR[] = {0, 0.25, 0.5, 1, 1.25};
    *p = (Problem){.n = draw_between(&draws, 0, MAX_TOK), .training = draw_below(&draws, 4) > 0};
    p->config = (MoeConfig){
        .gate = {d, E, K, (SecondExpert)draw_below(&draws, 3), draw_below(&draws, 2) * 0.2, seed},
        .hidden = draw_between(&draws, 1, MAX_F),
        .capacity = {FACTOR[draw_below(&draws, 5)], draw_between(&draws, 0, 3)},
        .balance_loss = draw_below(&draws, 2) * 0.7,
        .z_loss = draw_below(&draws, 2) * 0.3};
    draw_groups(&draws, p->start, G, p->n);
    p->groups = (TokenGroups){G, p->start, 0};
    p->n_batch = p->n + draw_between(&draws, 1, 9);
    draw_array(&draws, p->x, (size_t)(p->n * d));
    draw_array(&draws, p->dy, (size_t)(p->n * d));
    fill_places(p->place, p->n, seed);
    const int first_group = draw_below(&draws, 3);
    moe_make(&p->moe, &p->params, p->config, first_group, first_group + G, seed);
}

static void copy_tensor(const Problem *p, int tensor, double *to)
{
    const real *grad = params_grad(&p->params, tensor);
    for (size_t i = 0; i < p->params.param[tensor].size; i++) {
        to[i] = (double)grad[i];
    }
}

static void run_layer(Answer *answer, Problem *p, Arena *arena)
{
    const size_t cells = (size_t)(p->n * p->config.gate.d);
    Moe *moe = &p->moe;
    arena_reset(arena);
    for (int i = 0; i < p->params.n_slots; i++) {
        for (size_t j = 0; j < p->params.size; j++) {
            p->params.slot[i][j] = (real)NAN;  // what backward forgets to write shows
        }
    }
    moe_forward(moe, answer->y, p->x, p->place, p->groups, p->training, arena);
    moe_backward(moe, answer->dx, p->dy, p->n_batch, p->groups.n_groups, arena);
    merge_slots(&p->params);
    copy_tensor(p, moe->w_g, answer->dw_g);
    copy_tensor(p, moe->w1, answer->dw1);
    copy_tensor(p, moe->b1, answer->db1);
    copy_tensor(p, moe->w2, answer->dw2);
    copy_tensor(p, moe->b2, answer->db2);
    for (size_t i = 0; i < cells; i++) {
        assert_true(isfinite(answer->y[i]) && isfinite(answer->dx[i]));
    }
    for (int i = 0; i < p->n * p->config.gate.top_k; i++) {
        answer->choice[i] = (Choice){moe->gate.expert[i], moe->gate.weight[i],
                                     (ChoiceStatus)moe->plan.status[i], moe->plan.slot[i]};
    }
}

/* ---- the oracle ---- */

/** One token's way through the gate. */
typedef struct Token {
    double factor[MAX_D], x[MAX_D];  // jitter, and the input times it
    double p[MAX_E], log_sum_exp, chosen;
} Token;

static void oracle_gate(const Problem *p, int t, Token *token, Choice *choice)
{
    const int d = p->config.gate.d, E = p->config.gate.n_experts, K = p->config.gate.top_k;
    const real *w_g = params_value(&p->params, p->moe.w_g);
    const Rng jitter = rng_init(p->config.gate.seed, RNG_JITTER);
    double z[MAX_E], sum = 0;
    int order[MAX_E];
    for (int j = 0; j < d; j++) {
        const double u = rng_uniform(&jitter, p->place[t], (uint32_t)j);
        token->factor[j] = p->training ? 1 + p->config.gate.jitter * (2 * u - 1) : 1;
        token->x[j] = token->factor[j] * p->x[t * d + j];
    }
    for (int e = 0; e < E; e++) {
        z[e] = 0;
        for (int j = 0; j < d; j++) {
            z[e] += token->x[j] * w_g[j * E + e];
        }
        sum += exp(z[e]);
    }
    for (int e = 0; e < E; e++) {
        token->p[e] = exp(z[e]) / sum;
    }
    token->log_sum_exp = log(sum);
    route_order(order, z, E);
    token->chosen = 0;
    for (int k = 0; k < K; k++) {
        token->chosen += token->p[order[k]];
    }
    for (int k = 0; k < K; k++) {
        choice[k] = (Choice){.expert = order[k],
                             .weight = token->p[order[k]] / (K == 1 ? 1 : token->chosen)};
    }
}

/** out [d] of expert e for x; hidden [F]. */
static void oracle_expert(const Problem *p, int e, const double *x, double *hidden, double *out)
{
    const int d = p->config.gate.d, F = p->config.hidden;
    const real *w1 = params_value(&p->params, p->moe.w1) + e * d * F,
               *b1 = params_value(&p->params, p->moe.b1) + e * F;
    const real *w2 = params_value(&p->params, p->moe.w2) + e * d * F,
               *b2 = params_value(&p->params, p->moe.b2) + e * d;
    for (int f = 0; f < F; f++) {
        hidden[f] = b1[f];
        for (int j = 0; j < d; j++) {
            hidden[f] += x[j] * w1[j * F + f];
        }
        hidden[f] = hidden[f] > 0 ? hidden[f] : 0;
    }
    for (int j = 0; j < d; j++) {
        out[j] = b2[j];
        for (int f = 0; f < F; f++) {
            out[j] += hidden[f] * w2[f * d + j];
        }
    }
}

/** Gradients of one kept choice; returns that of its weight. */
static double oracle_choice_backward(Answer *a, const Problem *p, int t, const Choice *choice)
{
    const int d = p->config.gate.d, F = p->config.hidden, e = choice->expert;
    const real *w1 = params_value(&p->params, p->moe.w1) + e * d * F,
               *w2 = params_value(&p->params, p->moe.w2) + e * d * F;
    const real *x = p->x + t * d, *dy = p->dy + t * d;
    double hidden[MAX_F], out[MAX_D], dweight = 0;
    oracle_expert(p, e, x, hidden, out);
    for (int j = 0; j < d; j++) {
        dweight += dy[j] * out[j];
        a->db2[e * d + j] += choice->weight * dy[j];
    }
    for (int f = 0; f < F; f++) {
        double dhidden = 0;
        for (int j = 0; j < d; j++) {
            dhidden += choice->weight * dy[j] * w2[f * d + j];
            a->dw2[(e * F + f) * d + j] += hidden[f] * choice->weight * dy[j];
        }
        dhidden = hidden[f] > 0 ? dhidden : 0;
        a->db1[e * F + f] += dhidden;
        for (int j = 0; j < d; j++) {
            a->dw1[(e * d + j) * F + f] += x[j] * dhidden;
            a->dx[t * d + j] += dhidden * w1[j * F + f];
        }
    }
    return dweight;
}

/** dp [E]: gradient of the probabilities of token t -> gate and input. */
static void oracle_gate_backward(Answer *a, const Problem *p, int t, const Token *token,
                                 const double *dp)
{
    const int d = p->config.gate.d, E = p->config.gate.n_experts;
    const real *w_g = params_value(&p->params, p->moe.w_g);
    for (int i = 0; i < E; i++) {
        double dz = 2 * p->config.z_loss / (double)p->n_batch * token->log_sum_exp * token->p[i];
        for (int j = 0; j < E; j++) {
            dz += dp[j] * token->p[j] * ((i == j) - token->p[i]);
        }
        for (int j = 0; j < d; j++) {
            a->dw_g[j * E + i] += token->x[j] * dz;
            a->dx[t * d + j] += token->factor[j] * w_g[j * E + i] * dz;
        }
    }
}

static void oracle_group(Answer *a, const Problem *p, int group)
{
    const int d = p->config.gate.d, E = p->config.gate.n_experts, K = p->config.gate.top_k;
    const int first = p->start[group], n = p->start[group + 1] - first;
    const Rng coin = rng_init(p->config.gate.seed, RNG_SECOND_EXPERT);
    Token token[MAX_TOK];
    double rnd[MAX_TOK * MAX_K], share[MAX_E] = {0};
    int capacity = MAX_TOK * MAX_K;
    for (int s = 0; s < n; s++) {
        oracle_gate(p, first + s, &token[s], &a->choice[(first + s) * K]);
        share[a->choice[(first + s) * K].expert] += 1.0 / n;
        for (int k = 0; k < K; k++) {
            rnd[s * K + k] = rng_uniform(&coin, p->place[first + s], (uint32_t)k);
        }
    }
    if (p->training && p->config.capacity.factor > 0) {
        capacity = (int)ceil(p->config.capacity.factor * K * n / E);
        capacity = capacity < p->config.capacity.minimum ? p->config.capacity.minimum : capacity;
    }
    route_assign(&a->choice[first * K], p->training ? rnd : NULL, n, K, capacity,
                 p->config.gate.second);
    for (int t = first; t < first + n; t++) {
        const Token *way = &token[t - first];
        double dp[MAX_E], dweight[MAX_K] = {0}, hidden[MAX_F], out[MAX_D];
        for (int j = 0; j < d; j++) {
            a->y[t * d + j] = p->x[t * d + j];
            a->dx[t * d + j] = p->dy[t * d + j];
        }
        // loss of the group: its share n / N times E sum_e f_e mean p_e
        for (int e = 0; e < E; e++) {
            dp[e] = p->config.balance_loss * n / (double)p->n_batch * E * share[e] / n;
        }
        for (int k = 0; k < K; k++) {
            const Choice *choice = &a->choice[t * K + k];
            if (choice->status == CHOICE_KEPT) {
                oracle_expert(p, choice->expert, p->x + t * d, hidden, out);
                for (int j = 0; j < d; j++) {
                    a->y[t * d + j] += choice->weight * out[j];
                }
                dweight[k] = oracle_choice_backward(a, p, t, choice);
            }
        }
        // weight_k = p_k / sum of the chosen p, by the rule for quotients; K = 1: weight = p
        for (int k = 0; k < K; k++) {
            const int e = a->choice[t * K + k].expert;
            dp[e] += dweight[k] / (K == 1 ? 1 : way->chosen);
            for (int l = 0; l < K && K > 1; l++) {
                dp[e] -=
                    dweight[l] * way->p[a->choice[t * K + l].expert] / (way->chosen * way->chosen);
            }
        }
        oracle_gate_backward(a, p, t, way, dp);
    }
}

static void assert_near(const double *got, const double *want, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(fabs(got[i] - want[i]) <= TOLERANCE * (1 + fabs(want[i])));
    }
}

static void assert_same_answer(const Answer *got, const Answer *want, const Problem *p)
{
    const int d = p->config.gate.d, E = p->config.gate.n_experts, F = p->config.hidden;
    for (int i = 0; i < p->n * p->config.gate.top_k; i++) {
        assert_int_equal(got->choice[i].expert, want->choice[i].expert);
        assert_int_equal(got->choice[i].status, want->choice[i].status);
        assert_int_equal(got->choice[i].slot, want->choice[i].slot);
        assert_near(&got->choice[i].weight, &want->choice[i].weight, 1);
    }
    assert_near(got->y, want->y, p->n * d);
    assert_near(got->dx, want->dx, p->n * d);
    assert_near(got->dw_g, want->dw_g, d * E);
    assert_near(got->dw1, want->dw1, E * d * F);
    assert_near(got->db1, want->db1, E * F);
    assert_near(got->dw2, want->dw2, E * d * F);
    assert_near(got->db2, want->db2, E * d);
}

static void test_against_loops(void **state)
{
    (void)state;
    static Problem p;
    static Answer got, want;
    Arena arena = {0};
    for (uint32_t seed = 0; seed < CASES; seed++) {
        draw_problem(&p, seed);
        run_layer(&got, &p, &arena);
        memset(&want, 0, sizeof want);
        for (int g = 0; g < p.groups.n_groups; g++) {
            oracle_group(&want, &p, g);
        }
        assert_same_answer(&got, &want, &p);
        params_free(&p.params);
    }
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

/** A token with nothing kept: its output is its input, its gradient passes by, and no expert hears of it. */
static void test_dropped_token(void **state)
{
    (void)state;
    static Problem p;
    static Answer a, without;
    Arena arena = {0};
    int dropped = 0;
    for (uint32_t seed = 0; seed < 300; seed++) {
        draw_problem(&p, seed);
        p.training = true;
        p.config.capacity = p.moe.config.capacity = (Capacity){0.25, 0};
        p.moe.config.balance_loss = p.moe.config.z_loss = 0;
        const int d = p.config.gate.d, K = p.config.gate.top_k, E = p.config.gate.n_experts,
                  F = p.config.hidden;
        run_layer(&a, &p, &arena);
        real dy[MAX_TOK * MAX_D];
        memcpy(dy, p.dy, sizeof dy);
        for (int t = 0; t < p.n; t++) {
            int kept = 0;
            for (int k = 0; k < K; k++) {
                kept += a.choice[t * K + k].status == CHOICE_KEPT;
            }
            if (kept == 0) {
                assert_memory_equal(a.y + t * d, p.x + t * d, (size_t)d * sizeof(real));
                assert_memory_equal(a.dx + t * d, p.dy + t * d, (size_t)d * sizeof(real));
                memset(p.dy + t * d, 0, (size_t)d * sizeof(real));
                dropped++;
            }
        }
        run_layer(&without, &p, &arena);
        assert_memory_equal(without.dw_g, a.dw_g, (size_t)(d * E) * sizeof(double));
        assert_memory_equal(without.dw1, a.dw1, (size_t)(E * d * F) * sizeof(double));
        assert_memory_equal(without.db1, a.db1, (size_t)(E * F) * sizeof(double));
        assert_memory_equal(without.dw2, a.dw2, (size_t)(E * d * F) * sizeof(double));
        assert_memory_equal(without.db2, a.db2, (size_t)(E * d) * sizeof(double));
        params_free(&p.params);
    }
    arena_free(&arena);
    assert_true(dropped > 300);
}

static void test_mixture_of_one(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 500; seed++) {
        assert_true(dense_is_mixture_of_one(seed));
    }
}

/** Groups on one rank do what each of them does alone, bit for bit; gradients are summed along the tree. */
static void test_groups_are_alone(void **state)
{
    (void)state;
    static Problem p;
    Arena arena = {0};
    for (uint32_t seed = 0; seed < 300; seed++) {
        real y[2][MAX_TOK * MAX_D], dx[2][MAX_TOK * MAX_D];
        real *grad[MAX_G];
        draw_problem(&p, seed);
        const int d = p.config.gate.d, G = p.groups.n_groups;
        const size_t cells = (size_t)(p.n * d) * sizeof(real);
        Params all, one;
        Moe moe;
        moe_make(&moe, &all, p.config, 0, G, seed);
        moe_forward(&moe, y[0], p.x, p.place, p.groups, p.training, &arena);
        moe_backward(&moe, dx[0], p.dy, p.n_batch, p.groups.n_groups, &arena);
        merge_slots(&all);
        for (int g = 0; g < G; g++) {
            const int at = p.start[g], alone[2] = {0, p.start[g + 1] - at};
            moe_make(&moe, &one, p.config, 0, 1, seed);
            moe_forward(&moe, y[1] + at * d, p.x + at * d, p.place + at, (TokenGroups){1, alone, 0},
                        p.training, &arena);
            moe_backward(&moe, dx[1] + at * d, p.dy + at * d, p.n_batch, 1, &arena);
            grad[g] = ARENA_ARRAY(&arena, real, one.size);
            memcpy(grad[g], one.slot[0], one.size * sizeof(real));
            params_free(&one);
        }
        assert_memory_equal(y[0], y[1], cells);
        assert_memory_equal(dx[0], dx[1], cells);
        for (size_t i = 0; i < all.size; i++) {
            real term[MAX_G];
            for (int g = 0; g < G; g++) {
                term[g] = grad[g][i];
            }
            assert_true(all.slot[0][i] == tree_sum(term, G, 0, power_of_two(G)));
        }
        params_free(&all);
        params_free(&p.params);
        arena_reset(&arena);
    }
    arena_free(&arena);
}

/** Evaluation never drops and never draws; what becomes of a token is its own affair. */
static void test_evaluation(void **state)
{
    (void)state;
    static Problem p;
    Arena arena = {0};
    for (uint32_t seed = 0; seed < 300; seed++) {
        real y[MAX_TOK * MAX_D], again[MAX_TOK * MAX_D], alone[MAX_D];
        draw_problem(&p, seed);
        const int d = p.config.gate.d;
        moe_forward(&p.moe, y, p.x, p.place, p.groups, false, &arena);
        assert_true(p.moe.plan.count[CHOICE_DROPPED] == 0 && p.moe.plan.count[CHOICE_SKIPPED] == 0);
        fill_places(p.place, p.n, seed + 1);
        moe_forward(&p.moe, again, p.x, p.place, p.groups, false, &arena);
        assert_memory_equal(y, again, (size_t)(p.n * d) * sizeof(real));
        for (int t = 0; t < p.n; t++) {
            moe_forward(&p.moe, alone, p.x + t * d, p.place, (TokenGroups){1, (int[]){0, 1}, 0},
                        false, &arena);
            for (int j = 0; j < d; j++) {
                assert_true(fabs(alone[j] - y[t * d + j]) <= 1e-12);
            }
        }
        params_free(&p.params);
        arena_reset(&arena);
    }
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_loops),  cmocka_unit_test(test_dropped_token),
        cmocka_unit_test(test_mixture_of_one), cmocka_unit_test(test_groups_are_alone),
        cmocka_unit_test(test_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
