// SPDX-License-Identifier: Apache-2.0
/** Token rows in the order of their experts, ready to be sent, and their gradients back. Local; comm/exchange carries them. */
#ifndef MOE_MOE_DISPATCH_H
#define MOE_MOE_DISPATCH_H

#include "base/real.h"
#include "moe/plan.h"

/** Rows of one group: row [plan->n_rows, d] (of which only the group's are written) from x [plan->n_tok, d]. A dropped or skipped
 * choice sends nothing. Adjoint: dispatch_backward(). */
void dispatch_forward(real *row, const real *x, const Plan *plan, int group, int d);

/** dx [plan->n_tok, d] of one group is added to: each token gets its rows' gradients, first choice first. */
void dispatch_backward(real *dx, const real *drow, const Plan *plan, int group, int d);

#endif
