// SPDX-License-Identifier: Apache-2.0
#include "comm/reduce.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/tree.h"
#include "comm/mpi_check.h"
#include "comm/watch.h"

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
    reduce->piece = mem_alloc((size_t)reduce->n_nodes + 1, sizeof *reduce->piece);
    reduce->own = mem_alloc(TREE_MAX_NODES, sizeof *reduce->own);
    reduce->count = mem_alloc(2 * (size_t)size, sizeof(int));
    reduce->start = reduce->count + size;
    reduce->request = mem_alloc((size_t)reduce->n_nodes * (size_t)(size + 1), sizeof(MPI_Request));
}

/** Cut n elements in one segment a rank, and make room for everybody's share of this rank's. */
static void cut_segments(Reduce *reduce, const Comm *comm, size_t n)
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
}

/** Send every rank its segment of this rank's nodes; take everybody's share of this rank's own segment. */
static void exchange_segments(Reduce *reduce, const Comm *comm, int tag)
{
    const int rank = comm->rank, size = comm->size, mine = reduce->count[rank];
    const int *first = reduce->first_node;
    MPI_Request *request = reduce->request;
    int n = 0;
    for (int r = 0; r < size; r++) {
        for (int i = first[r]; i < first[r + 1]; i++) {
            const int node = i - first[r];
            reduce->piece[i] = r == rank ? reduce->own[node] + reduce->start[rank]
                                         : reduce->received + (size_t)i * (size_t)mine;
            if (r != rank) {
                CHECK_MPI(MPI_Irecv(reduce->piece[i], mine, REAL_MPI, r,
                                    tag * TREE_MAX_NODES + node, comm_mpi(comm), request + n++));
            }
        }
    }
    for (int step = 1; step < size; step++) {  // each rank starts with another peer
        const int r = (rank + step) % size;
        for (int node = 0; node < first[rank + 1] - first[rank]; node++) {
            CHECK_MPI(MPI_Isend(reduce->own[node] + reduce->start[r], reduce->count[r], REAL_MPI, r,
                                tag * TREE_MAX_NODES + node, comm_mpi(comm), request + n++));
        }
    }
    reduce->n_requests = n;
}

/** This rank's nodes in tree order, nothing sent; own[0] gets the sum. */
static void merge_own(Reduce *reduce, const Comm *comm)
{
    const int first = reduce->first_node[comm->rank],
              n = reduce->first_node[comm->rank + 1] - first;
    memcpy(reduce->stack, reduce->node + first, (size_t)n * sizeof *reduce->stack);
    memcpy(reduce->piece, reduce->own, (size_t)n * sizeof *reduce->piece);
    merge_nodes(reduce->stack, reduce->piece, n, reduce->n);
}

void reduce_begin(Reduce *reduce, const Comm *comm, int n_groups, real *const *node, size_t n,
                  int tag, bool plain)
{
    if (reduce->n_groups != n_groups) {
        prepare(reduce, comm, n_groups);
    }
    const int n_own = reduce->first_node[comm->rank + 1] - reduce->first_node[comm->rank];
    memcpy(reduce->own, node, (size_t)(n_own > 0 ? n_own : 1) * sizeof *node);
    reduce->comm = comm;
    reduce->n = n;
    reduce->plain = plain;
    reduce->n_requests = 0;
    if (comm->size == 1 || plain) {
        return;
    }
    cut_segments(reduce, comm, n);
    exchange_segments(reduce, comm, tag);
}

void reduce_gather(Reduce *reduce)
{
    const Comm *comm = reduce->comm;
    MPI_Request *request = reduce->request;
    if (comm->size == 1 || reduce->plain) {
        merge_own(reduce, comm);
        if (comm->size > 1) {
            if (reduce->first_node[comm->rank + 1] == reduce->first_node[comm->rank]) {
                memset(reduce->own[0], 0, reduce->n * sizeof(real));
            }
            CHECK(reduce->n <= INT_MAX, "a gradient of %zu numbers is too large for --sum mpi",
                  reduce->n);
            CHECK_MPI(MPI_Iallreduce(MPI_IN_PLACE, reduce->own[0], (int)reduce->n, REAL_MPI,
                                     MPI_SUM, comm_mpi(comm), request));
            reduce->n_requests = 1;
        }
        return;
    }
    watch_wait(request, reduce->n_requests);
    const size_t mine = (size_t)reduce->count[comm->rank];
    real *own = reduce->own[0] + reduce->start[comm->rank];
    memcpy(reduce->stack, reduce->node, (size_t)reduce->n_nodes * sizeof *reduce->stack);
    merge_nodes(reduce->stack, reduce->piece, reduce->n_nodes, mine);
    if (mine > 0 && reduce->piece[0] != own) {
        memcpy(own, reduce->piece[0], mine * sizeof(real));
    }
    CHECK_MPI(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, reduce->own[0], reduce->count,
                              reduce->start, REAL_MPI, comm_mpi(comm), request));
    reduce->n_requests = 1;
}

void reduce_wait(Reduce *reduce)
{
    if (reduce->n_requests > 0) {
        watch_wait(reduce->request, reduce->n_requests);
        reduce->n_requests = 0;
    }
}

void reduce_tree(Reduce *reduce, const Comm *comm, int n_groups, real *const *node, size_t n)
{
    reduce_begin(reduce, comm, n_groups, node, n, 0, false);
    reduce_gather(reduce);
    reduce_wait(reduce);
}

void reduce_free(Reduce *reduce)
{
    mem_free(reduce->first_node);
    mem_free(reduce->node);
    mem_free(reduce->stack);
    mem_free(reduce->piece);
    mem_free(reduce->own);
    mem_free(reduce->count);
    mem_free(reduce->request);
    mem_free(reduce->received);
    memset(reduce, 0, sizeof *reduce);
}
