// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/** Known answers of Philox4x32-10 (Random123's kat_vectors): counter = block, position, sentence, step; key = seed, purpose. */
static void test_known_answers(void **state)
{
    (void)state;
    const struct {
        uint64_t seed;
        uint32_t purpose;
        RngPlace place;
        uint32_t block;
        uint32_t want[4];
    } known[] = {
        {0, 0, {0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {0xa4093822,
         0x299f31d0,
         {0x03707344, 0x13198a2e, 0x85a308d3},
         0x243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const Rng rng = rng_init(known[i].seed, (RngPurpose)known[i].purpose);
        for (uint32_t lane = 0; lane < 4; lane++) {
            assert_int_equal(rng_bits(&rng, known[i].place, 4 * known[i].block + lane),
                             known[i].want[lane]);
        }
    }
}

static void test_every_coordinate_counts(void **state)
{
    (void)state;
    enum { N = 12 };
    const RngPlace at = {1, 2, 3};
    Rng rng[N];
    RngPlace place[N];
    uint32_t lane[N] = {0}, bits[N];
    for (int i = 0; i < N; i++) {
        rng[i] = rng_init(5, RNG_TEST);
        place[i] = at;
    }
    rng[1].seed = 6;
    rng[2].seed = 5 + ((uint64_t)1 << 32);
    rng[3].seed = 5 + ((uint64_t)1 << 63);
    rng[4].purpose = RNG_INIT;
    place[5].step++;
    place[6].sentence++;
    place[7].position++;
    place[8].step = 2, place[8].sentence = 1;
    lane[9] = 1;
    lane[10] = 4;
    lane[11] = 0xffffffff;
    for (int i = 0; i < N; i++) {
        bits[i] = rng_bits(&rng[i], place[i], lane[i]);
        for (int j = 0; j < i; j++) {
            assert_true(bits[i] != bits[j]);
        }
    }
    for (int i = N - 1; i >= 0; i--) {  // in any order, any number of times
        assert_int_equal(rng_bits(&rng[i], place[i], lane[i]), bits[i]);
    }
}

static void test_uniform(void **state)
{
    (void)state;
    enum { N = 200000, BINS = 64 };
    const Rng rng = rng_init(1, RNG_TEST);
    long bin[BINS] = {0};
    double sum = 0, chi = 0;
    for (uint32_t i = 0; i < N; i++) {
        const double u = rng_uniform(&rng, (RngPlace){0, i / 7, i % 7}, i % 5);
        assert_true(u >= 0 && u < 1 && u == (double)(float)u);
        assert_true(u * 16777216 == floor(u * 16777216));
        bin[(int)(u * BINS)]++;
        sum += u;
    }
    for (int b = 0; b < BINS; b++) {
        const double expected = (double)N / BINS;
        chi += ((double)bin[b] - expected) * ((double)bin[b] - expected) / expected;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(chi > 20 && chi < 120);  // 63 degrees of freedom: 63 +- 11
}

static void test_below(void **state)
{
    (void)state;
    const Rng rng = rng_init(2, RNG_TEST);
    long count[7] = {0};
    for (uint32_t i = 0; i < 70000; i++) {
        count[rng_below(&rng, (RngPlace){i, 0, 0}, 0, 7)]++;
        assert_int_equal(rng_below(&rng, (RngPlace){i, 0, 0}, 1, 1), 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_true(labs(count[i] - 10000) < 500);
    }
}

static void test_fill16(void **state)
{
    (void)state;
    enum { N = 1003 };
    const Rng rng = rng_init(3, RNG_TEST);
    const RngPlace place = {4, 5, 6};
    uint16_t all[N], some[N + 1];
    int high = 0;
    rng_fill16(&rng, place, all, N);
    for (size_t n = 0; n < N; n += 91) {  // a prefix does not depend on how much is asked for
        some[n] = 0xabcd;
        rng_fill16(&rng, place, some, n);
        assert_memory_equal(some, all, n * sizeof *all);
        assert_int_equal(some[n], 0xabcd);
    }
    for (size_t i = 8; i + 8 <= N; i += 8) {  // blocks do not repeat
        assert_true(memcmp(all + i - 8, all + i, 8 * sizeof *all) != 0);
    }
    for (size_t i = 0; i < N; i++) {
        high += all[i] >= 0x8000;
    }
    assert_true(abs(high - N / 2) < 80);
    for (uint32_t lane = 0; lane < N; lane++) {  // a stream of its own
        assert_true(rng_bits(&rng, place, lane) != ((uint32_t)all[1] << 16 | all[0]));
    }
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { N = 200, TIMES = 3000 };
    const Rng rng = rng_init(4, RNG_SHUFFLE);
    int order[N], again[N], first[5] = {0};
    for (int n = 0; n <= N; n++) {
        bool seen[N] = {false};
        rng_shuffle(&rng, 1, order, n);
        rng_shuffle(&rng, 1, again, n);
        assert_memory_equal(order, again, (size_t)n * sizeof *order);
        for (int i = 0; i < n; i++) {
            assert_true(order[i] >= 0 && order[i] < n && !seen[order[i]]);
            seen[order[i]] = true;
        }
    }
    rng_shuffle(&rng, 2, again, N);
    assert_true(memcmp(order, again, sizeof order) != 0);
    for (uint32_t step = 0; step < TIMES; step++) {
        rng_shuffle(&rng, step, order, 5);
        first[order[0]]++;
    }
    for (int i = 0; i < 5; i++) {
        assert_true(abs(first[i] - TIMES / 5) < 120);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_every_coordinate_counts),
        cmocka_unit_test(test_uniform),       cmocka_unit_test(test_below),
        cmocka_unit_test(test_fill16),        cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
