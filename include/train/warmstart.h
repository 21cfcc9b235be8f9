// SPDX-License-Identifier: Apache-2.0
/** A new run that starts from the weights of another: fine-tuning, and upcycling of a dense model into experts.
 *
 * Tensors are taken by name and must have the shape they have here, experts whatever ranks held them.  Word vectors go by word and
 * character embeddings by character, so that another corpus may have others; output and CRF are taken only when the labels are the same.
 * Where this model has experts and the other a dense block of an expert's width, every expert becomes a copy of it: gate weights that
 * sum to 1 then give the dense model's output, before any training.  What the other does not have stays new.
 * Source: sparse upcycling, Komatsuzaki et al. 2022 (arXiv:2212.05055).
 */
#ifndef MOE_TRAIN_WARMSTART_H
#define MOE_TRAIN_WARMSTART_H

#include "train/checkpoint.h"

/** What was taken. */
typedef struct Warmstart {
    int n_taken, n_words, n_characters;  // tensors; rows of the word table and of the characters
    bool upcycled;                       // experts are copies of a dense block
    char fresh[CHECKPOINT_TEXT];         // names of tensors that stay new, ", " between them
} Warmstart;

/** Fill the tables from a checkpoint or model; of a run with averages, the averages. Errors (CODE_STORED): a damaged file, another shape
 * (both named). Local. */
Status warmstart(Warmstart *taken, Params *params, Params *experts, const Lexicon *lexicon,
                 const char *path) MUST_USE;

#endif
