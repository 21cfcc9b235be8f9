// SPDX-License-Identifier: Apache-2.0
/** The output layer against a walk over all paths. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "nn/crf.h"

enum { MAX_L = 17, MAX_T = 6, MAX_SENT = 8, MAX_TOK = MAX_T * MAX_SENT };

typedef struct Problem {
    int n_labels;
    int length[MAX_SENT];
    int step_start[MAX_T + 1];
    Packed packed;
    real emission[MAX_TOK * MAX_L];
    int label[MAX_TOK];
    real start[MAX_L], end[MAX_L], transition[MAX_L * MAX_L];
    unsigned char legal[(MAX_L + 1) * (MAX_L + 1)];
} Problem;

/** Everything that the layer gives, in the layout of the layer. */
typedef struct Answer {
    double total, loss[MAX_SENT], log_z[MAX_SENT];
    int n_log_space;
    real marginal[MAX_TOK * MAX_L], demission[MAX_TOK * MAX_L];
    real dstart[MAX_L], dend[MAX_L], dtransition[MAX_L * MAX_L];
    int path[MAX_TOK];
    double score[MAX_SENT];
} Answer;

static const double SCALE = 0.37;
static Problem problem, single;
static Answer got, wanted, alone;

static void assert_near(double a, double b, double tolerance, const char *what, int index)
{
    if (!(fabs(a - b) <= tolerance)) {
        fail_msg("%s %d: %.17g, wanted %.17g", what, index, a, b);
    }
}

static void assert_all_near(const real *a, const real *b, int n, double tolerance, const char *what)
{
    for (int i = 0; i < n; i++) {
        assert_near((double)a[i], (double)b[i], tolerance, what, i);
    }
}

static CrfWeights weights_of(const Problem *p)
{
    return (CrfWeights){p->start, p->end, p->transition};
}

static double uniform(uint32_t stream, int index)
{
    Rng rng = rng_init(5, RNG_TEST);
    return rng_uniform(&rng, (RngPlace){stream, 0, 0}, (uint32_t)index);
}

/** x [n], each drawn from -width/2 .. width/2 in multiples of step (0: any). */
static void draw(real *x, int n, uint32_t stream, double width, double step)
{
    for (int i = 0; i < n; i++) {
        double value = width * (uniform(stream, i) - 0.5);
        x[i] = (real)(step > 0 ? step * round(value / step) : value);
    }
}

static void set_lengths(Problem *p, const int *length, int n_sent)
{
    int n_steps = n_sent > 0 ? length[0] : 0;
    for (int t = 0; t < n_steps; t++) {
        p->step_start[t + 1] = p->step_start[t];
        for (int s = 0; s < n_sent; s++) {
            p->length[s] = length[s];
            p->step_start[t + 1] += length[s] > t;
        }
    }
    p->packed = (Packed){n_sent, p->step_start[n_steps], n_steps, p->step_start};
}

static void build(Problem *p, int n_labels, const int *length, int n_sent, uint32_t seed,
                  double width, double step)
{
    memset(p, 0, sizeof *p);
    p->n_labels = n_labels;
    set_lengths(p, length, n_sent);
    draw(p->emission, p->packed.n_tok * n_labels, 10 * seed, width, step);
    draw(p->start, n_labels, 10 * seed + 1, width, step);
    draw(p->end, n_labels, 10 * seed + 2, width, step);
    draw(p->transition, n_labels * n_labels, 10 * seed + 3, width, step);
    for (int row = 0; row < p->packed.n_tok; row++) {
        p->label[row] = (int)(uniform(10 * seed + 4, row) * n_labels);
    }
    for (int i = 0; i < (n_labels + 1) * (n_labels + 1); i++) {
        p->legal[i] = uniform(10 * seed + 5, i) < 0.6;
    }
}

static void build_mixed(Problem *p, int n_labels, uint32_t seed, double width, double step)
{
    static const int many[] = {6, 4, 4, 3, 1, 1}, few[] = {3, 3, 2, 1};
    if (n_labels <= 5) {
        build(p, n_labels, many, 6, seed, width, step);
    } else {
        build(p, n_labels, few, 4, seed, width, step);
    }
}

