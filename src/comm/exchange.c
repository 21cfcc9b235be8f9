// SPDX-License-Identifier: Apache-2.0
#include "comm/exchange.h"

#include <mpi.h>
#include <string.h>

#include "base/clock.h"
#include "base/profile.h"
#include "comm/mpi_check.h"
#include "comm/watch.h"

/** A row of d reals as one element, so that counts are rows and never overflow an int. Kept: there are few widths. */
static MPI_Datatype row_type(int d)
{
    static MPI_Datatype kept = MPI_DATATYPE_NULL;
    static int kept_d = 0;
    if (kept_d != d) {
        if (kept != MPI_DATATYPE_NULL) {
            CHECK_MPI(MPI_Type_free(&kept));
        }
        CHECK_MPI(MPI_Type_contiguous(d, REAL_MPI, &kept));
        CHECK_MPI(MPI_Type_commit(&kept));
        kept_d = d;
    }
    return kept;
}

static MPI_Request *request_of(Exchange *exchange)
{
    return exchange->request;
}

static void wait(Exchange *exchange)
{
    const double start = clock_now();
    const Phase phase = profile_enter(PHASE_EXCHANGE);
    watch_enter(exchange->phase);
    watch_wait(exchange->request, 1);
    exchange->seconds += clock_now() - start;
    profile_enter(phase);
}

void exchange_counts(Exchange *exchange, const Comm *comm, int n_experts, const int *sent, int d,
                     Arena *arena)
{
    const int size = comm->size;
    int last;
    memset(exchange, 0, sizeof *exchange);
    exchange->comm = comm;
    exchange->n_experts = n_experts;
    mesh_experts(n_experts, size, comm->rank, &exchange->first_expert, &last);
    exchange->n_local = last - exchange->first_expert;
    exchange->sent = sent;
    exchange->received = ARENA_ZEROED(arena, int, size * exchange->n_local);
    int *lists = ARENA_ZEROED(arena, int, 4 * size);
    exchange->spare = ARENA_ZEROED(arena, real, d);
    exchange->send_count = lists;
    exchange->send_start = lists + size;
    exchange->receive_count = lists + 2 * size;
    exchange->receive_start = lists + 3 * size;
    exchange->request = ARENA_ZEROED(arena, MPI_Request, 1);
    for (int r = 0; r < size; r++) {  // for now in experts, not in rows
        mesh_experts(n_experts, size, r, &exchange->send_start[r], &last);
        exchange->send_count[r] = last - exchange->send_start[r];
        exchange->receive_count[r] = exchange->n_local;
        exchange->receive_start[r] = r * exchange->n_local;
    }
    exchange->phase = "counts of rows";
    CHECK_MPI(MPI_Ialltoallv(sent, exchange->send_count, exchange->send_start, MPI_INT,
                             exchange->received, exchange->receive_count, exchange->receive_start,
                             MPI_INT, comm_mpi(comm), request_of(exchange)));
}

void exchange_wait_counts(Exchange *exchange)
{
    const int size = exchange->comm->size;
    wait(exchange);
    for (int r = 0; r < size; r++) {
        int first, last, rows = 0;
        mesh_experts(exchange->n_experts, size, r, &first, &last);
        exchange->send_start[r] = exchange->n_send;
        exchange->receive_start[r] = exchange->n_receive;
        for (int e = first; e < last; e++) {
            exchange->n_send += exchange->sent[e];
        }
        for (int e = 0; e < exchange->n_local; e++) {
            const int n = exchange->received[r * exchange->n_local + e];
            CHECK(n >= 0 && n <= 1 << 30, "rank %d says that it sends %d rows", r, n);
            rows += n;
        }
        exchange->n_receive += rows;
        exchange->send_count[r] = exchange->n_send - exchange->send_start[r];
        exchange->receive_count[r] = rows;
        watch_seen(comm_world_rank(exchange->comm, r), rows);
    }
}

/** One side of an exchange: rows by rank. */
typedef struct Side {
    const int *count, *start;
    int n;
} Side;

static void carry(Exchange *exchange, const real *send, Side sent, real *receive, Side received,
                  int d)
{
    if (sent.n == 0) {
        // Two empty blocks may share an address. Open MPI 4.1 takes that for an exchange in place, does not count the call
        // when there are no rows, and hangs in the next collective.
        send = exchange->spare;
    }
    CHECK_MPI(MPI_Ialltoallv(send, sent.count, sent.start, row_type(d), receive, received.count,
                             received.start, row_type(d), comm_mpi(exchange->comm),
                             request_of(exchange)));
    exchange->bytes +=
        (double)(sent.n - sent.count[exchange->comm->rank]) * d * (double)sizeof(real);
}

static Side home_side(const Exchange *exchange)
{
    return (Side){exchange->send_count, exchange->send_start, exchange->n_send};
}

static Side owner_side(const Exchange *exchange)
{
    return (Side){exchange->receive_count, exchange->receive_start, exchange->n_receive};
}

void exchange_out(Exchange *exchange, const real *send, real *receive, int d)
{
    exchange->phase = "rows to the experts";
    carry(exchange, send, home_side(exchange), receive, owner_side(exchange), d);
}

void exchange_back(Exchange *exchange, const real *send, real *receive, int d)
{
    exchange->phase = "rows from the experts";
    carry(exchange, send, owner_side(exchange), receive, home_side(exchange), d);
}

void exchange_wait(Exchange *exchange)
{
    wait(exchange);
}

void exchange_check(const Comm *comm, long sent, long received)
{
    int64_t balance = (int64_t)sent - (int64_t)received;
    watch_enter("check of rows");
    comm_sum_int64(comm, &balance, 1);
    CHECK(balance == 0, "rows were lost or made up: sent less received is %lld",
          (long long)balance);
}
