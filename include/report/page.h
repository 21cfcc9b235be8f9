// SPDX-License-Identifier: Apache-2.0
/** What pages of text about a routing log are made of: figures over time as rows of blocks, bars, lists that wrap. Local.
 *
 * A page is as wide as its style allows, at least 60 columns; without style.unicode it has plain ASCII only, apart from the words
 * of the corpus.
 */
#ifndef MOE_REPORT_PAGE_H
#define MOE_REPORT_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "report/route_data.h"
#include "report/route_stats.h"

typedef struct PageStyle {
    int width;     // columns
    bool unicode;  // block characters may be used
} PageStyle;

typedef struct Page {
    const RouteData *data;
    PageStyle style;
    FILE *out;
} Page;

/** For this output: blocks on a terminal of a UTF-8 locale; its width, or that of COLUMNS, or 80. */
PageStyle page_style(FILE *out);

/** What run this is: two lines. */
void page_head(const Page *page);

/** An empty line, and a line of text. */
void page_heading(const Page *page, const char *format, ...) PRINTF_LIKE(2, 3);

/** Said when there is no evaluation. */
void page_no_evaluation(const Page *page);

/** Characters of a UTF-8 text. */
int page_characters(const char *text);

/** A word of the corpus, its control characters as ?: a terminal must not take part of it for a command. Returns its characters. */
int page_word(FILE *out, const char *word);

/** " 12.3 %" in 7 columns. */
void page_percent(FILE *out, double share);

/** "± ", or "+- ". */
const char *page_plus_minus(const Page *page);

/** For four decimals: no minus before 0. */
double page_rounded(double value);

/** Columns for so many values beside what is taken. */
int page_columns(const Page *page, int taken, int values);

/** Mean of the numbers that are finite, NaN without any. */
double page_mean(const double *value, int n);

/** value [n] in so many columns, from low to high; what is 0 or no number is a blank. Returns the blanks at the end, which are
 * not written. */
int page_spark(const Page *page, const double *value, int n, int columns, double low, double high);

/** A gap, a bar of a share (0 to 1) and the end of the line. */
void page_bar(const Page *page, double share, int columns);

/** A line: a figure of every row of training, and the means of its first and last tenth. format prints a number times scale. */
void page_figure(const Page *page, const char *name, const double *value, double scale,
                 const char *format);

/** A list that wraps: page_wrap(), then page_item() before each item is printed, then page_wrapped(). */
typedef struct PageWrap {
    const Page *page;
    int at, indent;
    bool first;
} PageWrap;
PageWrap page_wrap(const Page *page, int indent);

/** Room for an item of so many characters: a gap (" " or ", " and the like), or a new line. */
void page_item(PageWrap *wrap, int width, const char *gap);
void page_wrapped(const PageWrap *wrap);

/** As many of the words as fit so many lines. */
void page_words(const Page *page, const RouteWord *top, int n, int lines, int indent);

#endif
