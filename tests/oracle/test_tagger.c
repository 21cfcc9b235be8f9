// SPDX-License-Identifier: Apache-2.0
/* The tagger on made-up text: groups are independent, one pass of four groups equals four passes of one; and a prediction depends
 * on its sentence alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/reduce.h"
#include "data/synth.h"
#include "math/vec.h"
#include "model/tagger.h"
#include "test_corpus.h"

enum { GROUPS = 4, SENTENCES = 13 };

static TaggerConfig config_of(const Lexicon *lexicon, FfnKind ffn)
{
    return (TaggerConfig){.n_words = lexicon->vocab.vectors.n,
                          .d_word = lexicon->vocab.vectors.dim,
                          .n_chars = lexicon->chars.n,
                          .d_char = 5,
                          .n_filters = 6,
                          .d_cap = 2,
                          .hidden = 7,
                          .n_layers = 2,
                          .dropout = 0.3,
                          .ffn = ffn,
                          .n_experts = 3,
                          .top_k = 2,
                          .expert_hidden = 8,
                          .capacity = {0.9, 1},
                          .balance_loss = 0.1,
                          .z_loss = 0.01,
                          .jitter = 0.05,
                          .n_labels = lexicon->tagset.n_labels,
                          .seed = 3};
}

/** Gradient of groups first .. last-1 of the batch into grad, its losses and figures into stats [GROUPS, n_stats]. */
static size_t pass(TestCorpus *test, FfnKind ffn, int first, int last, real *grad, double *stats)
{
    const int sentences[SENTENCES] = {0, 5, 9, 2, 7, 11, 30, 31, 32, 33, 20, 21, 3};
    Tagger tagger;
    BatchMaker maker;
    Batch batch;
    Arena arena = {0};
    tagger_init(&tagger, config_of(&test->lexicon, ffn), test->lexicon.vocab.vectors.row, NULL,
                NULL, tagger_groups(first, last));
    batch_maker_init(&maker, &test->lexicon, 0.5, 9);
    batch_build(&batch, &maker, &test->corpus, sentences, SENTENCES, GROUPS, first, last, 5, true,
                &arena);
    tagger_forward(&tagger, &batch, stats + (size_t)first * (size_t)tagger_task(&tagger).n_stats,
                   true, &arena);
    tagger_backward(&tagger, &batch, &arena);
    const size_t dense = params_grad_size(&tagger.params), n = dense + tagger.experts.size;
    if (last - first == GROUPS) {  // the rest of the tree
        Reduce reduce = {0};
        Comm one = {.rank = 0, .size = 1};
        reduce_tree(&reduce, &one, GROUPS, tagger.params.slot, dense);
        reduce_tree(&reduce, &one, GROUPS, tagger.experts.slot, tagger.experts.size);
        reduce_free(&reduce);
    }
    vec_copy(grad, tagger.params.slot[0], dense);
    vec_copy(grad + dense, tagger.experts.slot[0], n - dense);
    arena_free(&arena);
    batch_maker_free(&maker);
    tagger_free(&tagger);
    return n;
}

static void check_groups(FfnKind ffn)
{
    enum { LARGEST = 1 << 17, FIGURES = 64 };
    TestCorpus test;
    test_corpus_init(&test, 60);
    real *whole = MEM_ARRAY(real, LARGEST), *part = MEM_ARRAY(real, GROUPS * LARGEST);
    double *together = MEM_ARRAY(double, GROUPS *FIGURES),
           *apart = MEM_ARRAY(double, GROUPS *FIGURES);
    const size_t n = pass(&test, ffn, 0, GROUPS, whole, together);
    assert_true(n <= LARGEST);
    for (int g = 0; g < GROUPS; g++) {
        assert_int_equal(pass(&test, ffn, g, g + 1, part + (size_t)g * LARGEST, apart), n);
    }
    double nonzero = 0;
    for (size_t i = 0; i < n; i++) {
        const real sum =
            (part[i] + part[LARGEST + i]) + (part[2 * LARGEST + i] + part[3 * LARGEST + i]);
        assert_memory_equal(&sum, &whole[i], sizeof sum);
        nonzero += sum != 0;
    }
    assert_true(nonzero > 0.5 * (double)n);
    assert_memory_equal(together, apart, GROUPS * FIGURES * sizeof(double));
    mem_free(whole);
    mem_free(part);
    mem_free(together);
    mem_free(apart);
    test_corpus_free(&test);
}

static void test_groups_none(void **state)
{
    (void)state;
    check_groups(FFN_NONE);
}

static void test_groups_dense(void **state)
{
    (void)state;
    check_groups(FFN_DENSE);
}

static void test_groups_moe(void **state)
{
    (void)state;
    check_groups(FFN_MOE);
}

/** Emissions of all sentences in batches of a size, sentence by sentence. */
static void emissions_in_batches(TestCorpus *test, int batch_size, real *emission)
{
    const int n = test->corpus.conll.n_sentences, L = test->lexicon.tagset.n_labels;
    Tagger tagger;
    BatchMaker maker;
    Arena arena = {0};
    tagger_init(&tagger, config_of(&test->lexicon, FFN_MOE), test->lexicon.vocab.vectors.row, NULL,
                NULL, tagger_groups(0, 1));
    batch_maker_init(&maker, &test->lexicon, 0.5, 9);
    int *label = MEM_ARRAY(int, test->corpus.conll.n_tokens), *sentence = MEM_ARRAY(int, n);
    for (int i = 0; i < n; i++) {
        sentence[i] = n - 1 - i;
    }
    for (int first = 0; first < n; first += batch_size) {
        Batch batch;
        batch_build(&batch, &maker, &test->corpus, sentence + first,
                    n - first < batch_size ? n - first : batch_size, 1, 0, 1, 0, false, &arena);
        tagger_predict(&tagger, &batch, label, &arena);
        for (int i = 0; i < batch.group[0].packed.n_tok; i++) {
            vec_copy(emission + (size_t)batch.token[i] * (size_t)L,
                     tagger.emission + (size_t)i * (size_t)L, (size_t)L);
        }
        arena_reset(&arena);
    }
    mem_free(label);
    mem_free(sentence);
    arena_free(&arena);
    batch_maker_free(&maker);
    tagger_free(&tagger);
}

static void test_prediction_depends_on_its_sentence_alone(void **state)
{
    (void)state;
    TestCorpus test;
    test_corpus_init(&test, 40);
    const size_t n = (size_t)test.corpus.conll.n_tokens * (size_t)test.lexicon.tagset.n_labels;
    real *alone = MEM_ARRAY(real, n), *together = MEM_ARRAY(real, n);
    emissions_in_batches(&test, 1, alone);
    emissions_in_batches(&test, 40, together);
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)(alone[i] - together[i]);
        assert_true(difference < 1e-12 && difference > -1e-12);
    }
    mem_free(alone);
    mem_free(together);
    test_corpus_free(&test);
}

static void test_everything_is_given_back(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_none),
        cmocka_unit_test(test_groups_dense),
        cmocka_unit_test(test_groups_moe),
        cmocka_unit_test(test_prediction_depends_on_its_sentence_alone),
        cmocka_unit_test(test_everything_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
