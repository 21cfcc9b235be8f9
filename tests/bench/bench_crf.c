// SPDX-License-Identifier: Apache-2.0
/** Nanoseconds per token of the output layer, on a batch of sentences of 1 to 29 tokens (15 in the mean). */
#include <stdio.h>

#include "base/clock.h"
#include "base/rng.h"
#include "nn/crf.h"

enum { N_SENT = 32, LONGEST = 29, MAX_LABELS = 65, ROUNDS = 7 };
static const double ROUND_SECONDS = 0.1;

typedef struct Problem {
    int start[LONGEST + 1];
    Packed packed;
    int n_labels;
    real *emission;  // [n_tok, L]
    int *label;      // [n_tok]
    CrfWeights weights;
    unsigned char *legal;  // [L + 1, L + 1]
    Arena arena, step;
} Problem;

static real *draw(Problem *problem, uint32_t stream, size_t n, double width)
{
    Rng rng = rng_init(1, RNG_TEST);
    real *x = ARENA_ARRAY(&problem->arena, real, n);
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)(width * (rng_uniform(&rng, (RngPlace){stream, 0, 0}, (uint32_t)i) - 0.5));
    }
    return x;
}

/** Sentence s of N_SENT has a length between LONGEST and 1; labels are IOBES: 0 = O, then B I E S of each type. */
static void build(Problem *problem, int n_labels)
{
    *problem = (Problem){.n_labels = n_labels};
    for (int t = 0; t < LONGEST; t++) {
        int alive = 0;
        for (int s = 0; s < N_SENT; s++) {
            alive += LONGEST - s * (LONGEST - 1) / (N_SENT - 1) > t;
        }
        problem->start[t + 1] = problem->start[t] + alive;
    }
    problem->packed = (Packed){N_SENT, problem->start[LONGEST], LONGEST, problem->start};
    size_t n = (size_t)n_labels, n_tok = (size_t)problem->packed.n_tok;
    problem->emission = draw(problem, 1, n_tok * n, 8);
    problem->label = ARENA_ARRAY(&problem->arena, int, n_tok);
    for (size_t i = 0; i < n_tok; i++) {
        problem->label[i] = (int)(i * 7 % n);
    }
    problem->weights =
        (CrfWeights){draw(problem, 2, n, 2), draw(problem, 3, n, 2), draw(problem, 4, n * n, 2)};
    problem->legal = ARENA_ZEROED(&problem->arena, unsigned char, (n + 1) * (n + 1));
    for (int from = 0; from <= n_labels; from++) {
        for (int to = 0; to <= n_labels; to++) {
            int inside = from > 0 && from < n_labels && (from - 1) % 4 < 2;
            int goes_on = to > 0 && to < n_labels && ((to - 1) % 4 == 1 || (to - 1) % 4 == 2);
            int same_type = inside && goes_on && (from - 1) / 4 == (to - 1) / 4;
            problem->legal[from * (n_labels + 1) + to] = inside ? same_type : !goes_on;
        }
    }
}

typedef enum Work { FORWARD, FORWARD_BACKWARD, VITERBI, VITERBI_LEGAL } Work;

static double run(Problem *problem, Work work)
{
    const Packed *packed = &problem->packed;
    Arena *step = &problem->step;
    size_t n = (size_t)problem->n_labels;
    arena_reset(step);
    if (work >= VITERBI) {
        int *path = ARENA_ARRAY(step, int, packed->n_tok);
        crf_viterbi(path, NULL, problem->emission, packed, problem->weights, problem->n_labels,
                    work == VITERBI ? NULL : problem->legal, step);
        return path[0];
    }
    Crf crf;
    double loss = crf_forward(&crf, problem->emission, problem->label, packed, problem->weights,
                              problem->n_labels, step);
    if (work == FORWARD_BACKWARD) {
        real *demission = ARENA_ARRAY(step, real, (size_t)packed->n_tok * n);
        CrfGrads grads = {ARENA_ARRAY(step, real, n), ARENA_ARRAY(step, real, n),
                          ARENA_ARRAY(step, real, n * n)};
        crf_backward(demission, &grads, &crf, 1.0 / N_SENT, step);
    }
    return loss;
}

/** Best of ROUNDS. */
static double nanoseconds_per_token(Problem *problem, Work work)
{
    double best = 1e9, sink = run(problem, work);
    for (int round = 0; round < ROUNDS; round++) {
        long n_runs = 0;
        double start = clock_now(), seconds = 0;
        for (; seconds < ROUND_SECONDS; seconds = clock_now() - start, n_runs++) {
            sink += run(problem, work);
        }
        double nanoseconds = 1e9 * seconds / ((double)n_runs * problem->packed.n_tok);
        best = nanoseconds < best ? nanoseconds : best;
    }
    return sink == sink ? best : -1;
}

int main(void)
{
    static const int sizes[] = {5, 9, 17, 33, MAX_LABELS};
    printf("%s, %d sentences, ns per token (best of %d)\n", REAL_NAME, N_SENT, ROUNDS);
    printf("labels  forward  +backward  viterbi  legal only  viterbi Mtoken/s\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Problem problem;
        double ns[VITERBI_LEGAL + 1];
        build(&problem, sizes[i]);
        for (Work work = FORWARD; work <= VITERBI_LEGAL; work++) {
            ns[work] = nanoseconds_per_token(&problem, work);
        }
        printf("%6d %8.0f %10.0f %8.0f %11.0f %17.1f\n", sizes[i], ns[FORWARD],
               ns[FORWARD_BACKWARD], ns[VITERBI], ns[VITERBI_LEGAL], 1e3 / ns[VITERBI]);
        arena_free(&problem.arena);
        arena_free(&problem.step);
    }
    return 0;
}
