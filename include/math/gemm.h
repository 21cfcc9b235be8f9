// SPDX-License-Identifier: Apache-2.0
/** Matrix products on row-major arrays, through OpenBLAS; the only caller of CBLAS. Local.
 *
 * A sub-matrix is a pointer and a leading dimension (`ld`, elements from one row to the next). beta is 0 (write) or 1
 * (add). Zero extents are legal: with k = 0 and beta = 0 the result is zero.
 */
#ifndef MOE_MATH_GEMM_H
#define MOE_MATH_GEMM_H

#include "base/real.h"

/** c [m, n] = a [m, k] b [k, n] + beta c */
void gemm_nn(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc);

/** c [m, n] = a [m, k] b^T, b [n, k] */
void gemm_nt(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc);

/** c [m, n] = a^T b [k, n], a [k, m] */
void gemm_tn(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc);

/** One thread per process; call once at start. */
void gemm_init(void);

/** Floating-point operations (2 m n k) of all products since the start. */
double gemm_flops(void);

/** Operations per second of one large product on this machine, now: the yardstick of `% of peak`. About 0.1 s. */
double gemm_measure_peak(void);

/** Name of the library, its version and its kernel family. */
const char *gemm_library(void);

#endif
