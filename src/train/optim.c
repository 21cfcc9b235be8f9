// SPDX-License-Identifier: Apache-2.0
#include "train/optim.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "math/vec.h"

static const double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;

/** Numbers that are the same for all elements of a step. */
typedef struct Rate {
    real lr, scale, l2, shrink;  // shrink: factor on the weights (AdamW)
    real momentum;               // SGD
    real beta1, beta2, root,
        epsilon;  // Adam: root = 1 / sqrt(1 - beta2^t), lr includes 1 / (1 - beta1^t)
} Rate;

static const Param *rows_of(const Params *params)
{
    return params->n == 0 || params->rows < 0 ? NULL : &params->param[params->rows];
}

void optim_init(Optim *optim, OptimConfig config, const Params *params)
{
    const Param *rows = rows_of(params);
    memset(optim, 0, sizeof *optim);
    optim->config = config;
    optim->m = MEM_ARRAY(real, params->size);
    optim->v = config.kind == OPTIM_SGD ? NULL : MEM_ARRAY(real, params->size);
    if (config.average > 0) {
        optim->average = MEM_ARRAY(real, params->size);
        vec_copy(optim->average, params->value, params->size);
    }
    if (rows != NULL) {
        optim->rows_m = MEM_ARRAY(real, rows->size);
        optim->rows_v = config.kind == OPTIM_SGD ? NULL : MEM_ARRAY(real, rows->size);
        if (config.average > 0) {
            optim->rows_average = MEM_ARRAY(real, rows->size);
            optim->rows_log_decay = MEM_ARRAY(double, rows->shape[0]);
            vec_copy(optim->rows_average, rows->value, rows->size);
        }
    }
}

static void sgd(real *restrict w, real *restrict m, const real *restrict grad, size_t n, Rate r)
{
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * r.scale + r.l2 * w[i];
        m[i] = r.momentum * m[i] + g;
        w[i] -= r.lr * m[i];
    }
}

static void adam(real *restrict w, real *restrict m, real *restrict v, const real *restrict grad,
                 size_t n, Rate r)
{
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * r.scale + r.l2 * w[i];
        m[i] = r.beta1 * m[i] + (1 - r.beta1) * g;
        v[i] = r.beta2 * v[i] + (1 - r.beta2) * g * g;
        w[i] = r.shrink * w[i] - r.lr * m[i] / (REAL_SQRT(v[i]) * r.root + r.epsilon);
    }
}

static Rate rate_of(const Optim *optim, double lr, double scale, bool decay)
{
    const OptimConfig *c = &optim->config;
    const double wd = decay ? c->weight_decay : 0;
    Rate r = {.lr = (real)lr, .scale = (real)scale, .shrink = 1, .momentum = (real)c->momentum};
    if (c->kind == OPTIM_ADAMW) {
        r.shrink = (real)(1 - lr * wd);
    } else {
        r.l2 = (real)wd;
    }
    if (c->kind != OPTIM_SGD) {
        r.lr = (real)(lr / (1 - pow(adam_beta1, (double)optim->t)));
        r.root = (real)(1 / sqrt(1 - pow(adam_beta2, (double)optim->t)));
        r.beta1 = (real)adam_beta1;
        r.beta2 = (real)adam_beta2;
        r.epsilon = (real)adam_epsilon;
    }
    return r;
}

static void update(const Optim *optim, real *w, real *m, real *v, const real *grad, size_t n,
                   Rate r)
{
    if (optim->config.kind == OPTIM_SGD) {
        sgd(w, m, grad, n, r);
    } else {
        adam(w, m, v, grad, n, r);
    }
}

/** a += (1 - d) (w - a) */
static void move_average(real *restrict a, const real *restrict w, size_t n, double d)
{
    const real step = (real)(1 - d);
    for (size_t i = 0; i < n; i++) {
        a[i] += step * (w[i] - a[i]);
    }
}

/** Bring the average of a row up to now, its weights having stood still since it was last done. */
static void catch_up(Optim *optim, const Param *rows, int row)
{
    const size_t dim = (size_t)rows->shape[1], at = (size_t)row * dim;
    const double behind = optim->log_decay - optim->rows_log_decay[row];
    if (behind < 0) {
        move_average(optim->rows_average + at, rows->value + at, dim, exp(behind));
        optim->rows_log_decay[row] = optim->log_decay;
    }
}

void optim_step(Optim *optim, Params *params, double lr, double scale)
{
    const Param *rows = rows_of(params);
    const real *grad = params->slot[0];
    const double t = (double)optim->t, warm = (1 + t) / (10 + t);
    const double d = warm < optim->config.average ? warm : optim->config.average;
    optim->t++;
    for (int i = 0; i < params->n; i++) {
        const Param *p = &params->param[i];
        if (p->kind != PARAM_ROWS) {
            update(optim, p->value, optim->m + p->offset,
                   optim->v == NULL ? NULL : optim->v + p->offset, grad + p->offset, p->size,
                   rate_of(optim, lr, scale, p->decay));
        }
    }
    const Rate rows_rate = rate_of(optim, lr, scale, true);
    for (int i = 0; rows != NULL && i < params->n_rows; i++) {
        const size_t dim = (size_t)rows->shape[1], at = (size_t)params->row[i] * dim;
        if (optim->rows_average != NULL) {
            catch_up(optim, rows, params->row[i]);
        }
        update(optim, rows->value + at, optim->rows_m + at,
               optim->rows_v == NULL ? NULL : optim->rows_v + at,
               grad + params->size + (size_t)i * dim, dim, rows_rate);
    }
    if (optim->average != NULL) {
        move_average(optim->average, params->value, params->size, d);
        optim->log_decay += log(d);
        for (int i = 0; rows != NULL && i < params->n_rows; i++) {
            catch_up(optim, rows, params->row[i]);
        }
    }
}

static void swap(real *restrict a, real *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static void catch_up_all(Optim *optim, const Param *rows)
{
    for (int row = 0; row < rows->shape[0]; row++) {
        catch_up(optim, rows, row);
    }
}

void optim_swap_average(Optim *optim, Params *params)
{
    const Param *rows = rows_of(params);
    if (optim->average == NULL) {
        return;
    }
    swap(params->value, optim->average, params->size);
    if (rows != NULL) {
        catch_up_all(optim, rows);
        swap(rows->value, optim->rows_average, rows->size);
    }
}

void optim_free(Optim *optim)
{
    mem_free(optim->m);
    mem_free(optim->v);
    mem_free(optim->rows_m);
    mem_free(optim->rows_v);
    mem_free(optim->average);
    mem_free(optim->rows_average);
    mem_free(optim->rows_log_decay);
    memset(optim, 0, sizeof *optim);
}
