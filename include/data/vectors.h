// SPDX-License-Identifier: Apache-2.0
/** Word vectors from a file: GloVe text, word2vec text (a first line with two counts) or word2vec binary, plain or gzip. Local.
 *
 * Text is read in blocks and numbers are parsed by our own digit code; rows go straight into the matrix, which grows without
 * a copy, so that peak memory stays near the matrix itself.
 */
#ifndef MOE_DATA_VECTORS_H
#define MOE_DATA_VECTORS_H

#include "base/check.h"
#include "base/real.h"
#include "base/text.h"

/** Zeroed struct: empty and valid. */
typedef struct Vectors {
    int n, dim;
    StringTable words;  // number = row; the first of two equal words counts, the second is noted
    real *row;          // [max_n, dim]
    int max_n;
} Vectors;

/** Read a file; vectors need not be set before and is empty after an error. want_dim 0: take the file's width.
 *
 * Fields of a text row are apart at spaces or tabs; a line with more than 1 + dim of them is a word with spaces in it, unless
 * the fields too many are numbers. Noted, never in silence: a byte-order mark removed; an empty line, a row without a word, a
 * word with a zero byte, a word that has a row already, bytes after the last binary row left out; another number of rows
 * than the first line says. In notes and errors row i of a binary file stands at line i + 1, as it would in text.
 *
 * Errors (CODE_INPUT): file errors; a line of another width than the first (file:line, both widths, what to do); a number that
 * does not parse or is not finite; a binary file that ends early; a width other than want_dim; no row at all. */
Status vectors_read(Vectors *vectors, const char *path, int want_dim, Notes *notes) MUST_USE;

/** Append a row for a new word, values uninitialised; returns its number. */
int vectors_append(Vectors *vectors, const char *word, size_t n);

void vectors_free(Vectors *vectors);

#endif
