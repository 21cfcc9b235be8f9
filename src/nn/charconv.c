// SPDX-License-Identifier: Apache-2.0
#include "nn/charconv.h"

#include "math/gemm.h"
#include "math/vec.h"

void charconv_table(real *part, CharconvWeights weights, CharconvSizes sizes)
{
    const int c = sizes.n_chars, d = sizes.d_char, f = sizes.n_filters;
    for (int k = 0; k < CHARCONV_WIDTH; k++) {
        gemm_nn(c, f, d, weights.embedding, d, weights.kernel + (size_t)k * (size_t)d * (size_t)f,
                f, 0, part + (size_t)k * (size_t)c * (size_t)f, f);
    }
}

/** y = max(y, part0 + part1 + part2) with the position of the winner. */
static void keep_largest(real *restrict y, int *restrict best, int position,
                         const real *restrict part0, const real *restrict part1,
                         const real *restrict part2, int f)
{
    for (int j = 0; j < f; j++) {
        real v = part0[j] + part1[j] + part2[j];
        best[j] = v > y[j] ? position : best[j];
        y[j] = v > y[j] ? v : y[j];
    }
}

/** Row of part[k] for the character `i + k - 1` of a word, or zeros beyond its ends. */
static const real *part_row(const real *part, const real *zeros, const uint16_t *chars, int length,
                            int i, int k, CharconvSizes sizes)
{
    int at = i + k - 1;
    if (at < 0 || at >= length) {
        return zeros;
    }
    return part + ((size_t)k * (size_t)sizes.n_chars + chars[at]) * (size_t)sizes.n_filters;
}

enum { FILTER_BLOCK = 256 };

void charconv_forward(real *y, int *best, const real *part, CharconvWeights weights,
                      CharWords words, CharconvSizes sizes)
{
    static const real zeros[FILTER_BLOCK];
    const int f = sizes.n_filters;
    for (int w = 0; w < words.n; w++) {
        const uint16_t *chars = words.chars + words.start[w];
        const int length = words.start[w + 1] - words.start[w];
        real *row = y + (size_t)w * (size_t)f;
        int *row_best = best + (size_t)w * (size_t)f;
        for (int j = 0; j < f; j++) {
            row[j] = -REAL_MAX;
            row_best[j] = 0;
        }
        for (int i = 0; i < length; i++) {
            const real *p0 = part_row(part, zeros, chars, length, i, 0, sizes);
            const real *p1 = part_row(part, zeros, chars, length, i, 1, sizes);
            const real *p2 = part_row(part, zeros, chars, length, i, 2, sizes);
            for (int start = 0; start < f; start += FILTER_BLOCK) {
                int count = f - start < FILTER_BLOCK ? f - start : FILTER_BLOCK;
                keep_largest(row + start, row_best + start, i, p0 == zeros ? zeros : p0 + start,
                             p1 + start, p2 == zeros ? zeros : p2 + start, count);
            }
        }
        vec_add(row, weights.bias, (size_t)f);
    }
}

void charconv_backward(CharconvGrads grads, const real *dy, const int *best,
                       CharconvWeights weights, CharWords words, CharconvSizes sizes, Arena *arena)
{
    const int c = sizes.n_chars, d = sizes.d_char, f = sizes.n_filters;
    const size_t plane = (size_t)c * (size_t)f;
    real *dpart = ARENA_ZEROED(arena, real, CHARCONV_WIDTH * plane);
    for (int w = 0; w < words.n; w++) {
        const uint16_t *chars = words.chars + words.start[w];
        const int length = words.start[w + 1] - words.start[w];
        const real *row = dy + (size_t)w * (size_t)f;
        const int *row_best = best + (size_t)w * (size_t)f;
        for (int k = 0; k < CHARCONV_WIDTH; k++) {
            for (int j = 0; j < f; j++) {
                int at = row_best[j] + k - 1;
                if (at >= 0 && at < length) {
                    dpart[(size_t)k * plane + (size_t)chars[at] * (size_t)f + (size_t)j] += row[j];
                }
            }
        }
    }
    vec_sum_rows(grads.bias, dy, words.n, f, f);
    for (int k = 0; k < CHARCONV_WIDTH; k++) {
        const size_t kernel = (size_t)k * (size_t)d * (size_t)f;
        gemm_tn(d, f, c, weights.embedding, d, dpart + (size_t)k * plane, f, 0,
                grads.kernel + kernel, f);
        gemm_nt(c, d, f, dpart + (size_t)k * plane, f, weights.kernel + kernel, f, k > 0,
                grads.embedding, d);
    }
}
