// SPDX-License-Identifier: Apache-2.0
/** Figures of a routing log against cases that are known, and a naive recount. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "report/route_stats.h"

static void near(double found, double wanted, double tolerance)
{
    if (!(fabs(found - wanted) <= tolerance)) {
        fail_msg("%.12g, wanted is %.12g", found, wanted);
    }
}

/* ---- information ---- */

/** Labels of very different frequency, each with an expert of its own: all is known. */
static void forced_routing_tells_the_label(void **state)
{
    (void)state;
    enum { L = 5, E = 7 };
    static const int often[L] = {900, 50, 30, 15, 5};
    int32_t count[L * E] = {0};
    double entropy = 0;
    for (int l = 0; l < L; l++) {
        count[l * E + (l * 3) % E] = often[l];
        entropy -= often[l] / 1000.0 * log2(often[l] / 1000.0);
    }
    const RouteInformation x = route_information(count, L, E);
    assert_int_equal(x.n, 1000);
    near(x.entropy, entropy, 1e-12);
    near(x.bits, entropy, 1e-12);
    near(x.corrected, x.entropy_corrected, 1e-12);
    near(x.entropy_corrected, entropy + 4 / (2 * 1000 * log(2)), 1e-12);
    near(x.share, 1, 1e-12);
    near(x.purity, 1, 0);
    near(x.purity_of_one, 0.9, 0);
}

/** Two labels may share an expert: then it tells less than the label, and all of which pair it is. */
static void shared_expert_tells_less(void **state)
{
    (void)state;
    const int32_t count[4 * 2] = {25, 0, 25, 0, 0, 25, 0, 25};
    const RouteInformation x = route_information(count, 4, 2);
    near(x.entropy, 2, 1e-12);
    near(x.bits, 1, 1e-12);
    near(x.corrected, 1 + (3 + 1 - 3) / (2 * 100 * log(2)), 1e-12);
    near(x.purity, 0.5, 0);
    near(x.purity_of_one, 0.25, 0);
}

static void one_expert_tells_nothing(void **state)
{
    (void)state;
    const int32_t one[3] = {70, 20, 10}, of_four[3 * 4] = {0, 0, 70, 0, 0, 0, 20, 0, 0, 0, 10, 0},
                  one_label[3] = {5, 6, 7}, none[6] = {0};
    near(route_information(one, 3, 1).bits, 0, 1e-12);
    near(route_information(one, 3, 1).corrected, 0, 1e-12);
    near(route_information(of_four, 3, 4).bits, 0, 1e-12);
    near(route_information(of_four, 3, 4).corrected, 0, 1e-12);
    near(route_information(of_four, 3, 4).purity, 0.7, 1e-12);
    near(route_information(one_label, 1, 3).share, 0, 0);
    const RouteInformation x = route_information(none, 2, 3);
    near(x.bits + x.corrected + x.share + x.purity + x.entropy, 0, 0);
}

/** A table with a known result: H(class) = 1, H(expert) = 1, p(agree) = 3/4. */
static void half_known(void **state)
{
    (void)state;
    const int32_t count[4] = {300, 100, 100, 300};
    const RouteInformation x = route_information(count, 2, 2);
    near(x.bits, 1 - (0.75 * log2(4.0 / 3) + 0.25 * 2), 1e-12);
    near(x.corrected, x.bits - 1 / (2 * 800 * log(2)), 1e-12);
    near(x.purity, 0.75, 0);
}

/** Without the correction, what the shuffled control finds is bias alone; with it, noise around 0. */
static void shuffled_is_noise(void **state)
{
    (void)state;
    enum { L = 6, E = 8, ROUNDS = 200 };
    int32_t count[L * E] = {0};
    int64_t n = 0;
    for (int l = 0; l < L; l++) {  // strongly routed, 3000 tokens
        for (int e = 0; e < E; e++) {
            count[l * E + e] = e == l ? 350 : 3 * (l + 2);
            n += count[l * E + e];
        }
    }
    const RouteInformation truth = route_information(count, L, E);
    const RouteControl x = route_shuffled(count, L, E, ROUNDS);
    const double bias = (L - 1) * (E - 1) / (2.0 * (double)n * log(2));
    assert_true(truth.corrected > 1);
    near(x.bits, bias, 4 * x.bits_spread / sqrt(ROUNDS));
    near(x.corrected, 0, 4 * x.corrected_spread / sqrt(ROUNDS));
    // 2 n ln(2) I is chi-square with (L - 1)(E - 1) degrees of freedom
    near(x.bits_spread, sqrt(2.0 * (L - 1) * (E - 1)) / (2.0 * (double)n * log(2)),
         0.15 * x.bits_spread);
    assert_true(x.purity < truth.purity && x.purity >= truth.purity_of_one);
    const RouteControl again = route_shuffled(count, L, E, ROUNDS);
    assert_memory_equal(&x, &again, sizeof x);
    const RouteControl one = route_shuffled(count, L, E, 1), two = route_shuffled(count, L, E, 2);
    near(one.bits_spread, 0, 0);
    near(two.bits_spread, fabs(2 * (one.bits - two.bits)) / sqrt(2), 1e-8);
}

