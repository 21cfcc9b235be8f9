// SPDX-License-Identifier: Apache-2.0
/** Inverted dropout: x becomes x / (1 - p) with probability 1 - p, else 0. Local.
 *
 * Whether a value is kept is a function of (seed, purpose, place of its token, lane), with p rounded to a multiple of 1/65536.
 */
#ifndef MOE_NN_DROPOUT_H
#define MOE_NN_DROPOUT_H

#include <stdint.h>

#include "base/real.h"
#include "base/rng.h"

/** In place on x [n, d]; keep [n, d] gets 1 for what was kept. place [n]; layer: apart from other layers of the same purpose. */
void dropout_forward(real *x, uint8_t *keep, double p, const Rng *rng, const RngPlace *place,
                     int layer, int n, int d);

/** In place on dx [n, d]. */
void dropout_backward(real *dx, const uint8_t *keep, double p, int n, int d);

#endif
