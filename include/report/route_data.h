// SPDX-License-Identifier: Apache-2.0
/** A routing log in memory: what routes.h5 holds, read while a run writes it, after its end, or after it was killed. Local.
 *
 * Letters: n rows of steps, m evaluations, T tokens of the development corpus, E experts, K choices per token, L labels (IOB2: O, then
 * B-TYPE and I-TYPE of every type, then "(other)" for gold types that the model does not have), W ranks.
 */
#ifndef MOE_REPORT_ROUTE_DATA_H
#define MOE_REPORT_ROUTE_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/text.h"

enum { ROUTE_FREQUENCIES = 6, ROUTE_CAPITALS = 6, ROUTE_SEEN = 2 };

/** Zeroed struct: empty. Arrays are row-major, shapes beside them; counts are exact. */
typedef struct RouteData {
    char path[4096], run[4096], program[64], created[40];
    int E, K, L, W;
    double capacity_factor;
    StringTable labels;  // [L] names, "O", "B-LOC", "I-LOC", ...
    StringTable words;   // distinct words as written, by number

    int n;                  // rows: each the steps since the row before
    int32_t *step, *epoch;  // [n] last step of the row (from 1); its epoch (from 1)
    int32_t *
        load;  // [n, K, E] choices of each rank (first, second, ...) that fell on an expert, before any drop
    int32_t *kept, *dropped, *skipped;  // [n, E]
    double *importance;                 // [n, E] mean gate probability per token
    double *weight;         // [n, E] mean gate weight of the choices that fell on it, 0 without any
    int32_t *tokens;        // [n]
    double *entropy;        // [n] of the gate, nats per token
    double *variation;      // [n] standard deviation of kept over experts / its mean
    double *max_violation;  // [n] (largest kept - mean) / mean, of the row
    double *max_violation_running;  // [n] the same of all rows so far
    int32_t *dead;                  // [n] experts without a row
    double *aux_loss, *z_loss, *loss, *bytes,
        *seconds;          // [n] seconds: of training since the run's start
    double *wait_seconds;  // [n, W] that a rank waited for others; NaN where it was not there

    int m;                            // evaluations; the first is of the untrained model (epoch 0)
    int32_t *eval_epoch, *eval_step;  // [m]
    double *f1;                       // [m] percent
    int32_t *by_gold, *by_predicted;  // [m, K, L, E]
    int32_t *
        by_frequency;  // [m, K, 6, E] words seen 0, 1, 2-4, 5-19, 20-99, 100 or more times in the training corpus
    int32_t *by_capitals;   // [m, K, 6, E] lower, UPPER, Initial, miXed, digits, other
    int32_t *by_seen;       // [m, K, 2, E] not in the training corpus, in it
    int32_t *first_expert;  // [m, T] first choice of every token

    int T;                                       // tokens of the development corpus
    int32_t *sentence, *position, *word, *gold;  // [T]
    int32_t *predicted;                          // [T] at the last evaluation
    int32_t *expert;                             // [T, K] at the last evaluation
    float *token_weight;                         // [T, K]
} RouteData;

/** Read DIR/routes.h5, or a file of that kind. A log that is being written is read up to its last flush. Errors (CODE_STORED): missing,
 * damaged, another version; the text names file and dataset. */
Status route_data_read(RouteData *data, const char *path) MUST_USE;

void route_data_free(RouteData *data);

#endif
