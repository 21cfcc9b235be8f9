// SPDX-License-Identifier: Apache-2.0
/** Every analytic gradient against central differences, and the comparison itself against planted mistakes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/gradcheck.h"
#include "base/arena.h"

static void test_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < gradcheck_count(); i++) {
        long compared = 0;
        const double error = gradcheck_run(i, &compared);
        print_message("%-24s %6ld numbers, largest error %.1e\n", gradcheck_name(i), compared,
                      error);
        assert_true(compared > 0);
        assert_true(error <= GRADCHECK_TOLERANCE);
    }
    assert_int_equal(mem_live(), 0);
}

/** A gradient that is right but for one number. */
static double error_of(int i, double wrong)
{
    double numeric[] = {0.5, -2, 1e-3, 0, 3};
    real analytic[] = {0.5, -2, 1e-3, 0, 3};
    analytic[i] = wrong;
    return gradcheck_error(analytic, numeric, 5);
}

static void test_planted_mistakes(void **state)
{
    (void)state;
    const double correct[] = {0.5, -2, 1e-3, 0, 3};
    for (int i = 0; i < 5; i++) {
        assert_true(error_of(i, correct[i]) == 0);
        assert_true(error_of(i, correct[i] * (1 + 1e-9)) <= GRADCHECK_TOLERANCE);
        assert_true(error_of(i, NAN) > GRADCHECK_TOLERANCE);
        assert_true(error_of(i, INFINITY) > GRADCHECK_TOLERANCE);
        if (correct[i] != 0) {
            assert_true(error_of(i, correct[i] * 1.001) > GRADCHECK_TOLERANCE);
            assert_true(error_of(i, -correct[i]) > GRADCHECK_TOLERANCE);
            assert_true(error_of(i, 0) > GRADCHECK_TOLERANCE);
        }
    }
    assert_true(error_of(3, 1e-6) > GRADCHECK_TOLERANCE);
    assert_true(gradcheck_error(NULL, NULL, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_planted_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
