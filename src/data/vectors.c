// SPDX-License-Identifier: Apache-2.0
/* A text row is parsed straight into the next free row of the matrix, on the assumption that it is a word without a space and
 * `dim` numbers; only when that fails are its fields counted, to find a word with spaces in it or to say what is wrong. */
#include "data/vectors.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/source.h"

enum {
    MAX_DIM = 1000000,   // of a first line with counts, before its rows prove it
    MAX_WORD = 1 << 16,  // bytes of a word in a binary file
    FAST_DIGITS = 19,    // that fit in 64 bits
    MAX_EXPONENT = 400,  // beyond: zero or infinite in double as well
    MAX_NUMBER = 24,     // bytes of a number in the first row of a text, its separator included
    SHOWN_TEXT = 40      // bytes of the file in a message
};

typedef struct Reader {
    Source source;
    Vectors *vectors;
    const char *path;
    Notes *notes;
    long long rows;      // read, those left out included
    long long promised;  // by the first line; -1: it has no counts
} Reader;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t';
}

/** m * 10^e within 2^-60 of the exact value. */
static long double scale(uint64_t m, long long e)
{
    long double power = 1, base = 10;
    for (long long left = e < 0 ? -e : e; left > 0; left /= 2) {
        power *= left % 2 != 0 ? base : 1;
        base *= base;
    }
    return e < 0 ? (long double)m / power : (long double)m * power;
}

/** The exponent at p ("e-05"), or 0; p moves behind it. */
static long long parse_exponent(const char **p, const char *end)
{
    const char *q = *p + 1;
    long long e = 0;
    if (*p == end || (**p != 'e' && **p != 'E')) {
        return 0;
    }
    bool negative = q < end && *q == '-';
    q += q < end && (*q == '-' || *q == '+');
    if (q == end || !is_digit(*q)) {
        return 0;
    }
    for (; q < end && is_digit(*q); q++) {
        e = e < LLONG_MAX / 100 ? 10 * e + (*q - '0') : e;
    }
    *p = q;
    return negative ? -e : e;
}

/** An unsigned number of any length: its first 19 significant digits count. p stands on a digit or a point. */
static const char *parse_any(const char *p, const char *end, real *value)
{
    uint64_t m = 0;
    int significant = 0;
    long long e = 0;
    bool fraction = false;
    for (; p < end && (is_digit(*p) || (*p == '.' && !fraction)); p++) {
        if (*p == '.') {
            fraction = true;
        } else if (significant < FAST_DIGITS) {
            m = 10 * m + (uint64_t)(*p - '0');
            significant += m > 0;
            e -= fraction;
        } else {
            e += !fraction;
        }
    }
    e += parse_exponent(&p, end);
    e = e > MAX_EXPONENT ? MAX_EXPONENT : e < -MAX_EXPONENT ? -MAX_EXPONENT : e;
    *value = (real)scale(m, e);
    return isfinite(*value) ? p : NULL;
}

/** Eight bytes, the first in the lowest place. */
static uint64_t load_eight(const char *p)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++) {
        x |= (uint64_t)(unsigned char)p[i] << 8 * i;
    }
    return x;
}

