// SPDX-License-Identifier: Apache-2.0
/** The made-up corpus: English news-like sentences from a grammar and name lists of our own. Local.
 *
 * Four types (PER ORG LOC MISC). Built so that neither spelling nor context alone is enough: the same word may name a person,
 * a city or a company; development and test sets hold names that training never saw; headlines are all lower or all
 * upper case; numbers, dates, scores and quotations; 1 to 60 tokens a sentence. A sentence is a function of (seed, split,
 * number), so any size is a prefix of a larger one.
 */
#ifndef MOE_DATA_SYNTH_H
#define MOE_DATA_SYNTH_H

#include <stdint.h>
#include <stdio.h>

typedef enum SynthSplit { SYNTH_TRAIN, SYNTH_DEV, SYNTH_TEST } SynthSplit;

typedef struct SynthCounts {
    long sentences, tokens, entities;
} SynthCounts;

/** Write n sentences of a split in CoNLL columns `word tag` (IOB2), with an empty line after each. */
SynthCounts synth_write(FILE *out, uint64_t seed, SynthSplit split, long n);

#endif