/* ---- words ---- */

static void log_odds_by_hand(void **state)
{
    (void)state;
    // 8 of 100 inside, 2 of 300 outside; prior 40 tokens: a = 40 * 10 / 400 = 1
    const double d = log(9.0 / (100 + 40 - 9)) - log(3.0 / (300 + 40 - 3));
    near(route_log_odds(8, 100, 2, 300, 40), d / sqrt(1.0 / 9 + 1.0 / 3), 1e-12);
    near(route_log_odds(2, 300, 8, 100, 40), -d / sqrt(1.0 / 9 + 1.0 / 3), 1e-12);
    near(route_log_odds(5, 100, 15, 300, 40), 0, 1e-12);
    // the same odds, more tokens: more certain; one lonely token: hardly anything
    assert_true(route_log_odds(80, 1000, 20, 3000, 500) > route_log_odds(8, 100, 2, 300, 500));
    assert_true(route_log_odds(1, 100, 0, 300, 500) < 1.5);
}

/* ---- a small log ---- */

enum { T = 12, E = 3, K = 2, L = 3, M = 2, N = 20 };

typedef struct Small {
    RouteData data;
    int32_t by_gold[M * K * L * E], by_capitals[M * K * ROUTE_CAPITALS * E];
    int32_t first_expert[M * T], word[T], gold[T], expert[T * K];
    int32_t load[N * K * E], dropped[N * E];
    float weight[T * K];
} Small;

static const char *const label_name[L] = {"O", "B-PER", "(other)"};

static void small_make(Small *small)
{
    //                             O  O  O  O  O  O  P  P  P  P  O  O
    static const int word[T] = {0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 0, 2};
    static const int before[T] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0};
    static const int after[T] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0};
    memset(small, 0, sizeof *small);
    RouteData *data = &small->data;
    *data = (RouteData){.E = E,
                        .K = K,
                        .L = L,
                        .W = 1,
                        .T = T,
                        .m = M,
                        .n = N,
                        .by_gold = small->by_gold,
                        .by_capitals = small->by_capitals,
                        .first_expert = small->first_expert,
                        .word = small->word,
                        .gold = small->gold,
                        .expert = small->expert,
                        .token_weight = small->weight,
                        .load = small->load,
                        .dropped = small->dropped};
    for (int i = 0; i < L; i++) {
        string_table_add(&data->labels, label_name[i], strlen(label_name[i]));
    }
    for (int i = 0; i < 5; i++) {
        const char name[2] = {(char)('a' + i), '\0'};
        string_table_add(&data->words, name, 1);
    }
    for (int t = 0; t < T; t++) {
        small->word[t] = word[t];
        small->gold[t] = t >= 6 && t < 10;
        for (int i = 0; i < M; i++) {
            const int first = i == 0 ? before[t] : after[t], second = (first + 1) % 2;
            small->first_expert[i * T + t] = first;
            small->by_gold[((i * K + 0) * L + small->gold[t]) * E + first]++;
            small->by_gold[((i * K + 1) * L + small->gold[t]) * E + second]++;
            small->by_capitals[((i * K + 0) * ROUTE_CAPITALS + t % 2) * E + first]++;
        }
        small->expert[t * K] = after[t];
        small->expert[t * K + 1] = 1 - after[t];
        small->weight[t * K] = 0.75f;
        small->weight[t * K + 1] = 0.25f;
    }
    for (int row = 0; row < N; row++) {  // expert 2 has choices until the last tenth
        const int32_t one[K][E] = {{6, 2, row < 18 ? 2 : 0}, {4, 6, 0}};
        memcpy(small->load + row * K * E, one, sizeof one);
        small->dropped[row * E] = 5;
    }
}

static void small_free(Small *small)
{
    string_table_free(&small->data.labels);
    string_table_free(&small->data.words);
}

static void tables_of_kinds(void **state)
{
    (void)state;
    Small small;
    small_make(&small);
    const RouteTable all = route_table(&small.data, 1, ROUTE_LABEL),
                     entities = route_table(&small.data, 1, ROUTE_ENTITY_LABEL),
                     capitals = route_table(&small.data, 1, ROUTE_CAPITAL);
    assert_int_equal(all.classes, L);
    assert_int_equal(all.count[0], 8);  // O at expert 0
    assert_int_equal(entities.classes, L - 1);
    assert_int_equal(entities.count[0], 1);  // B-PER at expert 0
    assert_int_equal(entities.count[1], 3);
    assert_string_equal(route_class_name(&small.data, ROUTE_ENTITY_LABEL, 0), "B-PER");
    assert_string_equal(route_class_name(&small.data, ROUTE_LABEL, 0), "O");
    assert_int_equal(capitals.classes, ROUTE_CAPITALS);
    assert_int_equal(capitals.count[0] + capitals.count[1], T / 2);
    near(route_information(all.count, all.classes, E).purity, 11.0 / 12, 1e-12);
    near(route_information(entities.count, entities.classes, E).entropy, 0, 1e-12);
    small_free(&small);
}