static void answer(Answer *a, const Problem *p, const int *label, const unsigned char *legal)
{
    Arena arena = {0};
    Crf crf;
    CrfGrads grads = {a->dstart, a->dend, a->dtransition};
    memset(a, 0x55, sizeof *a);
    a->total =
        crf_forward(&crf, p->emission, label, &p->packed, weights_of(p), p->n_labels, &arena);
    crf_backward(a->demission, &grads, &crf, SCALE, &arena);
    crf_marginals(a->marginal, &crf);
    for (int s = 0; s < p->packed.n_sent; s++) {
        a->loss[s] = crf.loss[s];
        a->log_z[s] = crf.log_z[s];
    }
    a->n_log_space = crf.n_log_space;
    crf_viterbi(a->path, a->score, p->emission, &p->packed, weights_of(p), p->n_labels, legal,
                &arena);
    arena_free(&arena);
}

static double score_of(const Problem *p, int s, const int *path)
{
    int n = p->n_labels, length = p->length[s];
    double score = (double)p->start[path[0]] + (double)p->end[path[length - 1]];
    for (int t = 0; t < length; t++) {
        score += (double)p->emission[(p->step_start[t] + s) * n + path[t]];
        score += t > 0 ? (double)p->transition[path[t - 1] * n + path[t]] : 0;
    }
    return score;
}

static bool is_legal(const Problem *p, const unsigned char *legal, int s, const int *path)
{
    int n = p->n_labels, last = p->length[s] - 1;
    bool all = legal == NULL || (legal[n * (n + 1) + path[0]] && legal[path[last] * (n + 1) + n]);
    for (int t = 1; t <= last && legal != NULL; t++) {
        all = all && legal[path[t - 1] * (n + 1) + path[t]];
    }
    return all;
}

/** The next path, the first token fastest, so that a tie goes to the lower label of the last token first. */
static bool next_path(const Problem *p, int s, int *path)
{
    for (int t = 0; t < p->length[s]; t++) {
        if (++path[t] < p->n_labels) {
            return true;
        }
        path[t] = 0;
    }
    return false;
}

static void enumerate_sentence(Answer *a, const Problem *p, int s, const unsigned char *legal)
{
    int n = p->n_labels, length = p->length[s], path[MAX_T] = {0}, gold[MAX_T];
    double peak = -INFINITY, sum = 0;
    a->score[s] = -INFINITY;
    do {
        double score = score_of(p, s, path);
        peak = score > peak ? score : peak;
        if (score > a->score[s] && is_legal(p, legal, s, path)) {
            a->score[s] = score;
            for (int t = 0; t < length; t++) {
                a->path[p->step_start[t] + s] = path[t];
            }
        }
    } while (next_path(p, s, path));
    do {
        sum += exp(score_of(p, s, path) - peak);
    } while (next_path(p, s, path));
    a->log_z[s] = peak + log(sum);
    for (int t = 0; t < length; t++) {
        gold[t] = p->label[p->step_start[t] + s];
    }
    a->loss[s] = a->log_z[s] - score_of(p, s, gold);
    a->total += a->loss[s];
    do {
        bool is_gold = memcmp(path, gold, (size_t)length * sizeof *path) == 0;
        double chance = exp(score_of(p, s, path) - peak) / sum, pull = SCALE * (chance - is_gold);
        a->dstart[path[0]] += (real)pull;
        a->dend[path[length - 1]] += (real)pull;
        for (int t = 0; t < length; t++) {
            int place = (p->step_start[t] + s) * n + path[t];
            a->marginal[place] += (real)chance;
            a->demission[place] += (real)pull;
            if (t > 0) {
                a->dtransition[path[t - 1] * n + path[t]] += (real)pull;
            }
        }
    } while (next_path(p, s, path));
}

static void enumerate(Answer *a, const Problem *p, const unsigned char *legal)
{
    memset(a, 0, sizeof *a);
    for (int s = 0; s < p->packed.n_sent; s++) {
        enumerate_sentence(a, p, s, legal);
    }
}

