// SPDX-License-Identifier: Apache-2.0
/** Spelling of words: characters by number, and a class of capitalisation. Local. */
#ifndef MOE_DATA_FEATURE_H
#define MOE_DATA_FEATURE_H

#include <stddef.h>
#include <stdint.h>

#include "data/conll.h"

/** Capitalisation of a word. */
typedef enum CapClass {
    CAP_LOWER,    // no upper-case letter, at least one lower-case letter
    CAP_UPPER,    // at least two letters, all upper-case
    CAP_INITIAL,  // first letter upper-case, no other
    CAP_MIXED,    // upper-case letters elsewhere
    CAP_DIGITS,   // no letter, at least one digit
    CAP_OTHER,    // neither letter nor digit, or only letters without case
    CAP_CLASSES
} CapClass;

/** Class of a UTF-8 word (letters by Unicode category, title case counts as upper; a one-letter upper-case word is
 * CAP_INITIAL; invalid bytes do not count). */
CapClass feature_cap(const char *word);

enum { CHAR_PAD = 0, CHAR_UNKNOWN = 1 };

/** The characters of the training words, numbered from 2 in order of code point. Zeroed struct: empty and valid. */
typedef struct CharTable {
    int n;          // numbers in use, CHAR_PAD and CHAR_UNKNOWN included
    int32_t *code;  // [n] code point of a number, 0 for the first two; -1 - b: the invalid byte b
} CharTable;

/** Collect the characters of all words of a file; beyond 65535 numbers the highest code points stay unknown. */
void char_table_build(CharTable *table, const Conll *train);

/** out [as many as the word has bytes, at least 1]: numbers of the characters of a word; returns how many (at least 1: an empty word gives
 * CHAR_UNKNOWN). A byte that starts no valid character is a character by itself. */
int char_table_encode(const CharTable *table, const char *word, uint16_t *out);

void char_table_free(CharTable *table);

#endif
