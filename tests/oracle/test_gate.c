// SPDX-License-Identifier: Apache-2.0
/** Gate and plan against a scalar reference, golden vectors worked by hand, closed forms of the auxiliary losses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "moe/balance.h"
#include "route_reference.h"
#include "test_util.h"

enum { MAX_TOK = 64, MAX_E = 16, MAX_K = 3, MAX_G = 5, CASES = 10000 };

/** Logits are the input itself: the gate's matrix is the unit matrix. */
typedef struct Routed {
    GateConfig config;
    int n, start[MAX_G + 1];
    TokenGroups groups;
    Capacity capacity;
    bool training;
    real x[MAX_TOK * MAX_E];
    RngPlace place[MAX_TOK];
    Gate gate;
    Plan plan;
} Routed;

static void route(Routed *r, Arena *arena)
{
    const int E = r->config.n_experts;
    real unit[MAX_E * MAX_E] = {0};
    for (int e = 0; e < E; e++) {
        unit[e * E + e] = 1;
    }
    r->groups.start = r->start;
    arena_reset(arena);
    gate_init(&r->gate, r->x, r->n, &r->config, arena);
    for (int g = 0; g < r->groups.n_groups; g++) {
        gate_forward(&r->gate, unit, r->start[g], r->start[g + 1], r->place, r->training,
                     &r->config, arena);
    }
    plan_build(&r->plan, &r->gate, r->groups, r->capacity, &r->config, arena);
}

static void draw_case(Routed *r, uint32_t seed)
{
    Draws draws = draws_init(seed);
    const int E = draw_between(&draws, 1, MAX_E),
              K = draw_between(&draws, 1, E < MAX_K ? E : MAX_K);
    const int G = draw_between(&draws, 1, MAX_G);
    const bool quantised = draw_below(&draws, 2) == 0, limited = draw_below(&draws, 4) > 0;
    *r = (Routed){.config = {E, E, K, (SecondExpert)draw_below(&draws, 3), 0, seed % 7},
                  .n = draw_between(&draws, draw_below(&draws, 8) == 0 ? 0 : 1, MAX_TOK),
                  .training = draw_below(&draws, 5) > 0};
    draw_groups(&draws, r->start, G, r->n);
    r->groups.n_groups = G;
    // A tiny factor leaves the minimum to set the capacity.
    r->capacity =
        limited ? (Capacity){1e-9, draw_between(&draws, 1, r->n > 0 ? r->n : 1)} : (Capacity){0, 3};
    const int crowd =
        draw_below(&draws, 3) == 0 ? draw_below(&draws, E) : -1;  // everybody's favourite
    for (int i = 0; i < r->n * E; i++) {
        r->x[i] = quantised ? (real)0.5 * (real)draw_between(&draws, -2, 2) : 3 * draw_real(&draws);
        r->x[i] += i % E == crowd ? 1 : 0;
    }
    fill_places(r->place, r->n, seed);
}

/** Probabilities, log-sum-exp, experts and weights of token t; fills the choices. */
static void check_token(const Routed *r, int t, Choice *choice)
{
    const int E = r->config.n_experts, K = r->config.top_k;
    const real *x = r->x + t * E, *p = r->gate.prob + t * E;
    double z[MAX_E], sum = 0;
    real chosen = 0;
    int order[MAX_E];
    for (int e = 0; e < E; e++) {
        z[e] = (double)x[e];
        sum += exp(z[e]);
    }
    for (int e = 0; e < E; e++) {
        assert_true(fabs((double)p[e] - exp(z[e]) / sum) < 1e-14);
    }
    assert_true(fabs((double)r->gate.log_sum_exp[t] - log(sum)) < 1e-13);
    route_order(order, z, E);
    for (int k = 0; k < K; k++) {
        chosen += p[order[k]];
    }
    for (int k = 0; k < K; k++) {
        choice[k].expert = order[k];
        choice[k].weight = (double)(K == 1 ? p[order[k]] : p[order[k]] / chosen);
        assert_int_equal(r->gate.expert[t * K + k], choice[k].expert);
        assert_true((double)r->gate.weight[t * K + k] == choice[k].weight);
    }
}

