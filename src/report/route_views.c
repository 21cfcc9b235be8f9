// SPDX-License-Identifier: Apache-2.0
#include "report/route_views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "report/route_stats.h"

enum { MOST_WORDS = 40 };

/* ---- one expert ---- */

/** Classes of a kind: the expert's share in each, beside that in all tokens. */
static void class_table(const Console *console, RouteKind kind, int expert)
{
    const RouteData *data = console->data;
    const RouteTable table = route_table(data, data->m - 1, kind);
    int64_t mine = 0, all = 0;
    for (int c = 0; c < table.classes; c++) {
        for (int e = 0; e < data->E; e++) {
            const int32_t count = table.count[(size_t)c * (size_t)data->E + (size_t)e];
            all += count;
            mine += e == expert ? count : 0;
        }
    }
    fprintf(console->out, "\n  %-18s %8s   of its    of all   times\n", route_kind_name(kind),
            "tokens");
    for (int c = 0; c < table.classes; c++) {
        int64_t of_class = 0;
        for (int e = 0; e < data->E; e++) {
            of_class += table.count[(size_t)c * (size_t)data->E + (size_t)e];
        }
        const int32_t count = table.count[(size_t)c * (size_t)data->E + (size_t)expert];
        const double share = mine > 0 ? (double)count / (double)mine : 0,
                     common = all > 0 ? (double)of_class / (double)all : 0;
        if (of_class > 0) {
            fputs("  ", console->out);
            console_cell(console->out, route_class_name(data, kind, c), 18);
            fprintf(console->out, " %8d  ", count);
            console_percent(console->out, share);
            fputs("   ", console->out);
            console_percent(console->out, common);
            fprintf(console->out, "  %5.2fx", share / common);
            console_bar(console, share, console_columns(console, 61, 40));
        }
    }
}

/** Which experts stand beside it as another choice of the same token. */
static void partners(const Console *console, int expert)
{
    const RouteData *data = console->data;
    const size_t K = (size_t)data->K;
    int64_t *beside = MEM_ARRAY(int64_t, data->E), n = 0;
    for (size_t t = 0; t < (size_t)data->T; t++) {
        const bool first = data->expert[t * K] == expert;
        n += first;
        for (size_t k = 1; k < K && first; k++) {
            beside[data->expert[t * K + k]]++;
        }
    }
    fprintf(console->out, "\n  second choice of its tokens\n");
    ConsoleWrap wrap = console_wrap(console, 4);
    for (int e = 0; e < data->E; e++) {
        if (beside[e] > 0) {
            char text[64];
            snprintf(text, sizeof text, "expert %d %.0f %%", e,
                     100 * (double)beside[e] / (double)n);
            console_item(&wrap, (int)strlen(text), ", ");
            fputs(text, console->out);
        }
    }
    console_wrapped(&wrap);
    mem_free(beside);
}

static void word_table(const Console *console, int expert)
{
    RouteWord word[MOST_WORDS];
    const int n = route_words_of(console->data, expert, word, MOST_WORDS);
    fprintf(console->out, "\n  %-24s %6s %8s %8s   typical words by log-odds\n", "word", "z", "its",
            "of all");
    for (int i = 0; i < n; i++) {
        fputs("  ", console->out);
        console_cell(console->out, string_table_text(&console->data->words, word[i].word), 24);
        fprintf(console->out, " %6.2f %8d %8d\n", word[i].z, word[i].count, word[i].total);
    }
}

void route_view_expert(const RouteData *data, int expert, ConsoleStyle style, FILE *out)
{
    const Console console = {data, style, out};
    RouteExpert *all = MEM_ARRAY(RouteExpert, data->E);
    double *value = MEM_ARRAY(double, data->n);
    console_head(&console);
    route_experts(data, data->m - 1, all);
    const RouteExpert *this = &all[expert];
    console_heading(&console, "Expert %d%s", expert, this->dead ? " (dead)" : "");
    if (data->n > 0) {
        route_load_share(data, expert, value);
        console_figure(&console, "share of choices", value, 100, "%.1f %%");
        for (int i = 0; i < data->n; i++) {
            const size_t at = (size_t)i * (size_t)data->E + (size_t)expert;
            const double load = value[i] * data->tokens[i] * data->K;
            value[i] = load > 0 ? data->dropped[at] / load : NAN;
        }
        console_figure(&console, "of these dropped", value, 100, "%.1f %%");
        for (int i = 0; i < data->n; i++) {
            value[i] = data->weight[(size_t)i * (size_t)data->E + (size_t)expert];
        }
        console_figure(&console, "gate weight", value, 1, "%.3f");
    }
    if (data->m > 0) {
        fprintf(out, "  last evaluation    %.1f %% of first choices, %.1f %% of all; weight %.3f\n",
                100 * this->first, 100 * this->any, this->weight);
        for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
            if (kind != ROUTE_ENTITY_LABEL) {
                class_table(&console, kind, expert);
            }
        }
        if (data->K > 1) {
            partners(&console, expert);
        }
        word_table(&console, expert);
    } else {
        console_no_evaluation(&console);
    }
    mem_free(value);
    mem_free(all);
}

/* ---- one label ---- */

