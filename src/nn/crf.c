// SPDX-License-Identifier: Apache-2.0
#include "nn/crf.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"

enum { LANES = 8 };  // doubles of the widest vector

/** Largest beta / c.  Underflow loses under 1e-322 of alpha * c, which counts beta / c times in logZ and marginals. */
static const double MAX_GAIN = 1e290;

/** What crf_forward() needs only while it runs. */
typedef struct Lattice {
    const real *emission;  // [n_tok, L]
    CrfWeights weights;
    double start_peak, end_peak, transition_peak;  // maxima of the weights
    double *start, *end;                           // [width] exp(weight - peak)
    double *factor_to;                             // [L, width] T, transposed
    double *peak;                                  // [n_tok] maximum of an emission row
    double *scale;                                 // [n_tok] c
    double *log_scale;                             // [n_sent] logZ less the sum of peaks
    bool *lost;                                    // [n_sent] underflow may matter
} Lattice;

static int padded(int n_labels)
{
    return (n_labels + LANES - 1) / LANES * LANES;
}

static int length_of(const Packed *packed, int sentence)
{
    int length = 0;
    while (length < packed->n_steps && packed_alive(packed, length) > sentence) {
        length++;
    }
    return length;
}

/** Sentences that have a token at the next step. */
static int alive_next(const Packed *packed, int step)
{
    return step + 1 < packed->n_steps ? packed_alive(packed, step + 1) : 0;
}

static size_t row_at(int row, int width)
{
    return (size_t)row * (size_t)width;
}

/** out += sum over i < n of coef[i * stride] * row[i]. The order of the sum depends on n alone. */
static void add_rows(double *restrict out, const double *restrict coef, size_t stride,
                     const double *restrict row, int n, int width)
{
    size_t w = (size_t)width;
    int i = 0;
    for (; i + 4 <= n; i += 4, coef += 4 * stride, row += 4 * w) {
        double a = coef[0], b = coef[stride], c = coef[2 * stride], d = coef[3 * stride];
        for (size_t j = 0; j < w; j++) {
            out[j] += a * row[j] + b * row[w + j] + c * row[2 * w + j] + d * row[3 * w + j];
        }
    }
    for (; i < n; i++, coef += stride, row += w) {
        for (size_t j = 0; j < w; j++) {
            out[j] += coef[0] * row[j];
        }
    }
}

static void add(double *restrict out, const double *restrict row, int width)
{
    for (int j = 0; j < width; j++) {
        out[j] += row[j];
    }
}

