// SPDX-License-Identifier: Apache-2.0
/** Rows of a table beside each other: y[i, column .. column + d) = table[index[i]]. Local.
 *
 * y is [n, ld]; several embeddings fill the columns of one matrix.
 */
#ifndef MOE_NN_EMBED_H
#define MOE_NN_EMBED_H

#include "base/real.h"

/** index [n], table [rows, d]. */
void embed_forward(real *y, int ld, int column, const real *table, const int *index, int n, int d);

/** dtable [n_rows, d] is written: the sum of dy rows with that index, in token order. index [n] in 0 .. n_rows-1. */
void embed_backward(real *dtable, int n_rows, const real *dy, int ld, int column, const int *index,
                    int n, int d);

#endif
