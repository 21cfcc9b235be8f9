// SPDX-License-Identifier: Apache-2.0
#include "app/contrast.h"

#include <math.h>
#include <string.h>

#include "app/model_file.h"
#include "base/arena.h"
#include "report/route_stats.h"
#include "train/evaluate.h"

enum { TEXTS = 2, WORDS = 4 };

/** A text, routed. */
typedef struct Text {
    Corpus corpus;
    int *expert;      // [n_tokens, K]
    double *share;    // [E] of first choices
    double *half[2];  // [E] the same of every other sentence
} Text;

static Status read_text(Text *text, ModelFile *model, const char *path, Notes *notes)
{
    TRY(conll_read_plain(&text->corpus.conll, path, notes));
    notes_end(notes, path);
    if (text->corpus.conll.n_sentences < 2) {
        return status_error(CODE_INPUT, "%s: has fewer than two lines with words", path);
    }
    text->corpus.scheme = SCHEME_IOB2;
    corpus_encode(&text->corpus, &model->lexicon, notes);
    return status_ok();
}

static void count_shares(Text *text, int E, int K)
{
    const int *start = text->corpus.conll.sentence_start;
    double n[2] = {0, 0};
    for (int s = 0; s < text->corpus.conll.n_sentences; s++) {
        for (int t = start[s]; t < start[s + 1]; t++) {
            text->half[s % 2][text->expert[(size_t)t * (size_t)K]]++;
            n[s % 2]++;
        }
    }
    for (int e = 0; e < E; e++) {
        text->share[e] = (text->half[0][e] + text->half[1][e]) / (n[0] + n[1]);
        text->half[0][e] /= n[0];
        text->half[1][e] /= n[1];
    }
}

static void route(Text *text, ModelFile *model)
{
    Arena arena = {0};
    BatchMaker maker = {0};
    const Task task = tagger_task(&model->tagger);
    const size_t n = (size_t)text->corpus.conll.n_tokens, K = (size_t)task.top_k,
                 E = (size_t)task.n_experts;
    Routes routes = {mem_alloc(n * K, sizeof(int)), mem_alloc(n * K, sizeof(double))};
    int *label = mem_alloc(n, sizeof *label);
    batch_maker_init(&maker, &model->lexicon, 0, 1);
    evaluate_predict(label, &routes, &task, &model->alone, &text->corpus, &maker, &arena);
    text->expert = routes.expert;
    text->share = mem_alloc(E, sizeof(double));
    text->half[0] = mem_alloc(E, sizeof(double));
    text->half[1] = mem_alloc(E, sizeof(double));
    count_shares(text, (int)E, (int)K);
    mem_free(routes.weight);
    mem_free(label);
    batch_maker_free(&maker);
    arena_free(&arena);
}

/** Jensen-Shannon divergence of two distributions, bits (Lin 1991). */
static double divergence(const double *p, const double *q, int E)
{
    double sum = 0;
    for (int e = 0; e < E; e++) {
        const double m = (p[e] + q[e]) / 2;
        sum += p[e] > 0 ? p[e] * log2(p[e] / m) / 2 : 0;
        sum += q[e] > 0 ? q[e] * log2(q[e] / m) / 2 : 0;
    }
    return sum;
}

/** Words of a text by how often they fall on expert e, and in all. count [n_words], total [n_words]. */
static double count_words(const Text *text, int e, int K, double *count, double *total)
{
    double inside = 0;
    for (int t = 0; t < text->corpus.conll.n_tokens; t++) {
        const bool here = text->expert[(size_t)t * (size_t)K] == e;
        count[text->corpus.spelling[t]] += here;
        total[text->corpus.spelling[t]]++;
        inside += here;
    }
    return inside;
}

