// SPDX-License-Identifier: Apache-2.0
#include "app/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/tree.h"
#include "data/feature.h"
#include "math/vec.h"
#include "model/tagger.h"
#include "nn/dropout.h"
#include "nn/embed.h"
#include "nn/linear.h"
#include "nn/lstm.h"

enum { MAX_VARIABLES = 48, MAX_LENGTHS = 6, MAX_TRIES = 64 };

static const double STEP = 1e-3, MARGIN = 1e-3;

/** What is perturbed, and its analytic gradient. */
typedef struct Variable {
    real *x;
    real *grad;
    size_t n;
} Variable;

/** A random problem; option: digits of the variant, as the case's build function reads them. */
typedef struct Problem {
    Arena keep, step;  // for the life of the problem, and of one evaluation
    Rng rng;
    RngPlace drawn;
    Variable variable[MAX_VARIABLES];
    int n_variables;
    real *coef;        // of the output in the loss
    uint64_t choices;  // of the last evaluation, hashed
    double margin;     // distance of its closest choice from a tie
    int top_k, variant;
    Packed packed;
    RngPlace *place;
    TokenGroups groups;
    GateConfig gate;
    Params params;  // moe and tagger
    Moe moe;
    Tagger tagger;
    Batch batch;
} Problem;

typedef struct Case {
    const char *name;
    void (*build)(Problem *p);
    double (*pass)(Problem *p, bool backward);  // the loss; with backward also all gradients
    int n_variants;
    int top_k;
} Case;

/* ---- random problems ---- */

static double draw(Problem *p)
{
    return 2 * rng_uniform(&p->rng, p->drawn, p->drawn.position++) - 1;
}

static real *draw_array(Problem *p, size_t n)
{
    real *x = ARENA_ARRAY(&p->keep, real, n);
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)draw(p);
    }
    return x;
}

static void fill_nan(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)NAN;
    }
}

static void watch(Problem *p, real *x, real *grad, size_t n)
{
    p->variable[p->n_variables++] = (Variable){x, grad, n};
}

/** A new random tensor to be perturbed; its number is the order of the calls. */
static void add_variable(Problem *p, size_t n)
{
    real *grad = ARENA_ARRAY(&p->keep, real, n);
    fill_nan(grad, n);
    watch(p, draw_array(p, n), grad, n);
}

/** The next digit of the variant. */
static int option(Problem *p, int n)
{
    const int digit = p->variant % n;
    p->variant /= n;
    return digit;
}

static const int LENGTHS[][MAX_LENGTHS] = {{5, 3, 3, 1}, {1}, {2, 2}, {1, 1, 1}};
enum { N_LENGTHS = sizeof LENGTHS / sizeof LENGTHS[0] };

/** Sentences of these lengths, longest first, 0 ends the list. */
static Packed pack(Problem *p, const int *length)
{
    Packed packed = {.n_steps = length[0]};
    int *start = ARENA_ZEROED(&p->keep, int, length[0] + 1);
    while (packed.n_sent < MAX_LENGTHS && length[packed.n_sent] > 0) {
        packed.n_sent++;
    }
    for (int t = 0; t < packed.n_steps; t++) {
        for (int s = 0; s < packed.n_sent; s++) {
            packed.n_tok += length[s] > t;
        }
        start[t + 1] = packed.n_tok;
    }
    packed.start = start;
    return packed;
}

static void note_choices(Problem *p, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p->choices = (p->choices ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;  // FNV-1a
    }
}

static void note_signs(Problem *p, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        note_choices(p, &(unsigned char){x[i] > 0}, 1);
    }
}

static void note_margin(Problem *p, double distance)
{
    p->margin = distance < p->margin ? distance : p->margin;
}

static double weigh(const real *coef, const real *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)coef[i] * (double)y[i];
    }
    return sum;
}

/* ---- linear ---- */

enum { LINEAR_N = 5, LINEAR_IN = 4, LINEAR_OUT = 3 };

static void linear_build(Problem *p)
{
    add_variable(p, LINEAR_N * LINEAR_IN);
    add_variable(p, LINEAR_IN * LINEAR_OUT);
    add_variable(p, LINEAR_OUT);
    p->coef = draw_array(p, LINEAR_N * LINEAR_OUT);
}

static double linear_pass(Problem *p, bool backward)
{
    const Variable *x = &p->variable[0], *w = &p->variable[1], *b = &p->variable[2];
    real *y = ARENA_ARRAY(&p->step, real, LINEAR_N * LINEAR_OUT);
    linear_forward(y, x->x, w->x, b->x, LINEAR_N, LINEAR_IN, LINEAR_OUT);
    if (backward) {
        linear_backward(x->grad, w->grad, b->grad, p->coef, x->x, w->x, LINEAR_N, LINEAR_IN,
                        LINEAR_OUT);
    }
    return weigh(p->coef, y, LINEAR_N * LINEAR_OUT);
}

