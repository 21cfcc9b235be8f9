// SPDX-License-Identifier: Apache-2.0
/** Scores of a corpus: batches are shared out among the ranks, predictions gathered, entities counted as conlleval does. */
#ifndef MOE_TRAIN_EVALUATE_H
#define MOE_TRAIN_EVALUATE_H

#include "comm/comm.h"
#include "data/chunks.h"
#include "model/task.h"

enum {
    EVALUATE_BATCH = 64,
    EVALUATE_TOKENS = 16384
};  // most sentences, and most tokens beyond one sentence

/** How a corpus was routed. */
typedef struct Routes {
    int *expert;     // [n_tokens, K] choices, best first
    double *weight;  // [n_tokens, K]
} Routes;

/** Labels for every token of a corpus, on all ranks, and how they were routed (routes may be NULL). label [n_tokens]. Collective on
 * comm. */
void evaluate_predict(int *label, const Routes *routes, const Task *task, const Comm *comm,
                      const Corpus *corpus, BatchMaker *maker, Arena *arena);

/** Entities of predicted labels against the gold tags of the file, both in IOB2. Local. */
void evaluate_score(Chunks *chunks, const Corpus *corpus, const Lexicon *lexicon, const int *label);

/** The corpus with columns `word gold predicted` in IOB2, an empty line after each sentence: input for moe_score. Local. */
void evaluate_write(FILE *out, const Corpus *corpus, const Lexicon *lexicon, const int *label);

/** Precision, recall and F1 per type and over all, as a table for people. Local. */
void evaluate_table(FILE *out, const Chunks *chunks, const char *title);

#endif
