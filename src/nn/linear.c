// SPDX-License-Identifier: Apache-2.0
#include "nn/linear.h"

#include "math/gemm.h"
#include "math/vec.h"

void linear_forward(real *y, const real *x, const real *w, const real *b, int n, int d_in,
                    int d_out)
{
    for (int i = 0; i < n; i++) {
        vec_copy(y + (size_t)i * (size_t)d_out, b, (size_t)d_out);
    }
    gemm_nn(n, d_out, d_in, x, d_in, w, d_out, 1, y, d_out);
}

void linear_backward_data(real *dx, const real *dy, const real *w, int n, int d_in, int d_out)
{
    gemm_nt(n, d_in, d_out, dy, d_out, w, d_out, 0, dx, d_in);
}

void linear_backward_weights(real *dw, real *db, const real *dy, const real *x, int n, int d_in,
                             int d_out)
{
    gemm_tn(d_in, d_out, n, x, d_in, dy, d_out, 0, dw, d_out);
    vec_sum_rows(db, dy, n, d_out, d_out);
}

void linear_backward(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w,
                     int n, int d_in, int d_out)
{
    if (dx != NULL) {
        linear_backward_data(dx, dy, w, n, d_in, d_out);
    }
    linear_backward_weights(dw, db, dy, x, n, d_in, d_out);
}
