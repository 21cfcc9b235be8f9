// SPDX-License-Identifier: Apache-2.0
/** Batches: which sentences, in which order, dealt to which group, and packed. Local, and equal on all ranks.
 *
 *     epoch    a shuffle of all sentences -> buckets of 50 batches -> sorted by length in the bucket -> batches -> shuffled
 *     batch    its sentences, longest first (the lower number of equals), dealt to the groups like cards: sentence i to group
 *              i mod G, so that groups are alike; a group may be empty
 *     group    packed by time step (base/packed.h); the groups of this rank stand one after the other
 */
#ifndef MOE_DATA_BATCH_H
#define MOE_DATA_BATCH_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/packed.h"
#include "base/rng.h"
#include "data/corpus.h"

/** The batches of one pass through a corpus: batch b has sentence[start[b] .. start[b + 1]). Zeroed struct: empty. */
typedef struct BatchOrder {
    int n_batches;
    int *start;     // [n_batches + 1]
    int *sentence;  // [n_sentences]
    int *scratch;   // [2 n_sentences + longest sentence + 2]
} BatchOrder;

/** Shuffled for training: a function of (seed, epoch). */
void batch_order_training(BatchOrder *order, const Corpus *corpus, int batch_size, uint64_t seed,
                          int epoch);

/** All sentences by length, longest first, for evaluation; a batch ends at batch_size sentences, or before max_tokens tokens would be
 * passed (one sentence at least). */
void batch_order_by_length(BatchOrder *order, const Corpus *corpus, int batch_size, int max_tokens);

void batch_order_free(BatchOrder *order);

/** One group, packed. Token i of the group is token first + i of the rank's arrays. */
typedef struct Group {
    Packed packed;
    int first;            // of this group's tokens
    const int *sentence;  // [packed.n_sent] number in the corpus, longest first
    int n_spellings;  // distinct words of the group: word w is chars[char_start[w] .. char_start[w + 1])
    const int *char_start;  // [n_spellings + 1]
    const uint16_t *chars;
} Group;

/** One batch as this rank sees it. All arrays are from the step's arena. */
typedef struct Batch {
    uint32_t step;
    int n_sent;                // of the global batch: S
    long n_tok;                // of the global batch
    int n_groups;              // G
    int first_group, n_local;  // this rank's run of groups
    Group *group;              // [n_local]
    int *group_start;          // [n_local + 1] first token of each, in the arrays below
    int *token;                // [n_local_tok] number in the corpus
    int *word;        // [n_local_tok] row of the word table, after singletons were replaced
    int *slot;        // [n_local_tok] number in row
    int *spelling;    // [n_local_tok] number in its group's spellings
    int *cap;         // [n_local_tok]
    int *label;       // [n_local_tok]
    RngPlace *place;  // [n_local_tok]
    int *row;         // [n_rows] distinct rows of the word table in the whole global batch
    int n_rows;
} Batch;

/** Finds distinct words in constant time; lives as long as the corpora. Zeroed struct: empty and valid. */
typedef struct BatchMaker {
    const Lexicon *lexicon;
    Rng unknown;       // stream of the singleton draws
    double unknown_p;  // a singleton becomes unknown with this probability while training
    int *row_slot;     // [word rows] number in the batch's rows, valid where row_stamp is now
    int *row_stamp;
    int *spelling_slot;  // [max spellings]
    int *spelling_stamp;
    int max_spellings;
    int stamp;
} BatchMaker;

void batch_maker_init(BatchMaker *maker, const Lexicon *lexicon, double unknown_p, uint64_t seed);
void batch_maker_free(BatchMaker *maker);

/** Pack sentences[0 .. n) of a corpus in G groups and keep groups first_group .. last_group-1. training: singleton words become
 * unknown with the maker's probability, a function of (seed, step, sentence, position). */
void batch_build(Batch *batch, BatchMaker *maker, const Corpus *corpus, const int *sentences, int n,
                 int n_groups, int first_group, int last_group, uint32_t step, bool training,
                 Arena *arena);

#endif