/* ---- embed: two tables beside each other, rows used often and never ---- */

enum { EMBED_N = 6, EMBED_LD = 7, EMBED_ROWS = 5, EMBED_D = 3 };

static void embed_build(Problem *p)
{
    add_variable(p, EMBED_ROWS * EMBED_D);
    add_variable(p, EMBED_ROWS * EMBED_D);
    p->coef = draw_array(p, EMBED_N * EMBED_LD);
}

static double embed_pass(Problem *p, bool backward)
{
    static const int INDEX[2][EMBED_N] = {{3, 0, 3, 1, 3, 0}, {4, 4, 4, 2, 1, 0}};
    real *y = ARENA_ZEROED(&p->step, real, EMBED_N * EMBED_LD);
    for (int i = 0; i < 2; i++) {
        const Variable *table = &p->variable[i];
        embed_forward(y, EMBED_LD, 4 * i, table->x, INDEX[i], EMBED_N, EMBED_D);
        if (backward) {
            embed_backward(table->grad, EMBED_ROWS, p->coef, EMBED_LD, 4 * i, INDEX[i], EMBED_N,
                           EMBED_D);
        }
    }
    return weigh(p->coef, y, EMBED_N * EMBED_LD);
}

/* ---- charconv: words of 1, 2, 3 and 7 characters; few filters, and more than a block ---- */

static const int CHAR_START[] = {0, 1, 3, 6, 13};
static const uint16_t CHARS[] = {2, 0, 1, 3, 3, 3, 1, 4, 1, 2, 0, 4, 2};

static CharWords char_words(void)
{
    return (CharWords){sizeof CHAR_START / sizeof CHAR_START[0] - 1, CHAR_START, CHARS};
}

static CharconvSizes char_sizes(const Problem *p)
{
    return (CharconvSizes){6, 2, p->variant == 0 ? 5 : 259};
}

static void charconv_build(Problem *p)
{
    const CharconvSizes sizes = char_sizes(p);
    const size_t d = (size_t)sizes.d_char, f = (size_t)sizes.n_filters;
    add_variable(p, (size_t)sizes.n_chars * d);
    add_variable(p, CHARCONV_WIDTH * d * f);
    add_variable(p, f);
    p->coef = draw_array(p, (size_t)char_words().n * f);
}

static double charconv_pass(Problem *p, bool backward)
{
    const CharconvSizes sizes = char_sizes(p);
    const Variable *v = p->variable;
    const CharconvWeights weights = {v[0].x, v[1].x, v[2].x};
    const size_t cells = (size_t)char_words().n * (size_t)sizes.n_filters;
    real *part = ARENA_ARRAY(&p->step, real, CHARCONV_WIDTH * sizes.n_chars * sizes.n_filters);
    real *y = ARENA_ARRAY(&p->step, real, cells);
    int *best = ARENA_ARRAY(&p->step, int, cells);
    charconv_table(part, weights, sizes);
    charconv_forward(y, best, part, weights, char_words(), sizes);
    note_choices(p, best, cells * sizeof *best);
    if (backward) {
        charconv_backward((CharconvGrads){v[0].grad, v[1].grad, v[2].grad}, p->coef, best, weights,
                          char_words(), sizes, &p->step);
    }
    return weigh(p->coef, y, cells);
}

/* ---- dropout, wider than one block of random bits ---- */

enum { DROPOUT_N = 3, DROPOUT_D = 530 };

static void dropout_build(Problem *p)
{
    add_variable(p, DROPOUT_N * DROPOUT_D);
    p->coef = draw_array(p, DROPOUT_N * DROPOUT_D);
}

static double dropout_pass(Problem *p, bool backward)
{
    static const RngPlace PLACE[DROPOUT_N] = {{7, 3, 0}, {7, 3, 1}, {7, 9, 0}};
    const size_t n = DROPOUT_N * DROPOUT_D;
    const double probability = p->variant == 0 ? 0 : 0.3;
    const Rng rng = rng_init(5, RNG_DROPOUT_INPUT);
    const Variable *x = &p->variable[0];
    real *y = ARENA_ARRAY(&p->step, real, n);
    uint8_t *keep = ARENA_ARRAY(&p->step, uint8_t, n);
    vec_copy(y, x->x, n);
    dropout_forward(y, keep, probability, &rng, PLACE, 1, DROPOUT_N, DROPOUT_D);
    note_choices(p, keep, n);
    if (backward) {
        vec_copy(x->grad, p->coef, n);
        dropout_backward(x->grad, keep, probability, DROPOUT_N, DROPOUT_D);
    }
    return weigh(p->coef, y, n);
}

