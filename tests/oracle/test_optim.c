// SPDX-License-Identifier: Apache-2.0
/* Optimisers against the formulas of their papers, one number at a time; lazy rows and averages against eager ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "math/vec.h"
#include "test_util.h"
#include "train/optim.h"
#include "train/schedule.h"

enum { STEPS = 40, WORDS = 5, DIM = 3, DENSE = 7, BIAS = 2, ALL = DENSE + BIAS + WORDS * DIM };

/** Weight i of the table as a plain list: dense, bias, then the words row by row. */
typedef struct Reference {
    double w[ALL], m[ALL], v[ALL], average[ALL];
} Reference;

typedef struct Setup {
    Params params;
    Optim optim;
    real words[WORDS * DIM];
    Reference reference;
} Setup;

static void setup_init(Setup *s, OptimConfig config)
{
    Draws draws = draws_init(77);
    memset(s, 0, sizeof *s);
    draw_array(&draws, s->words, WORDS * DIM);
    params_section(&s->params);
    params_add_rows(&s->params, "words", s->words, WORDS, DIM);
    params_add(&s->params, "dense", PARAM_DENSE, true, 1, (int[]){DENSE});
    params_add(&s->params, "bias", PARAM_DENSE, false, 1, (int[]){BIAS});
    params_allocate(&s->params, 0, 1);
    draw_array(&draws, s->params.value, DENSE + BIAS);
    optim_init(&s->optim, config, &s->params);
    for (int i = 0; i < ALL; i++) {
        s->reference.w[i] = i < DENSE + BIAS ? s->params.value[i] : s->words[i - DENSE - BIAS];
        s->reference.average[i] = s->reference.w[i];
    }
}

static void setup_free(Setup *s)
{
    optim_free(&s->optim);
    params_free(&s->params);
}

/** One weight, as the paper says. t counts from 1. */
static void update_one(Reference *r, int i, double g, OptimConfig c, double lr, int t)
{
    const double decay = i >= DENSE && i < DENSE + BIAS ? 0 : c.weight_decay;
    if (c.kind != OPTIM_ADAMW) {
        g += decay * r->w[i];
    }
    if (c.kind == OPTIM_SGD) {
        r->m[i] = c.momentum * r->m[i] + g;
        r->w[i] -= lr * r->m[i];
        return;
    }
    r->m[i] = 0.9 * r->m[i] + 0.1 * g;
    r->v[i] = 0.999 * r->v[i] + 0.001 * g * g;
    const double m = r->m[i] / (1 - pow(0.9, t)), v = r->v[i] / (1 - pow(0.999, t));
    if (c.kind == OPTIM_ADAMW) {
        r->w[i] -= lr * decay * r->w[i];
    }
    r->w[i] -= lr * m / (sqrt(v) + 1e-8);
}

/** Random gradients, a random set of touched rows a step; both ways must agree all the time. */
static void run(OptimConfig config, double clip)
{
    Setup s;
    Draws draws = draws_init(5);
    setup_init(&s, config);
    for (int t = 1; t <= STEPS; t++) {
        int row[WORDS], n_rows = 0;
        const double lr = 0.05 / t;
        for (int w = 0; w < WORDS; w++) {
            if (w > 0 && draw_below(&draws, 3) == 0) {
                row[n_rows++] = WORDS - w;  // rows in any order; row 0 is never touched
            }
        }
        params_touch_rows(&s.params, row, n_rows);
        real *grad = s.params.slot[0];
        const int n = DENSE + BIAS + n_rows * DIM;
        double squares = 0;
        draw_array(&draws, grad, (size_t)n);
        for (int i = 0; i < n; i++) {
            squares += (double)(grad[i] * grad[i]);
        }
        const double scale = clip > 0 && sqrt(squares) > clip ? clip / sqrt(squares) : 1;
        const double d = fmin(config.average, (1 + (t - 1.0)) / (10 + (t - 1.0)));
        for (int i = 0; i < n; i++) {
            const int at = i < DENSE + BIAS ? i
                                            : DENSE + BIAS + row[(i - DENSE - BIAS) / DIM] * DIM +
                                                  (i - DENSE - BIAS) % DIM;
            update_one(&s.reference, at, (double)grad[i] * scale, config, lr, t);
        }
        for (int i = 0; i < ALL; i++) {
            s.reference.average[i] = d * s.reference.average[i] + (1 - d) * s.reference.w[i];
        }
        optim_step(&s.optim, &s.params, lr, scale);
        for (int i = 0; i < ALL; i++) {
            const double w = i < DENSE + BIAS ? s.params.value[i] : s.words[i - DENSE - BIAS];
            assert_true(fabs(w - s.reference.w[i]) < 1e-12);
        }
    }
    optim_swap_average(&s.optim, &s.params);
    for (int i = 0; i < ALL; i++) {
        const double a = i < DENSE + BIAS ? s.params.value[i] : s.words[i - DENSE - BIAS];
        const double want = config.average > 0 ? s.reference.average[i] : s.reference.w[i];
        assert_true(fabs(a - want) < 1e-12);
    }
    optim_swap_average(&s.optim, &s.params);
    for (int i = 0; i < ALL; i++) {
        const double w = i < DENSE + BIAS ? s.params.value[i] : s.words[i - DENSE - BIAS];
        assert_true(fabs(w - s.reference.w[i]) < 1e-12);
    }
    setup_free(&s);
}

static void test_sgd(void **state)
{
    (void)state;
    run((OptimConfig){.kind = OPTIM_SGD}, 0);
    run((OptimConfig){.kind = OPTIM_SGD, .momentum = 0.9, .weight_decay = 0.01}, 0);
}

static void test_adam(void **state)
{
    (void)state;
    run((OptimConfig){.kind = OPTIM_ADAM}, 0);
    run((OptimConfig){.kind = OPTIM_ADAM, .weight_decay = 0.02}, 1.5);
}

static void test_adamw(void **state)
{
    (void)state;
    run((OptimConfig){.kind = OPTIM_ADAMW, .weight_decay = 0.02}, 0);
}

static void test_average(void **state)
{
    (void)state;
    run((OptimConfig){.kind = OPTIM_ADAM, .average = 0.95}, 2);
    run((OptimConfig){.kind = OPTIM_SGD, .average = 0.5}, 0);
}

static void test_schedule(void **state)
{
    (void)state;
    const Schedule schedule = {.lr = 0.2, .decay = 0.5, .warmup = 10};
    assert_true(fabs(schedule_lr(&schedule, 0, 0) - 0.02) < 1e-15);
    assert_true(fabs(schedule_lr(&schedule, 0, 9) - 0.2) < 1e-15);
    assert_true(fabs(schedule_lr(&schedule, 0, 100) - 0.2) < 1e-15);
    assert_true(fabs(schedule_lr(&schedule, 2, 100) - 0.1) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),      cmocka_unit_test(test_adam),
        cmocka_unit_test(test_adamw),    cmocka_unit_test(test_average),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
