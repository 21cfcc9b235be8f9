// SPDX-License-Identifier: Apache-2.0
#include "moe/balance.h"

#include <math.h>

/** Share of the tokens of a group whose first choice is expert e, times the tokens: a count. */
static long first_choices(const Gate *gate, const Plan *plan, int group, int e)
{
    long n = 0;
    for (int t = plan->groups.start[group]; t < plan->groups.start[group + 1]; t++) {
        n += gate->expert[(size_t)t * (size_t)plan->top_k] == e;
    }
    return n;
}

void balance_backward(real *dprob, const Gate *gate, const Plan *plan, int group, double scale)
{
    const double n = plan->groups.start[group + 1] - plan->groups.start[group];
    for (int e = 0; e < plan->n_experts; e++) {
        dprob[e] = n > 0 ? (real)(scale * plan->n_experts *
                                  (double)first_choices(gate, plan, group, e) / n / n)
                         : 0;
    }
}

/** Figures of the choices of token t. */
static void count_choices(double *stats, const Gate *gate, const Plan *plan, int t)
{
    const size_t E = (size_t)plan->n_experts, K = (size_t)plan->top_k;
    double *of_expert = stats + STAT_LOAD;
    for (size_t k = 0; k < K; k++) {
        const size_t at = (size_t)t * K + k, e = (size_t)gate->expert[at];
        const uint8_t status = plan->status[at];
        stats[STAT_KEPT + status]++;
        of_expert[(size_t)(STAT_OF_KEPT + status) * E + e]++;
        of_expert[STAT_OF_WEIGHT * E + e] += (double)gate->weight[at];
        of_expert[(STAT_OF_CHOICE + k) * E + e]++;
    }
}

void balance_stats(double *stats, const Gate *gate, const Plan *plan, int group)
{
    const int E = plan->n_experts;
    const int first = plan->groups.start[group], last = plan->groups.start[group + 1];
    const double n = last - first;
    double *importance = stats + STAT_LOAD + (size_t)STAT_OF_IMPORTANCE * (size_t)E;
    stats[STAT_TOKENS] += n;
    for (int t = first; t < last; t++) {
        const double z = (double)gate->log_sum_exp[t];
        stats[STAT_Z] += z * z;
        for (int e = 0; e < E; e++) {
            const double p = (double)gate->prob[(size_t)t * (size_t)E + (size_t)e];
            stats[STAT_ENTROPY] -= p > 0 ? p * log(p) : 0;
        }
        count_choices(stats, gate, plan, t);
    }
    for (int e = 0; e < E; e++) {
        double sum = 0;
        for (int t = first; t < last; t++) {
            sum += (double)gate->prob[(size_t)t * (size_t)E + (size_t)e];
        }
        importance[e] += sum;
        stats[STAT_BALANCE] +=
            n > 0 ? E * (double)first_choices(gate, plan, group, e) * sum / n : 0;
    }
}
