// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dense_check.h"

static void test_mixture_of_one_in_float(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 500; seed++) {
        assert_true(dense_is_mixture_of_one(seed));
    }
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixture_of_one_in_float)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
