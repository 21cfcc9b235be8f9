// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/arena.h"
#include "report/html_page.h"
#include "report/html_style.h"

static void figure_learning(HtmlPage *page)
{
    const RunCurve f1 = html_f1(page);
    RunCurve loss = page->files.loss;
    if (loss.n == 0) {
        loss = (RunCurve){.n = page->data->n, .x = page->step, .y = page->data->loss};
    }
    const SvgSeries score[] = {{"F1", "a0", f1.y}}, cost[] = {{"loss", "a0", loss.y}};
    html_figure(page, "Development F1", "Percent, after each epoch.");
    SvgChart chart =
        html_chart("Development F1", "Percent by epoch.", "epoch", f1.n, f1.x, score, 1);
    svg_chart(page->out, &chart);
    html_figure_end(page);
    html_figure(page, "Training loss", "Per sentence, balance losses left out.");
    chart = html_chart("Training loss", "Per sentence by step.", "step", loss.n, loss.x, cost, 1);
    chart.y_low = 0;
    svg_chart(page->out, &chart);
    html_figure_end(page);
}

/** Few experts: layers on one another. */
static void put_load_layers(HtmlPage *page)
{
    enum { LAYERS = 16 };
    const int E = page->data->E, n = page->data->n;
    double *y = MEM_ARRAY(double, (size_t)E *(size_t)n);
    SvgSeries series[LAYERS];
    char text[LAYERS][2][HTML_NAME];
    for (int e = 0; e < E; e++) {
        snprintf(text[e][0], HTML_NAME, "%d", e);
        series[e] = (SvgSeries){text[e][0], style_look(text[e][1], e), y + (size_t)e * (size_t)n};
        for (int i = 0; i < n; i++) {
            y[(size_t)e * (size_t)n + (size_t)i] = 100 * html_load(page, i, e, e + 1);
        }
    }
    html_figure(page, "Load per expert", "Percent of all choices, before any drop.");
    SvgChart chart =
        html_chart("Load per expert", "Percent of choices by step, experts on one another.", "step",
                   n, page->step, series, E);
    chart.stacked = true;
    chart.y_low = 0;
    chart.y_high = 100;
    svg_chart(page->out, &chart);
    mem_free(y);
}

/** Many experts: a heat map of experts and time, both gathered to as many as can be seen. */
static void put_load_map(HtmlPage *page)
{
    enum { MOST_ROWS = 64, MOST_COLUMNS = 96 };
    const int E = page->data->E, n = page->data->n;
    const int group = (E + MOST_ROWS - 1) / MOST_ROWS, rows = (E + group - 1) / group;
    const int stretch = (n + MOST_COLUMNS - 1) / MOST_COLUMNS,
              columns = (n + stretch - 1) / stretch;
    double *share = MEM_ARRAY(double, (size_t)rows *(size_t)columns);
    char note[160];
    for (int r = 0; r < rows; r++) {
        const int from = r * group, to = from + group < E ? from + group : E;
        for (int c = 0; c < columns; c++) {
            double sum = 0;
            int found = 0;
            for (int i = c * stretch; i < n && i < (c + 1) * stretch; i++) {
                const double part = html_load(page, i, from, to);
                sum += isfinite(part) ? part : 0;
                found += isfinite(part);
            }
            share[(size_t)r * (size_t)columns + (size_t)c] =
                found > 0 ? sum / found * E / (to - from) / 4 : 0;
        }
    }
    snprintf(note, sizeof note,
             "Rows from above: expert%s 0 to %d%s. Half tone: an equal share; full: four times it.",
             group > 1 ? "s" : "", E - 1, group > 1 ? ", several in a row" : "");
    html_figure(page, "Load per expert, by step", note);
    svg_heat(page->out, &(SvgHeat){.title = "Load per expert",
                                   .description = "Rows are experts, columns steps; the fuller, "
                                                  "the more choices.",
                                   .width = HTML_CHART_WIDTH,
                                   .n_rows = rows,
                                   .n_columns = columns,
                                   .value = share,
                                   .plain = true,
                                   .column_low = page->step[0],
                                   .column_high = page->step[n - 1]});
    mem_free(share);
}

