// SPDX-License-Identifier: Apache-2.0
#include "data/batch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_BATCHES = 50 };

/** Sort sentence[0 .. n) by length, longest first, the order of equals kept: a counting sort over lengths. */
static void sort_by_length(const Corpus *corpus, int *sentence, int n, int *scratch, int *count)
{
    int max = 0;
    for (int i = 0; i < n; i++) {
        int length = corpus_length(corpus, sentence[i]);
        max = length > max ? length : max;
    }
    memset(count, 0, ((size_t)max + 2) * sizeof *count);
    for (int i = 0; i < n; i++) {
        count[max - corpus_length(corpus, sentence[i]) + 1]++;
    }
    for (int k = 0; k <= max; k++) {
        count[k + 1] += count[k];
    }
    for (int i = 0; i < n; i++) {
        scratch[count[max - corpus_length(corpus, sentence[i])]++] = sentence[i];
    }
    memcpy(sentence, scratch, (size_t)n * sizeof *sentence);
}

static void order_reserve(BatchOrder *order, const Corpus *corpus)
{
    const int n = corpus->conll.n_sentences;
    if (order->sentence == NULL) {
        order->start = MEM_ARRAY(int, n + 1);
        order->sentence = MEM_ARRAY(int, n);
        order->scratch =
            MEM_ARRAY(int, (size_t)2 * (size_t)n + (size_t)corpus->conll.max_length + 2);
    }
}

void batch_order_by_length(BatchOrder *order, const Corpus *corpus, int batch_size, int max_tokens)
{
    const int n = corpus->conll.n_sentences;
    long tokens = 0;
    order_reserve(order, corpus);
    for (int i = 0; i < n; i++) {
        order->sentence[i] = i;
    }
    sort_by_length(corpus, order->sentence, n, order->scratch, order->scratch + 2 * n);
    order->n_batches = 0;
    order->start[0] = 0;
    for (int i = 0; i < n; i++) {
        const int length = corpus_length(corpus, order->sentence[i]),
                  size = i - order->start[order->n_batches];
        if (size > 0 && (size == batch_size || tokens + length > max_tokens)) {
            order->start[++order->n_batches] = i;
            tokens = 0;
        }
        tokens += length;
    }
    if (n > 0) {
        order->start[++order->n_batches] = n;
    }
}

void batch_order_training(BatchOrder *order, const Corpus *corpus, int batch_size, uint64_t seed,
                          int epoch)
{
    const int n = corpus->conll.n_sentences;
    const Rng rng = rng_init(seed, RNG_SHUFFLE);
    order_reserve(order, corpus);
    order->n_batches = n / batch_size + (n % batch_size != 0);
    int *shuffled = order->scratch + n, *batch = order->scratch, *count = order->scratch + 2 * n;
    rng_shuffle(&rng, 2 * (uint32_t)epoch, shuffled, n);
    for (long first = 0; first < n; first += (long)BUCKET_BATCHES * batch_size) {
        long size = n - first < (long)BUCKET_BATCHES * batch_size
                        ? n - first
                        : (long)BUCKET_BATCHES * batch_size;
        sort_by_length(corpus, shuffled + first, (int)size, order->scratch, count);
    }
    rng_shuffle(&rng, 2 * (uint32_t)epoch + 1, batch, order->n_batches);
    order->start[0] = 0;
    for (int b = 0; b < order->n_batches; b++) {
        int first = batch[b] * batch_size, size = n - first < batch_size ? n - first : batch_size;
        memcpy(order->sentence + order->start[b], shuffled + first,
               (size_t)size * sizeof *shuffled);
        order->start[b + 1] = order->start[b] + size;
    }
}

void batch_order_free(BatchOrder *order)
{
    mem_free(order->start);
    mem_free(order->sentence);
    mem_free(order->scratch);
    memset(order, 0, sizeof *order);
}

void batch_maker_init(BatchMaker *maker, const Lexicon *lexicon, double unknown_p, uint64_t seed)
{
    const size_t rows = (size_t)lexicon->vocab.vectors.n;
    memset(maker, 0, sizeof *maker);
    maker->lexicon = lexicon;
    maker->unknown = rng_init(seed, RNG_UNKNOWN);
    maker->unknown_p = unknown_p;
    maker->row_slot = MEM_ARRAY(int, rows);
    maker->row_stamp = MEM_ARRAY(int, rows);
}

