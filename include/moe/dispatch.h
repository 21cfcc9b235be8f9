// SPDX-License-Identifier: Apache-2.0
/** Token rows to their experts, in the plan's order; on one rank a gather. Local. */
#ifndef MOE_MOE_DISPATCH_H
#define MOE_MOE_DISPATCH_H

#include "base/real.h"
#include "moe/plan.h"

/** row [plan->n_rows, d] from x [plan->n_tok, d]. A dropped or skipped choice sends nothing. Adjoint: dispatch_backward(). */
void dispatch_forward(real *row, const real *x, const Plan *plan, int d);

/** dx [plan->n_tok, d] is added to: each token gets its rows' gradients, first choice first. */
void dispatch_backward(real *dx, const real *drow, const Plan *plan, int d);

#endif
