// SPDX-License-Identifier: Apache-2.0
/** A page that is being written: the log, its figures, and the parts that all sections are made of. Local.
 *
 * Texts that a function takes as markup are written as they are; all others are escaped.
 */
#ifndef MOE_REPORT_HTML_PAGE_H
#define MOE_REPORT_HTML_PAGE_H

#include <stdio.h>

#include "report/html.h"
#include "report/route_data.h"
#include "report/route_stats.h"
#include "report/run_files.h"
#include "report/svg.h"

enum { HTML_CHART_WIDTH = 370, HTML_CHART_HEIGHT = 220, HTML_NAME = 24 };

/** The log, what else the run left, and the figures that several sections show. */
typedef struct HtmlPage {
    FILE *out;
    const RouteData *data;
    RunFiles files;
    RouteExpert *expert;        // [E] at the last evaluation
    int *order;                 // [E] experts, the largest first
    double *step;               // [n]
    double *choices;            // [n] made in a row
    double *epoch;              // [m]
    RouteInformation *labels;   // [m] what the first choice tells of the gold label
    RouteControl shuffled;      // of the last evaluation
    RouteAgreement *agreement;  // [m] with the last evaluation
} HtmlPage;

/** Compute the figures; out, data and files are set, all else is zero. */
void html_page_init(HtmlPage *page);
void html_page_free(HtmlPage *page);

/* Figures. */

/** Sum of a row of a table [rows, width]. */
double html_row_sum(const int32_t *table, int row, size_t width);

/** Choices of experts [from, to) in a row of the log, as a share of all; NAN in a row without any. */
double html_load(const HtmlPage *page, int row, int from, int to);

/** The first row of the last tenth. */
int html_last_tenth(const RouteData *data);

/** Share of the choices of rows [from, n) that are in a table [n, E]. */
double html_share_since(const HtmlPage *page, const int32_t *table, int from);

/** What first choices of an evaluation tell of a class of tokens. */
RouteInformation html_information(const RouteData *data, int eval, RouteKind kind);

/** Development F1 of metrics.jsonl, or of the evaluations in the log; not to be freed. */
RunCurve html_f1(const HtmlPage *page);

/* Parts. */

/** id and title are markup. */
void html_section(HtmlPage *page, const char *id, const char *title);
void html_section_end(HtmlPage *page);

/** title and note are markup. */
void html_figure(HtmlPage *page, const char *title, const char *note);
void html_figure_end(HtmlPage *page);

/** A line chart without limits or rule. */
SvgChart html_chart(const char *title, const char *description, const char *x_name, int n,
                    const double *x, const SvgSeries *series, int n_series);

/** A table that opens on request; summary is markup. */
void html_table(HtmlPage *page, const char *summary);
void html_table_head(HtmlPage *page, const char *const *name, int n);
void html_table_end(HtmlPage *page);

/** Cells of the running row; a number that is not finite is a dash. */
void html_cell(HtmlPage *page, double value, int decimals);
void html_share_cell(HtmlPage *page, double share);

void html_number(HtmlPage *page, double value, int decimals);

/** A share: "12.3%", "100%", "0.04%"; before and after are markup. */
void html_percent(FILE *out, double share);
void html_share(HtmlPage *page, const char *before, double share, const char *after);

/** A line of <ul class="bars">: name, bar, text; look as of an SvgSeries. */
void html_bar(FILE *out, const char *name, const char *look, double share, const char *text);

/* Sections. */

/** Do experts follow the labels? Information with its controls, heat maps. */
void html_labels(HtmlPage *page);

/** How early does routing settle? */
void html_settling(HtmlPage *page);

/** How did training go? Learning curve, load, drops, entropy, violation. */
void html_training(HtmlPage *page);

/** What does each expert do? A card for each: share, labels, typical words, and sentences in which each token has its expert's
 * colour. */
void html_experts(HtmlPage *page);

#endif
