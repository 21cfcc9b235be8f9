// SPDX-License-Identifier: Apache-2.0
/** Optimisers: SGD with momentum, Adam (Kingma and Ba, arXiv:1412.6980), AdamW (Loshchilov and Hutter, arXiv:1711.05101). Local.
 *
 * One pass over memory per step: gradient, moments and weights are read and written together, the clip factor on the way.  Rows
 * of the word table that a batch did not touch keep their weights and moments as they are (lazy moments); bias correction
 * uses the global step.  Weight decay: SGD and Adam add it to the gradient, AdamW shrinks the weights; biases and scores are
 * left out.
 *
 * Averaged weights (an exponential moving average) are a second set beside the first: a = d a + (1 - d) w after every
 * step, with d = min(average, (1 + t) / (10 + t)) so that early steps do not linger.  Rows catch up when they are touched next or
 * when the average is looked at: between touches w stands still, so n steps are one: a = w + (a - w) d_1 d_2 ... d_n.
 */
#ifndef MOE_TRAIN_OPTIM_H
#define MOE_TRAIN_OPTIM_H

#include "nn/params.h"

typedef enum OptimKind { OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW } OptimKind;

typedef struct OptimConfig {
    OptimKind kind;
    double momentum;  // SGD; Adam's first decay is 0.9, its second 0.999
    double weight_decay;
    double average;  // decay of the averaged weights, 0: none
} OptimConfig;

typedef struct Optim {
    OptimConfig config;
    long t;                        // steps done
    real *m, *v;                   // [params->size] moments; v NULL for SGD
    real *rows_m, *rows_v;         // [n, dim] of the word table
    real *average, *rows_average;  // averaged weights, NULL without
    double log_decay;              // sum of log d over all steps
    double *rows_log_decay;        // [n] the same when a row was last brought up to date
} Optim;

void optim_init(Optim *optim, OptimConfig config, const Params *params);

/** One step with the gradient in slot 0 times scale. */
void optim_step(Optim *optim, Params *params, double lr, double scale);

/** Exchange the weights and their averages (twice: as before). Without averages: nothing. */
void optim_swap_average(Optim *optim, Params *params);

void optim_free(Optim *optim);

#endif