/* ---- lstm: one direction in columns of wider matrices ---- */

enum { LSTM_H = 3, LSTM_LD = 4 * LSTM_H + 3, LSTM_LD_H = LSTM_H + 2 };

static void lstm_build(Problem *p)
{
    p->top_k = option(p, 2);  // 1: reverse
    p->packed = pack(p, LENGTHS[p->variant]);
    add_variable(p, (size_t)p->packed.n_tok * LSTM_LD);
    add_variable(p, LSTM_H * 4 * LSTM_H);
    p->coef = draw_array(p, (size_t)p->packed.n_tok * LSTM_LD_H);
}

static double lstm_pass(Problem *p, bool backward)
{
    const Variable *x = &p->variable[0], *w = &p->variable[1];
    const size_t n = (size_t)p->packed.n_tok;
    const bool reverse = p->top_k == 1;
    real *gates = ARENA_ARRAY(&p->step, real, n * LSTM_LD);
    real *h = ARENA_ZEROED(&p->step, real, n * LSTM_LD_H);
    LstmState state = {gates + 2,
                       LSTM_LD,
                       ARENA_ARRAY(&p->step, real, n * LSTM_H),
                       ARENA_ARRAY(&p->step, real, n * LSTM_H),
                       h + 1,
                       LSTM_LD_H};
    vec_copy(gates, x->x, n * LSTM_LD);
    lstm_forward(&state, w->x, &p->packed, reverse, LSTM_H);
    double loss = weigh(p->coef, h, n * LSTM_LD_H);
    if (backward) {
        real *dh = ARENA_ARRAY(&p->step, real, n * LSTM_LD_H);
        vec_copy(dh, p->coef, n * LSTM_LD_H);
        lstm_backward(dh + 1, w->grad, &state, w->x, &p->packed, reverse, LSTM_H, &p->step);
        vec_zero(x->grad, x->n);
        for (size_t i = 0; i < n; i++) {
            vec_copy(x->grad + i * LSTM_LD + 2, state.gates + i * LSTM_LD, 4 * LSTM_H);
        }
    }
    return loss;
}

/* ---- bilstm, one layer and two ---- */

enum { BILSTM_IN = 3, BILSTM_H = 2, BILSTM_LAYERS = 2 };

static int bilstm_input(int layer)
{
    return layer == 0 ? BILSTM_IN : 2 * BILSTM_H;
}

static void bilstm_build(Problem *p)
{
    p->packed = pack(p, LENGTHS[option(p, N_LENGTHS)]);
    add_variable(p, (size_t)p->packed.n_tok * BILSTM_IN);
    for (int l = 0; l <= p->variant; l++) {
        add_variable(p, (size_t)bilstm_input(l) * 8 * BILSTM_H);
        add_variable(p, 8 * BILSTM_H * BILSTM_H);
        add_variable(p, 8 * BILSTM_H);
    }
    p->coef = draw_array(p, (size_t)p->packed.n_tok * 2 * BILSTM_H);
}

static double bilstm_pass(Problem *p, bool backward)
{
    const Variable *x = &p->variable[0];
    const size_t cells = (size_t)p->packed.n_tok * 2 * BILSTM_H;
    const int n_layers = p->variant + 1;
    BilstmState state[BILSTM_LAYERS];
    for (int l = 0; l < n_layers; l++) {
        const Variable *v = &p->variable[1 + 3 * l];
        bilstm_forward(&state[l], l == 0 ? x->x : state[l - 1].h,
                       (BilstmWeights){v[0].x, v[1].x, v[2].x}, &p->packed, bilstm_input(l),
                       BILSTM_H, &p->step);
    }
    double loss = weigh(p->coef, state[n_layers - 1].h, cells);
    if (backward) {
        real *dh = ARENA_ARRAY(&p->step, real, cells), *below = ARENA_ARRAY(&p->step, real, cells);
        vec_copy(dh, p->coef, cells);
        for (int l = n_layers - 1; l >= 0; l--, dh = below) {
            const Variable *v = &p->variable[1 + 3 * l];
            bilstm_backward(l == 0 ? x->grad : below,
                            (BilstmGrads){v[0].grad, v[1].grad, v[2].grad}, dh, &state[l],
                            (BilstmWeights){v[0].x, v[1].x, v[2].x}, &p->packed, bilstm_input(l),
                            BILSTM_H, &p->step);
        }
    }
    return loss;
}

