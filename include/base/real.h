// SPDX-License-Identifier: Apache-2.0
/** The one floating-point type, and its names in the libraries.
 *
 * A build has one `real`: float, or double when MOE_DOUBLE is set (gradient checks).  The names are macros
 * so that this header needs no library; each is used by the one layer that may call it.
 */
#ifndef MOE_BASE_REAL_H
#define MOE_BASE_REAL_H

#include <float.h>

#ifdef MOE_DOUBLE
typedef double real;
#define REAL_NAME    "double"
#define REAL_GEMM    cblas_dgemm  // math only
#define REAL_MPI     MPI_DOUBLE   // comm only
#define REAL_MIN     DBL_MIN
#define REAL_MAX     DBL_MAX
#define REAL_EXP(x)  exp(x)
#define REAL_LOG(x)  log(x)
#define REAL_TANH(x) tanh(x)
#define REAL_SQRT(x) sqrt(x)
#define REAL_FABS(x) fabs(x)
#else
typedef float real;
#define REAL_NAME    "float"
#define REAL_GEMM    cblas_sgemm
#define REAL_MPI     MPI_FLOAT
#define REAL_MIN     FLT_MIN
#define REAL_MAX     FLT_MAX
#define REAL_EXP(x)  expf(x)
#define REAL_LOG(x)  logf(x)
#define REAL_TANH(x) tanhf(x)
#define REAL_SQRT(x) sqrtf(x)
#define REAL_FABS(x) fabsf(x)
#endif

#endif
