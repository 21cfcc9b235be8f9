// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/params.h"
#include "test_util.h"

enum { MAX_GROUPS = 17, ROWS = 9, DIM = 3, TOUCHED = 4 };

/** A table of three sections: a and b with the word rows, an empty one, c. */
typedef struct Table {
    Params params;
    int section[3], a, b, words, c;
    real rows[ROWS * DIM];
} Table;

static void table_make(Table *table, int first, int last)
{
    memset(table, 0, sizeof *table);
    Params *p = &table->params;
    table->section[0] = params_section(p);
    table->a = params_add(p, "a", PARAM_DENSE, true, 2, (int[]){2, 3});
    table->words = params_add_rows(p, "words", table->rows, ROWS, DIM);
    table->b = params_add(p, "b", PARAM_DENSE, false, 1, (int[]){5});
    table->section[1] = params_section(p);
    table->section[2] = params_section(p);
    table->c = params_add(p, "c", PARAM_EXPERT, true, 3, (int[]){2, 2, 2});
    params_allocate(p, first, last);
}

static void test_registration(void **state)
{
    (void)state;
    static Table t;
    table_make(&t, 0, 1);
    const Params *p = &t.params;
    assert_int_equal(p->n, 4);
    assert_int_equal(p->size, 6 + 5 + 8);
    assert_int_equal(p->rows, t.words);
    assert_int_equal(params_count(p, PARAM_DENSE), 11);
    assert_int_equal(params_count(p, PARAM_EXPERT), 8);
    assert_int_equal(params_count(p, PARAM_ROWS), ROWS * DIM);
    assert_ptr_equal(params_value(p, t.words), t.rows);
    assert_ptr_equal(params_value(p, t.b), params_value(p, t.a) + 6);
    assert_ptr_equal(params_value(p, t.c), params_value(p, t.b) + 5);
    assert_true(p->param[t.a].decay && !p->param[t.b].decay && !p->param[t.words].decay);
    for (int i = 0; i < p->n; i++) {
        assert_int_equal(p->param[i].section, i == t.c ? t.section[2] : t.section[0]);
    }
    for (size_t i = 0; i < p->size; i++) {
        assert_true(p->value[i] == 0);
    }
    params_free(&t.params);
    assert_int_equal(mem_live(), 0);
}

/** Value of element i of the gradient of group g. */
static real term(int g, size_t i)
{
    Draws draws = draws_init((uint32_t)(1000 * g) + (uint32_t)i);
    return draw_real(&draws) * (real)(1 << draw_below(&draws, 20));
}

static void fill_group(Params *p, int tensor, int g, size_t n)
{
    real *grad = params_grad(p, tensor);
    for (size_t i = 0; i < n; i++) {
        grad[i] = term(g, p->param[tensor].offset + i);
    }
}

/** Sections go through the groups one after the other, from the last to the first as backward does. */
static void run_groups(Table *t, int first, int last)
{
    Params *p = &t->params;
    for (int i = 0; i < p->n_slots; i++) {
        for (size_t j = 0; j < params_grad_size(p); j++) {
            p->slot[i][j] = (real)NAN;
        }
    }
    for (int s = 2; s >= 0; s--) {
        for (int g = first; g < last; g++) {
            params_group_begin(p, g);
            if (s == 2) {
                fill_group(p, t->c, g, 8);
            } else if (s == 0) {
                fill_group(p, t->a, g, 6);
                fill_group(p, t->b, g, 5);
                fill_group(p, t->words, g, TOUCHED * DIM);
            }
            params_group_end(p, t->section[s], g);
        }
    }
}

/** Each node that a run leaves is the sum of its block, bit for bit. */
static void test_sums_over_groups(void **state)
{
    (void)state;
    static Table t;
    static const int ROW[TOUCHED] = {8, 0, 3, 5};
    for (int first = 0; first < MAX_GROUPS; first++) {
        for (int last = first + 1; last <= MAX_GROUPS; last++) {
            TreeNode node[TREE_MAX_NODES];
            table_make(&t, first, last);
            params_touch_rows(&t.params, ROW, TOUCHED);
            assert_int_equal(params_grad_size(&t.params), 19 + TOUCHED * DIM);
            run_groups(&t, first, last);
            const int n = tree_nodes(first, last, node);
            assert_true(n <= t.params.n_slots);
            for (int k = 0; k < n; k++) {
                for (size_t i = 0; i < params_grad_size(&t.params); i++) {
                    real x[MAX_GROUPS];
                    for (int g = 0; g < last; g++) {
                        x[g] = term(g, i);
                    }
                    const real want = tree_sum(x, last, node[k].start, node[k].size);
                    assert_memory_equal(&t.params.slot[k][i], &want, sizeof want);
                }
            }
            params_free(&t.params);
        }
    }
    assert_int_equal(mem_live(), 0);
}

