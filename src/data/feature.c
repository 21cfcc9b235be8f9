// SPDX-License-Identifier: Apache-2.0
#include "data/feature.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum { N_INVALID = 256, N_CODES = N_INVALID + 0x110000 };

/** The character at *word, which moves behind it; an invalid byte b gives -1 - b. */
static int32_t next_character(const char **word, size_t n)
{
    int32_t code;
    int length = utf8_decode(*word, n, &code);
    if (length == 0) {
        code = -1 - (int32_t)(unsigned char)**word;
        length = 1;
    }
    *word += length;
    return code;
}

CapClass feature_cap(const char *word)
{
    int n_letters = 0, n_upper = 0, n_lower = 0, n_digits = 0;
    bool first_is_upper = false;
    for (const char *end = word + strlen(word); word < end;) {
        int32_t code = next_character(&word, (size_t)(end - word));
        if (code < 0) {
            continue;
        }
        bool upper = utf8_is_upper(code);
        first_is_upper = n_letters == 0 ? upper : first_is_upper;
        n_letters += utf8_is_letter(code);
        n_upper += upper;
        n_lower += utf8_is_lower(code);
        n_digits += utf8_is_digit(code);
    }
    if (n_upper == 0) {
        return n_lower > 0 ? CAP_LOWER : n_letters == 0 && n_digits > 0 ? CAP_DIGITS : CAP_OTHER;
    }
    if (n_upper > 1 && n_upper == n_letters) {
        return CAP_UPPER;
    }
    return first_is_upper && n_upper == 1 ? CAP_INITIAL : CAP_MIXED;
}

void char_table_build(CharTable *table, const Conll *train)
{
    unsigned char *seen = MEM_ARRAY(unsigned char, N_CODES);
    int n = CHAR_UNKNOWN + 1;
    for (int i = 0; i < train->n_tokens; i++) {
        const char *word = conll_word(train, i);
        for (const char *end = word + strlen(word); word < end;) {
            int32_t code = next_character(&word, (size_t)(end - word));
            n += seen[code + N_INVALID] == 0;
            seen[code + N_INVALID] = 1;
        }
    }
    n = n > UINT16_MAX ? UINT16_MAX : n;
    table->code = MEM_ARRAY(int32_t, n);
    table->n = CHAR_UNKNOWN + 1;
    for (int32_t code = -N_INVALID; table->n < n; code++) {
        if (seen[code + N_INVALID] != 0) {
            table->code[table->n++] = code;
        }
    }
    mem_free(seen);
}

static uint16_t find_character(const CharTable *table, int32_t code)
{
    int low = CHAR_UNKNOWN + 1, high = table->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (table->code[middle] < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < table->n && table->code[low] == code ? (uint16_t)low : CHAR_UNKNOWN;
}

int char_table_encode(const CharTable *table, const char *word, uint16_t *out)
{
    int n = 0;
    for (const char *end = word + strlen(word); word < end;) {
        out[n++] = find_character(table, next_character(&word, (size_t)(end - word)));
    }
    if (n == 0) {
        out[n++] = CHAR_UNKNOWN;
    }
    return n;
}

void char_table_free(CharTable *table)
{
    mem_free(table->code);
    memset(table, 0, sizeof *table);
}
