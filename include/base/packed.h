// SPDX-License-Identifier: Apache-2.0
/** How sentences lie in memory: packed by time step, longest sentence first, no padding.
 *
 *     sentences   a b c d        rows       a0 b0 c0 | a1 b1 c1 | a2 b2 | a3
 *                 e f g          start      0          3          6       8    9
 *                 h i            row of (step t, sentence s) = start[t] + s
 *
 * Sentences that are alive at step t are 0 .. start[t+1] - start[t] - 1, so the rows of one step are contiguous and the rows
 * of step t line up with the first rows of step t - 1.
 */
#ifndef MOE_BASE_PACKED_H
#define MOE_BASE_PACKED_H

typedef struct Packed {
    int n_sent, n_tok, n_steps;
    const int *start;  // [n_steps + 1] first row of a step; start[n_steps] = n_tok
} Packed;

/** Sentences alive at a step. */
static inline int packed_alive(const Packed *packed, int step)
{
    return packed->start[step + 1] - packed->start[step];
}

#endif