/* ---- crf: with a gold path, and logZ alone ---- */

enum { CRF_L = 5 };

static void crf_build(Problem *p)
{
    p->packed = pack(p, LENGTHS[option(p, N_LENGTHS)]);
    add_variable(p, (size_t)p->packed.n_tok * CRF_L);
    add_variable(p, CRF_L);
    add_variable(p, CRF_L);
    add_variable(p, CRF_L * CRF_L);
}

static double crf_pass(Problem *p, bool backward)
{
    const double scale = 0.4;
    const Variable *v = p->variable;
    const CrfWeights weights = {v[1].x, v[2].x, v[3].x};
    int *label = ARENA_ARRAY(&p->step, int, p->packed.n_tok);
    for (int i = 0; i < p->packed.n_tok; i++) {
        label[i] = (3 * i + 1) % CRF_L;
    }
    Crf crf;
    double loss = crf_forward(&crf, v[0].x, p->variant == 0 ? label : NULL, &p->packed, weights,
                              CRF_L, &p->step);
    if (backward) {
        CrfGrads grads = {v[1].grad, v[2].grad, v[3].grad};
        crf_backward(v[0].grad, &grads, &crf, scale, &p->step);
    }
    return scale * loss;
}

/* ---- expert: a block of rows, and none ---- */

enum { EXPERT_D = 4, EXPERT_F = 6 };

static void expert_build(Problem *p)
{
    const size_t n = p->variant == 0 ? 5 : 0;
    add_variable(p, n * EXPERT_D);
    add_variable(p, EXPERT_D * EXPERT_F);
    add_variable(p, EXPERT_F);
    add_variable(p, EXPERT_D * EXPERT_F);
    add_variable(p, EXPERT_D);
    p->coef = draw_array(p, n * EXPERT_D);
}

static double expert_pass(Problem *p, bool backward)
{
    const Variable *v = p->variable;
    const ExpertWeights weights = {v[1].x, v[2].x, v[3].x, v[4].x};
    const size_t n = v[0].n / EXPERT_D;
    real *out = ARENA_ARRAY(&p->step, real, n * EXPERT_D);
    real *hidden = ARENA_ARRAY(&p->step, real, n * EXPERT_F);
    expert_forward(out, hidden, v[0].x, weights, (int)n, EXPERT_D, EXPERT_F);
    note_signs(p, hidden, n * EXPERT_F);
    if (backward) {
        expert_backward(v[0].grad, (ExpertGrads){v[1].grad, v[2].grad, v[3].grad, v[4].grad},
                        p->coef, v[0].x, hidden, weights, (int)n, EXPERT_D, EXPERT_F, &p->step);
    }
    return weigh(p->coef, out, n * EXPERT_D);
}

/* ---- gate ---- */

enum { MOE_N = 12, MOE_D = 4, MOE_E = 5, MOE_F = 4 };

/** One group, and three with an empty one between. */
static const int ONE_GROUP[] = {0, MOE_N}, THREE_GROUPS[] = {0, 7, 7, MOE_N};

static void routing_build(Problem *p)
{
    p->groups =
        option(p, 2) == 0 ? (TokenGroups){1, ONE_GROUP, 0} : (TokenGroups){3, THREE_GROUPS, 0};
    p->place = ARENA_ARRAY(&p->keep, RngPlace, MOE_N);
    for (uint32_t t = 0; t < MOE_N; t++) {
        p->place[t] = (RngPlace){p->drawn.step, t / 3, t % 3};
    }
    p->gate = (GateConfig){.d = MOE_D, .n_experts = MOE_E, .top_k = p->top_k, .seed = 11};
}

/** Choices of a plan, and how far they are from others. */
static void note_routing(Problem *p, const Gate *gate, const Plan *plan, const GateConfig *config,
                         const RngPlace *place)
{
    const int E = plan->n_experts, K = plan->top_k;
    const size_t choices = (size_t)gate->n * (size_t)K;
    const Rng coin = rng_init(config->seed, RNG_SECOND_EXPERT);
    note_choices(p, gate->expert, choices * sizeof *gate->expert);
    note_choices(p, plan->status, choices);
    note_choices(p, plan->slot, choices * sizeof *plan->slot);
    for (int t = 0; t < gate->n; t++) {
        const real *prob = gate->prob + (size_t)t * (size_t)E;
        const int *expert = gate->expert + (size_t)t * (size_t)K;
        uint64_t taken = 0;
        for (int k = 0; k < K; k++) {
            taken |= (uint64_t)1 << expert[k];
            for (int e = 0; e < E; e++) {
                note_margin(p, taken >> e & 1 ? 1 : (double)(prob[expert[k]] - prob[e]));
            }
            if (k > 0 && config->second != SECOND_ALL) {
                const double weight = (double)gate->weight[(size_t)t * (size_t)K + (size_t)k];
                note_margin(p, fabs(weight * K - rng_uniform(&coin, place[t], (uint32_t)k)));
            }
        }
    }
}

