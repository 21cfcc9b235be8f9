// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/arena.h"

enum { FIRST_BUCKETS = 64, FIRST_BYTES = 1024, DETAIL_SHOWN = 60 };

// FNV-1a, its high half folded in because buckets use the low bits only.
static size_t hash_bytes(const char *text, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    }
    return (size_t)(hash ^ hash >> 32);
}

static size_t string_length(const StringTable *table, int i)
{
    size_t end = i + 1 < table->n ? table->start[i + 1] : table->n_bytes;
    return end - table->start[i] - 1;
}

// The bucket that holds the string, or the empty one where it belongs.
static size_t find_bucket(const StringTable *table, const char *text, size_t n)
{
    size_t mask = table->n_bucket - 1;
    size_t b = hash_bytes(text, n) & mask;
    for (int i = table->bucket[b]; i >= 0; i = table->bucket[b]) {
        if (string_length(table, i) == n && memcmp(table->bytes + table->start[i], text, n) == 0) {
            break;
        }
        b = (b + 1) & mask;
    }
    return b;
}

static void grow_buckets(StringTable *table)
{
    table->n_bucket = table->n_bucket == 0 ? FIRST_BUCKETS : table->n_bucket * 2;
    mem_free(table->bucket);
    table->bucket = MEM_ARRAY(int, table->n_bucket);
    memset(table->bucket, -1, table->n_bucket * sizeof *table->bucket);
    for (int i = 0; i < table->n; i++) {
        const char *text = table->bytes + table->start[i];
        table->bucket[find_bucket(table, text, string_length(table, i))] = i;
    }
}

static void append_string(StringTable *table, const char *text, size_t n)
{
    CHECK(table->n < INT_MAX / 2, "more than %d distinct strings", table->n);
    if (table->n == table->max_n) {
        table->max_n = table->max_n == 0 ? FIRST_BUCKETS : table->max_n * 2;
        table->start = mem_grow(table->start, (size_t)table->max_n, sizeof *table->start);
    }
    if (n + 1 > table->max_bytes - table->n_bytes) {
        table->max_bytes = table->max_bytes * 2 + n + FIRST_BYTES;
        table->bytes = mem_grow(table->bytes, table->max_bytes, 1);
    }
    table->start[table->n++] = table->n_bytes;
    memcpy(table->bytes + table->n_bytes, text, n);
    table->bytes[table->n_bytes + n] = '\0';
    table->n_bytes += n + 1;
}

int string_table_add(StringTable *table, const char *text, size_t n)
{
    if ((size_t)table->n * 2 >= table->n_bucket) {
        grow_buckets(table);
    }
    size_t b = find_bucket(table, text, n);
    if (table->bucket[b] < 0) {
        table->bucket[b] = table->n;
        append_string(table, text, n);
    }
    return table->bucket[b];
}

int string_table_find(const StringTable *table, const char *text, size_t n)
{
    return table->n == 0 ? -1 : table->bucket[find_bucket(table, text, n)];
}

const char *string_table_text(const StringTable *table, int i)
{
    ASSERT(i >= 0 && i < table->n);
    return table->bytes + table->start[i];
}

void string_table_free(StringTable *table)
{
    mem_free(table->bytes);
    mem_free(table->start);
    mem_free(table->bucket);
    memset(table, 0, sizeof *table);
}

int utf8_decode(const char *text, size_t n, int32_t *code)
{
    utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)text, n < 4 ? (utf8proc_ssize_t)n : 4, code);
    return length > 0 ? (int)length : 0;
}

// A character of one byte stays one byte; two bytes may become three (U+023A), nothing grows more.
size_t utf8_lower_size(size_t n)
{
    return n + n / 2;
}

size_t utf8_lower(const char *text, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        int32_t code = 0;
        int length = c < 0x80 ? 1 : utf8_decode(text + i, n - i, &code);
        if (c < 0x80) {
            out[written++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        } else if (length == 0) {
            out[written++] = text[i];
        } else {
            written += (size_t)utf8proc_encode_char(utf8proc_tolower(code),
                                                    (utf8proc_uint8_t *)out + written);
        }
        i += length > 0 ? (size_t)length : 1;
    }
    return written;
}

void text_zero_digits(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            text[i] = '0';
        }
    }
}

// strto* skip leading white space; a value that starts with it is no number here.
static bool may_start_number(char c)
{
    return c != '\0' && strchr("+-.0123456789", c) != NULL;
}

bool text_parse_double(const char *text, double *value)
{
    char *end = NULL;
    if (!may_start_number(text[0])) {
        return false;
    }
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

bool text_parse_int64(const char *text, int64_t *value)
{
    char *end = NULL;
    if (!may_start_number(text[0])) {
        return false;
    }
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static int find_kind(const Notes *notes, const char *kind)
{
    int k = 0;
    while (k < notes->n_kinds && strcmp(notes->kind[k], kind) != 0) {
        k++;
    }
    return k;
}

// Text of a file on its way to a terminal: short, and without control characters.
static void print_detail(FILE *out, const char *detail)
{
    size_t n = strlen(detail), shown = n <= DETAIL_SHOWN ? n : DETAIL_SHOWN;
    while (shown < n && shown > 0 && ((unsigned char)detail[shown] & 0xc0) == 0x80) {
        shown--;  // not in the middle of a character
    }
    fputs(" (", out);
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)detail[i];
        fputc(c < ' ' || c == 0x7f ? '?' : c, out);
    }
    fputs(shown < n ? "...)" : ")", out);
}

void notes_add(Notes *notes, const char *path, long line, const char *kind, const char *detail)
{
    int k = find_kind(notes, kind);
    if (k == notes->n_kinds) {
        CHECK(k < NOTES_MAX_KINDS, "more than %d kinds of notes", NOTES_MAX_KINDS);
        notes->kind[k] = kind;
        notes->count[k] = 0;
        notes->n_kinds++;
    }
    notes->count[k]++;
    if (notes->out != NULL && notes->count[k] <= NOTES_SHOWN) {
        fprintf(notes->out, "%s:%ld: %s", path, line, kind);
        if (detail != NULL) {
            print_detail(notes->out, detail);
        }
        fputc('\n', notes->out);
    }
}

long notes_count(const Notes *notes, const char *kind)
{
    int k = find_kind(notes, kind);
    return k < notes->n_kinds ? notes->count[k] : 0;
}

void notes_end(Notes *notes, const char *path)
{
    for (int k = 0; k < notes->n_kinds; k++) {
        long more = notes->count[k] - NOTES_SHOWN;
        if (notes->out != NULL && more > 0) {
            fprintf(notes->out, "%s: %s: %ld more\n", path, notes->kind[k], more);
        }
    }
    notes->n_kinds = 0;
}

bool utf8_is_upper(int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT;
}

bool utf8_is_lower(int32_t code)
{
    return utf8proc_category(code) == UTF8PROC_CATEGORY_LL;
}

bool utf8_is_letter(int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool utf8_is_digit(int32_t code)
{
    return utf8proc_category(code) == UTF8PROC_CATEGORY_ND;
}
