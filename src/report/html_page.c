// SPDX-License-Identifier: Apache-2.0
#include "report/html_page.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"

static int compare_size(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return left[0] != right[0] ? (left[0] < right[0]) - (left[0] > right[0])
                               : (left[1] > right[1]) - (left[1] < right[1]);
}

/** Experts by first choices of the last evaluation, or by their load in training when there is none. */
static void sort_experts(HtmlPage *page)
{
    const int E = page->data->E;
    double(*key)[2] = mem_alloc((size_t)E, sizeof *key);
    for (int e = 0; e < E; e++) {
        key[e][0] = page->data->m > 0 ? page->expert[e].first : page->expert[e].trained;
        key[e][1] = e;
    }
    qsort(key, (size_t)E, sizeof *key, compare_size);
    for (int i = 0; i < E; i++) {
        page->order[i] = (int)key[i][1];
    }
    mem_free(key);
}

double html_row_sum(const int32_t *table, int row, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++) {
        sum += table[(size_t)row * width + i];
    }
    return sum;
}

/** Choices of experts [from, to) in a row, as a share of all; NAN in a row without any. */
double html_load(const HtmlPage *page, int row, int from, int to)
{
    const size_t E = (size_t)page->data->E, K = (size_t)page->data->K;
    double sum = 0;
    for (size_t k = 0; k < K; k++) {
        for (size_t e = (size_t)from; e < (size_t)to; e++) {
            sum += page->data->load[((size_t)row * K + k) * E + e];
        }
    }
    return page->choices[row] > 0 ? sum / page->choices[row] : NAN;
}

/** What first choices of an evaluation tell of a class of tokens. */
RouteInformation html_information(const RouteData *data, int eval, RouteKind kind)
{
    const RouteTable table = route_table(data, eval, kind);
    return route_information(table.count, table.classes, data->E);
}

void html_page_init(HtmlPage *page)
{
    const RouteData *data = page->data;
    const size_t n = (size_t)data->n, m = (size_t)data->m, E = (size_t)data->E;
    page->expert = MEM_ARRAY(RouteExpert, E);
    page->order = MEM_ARRAY(int, E);
    page->step = MEM_ARRAY(double, n);
    page->choices = MEM_ARRAY(double, n);
    page->epoch = MEM_ARRAY(double, m);
    page->labels = MEM_ARRAY(RouteInformation, m);
    page->agreement = MEM_ARRAY(RouteAgreement, m);
    route_experts(data, data->m - 1, page->expert);
    sort_experts(page);
    for (int i = 0; i < data->n; i++) {
        page->step[i] = data->step[i];
        page->choices[i] = html_row_sum(data->load, i, (size_t)data->K * E);
    }
    for (int i = 0; i < data->m; i++) {
        const size_t T = (size_t)data->T;
        page->epoch[i] = data->eval_epoch[i];
        page->labels[i] = html_information(data, i, ROUTE_LABEL);
        page->agreement[i] = route_agreement(data->first_expert + (size_t)i * T,
                                             data->first_expert + (m - 1) * T, data->T, data->E);
    }
    if (data->m > 0) {
        const RouteTable table = route_table(data, data->m - 1, ROUTE_LABEL);
        page->shuffled = route_shuffled(table.count, table.classes, data->E, ROUTE_ROUNDS);
    }
}

void html_page_free(HtmlPage *page)
{
    mem_free(page->expert);
    mem_free(page->order);
    mem_free(page->step);
    mem_free(page->choices);
    mem_free(page->epoch);
    mem_free(page->labels);
    mem_free(page->agreement);
    run_files_free(&page->files);
}

/** Curve of the development F1: of metrics.jsonl, or of the evaluations in the log. */
RunCurve html_f1(const HtmlPage *page)
{
    return page->files.f1.n > 0
               ? page->files.f1
               : (RunCurve){.n = page->data->m, .x = page->epoch, .y = page->data->f1};
}