/** Rows: expert by expert, group by group, slot by slot. */
static void check_layout(const Routed *r, const Choice *choice)
{
    const Plan *plan = &r->plan;
    const int K = plan->top_k, G = plan->groups.n_groups;
    int row = 0;
    for (int g = 0; g < G; g++) {
        for (int e = 0; e < plan->n_experts; e++) {
            assert_int_equal(plan->block_start[g * plan->n_experts + e], row);
            for (int slot = 0; slot < r->n * K; slot++) {
                for (int i = r->start[g] * K; i < r->start[g + 1] * K; i++) {
                    if (choice[i].expert == e && choice[i].slot == slot &&
                        choice[i].status == CHOICE_KEPT) {
                        assert_int_equal(plan->row[i], row);
                        assert_int_equal(plan->token[row], i / K);
                        row++;
                    }
                }
            }
        }
    }
    assert_int_equal(plan->block_start[plan->n_experts * G], row);
    assert_int_equal(plan->n_rows, row);
}

static void check_case(const Routed *r)
{
    const int K = r->config.top_k;
    const Rng coin = rng_init(r->config.seed, RNG_SECOND_EXPERT);
    static Choice choice[MAX_TOK * MAX_K];
    double rnd[MAX_TOK * MAX_K];
    long count[CHOICE_STATUSES] = {0};
    for (int t = 0; t < r->n; t++) {
        check_token(r, t, choice + t * K);
        for (int k = 0; k < K; k++) {
            rnd[t * K + k] = rng_uniform(&coin, r->place[t], (uint32_t)k);
        }
    }
    for (int g = 0; g < r->groups.n_groups; g++) {
        const int first = r->start[g] * K;
        const int capacity = r->capacity.factor > 0 ? r->capacity.minimum : MAX_TOK * MAX_K;
        route_assign(choice + first, r->training ? rnd + first : NULL,
                     r->start[g + 1] - r->start[g], K, capacity, r->config.second);
    }
    for (int i = 0; i < r->n * K; i++) {
        assert_int_equal(r->plan.status[i], choice[i].status);
        assert_int_equal(r->plan.slot[i], choice[i].slot);
        assert_int_equal(r->gate.wanted[i], choice[i].status != CHOICE_SKIPPED);
        assert_true(choice[i].status == CHOICE_KEPT || r->plan.row[i] == -1);
        count[choice[i].status]++;
    }
    assert_memory_equal(r->plan.count, count, sizeof count);
    check_layout(r, choice);
}

static void test_random_cases(void **state)
{
    (void)state;
    static Routed r;
    Arena arena = {0};
    long seen[CHOICE_STATUSES] = {0};
    for (uint32_t seed = 0; seed < CASES; seed++) {
        draw_case(&r, seed);
        route(&r, &arena);
        check_case(&r);
        for (int s = 0; s < CHOICE_STATUSES; s++) {
            seen[s] += r.plan.count[s];
        }
    }
    arena_free(&arena);
    print_message("%d cases: %ld kept, %ld dropped, %ld skipped\n", CASES, seen[0], seen[1],
                  seen[2]);
    assert_true(seen[CHOICE_KEPT] > 1000 && seen[CHOICE_DROPPED] > 1000 &&
                seen[CHOICE_SKIPPED] > 1000);
}

/* ---- golden vectors ---- */

enum { K_ = CHOICE_KEPT, D_ = CHOICE_DROPPED, S_ = CHOICE_SKIPPED };

/** Tokens with probabilities p [n, E] in one group; capacity 0: no limit. What must come out, [n, K] each. */
typedef struct Golden {
    const char *name;
    int E, K, n, capacity;
    SecondExpert second;
    double p[12];
    int expert[8], status[8], slot[8];
    double weight[8];
} Golden;