static double fold(const double lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/** Sum of a * b, in LANES partial sums. */
static double dot(const double *a, const double *b, int width)
{
    double lane[LANES] = {0};
    for (int j = 0; j < width; j += LANES) {
        for (int v = 0; v < LANES; v++) {
            lane[v] += a[j + v] * b[j + v];
        }
    }
    return fold(lane);
}

/** Multiply the row by a factor for each label; returns the sum of the products. */
static double multiply(double *restrict row, const double *restrict factor, int width)
{
    double lane[LANES] = {0};
    for (int j = 0; j < width; j += LANES) {
        for (int v = 0; v < LANES; v++) {
            row[j + v] *= factor[j + v];
            lane[v] += row[j + v];
        }
    }
    return fold(lane);
}

static void divide(double *row, double scale, int width)
{
    double inverse = 1.0 / scale;
    for (int j = 0; j < width; j++) {
        row[j] *= inverse;
    }
}

/** Maximum of x [n]; NaN when any of them is not finite. */
static double peak_of(const real *x, int n)
{
    real peak = -REAL_MAX;
    bool finite = true;
    for (int j = 0; j < n; j++) {
        peak = x[j] > peak ? x[j] : peak;
        finite &= REAL_FABS(x[j]) <= REAL_MAX;
    }
    return finite ? (double)peak : (double)NAN;
}

/** out [width] = exp(x - peak), padding 0. */
static void exp_row(double *out, const real *x, double peak, int n, int width)
{
    for (int j = 0; j < n; j++) {
        out[j] = exp((double)x[j] - peak);
    }
    for (int j = n; j < width; j++) {
        out[j] = 0;
    }
}

static void exp_weights(Crf *crf, Lattice *lattice, Arena *arena)
{
    const CrfWeights *weights = &lattice->weights;
    int n = crf->n_labels, width = crf->width;
    lattice->start_peak = peak_of(weights->start, n);
    lattice->end_peak = peak_of(weights->end, n);
    lattice->transition_peak = peak_of(weights->transition, n * n);
    lattice->start = ARENA_ARRAY(arena, double, width);
    lattice->end = ARENA_ARRAY(arena, double, width);
    exp_row(lattice->start, weights->start, lattice->start_peak, n, width);
    exp_row(lattice->end, weights->end, lattice->end_peak, n, width);
    crf->factor = ARENA_ARRAY(arena, double, row_at(n, width));
    lattice->factor_to = ARENA_ZEROED(arena, double, row_at(n, width));
    for (int i = 0; i < n; i++) {
        double *factor = crf->factor + row_at(i, width);
        exp_row(factor, weights->transition + row_at(i, n), lattice->transition_peak, n, width);
        for (int j = 0; j < n; j++) {
            lattice->factor_to[row_at(j, width) + (size_t)i] = factor[j];
        }
    }
}

/** alpha_t = E_t * (alpha_{t-1} T) / c_t; log_scale takes the sum of log c. */
static void run_forward(Crf *crf, Lattice *lattice)
{
    const Packed *packed = crf->packed;
    int n = crf->n_labels, width = crf->width;
    for (int t = 0; t < packed->n_steps; t++) {
        for (int s = 0; s < packed_alive(packed, t); s++) {
            int row = packed->start[t] + s;
            double *alpha = crf->alpha + row_at(row, width), *gain = crf->gain + row_at(row, width);
            const real *emission = lattice->emission + row_at(row, n);
            lattice->peak[row] = peak_of(emission, n);
            exp_row(gain, emission, lattice->peak[row], n, width);
            if (t == 0) {
                memcpy(alpha, lattice->start, (size_t)width * sizeof *alpha);
            } else {
                int before = packed->start[t - 1] + s;
                memset(alpha, 0, (size_t)width * sizeof *alpha);
                add_rows(alpha, crf->alpha + row_at(before, width), 1, crf->factor, n, width);
            }
            lattice->scale[row] = multiply(alpha, gain, width);
            lattice->log_scale[s] += log(lattice->scale[row]);
            divide(alpha, lattice->scale[row], width);
        }
    }
}

/** marginal = alpha * beta, gain = E * beta / c; false when a gain is out of bounds or NaN. */
static bool finish_row(double *restrict marginal, double *restrict gain,
                       const double *restrict alpha, const double *restrict beta, double scale,
                       int width)
{
    double inverse = 1.0 / scale;
    bool sound = true;
    for (int j = 0; j < width; j++) {
        double ratio = beta[j] * inverse;
        sound &= ratio <= MAX_GAIN;
        marginal[j] = alpha[j] * beta[j];
        gain[j] *= ratio;
    }
    return sound;
}

/** beta_t = T gain_{t+1}, where gain = E * beta / c; the end of a sentence has beta = end / c_end. */
static void run_backward(Crf *crf, Lattice *lattice, double *beta)
{
    const Packed *packed = crf->packed;
    int n = crf->n_labels, width = crf->width;
    for (int t = packed->n_steps - 1; t >= 0; t--) {
        int n_next = alive_next(packed, t);
        for (int s = 0; s < packed_alive(packed, t); s++) {
            int row = packed->start[t] + s;
            double *alpha = crf->alpha + row_at(row, width);
            if (s < n_next) {
                int next = packed->start[t + 1] + s;
                memset(beta, 0, (size_t)width * sizeof *beta);
                add_rows(beta, crf->gain + row_at(next, width), 1, lattice->factor_to, n, width);
            } else {
                double end_scale = dot(alpha, lattice->end, width);
                memcpy(beta, lattice->end, (size_t)width * sizeof *beta);
                divide(beta, end_scale, width);
                lattice->log_scale[s] += log(end_scale);
            }
            if (!finish_row(crf->marginal + row_at(row, width), crf->gain + row_at(row, width),
                            alpha, beta, lattice->scale[row], width)) {
                lattice->lost[s] = true;
            }
        }
    }
}

/** Logarithms of one sentence's scores (less their peaks), alpha and beta. */
typedef struct LogSpace {
    int n, length;           // L, T
    const real *transition;  // [L, L]
    double transition_peak;
    double *start, *end;              // [L]
    double *emission, *alpha, *beta;  // [T, L]
    double *term;                     // [L] scratch
} LogSpace;

/** Room for the longest sentence. */
static LogSpace log_init(const Crf *crf, const Lattice *lattice, Arena *arena)
{
    int n = crf->n_labels;
    size_t size = row_at(crf->packed->n_steps, n);
    LogSpace space = {.n = n,
                      .transition = lattice->weights.transition,
                      .transition_peak = lattice->transition_peak,
                      .start = ARENA_ARRAY(arena, double, n),
                      .end = ARENA_ARRAY(arena, double, n),
                      .emission = ARENA_ARRAY(arena, double, size),
                      .alpha = ARENA_ARRAY(arena, double, size),
                      .beta = ARENA_ARRAY(arena, double, size),
                      .term = ARENA_ARRAY(arena, double, n)};
    for (int j = 0; j < n; j++) {
        space.start[j] = (double)lattice->weights.start[j] - lattice->start_peak;
        space.end[j] = (double)lattice->weights.end[j] - lattice->end_peak;
    }
    return space;
}

static void log_read(LogSpace *space, const Lattice *lattice, const Packed *packed, int sentence)
{
    int n = space->n, t = 0;
    for (; t < packed->n_steps && packed_alive(packed, t) > sentence; t++) {
        int row = packed->start[t] + sentence;
        const real *emission = lattice->emission + row_at(row, n);
        for (int j = 0; j < n; j++) {
            space->emission[t * n + j] = (double)emission[j] - lattice->peak[row];
        }
    }
    space->length = t;
}

static double log_transition(const LogSpace *space, int from, int to)
{
    return (double)space->transition[from * space->n + to] - space->transition_peak;
}

static double log_sum_exp(const double *x, int n)
{
    double peak = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++) {
        peak = x[j] > peak ? x[j] : peak;
    }
    for (int j = 0; j < n; j++) {
        sum += exp(x[j] - peak);
    }
    return peak + log(sum);
}

