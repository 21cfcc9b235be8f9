// SPDX-License-Identifier: Apache-2.0
#include "report/route_text.h"

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "report/route_stats.h"

enum {
    TABLE_WIDTH = 46,  // of the experts' figures
    DEAD_WIDTH = 6,
    MOST_EVALS = 16,  // lines of the table of evaluations
    MOST_LABELS = 6,
    MOST_WORDS = 40
};

/** Labels that are rarer among an expert's tokens are not listed. */
#define LEAST_SHARE 0.01

/* ---- training ---- */

static void training(const Console *console)
{
    const RouteData *data = console->data;
    double *value = MEM_ARRAY(double, data->n);
    console_heading(console, "Training, steps 1 to %d: means of the first and the last tenth",
                    data->step[data->n - 1]);
    console_figure(console, "loss", data->loss, 1, "%.3f");
    route_rate(data, data->dropped, value);
    console_figure(console, "choices dropped", value, 100, "%.1f %%");
    route_rate(data, data->skipped, value);
    console_figure(console, "choices skipped", value, 100, "%.1f %%");
    for (int i = 0; i < data->n; i++) {
        value[i] = 1 + data->max_violation[i];
    }
    console_figure(console, "largest / mean", value, 1, "%.2f");
    console_figure(console, "variation", data->variation, 1, "%.2f");
    console_figure(console, "gate entropy", data->entropy, 1 / log(2), "%.2f bit");
    for (int i = 0; i < data->n; i++) {
        value[i] = data->dead[i];
    }
    console_figure(console, "idle experts", value, 1, "%.1f");
    mem_free(value);
}

/* ---- experts ---- */

/** The largest share that an expert has in any row. */
static double largest_share(const RouteData *data, double *value)
{
    double most = 0;
    for (int e = 0; e < data->E; e++) {
        route_load_share(data, e, value);
        for (int i = 0; i < data->n; i++) {
            most = value[i] > most ? value[i] : most;
        }
    }
    return most;
}

static void expert_table(const Console *console)
{
    const RouteData *data = console->data;
    RouteExpert *expert = MEM_ARRAY(RouteExpert, data->E);
    double *value = MEM_ARRAY(double, data->n);
    const double most = largest_share(data, value);
    route_experts(data, data->m - 1, expert);
    fprintf(console->out, "\nExperts: shares at the %s",
            data->m > 0 ? "last evaluation" : "end of training");
    if (data->n > 0) {
        fprintf(console->out, "; of choices in training (0 to %.0f %%)", 100 * most);
    }
    fprintf(console->out, "\n  expert    first      all  weight  dropped%s\n",
            data->n > 0 ? "   training" : "");
    for (int e = 0; e < data->E; e++) {
        fprintf(console->out, "  %6d  ", e);
        console_percent(console->out, expert[e].first);
        fputs("  ", console->out);
        console_percent(console->out, data->m > 0 ? expert[e].any : expert[e].trained);
        fprintf(console->out, "   %5.2f  ", expert[e].weight);
        console_percent(console->out, expert[e].dropped);
        fputs(data->n > 0 ? "   " : "", console->out);
        route_load_share(data, e, value);
        const int columns =
            console_columns(console, TABLE_WIDTH + (expert[e].dead ? DEAD_WIDTH : 0), data->n);
        const int blanks =
            data->n > 0 ? console_spark(console, value, data->n, columns, 0, most) : 0;
        if (expert[e].dead) {
            fprintf(console->out, "%*sdead", blanks + 2, "");
        }
        fputc('\n', console->out);
    }
    mem_free(value);
    mem_free(expert);
}

/** "B-PER 14 % (5.1x), ..." */
static void put_labels(const Console *console, const RouteShare *top, int n, int indent)
{
    ConsoleWrap wrap = console_wrap(console, indent);
    for (int i = 0; i < n; i++) {
        char text[300];
        snprintf(text, sizeof text, "%.200s %.*f %% (%.1fx)",
                 route_class_name(console->data, ROUTE_LABEL, top[i].number),
                 top[i].share < 0.0995 ? 1 : 0, 100 * top[i].share, top[i].lift);
        console_item(&wrap, console_characters(text), ", ");
        console_word(console->out, text);
    }
    console_wrapped(&wrap);
}

static void expert_cards(const Console *console)
{
    const RouteData *data = console->data;
    console_heading(
        console, "What they see: labels of first choices (times their share of all) and typical\n"
                 "words by weighted log-odds");
    for (int e = 0; e < data->E; e++) {
        RouteShare label[MOST_LABELS];
        RouteWord word[MOST_WORDS];
        int n_labels = route_labels_of(data, data->m - 1, e, label, MOST_LABELS);
        const int n_words = route_words_of(data, e, word, MOST_WORDS);
        while (n_labels > 1 && label[n_labels - 1].share < LEAST_SHARE) {
            n_labels--;
        }
        fprintf(console->out, "  %d%s\n", e, n_labels == 0 ? "  no first choice" : "");
        if (n_labels > 0) {
            put_labels(console, label, n_labels, 6);
            console_words(console, word, n_words, 2, 6);
        }
    }
}

/* ---- information ---- */

static void put_bits(FILE *out, RouteInformation information)
{
    fprintf(out, "  %7.4f %5.1f %%", console_rounded(information.corrected),
            100 * information.share);
}