/** The words of a text that are most typical of an expert, by weighted log-odds against the text's other words. */
static void print_words(FILE *out, const Text *text, const ModelFile *model, int e, int K)
{
    const int n_words = model->lexicon.spellings.n;
    double *count = mem_alloc((size_t)n_words, sizeof *count),
           *total = mem_alloc((size_t)n_words, sizeof *total);
    const double inside = count_words(text, e, K, count, total), all = text->corpus.conll.n_tokens;
    for (int i = 0; i < WORDS; i++) {
        int best = -1;
        double most = 0;
        for (int w = 0; w < n_words; w++) {
            const double z = count[w] < 2
                                 ? 0
                                 : route_log_odds(count[w], inside, total[w] - count[w],
                                                  all - inside, total[w] / all * ROUTE_PRIOR);
            if (z > most) {
                most = z;
                best = w;
            }
        }
        if (best < 0) {
            break;
        }
        fprintf(out, "%s%s", i > 0 ? " " : "", string_table_text(&model->lexicon.spellings, best));
        count[best] = 0;
    }
    mem_free(count);
    mem_free(total);
}

static void print_experts(FILE *out, const Text text[TEXTS], const ModelFile *model, int E, int K)
{
    int *order = mem_alloc((size_t)E, sizeof *order);
    for (int i = 0; i < E; i++) {  // largest difference first
        int to = i;
        for (; to > 0 && fabs(text[0].share[order[to - 1]] - text[1].share[order[to - 1]]) <
                             fabs(text[0].share[i] - text[1].share[i]);
             to--) {
            order[to] = order[to - 1];
        }
        order[to] = i;
    }
    fprintf(out, "\nexpert        A        B      A - B   typical words of A | of B\n");
    for (int i = 0; i < E; i++) {
        const int e = order[i];
        fprintf(out, "%6d  %5.1f %%  %5.1f %%   %+6.1f %%   ", e, 100 * text[0].share[e],
                100 * text[1].share[e], 100 * (text[0].share[e] - text[1].share[e]));
        print_words(out, &text[0], model, e, K);
        fprintf(out, " | ");
        print_words(out, &text[1], model, e, K);
        putc('\n', out);
    }
    mem_free(order);
}

static void print(FILE *out, const Text text[TEXTS], const ModelFile *model)
{
    const int E = model->settings.experts, K = model->settings.top_k;
    for (int i = 0; i < TEXTS; i++) {
        const Conll *conll = &text[i].corpus.conll;
        fprintf(out, "%c  %s: %d lines, %d tokens\n", 'A' + i, conll->path, conll->n_sentences,
                conll->n_tokens);
    }
    fprintf(out,
            "\nJensen-Shannon divergence of first choices, A from B: %.4f bit (halves of A %.4f, "
            "halves of B %.4f)\n",
            divergence(text[0].share, text[1].share, E),
            divergence(text[0].half[0], text[0].half[1], E),
            divergence(text[1].half[0], text[1].half[1], E));
    print_experts(out, text, model, E, K);
}

static Status contrast(ModelFile *model, const char *const path[TEXTS], FILE *out)
{
    Text text[TEXTS] = {{.expert = NULL}, {.expert = NULL}};
    Notes notes = {.out = stderr};
    Status status = status_ok();
    for (int i = 0; i < TEXTS && status.code == CODE_OK; i++) {
        status = read_text(&text[i], model, path[i], &notes);
    }
    for (int i = 0; i < TEXTS && status.code == CODE_OK; i++) {
        route(&text[i], model);
    }
    if (status.code == CODE_OK) {
        print(out, text, model);
    }
    for (int i = 0; i < TEXTS; i++) {
        corpus_free(&text[i].corpus);
        mem_free(text[i].expert);
        mem_free(text[i].share);
        mem_free(text[i].half[0]);
        mem_free(text[i].half[1]);
    }
    return status;
}

Status contrast_print(const char *model_path, const char *const path[2], FILE *out)
{
    ModelFile model;
    Status status = model_file_open(&model, model_path);
    if (status.code == CODE_OK && model.settings.ffn != FFN_MOE) {
        status = status_error(CODE_STORED, "%s: is a model without experts", model_path);
    }
    status = status.code == CODE_OK ? contrast(&model, path, out) : status;
    model_file_free(&model);
    return status;
}
