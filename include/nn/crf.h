// SPDX-License-Identifier: Apache-2.0
/** Linear-chain conditional random field: loss, gradients, marginals, and the best legal path.
 *
 *     score(path) = start[y0] + emission[0, y0] + transition[y0, y1] + emission[1, y1] + ... + end[y_last]
 *     loss        = logZ - score(gold),   logZ = log of the sum over all paths of exp(score)
 *
 * Both recursions run in scaled probability space, in double, as small matrix products over labels that are padded to whole
 * vectors; no logarithm but one a token.  With E = exp(emission - row maximum), T = exp(transition - maximum):
 *
 *     alpha_t = E_t * (alpha_{t-1} T) / c_t         c_t such that alpha_t sums to 1;  logZ = sum of log c and maxima
 *     beta_t  = T (E_{t+1} * beta_{t+1}) / c_{t+1}       marginal_t = alpha_t * beta_t
 *
 * Weakness: probability space forgets what lies under 1e-308 of the best.  A label so lost at step t matters only when what
 * follows makes up for it, that is when beta_t / c_t is huge, so that bounding this ratio proves the result.  A sentence that
 * breaks the bound is done again in log space, slowly and exactly.
 *
 * A row is the result of its own sentence alone: losses, marginals, emission gradients and paths have the same bits in any
 * batch.  Everything here is Local.  Source: Rabiner 1989, "A tutorial on hidden Markov models", section V (scaling).
 */
#ifndef MOE_NN_CRF_H
#define MOE_NN_CRF_H

#include "base/arena.h"
#include "base/packed.h"
#include "base/real.h"

typedef struct CrfWeights {
    const real *start, *end;  // [L]
    const real *transition;   // [L, L] from, to
} CrfWeights;

typedef struct CrfGrads {
    real *start, *end;  // [L]
    real *transition;   // [L, L] from, to
} CrfGrads;

/** What forward leaves for backward; all of it in the arena, valid until the arena is reset. */
typedef struct Crf {
    double *loss;   // [n_sent] logZ - score(gold)
    double *log_z;  // [n_sent]
    int n_log_space;  // sentences that needed log space, those with scores that are not finite included
    int n_labels;      // L
    int width;         // L padded to whole vectors; padding is 0
    double *alpha;     // [n_tok, width] scaled; 0 for a sentence done in log space
    double *gain;      // [n_tok, width] E * beta / c; 0 likewise
    double *marginal;  // [n_tok, width]
    double *factor;    // [L, width] T
    double *pair;      // [L, width] expected transitions of the sentences done in log space
    const Packed *packed;
    const int *label;
} Crf;

/** Sum over sentences of the loss.
 *
 * \param[out] crf      for crf_backward() and crf_marginals(); losses of single sentences are in crf->loss
 * \param[in]  emission [n_tok, L]
 * \param[in]  label    [n_tok] gold, each 0 .. L - 1, kept until backward; NULL: no gold path, loss = logZ
 * \param[in]  packed   kept until backward; no sentences is legal
 * \param[in]  arena    keeps the state of crf: about 3 n_tok doubles per label
 *
 * Right for any finite scores (they are added in double); a sentence with any score that is not finite, in its emissions or in
 * the weights, has loss, marginals and gradients NaN, which the caller reports.
 */
double crf_forward(Crf *crf, const real *emission, const int *label, const Packed *packed,
                   CrfWeights weights, int n_labels, Arena *arena);

/** Gradient of scale * loss.
 *
 * \param[out] demission [n_tok, L]
 * \param[out] grads     written, not added to
 * \param[in]  scratch   takes (L + 2) * width doubles
 *
 *     demission = scale * (marginal - 1 at gold),   transition likewise = scale * (expected count - gold count)
 */
void crf_backward(real *demission, CrfGrads *grads, const Crf *crf, double scale, Arena *scratch);

/** marginal [n_tok, L]: probability of each label at each token, given the whole sentence. */
void crf_marginals(real *marginal, const Crf *crf);

/** The best path of every sentence among those that visit only legal transitions.
 *
 * \param[out] path    [n_tok]
 * \param[out] score   [n_sent] its score, or NULL
 * \param[in]  legal   [L + 1, L + 1] 1: `to` may follow `from`; row L: a sentence may start with `to`, column L: it may end
 *                     with `from`; NULL: all is legal
 * \param[in]  scratch takes (n_tok + L + 2) * width doubles
 *
 * Ties go to the lower label, the last token's first.  Where no legal path exists, the score is -inf and the path has some labels
 * 0 .. L - 1; scores that are not finite give some labels, too.
 */
void crf_viterbi(int *path, double *score, const real *emission, const Packed *packed,
                 CrfWeights weights, int n_labels, const unsigned char *legal, Arena *scratch);

#endif