void batch_maker_free(BatchMaker *maker)
{
    mem_free(maker->row_slot);
    mem_free(maker->row_stamp);
    mem_free(maker->spelling_slot);
    mem_free(maker->spelling_stamp);
    memset(maker, 0, sizeof *maker);
}

/** A new stamp makes all slots of earlier batches void; spellings may have been added since. */
static void next_stamp(BatchMaker *maker)
{
    if (maker->max_spellings < maker->lexicon->spellings.n) {
        mem_free(maker->spelling_slot);
        mem_free(maker->spelling_stamp);
        maker->max_spellings = maker->lexicon->spellings.n;
        maker->spelling_slot = MEM_ARRAY(int, maker->max_spellings);
        maker->spelling_stamp = MEM_ARRAY(int, maker->max_spellings);
    }
    CHECK(maker->stamp < INT_MAX, "too many batches in one run");
    maker->stamp++;
}

/** Row of the word table of a token, and its number among the batch's rows. */
static int row_of(BatchMaker *maker, Batch *batch, const Corpus *corpus, int token, RngPlace place,
                  bool training)
{
    const Vocab *vocab = &maker->lexicon->vocab;
    int row = corpus->word[token];
    if (training && vocab->single[row] &&
        rng_uniform(&maker->unknown, place, 0) < maker->unknown_p) {
        row = vocab->unknown;
    }
    if (maker->row_stamp[row] != maker->stamp) {
        maker->row_stamp[row] = maker->stamp;
        maker->row_slot[row] = batch->n_rows;
        batch->row[batch->n_rows++] = row;
    }
    return row;
}

/** step_start [longest + 1] of sentences that are sorted longest first. */
static const int *pack_steps(const Corpus *corpus, const int *sentence, int n, Arena *arena)
{
    const int steps = n == 0 ? 0 : corpus_length(corpus, sentence[0]);
    int *start = ARENA_ARRAY(arena, int, steps + 1);
    int alive = n;
    start[0] = 0;
    for (int t = 0; t < steps; t++) {
        while (alive > 0 && corpus_length(corpus, sentence[alive - 1]) <= t) {
            alive--;
        }
        start[t + 1] = start[t] + alive;
    }
    return start;
}

/** Distinct spellings of a group's tokens, their characters side by side. */
static void collect_spellings(Group *group, BatchMaker *maker, const Corpus *corpus, Batch *batch,
                              Arena *arena)
{
    const Lexicon *lexicon = maker->lexicon;
    const int n = group->packed.n_tok;
    int *char_start = ARENA_ARRAY(arena, int, n + 1), *distinct = ARENA_ARRAY(arena, int, n);
    next_stamp(maker);
    char_start[0] = 0;
    for (int i = 0; i < n; i++) {
        const int s = corpus->spelling[batch->token[group->first + i]];
        if (maker->spelling_stamp[s] != maker->stamp) {
            const int length = lexicon->spelling_start[s + 1] - lexicon->spelling_start[s];
            maker->spelling_stamp[s] = maker->stamp;
            maker->spelling_slot[s] = group->n_spellings;
            char_start[group->n_spellings + 1] = char_start[group->n_spellings] + length;
            distinct[group->n_spellings++] = s;
        }
        batch->spelling[group->first + i] = maker->spelling_slot[s];
    }
    uint16_t *chars = ARENA_ARRAY(arena, uint16_t, char_start[group->n_spellings]);
    for (int w = 0; w < group->n_spellings; w++) {
        memcpy(chars + char_start[w],
               lexicon->spelling_chars + lexicon->spelling_start[distinct[w]],
               (size_t)(char_start[w + 1] - char_start[w]) * sizeof *chars);
    }
    group->char_start = char_start;
    group->chars = chars;
}