static const double BALANCE_LOSS = 0.7, Z_LOSS = 0.3, JITTER = 0.1;

static void gate_build(Problem *p)
{
    routing_build(p);
    p->gate.jitter = option(p, 2) * JITTER;
    add_variable(p, MOE_N * MOE_D);
    add_variable(p, MOE_D * MOE_E);
    p->coef = draw_array(p, MOE_N * (size_t)(MOE_D + p->top_k));
}

/** The weights, weighed, + balance and z where the variant says so; dx starts from a gradient that was there before. */
static double gate_pass(Problem *p, bool backward)
{
    const double balance = p->variant % 2 * BALANCE_LOSS, z = p->variant / 2 * Z_LOSS;
    const Variable *x = &p->variable[0], *w = &p->variable[1];
    const real *dweight = p->coef + MOE_N * MOE_D;
    const int *start = p->groups.start;
    Gate gate;
    Plan plan;
    gate_init(&gate, x->x, MOE_N, &p->gate, &p->step);
    for (int g = 0; g < p->groups.n_groups; g++) {
        gate_forward(&gate, w->x, start[g], start[g + 1], p->place, true, &p->gate, &p->step);
    }
    plan_build(&plan, &gate, p->groups, (Capacity){0, 0}, &p->gate, &p->step);
    note_routing(p, &gate, &plan, &p->gate, p->place);
    double loss = weigh(p->coef, x->x, x->n);
    loss += weigh(dweight, gate.weight, MOE_N * (size_t)p->top_k);
    if (backward) {
        vec_copy(x->grad, p->coef, x->n);
        vec_zero(w->grad, w->n);
    }
    for (int g = 0; g < p->groups.n_groups; g++) {
        const double tokens = start[g + 1] - start[g];
        double stats[STAT_WIDTH(MOE_E, MOE_E)] = {0};
        balance_stats(stats, &gate, &plan, g);
        loss += z * stats[STAT_Z] + (tokens > 0 ? balance * stats[STAT_BALANCE] / tokens : 0);
        if (backward) {
            real dprob[MOE_E], dw[MOE_D * MOE_E];
            fill_nan(dw, w->n);
            balance_backward(dprob, &gate, &plan, g, balance);
            gate_backward(x->grad, dw, &gate, w->x, dweight, dprob, (real)z, start[g], start[g + 1],
                          &p->gate, &p->step);
            vec_add(w->grad, dw, w->n);
        }
    }
    return loss;
}

/* ---- tensors in a table ---- */

/** All tensors of the table but the rows, and their gradients as they will stand in slot 0. */
/** Signs of relu in all experts. */
static void note_hidden(Problem *p, const Moe *moe)
{
    for (int i = 0; i < moe->n_rounds; i++) {
        note_signs(p, moe->round[i].hidden,
                   (size_t)moe->round[i].n_rows * (size_t)moe->config.hidden);
    }
}

static void watch_params(Problem *p, Params *params)
{
    for (int i = 0; i < params->n; i++) {
        Param *param = &params->param[i];
        for (size_t j = 0; j < param->size && param->kind != PARAM_ROWS; j++) {
            param->value[j] = (real)(0.8 * draw(p));
        }
        if (param->kind != PARAM_ROWS) {
            watch(p, param->value, params_grad(params, i), param->size);
        }
    }
}

static void forget_slots(Params *params)
{
    for (int i = 0; i < params->n_slots; i++) {
        fill_nan(params->slot[i], params_grad_size(params));
    }
}

/** What the tree leaves in the slots of one rank, added up into slot 0 (comm/reduce.h for a single rank). */
static void merge_slots(Params *params)
{
    TreeNode node[TREE_MAX_NODES];
    for (int i = tree_nodes(params->first_group, params->last_group, node) - 1; i > 0; i--) {
        vec_add(params->slot[i - 1], params->slot[i], params_grad_size(params));
    }
}

/* ---- moe: policies, capacities, groups ---- */

enum { MOE_BATCH = MOE_N + 5 };  // more tokens are on other ranks