/** Fill alpha and beta; returns logZ. */
static double log_run(LogSpace *space)
{
    int n = space->n, last = space->length - 1;
    double *alpha = space->alpha, *beta = space->beta, *emission = space->emission;
    double *term = space->term;
    for (int j = 0; j < n; j++) {
        alpha[j] = space->start[j] + emission[j];
        beta[last * n + j] = space->end[j];
    }
    for (int t = 1; t <= last; t++) {
        for (int j = 0; j < n; j++) {
            for (int i = 0; i < n; i++) {
                term[i] = alpha[(t - 1) * n + i] + log_transition(space, i, j);
            }
            alpha[t * n + j] = emission[t * n + j] + log_sum_exp(term, n);
        }
    }
    for (int t = last - 1; t >= 0; t--) {
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                int next = (t + 1) * n + j;
                term[j] = log_transition(space, i, j) + emission[next] + beta[next];
            }
            beta[t * n + i] = log_sum_exp(term, n);
        }
    }
    for (int j = 0; j < n; j++) {
        term[j] = alpha[last * n + j] + space->end[j];
    }
    return log_sum_exp(term, n);
}

/** Do a sentence again in log space: replace its logZ and marginals, and move its expected transitions to crf->pair. */
static void redo_in_log_space(Crf *crf, Lattice *lattice, LogSpace *space, int sentence)
{
    int n = space->n, width = crf->width;
    size_t bytes = (size_t)width * sizeof(double);
    log_read(space, lattice, crf->packed, sentence);
    double log_z = log_run(space);
    lattice->log_scale[sentence] = log_z;
    for (int t = 0; t < space->length; t++) {
        size_t row = row_at(crf->packed->start[t] + sentence, width);
        const double *alpha = space->alpha + t * n, *beta = space->beta + t * n;
        memset(crf->alpha + row, 0, bytes);
        memset(crf->gain + row, 0, bytes);
        for (int j = 0; j < n; j++) {
            crf->marginal[row + (size_t)j] = exp(alpha[j] + beta[j] - log_z);
        }
        for (int k = 0; k < n * n && t > 0; k++) {
            int from = k / n, to = k % n;
            double enter = log_transition(space, from, to) + space->emission[t * n + to];
            crf->pair[from * width + to] += exp(alpha[from - n] + enter + beta[to] - log_z);
        }
    }
}

