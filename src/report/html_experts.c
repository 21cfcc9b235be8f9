// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "report/html_page.h"
#include "report/html_style.h"

enum { LABELS_SHOWN = 4, WORDS_SHOWN = 12, EXAMPLES = 3 };
enum { SHORTEST = 4, LONGEST = 30, WORD_BYTES = 48 };

/** Sentences of the corpus: sentence s is the tokens start[s] .. start[s + 1) - 1. */
typedef struct Sentences {
    int n;
    int *start;  // [n + 1]
    int *used;   // [n] 1 + the last expert on whose card it stands; 0: none
    int *said;   // [words] 1 + the last expert on whose card it stood out; 0: none
} Sentences;

/** A word, cut when it is long. */
static void put_word(FILE *out, const char *word)
{
    size_t n = strlen(word);
    if (n <= WORD_BYTES) {
        svg_escape(out, word, n);
        return;
    }
    for (n = WORD_BYTES; n > 0 && ((unsigned char)word[n] & 0xc0) == 0x80; n--) {
    }
    svg_escape(out, word, n);
    fputs("&#8230;", out);
}

static Sentences find_sentences(const RouteData *data)
{
    Sentences sentences = {.start = MEM_ARRAY(int, data->T + 1)};
    for (int t = 0; t < data->T; t++) {
        if (t == 0 || data->sentence[t] != data->sentence[t - 1]) {
            sentences.start[sentences.n++] = t;
        }
    }
    sentences.start[sentences.n] = data->T;
    sentences.used = MEM_ARRAY(int, sentences.n);
    sentences.said = MEM_ARRAY(int, data->words.n);
    return sentences;
}

static int first_choice(const RouteData *data, int token)
{
    return data->expert[(size_t)token * (size_t)data->K];
}

static bool is_entity(const RouteData *data, int label)
{
    return strcmp(string_table_text(&data->labels, label), "O") != 0;
}

/** How well a sentence shows what an expert does: its share of the tokens, a little more for a token inside an entity, less for a
 * word that the card has shown. Very short and very long sentences show little. */
static double example_score(const RouteData *data, const Sentences *sentences, int s, int expert)
{
    const int begin = sentences->start[s], end = sentences->start[s + 1], length = end - begin;
    double found = 0;
    for (int t = begin; t < end; t++) {
        if (first_choice(data, t) == expert) {
            const double fresh = sentences->said[data->word[t]] == 1 + expert ? 0.2 : 1;
            found += fresh * (is_entity(data, data->gold[t]) ? 1.25 : 1);
        }
    }
    return length < SHORTEST || length > LONGEST ? 0.01 * found / length : found / (length + 4);
}

/** The best sentence that this card does not have yet, or -1 when none has a token of this expert; one that another card has comes
 * only after all others. */
static int next_example(const RouteData *data, const Sentences *sentences, int expert)
{
    int best = -1;
    double most = 0;
    for (int s = 0; s < sentences->n; s++) {
        const double used = sentences->used[s] == 0            ? 1
                            : sentences->used[s] == 1 + expert ? 0
                                                               : 1e-6;
        const double score = used * example_score(data, sentences, s, expert);
        if (score > most) {
            most = score;
            best = s;
        }
    }
    return best;
}

/** "gold B-PER, predicted O; experts 3 (0.71), 5 (0.29)" */
static void put_token_title(FILE *out, const RouteData *data, int t)
{
    const char *gold = string_table_text(&data->labels, data->gold[t]);
    const char *predicted = string_table_text(&data->labels, data->predicted[t]);
    svg_text(out, gold);
    if (strcmp(gold, predicted) != 0) {
        fputs(", predicted ", out);
        svg_text(out, predicted);
    }
    fputs("; experts", out);
    for (int k = 0; k < data->K; k++) {
        const size_t i = (size_t)t * (size_t)data->K + (size_t)k;
        fprintf(out, "%s %d (%.2f)", k > 0 ? "," : "", (int)data->expert[i],
                (double)data->token_weight[i]);
    }
}