static void moe_build(Problem *p)
{
    static const double FACTOR[] = {0, 0.5, 1.25};
    routing_build(p);
    MoeConfig config = {.gate = p->gate,
                        .hidden = MOE_F,
                        .capacity = {FACTOR[option(p, 3)], 1},
                        .balance_loss = BALANCE_LOSS,
                        .z_loss = Z_LOSS};
    config.gate.second = (SecondExpert)option(p, 3);
    config.gate.jitter = p->groups.n_groups > 1 ? JITTER : 0;
    moe_init(&p->moe, &p->params, &p->params, NULL, "moe", config);
    const int first_group = p->groups.n_groups > 1 ? 1 : 0;
    params_allocate(&p->params, first_group, first_group + p->groups.n_groups);
    add_variable(p, MOE_N * MOE_D);
    watch_params(p, &p->params);
    p->coef = draw_array(p, MOE_N * MOE_D);
}

/** Auxiliary losses of a group from its figures. */
static double auxiliary(const double *stats, double n_batch)
{
    return (BALANCE_LOSS * stats[STAT_BALANCE] + Z_LOSS * stats[STAT_Z]) / n_batch;
}

static double moe_pass(Problem *p, bool backward)
{
    const Variable *x = &p->variable[0];
    Moe *moe = &p->moe;
    real *y = ARENA_ARRAY(&p->step, real, x->n);
    moe_forward(moe, y, x->x, p->place, p->groups, true, &p->step);
    note_routing(p, &moe->gate, &moe->plan, &moe->config.gate, p->place);
    note_hidden(p, moe);
    double loss = weigh(p->coef, y, x->n);
    for (int g = 0; g < p->groups.n_groups; g++) {
        double stats[STAT_WIDTH(MOE_E, MOE_E)] = {0};
        balance_stats(stats, &moe->gate, &moe->plan, g);
        loss += auxiliary(stats, MOE_BATCH);
    }
    if (backward) {
        forget_slots(&p->params);
        moe_backward(moe, x->grad, p->coef, MOE_BATCH, p->groups.n_groups, &p->step);
        merge_slots(&p->params);
    }
    return loss;
}

/* ---- the whole tagger on three groups, one of them empty ---- */

enum {
    TAGGER_WORDS = 7,
    TAGGER_ROWS = 5,
    TAGGER_D_WORD = 3,
    TAGGER_CHARS = 6,
    TAGGER_GROUPS = 3,
    TAGGER_MAX_TOK = 24
};

static const int TAGGER_LENGTHS[TAGGER_GROUPS][MAX_LENGTHS] = {{4, 2, 1}, {0}, {3, 3}};
static const int TAGGER_ROW[TAGGER_ROWS] = {6, 2, 0, 5, 3};

/** The batch that data/batch would build, from fixed sentences. */
static void batch_of(Problem *p)
{
    Batch *b = &p->batch;
    *b = (Batch){.step = 3, .n_sent = 9, .n_tok = 31, .n_groups = 8, .first_group = 2};
    b->n_local = TAGGER_GROUPS;
    b->group = ARENA_ZEROED(&p->keep, Group, TAGGER_GROUPS);
    b->group_start = ARENA_ZEROED(&p->keep, int, TAGGER_GROUPS + 1);
    for (int g = 0; g < TAGGER_GROUPS; g++) {
        const Packed packed = pack(p, TAGGER_LENGTHS[g]);
        b->group[g] = (Group){.packed = packed, .first = b->group_start[g]};
        b->group[g].n_spellings = packed.n_tok > 0 ? char_words().n : 0;
        b->group[g].char_start = CHAR_START;
        b->group[g].chars = CHARS;
        b->group_start[g + 1] = b->group_start[g] + packed.n_tok;
    }
    int *numbers = ARENA_ARRAY(&p->keep, int, 5 * TAGGER_MAX_TOK + TAGGER_ROWS);
    b->word = numbers;
    b->slot = b->word + TAGGER_MAX_TOK;
    b->spelling = b->slot + TAGGER_MAX_TOK;
    b->cap = b->spelling + TAGGER_MAX_TOK;
    b->label = b->cap + TAGGER_MAX_TOK;
    b->row = b->label + TAGGER_MAX_TOK;
    b->n_rows = TAGGER_ROWS;
    memcpy(b->row, TAGGER_ROW, sizeof TAGGER_ROW);
    b->place = ARENA_ARRAY(&p->keep, RngPlace, TAGGER_MAX_TOK);
    for (int i = 0; i < b->group_start[TAGGER_GROUPS]; i++) {
        b->slot[i] = (2 * i + 1) % TAGGER_ROWS;
        b->word[i] = TAGGER_ROW[b->slot[i]];
        b->spelling[i] = (i * i + 2) % char_words().n;
        b->cap[i] = i % CAP_CLASSES;
        b->label[i] = i * 3 % CRF_L;
        b->place[i] = (RngPlace){p->drawn.step, (uint32_t)i / 3, (uint32_t)i % 3};
    }
}