static void assert_same(const Answer *a, const Answer *b, const Problem *p, double tolerance)
{
    int n = p->n_labels, n_tok = p->packed.n_tok;
    for (int s = 0; s < p->packed.n_sent; s++) {
        assert_near(a->log_z[s], b->log_z[s], tolerance * (1 + fabs(b->log_z[s])), "logZ", s);
        assert_near(a->loss[s], b->loss[s], tolerance * (1 + fabs(b->log_z[s])), "loss", s);
    }
    assert_near(a->total, b->total, tolerance * (1 + fabs(b->total)), "total loss", 0);
    assert_all_near(a->marginal, b->marginal, n_tok * n, tolerance, "marginal");
    assert_all_near(a->demission, b->demission, n_tok * n, tolerance, "emission gradient");
    assert_all_near(a->dstart, b->dstart, n, tolerance, "start gradient");
    assert_all_near(a->dend, b->dend, n, tolerance, "end gradient");
    assert_all_near(a->dtransition, b->dtransition, n * n, tolerance, "transition gradient");
}

static void assert_same_paths(const Answer *a, const Answer *b, const Problem *p)
{
    for (int s = 0; s < p->packed.n_sent; s++) {
        if (isinf(b->score[s])) {
            assert_true(isinf(a->score[s]) && a->score[s] < 0);
            continue;
        }
        assert_near(a->score[s], b->score[s], 1e-10 * (1 + fabs(b->score[s])), "path score", s);
        for (int t = 0; t < p->length[s]; t++) {
            int row = p->step_start[t] + s;
            assert_int_equal(a->path[row], b->path[row]);
        }
    }
}

static const int LABELS[] = {1, 2, 3, 4, 5, 8, 9, 17};
enum { N_LABELS = sizeof LABELS / sizeof *LABELS };

static void test_all_paths(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N_LABELS; i++) {
        build_mixed(&problem, LABELS[i], i, 6, 0);
        answer(&got, &problem, problem.label, NULL);
        enumerate(&wanted, &problem, NULL);
        assert_same(&got, &wanted, &problem, 1e-10);
        assert_same_paths(&got, &wanted, &problem);
        assert_int_equal(got.n_log_space, 0);
    }
}

static double total_loss(const Problem *p, Arena *arena)
{
    Crf crf;
    arena_reset(arena);
    return crf_forward(&crf, p->emission, p->label, &p->packed, weights_of(p), p->n_labels, arena);
}

static void assert_slopes(real *x, const real *dx, int n, const char *what)
{
    const double h = 1e-4;
    Arena arena = {0};
    for (int i = 0; i < n; i++) {
        real kept = x[i];
        x[i] = (real)(kept + h);
        double up = total_loss(&problem, &arena);
        x[i] = (real)(kept - h);
        double down = total_loss(&problem, &arena);
        x[i] = kept;
        double slope = SCALE * (up - down) / (2 * h), given = (double)dx[i];
        assert_near(given, slope, 1e-6 * fmax(fabs(slope), 1e-2), what, i);
    }
    arena_free(&arena);
}

static void test_finite_differences(void **state)
{
    (void)state;
    int n = 9;
    build_mixed(&problem, n, 31, 4, 0);
    answer(&got, &problem, problem.label, NULL);
    assert_slopes(problem.emission, got.demission, problem.packed.n_tok * n, "emission slope");
    assert_slopes(problem.start, got.dstart, n, "start slope");
    assert_slopes(problem.end, got.dend, n, "end slope");
    assert_slopes(problem.transition, got.dtransition, n * n, "transition slope");
}

/** Take sentence s out of a problem. */
static void take_sentence(Problem *one, const Problem *p, int s)
{
    int n = p->n_labels;
    *one = *p;
    set_lengths(one, &p->length[s], 1);
    one->step_start[0] = 0;
    for (int t = 0; t < p->length[s]; t++) {
        int row = p->step_start[t] + s;
        one->step_start[t + 1] = t + 1;
        one->label[t] = p->label[row];
        memcpy(one->emission + t * n, p->emission + row * n, (size_t)n * sizeof(real));
    }
}