static void put_token(FILE *out, const RouteData *data, int t, int focus)
{
    char look[STYLE_LOOK];
    const int expert = first_choice(data, t);
    fprintf(out, "<span class=\"t %s%s%s\" title=\"", style_look(look, expert),
            expert == focus ? " f" : "", is_entity(data, data->gold[t]) ? " g" : "");
    put_token_title(out, data, t);
    fputs("\">", out);
    put_word(out, string_table_text(&data->words, data->word[t]));
    fprintf(out, "<sub>%d</sub></span> ", expert);
}

static void put_examples(FILE *out, const RouteData *data, Sentences *sentences, int expert)
{
    enum { TOKENS_SHOWN = 60 };
    for (int i = 0; i < EXAMPLES; i++) {
        const int s = next_example(data, sentences, expert);
        if (s < 0) {
            return;
        }
        sentences->used[s] = 1 + expert;
        fputs(i == 0 ? "<h4>In sentences</h4>\n<p class=\"say\">" : "<p class=\"say\">", out);
        const int begin = sentences->start[s], end = sentences->start[s + 1];
        for (int t = begin; t < end && t < begin + TOKENS_SHOWN; t++) {
            put_token(out, data, t, expert);
            if (first_choice(data, t) == expert) {
                sentences->said[data->word[t]] = 1 + expert;
            }
        }
        fputs(end - begin > TOKENS_SHOWN ? "&#8230;</p>\n" : "</p>\n", out);
    }
}

static void put_labels(FILE *out, const RouteData *data, int expert)
{
    RouteShare top[LABELS_SHOWN];
    char look[STYLE_LOOK], text[SVG_NUMBER];
    const int n = data->m > 0 ? route_labels_of(data, data->m - 1, expert, top, LABELS_SHOWN) : 0;
    fputs(n > 0 ? "<ul class=\"bars\">\n" : "", out);
    for (int i = 0; i < n; i++) {
        const int decimals = top[i].share < 0.0995 || (top[i].share > 0.995 && top[i].share < 1);
        snprintf(text, sizeof text, "%.*f%%", decimals, 100 * top[i].share);
        html_bar(out, string_table_text(&data->labels, top[i].number), style_look(look, expert),
                 top[i].share, text);
    }
    fputs(n > 0 ? "</ul>\n" : "", out);
}

static void put_words(FILE *out, const RouteData *data, int expert)
{
    RouteWord top[WORDS_SHOWN];
    const int n = data->T > 0 ? route_words_of(data, expert, top, WORDS_SHOWN) : 0;
    fputs(n > 0 ? "<h4>Typical words</h4>\n<p class=\"words\">" : "", out);
    for (int i = 0; i < n; i++) {
        fprintf(out, "<span title=\"%d of its %d tokens; %.1f standard errors\">", top[i].count,
                top[i].total, top[i].z);
        put_word(out, string_table_text(&data->words, top[i].word));
        fputs("</span> ", out);
    }
    fputs(n > 0 ? "</p>\n" : "", out);
}

/** Its share of all choices in training, from 0 to twice an equal share, or to the largest. */
static void put_spark(HtmlPage *page, int expert)
{
    char title[80], look[STYLE_LOOK];
    const RouteData *data = page->data;
    double *share = MEM_ARRAY(double, data->n);
    double high = 2.0 / data->E;
    for (int i = 0; i < data->n; i++) {
        share[i] = html_load(page, i, expert, expert + 1);
        high = isfinite(share[i]) ? fmax(high, share[i]) : high;
    }
    const SvgSeries series = {"share", style_look(look, expert), share};
    snprintf(title, sizeof title, "Share of all choices in training, expert %d", expert);
    SvgChart chart = html_chart(title, "Dashed: an equal share for every expert.", NULL, data->n,
                                page->step, &series, 1);
    chart.height = 44;
    chart.y_low = 0;
    chart.y_high = high;
    chart.bare = true;
    chart.rule = 1.0 / data->E;
    svg_chart(page->out, &chart);
    mem_free(share);
}

