// SPDX-License-Identifier: Apache-2.0
/** Rows to the ranks of an expert-parallel set and back: one routine with its sides swapped.
 *
 *     counts   how many rows each expert gets from each rank              one Ialltoallv of integers
 *     out      this rank's rows, by owner, to the owners                  one Ialltoallv, counted in rows by a contiguous datatype
 *     back     the owners' results home                                   the same with send and receive swapped
 *
 * A rank without rows, or without experts, takes part.  Nothing here blocks but the waits; rows carry no padding.
 */
#ifndef MOE_COMM_EXCHANGE_H
#define MOE_COMM_EXCHANGE_H

#include "base/arena.h"
#include "base/real.h"
#include "comm/comm.h"

/** One exchange of one group of each rank; all arrays from the arena. */
typedef struct Exchange {
    const Comm *comm;
    int n_experts, first_expert, n_local;  // all experts, and this rank's run
    const int *sent;                       // [n_experts] rows for each expert: the caller's
    int *
        received;  // [size, n_local] rows from each rank for each local expert, after exchange_wait_counts()
    int *send_count, *send_start, *receive_count, *receive_start;  // [size] rows by rank
    int n_send, n_receive;                                         // rows
    real *spare;        // [d] where an empty send buffer begins
    void *request;      // one MPI_Request
    const char *phase;  // what is under way, for messages
    double bytes;       // sent so far to other ranks
    double seconds;     // waited so far
} Exchange;

/** Start the exchange of counts, of rows of d reals. sent [n_experts] must stay. Collective on comm. */
void exchange_counts(Exchange *exchange, const Comm *comm, int n_experts, const int *sent, int d,
                     Arena *arena);

/** Finish it: received, n_send, n_receive and the starts are known. Notes a sign of life of every rank. */
void exchange_wait_counts(Exchange *exchange);

/** Start carrying rows of d reals. Out: send [n_send, d] in expert order to receive [n_receive, d], by rank, then expert.
 * Back: send [n_receive, d] to receive [n_send, d]. Collective on comm, in the same order on all ranks. */
void exchange_out(Exchange *exchange, const real *send, real *receive, int d);
void exchange_back(Exchange *exchange, const real *send, real *receive, int d);

/** Finish the rows under way. */
void exchange_wait(Exchange *exchange);

/** Over all ranks of the set, rows sent = rows received, or all ranks stop. Start and finish. Collective on comm. */
void exchange_check(const Comm *comm, long sent, long received);

#endif
