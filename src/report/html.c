// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "report/html_page.h"
#include "report/html_style.h"

/* ---- head ---- */

static void tile_open(HtmlPage *page, const char *name)
{
    fprintf(page->out, "<div><dt>%s</dt><dd class=\"big\">", name);
}

static void tile_close(HtmlPage *page, const char *note)
{
    fprintf(page->out, "</dd><dd class=\"small\">%s</dd></div>\n", note);
}

static void tile_f1(HtmlPage *page)
{
    const RunCurve f1 = html_f1(page);
    double best = NAN, at = 0;
    char note[96];
    for (int i = 0; i < f1.n; i++) {
        if (isfinite(f1.y[i]) && !(f1.y[i] <= best)) {
            best = f1.y[i];
            at = f1.x[i];
        }
    }
    if (isfinite(best)) {
        tile_open(page, "best development F1");
        fprintf(page->out, "%.2f", best);
        if (isfinite(page->files.test_f1)) {
            snprintf(note, sizeof note, "epoch %.0f; test F1 %.2f", at, page->files.test_f1);
        } else {
            snprintf(note, sizeof note, "epoch %.0f of %.0f", at, f1.x[f1.n - 1]);
        }
        tile_close(page, note);
    }
}

/** The first evaluation from which on most first choices stay; that of the last with itself says nothing. */
static void tile_settled(HtmlPage *page)
{
    const int last = page->data->m - 1;
    int settled = last;
    while (settled > 0 && page->agreement[settled - 1].same >= 0.9) {
        settled--;
    }
    tile_open(page, "routing settled");
    if (settled < last) {
        fprintf(page->out, "epoch %d", (int)page->data->eval_epoch[settled]);
        tile_close(page, "90% of first choices stay from there on");
    } else {
        fputs("not yet", page->out);
        tile_close(page, "fewer than 90% of first choices stayed in the last epoch");
    }
}

static void tiles_of_evaluation(HtmlPage *page)
{
    const RouteData *data = page->data;
    if (data->m < 1) {
        return;
    }
    char note[96];
    const RouteInformation *last = &page->labels[data->m - 1];
    tile_open(page, "of the label told by the expert");
    html_percent(page->out, last->share);
    snprintf(note, sizeof note, "%.2f of %.2f bits", fmax(last->corrected, 0),
             last->entropy_corrected);
    tile_close(page, note);
    tile_settled(page);
    tile_open(page, "busiest expert");
    html_percent(page->out, page->expert[page->order[0]].first);
    snprintf(note, sizeof note, "expert %d; an equal share is %.3g%%", page->order[0],
             100.0 / data->E);
    tile_close(page, note);
}

static void tiles_of_training(HtmlPage *page)
{
    const RouteData *data = page->data;
    char note[96];
    if (data->n < 1) {
        return;
    }
    const int last = data->n - 1;
    tile_open(page, "choices dropped");
    html_percent(page->out, html_share_since(page, data->dropped, html_last_tenth(data)));
    tile_close(page, "last tenth of training");
    tile_open(page, "MaxVio of the run");
    html_number(page, data->max_violation_running[last], 2);
    tile_close(page, "0: all experts equally busy");
    tile_open(page, "nats of gate entropy");
    html_number(page, data->entropy[last], 2);
    snprintf(note, sizeof note, "0: always sure; %.2f: cannot decide", log(data->E));
    tile_close(page, note);
    tile_open(page, "experts without a row");
    fprintf(page->out, "%d", (int)data->dead[last]);
    snprintf(note, sizeof note, "of %d, in the last row of the log", data->E);
    tile_close(page, note);
}

static void put_size(HtmlPage *page)
{
    const RouteData *data = page->data;
    fprintf(page->out, "%d expert%s, %d per token", data->E, data->E == 1 ? "" : "s", data->K);
    if (data->capacity_factor > 0) {
        fprintf(page->out, ", capacity factor %g", data->capacity_factor);
    }
    fprintf(page->out, " &#183; %d evaluation%s of %d token%s", data->m, data->m == 1 ? "" : "s",
            data->T, data->T == 1 ? "" : "s");
    if (data->n > 0) {
        fprintf(page->out, " &#183; %d steps on %d rank%s", (int)data->step[data->n - 1], data->W,
                data->W == 1 ? "" : "s");
    }
}