static void put_card(HtmlPage *page, Sentences *sentences, int e)
{
    char look[STYLE_LOOK];
    const RouteData *data = page->data;
    const RouteExpert *expert = &page->expert[e];
    fprintf(page->out, "<article class=\"card %s\">\n<header><h3>Expert %d</h3><span>",
            style_look(look, e), e);
    if (data->m > 0) {
        html_share(page, "", expert->first, " of first choices");
    }
    if (data->n > 0) {
        html_share(page, data->m > 0 ? " &#183; " : "", expert->dropped, " dropped");
    }
    fputs(expert->dead ? " &#183; dead</span></header>\n" : "</span></header>\n", page->out);
    if (data->n > 1) {
        put_spark(page, e);
    }
    put_labels(page->out, data, e);
    put_words(page->out, data, e);
    put_examples(page->out, data, sentences, e);
    fputs("</article>\n", page->out);
}

static void put_cards(HtmlPage *page, int shown)
{
    Sentences sentences = find_sentences(page->data);
    fputs("<div class=\"wall\">\n", page->out);
    for (int i = 0; i < shown; i++) {
        put_card(page, &sentences, page->order[i]);
    }
    fputs("</div>\n", page->out);
    mem_free(sentences.start);
    mem_free(sentences.used);
    mem_free(sentences.said);
}

static void put_expert_table(HtmlPage *page)
{
    static const char *const head[] = {"expert",      "first choices", "all choices", "mean weight",
                                       "in training", "dropped",       "top label",   "its share"};
    const RouteData *data = page->data;
    html_table(page, "All experts as a table");
    html_table_head(page, head, (int)(sizeof head / sizeof *head));
    for (int i = 0; i < data->E && i < HTML_TABLE; i++) {
        const int e = page->order[i];
        const RouteExpert *expert = &page->expert[e];
        RouteShare top;
        const int labels = data->m > 0 ? route_labels_of(data, data->m - 1, e, &top, 1) : 0;
        fprintf(page->out, "<tr><td>%d%s</td>", e, expert->dead ? " (dead)" : "");
        html_share_cell(page, data->m > 0 ? expert->first : NAN);
        html_share_cell(page, data->m > 0 ? expert->any : NAN);
        html_cell(page, data->m > 0 ? expert->weight : NAN, 2);
        html_share_cell(page, data->n > 0 ? expert->trained : NAN);
        html_share_cell(page, data->n > 0 ? expert->dropped : NAN);
        fputs("<td>", page->out);
        svg_text(page->out, labels > 0 ? string_table_text(&data->labels, top.number) : "");
        fputs("</td>", page->out);
        html_share_cell(page, labels > 0 ? top.share : NAN);
        fputs("</tr>\n", page->out);
    }
    html_table_end(page);
}

void html_experts(HtmlPage *page)
{
    const RouteData *data = page->data;
    const int shown = data->E > HTML_CARDS ? HTML_CARDS : data->E;
    double rest = 0;
    for (int i = shown; i < data->E; i++) {
        const RouteExpert *expert = &page->expert[page->order[i]];
        rest += data->m > 0 ? expert->first : expert->trained;
    }
    html_section(page, "experts", "What does each expert do?");
    fputs(
        "<p class=\"lead\">Colour and small number name the expert of a token&#8217;s first "
        "choice, "
        "the same on the whole page; <span class=\"g\">underlined</span> tokens are inside a gold "
        "entity.",
        page->out);
    if (shown < data->E) {
        fprintf(page->out, " Here are the <b>%d largest</b> of %d experts; the other %d have ",
                shown, data->E, data->E - shown);
        html_share(page, "", rest, " of the choices together.");
    }
    fputs("</p>\n", page->out);
    put_cards(page, shown);
    put_expert_table(page);
    fputs(
        "<p class=\"note\">Lines: share of all choices in training, from 0 to twice an equal share "
        "or more; "
        "dashed: an equal share. Bars: gold labels of the tokens with this first choice. Typical "
        "words: largest weighted log-odds against all other experts (Monroe and others, 2008), not "
        "the commonest ones.",
        page->out);
    fputs(data->E > STYLE_HUES
              ? " With this many experts shades lie close together: go by the number."
              : "",
          page->out);
    fputs("</p>\n", page->out);
    html_section_end(page);
}