static void build_group(Batch *batch, int g, BatchMaker *maker, const Corpus *corpus,
                        const int *sentence, int n, bool training, Arena *arena)
{
    Group *group = &batch->group[g];
    const int *start = pack_steps(corpus, sentence, n, arena);
    const int steps = n == 0 ? 0 : corpus_length(corpus, sentence[0]);
    *group = (Group){.packed = {n, start[steps], steps, start},
                     .first = batch->group_start[g],
                     .sentence = sentence};
    batch->group_start[g + 1] = group->first + group->packed.n_tok;
    for (int t = 0; t < steps; t++) {
        for (int s = 0; s < packed_alive(&group->packed, t); s++) {
            const int i = group->first + start[t] + s,
                      token = corpus->conll.sentence_start[sentence[s]] + t;
            batch->place[i] = (RngPlace){batch->step, (uint32_t)sentence[s], (uint32_t)t};
            batch->token[i] = token;
            batch->word[i] = row_of(maker, batch, corpus, token, batch->place[i], training);
            batch->slot[i] = maker->row_slot[batch->word[i]];
            batch->cap[i] = corpus->cap[token];
            batch->label[i] = corpus->label[token];
        }
    }
}

void batch_build(Batch *batch, BatchMaker *maker, const Corpus *corpus, const int *sentences, int n,
                 int n_groups, int first_group, int last_group, uint32_t step, bool training,
                 Arena *arena)
{
    const int n_local = last_group - first_group;
    int *sorted = ARENA_ARRAY(arena, int, n), *dealt = ARENA_ARRAY(arena, int, n);
    long n_tok = 0, n_local_tok = 0;
    memcpy(sorted, sentences, (size_t)n * sizeof *sorted);
    for (int i = 0; i < n; i++) {
        n_tok += corpus_length(corpus, sorted[i]);
    }
    CHECK(n_tok < INT_MAX / 2, "a batch of %ld tokens is too large: make --batch smaller", n_tok);
    int longest = 0;
    for (int i = 0; i < n; i++) {
        longest =
            corpus_length(corpus, sorted[i]) > longest ? corpus_length(corpus, sorted[i]) : longest;
    }
    sort_by_length(corpus, sorted, n, dealt, ARENA_ARRAY(arena, int, longest + 2));
    *batch = (Batch){.step = step,
                     .n_sent = n,
                     .n_tok = n_tok,
                     .n_groups = n_groups,
                     .first_group = first_group};
    batch->n_local = n_local;
    batch->row = ARENA_ARRAY(arena, int, n_tok);
    for (int i = 0; i < n; i++) {
        const int g = i % n_groups;
        n_local_tok += g >= first_group && g < last_group ? corpus_length(corpus, sorted[i]) : 0;
    }
    batch->group = ARENA_ARRAY(arena, Group, n_local);
    batch->group_start = ARENA_ZEROED(arena, int, n_local + 1);
    batch->token = ARENA_ARRAY(arena, int, n_local_tok);
    batch->word = ARENA_ARRAY(arena, int, n_local_tok);
    batch->slot = ARENA_ARRAY(arena, int, n_local_tok);
    batch->spelling = ARENA_ARRAY(arena, int, n_local_tok);
    batch->cap = ARENA_ARRAY(arena, int, n_local_tok);
    batch->label = ARENA_ARRAY(arena, int, n_local_tok);
    batch->place = ARENA_ARRAY(arena, RngPlace, n_local_tok);

    // The rows of the whole batch, in an order that does not depend on the rank.
    next_stamp(maker);
    for (int i = 0; i < n; i++) {
        for (int t = 0; t < corpus_length(corpus, sorted[i]); t++) {
            RngPlace place = {step, (uint32_t)sorted[i], (uint32_t)t};
            row_of(maker, batch, corpus, corpus->conll.sentence_start[sorted[i]] + t, place,
                   training);
        }
    }
    for (int g = 0; g < n_local; g++) {
        int count = 0, *own = dealt;
        for (int i = first_group + g; i < n; i += n_groups) {
            own[count++] = sorted[i];
        }
        dealt += count;
        build_group(batch, g, maker, corpus, own, count, training, arena);
    }
    for (int g = 0; g < n_local; g++) {
        collect_spellings(&batch->group[g], maker, corpus, batch, arena);
    }
}
