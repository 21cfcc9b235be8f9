// SPDX-License-Identifier: Apache-2.0
/** Counter-based random numbers: a value is a function of its key and its place, never of what was drawn before.
 *
 *     key   = (seed, purpose)
 *     place = (step, sentence number, token position, lane)
 *
 * so that any rank that holds a token draws the same numbers for it.  Philox4x32-10 of Random123 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3").  Everything here is Local.
 */
#ifndef MOE_BASE_RNG_H
#define MOE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/** What a number is for: one stream each, so that a new use never shifts an old one. */
typedef enum RngPurpose {
    RNG_INIT = 1,        // initial weights; step = tensor number, sentence = block
    RNG_SHUFFLE,         // order of sentences and batches; step = epoch
    RNG_UNKNOWN,         // singleton word -> unknown
    RNG_DROPOUT_INPUT,   // dropout before the BiLSTM
    RNG_DROPOUT_OUTPUT,  // dropout after the BiLSTM
    RNG_JITTER,          // factor on the gate's input
    RNG_SECOND_EXPERT,   // the second expert's coin
    RNG_SYNTH,           // the made-up corpus
    RNG_TEST,            // tests and benchmarks
    RNG_REPORT           // routing that is shuffled for comparison; step = round
} RngPurpose;

typedef struct Rng {
    uint64_t seed;
    RngPurpose purpose;
} Rng;

typedef struct RngPlace {
    uint32_t step, sentence, position;
} RngPlace;

Rng rng_init(uint64_t seed, RngPurpose purpose);

/** 32 random bits at (place, lane); any lane is legal. */
uint32_t rng_bits(const Rng *rng, RngPlace place, uint32_t lane);

/** Uniform on [0, 1), a multiple of 2^-24: exact in float and double alike. */
double rng_uniform(const Rng *rng, RngPlace place, uint32_t lane);

/** Uniform on 0 .. n-1; n > 0. */
uint32_t rng_below(const Rng *rng, RngPlace place, uint32_t lane, uint32_t n);

/** out [n]: 16 random bits each, lanes 0 .. n-1 of the place (a stream of its own beside rng_bits). */
void rng_fill16(const Rng *rng, RngPlace place, uint16_t *out, size_t n);

/** order [n]: a random permutation of 0 .. n-1 (Fisher-Yates), a function of the key, step and n. */
void rng_shuffle(const Rng *rng, uint32_t step, int *order, int n);

#endif
