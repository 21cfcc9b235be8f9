// SPDX-License-Identifier: Apache-2.0
/** Ranks: the only caller of MPI (with exchange and reduce). A program without mpirun is one rank.
 *
 * World = data-parallel replicas x expert-parallel ranks.  A rank works on a contiguous run of the groups of a batch.
 */
#ifndef MOE_COMM_COMM_H
#define MOE_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef struct Comm {
    int rank, size;      // this rank, all ranks of the communicator
    int origin, stride;  // rank r of it is rank origin + stride r of the world
    void *world;         // MPI_Comm of these ranks, a duplicate of our own
} Comm;

/** World = data-parallel replicas x expert-parallel ranks. Rank r is rank r % ep_size of expert-parallel set r / ep_size, which
 * holds all experts once; replicas are the ranks that hold the same experts.
 *
 *     6 ranks, ep_size 3      set 0: ranks 0 1 2     set 1: ranks 3 4 5     replicas of a shard: 0 3 | 1 4 | 2 5
 */
typedef struct Mesh {
    Comm world;
    Comm experts;   // this rank's expert-parallel set
    Comm replicas;  // ranks with this rank's experts, one of each set
} Mesh;

/** Start MPI; from now on a failed CHECK stops all ranks. Collective on all processes. */
void comm_init(Comm *comm, int *argc, char ***argv);

/** This rank alone, as a communicator of one. Local; freed with comm_self_free(). */
void comm_self(Comm *self);
void comm_self_free(Comm *self);

/** Stop MPI. Collective on comm. */
void comm_free(Comm *comm);

/** Cut the world in expert-parallel sets of ep_size ranks, a divisor of the world. Collective on mesh->world. */
void mesh_init(Mesh *mesh, int ep_size);

/** Free what mesh_init() made; the world stays. Collective. */
void mesh_free(Mesh *mesh);

/** The largest divisor of the world that leaves no rank without an expert. Local. */
int mesh_default_size(int n_ranks, int n_experts);

/** Experts of rank `i` of a set of n ranks: first (inclusive) and last (exclusive); blocks differ by at most one. Local. */
void mesh_experts(int n_experts, int n, int i, int *first, int *last);

/** Groups of the whole expert-parallel set of this rank, which are a contiguous run too. Local. */
void mesh_groups(const Mesh *mesh, int n_groups, int *first, int *last);

/** Groups of rank r of this rank's set. Local. */
void mesh_groups_of(const Mesh *mesh, int n_groups, int r, int *first, int *last);

/** Number in the world of rank r. Local. */
int comm_world_rank(const Comm *comm, int r);

/** Only one rank speaks. */
bool comm_is_root(const Comm *comm);

/** Does a person watch standard output? Under mpirun a rank writes to a pseudo-terminal of mpirun's, whatever its own output
 * is, so there it is mpirun's that counts. Local. */
bool comm_has_terminal(void);

/** The failure of the lowest rank that has one, or OK, on every rank. Collective on comm. */
Status comm_agree(const Comm *comm, Status status) MUST_USE;

/** Groups of this rank: first (inclusive) and last (exclusive) of n_groups. Local. */
void comm_groups(const Comm *comm, int n_groups, int *first, int *last);

/** Element-wise maximum, in place, over all ranks. x [n]. Collective on comm. */
void comm_max_int(const Comm *comm, int *x, int n);
void comm_max_double(const Comm *comm, double *x, int n);

/** Bytes from rank `from` to rank `to`; others do nothing. Collective on those two. */
void comm_copy(const Comm *comm, void *bytes, size_t n, int from, int to);

/** n bytes of rank 0 on every rank, in place. Collective on comm. */
void comm_broadcast(const Comm *comm, void *bytes, size_t n);

/** A question to all ranks that travels while they work: each gives its flags, and gets the flags of all, ORed. One at a time
 * for a comm. Begin and end are collective on comm; end waits. */
typedef struct Vote {
    int flags;      // of all ranks after comm_vote_end()
    void *request;  // MPI_Request, kept from vote to vote; zeroed struct: none yet
} Vote;
void comm_vote_begin(Vote *vote, const Comm *comm, int flags);
int comm_vote_end(Vote *vote);
void comm_vote_free(Vote *vote);

/** Sum of integers: any order gives the same bits. x [n], in place. Collective on comm. */
void comm_sum_int64(const Comm *comm, int64_t *x, int n);

/** Sum of doubles of which at most one rank has a value other than zero: exact in any order. x [n], in place. Collective on
 * comm. */
void comm_sum_with_zeros(const Comm *comm, double *x, int n);

/** Let messages under way move on: Open MPI does so only when it is called. Cheap; between products. Local. */
void comm_poke(void);

/** x [n] of every rank, rank by rank: all [size, n]. Collective on comm. */
void comm_gather_double(const Comm *comm, const double *x, int n, double *all);

/** Name and version of the MPI library, one line, static. Local. */
const char *comm_library(void);

#endif
