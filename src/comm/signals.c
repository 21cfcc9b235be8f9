// SPDX-License-Identifier: Apache-2.0
#include "comm/signals.h"

#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "comm/mpi_check.h"

/** What the ranks of a host know of each other, in memory that they share. */
typedef struct Peer {
    int rank;           // in the world
    pid_t process;      // 0: cannot be seen from here
    atomic_int called;  // has got SIGTERM, so it lives, or did
    atomic_long guarded_calls;
} Peer;

typedef struct Host {
    atomic_int leaving;  // the job ends on purpose
    atomic_int named;    // somebody has spoken
    Peer peer[];         // [n_peers]
} Host;

static struct {
    Host *host;  // shared; NULL before init and after free
    MPI_Win window;
    int n_peers, self;
    volatile sig_atomic_t takes_requests, asked;
    const char *volatile guarded;
} signals;

/** Room for a line, filled by what a signal handler may call. */
typedef struct Line {
    char text[256];
    size_t used;
} Line;

static void put(Line *line, const char *text)
{
    for (; *text != '\0' && line->used < sizeof line->text; text++) {
        line->text[line->used++] = *text;
    }
}

static void put_number(Line *line, long n)
{
    char digits[24];
    int i = (int)sizeof digits - 1;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put(line, digits + i);
}

/** One line about the ranks of this host that are gone without having been told to; are there any? Async-signal-safe. */
static bool name_the_dead(void)
{
    Host *host = signals.host;
    Line line = {.used = 0};
    int n = 0;
    for (int i = 0; i < signals.n_peers; i++) {
        Peer *peer = &host->peer[i];
        if (peer->process != 0 && atomic_load(&peer->called) == 0 && kill(peer->process, 0) != 0 &&
            errno == ESRCH) {
            put(&line, n == 0 ? "rank " : ", rank ");
            put_number(&line, peer->rank);
            put(&line, " (process ");
            put_number(&line, (long)peer->process);
            put(&line, ")");
            n++;
        }
    }
    if (n > 0 && atomic_exchange(&host->named, 1) == 0) {
        put(&line, n == 1 ? " has" : " have");
        put(&line,
            " died: a crash, or a kill by somebody or for want of memory; all ranks are stopped\n");
        if (write(STDERR_FILENO, line.text, line.used) < 0) {
            line.used = 0;  // nobody to tell
        }
    }
    return n > 0;
}

static void on_terminate(int number)
{
    const int saved = errno;
    Host *host = signals.host;
    bool dead = false;
    atomic_store(&host->peer[signals.self].called, 1);
    if (atomic_load(&host->leaving) == 0) {
        dead = name_the_dead();
    }
    signal(number, SIG_DFL);  // the next one ends the process
    if (!dead && signals.takes_requests) {
        signals.asked = 1;
    } else {
        raise(number);
    }
    errno = saved;
}

static void on_request(int number)
{
    (void)number;
    signals.asked = 1;
}

/** Ranks of this host that have begun fewer of the guarded calls than others: they are late. */
static int put_late(Line *line)
{
    const Host *host = signals.host;
    int n = 0;
    long most = 0;
    for (int i = 0; i < signals.n_peers; i++) {
        const long calls = atomic_load(&host->peer[i].guarded_calls);
        most = calls > most ? calls : most;
    }
    for (int i = 0; i < signals.n_peers; i++) {
        if (atomic_load(&host->peer[i].guarded_calls) < most) {
            put(line, n++ == 0 ? "no sign of rank " : ", ");
            put_number(line, host->peer[i].rank);
        }
    }
    return n;
}

static void on_alarm(int number)
{
    Line line = {.used = 0};
    (void)number;
    // a rank that was stopped wakes up when the job is already ended by others
    if (atomic_load(&signals.host->leaving) == 0 && atomic_exchange(&signals.host->named, 1) == 0) {
        put(&line, put_late(&line) > 0 ? " while rank " : "a rank or the disk hangs, while rank ");
        put_number(&line, signals.host->peer[signals.self].rank);
        put(&line, " is ");
        put(&line, signals.guarded);
        put(&line, "; all ranks are stopped (raise --timeout when it is only slow)\n");
        if (write(STDERR_FILENO, line.text, line.used) < 0) {
            line.used = 0;  // nobody to tell
        }
    }
    atomic_store(&signals.host->leaving, 1);
    _exit(CODE_FAILED);
}

/** A page of this host's memory, and who is on it. */
static void share_host(const Comm *comm)
{
    MPI_Comm node;
    MPI_Aint size;
    int unit, rank;
    CHECK_MPI(MPI_Comm_split_type(comm_mpi(comm), MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL,
                                  &node));
    CHECK_MPI(MPI_Comm_rank(node, &rank));
    CHECK_MPI(MPI_Comm_size(node, &signals.n_peers));
    const size_t bytes = sizeof(Host) + (size_t)signals.n_peers * sizeof(Peer);
    Host *host;
    CHECK_MPI(MPI_Win_allocate_shared(rank == 0 ? (MPI_Aint)bytes : 0, 1, MPI_INFO_NULL, node,
                                      &host, &signals.window));
    CHECK_MPI(MPI_Win_shared_query(signals.window, 0, &size, &unit, &host));
    if (rank == 0) {
        memset(host, 0, bytes);
    }
    CHECK_MPI(MPI_Barrier(node));
    host->peer[rank] = (Peer){.rank = comm->rank, .process = getpid()};
    CHECK_MPI(MPI_Barrier(node));
    bool all_seen =
        true;  // ranks in other containers of a host have numbers that mean nothing here
    for (int i = 0; i < signals.n_peers; i++) {
        all_seen = all_seen && (kill(host->peer[i].process, 0) == 0 || errno != ESRCH);
    }
    CHECK_MPI(MPI_Barrier(node));
    if (!all_seen) {
        host->peer[rank].process = 0;
    }
    CHECK_MPI(MPI_Comm_free(&node));
    signals.self = rank;
    signals.host = host;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(number, &action, NULL) == 0, "signal %d cannot be handled", number);
}

void signals_init(const Comm *comm)
{
    share_host(comm);
    handle(SIGTERM, on_terminate);
    handle(SIGALRM, on_alarm);
}

void signals_take_requests(void)
{
    signals.takes_requests = 1;
    handle(SIGUSR1, on_request);
}

bool signals_stop_asked(void)
{
    return signals.asked != 0;
}

void signals_guard_begin(double seconds, const char *what)
{
    signals.guarded = what;
    signals_guard_call();
    alarm(seconds < 1 ? 1 : seconds > 1e6 ? 1000000 : (unsigned)(seconds + 0.999));
}

void signals_guard_call(void)
{
    atomic_fetch_add(&signals.host->peer[signals.self].guarded_calls, 1);
}

void signals_guard_end(void)
{
    alarm(0);
}

bool signals_may_speak(void)
{
    return signals.host == NULL || atomic_exchange(&signals.host->named, 1) == 0;
}

void signals_leaving(void)
{
    if (signals.host != NULL) {
        atomic_store(&signals.host->leaving, 1);
    }
}

void signals_free(void)
{
    signals_leaving();
    alarm(0);
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    signals.host = NULL;
    MPI_Win_free(&signals.window);
}
