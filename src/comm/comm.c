// SPDX-License-Identifier: Apache-2.0
#include "comm/comm.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/tree.h"
#include "comm/mpi_check.h"

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

static void stop_all_ranks(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

void comm_init(Comm *comm, int *argc, char ***argv)
{
    int provided = 0;
    CHECK_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided));
    check_on_fail(stop_all_ranks);
    MPI_Comm *world = mem_alloc(1, sizeof *world);
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, world));
    CHECK_MPI(MPI_Comm_set_errhandler(*world, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_rank(*world, &comm->rank));
    CHECK_MPI(MPI_Comm_size(*world, &comm->size));
    comm->world = world;
}

void comm_free(Comm *comm)
{
    CHECK_MPI(MPI_Comm_free(comm->world));
    mem_free(comm->world);
    comm->world = NULL;
    check_on_fail(NULL);
    MPI_Finalize();
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
    CHECK_MPI(MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, comm_mpi(comm)));
    if (first == comm->size) {
        return status_ok();
    }
    CHECK_MPI(MPI_Bcast(&status, (int)sizeof status, MPI_BYTE, first, comm_mpi(comm)));
    return status;
}

void comm_groups(const Comm *comm, int n_groups, int *first, int *last)
{
    *first = tree_split(n_groups, comm->size, comm->rank);
    *last = tree_split(n_groups, comm->size, comm->rank + 1);
}

void comm_max_int(const Comm *comm, int *x, int n)
{
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_INT, MPI_MAX, comm_mpi(comm)));
}

void comm_max_double(const Comm *comm, double *x, int n)
{
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_MAX, comm_mpi(comm)));
}

void comm_sum_int64(const Comm *comm, int64_t *x, int n)
{
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_INT64_T, MPI_SUM, comm_mpi(comm)));
}

void comm_sum_with_zeros(const Comm *comm, double *x, int n)
{
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_SUM, comm_mpi(comm)));
}

void comm_gather_double(const Comm *comm, const double *x, int n, double *all)
{
    CHECK_MPI(MPI_Allgather(x, n, MPI_DOUBLE, all, n, MPI_DOUBLE, comm_mpi(comm)));
}

const char *comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}
