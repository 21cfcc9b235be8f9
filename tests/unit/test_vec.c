// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "math/vec.h"
#include "test_util.h"

enum { MAX_N = 70, PAD = 16 };

static double ulps(real got, double want)
{
    const double unit = fabs(want) > (double)REAL_MIN ? fabs(want) : (double)REAL_MIN;
    return fabs((double)got - want) / (unit * (sizeof(real) == 4 ? 0x1p-23 : 0x1p-52));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void check_function(void (*function)(real *, const real *, size_t), double (*want)(double),
                           double limit, double max_ulps)
{
    Draws draws = draws_init(1);
    real x[MAX_N], y[MAX_N];
    for (int times = 0; times < 2000; times++) {
        const size_t n = (size_t)draw_between(&draws, 0, MAX_N);
        for (size_t i = 0; i < n; i++) {
            x[i] = (real)limit * draw_real(&draws) *
                   (draw_below(&draws, 2) ? 1 : draw_real(&draws) / 100);
        }
        function(y, x, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(ulps(y[i], want((double)x[i])) <= max_ulps);
        }
        function(x, x, n);  // in place
        assert_memory_equal(x, y, n * sizeof *x);
    }
}

static void test_functions(void **state)
{
    (void)state;
    check_function(vec_exp, exp, 80, 4);
    check_function(vec_tanh, tanh, 12, 4);
    real x[MAX_N], y[MAX_N];
    for (int i = 0; i < MAX_N; i++) {
        x[i] = (real)(0.37 * (i - MAX_N / 2));
    }
    vec_sigmoid(y, x, MAX_N);
    for (int i = 0; i < MAX_N; i++) {
        assert_true(fabs((double)y[i] - sigmoid((double)x[i])) <= 2e-7);
    }
}

/** A NaN comes out of every lane and tail: nothing hides it from the check of gradients. */
static void test_nan_stays(void **state)
{
    (void)state;
    void (*function[])(real *, const real *, size_t) = {vec_exp, vec_tanh, vec_sigmoid};
    real x[MAX_N], y[MAX_N];
    for (int f = 0; f < 3; f++) {
        for (int n = 1; n <= MAX_N; n++) {
            for (int i = 0; i < n; i++) {
                x[i] = (real)NAN;
            }
            function[f](y, x, (size_t)n);
            for (int i = 0; i < n; i++) {
                assert_false(vec_is_finite(y + i, 1));
            }
        }
    }
}

/** A value comes out the same wherever it stands in an array and wherever the array lies, for runs to have the same bits. */
static void check_place(void (*function)(real *, const real *, size_t), double limit)
{
    Draws draws = draws_init(2);
    real x[MAX_N + PAD], y[MAX_N + PAD], first[MAX_N];
    for (int n = 1; n <= MAX_N; n++) {
        draw_array(&draws, first, (size_t)n);
        for (int offset = 0; offset < PAD; offset++) {
            for (int i = 0; i < n; i++) {
                x[offset + i] = (real)limit * first[i];
            }
            function(y + offset, x + offset, (size_t)n);
            if (offset > 0) {
                real again[MAX_N + PAD];
                memcpy(again, x + offset, (size_t)n * sizeof *x);
                function(again, again, (size_t)n);
                assert_memory_equal(y + offset, again, (size_t)n * sizeof *y);
            }
        }
    }
}

static void test_alignment_does_not_matter(void **state)
{
    (void)state;
    Draws draws = draws_init(3);
    real x[MAX_N + PAD], y[MAX_N + PAD], a[MAX_N], b[MAX_N], soft[2][MAX_N + PAD];
    check_place(vec_exp, 20);
    check_place(vec_tanh, 5);
    check_place(vec_sigmoid, 20);
    for (int n = 1; n <= MAX_N; n++) {
        draw_array(&draws, a, (size_t)n);
        draw_array(&draws, b, (size_t)n);
        for (int offset = 0; offset < PAD * PAD; offset++) {
            real *at_x = x + offset % PAD, *at_y = y + offset / PAD;
            memcpy(at_x, a, (size_t)n * sizeof *a);
            memcpy(at_y, b, (size_t)n * sizeof *b);
            assert_true(vec_dot(at_x, at_y, (size_t)n) == vec_dot(a, b, (size_t)n));
            assert_true(vec_sum_squares(at_x, (size_t)n) == vec_sum_squares(a, (size_t)n));
            const real lse = vec_softmax(soft[0] + offset / PAD, at_x, n);
            assert_true(lse == vec_softmax(soft[1], a, n));
            assert_memory_equal(soft[0] + offset / PAD, soft[1], (size_t)n * sizeof(real));
        }
    }
}

static void test_softmax(void **state)
{
    (void)state;
    Draws draws = draws_init(4);
    real x[MAX_N], y[MAX_N];
    for (int times = 0; times < 3000; times++) {
        const int n = draw_between(&draws, 1, MAX_N);
        double sum = 0, max = -1e300, total = 0;
        const real shift = 1000 * draw_real(&draws);
        for (int i = 0; i < n; i++) {
            x[i] = shift + 20 * draw_real(&draws);
            max = (double)x[i] > max ? (double)x[i] : max;
        }
        for (int i = 0; i < n; i++) {
            sum += exp((double)(x[i] - (real)max));  // with the rounding of the difference
        }
        const real lse = vec_softmax(y, x, n);
        assert_true(fabs((double)lse - max - log(sum)) <= 2e-7 * (8 + fabs(max)));
        for (int i = 0; i < n; i++) {
            assert_true(ulps(y[i], exp((double)(x[i] - (real)max)) / sum) <= 12);
            total += (double)y[i];
        }
        assert_true(fabs(total - 1) < 1e-5);
        assert_true(vec_softmax(x, x, n) == lse);  // in place
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    const real big[] = {0, -1e4f, 1e4f, -1e30f, 1e30f, -REAL_MAX, REAL_MAX, 1e-30f, -1e-30f};
    enum { N = sizeof big / sizeof big[0] };
    real x[3 * N], y[3 * N];
    for (int i = 0; i < 3 * N; i++) {
        x[i] = big[i % N];
    }
    vec_sigmoid(y, x, 3 * N);
    for (int i = 0; i < 3 * N; i++) {
        const double want = (double)x[i] > 1 ? 1 : (double)x[i] < -1 ? 0 : 0.5;
        assert_true(want > 0 ? ulps(y[i], want) <= 4 : y[i] >= 0 && (double)y[i] < 1e-7);
    }
    vec_tanh(y, x, 3 * N);
    for (int i = 0; i < 3 * N; i++) {
        const double want = (double)x[i] > 1 ? 1 : (double)x[i] < -1 ? -1 : (double)x[i];
        assert_true(fabs((double)y[i] - want) < 1e-36);
    }
    for (int n = 1; n <= 3 * N; n++) {
        const real lse = vec_softmax(y, x, n);
        double sum = 0;
        assert_true(vec_is_finite(y, (size_t)n) && vec_is_finite(&lse, 1));
        for (int i = 0; i < n; i++) {
            assert_true(y[i] >= 0);
            sum += (double)y[i];
        }
        assert_true(fabs(sum - 1) < 1e-6);
    }
}

static void test_sums(void **state)
{
    (void)state;
    Draws draws = draws_init(6);
    enum { N = 3000 };
    static real x[N], y[N];
    draw_array(&draws, x, N);
    draw_array(&draws, y, N);
    for (int n = 0; n < N; n = n < 100 ? n + 1 : n * 2) {
        double dot = 0, squares = 0;
        for (int i = 0; i < n; i++) {
            dot += (double)x[i] * (double)y[i];
            squares += (double)x[i] * (double)x[i];
        }
        assert_true(fabs((double)vec_dot(x, y, (size_t)n) - dot) <= 1e-6 * (1 + n));
        assert_true(fabs(vec_sum_squares(x, (size_t)n) - squares) <= 1e-6 * squares);
    }
}

static void test_elementwise(void **state)
{
    (void)state;
    Draws draws = draws_init(7);
    for (size_t n = 0; n <= MAX_N; n++) {
        real x[MAX_N + 1], y[MAX_N + 1], z[MAX_N + 1];
        draw_array(&draws, x, MAX_N + 1);
        draw_array(&draws, y, MAX_N + 1);
        memcpy(z, y, sizeof z);
        vec_add(z, x, n);
        for (size_t i = 0; i <= n && i <= MAX_N; i++) {
            assert_true(z[i] == (i < n ? y[i] + x[i] : y[i]));
        }
        memcpy(z, y, sizeof z);
        vec_axpy(z, 2, x, n);
        vec_scale(z, (real)0.5, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(fabs((double)z[i] - (0.5 * (double)y[i] + (double)x[i])) < 1e-6);
        }
        vec_copy(z, x, n);
        vec_relu(z, n);
        real dz[MAX_N + 1];
        vec_copy(dz, y, n);
        vec_relu_backward(dz, z, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(z[i] == (x[i] > 0 ? x[i] : 0) && dz[i] == (x[i] > 0 ? y[i] : 0));
        }
        vec_zero(z, n);
        assert_true(vec_dot(z, z, n) == 0);
    }
    real nan[3] = {(real)NAN, -1, 1};
    vec_relu(nan, 3);
    assert_true(isnan(nan[0]) && nan[1] == 0 && nan[2] == 1);
}

static void test_rows(void **state)
{
    (void)state;
    real x[3 * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, bias[2] = {100, 200},
               sum[4] = {7, 7, 7, 7};
    vec_sum_rows(sum, x, 3, 2, 4);
    assert_true(sum[0] == 15 && sum[1] == 18 && sum[2] == 7);
    vec_add_rows(x, bias, 2, 2);
    assert_true(x[0] == 101 && x[1] == 202 && x[2] == 103 && x[3] == 204 && x[4] == 5);
    vec_sum_rows(sum, x, 0, 2, 4);
    assert_true(sum[0] == 0 && sum[1] == 0);
}

static void test_finite(void **state)
{
    (void)state;
    const real bad[] = {(real)NAN, (real)INFINITY, -(real)INFINITY};
    real x[MAX_N];
    for (int i = 0; i < MAX_N; i++) {
        x[i] = i % 2 ? REAL_MAX : -REAL_MAX;
    }
    for (size_t n = 0; n <= MAX_N; n++) {
        assert_true(vec_is_finite(x, n));
        for (size_t i = 0; i < 3 * n; i++) {
            const real kept = x[i / 3];
            x[i / 3] = bad[i % 3];
            assert_false(vec_is_finite(x, n));
            x[i / 3] = kept;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_nan_stays),
        cmocka_unit_test(test_alignment_does_not_matter),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