// A second choice of weight 1/2 always goes on (2 x 1/2 > u), one of weight 1e-30 never.
static const Golden GOLDEN[] = {
    {"first choices fill both",
     2,
     2,
     4,
     1,
     SECOND_ALL,
     {0.75, 0.25, 0.25, 0.75, 0.75, 0.25, 0.25, 0.75},
     {0, 1, 1, 0, 0, 1, 1, 0},
     {K_, D_, K_, D_, D_, D_, D_, D_},
     {0, 2, 0, 2, 1, 3, 1, 3},
     {0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25}},
    {"one expert in demand",
     2,
     2,
     3,
     2,
     SECOND_ALL,
     {0.6, 0.4, 0.6, 0.4, 0.6, 0.4},
     {0, 1, 0, 1, 0, 1},
     {K_, K_, K_, K_, D_, D_},
     {0, 0, 1, 1, 2, 2},
     {0.6, 0.4, 0.6, 0.4, 0.6, 0.4}},
    {"skipped by the coin",
     2,
     2,
     2,
     0,
     SECOND_PAPER,
     {1, 1e-30, 1e-30, 1},
     {0, 1, 1, 0},
     {K_, S_, K_, S_},
     {0, 1, 0, 1},
     {1, 1e-30, 1, 1e-30}},
    {"no coin, no skip",
     2,
     2,
     2,
     0,
     SECOND_ALL,
     {1, 1e-30, 1e-30, 1},
     {0, 1, 1, 0},
     {K_, K_, K_, K_},
     {0, 1, 0, 1},
     {1, 1e-30, 1, 1e-30}},
    {"a skip takes a slot in the paper",
     3,
     2,
     2,
     1,
     SECOND_PAPER,
     {1, 1e-30, 0, 1e-40, 0.5, 0.5},
     {0, 1, 1, 2},
     {K_, S_, K_, K_},
     {0, 1, 0, 0},
     {1, 1e-30, 0.5, 0.5}},
    {"paper: the skipped slot is missed",
     3,
     2,
     2,
     1,
     SECOND_PAPER,
     {1, 0, 1e-30, 1e-40, 0.5, 0.5},
     {0, 2, 1, 2},
     {K_, S_, K_, D_},
     {0, 0, 0, 1},
     {1, 1e-30, 0.5, 0.5}},
    {"conserve: the skipped slot is used",
     3,
     2,
     2,
     1,
     SECOND_CONSERVE,
     {1, 0, 1e-30, 1e-40, 0.5, 0.5},
     {0, 2, 1, 2},
     {K_, S_, K_, K_},
     {0, -1, 0, 0},
     {1, 1e-30, 0.5, 0.5}},
    {"ties go to the lower expert",
     4,
     2,
     2,
     0,
     SECOND_PAPER,
     {0.25, 0.25, 0.25, 0.25, 0.1, 0.4, 0.1, 0.4},
     {0, 1, 1, 3},
     {K_, K_, K_, K_},
     {0, 1, 0, 0},
     {0.5, 0.5, 0.5, 0.5}},
    {"one choice keeps its probability",
     4,
     1,
     3,
     1,
     SECOND_PAPER,
     {0.25, 0.25, 0.25, 0.25, 0.1, 0.2, 0.3, 0.4, 0.4, 0.2, 0.2, 0.2},
     {0, 3, 0},
     {K_, K_, D_},
     {0, 0, 1},
     {0.25, 0.4, 0.4}},
};

static void golden_route(Routed *r, const Golden *golden, Arena *arena)
{
    *r = (Routed){.config = {golden->E, golden->E, golden->K, golden->second, 0, 1},
                  .n = golden->n,
                  .start = {0, golden->n},
                  .groups = {1, NULL},
                  .capacity = {golden->capacity > 0 ? 1e-9 : 0, golden->capacity},
                  .training = true};
    for (int i = 0; i < golden->n * golden->E; i++) {
        r->x[i] = (real)(golden->p[i] > 0 ? log(golden->p[i]) : -300);
    }
    fill_places(r->place, r->n, 0);
    route(r, arena);
}

