// SPDX-License-Identifier: Apache-2.0
/** Ranks that go to step 7 together, where some of them leave the others waiting: what the watch must see.
 *
 *     late TIMEOUT WHERE HOW RANK...   WHERE: counts rows sum copy        HOW: sleep stop loop die
 *
 * The last rank comes to step 7 when most of the time is over, and is not late all the same.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "comm/exchange.h"
#include "comm/watch.h"

enum { STEPS = 7, WIDTH = 4, MAX_EXPERTS = 64 };

static void be_late(const char *how)
{
    if (strcmp(how, "stop") == 0) {
        raise(SIGSTOP);
    } else if (strcmp(how, "die") == 0) {
        raise(SIGKILL);
    }
    for (volatile long i = 0;; i = i + 1) {
        if (strcmp(how, "sleep") == 0) {
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
    }
}

static void nap(double seconds)
{
    const long whole = (long)seconds;
    nanosleep(
        &(struct timespec){.tv_sec = whole, .tv_nsec = (long)(1e9 * (seconds - (double)whole))},
        NULL);
}

/** Every rank sends two rows to each expert, of which each rank has one. */
static void carry_rows(const Comm *comm, bool late, const char *how, Arena *arena)
{
    Exchange exchange;
    int sent[MAX_EXPERTS];
    for (int e = 0; e < comm->size; e++) {
        sent[e] = 2;
    }
    exchange_counts(&exchange, comm, comm->size, sent, WIDTH, arena);
    exchange_wait_counts(&exchange);
    if (late) {
        be_late(how);
    }
    real *out = ARENA_ZEROED(arena, real, WIDTH * exchange.n_send),
         *in = ARENA_ZEROED(arena, real, WIDTH * exchange.n_receive);
    exchange_out(&exchange, out, in, WIDTH);
    exchange_wait(&exchange);
    arena_reset(arena);
}

int main(int argc, char **argv)
{
    Comm comm;
    Arena arena = {0};
    bool late = false;
    comm_init(&comm, &argc, &argv);
    CHECK(argc >= 5 && comm.size <= MAX_EXPERTS, "late TIMEOUT WHERE HOW RANK...");
    const char *where = argv[2], *how = argv[3];
    const double timeout = strtod(argv[1], NULL);
    watch_set_timeout(timeout);
    for (int i = 4; i < argc; i++) {
        late |= comm.rank == (int)strtol(argv[i], NULL, 10);
    }
    for (long step = 1; step <= STEPS; step++) {
        int64_t one = 1;
        const bool now = late && step == STEPS;
        watch_step(step);
        if (step == STEPS && comm.rank == comm.size - 1) {
            nap(0.85 * timeout);
        }
        if (now && strcmp(where, "rows") != 0) {
            be_late(how);
        }
        if (step < STEPS || strcmp(where, "counts") == 0 || strcmp(where, "rows") == 0) {
            carry_rows(&comm, now, how, &arena);
        }
        watch_enter("sum of ones");
        if (step == STEPS && strcmp(where, "copy") == 0) {
            comm_copy(&comm, &one, sizeof one, comm.size - 1, 0);
        }
        comm_sum_int64(&comm, &one, 1);
        CHECK(one == comm.size, "%lld ranks", (long long)one);
    }
    arena_free(&arena);
    comm_free(&comm);
    return 0;
}
