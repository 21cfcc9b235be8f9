// SPDX-License-Identifier: Apache-2.0
/** From words to rows of the word table, with the look-up order exact, lower case, digits as 0, unknown. Local.
 *
 * The table starts as the vectors of a file (or empty), gets row "<unk>" (a copy of the file's own unknown word "<unk>", "unk",
 * "UNK" or "<UNK>" where it has one) and a row for every training word that none of the look-ups finds, under its lower-cased
 * form with digits as 0. New rows are uniform on +-sqrt(3 / dim), a function of (seed, word). Words of other files get no row.
 */
#ifndef MOE_DATA_VOCAB_H
#define MOE_DATA_VOCAB_H

#include <stdint.h>

#include "data/conll.h"
#include "data/vectors.h"

typedef enum LookupKind {
    LOOKUP_EXACT,
    LOOKUP_LOWER,
    LOOKUP_DIGITS,
    LOOKUP_UNKNOWN,
    LOOKUP_KINDS
} LookupKind;

/** Zeroed struct: empty and valid. The matrix lives in vectors until the model takes it. */
typedef struct Vocab {
    Vectors vectors;        // rows of the file first, then unknown, then new words
    int n_from_file;        // rows that came from the file
    int unknown;            // row of unknown words
    unsigned char *single;  // [vectors.n] 1: not from the file, used by one training token
} Vocab;

/** How words of one corpus were found: tokens and distinct words of each kind. */
typedef struct Coverage {
    long tokens[LOOKUP_KINDS], words[LOOKUP_KINDS];
} Coverage;

/** Add unknown and the words of the training file to vocab->vectors (read or empty with dim set). before gets the coverage of
 * the training words by the file's rows alone. Error (CODE_INPUT): the file covers under 50 % of the training tokens (the
 * text says what to check), unless it has no rows. */
Status vocab_build(Vocab *vocab, const Conll *train, const char *vectors_path, uint64_t seed,
                   Coverage *before) MUST_USE;

/** Row of a word, always valid; kind tells how it was found (NULL: not wanted). */
int vocab_find(const Vocab *vocab, const char *word, LookupKind *kind);

/** Coverage of a file by the table as it is. */
Coverage vocab_coverage(const Vocab *vocab, const Conll *conll);

void vocab_free(Vocab *vocab);

#endif
