// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.h"

#include <string.h>

#include "comm/watch.h"

/** Choices of the batch that was just predicted, at the tokens' numbers in the corpus. */
static void note_routes(const Routes *routes, const Task *task, const Batch *batch)
{
    const size_t K = (size_t)task->top_k;
    const Gate *gate;
    const Plan *plan;
    task->routing(task->model, &gate, &plan);
    for (int i = 0; i < batch->group_start[batch->n_local]; i++) {
        for (size_t k = 0; k < K; k++) {
            const size_t to = (size_t)batch->token[i] * K + k, from = (size_t)i * K + k;
            routes->expert[to] = gate->expert[from];
            routes->weight[to] = (double)gate->weight[from];
        }
    }
}

void evaluate_predict(int *label, const Routes *routes, const Task *task, const Comm *comm,
                      const Corpus *corpus, BatchMaker *maker, Arena *arena)
{
    BatchOrder order = {0};
    batch_order_by_length(&order, corpus, EVALUATE_BATCH, EVALUATE_TOKENS);
    for (int i = 0; i < corpus->conll.n_tokens; i++) {
        label[i] = -1;
    }
    for (int i = 0; routes != NULL && i < corpus->conll.n_tokens * task->top_k; i++) {
        routes->expert[i] = -1;
        routes->weight[i] = -1;
    }
    for (int round = 0; round < order.n_batches; round += comm->size) {
        const int b = round + comm->rank;
        const bool mine = b < order.n_batches;  // a rank without a batch still lends its experts
        const int first = mine ? order.start[b] : 0, n = mine ? order.start[b + 1] - first : 0;
        Batch batch;
        watch_enter("evaluation");
        batch_build(&batch, maker, corpus, order.sentence + first, n, 1, 0, 1, 0, false, arena);
        batch.n_groups = comm->size;  // every rank has a batch of its own, as its one group
        task->predict(task->model, &batch, label, arena);
        if (routes != NULL) {
            note_routes(routes, task, &batch);
        }
        arena_reset(arena);
    }
    comm_max_int(comm, label, corpus->conll.n_tokens);
    if (routes != NULL) {
        comm_max_int(comm, routes->expert, corpus->conll.n_tokens * task->top_k);
        comm_max_double(comm, routes->weight, corpus->conll.n_tokens * task->top_k);
    }
    batch_order_free(&order);
}

static const char *gold_text(const Corpus *corpus, const Lexicon *lexicon, int token)
{
    return string_table_text(&lexicon->gold_texts, corpus->gold[token]);
}

static const char *label_text(const Lexicon *lexicon, int label)
{
    return string_table_text(&lexicon->gold_texts, lexicon->label_text[label]);
}

void evaluate_score(Chunks *chunks, const Corpus *corpus, const Lexicon *lexicon, const int *label)
{
    const int *start = corpus->conll.sentence_start;
    for (int s = 0; s < corpus->conll.n_sentences; s++) {
        for (int i = start[s]; i < start[s + 1]; i++) {
            chunks_token(chunks, gold_text(corpus, lexicon, i), label_text(lexicon, label[i]));
        }
        chunks_boundary(chunks);
    }
    chunks_finish(chunks);
}

/** A column for a scorer, which splits at every space and takes -X- for the end of a sentence. */
static void write_column(FILE *out, const char *text, char after)
{
    if (strcmp(text, "-X-") == 0) {
        putc('_', out);
    }
    for (; *text != '\0'; text++) {
        putc(*text == ' ' ? '_' : *text, out);
    }
    putc(after, out);
}

void evaluate_write(FILE *out, const Corpus *corpus, const Lexicon *lexicon, const int *label)
{
    const int *start = corpus->conll.sentence_start;
    for (int s = 0; s < corpus->conll.n_sentences; s++) {
        for (int i = start[s]; i < start[s + 1]; i++) {
            write_column(out, conll_word(&corpus->conll, i), ' ');
            write_column(out, gold_text(corpus, lexicon, i), ' ');
            write_column(out, label_text(lexicon, label[i]), '\n');
        }
        putc('\n', out);
    }
}

static void table_row(FILE *out, const char *name, const ChunkCounts *c)
{
    fprintf(out, "  %-16s %9.2f %9.2f %9.2f %9ld %9ld %9ld\n", name, chunks_precision(c),
            chunks_recall(c), chunks_f1(c), c->gold, c->guessed, c->correct);
}

/** order [n]: types by name. */
static void sort_types(int *order, const StringTable *types)
{
    for (int i = 0; i < types->n; i++) {
        int at = i;
        for (; at > 0 &&
               strcmp(string_table_text(types, order[at - 1]), string_table_text(types, i)) > 0;
             at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

void evaluate_table(FILE *out, const Chunks *chunks, const char *title)
{
    int *order = mem_alloc((size_t)chunks->types.n, sizeof *order);
    sort_types(order, &chunks->types);
    fprintf(out, "\n%s\n  %-16s %9s %9s %9s %9s %9s %9s\n", title, "type", "precision", "recall",
            "F1", "gold", "found", "correct");
    for (int i = 0; i < chunks->types.n; i++) {
        table_row(out, string_table_text(&chunks->types, order[i]), &chunks->type[order[i]]);
    }
    table_row(out, "all", &chunks->all);
    mem_free(order);
}
