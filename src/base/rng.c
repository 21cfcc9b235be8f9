// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <Random123/philox.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <string.h>

Rng rng_init(uint64_t seed, RngPurpose purpose)
{
    Rng rng = {seed, purpose};
    return rng;
}

/** The 128 bits of block number `block`; the high half of the seed is folded into the purpose's word. */
static philox4x32_ctr_t philox_block(const Rng *rng, RngPlace place, uint32_t block)
{
    philox4x32_ctr_t counter = {{block, place.position, place.sentence, place.step}};
    philox4x32_key_t key = {
        {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32) * 2654435761u + (uint32_t)rng->purpose}};
    return philox4x32(counter, key);
}

uint32_t rng_bits(const Rng *rng, RngPlace place, uint32_t lane)
{
    return philox_block(rng, place, lane / 4).v[lane % 4];
}

double rng_uniform(const Rng *rng, RngPlace place, uint32_t lane)
{
    return (rng_bits(rng, place, lane) >> 8) * (1.0 / 16777216.0);
}

uint32_t rng_below(const Rng *rng, RngPlace place, uint32_t lane, uint32_t n)
{
    return (uint32_t)(((uint64_t)rng_bits(rng, place, lane) * n) >> 32);
}

void rng_fill16(const Rng *rng, RngPlace place, uint16_t *out, size_t n)
{
    const uint32_t stream = 1u << 31;  // the upper half of the block numbers
    for (size_t i = 0; i < n; i += 8) {
        philox4x32_ctr_t bits = philox_block(rng, place, stream + (uint32_t)(i / 8));
        size_t count = n - i < 8 ? n - i : 8;
        memcpy(out + i, bits.v, count * sizeof *out);
    }
}

void rng_shuffle(const Rng *rng, uint32_t step, int *order, int n)
{
    for (int i = 0; i < n; i++) {
        order[i] = i;
    }
    for (int i = n - 1; i > 0; i--) {
        RngPlace place = {step, (uint32_t)n, 0};
        int j = (int)rng_below(rng, place, (uint32_t)i, (uint32_t)i + 1);
        int t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
