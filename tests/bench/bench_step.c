// SPDX-License-Identifier: Apache-2.0
/* The bound of a training step: its bare matrix products (the shapes of real batches, cblas_sgemm and nothing else) and the
 * optimiser's pass over memory.  Everything that a step does beside is measured by how far moe_train stays below.
 *
 *     bench_step TRAIN.conll [BATCH [STEPS]]      hidden 200, expert hidden 400, 8 experts, 2 per token, Adam
 *
 * Every choice is multiplied (none dropped, none skipped), rows spread evenly over the experts. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/batch.h"
#include "math/gemm.h"
#include "model/tagger.h"
#include "train/optim.h"

enum { MAX_TOKENS = 16384 };

/** Memory that is large enough for every operand, and never read twice while warm. */
typedef struct Operands {
    real *a, *b, *c;
} Operands;

static void product_nn(Operands o, int m, int n, int k)
{
    gemm_nn(m, n, k, o.a, k, o.b, n, 0, o.c, n);
}

static void product_nt(Operands o, int m, int n, int k)
{
    gemm_nt(m, n, k, o.a, k, o.b, k, 0, o.c, n);
}

static void product_tn(Operands o, int m, int n, int k)
{
    gemm_tn(m, n, k, o.a, m, o.b, n, 0, o.c, n);
}

/** Forward and both backward products of x [n, in] w [in, out]. */
static void linear_products(Operands o, int n, int in, int out)
{
    product_nn(o, n, out, in);
    product_nt(o, n, in, out);
    product_tn(o, in, out, n);
}

static void step_products(const Tagger *tagger, const Packed *packed, Operands o)
{
    const TaggerConfig *c = &tagger->config;
    const int H = c->hidden, D = tagger->d_model, n = packed->n_tok;
    for (int k = 0; k < CHARCONV_WIDTH; k++) {
        linear_products(o, c->n_chars, c->d_char, c->n_filters);
    }
    linear_products(o, n, tagger->d_in, 8 * H);
    for (int dir = 0; dir < 2; dir++) {
        for (int t = 1; t < packed->n_steps; t++) {
            product_nn(o, packed_alive(packed, t), 4 * H, H);
            product_nt(o, packed_alive(packed, t), H, 4 * H);
        }
        product_tn(o, H, 4 * H, n - packed->n_sent);
    }
    linear_products(o, n, D, c->n_experts);
    for (int e = 0; e < c->n_experts; e++) {
        const int rows = n * c->top_k / c->n_experts;
        linear_products(o, rows, D, c->expert_hidden);
        linear_products(o, rows, c->expert_hidden, D);
    }
    linear_products(o, n, D, c->n_labels);
}

int main(int argc, char **argv)
{
    const int batch_size = argc > 2 ? atoi(argv[2]) : 32, steps = argc > 3 ? atoi(argv[3]) : 100;
    Notes notes = {0};
    Corpus corpus = {0};
    Lexicon lexicon = {0};
    BatchOrder order = {0};
    BatchMaker maker;
    Arena arena = {0};
    Tagger tagger;
    Optim optim, expert_optim;
    gemm_init();
    if (argc < 2 || batch_size < 1 || steps < 1) {
        fprintf(stderr, "usage: bench_step TRAIN.conll [BATCH [STEPS]]\n");
        return CODE_OPTION;
    }
    Status status = corpus_read(&corpus, argv[1], (ConllColumns){0, -1}, NULL, &notes);
    if (status.code == CODE_OK) {
        status = lexicon_build(&lexicon, &corpus, NULL, 100, 1, &notes);
    }
    if (status.code != CODE_OK) {
        fprintf(stderr, "bench_step: %s\n", status.text);
        return status.code;
    }
    corpus_encode(&corpus, &lexicon, &notes);
    batch_maker_init(&maker, &lexicon, 0.5, 1);
    batch_order_training(&order, &corpus, batch_size, 1, 0);
    TaggerConfig config = {.n_words = lexicon.vocab.vectors.n,
                           .d_word = 100,
                           .n_chars = lexicon.chars.n,
                           .d_char = 30,
                           .n_filters = 50,
                           .hidden = 200,
                           .n_layers = 1,
                           .ffn = FFN_MOE,
                           .n_experts = 8,
                           .top_k = 2,
                           .expert_hidden = 400,
                           .n_labels = lexicon.tagset.n_labels,
                           .seed = 1};
    tagger_init(&tagger, config, lexicon.vocab.vectors.row, NULL, NULL, tagger_groups(0, 1));
    optim_init(&optim, (OptimConfig){.kind = OPTIM_ADAM}, &tagger.params);
    optim_init(&expert_optim, (OptimConfig){.kind = OPTIM_ADAM}, &tagger.experts);

    const double peak = gemm_measure_peak();
    const size_t largest = (size_t)MAX_TOKENS * 1600;
    Operands o = {MEM_ARRAY(real, largest), MEM_ARRAY(real, largest), MEM_ARRAY(real, largest)};
    double products = 0, passes = 0, flops = gemm_flops();
    long tokens = 0;
    for (int b = 0; b < steps && b < order.n_batches; b++) {
        Batch batch;
        batch_build(&batch, &maker, &corpus, order.sentence + order.start[b],
                    order.start[b + 1] - order.start[b], 1, 0, 1, 0, true, &arena);
        CHECK(batch.n_tok <= MAX_TOKENS, "batch of %ld tokens: too large for this benchmark",
              batch.n_tok);
        const double start = clock_now();
        step_products(&tagger, &batch.group[0].packed, o);
        const double middle = clock_now();
        params_touch_rows(&tagger.params, batch.row, batch.n_rows);
        optim_step(&optim, &tagger.params, 1e-3, 1);
        optim_step(&expert_optim, &tagger.experts, 1e-3, 1);
        products += middle - start;
        passes += clock_now() - middle;
        tokens += batch.n_tok;
        arena_reset(&arena);
    }
    flops = gemm_flops() - flops;
    printf("batch %d: products %.0f tokens/s (%.1f GFLOP/s, peak %.1f), optimiser's pass %.1f%% of "
           "the step\n",
           batch_size, (double)tokens / products, flops / products / 1e9, peak / 1e9,
           100 * passes / (products + passes));
    printf("bound %.0f tokens/s\n", (double)tokens / (products + passes));
    mem_free(o.a);
    mem_free(o.b);
    mem_free(o.c);
    optim_free(&optim);
    optim_free(&expert_optim);
    tagger_free(&tagger);
    batch_maker_free(&maker);
    batch_order_free(&order);
    arena_free(&arena);
    lexicon_free(&lexicon);
    corpus_free(&corpus);
    return 0;
}