/** Variants: none, dense, mixture; one layer, two. */
static void tagger_build(Problem *p)
{
    TaggerConfig config = {.n_words = TAGGER_WORDS,
                           .d_word = TAGGER_D_WORD,
                           .n_chars = TAGGER_CHARS,
                           .d_char = 2,
                           .n_filters = 3,
                           .d_cap = 2,
                           .hidden = 2,
                           .dropout = 0.25,
                           .n_experts = 3,
                           .top_k = 2,
                           .expert_hidden = 3,
                           .second = SECOND_CONSERVE,
                           .capacity = {1, 1},
                           .balance_loss = BALANCE_LOSS,
                           .z_loss = Z_LOSS,
                           .jitter = JITTER,
                           .n_labels = CRF_L,
                           .seed = 11};
    real *rows = draw_array(p, TAGGER_WORDS * TAGGER_D_WORD);
    config.ffn = (FfnKind)option(p, 3);
    config.n_layers = 1 + option(p, 2);
    batch_of(p);
    tagger_init(&p->tagger, config, rows, NULL, NULL,
                tagger_groups(p->batch.first_group, p->batch.first_group + TAGGER_GROUPS));
    Params *params = &p->tagger.params;
    params_touch_rows(params, p->batch.row, p->batch.n_rows);
    watch_params(p, params);
    watch_params(p, &p->tagger.experts);
    real *drows = params_grad(params, p->tagger.words);
    for (int i = 0; i < TAGGER_ROWS; i++) {
        watch(p, rows + (size_t)TAGGER_ROW[i] * TAGGER_D_WORD, drows + (size_t)i * TAGGER_D_WORD,
              TAGGER_D_WORD);
    }
}

static void note_tagger(Problem *p)
{
    const Tagger *tagger = &p->tagger;
    const TaggerConfig *c = &tagger->config;
    for (int g = 0; g < TAGGER_GROUPS; g++) {
        const size_t cells = (size_t)p->batch.group[g].n_spellings * (size_t)c->n_filters;
        note_choices(p, tagger->group[g].best, cells * sizeof *tagger->group[g].best);
    }
    if (c->ffn == FFN_MOE) {
        const Moe *moe = &tagger->moe;
        note_routing(p, &moe->gate, &moe->plan, &moe->config.gate, p->batch.place);
        note_hidden(p, moe);
    } else if (c->ffn == FFN_DENSE) {
        const size_t n = (size_t)p->batch.group_start[TAGGER_GROUPS];
        note_signs(p, tagger->dense_hidden, n * (size_t)tagger_dense_hidden(c));
    }
}

static double tagger_pass(Problem *p, bool backward)
{
    Tagger *tagger = &p->tagger;
    const int n_stats = tagger_task(tagger).n_stats;
    double *stats = ARENA_ZEROED(&p->step, double, TAGGER_GROUPS *n_stats), loss = 0;
    tagger_forward(tagger, &p->batch, stats, true, &p->step);
    note_tagger(p);
    for (int g = 0; g < TAGGER_GROUPS; g++, stats += n_stats) {
        loss += stats[TASK_LOSS] / p->batch.n_sent;
        loss += auxiliary(stats + TASK_MOE, (double)p->batch.n_tok);
    }
    if (backward) {
        forget_slots(&tagger->params);
        forget_slots(&tagger->experts);
        tagger_backward(tagger, &p->batch, &p->step);
        merge_slots(&tagger->params);
        merge_slots(&tagger->experts);
    }
    return loss;
}

/* ---- all cases ---- */

static const Case CASES[] = {
    {"linear", linear_build, linear_pass, 1, 0},
    {"embed", embed_build, embed_pass, 1, 0},
    {"charconv", charconv_build, charconv_pass, 2, 0},
    {"dropout", dropout_build, dropout_pass, 2, 0},
    {"lstm, both directions", lstm_build, lstm_pass, 2 * N_LENGTHS, 0},
    {"bilstm, 1 and 2 layers", bilstm_build, bilstm_pass, 2 * N_LENGTHS, 0},
    {"crf", crf_build, crf_pass, 2 * N_LENGTHS, 0},
    {"expert", expert_build, expert_pass, 2, 0},
    {"gate K=1", gate_build, gate_pass, 16, 1},
    {"gate K=2", gate_build, gate_pass, 16, 2},
    {"gate K=3", gate_build, gate_pass, 16, 3},
    {"moe K=1", moe_build, moe_pass, 18, 1},
    {"moe K=2", moe_build, moe_pass, 18, 2},
    {"moe K=3", moe_build, moe_pass, 18, 3},
    {"tagger", tagger_build, tagger_pass, 6, 0},
};

