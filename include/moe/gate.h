// SPDX-License-Identifier: Apache-2.0
/** The gate: logits, softmax, top-K choice, weights, the second expert's coin. Local.
 *
 *     z = x~ w_g        x~ = x, or x u with u uniform on [1 - jitter, 1 + jitter] while training (Switch, arXiv:2101.03961)
 *     p = softmax(z)    the K largest z are the choices, ties to the lower expert
 *     K = 1:  weight = p of the choice, never renormalised: p / p = 1 would leave the gate without a gradient
 *     K > 1:  weight_k = p_k / sum of the chosen p               (GShard, arXiv:2006.16668, algorithm 1: g1 / (g1 + g2))
 *     coin:   while training, choice k >= 1 goes on only when K weight_k > u, u uniform on [0, 1)        (2 g2 > rnd)
 *
 * Weights are those before any drop: what is dropped or skipped takes its weight with it.
 */
#ifndef MOE_MOE_GATE_H
#define MOE_MOE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/real.h"
#include "base/rng.h"

/** What happens to a second (third, ...) choice whose coin says no. */
typedef enum SecondExpert {
    SECOND_PAPER,     // skipped, and its slot stays taken: algorithm 1 to the letter
    SECOND_CONSERVE,  // skipped, and takes no slot: the prose of the paper, and its authors' code
    SECOND_ALL        // no coin: every choice goes on
} SecondExpert;

typedef struct GateConfig {
    int d, n_experts, top_k;
    SecondExpert second;
    double jitter;
    uint64_t seed;
} GateConfig;

/** The gate's state for n tokens; arrays from the arena. */
typedef struct Gate {
    int n;
    const real *x;      // [n, d] what the product saw: the caller's x, or a jittered copy
    real *factor;       // [n, d] jitter factors, or NULL
    real *prob;         // [n, E]
    real *log_sum_exp;  // [n] of the logits
    int *expert;        // [n, K] chosen experts, best first
    real *weight;       // [n, K]
    uint8_t *wanted;    // [n, K] 0: the coin says no
} Gate;

/** Start a step with room for n tokens. */
void gate_init(Gate *gate, const real *x, int n, const GateConfig *config, Arena *arena);

/** Tokens first .. last-1 (one group): prob, choices, weights. w_g [d, E]; place [n]; not training: no jitter, no coin. */
void gate_forward(Gate *gate, const real *w_g, int first, int last, const RngPlace *place,
                  bool training, const GateConfig *config, Arena *arena);

/** Tokens first .. last-1: dx [n, d] is added to, dw_g [d, E] is written. dweight [n, K]: gradient of the weights; dprob [E]: gradient
 * of each token's prob (the same for all tokens, of the balance loss); z_scale: gradient of log_sum_exp^2. */
void gate_backward(real *dx, real *dw_g, const Gate *gate, const real *w_g, const real *dweight,
                   const real *dprob, real z_scale, int first, int last, const GateConfig *config,
                   Arena *arena);

#endif
