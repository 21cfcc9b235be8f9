// SPDX-License-Identifier: Apache-2.0
/** Signals: requests to stop, the name of a rank that died, and a limit to calls that cannot be watched.
 *
 * SIGUSR1 and SIGTERM ask a run to save and leave, a second SIGTERM ends it.  mpirun also sends SIGTERM when a rank has died, a second before it kills the rest: the ranks of the dead one's host then say which
 * it was, in one line of the first that notices.  A rank that was alone on its host has nobody to do so (mpirun names it, unless
 * told to be quiet).
 *
 * State is the process's own: one process, one rank.
 */
#ifndef MOE_COMM_SIGNALS_H
#define MOE_COMM_SIGNALS_H

#include "comm/comm.h"

/** Take the signals, and learn who else is on this host; called by comm_init(). Collective on comm. */
void signals_init(const Comm *comm);

/** From now on SIGUSR1 and the first SIGTERM only ask: signals_stop_asked() tells. Local. */
void signals_take_requests(void);

/** Has this rank been asked to stop? The ranks must agree before they act on it. Local. */
bool signals_stop_asked(void);

/** A library's call that waits for other ranks or for a disk begins, and ends: when it takes longer than seconds (whole ones), a line
 * says what was under way, and this process ends, and with it the job. what is a static string. Local. */
void signals_guard_begin(double seconds, const char *what);
void signals_guard_end(void);

/** Another such call begins: who has begun fewer is late. Local. */
void signals_guard_call(void);

/** One line a host: may this rank write it? Asked once. Local. */
bool signals_may_speak(void);

/** The job ends on purpose: who goes now has not died. Called before all ranks are stopped. Local. */
void signals_leaving(void);

/** Give the signals back. Collective on the comm of signals_init(). */
void signals_free(void);

#endif