static void test_slots_are_few(void **state)
{
    (void)state;
    static Table t;
    for (int first = 0; first < 100; first += 33) {
        table_make(&t, first, first + 1000);
        assert_true(t.params.n_slots <= 20);
        params_free(&t.params);
        table_make(&t, first, first);  // no groups: one slot for the result
        assert_int_equal(t.params.n_slots, 1);
        assert_non_null(params_grad(&t.params, t.a));
        params_free(&t.params);
    }
}

static void test_rows(void **state)
{
    (void)state;
    static Table t;
    static const int ROW[ROWS] = {8, 0, 3, 5, 1, 2, 4, 6, 7};
    table_make(&t, 0, 3);
    for (int n = 0; n <= ROWS; n++) {
        params_touch_rows(&t.params, ROW, n);
        assert_int_equal(params_grad_size(&t.params), 19 + n * DIM);
        assert_ptr_equal(t.params.row, ROW);
        real *grad = params_grad(&t.params, t.words);
        assert_ptr_equal(grad, params_grad(&t.params, t.a) + t.params.size);
        for (int i = 0; i < n * DIM; i++) {
            grad[i] = 1;
        }
    }
    params_touch_rows(&t.params, ROW, 2);  // fewer rows need no new memory
    assert_true(params_grad(&t.params, t.words)[0] == 1);
    params_free(&t.params);
    assert_int_equal(mem_live(), 0);
}

static void test_not_finite(void **state)
{
    (void)state;
    static Table t;
    table_make(&t, 0, 1);
    params_touch_rows(&t.params, (const int[]){1, 2}, 2);
    assert_null(params_not_finite(&t.params, false));
    assert_null(params_not_finite(&t.params, true));
    for (int tensor = 0; tensor < t.params.n; tensor++) {
        const bool rows = t.params.param[tensor].kind == PARAM_ROWS;
        const size_t last = t.params.param[tensor].size - 1;
        params_value(&t.params, tensor)[last] = (real)NAN;
        assert_string_equal(params_not_finite(&t.params, false), t.params.param[tensor].name);
        params_value(&t.params, tensor)[last] = 0;
        params_grad(&t.params, tensor)[rows ? 2 * DIM - 1 : last] = -(real)INFINITY;
        assert_string_equal(params_not_finite(&t.params, true), t.params.param[tensor].name);
        params_grad(&t.params, tensor)[rows ? 2 * DIM - 1 : last] = 0;
    }
    params_free(&t.params);
}

static void test_fill_uniform(void **state)
{
    (void)state;
    Params p = {0}, q = {0};
    params_section(&p);
    params_section(&q);
    for (int i = 0; i < 2; i++) {
        params_add(&p, i ? "second" : "first", PARAM_DENSE, true, 1, (int[]){5000});
        params_add(&q, i ? "second" : "first", PARAM_DENSE, true, 1, (int[]){5000});
    }
    params_allocate(&p, 0, 1);
    params_allocate(&q, 3, 5);
    params_fill_uniform(&p, 0, 7, 0.5);
    params_fill_uniform(&p, 1, 7, 0.5);
    params_fill_uniform(&q, 1, 7,
                        0.5);  // a function of seed, tensor and element: not of order or groups
    params_fill_uniform(&q, 0, 7, 0.5);
    assert_memory_equal(p.value, q.value, p.size * sizeof(real));
    double sum = 0, squares = 0;
    for (size_t i = 0; i < p.size; i++) {
        assert_true(p.value[i] >= -(real)0.5 && p.value[i] <= (real)0.5);
        sum += (double)p.value[i];
        squares += (double)p.value[i] * (double)p.value[i];
    }
    assert_true(fabs(sum) / 10000 < 0.015 && fabs(squares / 10000 - 1.0 / 12) < 0.005);
    assert_true(memcmp(params_value(&p, 0), params_value(&p, 1), 5000 * sizeof(real)) != 0);
    params_fill_uniform(&q, 0, 8, 0.5);
    assert_true(memcmp(params_value(&p, 0), params_value(&q, 0), 5000 * sizeof(real)) != 0);
    params_free(&p);
    params_free(&q);
}

/** A table without tensors, never allocated. */
static void test_empty_table(void **state)
{
    (void)state;
    Params p = {0};
    params_free(&p);
    assert_int_equal(params_grad_size(&p), 0);
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration),  cmocka_unit_test(test_sums_over_groups),
        cmocka_unit_test(test_slots_are_few), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_fill_uniform),
        cmocka_unit_test(test_empty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