static void put_rows(HtmlPage *page)
{
    enum { MOST_ROWS = 20 };
    static const char *const head[] = {"step",    "epoch",   "loss",   "busiest expert", "dropped",
                                       "skipped", "entropy", "MaxVio", "MaxVio so far",  "dead"};
    const RouteData *data = page->data;
    const size_t E = (size_t)data->E;
    const int shown = data->n < MOST_ROWS ? data->n : MOST_ROWS;
    html_table(page, "Training as a table");
    html_table_head(page, head, (int)(sizeof head / sizeof *head));
    for (int k = 0; k < shown; k++) {
        const int i = shown > 1 ? (int)((int64_t)k * (data->n - 1) / (shown - 1)) : 0;
        const double all = page->choices[i] > 0 ? page->choices[i] : NAN;
        double busiest = 0;
        for (int e = 0; e < data->E; e++) {
            busiest = fmax(busiest, html_load(page, i, e, e + 1));
        }
        fprintf(page->out, "<tr><td>%d</td><td>%d</td>", (int)data->step[i], (int)data->epoch[i]);
        html_cell(page, data->loss[i], 3);
        html_share_cell(page, busiest);
        html_share_cell(page, html_row_sum(data->dropped, i, E) / all);
        html_share_cell(page, html_row_sum(data->skipped, i, E) / all);
        html_cell(page, data->entropy[i], 3);
        html_cell(page, data->max_violation[i], 3);
        html_cell(page, data->max_violation_running[i], 3);
        html_cell(page, data->dead[i], 0);
        fputs("</tr>\n", page->out);
    }
    html_table_end(page);
}

static void figure_drops(HtmlPage *page)
{
    const RouteData *data = page->data;
    const size_t n = (size_t)data->n, E = (size_t)data->E;
    double *y = MEM_ARRAY(double, 2 * n), *dropped = y, *skipped = y + n;
    for (int i = 0; i < data->n; i++) {
        const double all = page->choices[i] > 0 ? page->choices[i] : NAN;
        dropped[i] = 100 * html_row_sum(data->dropped, i, E) / all;
        skipped[i] = 100 * html_row_sum(data->skipped, i, E) / all;
    }
    const SvgSeries series[] = {{"dropped: expert full", "a1", dropped},
                                {"skipped by its coin", "a2", skipped}};
    html_figure(page, "Choices without an expert", "Percent of all choices.");
    SvgChart chart = html_chart("Choices dropped and skipped", "Percent of choices by step.",
                                "step", data->n, page->step, series, 2);
    chart.y_low = 0;
    svg_chart(page->out, &chart);
    html_figure_end(page);
    mem_free(y);
}

static void figures_balance(HtmlPage *page)
{
    const RouteData *data = page->data;
    const SvgSeries entropy[] = {{"entropy", "a0", data->entropy}};
    const SvgSeries violation[] = {{"of a row", "a2", data->max_violation},
                                   {"of all so far", "a0", data->max_violation_running}};
    html_figure(page, "Entropy of the gate", "Nats per token; dashed: a gate that cannot decide.");
    SvgChart chart = html_chart("Entropy of the gate", "Nats per token by step.", "step", data->n,
                                page->step, entropy, 1);
    chart.y_low = 0;
    chart.rule = log(data->E);
    svg_chart(page->out, &chart);
    html_figure_end(page);
    html_figure(page, "MaxVio",
                "How far the busiest expert is above the mean; 0: perfect balance.");
    chart = html_chart("MaxVio", "By step, of each row and of all rows so far.", "step", data->n,
                       page->step, violation, 2);
    chart.y_low = 0;
    svg_chart(page->out, &chart);
    html_figure_end(page);
}

static void put_training_lead(HtmlPage *page)
{
    const RouteData *data = page->data;
    int most = 0, least = 0;
    for (int e = 1; e < data->E; e++) {
        most = page->expert[e].trained > page->expert[most].trained ? e : most;
        least = page->expert[e].trained < page->expert[least].trained ? e : least;
    }
    fprintf(page->out, "<p class=\"lead\">In the last tenth of training expert %d got most, ",
            most);
    html_share(page, "<b>", page->expert[most].trained, "</b> of all choices, ");
    fprintf(page->out, "and expert %d least, ", least);
    html_share(page, "<b>", page->expert[least].trained, "</b>; ");
    html_share(page, "an equal share is ", 1.0 / data->E, ". ");
    html_share(page, "<b>", html_share_since(page, data->dropped, html_last_tenth(data)),
               "</b> of the choices were dropped because their expert was full.</p>\n");
}

void html_training(HtmlPage *page)
{
    const RouteData *data = page->data;
    html_section(page, "training", "How did training go?");
    if (data->n > 0) {
        put_training_lead(page);
    }
    fputs("<div class=\"wall\">\n", page->out);
    figure_learning(page);
    if (data->n > 0) {
        if (data->E <= 16) {
            put_load_layers(page);
        } else {
            put_load_map(page);
        }
        put_rows(page);
        html_figure_end(page);
        figure_drops(page);
        figures_balance(page);
    }
    fputs("</div>\n", page->out);
    if (data->n < 1) {
        fputs("<p class=\"note\">No row of training is in this log yet.</p>\n", page->out);
    } else if (svg_stretch(data->n) > 1) {
        fprintf(page->out,
                "<p class=\"note\">The log has %d rows; a point of a line is the mean of %d.</p>\n",
                data->n, svg_stretch(data->n));
    }
    html_section_end(page);
}
