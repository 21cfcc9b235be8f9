// SPDX-License-Identifier: Apache-2.0
/** The fixed binary tree over group numbers that every sum over groups follows. Local, pure functions.
 *
 *     0   1   2   3   4   5   6      leaves are groups; a node is an aligned block of 2^k of them;
 *      \ /     \ /     \ /    |      a block that G cuts short is the sum of what is there
 *       +-- + --+       +- + -+
 *           +------+-------+         ((0+1)+(2+3)) + ((4+5)+6)
 *
 * A rank that owns groups first .. last-1 can add up only the nodes that lie inside its run; what is left is a short list of
 * nodes, and merging the lists of all ranks in order gives the same sum, bit for bit, as one rank alone.
 *
 * Adding with a stack: push a node; while the two on top are brothers, replace them by their sum (lower + upper).
 */
#ifndef MOE_BASE_TREE_H
#define MOE_BASE_TREE_H

#include <stdbool.h>

/** Groups start .. start + size - 1; size is a power of two and divides start. */
typedef struct TreeNode {
    int start, size;
} TreeNode;

enum { TREE_MAX_NODES = 64 };

/** The shortest list of nodes that cover first .. last-1, in order; returns their number (0 for an empty run). */
int tree_nodes(int first, int last, TreeNode node[TREE_MAX_NODES]);

/** The stack rule: may b, pushed after a, be added to it? */
bool tree_are_brothers(TreeNode a, TreeNode b);

/** Contiguous runs that differ by at most one: the first part of part `i` when n things are split in `parts`; `i` = parts gives n. */
int tree_split(int n, int parts, int i);

#endif
