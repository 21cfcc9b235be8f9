// SPDX-License-Identifier: Apache-2.0
// Compiled with -ffast-math, and alone so: only then does the compiler call the vector exp and tanh of libmvec and vectorise
// sums.  Nothing here may test for NaN or rely on the sign of zero.
#include <math.h>

#include "math/vec.h"

void vec_exp(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = REAL_EXP(x[i]);
    }
}

void vec_tanh(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = REAL_TANH(x[i]);
    }
}

// By tanh, which neither overflows nor loses a NaN, as a clamped exp would under -ffast-math.
void vec_sigmoid(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = (real)0.5 + (real)0.5 * REAL_TANH((real)0.5 * x[i]);
    }
}

real vec_softmax(real *y, const real *x, int n)
{
    real max = x[0], sum = 0;
    for (int i = 1; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    for (int i = 0; i < n; i++) {
        y[i] = REAL_EXP(x[i] - max);
    }
    for (int i = 0; i < n; i++) {
        sum += y[i];
    }
    for (int i = 0; i < n; i++) {
        y[i] /= sum;
    }
    return max + REAL_LOG(sum);
}

real vec_dot(const real *restrict x, const real *restrict y, size_t n)
{
    real sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

double vec_sum_squares(const real *x, size_t n)
{
    // Blocks in the type itself, then double: the speed of floats, the error of a block.
    enum { BLOCK = 512 };
    double total = 0;
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t end = start + BLOCK < n ? start + BLOCK : n;
        real sum = 0;
        for (size_t i = start; i < end; i++) {
            sum += x[i] * x[i];
        }
        total += (double)sum;
    }
    return total;
}
