// SPDX-License-Identifier: Apache-2.0
#include "math/gemm.h"

#include <cblas.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

static double flops;

static void gemm(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k,
                 const real *a, int lda, const real *b, int ldb, real beta, real *c, int ldc)
{
    if (m == 0 || n == 0) {
        return;
    }
    if (k == 0) {
        for (int i = 0; i < m && beta == 0; i++) {
            memset(c + (size_t)i * (size_t)ldc, 0, (size_t)n * sizeof *c);
        }
        return;
    }
    REAL_GEMM(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
    flops += 2.0 * m * n * k;
}

void gemm_nn(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc)
{
    gemm(CblasNoTrans, CblasNoTrans, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

void gemm_nt(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc)
{
    gemm(CblasNoTrans, CblasTrans, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

void gemm_tn(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta,
             real *c, int ldc)
{
    gemm(CblasTrans, CblasNoTrans, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

void gemm_init(void)
{
    openblas_set_num_threads(1);
}

double gemm_flops(void)
{
    return flops;
}

double gemm_measure_peak(void)
{
    enum { SIZE = 512, TIMES = 8 };
    double kept = flops, best = 0;
    real *a = MEM_ARRAY(real, 3 * SIZE * SIZE), *b = a + SIZE * SIZE, *c = b + SIZE * SIZE;
    for (int i = 0; i < 2 * SIZE * SIZE; i++) {
        a[i] = (real)(i % 7) / 7;
    }
    for (int i = 0; i < TIMES; i++) {
        double start = clock_now();
        gemm_nn(SIZE, SIZE, SIZE, a, SIZE, b, SIZE, 0, c, SIZE);
        double rate = 2.0 * SIZE * SIZE * SIZE / (clock_now() - start);
        best = rate > best ? rate : best;
    }
    mem_free(a);
    flops = kept;
    return best;
}

const char *gemm_library(void)
{
    return openblas_get_config();
}
