// SPDX-License-Identifier: Apache-2.0
/** A CoNLL file in memory: one token a line, columns apart by tabs or spaces, an empty line between sentences. Local.
 *
 * What real files contain and what happens to it (every repair is noted with file:line, nothing is lost in silence):
 * a byte-order mark at the start of a line is removed; carriage returns at the line end are removed; a line of white space
 * only ends a sentence; a line with a tab is split at tabs only (an empty field in the middle stays a field, trailing
 * empty ones vanish), any other at runs of spaces; spaces around a tag are removed; a `-DOCSTART-` line starts a document
 * and is no token; a last sentence without an empty line counts; `#` tokens are tokens unless the user names a comment
 * prefix; invalid UTF-8, a zero byte (as U+FFFD, three bytes), an empty token and a space inside a token are kept and
 * noted. A line with another number of columns than the first token line is legal when the wanted columns are there
 * (noted), an error when they are not.
 */
#ifndef MOE_DATA_CONLL_H
#define MOE_DATA_CONLL_H

#include "base/check.h"
#include "base/text.h"

/** Which columns hold the token and the tag: from 0, or from the end with -1 for the last. */
typedef struct ConllColumns {
    int token, tag;
} ConllColumns;

/** Parse "token=0,tag=-1" (in any order, either part may be left out; defaults 0 and -1). Error CODE_OPTION. */
Status conll_columns(ConllColumns *columns, const char *text) MUST_USE;

/** One file. Zeroed struct: empty and valid. */
typedef struct Conll {
    char *path;  // as given; "standard input" for "-"
    int n_sentences, n_tokens;
    int n_documents;      // parts with tokens, apart at -DOCSTART- lines
    int *sentence_start;  // [n_sentences + 1] first token of a sentence
    long *sentence_line;  // [n_sentences] line of its first token
    size_t *word_start;   // [n_tokens] offset of the word in text
    char *text;           // all words, each ended by a zero byte
    int *tag;             // [n_tokens] number in tags
    StringTable tags;     // distinct tags as they stand in the file
    int max_length;       // tokens of the longest sentence
    int *comment;         // [n_comments] token before which a comment line was left out, rising
    int n_comments;
} Conll;

/** Read a file, plain or gzip. comment_prefix NULL or "": no comments. A file without tokens is legal here (the program
 * refuses an empty training set). Repairs go to notes.
 * Errors (CODE_INPUT): file errors as in source.h; a wanted column that a line does not have, or where token and tag fall
 * together though they are apart in the first line; too large for an int; UTF-16. A failure leaves conll empty. */
Status conll_read(Conll *conll, const char *path, ConllColumns columns, const char *comment_prefix,
                  Notes *notes) MUST_USE;

/** Read plain text: one sentence a line, its tokens apart by spaces (in a line with tabs, by tabs); all tags are O. Errors and notes as
 * above. */
Status conll_read_plain(Conll *conll, const char *path, Notes *notes) MUST_USE;

/** Word of token i, ended by a zero byte. */
const char *conll_word(const Conll *conll, int i);

/** Tag of token i as it stands in the file. */
const char *conll_tag(const Conll *conll, int i);

/** Line of token i in the file, from 1. */
long conll_line(const Conll *conll, int i);

void conll_free(Conll *conll);

#endif
