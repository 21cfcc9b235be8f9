// SPDX-License-Identifier: Apache-2.0
#include "comm/comm.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/tree.h"
#include "comm/mpi_check.h"
#include "comm/signals.h"
#include "comm/watch.h"

void comm_check_mpi(int code, const char *call, const char *file, int line)
{
    if (code != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING] = "";
        int n = 0, rank = -1;
        MPI_Error_string(code, text, &n);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        check_fail(file, line, "rank %d: %s failed: %s", rank, call, text);
    }
}

/** Several ranks may fail for one reason: the lowest speaks, and stops the others while they wait for their turn. Of a host no second one
 * speaks, however slow the first is. */
static void take_turn(void)
{
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    nanosleep(&(struct timespec){.tv_nsec = 100000000L * (rank < 9 ? rank : 9)}, NULL);
    if (!signals_may_speak()) {
        nanosleep(&(struct timespec){.tv_sec = 10}, NULL);
    }
}

static void stop_all_ranks(int code)
{
    signals_leaving();
    MPI_Abort(MPI_COMM_WORLD, code);
}

/** Take a communicator of our own into comm. */
static void adopt(Comm *comm, MPI_Comm ours)
{
    MPI_Comm *world = mem_alloc(1, sizeof *world);
    *world = ours;
    CHECK_MPI(MPI_Comm_set_errhandler(ours, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_rank(ours, &comm->rank));
    CHECK_MPI(MPI_Comm_size(ours, &comm->size));
    comm->world = world;
}

static void disown(Comm *comm)
{
    if (comm->world != NULL) {
        CHECK_MPI(MPI_Comm_free(comm->world));
        mem_free(comm->world);
        comm->world = NULL;
    }
}

void comm_init(Comm *comm, int *argc, char ***argv)
{
    int provided = 0;
    MPI_Comm ours;
    setenv("OMPI_MCA_io", "^ompio", 0);  // on a full disk OMPIO waits for ever; ROMIO says so
    CHECK_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided));
    check_on_fail(take_turn, stop_all_ranks);
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &ours));
    *comm = (Comm){.stride = 1};
    adopt(comm, ours);
    watch_init(comm);
    signals_init(comm);
}

void comm_self(Comm *self)
{
    MPI_Comm ours;
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_SELF, &ours));
    *self = (Comm){.stride = 1};
    adopt(self, ours);
}

void comm_self_free(Comm *self)
{
    disown(self);
}

void comm_free(Comm *comm)
{
    signals_free();
    watch_free();
    disown(comm);
    check_on_fail(NULL, NULL);
    MPI_Finalize();
}

void mesh_init(Mesh *mesh, int ep_size)
{
    const Comm *world = &mesh->world;
    MPI_Comm experts, replicas;
    CHECK(ep_size > 0 && world->size % ep_size == 0, "%d ranks cannot be cut in sets of %d",
          world->size, ep_size);
    CHECK_MPI(MPI_Comm_split(comm_mpi(world), world->rank / ep_size, world->rank, &experts));
    CHECK_MPI(MPI_Comm_split(comm_mpi(world), world->rank % ep_size, world->rank, &replicas));
    adopt(&mesh->experts, experts);
    adopt(&mesh->replicas, replicas);
    mesh->experts.origin = world->rank / ep_size * ep_size;
    mesh->experts.stride = 1;
    mesh->replicas.origin = world->rank % ep_size;
    mesh->replicas.stride = ep_size;
}

void mesh_free(Mesh *mesh)
{
    disown(&mesh->experts);
    disown(&mesh->replicas);
}

int mesh_default_size(int n_ranks, int n_experts)
{
    int size = n_ranks < n_experts ? n_ranks : n_experts;
    while (n_ranks % size != 0) {
        size--;
    }
    return size;
}

void mesh_experts(int n_experts, int n, int i, int *first, int *last)
{
    *first = tree_split(n_experts, n, i);
    *last = tree_split(n_experts, n, i + 1);
}

void mesh_groups_of(const Mesh *mesh, int n_groups, int r, int *first, int *last)
{
    const int rank = mesh->world.rank - mesh->experts.rank + r;
    *first = tree_split(n_groups, mesh->world.size, rank);
    *last = tree_split(n_groups, mesh->world.size, rank + 1);
}

void mesh_groups(const Mesh *mesh, int n_groups, int *first, int *last)
{
    int ignored;
    mesh_groups_of(mesh, n_groups, 0, first, &ignored);
    mesh_groups_of(mesh, n_groups, mesh->experts.size - 1, &ignored, last);
}

