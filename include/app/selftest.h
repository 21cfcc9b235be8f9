// SPDX-License-Identifier: Apache-2.0
/** moe_train --selftest: is this build, on this machine, right? */
#ifndef MOE_APP_SELFTEST_H
#define MOE_APP_SELFTEST_H

#include <stdio.h>

#include "comm/comm.h"

/** Gradient checks of every layer in double (a second copy of the layers, linked in), then a short training run on made-up
 * text, twice: it must learn, and both runs must end with the same digest. out NULL: silent. Error CODE_FAILED: what
 * failed. Collective on comm. A few seconds. */
Status selftest_run(const Comm *comm, FILE *out) MUST_USE;

#endif
