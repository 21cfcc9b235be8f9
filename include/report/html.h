// SPDX-License-Identifier: Apache-2.0
/** The page of a run: what its experts do, in pictures, words and tables. Local. */
#ifndef MOE_REPORT_HTML_H
#define MOE_REPORT_HTML_H

#include <stdio.h>

#include "report/route_data.h"

/** Experts that have a card, and rows and columns (labels) of the heat maps; the largest experts are shown, the rest is one row, and a
 * table has (nearly) all. */
enum { HTML_CARDS = 24, HTML_ROWS = 32, HTML_COLUMNS = 48, HTML_TABLE = 1024 };

/** Write one self-contained page: styles and pictures inside, nothing is loaded, no script. Options and learning curve come from
 * DIR/config.ini and DIR/metrics.jsonl where they are (dir NULL: neither). A log without evaluations, or without rows, gives a page that
 * says so. Any bytes may stand in names and words.
 *
 * Errors: CODE_INPUT for a file of DIR that is there and cannot be read, CODE_FAILED when out cannot be written. */
Status html_report(const RouteData *data, const char *dir, FILE *out) MUST_USE;

#endif
