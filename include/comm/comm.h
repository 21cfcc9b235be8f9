// SPDX-License-Identifier: Apache-2.0
/** Ranks: the only caller of MPI (with exchange and reduce). A program without mpirun is one rank.
 *
 * World = data-parallel replicas x expert-parallel ranks.  A rank works on a contiguous run of the groups of a batch.
 */
#ifndef MOE_COMM_COMM_H
#define MOE_COMM_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

typedef struct Comm {
    int rank, size;  // this rank, all ranks
    void *world;     // MPI_Comm of all ranks, a duplicate of our own
} Comm;

/** Start MPI; from now on a failed CHECK stops all ranks. Collective on all processes. */
void comm_init(Comm *comm, int *argc, char ***argv);

/** Stop MPI. Collective on comm. */
void comm_free(Comm *comm);

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

/** Sum of integers: any order gives the same bits. x [n], in place. Collective on comm. */
void comm_sum_int64(const Comm *comm, int64_t *x, int n);

/** Sum of doubles of which at most one rank has a value other than zero: exact in any order. x [n], in place. Collective on
 * comm. */
void comm_sum_with_zeros(const Comm *comm, double *x, int n);

/** x [n] of every rank, rank by rank: all [size, n]. Collective on comm. */
void comm_gather_double(const Comm *comm, const double *x, int n, double *all);

/** Name and version of the MPI library, one line, static. Local. */
const char *comm_library(void);

#endif
