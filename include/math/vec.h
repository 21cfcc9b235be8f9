// SPDX-License-Identifier: Apache-2.0
/** Vector kernels on contiguous arrays. Local.
 *
 * vec.c keeps IEEE rules; fastmath.c is compiled so that exp, tanh and sums vectorise (at most 4 ulp, sums in a fixed but
 * unspecified order: the same bits for the same n on the same machine).
 */
#ifndef MOE_MATH_VEC_H
#define MOE_MATH_VEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/real.h"

/* vec.c */
void vec_zero(real *y, size_t n);
void vec_copy(real *y, const real *x, size_t n);
void vec_add(real *y, const real *x, size_t n);             // y += x
void vec_axpy(real *y, real a, const real *x, size_t n);    // y += a x
void vec_scale(real *y, real a, size_t n);                  // y *= a
void vec_relu(real *y, size_t n);                           // y = max(y, 0)
void vec_relu_backward(real *dy, const real *y, size_t n);  // dy = 0 where y <= 0
bool vec_is_finite(const real *x, size_t n);

/** x [m, n] += bias [n] in every row. */
void vec_add_rows(real *x, const real *bias, int m, int n);

/** sum [n] = column sums of x [m, n], leading dimension ld, rows in order. */
void vec_sum_rows(real *sum, const real *x, int m, int n, int ld);

/* fastmath.c; y may be x */
void vec_exp(real *y, const real *x, size_t n);
void vec_tanh(real *y, const real *x, size_t n);
void vec_sigmoid(real *y, const real *x, size_t n);

/** y [n] = softmax of x [n]; returns log sum exp of x. */
real vec_softmax(real *y, const real *x, int n);

/** Sum of x y, and of x^2 in double. */
real vec_dot(const real *x, const real *y, size_t n);
double vec_sum_squares(const real *x, size_t n);

#endif
