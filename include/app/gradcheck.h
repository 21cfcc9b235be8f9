// SPDX-License-Identifier: Apache-2.0
/** Finite-difference checks of every gradient, from a single layer to the whole tagger. Local.
 *
 *     loss = sum of fixed random coefficients times the output (or the layer's own loss)
 *     slope(h) = (loss(x + h) - loss(x - h)) / 2 h               for every input and every weight, one number at a time
 *     numeric gradient = (4 slope(h) - slope(2 h)) / 3           of order h^4, so that h may be large and rounding small
 *
 * Routing, the signs of relu and the winners of a maximum are held fixed: a problem is drawn again until no expert lies within
 * 1e-3 of a tie, no coin within 1e-3 of its bar, and no choice of any kind changes under any perturbation.
 *
 * Meant for the library in double.  A program in float reaches it through gradcheck_all_double(), the one name that a copy
 * of the double library needs to show.
 */
#ifndef MOE_APP_GRADCHECK_H
#define MOE_APP_GRADCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/real.h"

/** Largest error that a case may have. */
#define GRADCHECK_TOLERANCE 1e-6

/** Cases, numbered from 0, and what each one checks. */
int gradcheck_count(void);
const char *gradcheck_name(int i);

/** The largest relative error of case i, infinite where a gradient is not finite or no steady problem was found; *compared:
 * how many numbers were compared. */
double gradcheck_run(int i, long *compared);

/** Largest |a - n| / max(|a|, |n|, floor) of a tensor, with floor = 1e-3 of its largest entry, at least 1e-5. a: analytic [n],
 * numeric [n]. */
double gradcheck_error(const real *analytic, const double *numeric, size_t n);

/** Run all cases, a line each on out (NULL: silent); true when none is above the tolerance. A few seconds. */
bool gradcheck_all(FILE *out);

/** gradcheck_all() of the double library, whatever the caller's own `real` is; exists in the double library only. */
bool gradcheck_all_double(FILE *out);

#endif
