// SPDX-License-Identifier: Apache-2.0
/** Entity scores as conlleval counts them (Tjong Kim Sang, conlleval.pl of 2004-01-26), token by token. Local.
 *
 * A tag is a prefix and a type, apart at the first hyphen. Where a chunk starts and ends is a function of this tag and the one
 * before it (gold and guess each for itself), so that one pass with constant state per type is enough.
 */
#ifndef MOE_DATA_CHUNKS_H
#define MOE_DATA_CHUNKS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"

/** Counts of one type, or of all. */
typedef struct ChunkCounts {
    long gold, guessed, correct;
} ChunkCounts;

/** Zeroed struct: a fresh count. */
typedef struct Chunks {
    long n_tokens, n_right_tags;
    ChunkCounts all;
    StringTable types;
    ChunkCounts *type;  // [max_type] by number in types
    int max_type;
    char *last_gold, *last_guess;  // tags of the token before; NULL: none yet
    size_t max_gold, max_guess;
    bool in_correct;  // inside a chunk that has been right so far
} Chunks;

/** Count one token with its gold and guessed tag. */
void chunks_token(Chunks *chunks, const char *gold, const char *guess);

/** A sentence ends. */
void chunks_boundary(Chunks *chunks);

/** No more tokens. */
void chunks_finish(Chunks *chunks);

/** Percentages 100 P, 100 R and F1 (0 where undefined), and accuracy of tags. */
double chunks_precision(const ChunkCounts *counts);
double chunks_recall(const ChunkCounts *counts);
double chunks_f1(const ChunkCounts *counts);
double chunks_accuracy(const Chunks *chunks);

/** conlleval's report, byte for byte (latex: as its -l). */
void chunks_report(const Chunks *chunks, FILE *out, bool latex);

void chunks_free(Chunks *chunks);

/** Score a whole stream as conlleval does, errors included: fields are split at every single delimiter, empty ones at the
 * end of a line vanish, the first line that is not empty sets the count of fields, -X- ends a sentence; the last field is the
 * guess, the one before it gold. Ends with chunks_finish().
 *
 * Errors: CODE_FAILED "unexpected number of features: 2 (3)", and code 255 for fewer than two fields, in conlleval's words;
 * CODE_OPTION for a delimiter that is not one character; CODE_INPUT for a zero byte or a file that cannot be read. */
typedef struct ScoreOptions {
    const char *delimiter;  // one character, taken literally; a backslash and a t: tab
    const char *outside;    // tag outside chunks, "O"; counts only with raw, as in the original
    bool raw;               // tags without prefixes: each token is a chunk
    bool latex;             // for chunks_report()
} ScoreOptions;
Status chunks_score_stream(Chunks *chunks, FILE *in, const char *path,
                           const ScoreOptions *options) MUST_USE;

#endif