int gradcheck_count(void)
{
    return sizeof CASES / sizeof CASES[0];
}

const char *gradcheck_name(int i)
{
    return CASES[i].name;
}

static void problem_free(Problem *p)
{
    arena_free(&p->keep);
    arena_free(&p->step);
    params_free(&p->params);
    tagger_free(&p->tagger);
}

static double evaluate(Problem *p, const Case *c, bool backward)
{
    arena_reset(&p->step);
    p->choices = 14695981039346656037u;
    p->margin = 1;
    return c->pass(p, backward);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

double gradcheck_error(const real *analytic, const double *numeric, size_t n)
{
    double floor = 0, error = 0;
    for (size_t i = 0; i < n; i++) {
        floor = larger(floor, larger(fabs((double)analytic[i]), fabs(numeric[i])));
    }
    floor = larger(1e-3 * floor, 1e-5);
    for (size_t i = 0; i < n; i++) {
        const double a = (double)analytic[i], scale = larger(fabs(a), fabs(numeric[i]));
        if (!isfinite(a) || !isfinite(numeric[i])) {
            return INFINITY;
        }
        error = larger(error, fabs(a - numeric[i]) / larger(scale, floor));
    }
    return error;
}

/** loss(x + h) - loss(x - h), over 2 h; *steady becomes false when a choice changes on the way. */
static double slope(Problem *p, const Case *c, real *x, double h, bool *steady)
{
    const uint64_t choices = p->choices;
    const real kept = *x, up = kept + (real)h, down = kept - (real)h;
    *x = up;
    double loss = evaluate(p, c, false);
    *steady &= p->choices == choices;
    *x = down;
    loss -= evaluate(p, c, false);
    *steady &= p->choices == choices;
    *x = kept;
    p->choices = choices;
    return loss / (double)(up - down);
}

/** Central differences of every number of a variable, of h and 2 h so that the error is of order h^4. */
static bool differentiate(double *numeric, Problem *p, const Case *c, const Variable *v)
{
    bool steady = true;
    for (size_t i = 0; i < v->n; i++) {
        const double near = slope(p, c, &v->x[i], STEP, &steady);
        numeric[i] = (4 * near - slope(p, c, &v->x[i], 2 * STEP, &steady)) / 3;
    }
    return steady;
}

/** One problem; false when it is too close to a tie. */
static bool check_problem(Problem *p, const Case *c, double *error, long *compared)
{
    c->build(p);
    evaluate(p, c, true);
    bool steady = p->margin >= MARGIN;
    *error = 0;
    *compared = 0;
    for (int i = 0; i < p->n_variables && steady; i++) {
        const Variable *v = &p->variable[i];
        double *numeric = ARENA_ARRAY(&p->keep, double, v->n);
        steady = differentiate(numeric, p, c, v);
        *error = larger(*error, gradcheck_error(v->grad, numeric, v->n));
        *compared += (long)v->n;
    }
    return steady;
}

double gradcheck_run(int i, long *compared)
{
    const Case *c = &CASES[i];
    double worst = 0;
    *compared = 0;
    for (int variant = 0; variant < c->n_variants; variant++) {
        double error = INFINITY;
        long n = 0;
        bool steady = false;
        for (uint32_t seed = 0; seed < MAX_TRIES && !steady; seed++) {
            Problem p = {.rng = rng_init((uint64_t)i, RNG_TEST),
                         .drawn = {seed, (uint32_t)variant, 0},
                         .top_k = c->top_k,
                         .variant = variant};
            steady = check_problem(&p, c, &error, &n);
            problem_free(&p);
        }
        worst = larger(worst, steady ? error : INFINITY);
        *compared += n;
    }
    return worst;
}

bool gradcheck_all(FILE *out)
{
    bool all_right = true;
    for (int i = 0; i < gradcheck_count(); i++) {
        long compared = 0;
        const double error = gradcheck_run(i, &compared);
        const bool right = error <= GRADCHECK_TOLERANCE;
        if (out != NULL) {
            fprintf(out, "%-24s %6ld numbers  largest error %.1e  %s\n", gradcheck_name(i),
                    compared, error, right ? "ok" : "FAILED");
        }
        all_right &= right;
    }
    return all_right;
}

#ifdef MOE_DOUBLE
bool gradcheck_all_double(FILE *out)
{
    return gradcheck_all(out);
}
#endif
