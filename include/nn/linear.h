// SPDX-License-Identifier: Apache-2.0
/** y = x w + b. Local. Weights w [d_in, d_out], b [d_out]; gradients are written, not added. */
#ifndef MOE_NN_LINEAR_H
#define MOE_NN_LINEAR_H

#include "base/real.h"

/** y [n, d_out] from x [n, d_in]. */
void linear_forward(real *y, const real *x, const real *w, const real *b, int n, int d_in,
                    int d_out);

/** The two halves of the way back: dx [n, d_in] from dy [n, d_out]; dw and db from dy and x. */
void linear_backward_data(real *dx, const real *dy, const real *w, int n, int d_in, int d_out);
void linear_backward_weights(real *dw, real *db, const real *dy, const real *x, int n, int d_in,
                             int d_out);

/** Both: dx [n, d_in] (NULL: not wanted), dw, db from dy [n, d_out]. */
void linear_backward(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w,
                     int n, int d_in, int d_out);

#endif
