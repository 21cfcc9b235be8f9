// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "report/html_page.h"
#include "report/html_style.h"

/* ---- labels ---- */

/** First choices of the shown experts by label; a last row of all others when not all are shown. */
typedef struct LabelTable {
    const RouteData *data;
    int rows, L, left_out;  // L: labels that are shown; left out: labels with tokens that are not
    int *expert;            // [rows] -1: the others
    double *count;          // [rows, HTML_COLUMNS]
    double *row;            // [rows] tokens
    double label[HTML_COLUMNS];
    const char *label_name[HTML_COLUMNS];
    const char **name, **look;
    char (*text)[2][HTML_NAME];  // [rows] what name and look point to
} LabelTable;

static int compare_int(const void *a, const void *b)
{
    const int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

/** Rows: the shown experts in the order of their numbers, and where each expert counts. */
static void name_rows(LabelTable *table, const HtmlPage *page, int shown, int *row_of)
{
    const int E = page->data->E;
    memcpy(table->expert, page->order, (size_t)shown * sizeof(int));
    qsort(table->expert, (size_t)shown, sizeof(int), compare_int);
    for (int e = 0; e < E; e++) {
        row_of[e] = shown;
    }
    for (int r = 0; r < table->rows; r++) {
        if (r == shown) {
            table->expert[r] = -1;
            snprintf(table->text[r][0], HTML_NAME, "%d others", E - shown);
            snprintf(table->text[r][1], HTML_NAME, "a2");
        } else {
            row_of[table->expert[r]] = r;
            snprintf(table->text[r][0], HTML_NAME, "%d", table->expert[r]);
            style_look(table->text[r][1], table->expert[r]);
        }
        table->name[r] = table->text[r][0];
        table->look[r] = table->text[r][1];
    }
}

/** Columns: labels that have tokens, HTML_COLUMNS at most. Sums of rows are over all labels. */
static void count_labels(LabelTable *table, const int32_t *count, const int *row_of)
{
    const RouteData *data = table->data;
    const size_t E = (size_t)data->E;
    for (int l = 0; l < data->L; l++) {
        const double tokens = html_row_sum(count, l, E);
        const bool shown = tokens > 0 && table->L < HTML_COLUMNS;
        table->left_out += tokens > 0 && !shown;
        for (size_t e = 0; e < E; e++) {
            const double part = count[(size_t)l * E + e];
            table->row[row_of[e]] += part;
            if (shown) {
                table->count[row_of[e] * HTML_COLUMNS + table->L] += part;
            }
        }
        if (shown) {
            table->label[table->L] = tokens;
            table->label_name[table->L++] = string_table_text(&data->labels, l);
        }
    }
}

static LabelTable label_table(const HtmlPage *page)
{
    const RouteData *data = page->data;
    const int shown = data->E > HTML_ROWS ? HTML_ROWS : data->E;
    LabelTable table = {.data = data, .rows = shown + (shown < data->E)};
    const size_t rows = (size_t)table.rows;
    int *row_of = MEM_ARRAY(int, data->E);
    table.expert = MEM_ARRAY(int, rows);
    table.count = MEM_ARRAY(double, rows *HTML_COLUMNS);
    table.row = MEM_ARRAY(double, rows);
    table.name = MEM_ARRAY(const char *, rows);
    table.look = MEM_ARRAY(const char *, rows);
    table.text = mem_alloc(rows, sizeof *table.text);
    name_rows(&table, page, shown, row_of);
    count_labels(&table, route_table(data, data->m - 1, ROUTE_LABEL).count, row_of);
    mem_free(row_of);
    return table;
}

static double label_count(const LabelTable *table, int row, int label)
{
    return table->count[row * HTML_COLUMNS + label];
}

static void label_table_free(LabelTable *table)
{
    mem_free(table->expert);
    mem_free(table->count);
    mem_free(table->row);
    mem_free(table->name);
    mem_free(table->look);
    mem_free(table->text);
}

static void label_tooltip(FILE *out, const void *context, int row, int column)
{
    const LabelTable *table = context;
    const double count = label_count(table, row, column);
    fprintf(out, table->expert[row] < 0 ? "%s, " : "expert %s, ", table->name[row]);
    svg_text(out, table->label_name[column]);
    fprintf(out, ": %.0f token%s, ", count, count == 1 ? "" : "s");
    html_percent(out, table->row[row] > 0 ? count / table->row[row] : NAN);
    fputs(" of the row, ", out);
    html_percent(out, table->label[column] > 0 ? count / table->label[column] : NAN);
    fputs(" of the label", out);
}

static void put_label_heat(HtmlPage *page, const LabelTable *table, bool by_label)
{
    double *share = MEM_ARRAY(double, (size_t)table->rows *(size_t)table->L);
    for (int r = 0, i = 0; r < table->rows; r++) {
        for (int c = 0; c < table->L; c++, i++) {
            const double all = by_label ? table->label[c] : table->row[r];
            share[i] = all > 0 ? label_count(table, r, c) / all : 0;
        }
    }
    html_figure(page,
                by_label ? "Where the tokens of a label go" : "What the tokens of an expert are",
                by_label ? "Percent of a column: every label adds up to 100."
                         : "Percent of a row: every expert adds up to 100.");
    svg_heat(page->out,
             &(SvgHeat){.title = by_label ? "Experts of each label" : "Labels of each expert",
                        .description = "Rows are experts, columns gold labels; the "
                                       "darker, the larger the share of first choices "
                                       "(colour by its square root). The table below "
                                       "has the counts.",
                        .width = HTML_CHART_WIDTH,
                        .n_rows = table->rows,
                        .n_columns = table->L,
                        .value = share,
                        .row = table->name,
                        .column = table->label_name,
                        .row_look = table->look,
                        .tooltip = label_tooltip,
                        .context = table});
    mem_free(share);
}

static void put_label_counts(HtmlPage *page, const LabelTable *table)
{
    html_table(page, "Counts as a table");
    fputs("<thead><tr><th scope=\"col\">expert</th>", page->out);
    for (int l = 0; l < table->L; l++) {
        fputs("<th scope=\"col\">", page->out);
        svg_text(page->out, table->label_name[l]);
        fputs("</th>", page->out);
    }
    fputs("</tr></thead>\n<tbody>\n", page->out);
    for (int r = 0; r < table->rows; r++) {
        fprintf(page->out, "<tr><td>%s</td>", table->name[r]);
        for (int l = 0; l < table->L; l++) {
            html_cell(page, label_count(table, r, l), 0);
        }
        fputs("</tr>\n", page->out);
    }
    html_table_end(page);
}

static void put_information_bar(HtmlPage *page, const char *name, const char *look, double bits,
                                double entropy)
{
    char text[SVG_NUMBER];
    snprintf(text, sizeof text, "%.2f bits", fmax(bits, 0) + 0.0);
    html_bar(page->out, name, look, entropy > 0 ? bits / entropy : 0, text);
}

static void put_class_bar(HtmlPage *page, const char *name, const char *look, RouteKind kind,
                          int eval)
{
    const RouteInformation told = html_information(page->data, eval, kind);
    put_information_bar(page, name, look, told.corrected, told.entropy_corrected);
}

static void put_information(HtmlPage *page)
{
    const RouteData *data = page->data;
    const RouteInformation *last = &page->labels[data->m - 1];
    html_figure(page, "What the expert&#8217;s number tells",
                "Mutual information in bits; bar: share of what there is to know. First choices, "
                "corrected for bias after Miller and Madow.");
    fputs("<ul class=\"bars\">\n<li class=\"head\">Of the gold label</li>\n", page->out);
    put_information_bar(page, "this routing", "a0", last->corrected, last->entropy_corrected);
    put_information_bar(page, "shuffled", "a1", page->shuffled.corrected, last->entropy_corrected);
    if (data->m > 1) {
        put_information_bar(page, "untrained router", "a1", page->labels[0].corrected,
                            page->labels[0].entropy_corrected);
    }
    fputs("<li class=\"head\">Of the label inside entities</li>\n", page->out);
    put_class_bar(page, "this routing", "a0", ROUTE_ENTITY_LABEL, data->m - 1);
    if (data->m > 1) {
        put_class_bar(page, "untrained router", "a1", ROUTE_ENTITY_LABEL, 0);
    }
    fputs("<li class=\"head\">Of the word, this routing</li>\n", page->out);
    put_class_bar(page, "its capitals", "a2", ROUTE_CAPITAL, data->m - 1);
    put_class_bar(page, "its frequency", "a2", ROUTE_FREQUENCY, data->m - 1);
    put_class_bar(page, "seen in training", "a2", ROUTE_KNOWN, data->m - 1);
    fputs("</ul>\n<p class=\"note\">", page->out);
    fprintf(page->out,
            "Shuffled: the same experts dealt out at random, mean of %d rounds (spread %.4f "
            "bits). Purity: ",
            ROUTE_ROUNDS, page->shuffled.corrected_spread);
    html_share(page, "", last->purity, " of tokens have the commonest label of their expert; ");
    html_share(page, "with one expert it would be ", last->purity_of_one, ".</p>\n");
    html_figure_end(page);
}

static void put_label_lead(HtmlPage *page)
{
    const RouteData *data = page->data;
    const RouteInformation *last = &page->labels[data->m - 1];
    fprintf(page->out,
            "<p class=\"lead\">Who knows which expert a token went to first knows <b>%.2f of the "
            "%.2f bits</b> of its label, ",
            fmax(last->corrected, 0), last->entropy_corrected);
    html_share(page, "<b>", last->share, "</b>. ");
    fprintf(page->out, "The same routing shuffled among tokens tells %.2f bits",
            fmax(page->shuffled.corrected, 0) + 0.0);
    if (data->m > 1) {
        fprintf(page->out, ", the untrained router told %.2f",
                fmax(page->labels[0].corrected, 0) + 0.0);
    }
    fputs(".</p>\n", page->out);
}

void html_labels(HtmlPage *page)
{
    html_section(page, "labels", "Do experts follow the labels?");
    if (page->data->m < 1 || page->data->T < 1) {
        fputs("<p class=\"lead\">No evaluation is in this log yet.</p>\n", page->out);
        html_section_end(page);
        return;
    }
    LabelTable table = label_table(page);
    put_label_lead(page);
    fputs("<div class=\"wall\">\n", page->out);
    put_information(page);
    put_label_heat(page, &table, false);
    put_label_counts(page, &table);
    html_figure_end(page);
    put_label_heat(page, &table, true);
    html_figure_end(page);
    fputs("</div>\n", page->out);
    if (table.expert[table.rows - 1] < 0) {
        fprintf(page->out,
                "<p class=\"note\">The %d experts with most first choices have a row of their own; "
                "the other %d share one.</p>\n",
                HTML_ROWS, page->data->E - HTML_ROWS);
    }
    if (table.left_out > 0) {
        fprintf(page->out, "<p class=\"note\">%d more labels have tokens.</p>\n", table.left_out);
    }
    label_table_free(&table);
    html_section_end(page);
}

/* ---- settling ---- */

static void put_settling_lead(HtmlPage *page)
{
    const RouteData *data = page->data;
    int half = 0;
    while (half < data->m - 1 && page->agreement[half].same < 0.5) {
        half++;
    }
    const RouteAgreement *first = &page->agreement[0];
    html_share(page, "<p class=\"lead\">The untrained router sends <b>", first->same,
               "</b> of the tokens to the expert that they have at the end");
    html_share(page, " (chance: ", first->chance, "). ");
    fprintf(page->out, "After epoch %d it is ", (int)data->eval_epoch[half > 0 ? half : 1]);
    html_share(page, "<b>", page->agreement[half > 0 ? half : 1].same, "</b>.</p>\n");
}

static void put_evaluations(HtmlPage *page)
{
    static const char *const head[] = {
        "epoch",        "step",  "F1", "same as at the end", "by chance", "of the label, bits",
        "of the label", "purity"};
    const RouteData *data = page->data;
    html_table(page, "Evaluations as a table");
    html_table_head(page, head, (int)(sizeof head / sizeof *head));
    for (int i = 0; i < data->m; i++) {
        fprintf(page->out, "<tr><td>%d</td><td>%d</td>", (int)data->eval_epoch[i],
                (int)data->eval_step[i]);
        html_cell(page, data->f1[i], 2);
        html_share_cell(page, page->agreement[i].same);
        html_share_cell(page, page->agreement[i].chance);
        html_cell(page, page->labels[i].corrected, 3);
        html_share_cell(page, page->labels[i].share);
        html_share_cell(page, page->labels[i].purity);
        fputs("</tr>\n", page->out);
    }
    html_table_end(page);
}

/** A chart by evaluation. */
static void put_percent_chart(HtmlPage *page, const char *title, const SvgSeries *series,
                              int n_series, double high)
{
    SvgChart chart =
        html_chart(title, "Percent by epoch; the table of evaluations has the figures.", "epoch",
                   page->data->m, page->epoch, series, n_series);
    chart.y_low = 0;
    chart.y_high = high;
    svg_chart(page->out, &chart);
}

static void put_settling(HtmlPage *page)
{
    const RouteData *data = page->data;
    const size_t m = (size_t)data->m;
    double *y = MEM_ARRAY(double, (2 + ROUTE_KINDS) * m), *same = y, *chance = y + m;
    for (int i = 0; i < data->m; i++) {
        same[i] = 100 * page->agreement[i].same;
        chance[i] = 100 * page->agreement[i].chance;
        for (int kind = 0; kind < ROUTE_KINDS; kind++) {
            y[(size_t)(2 + kind) * m + (size_t)i] =
                100 * html_information(data, i, (RouteKind)kind).share;
        }
    }
    const double *told = y + 2 * m;
    const SvgSeries agree[] = {{"same first choice", "a0", same}, {"by chance", "a2", chance}};
    const SvgSeries label[] = {{"label", "a0", told + ROUTE_LABEL * m},
                               {"label inside entities", "a1", told + ROUTE_ENTITY_LABEL * m}};
    const SvgSeries word[] = {{"capitals", "a0", told + ROUTE_CAPITAL * m},
                              {"frequency", "a1", told + ROUTE_FREQUENCY * m},
                              {"seen in training", "a2", told + ROUTE_KNOWN * m}};
    double most = 1;
    for (size_t i = 0; i < ROUTE_KINDS * m; i++) {
        most = fmax(most, told[i]);
    }
    fputs("<div class=\"wall\">\n", page->out);
    html_figure(page, "Same first choice as at the end", "Percent of development tokens.");
    put_percent_chart(page, "Agreement with the last evaluation", agree, 2, 100);
    put_evaluations(page);
    html_figure_end(page);
    html_figure(page, "What the expert tells of the label", "Percent of the bits there are.");
    put_percent_chart(page, "Information on the label", label, 2, most);
    html_figure_end(page);
    html_figure(page, "What the expert tells of the word", "Percent of the bits there are.");
    put_percent_chart(page, "Information on the word", word, 3, most);
    html_figure_end(page);
    fputs("</div>\n", page->out);
    mem_free(y);
}

void html_settling(HtmlPage *page)
{
    html_section(page, "settling", "How early does routing settle?");
    if (page->data->m < 2) {
        fputs("<p class=\"lead\">That takes two evaluations at least.</p>\n", page->out);
    } else {
        put_settling_lead(page);
        put_settling(page);
    }
    html_section_end(page);
}
