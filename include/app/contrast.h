// SPDX-License-Identifier: Apache-2.0
/** Two texts through one trained model: which experts see the one and not the other. Local. */
#ifndef MOE_APP_CONTRAST_H
#define MOE_APP_CONTRAST_H

#include <stdio.h>

#include "base/check.h"

/** Route the texts path[0] and path[1] (one sentence a line, tokens apart by spaces) with a model, and print for each expert its share of
 * first choices in both, and the words of each text that are most typical of it; how different the two are (Jensen-Shannon divergence,
 * bits), beside how different the halves of one text are (every other sentence). Errors: CODE_STORED, the model has no experts or is
 * damaged; CODE_INPUT, a text. */
Status contrast_print(const char *model_path, const char *const path[2], FILE *out) MUST_USE;

#endif
