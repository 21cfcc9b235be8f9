// SPDX-License-Identifier: Apache-2.0
#include "math/vec.h"

#include <string.h>

void vec_zero(real *y, size_t n)
{
    memset(y, 0, n * sizeof *y);
}

void vec_copy(real *y, const real *x, size_t n)
{
    memcpy(y, x, n * sizeof *y);
}

void vec_add(real *restrict y, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

void vec_axpy(real *restrict y, real a, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += a * x[i];
    }
}

void vec_scale(real *y, real a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] *= a;
    }
}

void vec_relu(real *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = y[i] < 0 ? 0 : y[i];  // this way round a NaN stays
    }
}

void vec_relu_backward(real *restrict dy, const real *restrict y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dy[i] = y[i] > 0 ? dy[i] : 0;
    }
}

bool vec_is_finite(const real *x, size_t n)
{
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * 0;  // 0, or NaN from an infinity or a NaN
    }
    return sum == 0;
}

void vec_add_rows(real *x, const real *bias, int m, int n)
{
    for (int i = 0; i < m; i++) {
        vec_add(x + (size_t)i * (size_t)n, bias, (size_t)n);
    }
}

void vec_sum_rows(real *sum, const real *x, int m, int n, int ld)
{
    vec_zero(sum, (size_t)n);
    for (int i = 0; i < m; i++) {
        vec_add(sum, x + (size_t)i * (size_t)ld, (size_t)n);
    }
}