static void put_head(HtmlPage *page)
{
    const RouteData *data = page->data;
    const char *name = data->run[0] != '\0' ? data->run : data->path;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Routing of ",
          page->out);
    svg_text(page->out, name);
    fputs("</title>\n", page->out);
    style_write(page->out, data->E);
    fputs("</head>\n<body>\n<header>\n<p class=\"kicker\">Routing report</p>\n<h1>", page->out);
    svg_text(page->out, name);
    fputs("</h1>\n<p class=\"sub\">", page->out);
    put_size(page);
    fputs("<br/>", page->out);
    svg_text(page->out, data->program);
    fputs(data->created[0] != '\0' ? ", " : "", page->out);
    svg_text(page->out, data->created);
    fputs("</p>\n<dl class=\"tiles\">\n", page->out);
    tile_f1(page);
    tiles_of_evaluation(page);
    tiles_of_training(page);
    fputs("</dl>\n<nav aria-label=\"Sections\"><a href=\"#labels\">Labels</a>"
          "<a href=\"#settling\">Settling</a><a href=\"#training\">Training</a>"
          "<a href=\"#experts\">Experts</a><a href=\"#options\">Options</a>"
          "<a href=\"#terms\">Terms</a></nav>\n</header>\n<main>\n",
          page->out);
}

/* ---- options, terms ---- */

static void section_options(HtmlPage *page)
{
    const RunFiles *files = &page->files;
    html_section(page, "options", "Options of the run");
    if (files->n_options == 0) {
        fputs("<p class=\"note\">No config.ini stands beside this log.</p>\n", page->out);
    } else {
        fputs("<div class=\"wall options\">\n", page->out);
    }
    for (int i = 0; i < files->n_options; i++) {
        const RunOption *option = &files->option[i];
        if (i == 0 || strcmp(option->group, files->option[i - 1].group) != 0) {
            fputs(i > 0 ? "</dl></figure>\n<figure><h3>" : "<figure><h3>", page->out);
            svg_text(page->out, option->group);
            fputs("</h3><dl>\n", page->out);
        }
        fputs("<dt>", page->out);
        svg_text(page->out, option->name);
        fputs("</dt><dd>", page->out);
        svg_text(page->out, option->value);
        fputs("</dd>\n", page->out);
    }
    fputs(files->n_options > 0 ? "</dl></figure>\n</div>\n" : "", page->out);
    html_section_end(page);
}

static void section_terms(HtmlPage *page)
{
    static const char *const term[][2] = {
        {"first choice", "the expert that the gate gives the largest probability"},
        {"dropped", "the expert was full (its capacity): the token goes on without it"},
        {"skipped", "the coin of GShard&#8217;s second choice fell against it"},
        {"entropy of the gate", "0 when it is always sure, ln E when all experts seem alike"},
        {"MaxVio", "(most rows of an expert &#8722; mean) / mean"},
        {"dead", "an expert that got no row"},
        {"bits",
         "mutual information of expert and label: by how much the one narrows down the other"},
        {"shuffled, untrained", "two controls: a routing that means nothing, and one that learned "
                                "nothing"},
    };
    html_section(page, "terms", "Terms");
    fputs("<div class=\"options\"><figure><dl>\n", page->out);
    for (size_t i = 0; i < sizeof term / sizeof *term; i++) {
        fprintf(page->out, "<dt>%s</dt><dd>%s</dd>\n", term[i][0], term[i][1]);
    }
    fputs("</dl></figure></div>\n", page->out);
    html_section_end(page);
}

Status html_report(const RouteData *data, const char *dir, FILE *out)
{
    HtmlPage page = {.out = out, .data = data};
    if (dir != NULL) {
        const Status status = run_files_read(&page.files, dir);
        if (status.code != CODE_OK) {
            run_files_free(&page.files);
            return status;
        }
    } else {
        page.files.test_f1 = NAN;
    }
    html_page_init(&page);
    put_head(&page);
    html_labels(&page);
    html_settling(&page);
    html_training(&page);
    html_experts(&page);
    section_options(&page);
    section_terms(&page);
    fputs("</main>\n<footer>Made from the routing log ", out);
    svg_text(out, data->path);
    fputs("</footer>\n</body>\n</html>\n", out);
    html_page_free(&page);
    return fflush(out) == 0 && !ferror(out)
               ? status_ok()
               : status_error(CODE_FAILED, "the page cannot be written: %s", strerror(errno));
}