/** The first row of the last tenth. */
int html_last_tenth(const RouteData *data)
{
    return data->n - (data->n + 9) / 10;
}

/** Share of the choices of rows [from, n) in a table [n, E]. */
double html_share_since(const HtmlPage *page, const int32_t *table, int from)
{
    double sum = 0, all = 0;
    for (int i = from; i < page->data->n; i++) {
        sum += html_row_sum(table, i, (size_t)page->data->E);
        all += page->choices[i];
    }
    return all > 0 ? sum / all : NAN;
}

SvgChart html_chart(const char *title, const char *description, const char *x_name, int n,
                    const double *x, const SvgSeries *series, int n_series)
{
    return (SvgChart){.title = title,
                      .description = description,
                      .x_name = x_name,
                      .width = HTML_CHART_WIDTH,
                      .height = HTML_CHART_HEIGHT,
                      .n = n,
                      .x = x,
                      .series = series,
                      .n_series = n_series,
                      .y_low = NAN,
                      .y_high = NAN,
                      .rule = NAN};
}

void html_percent(FILE *out, double share)
{
    const double percent = 100 * share;
    if (!isfinite(percent)) {
        fputs("&#8211;", out);
    } else if (percent > 0 && percent < 0.1) {
        fprintf(out, percent < 0.001 ? "&lt;0.001%%" : "%.2g%%", percent);
    } else {
        fprintf(out, percent == 0 || percent >= 99.95 ? "%.0f%%" : "%.1f%%", percent);
    }
}

void html_bar(FILE *out, const char *name, const char *look, double share, const char *text)
{
    fputs("<li><span>", out);
    svg_text(out, name);
    fprintf(out, "</span><i><u class=\"%s\" style=\"width:%.1f%%\"></u></i><b>", look,
            100 * (isfinite(share) ? fmin(fmax(share, 0), 1) : 0));
    svg_text(out, text);
    fputs("</b></li>\n", out);
}

void html_section(HtmlPage *page, const char *id, const char *title)
{
    fprintf(page->out, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

void html_section_end(HtmlPage *page)
{
    fputs("</section>\n", page->out);
}

/** title and note are markup. */
void html_figure(HtmlPage *page, const char *title, const char *note)
{
    fprintf(page->out, "<figure>\n<figcaption><b>%s</b><span>%s</span></figcaption>\n", title,
            note);
}

void html_figure_end(HtmlPage *page)
{
    fputs("</figure>\n", page->out);
}

void html_table(HtmlPage *page, const char *summary)
{
    fprintf(page->out,
            "<details><summary>%s</summary><div class=\"scroll\" tabindex=\"0\"><table>\n",
            summary);
}

void html_table_head(HtmlPage *page, const char *const *name, int n)
{
    fputs("<thead><tr>", page->out);
    for (int i = 0; i < n; i++) {
        fputs("<th scope=\"col\">", page->out);
        svg_text(page->out, name[i]);
        fputs("</th>", page->out);
    }
    fputs("</tr></thead>\n<tbody>\n", page->out);
}

void html_table_end(HtmlPage *page)
{
    fputs("</tbody></table></div></details>\n", page->out);
}

void html_number(HtmlPage *page, double value, int decimals)
{
    if (isfinite(value)) {
        fprintf(page->out, "%.*f", decimals, value);
    } else {
        fputs("&#8211;", page->out);
    }
}

void html_cell(HtmlPage *page, double value, int decimals)
{
    fputs("<td>", page->out);
    html_number(page, value, decimals);
    fputs("</td>", page->out);
}

void html_share_cell(HtmlPage *page, double share)
{
    fputs("<td>", page->out);
    html_percent(page->out, share);
    fputs("</td>", page->out);
}

void html_share(HtmlPage *page, const char *before, double share, const char *after)
{
    fputs(before, page->out);
    html_percent(page->out, share);
    fputs(after, page->out);
}