static void assert_together_as_alone(void)
{
    int n = problem.n_labels;
    real sum[MAX_L * MAX_L] = {0};
    answer(&got, &problem, problem.label, problem.legal);
    for (int s = 0; s < problem.packed.n_sent; s++) {
        take_sentence(&single, &problem, s);
        answer(&alone, &single, single.label, single.legal);
        assert_memory_equal(&got.loss[s], &alone.loss[0], sizeof(double));
        assert_memory_equal(&got.score[s], &alone.score[0], sizeof(double));
        for (int t = 0; t < problem.length[s]; t++) {
            int row = problem.step_start[t] + s;
            size_t bytes = (size_t)n * sizeof(real);
            assert_memory_equal(got.marginal + row * n, alone.marginal + t * n, bytes);
            assert_memory_equal(got.demission + row * n, alone.demission + t * n, bytes);
            assert_int_equal(got.path[row], alone.path[t]);
        }
        for (int k = 0; k < n * n; k++) {
            sum[k] += alone.dtransition[k];
        }
    }
    assert_all_near(got.dtransition, sum, n * n, 1e-12, "sum of transition gradients");
}

static void test_together_as_alone(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N_LABELS; i++) {
        build_mixed(&problem, LABELS[i], 50 + i, 6, 0);
        assert_together_as_alone();
        build_mixed(&problem, LABELS[i], 50 + i, 3000, 0);
        assert_together_as_alone();
    }
}

static void test_extreme_scores(void **state)
{
    static const double widths[] = {200, 700, 1500, 2000, 1e5};
    int n_log_space = 0;
    (void)state;
    for (uint32_t i = 0; i < 5 * N_LABELS; i++) {
        double width = widths[i / N_LABELS];
        build_mixed(&problem, LABELS[i % N_LABELS], 100 + i, width, i % 2 == 0 ? width / 2 : 0);
        answer(&got, &problem, problem.label, NULL);
        enumerate(&wanted, &problem, NULL);
        assert_same(&got, &wanted, &problem, 1e-10);
        assert_true(width > 200 || got.n_log_space == 0);
        n_log_space += got.n_log_space;
    }
    assert_true(n_log_space > 0);
}

/** Label 1 starts 750 behind and vanishes, then label 0 loses 400 twice: all scales are positive, yet label 1 wins. */
static void test_lost_label_comes_back(void **state)
{
    static const int length[] = {3, 1};
    (void)state;
    build(&problem, 2, length, 2, 0, 0, 0);
    problem.start[1] = -750;
    problem.transition[0] = -400;
    problem.transition[1] = problem.transition[2] = -5000;
    answer(&got, &problem, problem.label, NULL);
    enumerate(&wanted, &problem, NULL);
    assert_same(&got, &wanted, &problem, 1e-10);
    assert_near(got.log_z[0], -750, 1e-9, "logZ", 0);
    assert_int_equal(got.n_log_space, 1);
}

/** Forbidden transitions at -10^4 vanish in probability space without harm, so that they stay fast. */
static void test_forbidden_transitions_stay_fast(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N_LABELS; i++) {
        int n = LABELS[i];
        build_mixed(&problem, n, 200 + i, 6, 0);
        for (int k = 0; k < n * n; k++) {
            bool forbid = k % n != 0 && k / n != 0 && uniform(3000 + i, k) < 0.5;
            problem.transition[k] = forbid ? -10000 : problem.transition[k];
        }
        answer(&got, &problem, problem.label, NULL);
        enumerate(&wanted, &problem, NULL);
        assert_same(&got, &wanted, &problem, 1e-10);
        assert_int_equal(got.n_log_space, 0);
    }
}

static void test_sure_model_has_no_loss(void **state)
{
    (void)state;
    build_mixed(&problem, 5, 8, 1, 0);
    for (int row = 0; row < problem.packed.n_tok; row++) {
        problem.emission[row * 5 + problem.label[row]] += 60;
    }
    answer(&got, &problem, problem.label, NULL);
    for (int s = 0; s < problem.packed.n_sent; s++) {
        assert_true(got.loss[s] >= -1e-14 && got.loss[s] < 1e-12);
    }
}