static void shares_of_experts(void **state)
{
    (void)state;
    Small small;
    RouteExpert expert[E];
    small_make(&small);
    route_experts(&small.data, 1, expert);
    near(expert[0].first, 9.0 / 12, 1e-12);
    near(expert[1].first, 3.0 / 12, 1e-12);
    near(expert[0].any, 0.5, 1e-12);
    near(expert[0].weight, (9 * 0.75 + 3 * 0.25) / 12, 1e-7);
    near(expert[1].weight, (3 * 0.75 + 9 * 0.25) / 12, 1e-7);
    near(expert[0].dropped, 0.5, 1e-12);
    near(expert[1].dropped, 0, 0);
    near(expert[0].trained, 10.0 / 18, 1e-12);
    near(expert[2].trained, 0, 0);
    assert_true(!expert[0].dead && !expert[1].dead && expert[2].dead);
    small.load[18 * K * E + 2] = 2;  // row 18 of 20 is the first of the last tenth
    route_experts(&small.data, 1, expert);
    near(expert[2].trained, 2.0 / 38, 1e-12);
    route_experts(&small.data, -1, expert);
    assert_true(!expert[2].dead);
    near(expert[2].first, 0, 0);
    small_free(&small);
}

static void labels_and_words_of_experts(void **state)
{
    (void)state;
    Small small;
    RouteShare share[L];
    RouteWord word[5];
    small_make(&small);
    assert_int_equal(route_labels_of(&small.data, 1, 0, share, L), 2);
    assert_int_equal(share[0].number, 0);
    assert_int_equal(share[0].count, 8);
    near(share[0].share, 8.0 / 9, 1e-12);
    near(share[0].lift, 8.0 / 9 / (8.0 / 12), 1e-12);
    assert_int_equal(share[1].number, 1);
    assert_int_equal(route_labels_of(&small.data, 1, 0, share, 1), 1);
    assert_int_equal(route_labels_of(&small.data, 1, 2, share, L), 0);
    assert_int_equal(route_experts_of(&small.data, 1, 1, share, E), 2);
    assert_int_equal(share[0].number, 1);
    near(share[0].share, 0.75, 1e-12);
    near(share[0].lift, 0.75 / 0.25, 1e-12);

    assert_int_equal(route_words_of(&small.data, 1, word, 5), 1);
    assert_int_equal(word[0].word, 3);
    assert_int_equal(word[0].count, 3);
    assert_int_equal(word[0].total, 3);
    near(word[0].z, route_log_odds(3, 3, 0, 9, ROUTE_PRIOR), 1e-12);
    assert_int_equal(route_words_of(&small.data, 0, word, 5), 4);
    assert_int_equal(word[0].word, 0);
    for (int i = 1; i < 4; i++) {
        assert_true(word[i - 1].z >= word[i].z && word[i].word != 3);
    }
    assert_int_equal(route_words_of(&small.data, 2, word, 5), 0);
    small_free(&small);
}

static void agreement_of_evaluations(void **state)
{
    (void)state;
    Small small;
    small_make(&small);
    const int32_t *before = small.first_expert, *after = before + T;
    const RouteAgreement x = route_agreement(before, after, T, E),
                         same = route_agreement(after, after, T, E);
    near(x.same, 6.0 / 12, 1e-12);
    near(x.chance, 7.0 / 12 * 0.75 + 5.0 / 12 * 0.25, 1e-12);
    near(same.same, 1, 0);
    near(same.chance, 0.75 * 0.75 + 0.25 * 0.25, 1e-12);
    int32_t count[E * E] = {0};
    route_pairs(before, after, T, E, count);
    assert_int_equal(count[0 * E + 0], 5);
    assert_int_equal(count[0 * E + 1], 2);
    assert_int_equal(count[1 * E + 1], 1);
    assert_int_equal(count[1 * E + 0], 4);
    small_free(&small);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forced_routing_tells_the_label),
        cmocka_unit_test(shared_expert_tells_less),
        cmocka_unit_test(one_expert_tells_nothing),
        cmocka_unit_test(half_known),
        cmocka_unit_test(shuffled_is_noise),
        cmocka_unit_test(log_odds_by_hand),
        cmocka_unit_test(tables_of_kinds),
        cmocka_unit_test(shares_of_experts),
        cmocka_unit_test(labels_and_words_of_experts),
        cmocka_unit_test(agreement_of_evaluations),
        cmocka_unit_test(nothing_stays_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