/** The end of a line. */
static void put_spread(const Console *console, double mean, double spread)
{
    fprintf(console->out, "  %7.4f %s%.4f\n", console_rounded(mean), console_plus_minus(console),
            spread);
}

static void information_row(const Console *console, RouteKind kind)
{
    const RouteData *data = console->data;
    const int last = data->m - 1, before = route_untrained(data);
    const RouteInformation now = route_information_at(data, last, kind);
    const RouteTable table = route_table(data, last, kind);
    const RouteControl control = route_shuffled(table.count, table.classes, data->E, ROUTE_ROUNDS);
    fprintf(console->out, "  %-17s %6.3f", route_kind_name(kind), now.entropy);
    put_bits(console->out, now);
    if (before >= 0 && before < last) {
        put_bits(console->out, route_information_at(data, before, kind));
    } else {
        fprintf(console->out, "  %15s", "-");
    }
    put_spread(console, control.corrected, control.corrected_spread);
}

/** Tokens with the commonest class of their expert. */
static void purity_row(const Console *console, const char *name, RouteKind kind)
{
    const RouteData *data = console->data;
    const int last = data->m - 1, before = route_untrained(data);
    const RouteInformation now = route_information_at(data, last, kind);
    const RouteTable table = route_table(data, last, kind);
    const RouteControl control = route_shuffled(table.count, table.classes, data->E, ROUTE_ROUNDS);
    fprintf(console->out, "  %-17s %6.3f  %7.4f        ", name, now.purity_of_one, now.purity);
    if (before >= 0 && before < last) {
        fprintf(console->out, "  %7.4f        ", route_information_at(data, before, kind).purity);
    } else {
        fprintf(console->out, "  %15s", "-");
    }
    put_spread(console, control.purity, control.purity_spread);
}

static void footnotes(const Console *console)
{
    const RouteData *data = console->data;
    const RouteTable table = route_table(data, data->m - 1, ROUTE_LABEL);
    const RouteInformation now = route_information(table.count, table.classes, data->E);
    const RouteControl control = route_shuffled(table.count, table.classes, data->E, ROUTE_ROUNDS);
    fprintf(console->out,
            "  Purity: tokens with the commonest label of their expert; total: if all went to\n"
            "  one. Label without the correction: %.4f bits, shuffled %.4f %s%.4f.\n",
            now.bits, control.bits, console_plus_minus(console), control.bits_spread);
}

/** The answer in words. */
static void verdict(const Console *console)
{
    const RouteData *data = console->data;
    const RouteKind asked[4] = {ROUTE_LABEL, ROUTE_ENTITY_LABEL, ROUTE_CAPITAL, ROUTE_FREQUENCY};
    const int last = data->m - 1, before = route_untrained(data);
    double now[4], then[4];
    for (int i = 0; i < 4; i++) {
        now[i] = 100 * route_information_at(data, last, asked[i]).share;
        then[i] = before >= 0 ? 100 * route_information_at(data, before, asked[i]).share : 0;
    }
    fprintf(console->out,
            "  => The expert's number tells %.0f %% of what there is to know of the label (among\n"
            "     entities: %.0f %%), %.0f %% of capitals and %.0f %% of frequency",
            now[0], now[1], now[2], now[3]);
    if (before >= 0 && before < last) {
        fprintf(console->out, "; before training\n     %.0f %% (%.0f %%), %.0f %% and %.0f %%",
                then[0], then[1], then[2], then[3]);
    }
    fputs(".\n", console->out);
}

static void information(const Console *console)
{
    console_heading(console,
                    "What the first choice tells of a token: mutual information in bits,\n"
                    "Miller-Madow, and share of entropy; shuffled: the same experts, other tokens");
    fprintf(console->out, "  %-17s %6s  %15s  %15s  %18s\n", "", "total", "this router",
            "before training", "shuffled");
    for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
        information_row(console, kind);
    }
    purity_row(console, "purity", ROUTE_LABEL);
    purity_row(console, "purity, entities", ROUTE_ENTITY_LABEL);
    footnotes(console);
    verdict(console);
}

/* ---- settling ---- */

static void settling(const Console *console)
{
    const RouteData *data = console->data;
    const int last = data->m - 1, lines = data->m < MOST_EVALS ? data->m : MOST_EVALS;
    console_heading(
        console, "How early routing settles: tokens whose first choice is already that of the end");
    fprintf(console->out, "  epoch      F1  as at the end  by chance\n");
    for (int i = 0; i < lines; i++) {
        const int eval = lines > 1 ? (int)((int64_t)last * i / (lines - 1)) : last;
        const RouteAgreement agreement =
            route_agreement(route_first(data, eval), route_first(data, last), data->T, data->E);
        fprintf(console->out, "  %5d  %6.2f        ", data->eval_epoch[eval], data->f1[eval]);
        console_percent(console->out, agreement.same);
        fputs("    ", console->out);
        console_percent(console->out, agreement.chance);
        console_bar(console, agreement.same, console_columns(console, 47, 50));
    }
}

void route_text(const RouteData *data, ConsoleStyle style, FILE *out)
{
    const Console console = {data, style, out};
    console_head(&console);
    if (data->n > 0) {
        training(&console);
    }
    if (data->n > 0 || data->m > 0) {
        expert_table(&console);
    }
    if (data->m > 0) {
        expert_cards(&console);
        information(&console);
        settling(&console);
    } else {
        console_no_evaluation(&console);
    }
}
