// SPDX-License-Identifier: Apache-2.0
/** Expert rows home: y = residual + weighted sum of what the experts made of a token. Local.
 *
 * A token with nothing kept passes through the residual only.
 */
#ifndef MOE_MOE_COMBINE_H
#define MOE_MOE_COMBINE_H

#include "base/real.h"
#include "moe/plan.h"

/** One group: y [n_tok, d] is added to (it holds the residual): weight [n_tok, K] times out [n_rows, d], first choice first. */
void combine_forward(real *y, const real *out, const real *weight, const Plan *plan, int group,
                     int d);

/** One group: dout [n_rows, d] and dweight [n_tok, K] (0 where nothing was kept) from dy [n_tok, d]. */
void combine_backward(real *dout, real *dweight, const real *dy, const real *out,
                      const real *weight, const Plan *plan, int group, int d);

#endif
