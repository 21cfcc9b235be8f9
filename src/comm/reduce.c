// SPDX-License-Identifier: Apache-2.0
#include "comm/reduce.h"

#include <string.h>

#include "base/arena.h"
#include "base/tree.h"
#include "comm/mpi_check.h"

static void add(real *restrict y, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

/** Merge a list of nodes in tree order; piece[0] gets the sum. The list is used up. */
static void merge_nodes(TreeNode *node, real **piece, int n_nodes, size_t n)
{
    int top = 0;  // nodes 0 .. top-1 are on the stack
    for (int i = 0; i < n_nodes; i++) {
        node[top] = node[i];
        piece[top++] = piece[i];
        while (top >= 2 && tree_are_brothers(node[top - 2], node[top - 1])) {
            add(piece[top - 2], piece[top - 1], n);
            node[top - 2].size *= 2;
            top--;
        }
    }
    for (; top >= 2; top--) {  // what G cuts short: the right end first
        add(piece[top - 2], piece[top - 1], n);
    }
}

static size_t segment_start(size_t n, int size, int i)
{
    return n / (size_t)size * (size_t)i +
           ((size_t)i < n % (size_t)size ? (size_t)i : n % (size_t)size);
}

void reduce_tree(Reduce *reduce, const Comm *comm, int n_groups, real **node, size_t n)
{
    int size = comm->size, total = 0, n_mine = 0;
    CHECK(n_groups <= 1 << 20, "too many groups: %d", n_groups);
    TreeNode local[TREE_MAX_NODES];
    if (size == 1) {
        n_mine = tree_nodes(0, n_groups, local);
        merge_nodes(local, node, n_mine, n);
        return;
    }
    // Everybody knows everybody's nodes: they are a function of the run.
    TreeNode *all = mem_alloc((size_t)size * TREE_MAX_NODES, sizeof *all);
    real **piece = mem_alloc((size_t)size * TREE_MAX_NODES, sizeof *piece);
    size_t mine_start = segment_start(n, size, comm->rank);
    size_t mine = segment_start(n, size, comm->rank + 1) - mine_start;
    for (int r = 0; r < size; r++) {
        total += tree_nodes(tree_split(n_groups, size, r), tree_split(n_groups, size, r + 1),
                            all + total);
    }
    if ((size_t)total * mine > reduce->max_piece) {
        reduce->max_piece = (size_t)total * mine;
        mem_free(reduce->piece);
        reduce->piece = mem_alloc(reduce->max_piece, sizeof(real));
    }
    n_mine = tree_nodes(tree_split(n_groups, size, comm->rank),
                        tree_split(n_groups, size, comm->rank + 1), local);
    int max_request = total + size * n_mine;
    if (max_request > reduce->max_request) {
        reduce->max_request = max_request;
        reduce->request = mem_grow(reduce->request, (size_t)max_request, sizeof(MPI_Request));
    }
    MPI_Request *request = (MPI_Request *)(void *)reduce->request;
    int n_request = 0, k = 0;
    for (int r = 0; r < size; r++) {
        TreeNode other[TREE_MAX_NODES];
        int n_other =
            tree_nodes(tree_split(n_groups, size, r), tree_split(n_groups, size, r + 1), other);
        for (int i = 0; i < n_other; i++, k++) {
            piece[k] = r == comm->rank ? node[i] + mine_start : reduce->piece + (size_t)k * mine;
            if (r != comm->rank) {
                CHECK_MPI(MPI_Irecv(piece[k], (int)mine, REAL_MPI, r, i, comm_mpi(comm),
                                    request + n_request++));
            }
        }
    }
    for (int step = 1; step < size; step++) {  // each rank starts with another peer
        int r = (comm->rank + step) % size;
        size_t start = segment_start(n, size, r), count = segment_start(n, size, r + 1) - start;
        for (int i = 0; i < n_mine; i++) {
            CHECK_MPI(MPI_Isend(node[i] + start, (int)count, REAL_MPI, r, i, comm_mpi(comm),
                                request + n_request++));
        }
    }
    CHECK_MPI(MPI_Waitall(n_request, request, MPI_STATUSES_IGNORE));
    merge_nodes(all, piece, total, mine);
    if (piece[0] != node[0] + mine_start) {
        memcpy(node[0] + mine_start, piece[0], mine * sizeof(real));
    }
    int *count = mem_alloc(2 * (size_t)size, sizeof *count), *start = count + size;
    for (int r = 0; r < size; r++) {
        start[r] = (int)segment_start(n, size, r);
        count[r] = (int)(segment_start(n, size, r + 1) - segment_start(n, size, r));
    }
    CHECK_MPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, node[0], count, start, REAL_MPI,
                             comm_mpi(comm)));
    mem_free(count);
    mem_free(piece);
    mem_free(all);
}

void reduce_free(Reduce *reduce)
{
    mem_free(reduce->piece);
    mem_free(reduce->request);
    memset(reduce, 0, sizeof *reduce);
}
