// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/batch.h"
#include "test_corpus.h"

enum { SENTENCES = 531, BATCH = 10 };

static TestCorpus test;

/** Every sentence once, every batch of the right size. */
static void check_order(const BatchOrder *order)
{
    unsigned char seen[SENTENCES] = {0};
    assert_int_equal(order->n_batches, (SENTENCES + BATCH - 1) / BATCH);
    assert_int_equal(order->start[0], 0);
    assert_int_equal(order->start[order->n_batches], SENTENCES);
    for (int b = 0; b < order->n_batches; b++) {
        const int size = order->start[b + 1] - order->start[b];
        assert_true(size == BATCH || size == SENTENCES % BATCH);
    }
    for (int i = 0; i < SENTENCES; i++) {
        assert_int_equal(seen[order->sentence[i]]++, 0);
    }
}

static void test_training_order(void **state)
{
    (void)state;
    BatchOrder first = {0}, again = {0}, next = {0};
    batch_order_training(&first, &test.corpus, BATCH, 1, 0);
    batch_order_training(&again, &test.corpus, BATCH, 1, 1);
    batch_order_training(&again, &test.corpus, BATCH, 1,
                         0);  // memory used again, nothing left over
    batch_order_training(&next, &test.corpus, BATCH, 1, 1);
    check_order(&first);
    check_order(&next);
    assert_memory_equal(first.sentence, again.sentence, SENTENCES * sizeof(int));
    assert_memory_not_equal(first.sentence, next.sentence, SENTENCES * sizeof(int));
    // Buckets: lengths in a batch are close, for most batches.
    int close = 0;
    for (int b = 0; b < first.n_batches; b++) {
        int least = corpus_length(&test.corpus, first.sentence[first.start[b]]), most = least;
        for (int i = first.start[b]; i < first.start[b + 1]; i++) {
            const int length = corpus_length(&test.corpus, first.sentence[i]);
            least = length < least ? length : least;
            most = length > most ? length : most;
        }
        close += most - least <= 3;
    }
    assert_true(close * 2 > first.n_batches);
    batch_order_free(&first);
    batch_order_free(&again);
    batch_order_free(&next);
}

static void test_order_by_length(void **state)
{
    (void)state;
    BatchOrder order = {0};
    batch_order_by_length(&order, &test.corpus, BATCH, 1 << 20);
    check_order(&order);
    for (int i = 1; i < SENTENCES; i++) {
        const int before = corpus_length(&test.corpus, order.sentence[i - 1]);
        const int now = corpus_length(&test.corpus, order.sentence[i]);
        assert_true(before > now || (before == now && order.sentence[i - 1] < order.sentence[i]));
    }
    batch_order_free(&order);
}

/** Every array of a group says the same as the corpus, token by token. */
static void check_group(const Batch *batch, int g, int *tokens_seen)
{
    const Group *group = &batch->group[g];
    const Conll *conll = &test.corpus.conll;
    int row = group->first;
    assert_int_equal(batch->group_start[g], group->first);
    assert_int_equal(batch->group_start[g + 1], group->first + group->packed.n_tok);
    for (int t = 0; t < group->packed.n_steps; t++) {
        for (int s = 0; s < packed_alive(&group->packed, t); s++, row++) {
            const int sentence = group->sentence[s], token = conll->sentence_start[sentence] + t;
            assert_int_equal(row - group->first, group->packed.start[t] + s);
            assert_true(t < corpus_length(&test.corpus, sentence));
            assert_int_equal(batch->token[row], token);
            assert_int_equal(batch->row[batch->slot[row]], batch->word[row]);
            assert_int_equal(batch->label[row], test.corpus.label[token]);
            assert_int_equal(batch->cap[row], test.corpus.cap[token]);
            assert_int_equal(batch->place[row].sentence, sentence);
            assert_int_equal(batch->place[row].position, t);
            const int w = batch->spelling[row], spelling = test.corpus.spelling[token];
            const int length = group->char_start[w + 1] - group->char_start[w];
            const int *start = test.lexicon.spelling_start + spelling;
            assert_int_equal(length, start[1] - start[0]);
            assert_memory_equal(group->chars + group->char_start[w],
                                test.lexicon.spelling_chars + start[0],
                                (size_t)length * sizeof(uint16_t));
            tokens_seen[token]++;
        }
    }
    assert_int_equal(row, batch->group_start[g + 1]);
}