/** Score of a gold path, each part less its peak: the loss subtracts it from log_scale, so that peaks never cancel. */
static double gold_score(const Crf *crf, const Lattice *lattice, int sentence, int length)
{
    const CrfWeights *weights = &lattice->weights;
    double score = 0;
    int n = crf->n_labels, before = 0;
    for (int t = 0; t < length; t++) {
        int row = crf->packed->start[t] + sentence, here = crf->label[row];
        ASSERT(here >= 0 && here < n);
        const real *emission = lattice->emission + row_at(row, n);
        score += (double)emission[here] - lattice->peak[row];
        score += t == 0 ? (double)weights->start[here] - lattice->start_peak
                        : (double)weights->transition[before * n + here] - lattice->transition_peak;
        before = here;
    }
    return score + ((double)weights->end[before] - lattice->end_peak);
}

static void fill_losses(Crf *crf, const Lattice *lattice)
{
    for (int s = 0; s < crf->packed->n_sent; s++) {
        int length = length_of(crf->packed, s);
        double peaks = lattice->start_peak + lattice->end_peak;
        for (int t = 0; t < length; t++) {
            peaks +=
                lattice->peak[crf->packed->start[t] + s] + (t > 0 ? lattice->transition_peak : 0);
        }
        crf->log_z[s] = lattice->log_scale[s] + peaks;
        crf->loss[s] = crf->label == NULL
                           ? crf->log_z[s]
                           : lattice->log_scale[s] - gold_score(crf, lattice, s, length);
    }
}

double crf_forward(Crf *crf, const real *emission, const int *label, const Packed *packed,
                   CrfWeights weights, int n_labels, Arena *arena)
{
    ASSERT(n_labels > 0);
    int width = padded(n_labels);
    size_t size = row_at(packed->n_tok, width);
    *crf = (Crf){.loss = ARENA_ARRAY(arena, double, packed->n_sent),
                 .log_z = ARENA_ARRAY(arena, double, packed->n_sent),
                 .n_labels = n_labels,
                 .width = width,
                 .alpha = ARENA_ARRAY(arena, double, size),
                 .gain = ARENA_ARRAY(arena, double, size),
                 .marginal = ARENA_ARRAY(arena, double, size),
                 .pair = ARENA_ZEROED(arena, double, row_at(n_labels, width)),
                 .packed = packed,
                 .label = label};
    Lattice lattice = {.emission = emission,
                       .weights = weights,
                       .peak = ARENA_ARRAY(arena, double, packed->n_tok),
                       .scale = ARENA_ARRAY(arena, double, packed->n_tok),
                       .log_scale = ARENA_ZEROED(arena, double, packed->n_sent),
                       .lost = ARENA_ZEROED(arena, bool, packed->n_sent)};
    exp_weights(crf, &lattice, arena);
    run_forward(crf, &lattice);
    run_backward(crf, &lattice, ARENA_ARRAY(arena, double, width));
    LogSpace space;
    for (int s = 0; s < packed->n_sent; s++) {
        if (lattice.lost[s]) {
            if (crf->n_log_space++ == 0) {
                space = log_init(crf, &lattice, arena);
            }
            redo_in_log_space(crf, &lattice, &space, s);
        }
    }
    fill_losses(crf, &lattice);
    double loss = 0;
    for (int s = 0; s < packed->n_sent; s++) {
        loss += crf->loss[s];
    }
    return loss;
}

