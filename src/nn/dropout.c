// SPDX-License-Identifier: Apache-2.0
#include "nn/dropout.h"

#include <stddef.h>

void dropout_forward(real *x, uint8_t *keep, double p, const Rng *rng, const RngPlace *place,
                     int layer, int n, int d)
{
    enum { BLOCK = 512 };
    uint16_t bits[BLOCK];
    const int threshold = (int)(p * 65536 + 0.5);
    Rng own = *rng;
    own.seed ^= (uint64_t)layer << 48;
    for (int i = 0; i < n; i++) {
        for (int start = 0; start < d; start += BLOCK) {
            int count = d - start < BLOCK ? d - start : BLOCK;
            RngPlace at = place[i];
            at.position += (uint32_t)(start / BLOCK) << 24;
            rng_fill16(&own, at, bits, (size_t)count);
            uint8_t *k = keep + (size_t)i * (size_t)d + (size_t)start;
            for (int j = 0; j < count; j++) {
                k[j] = bits[j] >= threshold;
            }
        }
    }
    dropout_backward(x, keep, p, n, d);
}

void dropout_backward(real *dx, const uint8_t *keep, double p, int n, int d)
{
    const real scale = (real)(65536.0 / (65536.0 - (int)(p * 65536 + 0.5)));
    size_t count = (size_t)n * (size_t)d;
    for (size_t i = 0; i < count; i++) {
        dx[i] *= (real)keep[i] * scale;
    }
}
