// SPDX-License-Identifier: Apache-2.0
/** What pages of text about a routing log are made of: figures over time as rows of blocks, bars, lists that wrap. Local.
 *
 * A page is as wide as its style allows, at least 60 columns; without style.unicode it has plain ASCII only, apart from the words
 * of the corpus.
 */
#ifndef MOE_REPORT_CONSOLE_H
#define MOE_REPORT_CONSOLE_H

#include <stdbool.h>
#include <stdio.h>

#include "report/route_data.h"
#include "report/route_stats.h"

typedef struct ConsoleStyle {
    int width;     // columns
    bool unicode;  // block characters may be used
} ConsoleStyle;

/** A page that is being printed. */
typedef struct Console {
    const RouteData *data;
    ConsoleStyle style;
    FILE *out;
} Console;

/** For this output: blocks on a terminal of a UTF-8 locale; its width, or that of COLUMNS, or 80. */
ConsoleStyle console_style(FILE *out);

/** What run this is: two lines. */
void console_head(const Console *console);

/** An empty line, and a line of text. */
void console_heading(const Console *console, const char *format, ...) PRINTF_LIKE(2, 3);

/** Said when there is no evaluation. */
void console_no_evaluation(const Console *console);

/** Characters of a UTF-8 text. */
int console_characters(const char *text);

/** A word of the corpus, its control characters as ?: a terminal must not take part of it for a command. Returns its characters. */
int console_word(FILE *out, const char *word);

/** The same in so many columns, or more when it needs them. */
void console_cell(FILE *out, const char *word, int columns);

/** " 12.3 %" in 7 columns. */
void console_percent(FILE *out, double share);

/** "± ", or "+- ". */
const char *console_plus_minus(const Console *console);

/** For four decimals: no minus before 0. */
double console_rounded(double value);

/** Columns for so many values beside what is taken. */
int console_columns(const Console *console, int taken, int values);

/** Mean of the numbers that are finite, NaN without any. */
double console_mean(const double *value, int n);

/** value [n] in so many columns, from low to high; what is 0 or no number is a blank. Returns the blanks at the end, which are
 * not written. */
int console_spark(const Console *console, const double *value, int n, int columns, double low,
                  double high);

/** A gap, a bar of a share (0 to 1) and the end of the line. */
void console_bar(const Console *console, double share, int columns);

/** A line: a figure of every row of training, and the means of its first and last tenth. format prints a number times scale. */
void console_figure(const Console *console, const char *name, const double *value, double scale,
                    const char *format);

/** A list that wraps: console_wrap(), then console_item() before each item is printed, then console_wrapped(). */
typedef struct ConsoleWrap {
    const Console *console;
    int at, indent;
    bool first;
} ConsoleWrap;
ConsoleWrap console_wrap(const Console *console, int indent);

/** Room for an item of so many characters: a gap (" " or ", " and the like), or a new line. */
void console_item(ConsoleWrap *wrap, int width, const char *gap);
void console_wrapped(const ConsoleWrap *wrap);

/** As many of the words as fit so many lines. */
void console_words(const Console *console, const RouteWord *top, int n, int lines, int indent);

#endif
