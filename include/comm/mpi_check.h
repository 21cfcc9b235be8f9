// SPDX-License-Identifier: Apache-2.0
/** For the files of this layer only: MPI calls checked, and the communicator behind a Comm. */
#ifndef MOE_COMM_MPI_CHECK_H
#define MOE_COMM_MPI_CHECK_H

#include <mpi.h>

#include "comm/comm.h"

void comm_check_mpi(int code, const char *call, const char *file, int line);

#define CHECK_MPI(call) comm_check_mpi((call), #call, __FILE__, __LINE__)

static inline MPI_Comm comm_mpi(const Comm *comm)
{
    return *(MPI_Comm *)comm->world;
}

#endif
