// SPDX-License-Identifier: Apache-2.0
/** Sums over groups in the order of the fixed tree (base/tree.h), across ranks.
 *
 *     rank 0: nodes {0-1} {2}        every rank owns a segment of the vector: the nodes' pieces of a segment are sent
 *     rank 1: nodes {3} {4-5}        to its owner, added there in tree order, and the sums are gathered by all.
 *     rank 2: nodes {6-7}            Bytes per rank: 2 (W-1)/W of the vector, as an all-reduce, when runs are whole nodes.
 */
#ifndef MOE_COMM_REDUCE_H
#define MOE_COMM_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"
#include "base/tree.h"
#include "comm/comm.h"

/** Who has which nodes, and buffers, kept between calls. Zeroed struct: empty and valid. */
typedef struct Reduce {
    int n_groups;         // what the lists below are for; 0: nothing yet
    int n_nodes;          // of all ranks, in order
    int *first_node;      // [W + 1] nodes of rank r are first_node[r] .. first_node[r + 1] - 1
    TreeNode *node;       // [n_nodes]
    TreeNode *stack;      // [n_nodes] scratch of a merge
    real **piece;         // [n_nodes] where a node's share of this rank's segment lies
    real **own;           // [at least 1] this rank's buffers
    int *count, *start;   // [W] segments of the vector
    void *request;        // MPI_Request [n_nodes + W * nodes of this rank]
    real *received;       // [n_nodes, segment]
    size_t max_received;  // elements
    const Comm *comm;     // of the sum under way
    size_t n;             // its length
    int n_requests;       // messages under way
    bool plain;
} Reduce;

/** Start the sum of a vector. node [number of this rank's tree_nodes(), n]: the sums of this rank's nodes, in order, which must
 * stay until reduce_wait(). n may be 0 and is equal on all ranks; a rank without groups passes one buffer all the same, for the
 * result. tag: apart from other sums under way. plain: MPI's own order of adding, for comparison.
 * Collective on comm: (W - 1) x nodes messages each way; with one rank nothing is sent. */
void reduce_begin(Reduce *reduce, const Comm *comm, int n_groups, real *const *node, size_t n,
                  int tag, bool plain);

/** Add up what has come and start the gather. Collective on comm, sums in the same order on all ranks. */
void reduce_gather(Reduce *reduce);

/** Finish: node[0] [n] is the sum over all groups on every rank, bit-equal for any number of ranks (unless plain); the
 * others are scratch. */
void reduce_wait(Reduce *reduce);

/** The three at once. */
void reduce_tree(Reduce *reduce, const Comm *comm, int n_groups, real *const *node, size_t n);

void reduce_free(Reduce *reduce);

#endif