static void test_groups_cover_the_batch(void **state)
{
    (void)state;
    int sentence[23], *seen = MEM_ARRAY(int, test.corpus.conll.n_tokens);
    BatchMaker maker;
    Arena arena = {0};
    batch_maker_init(&maker, &test.lexicon, 0.5, 1);
    for (int i = 0; i < 23; i++) {
        sentence[i] = (i * 37) % SENTENCES;
    }
    for (int n_groups = 1; n_groups <= 32; n_groups *= 2) {
        for (int parts = 1; parts <= 3 && parts <= n_groups; parts++) {
            Batch whole;
            memset(seen, 0, (size_t)test.corpus.conll.n_tokens * sizeof *seen);
            batch_build(&whole, &maker, &test.corpus, sentence, 23, n_groups, 0, n_groups, 7, true,
                        &arena);
            long tokens = 0;
            for (int r = 0; r < parts; r++) {  // as ranks would
                Batch batch;
                const int first = n_groups * r / parts, last = n_groups * (r + 1) / parts;
                batch_build(&batch, &maker, &test.corpus, sentence, 23, n_groups, first, last, 7,
                            true, &arena);
                assert_int_equal(batch.n_sent, 23);
                assert_int_equal(batch.n_tok, whole.n_tok);
                assert_int_equal(batch.n_rows, whole.n_rows);
                assert_memory_equal(batch.row, whole.row, (size_t)whole.n_rows * sizeof(int));
                for (int g = 0; g < batch.n_local; g++) {
                    const Group *same = &whole.group[first + g];
                    check_group(&batch, g, seen);
                    assert_int_equal(batch.group[g].packed.n_tok, same->packed.n_tok);
                    assert_memory_equal(batch.word + batch.group_start[g],
                                        whole.word + whole.group_start[first + g],
                                        (size_t)same->packed.n_tok * sizeof(int));
                }
                tokens += batch.group_start[batch.n_local];
            }
            assert_int_equal(tokens, whole.n_tok);
            for (int i = 0; i < 23; i++) {
                for (int t = 0; t < corpus_length(&test.corpus, sentence[i]); t++) {
                    assert_int_equal(seen[test.corpus.conll.sentence_start[sentence[i]] + t], 1);
                }
            }
            arena_reset(&arena);
        }
    }
    mem_free(seen);
    arena_free(&arena);
    batch_maker_free(&maker);
}

/** Singletons become unknown about half of the time while training, never otherwise. */
static void test_singletons(void **state)
{
    (void)state;
    BatchMaker maker;
    Arena arena = {0};
    long singles = 0, replaced = 0;
    batch_maker_init(&maker, &test.lexicon, 0.5, 1);
    for (int s = 0; s < SENTENCES; s++) {
        for (int training = 0; training < 2; training++) {
            Batch batch;
            batch_build(&batch, &maker, &test.corpus, &s, 1, 1, 0, 1, 3, training == 1, &arena);
            for (int i = 0; i < batch.group[0].packed.n_tok; i++) {
                const int row = test.corpus.word[batch.token[i]];
                const int single = test.lexicon.vocab.single[row];
                if (training == 0 || !single) {
                    assert_int_equal(batch.word[i], row);
                } else {
                    singles++;
                    replaced += batch.word[i] == test.lexicon.vocab.unknown;
                    assert_true(batch.word[i] == row ||
                                batch.word[i] == test.lexicon.vocab.unknown);
                }
            }
            arena_reset(&arena);
        }
    }
    assert_true(singles > 100);
    assert_true(replaced * 10 > singles * 4 && replaced * 10 < singles * 6);
    arena_free(&arena);
    batch_maker_free(&maker);
}

static int setup(void **state)
{
    (void)state;
    test_corpus_init(&test, SENTENCES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_corpus_free(&test);
    return mem_live() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_order),
        cmocka_unit_test(test_order_by_length),
        cmocka_unit_test(test_groups_cover_the_batch),
        cmocka_unit_test(test_singletons),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
