// SPDX-License-Identifier: Apache-2.0
#include "comm/watch.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "comm/mpi_check.h"
#include "comm/signals.h"

enum { PHASE_TEXT = 48, LIST_TEXT = 200, POLLS = 64 };

static const double answer_seconds = 1, probe_seconds = 0.05;

/** What a rank says of itself when somebody is late. */
typedef struct Beacon {
    int rank;
    long step;
    char phase[PHASE_TEXT];
} Beacon;

/** The last sign of life of another rank. */
typedef struct Seen {
    long step, rows;  // step -1: none yet
} Seen;

static struct {
    MPI_Comm comm;  // of beacons alone
    int rank, size;
    double timeout, waited, last_probe;
    long step;
    const char *phase;
    Seen *seen;  // [size]
} watch;

void watch_init(const Comm *comm)
{
    CHECK_MPI(MPI_Comm_dup(comm_mpi(comm), &watch.comm));
    CHECK_MPI(MPI_Comm_set_errhandler(watch.comm, MPI_ERRORS_RETURN));
    watch.rank = comm->rank;
    watch.size = comm->size;
    watch.timeout = 300;
    watch.phase = "start";
    watch.seen = mem_alloc((size_t)comm->size, sizeof *watch.seen);
    for (int r = 0; r < comm->size; r++) {
        watch.seen[r].step = -1;
    }
}

void watch_free(void)
{
    MPI_Comm_free(&watch.comm);
    mem_free(watch.seen);
    watch.seen = NULL;
}

void watch_set_timeout(double seconds)
{
    watch.timeout = seconds;
}

void watch_guard_begin(const char *what)
{
    signals_guard_begin(watch.timeout + 2, what);  // a wait that can be watched speaks first
}

void watch_guard_end(void)
{
    signals_guard_end();
}

void watch_step(long step)
{
    watch.step = step;
}

void watch_enter(const char *phase)
{
    watch.phase = phase;
}

void watch_seen(int world_rank, long rows)
{
    watch.seen[world_rank] = (Seen){watch.step, rows};
}

double watch_waited(void)
{
    return watch.waited;
}

/** "2, 5, 7" */
static void list_ranks(char *text, size_t size, const unsigned char *present, int want)
{
    size_t used = 0;
    text[0] = '\0';
    for (int r = 0; r < watch.size && used + 16 < size; r++) {
        if (present[r] == want) {
            used += (size_t)snprintf(text + used, size - used, "%s%d", used > 0 ? ", " : "", r);
        }
    }
}

static void print_late(const unsigned char *present, double waited)
{
    char late[LIST_TEXT];
    int first_late = 0;
    while (present[first_late]) {
        first_late++;
    }
    const Seen seen = watch.seen[first_late];
    list_ranks(late, sizeof late, present, 0);
    fprintf(stderr, "no sign of rank %s for %.0f s, while rank %d waits in step %ld (%s); ", late,
            waited, watch.rank, watch.step, watch.phase);
    if (seen.step >= 0) {
        fprintf(stderr, "rank %d was last seen in step %ld with %ld rows; ", first_late, seen.step,
                seen.rows);
    }
    fprintf(stderr, "all ranks are stopped (raise --timeout when they are only slow)\n");
    fflush(stderr);
}

/** Say that this rank is there, listen for a second who else is, and stop all. */
static void raise_alarm(double waited)
{
    Beacon own = {.rank = watch.rank, .step = watch.step};
    unsigned char *present = mem_alloc((size_t)watch.size + 1, 1);
    snprintf(own.phase, sizeof own.phase, "%s", watch.phase);
    for (int r = 0; r < watch.size; r++) {
        MPI_Request request;
        if (r != watch.rank &&
            MPI_Isend(&own, (int)sizeof own, MPI_BYTE, r, 0, watch.comm, &request) == MPI_SUCCESS) {
            MPI_Request_free(&request);  // the program ends before it matters
        }
    }
    present[watch.rank] = 1;
    int n_present = 1;
    for (const double start = clock_now();
         clock_now() - start < answer_seconds && n_present < watch.size;) {
        Beacon other;
        MPI_Status status;
        int here = 0;
        MPI_Iprobe(MPI_ANY_SOURCE, 0, watch.comm, &here, &status);
        if (here) {
            MPI_Recv(&other, (int)sizeof other, MPI_BYTE, status.MPI_SOURCE, 0, watch.comm,
                     MPI_STATUS_IGNORE);
            n_present += !present[other.rank];
            present[other.rank] = 1;
        }
    }
    int lowest = 0;
    while (!present[lowest]) {
        lowest++;
    }
    if (lowest == watch.rank) {
        if (n_present == watch.size) {
            fprintf(stderr,
                    "all ranks wait for more than %.0f s, rank %d in step %ld (%s): the network is "
                    "stuck, or ranks "
                    "wait for different things\n",
                    waited, watch.rank, watch.step, watch.phase);
        } else {
            print_late(present, waited);
        }
    } else {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);  // the line comes first, and ends this
    }
    signals_leaving();
    MPI_Abort(MPI_COMM_WORLD, CODE_FAILED);
}

/** Has another rank given up waiting? */
static bool somebody_alarmed(double now)
{
    int here = 0;
    if (now - watch.last_probe > probe_seconds) {
        watch.last_probe = now;
        MPI_Iprobe(MPI_ANY_SOURCE, 0, watch.comm, &here, MPI_STATUS_IGNORE);
    }
    return here;
}

void watch_wait(void *requests, int n)
{
    const double start = clock_now();
    int done = 0;
    for (long polls = 0; !done; polls++) {
        CHECK_MPI(MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE));
        if (!done && polls % POLLS == POLLS - 1) {
            const double now = clock_now();
            if (now - start > watch.timeout || somebody_alarmed(now)) {
                raise_alarm(now - start);
            }
        }
    }
    watch.waited += clock_now() - start;
}
