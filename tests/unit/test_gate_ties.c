// SPDX-License-Identifier: Apache-2.0
/** Equal logits are a tie in float too, where the last bit of a probability depends on its place among the experts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route_reference.h"
#include "test_util.h"

enum { MAX_E = 70, K = 3 };

static void test_ties(void **state)
{
    (void)state;
    Draws draws = draws_init(1);
    Arena arena = {0};
    for (int times = 0; times < 3000; times++) {
        const GateConfig config = {1, draw_between(&draws, K, MAX_E), K, SECOND_ALL, 0, 1};
        const real x[1] = {1};
        const RngPlace place[1] = {{0, 0, 0}};
        real w_g[MAX_E];
        double logit[MAX_E];
        int order[MAX_E];
        Gate gate;
        const real level[3] = {draw_real(&draws), draw_real(&draws), draw_real(&draws)};
        for (int e = 0; e < config.n_experts; e++) {
            w_g[e] = level[draw_below(&draws, 3)];
            logit[e] = (double)w_g[e];
        }
        gate_init(&gate, x, 1, &config, &arena);
        gate_forward(&gate, w_g, 0, 1, place, true, &config, &arena);
        route_order(order, logit, config.n_experts);
        assert_memory_equal(gate.expert, order, K * sizeof *order);
        arena_reset(&arena);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
