// SPDX-License-Identifier: Apache-2.0
/** Character convolution of width 3 and maximum over the word (Ma and Hovy, arXiv:1603.01354, section 2.1). Local.
 *
 * The convolution is linear and an alphabet is small, so its products are done once per character and not once per position:
 *
 *     part[k][c] = embedding[c] kernel[k]                                   [3, n_chars, filters], one small product
 *     y[word][f] = max over i of  part[0][c(i-1)][f] + part[1][c(i)][f] + part[2][c(i+1)][f]   + bias[f]
 *
 * Left and right of a word stands nothing (zero). The gradient goes to the position that won; the first of equals.
 */
#ifndef MOE_NN_CHARCONV_H
#define MOE_NN_CHARCONV_H

#include <stdint.h>

#include "base/arena.h"
#include "base/real.h"

enum { CHARCONV_WIDTH = 3 };

typedef struct CharconvSizes {
    int n_chars, d_char, n_filters;
} CharconvSizes;

typedef struct CharconvWeights {
    const real *embedding;  // [n_chars, d_char]
    const real *kernel;     // [3, d_char, n_filters]
    const real *bias;       // [n_filters]
} CharconvWeights;

typedef struct CharconvGrads {
    real *embedding, *kernel, *bias;  // shapes as above; written
} CharconvGrads;

/** Words by their characters: word w is chars[start[w] .. start[w + 1]). At least one character each. */
typedef struct CharWords {
    int n;
    const int *start;       // [n + 1]
    const uint16_t *chars;  // [start[n]]
} CharWords;

/** part [3, n_chars, n_filters] from the weights; once per step. */
void charconv_table(real *part, CharconvWeights weights, CharconvSizes sizes);

/** y [words.n, n_filters]; best [words.n, n_filters] gets the winning position in the word. */
void charconv_forward(real *y, int *best, const real *part, CharconvWeights weights,
                      CharWords words, CharconvSizes sizes);

/** From dy [words.n, n_filters]; scratch from the arena. */
void charconv_backward(CharconvGrads grads, const real *dy, const int *best,
                       CharconvWeights weights, CharWords words, CharconvSizes sizes, Arena *arena);

#endif
