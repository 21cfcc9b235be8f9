// SPDX-License-Identifier: Apache-2.0
#include "comm/reduce.h"

#include <limits.h>
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

/** Everybody knows everybody's nodes: they are a function of the run of groups. */
static void prepare(Reduce *reduce, const Comm *comm, int n_groups)
{
    const int size = comm->size;
    TreeNode list[TREE_MAX_NODES];
    reduce_free(reduce);
    reduce->n_groups = n_groups;
    reduce->first_node = mem_alloc((size_t)size + 1, sizeof(int));
    reduce->node = mem_alloc((size_t)size * TREE_MAX_NODES, sizeof *reduce->node);
    for (int r = 0; r < size; r++) {
        const int n =
            tree_nodes(tree_split(n_groups, size, r), tree_split(n_groups, size, r + 1), list);
        memcpy(reduce->node + reduce->n_nodes, list, (size_t)n * sizeof *list);
        reduce->n_nodes += n;
        reduce->first_node[r + 1] = reduce->n_nodes;
    }
    reduce->stack = mem_alloc((size_t)reduce->n_nodes, sizeof *reduce->stack);
    reduce->piece = mem_alloc((size_t)reduce->n_nodes, sizeof *reduce->piece);
    reduce->count = mem_alloc(2 * (size_t)size, sizeof(int));
    reduce->start = reduce->count + size;
    reduce->request = mem_alloc((size_t)reduce->n_nodes * (size_t)(size + 1), sizeof(MPI_Request));
}

/** Cut n elements in one segment a rank, and make room for everybody's share of this rank's. */
static size_t cut_segments(Reduce *reduce, const Comm *comm, size_t n)
{
    const size_t size = (size_t)comm->size;
    CHECK(n / size < INT_MAX, "a gradient of %zu numbers is too large for %d ranks", n, comm->size);
    for (size_t r = 0, start = 0; r < size; r++) {
        const size_t count = n / size + (r < n % size);
        CHECK(start <= INT_MAX, "a gradient of %zu numbers is too large to gather", n);
        reduce->start[r] = (int)start;
        reduce->count[r] = (int)count;
        start += count;
    }
    const size_t mine = (size_t)reduce->count[comm->rank], needed = (size_t)reduce->n_nodes * mine;
    if (needed > reduce->max_received) {
        mem_free(reduce->received);
        reduce->max_received = needed + needed / 8;
        reduce->received = mem_alloc(reduce->max_received, sizeof(real));
    }
    return mine;
}

/** Send every rank its segment of this rank's nodes; take everybody's share of this rank's own segment. */
static void exchange_segments(Reduce *reduce, const Comm *comm, real **node)
{
    const int rank = comm->rank, size = comm->size, mine = reduce->count[rank];
    const int *first = reduce->first_node;
    MPI_Request *request = reduce->request;
    int n = 0;
    for (int r = 0; r < size; r++) {
        for (int i = first[r]; i < first[r + 1]; i++) {
            reduce->piece[i] = r == rank ? node[i - first[r]] + reduce->start[rank]
                                         : reduce->received + (size_t)i * (size_t)mine;
            if (r != rank) {
                CHECK_MPI(MPI_Irecv(reduce->piece[i], mine, REAL_MPI, r, i, comm_mpi(comm),
                                    request + n++));
            }
        }
    }
    for (int step = 1; step < size; step++) {  // each rank starts with another peer
        const int r = (rank + step) % size;
        for (int i = first[rank]; i < first[rank + 1]; i++) {
            CHECK_MPI(MPI_Isend(node[i - first[rank]] + reduce->start[r], reduce->count[r],
                                REAL_MPI, r, i, comm_mpi(comm), request + n++));
        }
    }
    CHECK_MPI(MPI_Waitall(n, request, MPI_STATUSES_IGNORE));
}

void reduce_tree(Reduce *reduce, const Comm *comm, int n_groups, real **node, size_t n)
{
    if (reduce->n_groups != n_groups) {
        prepare(reduce, comm, n_groups);
    }
    memcpy(reduce->stack, reduce->node, (size_t)reduce->n_nodes * sizeof *reduce->stack);
    if (comm->size == 1) {
        memcpy(reduce->piece, node, (size_t)reduce->n_nodes * sizeof *node);
        merge_nodes(reduce->stack, reduce->piece, reduce->n_nodes, n);
        return;
    }
    const size_t mine = cut_segments(reduce, comm, n);
    real *own = node[0] + reduce->start[comm->rank];
    exchange_segments(reduce, comm, node);
    merge_nodes(reduce->stack, reduce->piece, reduce->n_nodes, mine);
    if (mine > 0 && reduce->piece[0] != own) {
        memcpy(own, reduce->piece[0], mine * sizeof(real));
    }
    CHECK_MPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, node[0], reduce->count,
                             reduce->start, REAL_MPI, comm_mpi(comm)));
}

void reduce_free(Reduce *reduce)
{
    mem_free(reduce->first_node);
    mem_free(reduce->node);
    mem_free(reduce->stack);
    mem_free(reduce->piece);
    mem_free(reduce->count);
    mem_free(reduce->request);
    mem_free(reduce->received);
    memset(reduce, 0, sizeof *reduce);
}
