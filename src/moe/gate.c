// SPDX-License-Identifier: Apache-2.0
#include "moe/gate.h"

#include <stddef.h>

#include "math/gemm.h"
#include "math/vec.h"

void gate_init(Gate *gate, const real *x, int n, const GateConfig *config, Arena *arena)
{
    const size_t tokens = (size_t)n, experts = (size_t)config->n_experts,
                 choices = tokens * (size_t)config->top_k;
    gate->n = n;
    gate->x = x;
    gate->factor = NULL;
    gate->prob = ARENA_ARRAY(arena, real, tokens * experts);
    gate->log_sum_exp = ARENA_ARRAY(arena, real, tokens);
    gate->expert = ARENA_ARRAY(arena, int, choices);
    gate->weight = ARENA_ARRAY(arena, real, choices);
    gate->wanted = ARENA_ARRAY(arena, uint8_t, choices);
}

/** A jittered copy of x stands in for it; made whole once, filled group by group. */
static void apply_jitter(Gate *gate, int first, int last, const RngPlace *place,
                         const GateConfig *config, Arena *arena)
{
    const size_t d = (size_t)config->d;
    const Rng rng = rng_init(config->seed, RNG_JITTER);
    if (gate->factor == NULL) {
        real *block = ARENA_ARRAY(arena, real, 2 * (size_t)gate->n * d);
        gate->factor = block;
        vec_copy(block + (size_t)gate->n * d, gate->x, (size_t)gate->n * d);
        gate->x = block + (size_t)gate->n * d;
    }
    real *x = gate->factor + (size_t)gate->n * d;
    for (int t = first; t < last; t++) {
        for (size_t j = 0; j < d; j++) {
            size_t i = (size_t)t * d + j;
            double u = rng_uniform(&rng, place[t], (uint32_t)j);
            gate->factor[i] = (real)(1 + config->jitter * (2 * u - 1));
            x[i] *= gate->factor[i];
        }
    }
}

/** The K largest of z [n_experts], best first; the lower expert of equals. */
static void choose(int *expert, const real *z, int n_experts, int top_k)
{
    for (int k = 0; k < top_k; k++) {
        int best = -1;
        for (int e = 0; e < n_experts; e++) {
            bool taken = false;
            for (int j = 0; j < k; j++) {
                taken |= expert[j] == e;
            }
            if (!taken && (best < 0 || z[e] > z[best])) {
                best = e;
            }
        }
        expert[k] = best;
    }
}

static void choose_weights(real *weight, const int *expert, const real *p, int top_k)
{
    real sum = 0;
    for (int k = 0; k < top_k; k++) {
        weight[k] = p[expert[k]];
        sum += weight[k];
    }
    for (int k = 0; k < top_k && top_k > 1; k++) {
        weight[k] /= sum;
    }
}

void gate_forward(Gate *gate, const real *w_g, int first, int last, const RngPlace *place,
                  bool training, const GateConfig *config, Arena *arena)
{
    const int E = config->n_experts, K = config->top_k, d = config->d;
    const Rng coin = rng_init(config->seed, RNG_SECOND_EXPERT);
    if (training && config->jitter > 0) {
        apply_jitter(gate, first, last, place, config, arena);
    }
    real *prob = gate->prob + (size_t)first * (size_t)E;
    gemm_nn(last - first, E, d, gate->x + (size_t)first * (size_t)d, d, w_g, E, 0, prob, E);
    for (int t = first; t < last; t++) {
        real *p = gate->prob + (size_t)t * (size_t)E;
        int *expert = gate->expert + (size_t)t * (size_t)K;
        real *weight = gate->weight + (size_t)t * (size_t)K;
        uint8_t *wanted = gate->wanted + (size_t)t * (size_t)K;
        choose(expert, p, E,
               K);  // by the logits: softmax may tell equal ones apart in the last bit
        gate->log_sum_exp[t] = vec_softmax(p, p, E);
        choose_weights(weight, expert, p, K);
        for (int k = 0; k < K; k++) {
            bool toss = training && k > 0 && config->second != SECOND_ALL;
            wanted[k] = !toss || (double)weight[k] * K > rng_uniform(&coin, place[t], (uint32_t)k);
        }
    }
}

void gate_backward(real *dx, real *dw_g, const Gate *gate, const real *w_g, const real *dweight,
                   const real *dprob, real z_scale, int first, int last, const GateConfig *config,
                   Arena *arena)
{
    const int E = config->n_experts, K = config->top_k, d = config->d, n = last - first;
    const real *x = gate->x + (size_t)first * (size_t)d;
    real *dz = ARENA_ARRAY(arena, real, (size_t)n * (size_t)E);
    for (int t = first; t < last; t++) {
        const real *p = gate->prob + (size_t)t * (size_t)E;
        const real *w = gate->weight + (size_t)t * (size_t)K, *dw = dweight + (size_t)t * (size_t)K;
        const int *expert = gate->expert + (size_t)t * (size_t)K;
        real *out = dz + (size_t)(t - first) * (size_t)E;
        // d z_i = p_i (dp_i - sum_j p_j dp_j) + 2 z_scale log_sum_exp p_i
        real mean = vec_dot(p, dprob, (size_t)E), chosen = 0;
        if (K == 1) {
            mean += p[expert[0]] * dw[0];
        }
        for (int i = 0; i < E; i++) {
            out[i] = p[i] * (dprob[i] - mean + 2 * z_scale * gate->log_sum_exp[t]);
        }
        if (K == 1) {
            out[expert[0]] += p[expert[0]] * dw[0];
            continue;
        }
        // K > 1: the weights are a softmax over the chosen logits alone
        for (int k = 0; k < K; k++) {
            chosen += w[k] * dw[k];
        }
        for (int k = 0; k < K; k++) {
            out[expert[k]] += w[k] * (dw[k] - chosen);
        }
    }
    gemm_tn(d, E, n, x, d, dz, E, 0, dw_g, E);
    if (gate->factor == NULL) {
        gemm_nt(n, d, E, dz, E, w_g, E, 1, dx + (size_t)first * (size_t)d, d);
        return;
    }
    real *dxj = ARENA_ARRAY(arena, real, (size_t)n * (size_t)d);
    gemm_nt(n, d, E, dz, E, w_g, E, 0, dxj, d);
    for (size_t i = 0; i < (size_t)n * (size_t)d; i++) {
        dx[(size_t)first * (size_t)d + i] += dxj[i] * gate->factor[(size_t)first * (size_t)d + i];
    }
}