/** Append the digits at p, up to eight at once and without a branch on their number, to *m; returns the byte behind them. */
static const char *parse_digits(const char *p, const char *end, uint64_t *m)
{
    static const uint32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    const uint64_t ones = 0x0101010101010101u;
    uint64_t n = 8;
    while (n == 8 && end - p >= 8) {
        uint64_t x = load_eight(p), digits = x - '0' * ones;
        // The lowest byte that is no digit has its highest bit set; the bytes below it are counted.
        uint64_t other = ((x + (0x7f - '9') * ones) | digits | x) & 0x80 * ones;
        uint64_t below = ((other & (0 - other)) >> 7) - 1;
        n = ((below & ones) * ones) >> 56;
        digits = n == 0 ? 0 : digits << (64 - 8 * n);  // leading zeros
        digits = digits * 10 + (digits >> 8);          // pairs, then fours, then all eight
        digits = ((digits & 0x000000ff000000ffu) * 0x000f424000000064u +
                  (digits >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >>
                 32;
        *m = *m * power[n] + digits;
        p += n;
    }
    for (; n == 8 && p < end && is_digit(*p); p++) {
        *m = 10 * *m + (uint64_t)(*p - '0');
    }
    return p;
}

/** Parse the number at p and return the byte behind it; NULL when there is none or it is not finite.  Up to 2^53 the digits and
 * the power of ten are exact in double, so that one division gives the nearest double. */
static const char *parse_number(const char *p, const char *end, real *value)
{
    static const double power[FAST_DIGITS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                  1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    static const real signs[2] = {1, -1};
    if (p == end) {
        return NULL;
    }
    real sign = signs[*p == '-'];
    p += (*p == '-') | (*p == '+');
    const char *first = p;
    uint64_t m = 0;
    for (; p < end && is_digit(*p); p++) {
        m = 10 * m + (uint64_t)(*p - '0');
    }
    long digits = p - first, decimals = 0;
    if (p < end && *p == '.') {
        const char *point = p;
        p = parse_digits(p + 1, end, &m);
        decimals = p - point - 1;
        digits += decimals;
    }
    if (digits == 0) {
        return NULL;
    }
    if (digits > FAST_DIGITS || m > (uint64_t)1 << 53 || (p < end && (*p | 0x20) == 'e')) {
        p = parse_any(first, end, value);
    } else {
        *value = (real)((double)m / power[decimals]);
    }
    *value *= sign;
    return p;
}

/** out [dim]: the fields from p, which stands on a separator; false when they are not dim numbers and nothing else. */
static bool parse_values(const char *p, const char *end, int dim, real *out)
{
    for (int j = 0; j < dim; j++) {
        if (p == end || !is_separator(*p)) {
            return false;
        }
        while (p < end && is_separator(*p)) {
            p++;
        }
        p = parse_number(p, end, &out[j]);
        if (p == NULL) {
            return false;
        }
    }
    return p == end;
}

static const char *field_end(const char *p, const char *end)
{
    while (p < end && !is_separator(*p)) {
        p++;
    }
    return p;
}

static const char *field_next(const char *p, const char *end)
{
    while (p < end && is_separator(*p)) {
        p++;
    }
    return p;
}

static bool field_is_number(const char *p, const char *end)
{
    real value;
    return parse_number(p, field_end(p, end), &value) == field_end(p, end);
}

/** Fields of a trimmed line; the first is the word, which may be empty. */
static int count_fields(const char *line, const char *end)
{
    int n = 1;
    for (const char *p = field_end(line, end); p < end; p = field_end(field_next(p, end), end)) {
        n++;
    }
    return n;
}

static const char *trim(const char *line, const char *end)
{
    while (end > line && (is_separator(end[-1]) || end[-1] == '\r')) {
        end--;
    }
    return end;
}

static Status width_error(const Reader *reader, int width)
{
    return status_error(CODE_INPUT,
                        "%s:%ld: %d numbers, but the first line %s %d; the line is damaged or the "
                        "file cut short: mend or remove the line, or download the file again",
                        reader->path, reader->source.line, width,
                        reader->promised >= 0 ? "says" : "has", reader->vectors->dim);
}

/** A row that is not one word and dim numbers: find the end of its word, or say what is wrong.  With more fields than
 * wanted, those between the first and the last dim are part of the word unless all are numbers. */
static Status find_word(const Reader *reader, const char *line, const char *end,
                        const char **word_end)
{
    int dim = reader->vectors->dim, n_fields = count_fields(line, end);
    bool spaced = false;
    *word_end = field_end(line, end);
    for (int i = dim + 1; i < n_fields; i++) {
        const char *field = field_next(*word_end, end);
        spaced = spaced || !field_is_number(field, end);
        *word_end = field_end(field, end);
    }
    if (n_fields != dim + 1 && !spaced) {
        return width_error(reader, n_fields - 1);
    }
    const char *field = field_next(*word_end, end);
    while (field < end && field_is_number(field, end)) {
        field = field_next(field_end(field, end), end);
    }
    if (field < end) {
        int n = (int)(field_end(field, end) - field);
        return status_error(
            CODE_INPUT, "%s:%ld: \"%.*s\" is not a finite number; mend or remove the line",
            reader->path, reader->source.line, n < SHOWN_TEXT ? n : SHOWN_TEXT, field);
    }
    return status_ok();
}

/** Room for one more row; steps of an eighth are cheap because a large block moves without a copy. */
static void reserve_row(Vectors *vectors)
{
    if (vectors->n == vectors->max_n) {
        CHECK(vectors->max_n < INT_MAX / 8 * 7 - 16, "too many word vectors for an int");
        int max_n = vectors->max_n + vectors->max_n / 8 + 16;
        vectors->row =
            mem_grow(vectors->row, (size_t)max_n * (size_t)vectors->dim, sizeof *vectors->row);
        vectors->max_n = max_n;
    }
}

static real *next_row(Vectors *vectors)
{
    reserve_row(vectors);
    return vectors->row + (size_t)vectors->n * (size_t)vectors->dim;
}

/** Keep the row that next_row() gave under its word. */
static void keep_row(Reader *reader, const char *word, size_t n)
{
    Vectors *vectors = reader->vectors;
    long line = reader->source.line;
    reader->rows++;
    if (n == 0) {
        notes_add(reader->notes, reader->path, line, "row without a word left out", NULL);
    } else if (memchr(word, '\0', n) != NULL) {
        notes_add(reader->notes, reader->path, line, "word with a zero byte left out", NULL);
    } else {
        int number = string_table_add(&vectors->words, word, n);
        if (number == vectors->n) {
            vectors->n++;
        } else {
            notes_add(reader->notes, reader->path, line,
                      "row of a word that has one already left out",
                      string_table_text(&vectors->words, number));
        }
    }
}

static Status read_row(Reader *reader, const char *line, size_t n)
{
    Vectors *vectors = reader->vectors;
    const char *end = trim(line, line + n), *word_end = field_end(line, end);
    if (end == line) {
        notes_add(reader->notes, reader->path, reader->source.line, "empty line left out", NULL);
        return status_ok();
    }
    real *row = next_row(vectors);
    if (!parse_values(word_end, end, vectors->dim, row)) {
        TRY(find_word(reader, line, end, &word_end));
        parse_values(word_end, end, vectors->dim, row);
    }
    keep_row(reader, line, (size_t)(word_end - line));
    return status_ok();
}

static Status read_text(Reader *reader)
{
    const char *line;
    size_t n;
    bool found;
    for (;;) {
        TRY(source_line(&reader->source, &line, &n, &found));
        if (!found) {
            return status_ok();
        }
        TRY(read_row(reader, line, n));
    }
}

/** Little-endian IEEE single precision. */
static real read_float(const unsigned char *bytes)
{
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                    (uint32_t)bytes[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** Bring a whole row into the block: a word, a space, dim floats.  n_word -1: the file ends before. */
static Status find_binary_row(Reader *reader, long *n_word)
{
    Source *source = &reader->source;
    size_t n_values = 4 * (size_t)reader->vectors->dim;
    *n_word = -1;
    TRY(source_peek(source, MAX_WORD + 2 + n_values));
    while (source->begin < source->end && source->block[source->begin] == '\n') {
        source->begin++;
    }
    const char *word = source->block + source->begin;
    size_t unread = source->end - source->begin;
    const char *space = memchr(word, ' ', unread < MAX_WORD ? unread : MAX_WORD);
    if (space == NULL && unread >= MAX_WORD) {
        return status_error(
            CODE_INPUT,
            "%s: row %lld: a word of over %d bytes; this is no word2vec binary file "
            "of the width that its first line says",
            reader->path, reader->rows + 1, MAX_WORD);
    }
    if (space != NULL && unread - (size_t)(space - word) > n_values) {
        *n_word = space - word;
    }
    return status_ok();
}

static Status read_binary(Reader *reader)
{
    Vectors *vectors = reader->vectors;
    Source *source = &reader->source;
    while (reader->rows < reader->promised) {
        long n;
        source->line++;  // as if it were text
        TRY(find_binary_row(reader, &n));
        if (n < 0) {
            return status_error(CODE_INPUT,
                                "%s: ends in row %lld of %lld; copy or download the file again",
                                reader->path, reader->rows + 1, reader->promised);
        }
        const char *word = source->block + source->begin;
        const unsigned char *bytes = (const unsigned char *)word + n + 1;
        real *row = next_row(vectors);
        for (int j = 0; j < vectors->dim; j++, bytes += 4) {
            row[j] = read_float(bytes);
            if (!isfinite(row[j])) {
                return status_error(CODE_INPUT,
                                    "%s: row %lld, \"%.*s\": value %d is not finite; the file is "
                                    "damaged: download it again",
                                    reader->path, reader->rows + 1,
                                    (int)(n < SHOWN_TEXT ? n : SHOWN_TEXT), word, j + 1);
            }
        }
        keep_row(reader, word, (size_t)n);
        source->begin += (size_t)n + 1 + 4 * (size_t)vectors->dim;
    }
    TRY(source_peek(source, 2));
    if (source->end - source->begin > 1 ||
        (source->end > source->begin && source->block[source->begin] != '\n')) {
        notes_add(reader->notes, reader->path, 1, "bytes after the last row left out", NULL);
    }
    return status_ok();
}

/** No text of numbers has such a byte. */
static bool has_binary_byte(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && bytes[i] != '\n'; i++) {
        char c = bytes[i];
        if ((c < ' ' || c > '~') && c != '\t' && c != '\r') {
            return true;
        }
    }
    return false;
}

/** After a first line with counts: text is what parses as a row, or (a damaged row, which is better reported as text) what has
 * only text where a binary row has its floats. */
static Status is_binary(Reader *reader, bool *binary)
{
    Source *source = &reader->source;
    size_t dim = (size_t)reader->vectors->dim;
    TRY(source_peek(source, MAX_WORD + MAX_NUMBER * dim));
    const char *row = source->block + source->begin, *word_end;
    size_t unread = source->end - source->begin;
    const char *feed = unread > 0 ? memchr(row, '\n', unread) : NULL;
    const char *end = trim(row, feed != NULL ? feed : row + unread);
    const char *values = field_end(row, row + unread);
    size_t left = unread - (size_t)(values - row);
    *binary = find_word(reader, row, end, &word_end).code != CODE_OK && left > 1 &&
              has_binary_byte(values + 1, left - 1 < 4 * dim ? left - 1 : 4 * dim);
    return status_ok();
}

/** A first line of two counts, rows and width. */
static bool parse_counts(const char *line, const char *end, long long *rows, long long *dim)
{
    long long value[2] = {0, 0};
    const char *p = line;
    for (int i = 0; i < 2; i++) {
        const char *stop = field_end(p, end);
        for (; p < stop && is_digit(*p) && value[i] < LLONG_MAX / 100; p++) {
            value[i] = 10 * value[i] + (*p - '0');
        }
        if (p == line || p < stop) {
            return false;
        }
        p = field_next(p, end);
    }
    *rows = value[0];
    *dim = value[1];
    return p == end && count_fields(line, end) == 2;
}

/** The width of a first line without counts: its fields but the word, or want_dim when a word with spaces explains the rest. */
static int first_width(const char *line, const char *end, int want_dim)
{
    int width = count_fields(line, end) - 1;
    const char *field = line;
    for (int i = want_dim; i < width && want_dim > 0; i++) {
        field = field_next(field_end(field, end), end);
        if (!field_is_number(field, end)) {
            return want_dim;
        }
    }
    return width;
}

static Status set_dim(Reader *reader, long long dim, int want_dim)
{
    if (dim < 1 || dim > MAX_DIM) {
        return status_error(
            CODE_INPUT,
            "%s:1: vectors of width %lld; is this a file of word vectors (each line "
            "a word and its numbers)?",
            reader->path, dim);
    }
    if (want_dim > 0 && dim != want_dim) {
        return status_error(CODE_INPUT,
                            "%s:1: vectors of width %lld where %d is wanted; choose a file of that "
                            "width or change the width",
                            reader->path, dim, want_dim);
    }
    reader->vectors->dim = (int)dim;
    return status_ok();
}

static Status read_counted(Reader *reader)
{
    bool binary;
    TRY(is_binary(reader, &binary));
    TRY(binary ? read_binary(reader) : read_text(reader));
    if (reader->rows != reader->promised) {
        char detail[80];
        snprintf(detail, sizeof detail, "%lld, not %lld", reader->rows, reader->promised);
        notes_add(reader->notes, reader->path, 1, "another number of rows than the first line says",
                  detail);
    }
    return status_ok();
}

static Status read_file(Reader *reader, int want_dim)
{
    const char *line;
    size_t n;
    bool found;
    long long dim;
    TRY(source_line(&reader->source, &line, &n, &found));
    if (!found) {
        return status_error(CODE_INPUT, "%s: is empty; check the path", reader->path);
    }
    if (n >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        notes_add(reader->notes, reader->path, 1, "byte-order mark removed", NULL);
        line += 3;
        n -= 3;
    }
    const char *end = trim(line, line + n);
    if (parse_counts(line, end, &reader->promised, &dim)) {
        TRY(set_dim(reader, dim, want_dim));
        TRY(read_counted(reader));
    } else {
        TRY(set_dim(reader, first_width(line, end, want_dim), want_dim));
        TRY(read_row(reader, line, n));
        TRY(read_text(reader));
    }
    if (reader->vectors->n == 0) {
        return status_error(CODE_INPUT,
                            "%s: has no row with a word; is this a file of word vectors?",
                            reader->path);
    }
    return status_ok();
}

Status vectors_read(Vectors *vectors, const char *path, int want_dim, Notes *notes)
{
    Reader reader = {.vectors = vectors, .path = path, .notes = notes, .promised = -1};
    memset(vectors, 0, sizeof *vectors);
    Status status = source_open(&reader.source, path);
    if (status.code == CODE_OK) {
        status = read_file(&reader, want_dim);
    }
    source_close(&reader.source);
    if (status.code != CODE_OK) {
        vectors_free(vectors);
    }
    return status;
}

int vectors_append(Vectors *vectors, const char *word, size_t n)
{
    reserve_row(vectors);
    int number = string_table_add(&vectors->words, word, n);
    ASSERT(number == vectors->n);
    vectors->n++;
    return number;
}

void vectors_free(Vectors *vectors)
{
    string_table_free(&vectors->words);
    mem_free(vectors->row);
    memset(vectors, 0, sizeof *vectors);
}