/** count [L, width] = expected transitions: T times the sum over steps of alpha_{t-1}' gain_t, and those of log space. */
static void count_transitions(double *count, const Crf *crf)
{
    const Packed *packed = crf->packed;
    int n = crf->n_labels, width = crf->width;
    for (int i = 0; i < n; i++) {
        double *row = count + row_at(i, width);
        for (int t = 1; t < packed->n_steps; t++) {
            const double *before = crf->alpha + row_at(packed->start[t - 1], width);
            const double *gain = crf->gain + row_at(packed->start[t], width);
            add_rows(row, before + i, (size_t)width, gain, packed_alive(packed, t), width);
        }
        for (int j = 0; j < width; j++) {
            size_t k = row_at(i, width) + (size_t)j;
            count[k] = count[k] * crf->factor[k] + crf->pair[k];
        }
    }
}

void crf_backward(real *demission, CrfGrads *grads, const Crf *crf, double scale, Arena *scratch)
{
    const Packed *packed = crf->packed;
    const int *label = crf->label;
    int n = crf->n_labels, width = crf->width;
    double *count = ARENA_ZEROED(scratch, double, row_at(n, width));
    double *start = ARENA_ZEROED(scratch, double, width);
    double *end = ARENA_ZEROED(scratch, double, width);
    count_transitions(count, crf);
    for (int t = 0; t < packed->n_steps; t++) {
        int n_next = alive_next(packed, t);
        for (int s = 0; s < packed_alive(packed, t); s++) {
            int row = packed->start[t] + s;
            const double *marginal = crf->marginal + row_at(row, width);
            real *out = demission + row_at(row, n);
            for (int j = 0; j < n; j++) {
                out[j] = (real)(scale * marginal[j]);
            }
            if (t == 0) {
                add(start, marginal, width);
            }
            if (s >= n_next) {
                add(end, marginal, width);
            }
            if (label != NULL) {
                int here = label[row];
                out[here] = (real)(scale * (marginal[here] - 1));
                start[here] -= t == 0;
                end[here] -= s >= n_next;
                if (t > 0) {
                    count[row_at(label[packed->start[t - 1] + s], width) + (size_t)here] -= 1;
                }
            }
        }
    }
    for (int i = 0; i < n; i++) {
        grads->start[i] = (real)(scale * start[i]);
        grads->end[i] = (real)(scale * end[i]);
        for (int j = 0; j < n; j++) {
            grads->transition[i * n + j] = (real)(scale * count[row_at(i, width) + (size_t)j]);
        }
    }
}