void comm_copy(const Comm *comm, void *bytes, size_t n, int from, int to)
{
    const size_t most = 1u << 30;
    MPI_Request request;
    for (size_t done = 0; done < n && from != to; done += most) {
        const int count = (int)(n - done < most ? n - done : most);
        if (comm->rank == from) {
            CHECK_MPI(
                MPI_Isend((char *)bytes + done, count, MPI_BYTE, to, 0, comm_mpi(comm), &request));
            watch_wait(&request, 1);
        } else if (comm->rank == to) {
            CHECK_MPI(MPI_Irecv((char *)bytes + done, count, MPI_BYTE, from, 0, comm_mpi(comm),
                                &request));
            watch_wait(&request, 1);
        }
    }
}

void comm_poke(void)
{
    int flag;
    CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE));
}

int comm_world_rank(const Comm *comm, int r)
{
    return comm->origin + comm->stride * r;
}

bool comm_is_root(const Comm *comm)
{
    return comm->rank == 0;
}

bool comm_has_terminal(void)
{
    char link[64], target[64];
    if (!isatty(STDOUT_FILENO) || getenv("OMPI_COMM_WORLD_SIZE") == NULL) {
        return isatty(STDOUT_FILENO);
    }
    snprintf(link, sizeof link, "/proc/%ld/fd/1", (long)getppid());
    const ssize_t n = readlink(link, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0;
}

Status comm_agree(const Comm *comm, Status status)
{
    int failed = status.code == CODE_OK ? comm->size : comm->rank, first = 0;
    MPI_Request request;
    CHECK_MPI(MPI_Iallreduce(&failed, &first, 1, MPI_INT, MPI_MIN, comm_mpi(comm), &request));
    watch_wait(&request, 1);
    if (first == comm->size) {
        return status_ok();
    }
    CHECK_MPI(MPI_Ibcast(&status, (int)sizeof status, MPI_BYTE, first, comm_mpi(comm), &request));
    watch_wait(&request, 1);
    return status;
}

void comm_groups(const Comm *comm, int n_groups, int *first, int *last)
{
    *first = tree_split(n_groups, comm->size, comm->rank);
    *last = tree_split(n_groups, comm->size, comm->rank + 1);
}

/** x [n] of all ranks, in place, by an operation whose order does not matter. */
static void reduce_all(const Comm *comm, void *x, int n, MPI_Datatype type, MPI_Op op)
{
    MPI_Request request;
    if (comm->size == 1) {
        return;  // a program of one rank needs no MPI
    }
    CHECK_MPI(MPI_Iallreduce(MPI_IN_PLACE, x, n, type, op, comm_mpi(comm), &request));
    watch_wait(&request, 1);
}

void comm_max_int(const Comm *comm, int *x, int n)
{
    reduce_all(comm, x, n, MPI_INT, MPI_MAX);
}

void comm_max_double(const Comm *comm, double *x, int n)
{
    reduce_all(comm, x, n, MPI_DOUBLE, MPI_MAX);
}

void comm_sum_int64(const Comm *comm, int64_t *x, int n)
{
    reduce_all(comm, x, n, MPI_INT64_T, MPI_SUM);
}

void comm_sum_with_zeros(const Comm *comm, double *x, int n)
{
    reduce_all(comm, x, n, MPI_DOUBLE, MPI_SUM);
}

void comm_gather_double(const Comm *comm, const double *x, int n, double *all)
{
    MPI_Request request;
    CHECK_MPI(MPI_Iallgather(x, n, MPI_DOUBLE, all, n, MPI_DOUBLE, comm_mpi(comm), &request));
    watch_wait(&request, 1);
}

void comm_broadcast(const Comm *comm, void *bytes, size_t n)
{
    const size_t most = 1u << 30;
    MPI_Request request;
    for (size_t done = 0; done < n; done += most) {
        const int count = (int)(n - done < most ? n - done : most);
        CHECK_MPI(MPI_Ibcast((char *)bytes + done, count, MPI_BYTE, 0, comm_mpi(comm), &request));
        watch_wait(&request, 1);
    }
}

void comm_vote_begin(Vote *vote, const Comm *comm, int flags)
{
    if (vote->request == NULL) {
        vote->request = mem_alloc(1, sizeof(MPI_Request));
    }
    vote->flags = flags;
    CHECK_MPI(MPI_Iallreduce(MPI_IN_PLACE, &vote->flags, 1, MPI_INT, MPI_BOR, comm_mpi(comm),
                             vote->request));
}

int comm_vote_end(Vote *vote)
{
    watch_wait(vote->request, 1);
    return vote->flags;
}

void comm_vote_free(Vote *vote)
{
    mem_free(vote->request);
    vote->request = NULL;
}

const char *comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}
