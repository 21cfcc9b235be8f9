// SPDX-License-Identifier: Apache-2.0
#include "report/route_compare.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "report/route_stats.h"

/** A line of the comparison; what is no number is a dash. */
static void two(const Console *console, const char *name, double a, double b, const char *format)
{
    const double value[2] = {a, b};
    fprintf(console->out, "  %-38s", name);
    for (int i = 0; i < 2; i++) {
        char text[40] = "-";
        if (isfinite(value[i])) {
            snprintf(text, sizeof text, format, value[i]);
        }
        fprintf(console->out, " %18s", text);
    }
    fputc('\n', console->out);
}

/** The same of bits and percent. */
static void two_shares(const Console *console, const char *name, double a, double percent_a,
                       double b, double percent_b)
{
    const double bits[2] = {a, b}, percent[2] = {percent_a, percent_b};
    fprintf(console->out, "  %-38s", name);
    for (int i = 0; i < 2; i++) {
        if (isfinite(bits[i])) {
            fprintf(console->out, "   %7.4f %5.1f %%", console_rounded(bits[i]), percent[i]);
        } else {
            fprintf(console->out, " %18s", "-");
        }
    }
    fputc('\n', console->out);
}

/** Means of a run's last tenth, and what its last evaluation says. */
typedef struct Digits {
    double experts, top_k, steps, f1, loss, dropped, largest, entropy, dead;
    double bits[ROUTE_KINDS], share[ROUTE_KINDS], purity, early;
} Digits;

static double last_mean(const RouteData *data, const double *value)
{
    const int tenth = (data->n + 9) / 10;
    return console_mean(value + data->n - tenth, tenth);
}

static Digits digits_of(const RouteData *data)
{
    Digits out = {.experts = data->E, .top_k = data->K, .f1 = NAN, .purity = NAN, .early = NAN};
    double *value = MEM_ARRAY(double, data->n);
    RouteExpert *expert = MEM_ARRAY(RouteExpert, data->E);
    const int last = data->m - 1;
    out.steps = data->n > 0 ? data->step[data->n - 1] : 0;
    route_rate(data, data->dropped, value);
    out.dropped = 100 * last_mean(data, value);
    out.loss = last_mean(data, data->loss);
    out.largest = 1 + last_mean(data, data->max_violation);
    out.entropy = last_mean(data, data->entropy) / log(2);
    route_experts(data, last, expert);
    for (int e = 0; e < data->E; e++) {
        out.dead += expert[e].dead;
    }
    for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
        const RouteInformation known = last >= 0 ? route_information_at(data, last, kind)
                                                 : (RouteInformation){.corrected = NAN};
        out.bits[kind] = known.corrected;
        out.share[kind] = last >= 0 ? 100 * known.share : NAN;
        out.purity = last >= 0 && kind == ROUTE_LABEL ? known.purity : out.purity;
    }
    if (last >= 0) {
        out.f1 = data->f1[last];
        out.early = 100 * route_agreement(route_first(data, last / 2), route_first(data, last),
                                          data->T, data->E)
                              .same;
    }
    mem_free(expert);
    mem_free(value);
    return out;
}

/** Do both logs have the same tokens? */
static bool same_tokens(const RouteData *a, const RouteData *b)
{
    bool same = a->m > 0 && b->m > 0 && a->T == b->T;
    for (int t = 0; t < a->T && same; t++) {
        same = a->sentence[t] == b->sentence[t] &&
               strcmp(string_table_text(&a->words, a->word[t]),
                      string_table_text(&b->words, b->word[t])) == 0;
    }
    return same;
}

/** What one run's first choices tell of the other's; numbers of experts need not mean the same. */
static void shared_information(const Console *console, const RouteData *a, const RouteData *b)
{
    int32_t *count = MEM_ARRAY(int32_t, (size_t)a->E * (size_t)b->E);
    route_pairs(route_first(a, a->m - 1), route_first(b, b->m - 1), a->T, b->E, count);
    const RouteInformation known = route_information(count, a->E, b->E);
    const RouteControl control = route_shuffled(count, a->E, b->E, ROUTE_ROUNDS);
    fprintf(console->out,
            "\n  On the same %d tokens the first choice of B tells %.3f bits of that of A\n"
            "  (%.1f %% of %.3f bits; shuffled %.4f %s%.4f).\n",
            a->T, known.corrected, 100 * known.share, known.entropy, control.corrected,
            console_plus_minus(console), control.corrected_spread);
    mem_free(count);
}

void route_compare(const RouteData *a, const RouteData *b, ConsoleStyle style, FILE *out)
{
    const Console console = {a, style, out};
    const Digits x = digits_of(a), y = digits_of(b);
    fprintf(out, "A = ");
    console_word(out, a->run);
    fprintf(out, " (%s)\nB = ", a->path);
    console_word(out, b->run);
    fprintf(out, " (%s)\n\n  %-38s %18s %18s\n", b->path, "", "A", "B");
    two(&console, "experts", x.experts, y.experts, "%.0f");
    two(&console, "choices per token", x.top_k, y.top_k, "%.0f");
    two(&console, "capacity factor", a->capacity_factor, b->capacity_factor, "%g");
    two(&console, "steps", x.steps, y.steps, "%.0f");
    two(&console, "F1 at the last evaluation", x.f1, y.f1, "%.2f");
    fprintf(out, "  in the last tenth of training\n");
    two(&console, "  loss", x.loss, y.loss, "%.3f");
    two(&console, "  choices dropped", x.dropped, y.dropped, "%.2f %%");
    two(&console, "  largest / mean load", x.largest, y.largest, "%.2f");
    two(&console, "  gate entropy", x.entropy, y.entropy, "%.2f bit");
    two(&console, "dead experts", x.dead, y.dead, "%.0f");
    fprintf(out, "  first choice tells (bits, share)\n");
    for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
        char name[64];
        snprintf(name, sizeof name, "  %s", route_kind_name(kind));
        two_shares(&console, name, x.bits[kind], x.share[kind], y.bits[kind], y.share[kind]);
    }
    two(&console, "purity", x.purity, y.purity, "%.4f");
    two(&console, "settled half-way", x.early, y.early, "%.1f %%");
    if (same_tokens(a, b)) {
        shared_information(&console, a, b);
    } else {
        fprintf(out, "\n  Not the same development tokens: first choices are not compared.\n");
    }
}