void crf_marginals(real *marginal, const Crf *crf)
{
    for (int row = 0; row < crf->packed->n_tok; row++) {
        for (int j = 0; j < crf->n_labels; j++) {
            marginal[row_at(row, crf->n_labels) + (size_t)j] =
                (real)crf->marginal[row_at(row, crf->width) + (size_t)j];
        }
    }
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/** out [width] = max over i < n of score[i] + transition[i]. */
static void max_rows(double *restrict out, const double *restrict score,
                     const double *restrict transition, int n, int width)
{
    size_t w = (size_t)width;
    for (size_t j = 0; j < w; j++) {
        out[j] = -INFINITY;
    }
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        const double *row = transition + (size_t)i * w;
        double a = score[i], b = score[i + 1], c = score[i + 2], d = score[i + 3];
        for (size_t j = 0; j < w; j++) {
            double ab = larger(a + row[j], b + row[w + j]);
            double cd = larger(c + row[2 * w + j], d + row[3 * w + j]);
            out[j] = larger(larger(ab, cd), out[j]);
        }
    }
    for (; i < n; i++) {
        const double *row = transition + (size_t)i * w;
        for (size_t j = 0; j < w; j++) {
            out[j] = larger(score[i] + row[j], out[j]);
        }
    }
}

/** The lowest i with the largest score[i] + change[i * stride]. */
static int best_label(const double *score, const double *change, size_t stride, int n)
{
    int best = 0;
    double best_score = -INFINITY;
    for (int i = 0; i < n; i++) {
        double sum = score[i] + change[(size_t)i * stride];
        if (sum > best_score) {
            best_score = sum;
            best = i;
        }
    }
    return best;
}

/** out [width] = x, illegal labels and padding -inf. */
static void read_legal(double *out, const real *x, const unsigned char *legal, int stride, int n,
                       int width)
{
    for (int j = 0; j < width; j++) {
        bool use = j < n && (legal == NULL || legal[j * stride]);
        out[j] = use ? (double)x[j] : -INFINITY;
    }
}

/** Scores of the best path to each label: best_t = emission_t + max over the label before of best_{t-1} + transition. */
static void fill_best(double *best, const double *start, const double *transition,
                      const real *emission, const Packed *packed, int n, int width)
{
    for (int t = 0; t < packed->n_steps; t++) {
        for (int s = 0; s < packed_alive(packed, t); s++) {
            int row = packed->start[t] + s;
            double *here = best + row_at(row, width);
            if (t == 0) {
                memcpy(here, start, (size_t)width * sizeof *here);
            } else {
                const double *before = best + row_at(packed->start[t - 1] + s, width);
                max_rows(here, before, transition, n, width);
            }
            for (int j = 0; j < n; j++) {
                here[j] += (double)emission[row_at(row, n) + (size_t)j];
            }
        }
    }
}

void crf_viterbi(int *path, double *score, const real *emission, const Packed *packed,
                 CrfWeights weights, int n_labels, const unsigned char *legal, Arena *scratch)
{
    int n = n_labels, width = padded(n);
    double *start = ARENA_ARRAY(scratch, double, width), *end = ARENA_ARRAY(scratch, double, width);
    double *transition = ARENA_ARRAY(scratch, double, row_at(n, width));
    double *best = ARENA_ARRAY(scratch, double, row_at(packed->n_tok, width));
    read_legal(start, weights.start, legal == NULL ? NULL : legal + n * (n + 1), 1, n, width);
    read_legal(end, weights.end, legal == NULL ? NULL : legal + n, n + 1, n, width);
    for (int i = 0; i < n; i++) {
        read_legal(transition + row_at(i, width), weights.transition + row_at(i, n),
                   legal == NULL ? NULL : legal + i * (n + 1), 1, n, width);
    }
    fill_best(best, start, transition, emission, packed, n, width);
    // Backwards, the label before is the one that gave the maximum: found again rather than kept.
    for (int t = packed->n_steps - 1; t >= 0; t--) {
        int n_next = alive_next(packed, t);
        for (int s = 0; s < packed_alive(packed, t); s++) {
            int row = packed->start[t] + s;
            const double *here = best + row_at(row, width);
            if (s < n_next) {
                int next = path[packed->start[t + 1] + s];
                path[row] = best_label(here, transition + next, (size_t)width, n);
            } else {
                path[row] = best_label(here, end, 1, n);
                if (score != NULL) {
                    score[s] = here[path[row]] + end[path[row]];
                }
            }
        }
    }
}
