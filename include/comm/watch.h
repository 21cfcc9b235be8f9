// SPDX-License-Identifier: Apache-2.0
/** No silent hang: every wait for other ranks ends, or says who is late.
 *
 * A rank that has waited longer than the timeout tells all others that it is there, with its step and phase; a rank that waits
 * answers in the same way from inside its own wait.  Who has not been heard of after a second is late: stopped, dead
 * or still computing.  The lowest rank that is there prints one line, and all ranks are stopped.
 *
 * State is the process's own: one process, one rank.
 */
#ifndef MOE_COMM_WATCH_H
#define MOE_COMM_WATCH_H

#include "comm/comm.h"

/** Start watching with a timeout of 300 s; called by comm_init(). Collective on comm. */
void watch_init(const Comm *comm);
void watch_free(void);

/** Seconds that a wait may take. Local. */
void watch_set_timeout(double seconds);

/** Where this rank is, for the message; phase is a static string. Local. */
void watch_step(long step);
void watch_enter(const char *phase);

/** A sign of life of a rank of the world: what it sent last. Local. */
void watch_seen(int world_rank, long rows);

/** Wait for MPI requests: n elements of MPI_Request. Errors: stops all ranks when an operation fails or takes too long. Called by
 * all who post requests. */
void watch_wait(void *requests, int n);

/** A library's call that waits for others or for a disk, where nothing can be polled: it may take the timeout as well, then a line says what
 * was under way and the job ends. what is a static string. Local. */
void watch_guard_begin(const char *what);
void watch_guard_end(void);

/** Seconds that this rank has spent in watch_wait() since the start. Local. */
double watch_waited(void);

#endif
