// SPDX-License-Identifier: Apache-2.0
/** The bytes of a file, plain or gzip (recognised by content, zlib), in large blocks and as lines. Local.
 *
 * Errors are a Status with CODE_INPUT: missing, not readable, a directory, damaged gzip data; the text names the file and
 * says what to do.
 */
#ifndef MOE_BASE_SOURCE_H
#define MOE_BASE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/** An open file. Zeroed struct: closed. */
typedef struct Source {
    const char *path;         // the caller's string, kept by pointer
    void *gz;                 // gzFile
    char *block;              // [size] bytes read
    size_t size, begin, end;  // unread bytes are block[begin .. end)
    bool at_end;              // the file has no more bytes
    long line;                // number of the line that source_line() gave last, from 1
    long long file_bytes;     // size of the file on disk, compressed or not; -1 for a pipe
    bool compressed;
} Source;

/** Open for reading; "-" is standard input. */
Status source_open(Source *source, const char *path) MUST_USE;

/** The next line without its line feed (a carriage return stays), not ended by a zero byte; valid until the next call.
 * found is false at the end of the file. A last line without line feed counts; any length is legal. */
Status source_line(Source *source, const char **line, size_t *n, bool *found) MUST_USE;

/** Exactly n bytes into out, or fewer at the end of the file: got says how many. */
Status source_bytes(Source *source, void *out, size_t n, size_t *got) MUST_USE;

/** Make at least n unread bytes (or all that are left) stand in block[begin .. end) without consuming them. */
Status source_peek(Source *source, size_t n) MUST_USE;

void source_close(Source *source);

#endif