static void test_best_legal_path(void **state)
{
    int n_without = 0;
    (void)state;
    for (uint32_t i = 0; i < 10 * N_LABELS; i++) {
        build_mixed(&problem, LABELS[i % N_LABELS], 300 + i, i % 3 == 0 ? 3000 : 6, 0);
        answer(&got, &problem, problem.label, problem.legal);
        enumerate(&wanted, &problem, problem.legal);
        assert_same_paths(&got, &wanted, &problem);
        for (int row = 0; row < problem.packed.n_tok; row++) {
            assert_in_range(got.path[row], 0, problem.n_labels - 1);
        }
        for (int s = 0; s < problem.packed.n_sent; s++) {
            n_without += isinf(wanted.score[s]) != 0;
        }
    }
    assert_true(n_without > 0);
}

/** Scores are small whole numbers, so that many paths tie exactly. */
static void test_ties(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10 * N_LABELS; i++) {
        double width = i < N_LABELS ? 0 : 2;
        build_mixed(&problem, LABELS[i % N_LABELS], 500 + i, width, 1);
        const unsigned char *legal = i % 2 == 0 ? NULL : problem.legal;
        answer(&got, &problem, problem.label, legal);
        enumerate(&wanted, &problem, legal);
        assert_same_paths(&got, &wanted, &problem);
    }
}

static void test_no_gold_path(void **state)
{
    (void)state;
    build_mixed(&problem, 4, 7, 6, 0);
    answer(&got, &problem, NULL, NULL);
    enumerate(&wanted, &problem, NULL);
    for (int s = 0; s < problem.packed.n_sent; s++) {
        assert_near(got.loss[s], wanted.log_z[s], 1e-10, "logZ as loss", s);
    }
    for (int k = 0; k < problem.packed.n_tok * 4; k++) {
        assert_near((double)got.demission[k], SCALE * (double)wanted.marginal[k], 1e-10,
                    "gradient of logZ", k);
    }
}

static void test_not_finite(void **state)
{
    static const double bad[] = {(double)NAN, INFINITY, -INFINITY};
    (void)state;
    for (int i = 0; i < 9; i++) {
        build_mixed(&problem, 5, 9, 6, 0);
        answer(&wanted, &problem, problem.label, NULL);
        problem.emission[(problem.step_start[i / 3] + 1) * 5 + i % 5] = (real)bad[i % 3];
        answer(&got, &problem, problem.label, NULL);
        assert_true(isnan(got.total) && isnan(got.loss[1]) && isnan(got.log_z[1]));
        assert_true(isnan(got.demission[5]) && isnan(got.dtransition[0]));
        for (int s = 0; s < problem.packed.n_sent; s++) {
            assert_true(s == 1 || got.loss[s] == wanted.loss[s]);
        }
        for (int row = 0; row < problem.packed.n_tok; row++) {
            assert_in_range(got.path[row], 0, 4);
        }
        real *weight[] = {problem.start, problem.end, problem.transition};
        build_mixed(&problem, 5, 9, 6, 0);
        weight[i / 3][3] = (real)bad[i % 3];
        answer(&got, &problem, problem.label, NULL);
        assert_true(isnan(got.total) && isnan(got.loss[0]));
    }
}

static void test_no_sentences(void **state)
{
    (void)state;
    build(&problem, 3, NULL, 0, 1, 6, 0);
    answer(&got, &problem, problem.label, NULL);
    assert_true(got.total == 0);
    for (int k = 0; k < 9; k++) {
        assert_true(got.dtransition[k] == 0 && got.dstart[k % 3] == 0 && got.dend[k % 3] == 0);
    }
}

static void test_steady_step_allocates_nothing(void **state)
{
    Arena arena = {0};
    (void)state;
    build_mixed(&problem, 5, 4, 3000, 0);
    double first = total_loss(&problem, &arena);
    const char *base = arena.base;
    long live = mem_live();
    assert_true(total_loss(&problem, &arena) == first);
    assert_true(mem_live() == live && arena.base == base);
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_paths),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_together_as_alone),
        cmocka_unit_test(test_extreme_scores),
        cmocka_unit_test(test_lost_label_comes_back),
        cmocka_unit_test(test_forbidden_transitions_stay_fast),
        cmocka_unit_test(test_sure_model_has_no_loss),
        cmocka_unit_test(test_best_legal_path),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_no_gold_path),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_no_sentences),
        cmocka_unit_test(test_steady_step_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
