// SPDX-License-Identifier: Apache-2.0
#include "nn/embed.h"

#include "math/vec.h"

void embed_forward(real *y, int ld, int column, const real *table, const int *index, int n, int d)
{
    for (int i = 0; i < n; i++) {
        vec_copy(y + (size_t)i * (size_t)ld + column, table + (size_t)index[i] * (size_t)d,
                 (size_t)d);
    }
}

void embed_backward(real *dtable, int n_rows, const real *dy, int ld, int column, const int *index,
                    int n, int d)
{
    vec_zero(dtable, (size_t)n_rows * (size_t)d);
    for (int i = 0; i < n; i++) {
        vec_add(dtable + (size_t)index[i] * (size_t)d, dy + (size_t)i * (size_t)ld + column,
                (size_t)d);
    }
}