/** value [m]: the expert's share of a label's first choices over the evaluations. */
static void label_share(const RouteData *data, int label, int expert, double *value)
{
    for (int i = 0; i < data->m; i++) {
        const int32_t *row =
            route_table(data, i, ROUTE_LABEL).count + (size_t)label * (size_t)data->E;
        double sum = 0;
        for (int e = 0; e < data->E; e++) {
            sum += row[e];
        }
        value[i] = sum > 0 ? row[expert] / sum : NAN;
    }
}

static int larger_count(const void *a, const void *b)
{
    const RouteWord *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->word > y->word) - (x->word < y->word);
}

/** The commonest words with a label that an expert gets first. */
static int words_of_label(const RouteData *data, int label, int expert, RouteWord *top, int most)
{
    RouteWord *list = MEM_ARRAY(RouteWord, data->words.n);
    int n = 0;
    for (int t = 0; t < data->T; t++) {
        if (data->gold[t] == label && data->expert[(size_t)t * (size_t)data->K] == expert) {
            list[data->word[t]].count++;
        }
    }
    for (int v = 0; v < data->words.n; v++) {
        if (list[v].count > 0) {
            list[n++] = (RouteWord){v, list[v].count, 0, 0};
        }
    }
    qsort(list, (size_t)n, sizeof *list, larger_count);
    n = n < most ? n : most;
    memcpy(top, list, (size_t)n * sizeof *list);
    mem_free(list);
    return n;
}

void route_view_label(const RouteData *data, int label, ConsoleStyle style, FILE *out)
{
    const Console console = {data, style, out};
    console_head(&console);
    if (data->m == 0) {
        console_no_evaluation(&console);
        return;
    }
    RouteShare *top = MEM_ARRAY(RouteShare, data->E);
    double *value = MEM_ARRAY(double, data->m);
    const int n = route_experts_of(data, data->m - 1, label, top, data->E);
    int64_t tokens = 0;
    for (int i = 0; i < n; i++) {
        tokens += top[i].count;
    }
    fputs("\nLabel ", out);
    console_word(out, route_class_name(data, ROUTE_LABEL, label));
    fprintf(out, ": %lld tokens of the development corpus, by first choice\n", (long long)tokens);
    fprintf(out, "  expert   tokens  of label   times  evaluations (0 to 100 %%), and its words\n");
    for (int i = 0; i < n; i++) {
        RouteWord word[MOST_WORDS];
        const int n_words = words_of_label(data, label, top[i].number, word, MOST_WORDS);
        fprintf(out, "  %6d %8d   ", top[i].number, top[i].count);
        console_percent(out, top[i].share);
        fprintf(out, "  %5.2fx  ", top[i].lift);
        label_share(data, label, top[i].number, value);
        console_spark(&console, value, data->m, console_columns(&console, 40, data->m), 0, 1);
        fputc('\n', out);
        console_words(&console, word, n_words, 1, 10);
    }
    mem_free(value);
    mem_free(top);
}

/* ---- words ---- */

static void one_word(const Console *console, int word)
{
    const RouteData *data = console->data;
    int64_t *of_expert = MEM_ARRAY(int64_t, data->E), *of_label = MEM_ARRAY(int64_t, data->L);
    int n = 0;
    for (int t = 0; t < data->T; t++) {
        if (data->word[t] == word) {
            of_expert[data->expert[(size_t)t * (size_t)data->K]]++;
            of_label[data->gold[t]]++;
            n++;
        }
    }
    fputs("  ", console->out);
    console_cell(console->out, string_table_text(&data->words, word), 20);
    fprintf(console->out, " %6d  ", n);
    ConsoleWrap wrap = console_wrap(console, 0);
    wrap.at = wrap.indent = 31;
    for (int pass = 0; pass < 2; pass++) {
        const int64_t *count = pass == 0 ? of_expert : of_label;
        for (int i = 0; i < (pass == 0 ? data->E : data->L); i++) {
            char text[300], number[24];
            snprintf(number, sizeof number, "expert %d", i);
            snprintf(text, sizeof text, "%.200s %lld",
                     pass == 0 ? number : route_class_name(data, ROUTE_LABEL, i),
                     (long long)count[i]);
            if (count[i] > 0) {
                console_item(&wrap, console_characters(text), "  ");
                console_word(console->out, text);
            }
        }
    }
    console_wrapped(&wrap);
    mem_free(of_expert);
    mem_free(of_label);
}

void route_view_words(const RouteData *data, const StringTable *words, ConsoleStyle style,
                      FILE *out)
{
    const Console console = {data, style, out};
    console_head(&console);
    if (data->m == 0) {
        console_no_evaluation(&console);
        return;
    }
    console_heading(&console, "  %-20s %6s  first choices, and labels, of its tokens", "word",
                    "tokens");
    for (int i = 0; i < words->n; i++) {
        const char *text = string_table_text(words, i);
        const int word = string_table_find(&data->words, text, strlen(text));
        if (word >= 0) {
            one_word(&console, word);
        } else {
            fputs("  ", out);
            console_cell(out, text, 20);
            fprintf(out, " %6d  not in the development corpus\n", 0);
        }
    }
}
