// SPDX-License-Identifier: Apache-2.0
#include "base/tree.h"

int tree_nodes(int first, int last, TreeNode node[TREE_MAX_NODES])
{
    int n = 0;
    while (first < last) {
        int size = 1;
        while (first % (2 * size) == 0 && first + 2 * size <= last) {
            size *= 2;
        }
        node[n].start = first;
        node[n++].size = size;
        first += size;
    }
    return n;
}

bool tree_are_brothers(TreeNode a, TreeNode b)
{
    return a.size == b.size && a.start + a.size == b.start && a.start % (2 * a.size) == 0;
}

int tree_split(int n, int parts, int i)
{
    return (int)((long long)n * i / parts);
}
