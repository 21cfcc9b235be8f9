// SPDX-License-Identifier: Apache-2.0
/** Signals: the name of a rank that died.
 *
 * mpirun sends SIGTERM when a rank has died, a second before it kills the rest: the ranks of the dead one's host then say which
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

/** The job ends on purpose: who goes now has not died. Called before all ranks are stopped. Local. */
void signals_leaving(void);

/** Give the signals back. Collective on the comm of signals_init(). */
void signals_free(void);

#endif
