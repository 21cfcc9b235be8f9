// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_util.h"

enum { MAX_GROUPS = 17, MAX_RANKS = 8 };

/** The stack rule on a list of nodes with their sums; returns the height of the stack. */
static int merge(TreeNode *node, real *sum, int n, TreeNode next, real x)
{
    node[n] = next;
    sum[n++] = x;
    while (n >= 2 && tree_are_brothers(node[n - 2], node[n - 1])) {
        sum[n - 2] += sum[n - 1];
        node[n - 2].size *= 2;
        n--;
    }
    return n;
}

static void test_nodes_cover_a_run(void **state)
{
    (void)state;
    TreeNode node[TREE_MAX_NODES];
    for (int first = 0; first <= 70; first++) {
        for (int last = first; last <= 70; last++) {
            const int n = tree_nodes(first, last, node);
            int at = first;
            for (int i = 0; i < n; i++) {
                assert_int_equal(node[i].start, at);
                assert_true(node[i].size > 0 && (node[i].size & (node[i].size - 1)) == 0);
                assert_int_equal(node[i].start % node[i].size, 0);
                assert_false(i > 0 && tree_are_brothers(node[i - 1], node[i]));
                at += node[i].size;
            }
            assert_int_equal(at, last);
        }
    }
    assert_int_equal(tree_nodes(1, 1 << 30, node), 30);  // the longest lists fit
    assert_int_equal(tree_nodes(1, (1 << 30) - 1, node), 58);
}

static void test_brothers(void **state)
{
    (void)state;
    assert_true(tree_are_brothers((TreeNode){0, 1}, (TreeNode){1, 1}));
    assert_false(tree_are_brothers((TreeNode){1, 1}, (TreeNode){2, 1}));
    assert_true(tree_are_brothers((TreeNode){4, 2}, (TreeNode){6, 2}));
    assert_false(tree_are_brothers((TreeNode){2, 2}, (TreeNode){4, 2}));
    assert_false(tree_are_brothers((TreeNode){0, 2}, (TreeNode){2, 1}));
    assert_false(tree_are_brothers((TreeNode){0, 1}, (TreeNode){2, 1}));
    assert_false(tree_are_brothers((TreeNode){1, 1}, (TreeNode){0, 1}));
}

static void test_split(void **state)
{
    (void)state;
    for (int n = 0; n <= 40; n++) {
        for (int parts = 1; parts <= 12; parts++) {
            assert_int_equal(tree_split(n, parts, 0), 0);
            assert_int_equal(tree_split(n, parts, parts), n);
            for (int i = 0; i < parts; i++) {
                const int size = tree_split(n, parts, i + 1) - tree_split(n, parts, i);
                assert_true(size == n / parts || size == (n + parts - 1) / parts);
            }
        }
    }
    assert_int_equal(tree_split(1 << 30, 1 << 20, 1 << 20), 1 << 30);
}

/** Groups are pushed one by one on each rank, the ranks' stacks are merged in order, what G cuts short from the right. */
static void test_any_split_gives_the_tree_sum(void **state)
{
    (void)state;
    Draws draws = draws_init(1);
    for (int G = 1; G <= MAX_GROUPS; G++) {
        for (int W = 1; W <= MAX_RANKS; W++) {
            real x[MAX_GROUPS], sum[MAX_RANKS * 2 * MAX_GROUPS];
            TreeNode node[MAX_RANKS * 2 * MAX_GROUPS];
            int n = 0;
            for (int g = 0; g < G; g++) {
                x[g] = draw_real(&draws) * (real)(1 << draw_below(&draws, 20));
            }
            for (int r = 0; r < W; r++) {
                TreeNode own[MAX_GROUPS], covered[TREE_MAX_NODES];
                real own_sum[MAX_GROUPS];
                const int first = tree_split(G, W, r), last = tree_split(G, W, r + 1);
                int height = 0;
                for (int g = first; g < last; g++) {
                    height = merge(own, own_sum, height, (TreeNode){g, 1}, x[g]);
                }
                assert_int_equal(height, tree_nodes(first, last, covered));
                assert_memory_equal(own, covered, (size_t)height * sizeof *own);
                for (int i = 0; i < height; i++) {
                    n = merge(node, sum, n, own[i], own_sum[i]);
                }
            }
            for (; n > 1; n--) {
                sum[n - 2] += sum[n - 1];
            }
            const real want = tree_sum(x, G, 0, power_of_two(G));
            assert_memory_equal(sum, &want, sizeof want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_cover_a_run),
        cmocka_unit_test(test_brothers),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_any_split_gives_the_tree_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
