# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: what MPI and OpenBLAS must know when all ranks share one machine. A variable that is set already stays.

if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# More ranks than cores are legal, and a rank that waits gives its core away: 500 times faster barriers then.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"
# A program that fails prints its own line and mpirun adds none (nor does it say that a program does not exist).
export OMPI_MCA_orte_execute_quiet="${OMPI_MCA_orte_execute_quiet:-1}"
# Ranks are the parallelism.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