static void test_golden(void **state)
{
    (void)state;
    static Routed r;
    Arena arena = {0};
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        const Golden *golden = &GOLDEN[i];
        golden_route(&r, golden, &arena);
        for (int j = 0; j < golden->n * golden->K; j++) {
            if (r.gate.expert[j] != golden->expert[j] || r.plan.status[j] != golden->status[j] ||
                r.plan.slot[j] != golden->slot[j] ||
                fabs((double)r.gate.weight[j] - golden->weight[j]) > 1e-15) {
                fail_msg("%s: choice %d: expert %d, status %d, slot %d, weight %g", golden->name, j,
                         r.gate.expert[j], r.plan.status[j], r.plan.slot[j],
                         (double)r.gate.weight[j]);
            }
        }
    }
    arena_free(&arena);
}

static void test_capacity(void **state)
{
    (void)state;
    const struct {
        Capacity capacity;
        int n, E, K, want;
    } cases[] = {
        {{1, 0}, 16, 4, 2, 8},         {{1, 0}, 17, 4, 2, 9},   {{1.25, 4}, 100, 8, 2, 32},
        {{0.5, 4}, 16, 8, 1, 4},       {{0.5, 0}, 16, 8, 1, 1}, {{0.25, 0}, 2, 8, 1, 1},
        {{1.25, 4}, 0, 8, 2, 4},       {{1.25, 0}, 0, 8, 2, 0}, {{1e300, 0}, 9, 8, 2, 2147483647},
        {{0, 4}, 5, 8, 2, 2147483647},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(plan_capacity(cases[i].capacity, cases[i].n, cases[i].E, cases[i].K),
                         cases[i].want);
    }
}

/** Balance and z of E tokens with these logits, and the sum of the entropies. */
static void auxiliary(const real *x, int E, double *balance, double *z, double *entropy)
{
    static Routed r;
    Arena arena = {0};
    double stats[STAT_WIDTH(MAX_E, 1)] = {0};
    r = (Routed){
        .config = {E, E, 1, SECOND_ALL, 0, 1}, .n = E, .start = {0, E}, .groups = {1, NULL}};
    memcpy(r.x, x, (size_t)(E * E) * sizeof *x);
    route(&r, &arena);
    balance_stats(stats, &r.gate, &r.plan, 0);
    assert_true(stats[STAT_TOKENS] == E && stats[STAT_KEPT] == E);
    *balance = stats[STAT_BALANCE] / E;
    *z = stats[STAT_Z] / E;
    *entropy = stats[STAT_ENTROPY];
    arena_free(&arena);
}

static void test_closed_forms(void **state)
{
    (void)state;
    double balance, z, entropy;
    for (int E = 1; E <= MAX_E; E++) {
        real each[MAX_E * MAX_E] = {0}, one[MAX_E * MAX_E] = {0}, same[MAX_E * MAX_E] = {0};
        for (int t = 0; t < E; t++) {
            each[t * E + t] = one[t * E] = 200;
        }
        auxiliary(each, E, &balance, &z, &entropy);  // every token to an expert of its own
        assert_true(fabs(balance - 1) < 1e-12 && fabs(z - 200.0 * 200.0) < 1e-9 && entropy < 1e-12);
        auxiliary(one, E, &balance, &z, &entropy);  // all to one
        assert_true(fabs(balance - E) < 1e-12 && entropy < 1e-12);
        auxiliary(same, E, &balance, &z, &entropy);  // nobody cares
        assert_true(fabs(balance - 1) < 1e-12 && fabs(z - log(E) * log(E)) < 1e-12);
        assert_true(fabs(entropy - E * log(E)) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_cases),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_closed_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
