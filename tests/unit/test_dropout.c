// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "nn/dropout.h"
#include "test_util.h"

enum { N = 5, D = 1100 };

static const RngPlace PLACE[N] = {{3, 1, 0}, {3, 1, 1}, {3, 2, 0}, {4, 1, 0}, {3, 1, 2}};

/** The mask of ones. */
static void mask(uint8_t *keep, double p, RngPurpose purpose, const RngPlace *place, int layer,
                 int n, int d)
{
    static real x[N * D];
    const Rng rng = rng_init(9, purpose);
    for (int i = 0; i < n * d; i++) {
        x[i] = 1;
    }
    dropout_forward(x, keep, p, &rng, place, layer, n, d);
}

static void test_values(void **state)
{
    (void)state;
    static const double P[] = {0, 0.25, 0.5, 0.3, 0.9};
    static real x[N * D], y[N * D];
    static uint8_t keep[N * D];
    Draws draws = draws_init(1);
    const Rng rng = rng_init(9, RNG_DROPOUT_INPUT);
    for (int i = 0; i < 5; i++) {
        const real scale = (real)(1 / (1 - floor(P[i] * 65536 + 0.5) / 65536));
        int kept = 0;
        draw_array(&draws, x, N * D);
        memcpy(y, x, sizeof y);
        dropout_forward(y, keep, P[i], &rng, PLACE, 0, N, D);
        for (int j = 0; j < N * D; j++) {
            assert_true(keep[j] <= 1);
            assert_true(y[j] == (keep[j] ? x[j] * scale : 0));
            kept += keep[j];
        }
        assert_true(abs(kept - (int)(N * D * (1 - P[i]))) <=
                    150);  // at least 4 standard deviations
        memcpy(y, x, sizeof y);
        dropout_backward(y, keep, P[i], N, D);
        for (int j = 0; j < N * D; j++) {
            assert_true(y[j] == (keep[j] ? x[j] * scale : 0));
        }
    }
}

/** Bits in which two runs of 500 lanes differ: about half of them when they are independent. */
static void assert_independent(const uint8_t *a, const uint8_t *b)
{
    int different = 0;
    for (int j = 0; j < 500; j++) {
        different += a[j] != b[j];
    }
    assert_true(different > 190 && different < 310);
}

static void test_streams(void **state)
{
    (void)state;
    static uint8_t keep[N * D], other[N * D];
    mask(keep, 0.5, RNG_DROPOUT_INPUT, PLACE, 0, N, D);
    for (int t = 0; t < N; t++) {  // tokens, and the blocks of 512 lanes within and across them
        for (int u = 0; u < N; u++) {
            for (int block = 0; block < 2; block++) {
                if (t != u || block > 0) {
                    assert_independent(keep + t * D, keep + u * D + 512 * block);
                }
            }
        }
        mask(other, 0.5, RNG_DROPOUT_INPUT, PLACE + t, 0, 1, D);  // alone as in company
        assert_memory_equal(other, keep + t * D, D);
        mask(other, 0.5, RNG_DROPOUT_INPUT, PLACE + t, 1, 1, D);
        assert_independent(keep + t * D, other);
        mask(other, 0.5, RNG_DROPOUT_OUTPUT, PLACE + t, 0, 1, D);
        assert_independent(keep + t * D, other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_streams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
