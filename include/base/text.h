// SPDX-License-Identifier: Apache-2.0
/** Strings: pools, a string table, UTF-8, growable text, and notes for the user. Local. */
#ifndef MOE_BASE_TEXT_H
#define MOE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/check.h"

/** Distinct strings numbered 0, 1, 2, ... in order of arrival, found by hash. Zeroed struct: empty and valid. */
typedef struct StringTable {
    char *bytes;  // all strings, each ended by a zero byte
    size_t n_bytes, max_bytes;
    size_t *start;  // [n] offset of string i in bytes
    int n, max_n;
    int *bucket;  // [n_bucket] string number or -1, open addressing; a power of two
    size_t n_bucket;
} StringTable;

/** The number of a string, added when it is new. n bytes without zero bytes. */
int string_table_add(StringTable *table, const char *text, size_t n);

/** The number of a string, or -1. */
int string_table_find(const StringTable *table, const char *text, size_t n);

/** String number i, ended by a zero byte; valid until the next add. */
const char *string_table_text(const StringTable *table, int i);

void string_table_free(StringTable *table);

/** Length in bytes (1 to 4) of the valid UTF-8 character at text, or 0 when the first byte starts none (RFC 3629: no
 * surrogates, no overlong forms); code gets the code point. n > 0 bytes are readable. */
int utf8_decode(const char *text, size_t n, int32_t *code);

/** Lower-case a UTF-8 string (simple case mapping, utf8proc); an invalid byte is copied. out has room for
 * utf8_lower_size(n) bytes; returns the bytes written, without a zero byte. */
size_t utf8_lower(const char *text, size_t n, char *out);
size_t utf8_lower_size(size_t n);

/** Replace ASCII digits by 0, in place. */
void text_zero_digits(char *text, size_t n);

/** Parse a whole string as a finite number; false when anything else stands in it, white space included. */
bool text_parse_double(const char *text, double *value);
bool text_parse_int64(const char *text, int64_t *value);

/** What a reader repaired or left out: the first few of each kind are printed at once with file:line, the rest is
 * counted and printed by notes_end(). out NULL counts in silence (all ranks but one). */
enum { NOTES_MAX_KINDS = 16, NOTES_SHOWN = 3 };
typedef struct Notes {
    FILE *out;
    int n_kinds;
    const char *kind[NOTES_MAX_KINDS];  // static strings, e.g. "invalid UTF-8 byte kept"
    long count[NOTES_MAX_KINDS];
} Notes;

/** One note: `path:line: kind (detail)`; detail may be NULL, and is printed cut and without control characters. kind is a
 * static string. */
void notes_add(Notes *notes, const char *path, long line, const char *kind, const char *detail);

/** How often a kind was noted. */
long notes_count(const Notes *notes, const char *kind);

/** Print for each kind with more than NOTES_SHOWN notes how many more there were, then forget all. */
void notes_end(Notes *notes, const char *path);

/** Unicode category of a code point: upper case (Lu, Lt), lower case (Ll), any letter (L*), decimal digit (Nd). */
bool utf8_is_upper(int32_t code);
bool utf8_is_lower(int32_t code);
bool utf8_is_letter(int32_t code);
bool utf8_is_digit(int32_t code);

#endif
