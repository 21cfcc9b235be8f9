// SPDX-License-Identifier: Apache-2.0
#include "model/tagger.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/profile.h"
#include "math/vec.h"
#include "nn/dropout.h"
#include "nn/embed.h"
#include "nn/linear.h"

int tagger_dense_hidden(const TaggerConfig *config)
{
    return config->top_k * config->expert_hidden;
}

double tagger_flops(const TaggerConfig *config)
{
    const double H = config->hidden, D = 2 * H,
                 d_in = config->d_word + config->n_filters + config->d_cap;
    double flops = 2 * D * config->n_labels;
    for (int l = 0; l < config->n_layers; l++) {
        flops += 2 * ((l == 0 ? d_in : D) + H) * 8 * H;
    }
    if (config->ffn != FFN_NONE) {
        flops += 4 * D * tagger_dense_hidden(config);
    }
    return flops + (config->ffn == FFN_MOE ? 2 * D * config->n_experts : 0);
}

/* ---- tensors ---- */

static CharconvSizes charconv_sizes(const Tagger *tagger)
{
    return (CharconvSizes){tagger->config.n_chars, tagger->config.d_char, tagger->config.n_filters};
}

static int layer_input(const Tagger *tagger, int layer)
{
    return layer == 0 ? tagger->d_in : tagger->d_model;
}

static void register_encoder(Tagger *tagger, real *word_rows)
{
    Params *p = &tagger->params;
    const TaggerConfig *c = &tagger->config;
    char name[64];
    tagger->encoder = params_section(p);
    tagger->words = params_add_rows(p, "words", word_rows, c->n_words, c->d_word);
    tagger->chars =
        params_add(p, "chars.embedding", PARAM_DENSE, true, 2, (int[]){c->n_chars, c->d_char});
    tagger->kernel = params_add(p, "chars.kernel", PARAM_DENSE, true, 3,
                                (int[]){CHARCONV_WIDTH, c->d_char, c->n_filters});
    tagger->char_bias = params_add(p, "chars.bias", PARAM_DENSE, false, 1, (int[]){c->n_filters});
    if (c->d_cap > 0) {
        tagger->caps = params_add(p, "caps", PARAM_DENSE, true, 2, (int[]){CAP_CLASSES, c->d_cap});
    }
    for (int l = 0; l < c->n_layers; l++) {
        snprintf(name, sizeof name, "bilstm.%d.input", l);
        tagger->input[l] = params_add(p, name, PARAM_DENSE, true, 3,
                                      (int[]){layer_input(tagger, l), 2, 4 * c->hidden});
        snprintf(name, sizeof name, "bilstm.%d.recurrent", l);
        tagger->recurrent[l] =
            params_add(p, name, PARAM_DENSE, true, 3, (int[]){2, c->hidden, 4 * c->hidden});
        snprintf(name, sizeof name, "bilstm.%d.bias", l);
        tagger->bias[l] = params_add(p, name, PARAM_DENSE, false, 2, (int[]){2, 4 * c->hidden});
    }
}

static void register_ffn(Tagger *tagger)
{
    Params *p = &tagger->params;
    const TaggerConfig *c = &tagger->config;
    const int D = tagger->d_model, F = tagger_dense_hidden(c);
    if (c->ffn == FFN_MOE) {
        MoeConfig moe = {.gate = {D, c->n_experts, c->top_k, c->second, c->jitter, c->seed},
                         .hidden = c->expert_hidden,
                         .capacity = c->capacity,
                         .balance_loss = c->balance_loss,
                         .z_loss = c->z_loss};
        moe_init(&tagger->moe, p, &tagger->experts, tagger->mesh, "moe", moe);
    } else if (c->ffn == FFN_DENSE) {
        tagger->dense = params_section(p);
        tagger->dense_w1 = params_add(p, "dense.w1", PARAM_DENSE, true, 2, (int[]){D, F});
        tagger->dense_b1 = params_add(p, "dense.b1", PARAM_DENSE, false, 1, (int[]){F});
        tagger->dense_w2 = params_add(p, "dense.w2", PARAM_DENSE, true, 2, (int[]){F, D});
        tagger->dense_b2 = params_add(p, "dense.b2", PARAM_DENSE, false, 1, (int[]){D});
    }
}

static void register_head(Tagger *tagger)
{
    Params *p = &tagger->params;
    const int L = tagger->config.n_labels;
    tagger->head = params_section(p);
    tagger->out_w = params_add(p, "output.w", PARAM_DENSE, true, 2, (int[]){tagger->d_model, L});
    tagger->out_b = params_add(p, "output.b", PARAM_DENSE, false, 1, (int[]){L});
    tagger->crf_start = params_add(p, "crf.start", PARAM_DENSE, false, 1, (int[]){L});
    tagger->crf_end = params_add(p, "crf.end", PARAM_DENSE, false, 1, (int[]){L});
    tagger->crf_transition = params_add(p, "crf.transition", PARAM_DENSE, false, 2, (int[]){L, L});
}

/** Glorot-uniform matrices, zero biases and scores, forget bias 1 (Jozefowicz et al. 2015). */
static void reset(Tagger *tagger)
{
    Params *p = &tagger->params;
    const TaggerConfig *c = &tagger->config;
    const int H = c->hidden, D = tagger->d_model;
    params_fill_uniform(p, tagger->chars, c->seed, sqrt(3.0 / c->d_char));
    params_fill_uniform(p, tagger->kernel, c->seed,
                        sqrt(6.0 / (CHARCONV_WIDTH * c->d_char + c->n_filters)));
    vec_zero(params_value(p, tagger->chars) + (size_t)CHAR_PAD * (size_t)c->d_char,
             (size_t)c->d_char);
    if (c->d_cap > 0) {
        params_fill_uniform(p, tagger->caps, c->seed, sqrt(3.0 / c->d_cap));
    }
    for (int l = 0; l < c->n_layers; l++) {
        real *bias = params_value(p, tagger->bias[l]);
        params_fill_uniform(p, tagger->input[l], c->seed, sqrt(6.0 / (layer_input(tagger, l) + H)));
        params_fill_uniform(p, tagger->recurrent[l], c->seed, sqrt(6.0 / (2 * H)));
        for (int j = 0; j < H; j++) {
            bias[H + j] = bias[5 * H + j] = 1;
        }
    }
    if (c->ffn == FFN_MOE) {
        moe_reset(&tagger->moe, c->seed);
    } else if (c->ffn == FFN_DENSE) {
        const double bound = sqrt(6.0 / (D + tagger_dense_hidden(c)));
        params_fill_uniform(p, tagger->dense_w1, c->seed, bound);
        params_fill_uniform(p, tagger->dense_w2, c->seed, bound);
    }
    params_fill_uniform(p, tagger->out_w, c->seed, sqrt(6.0 / (D + c->n_labels)));
}

TaggerGroups tagger_groups(int first, int last)
{
    return (TaggerGroups){first, last, first, last};
}

TaggerGroups tagger_groups_of(const Mesh *mesh, int n_groups)
{
    TaggerGroups groups;
    comm_groups(&mesh->world, n_groups, &groups.first, &groups.last);
    mesh_groups(mesh, n_groups, &groups.expert_first, &groups.expert_last);
    return groups;
}

void tagger_register(Tagger *tagger, TaggerConfig config, real *word_rows,
                     const unsigned char *legal, const Mesh *mesh)
{
    *tagger = (Tagger){.config = config, .legal = legal, .mesh = mesh};
    tagger->d_in = config.d_word + config.n_filters + config.d_cap;
    tagger->d_model = 2 * config.hidden;
    register_encoder(tagger, word_rows);
    register_ffn(tagger);
    register_head(tagger);
}

void tagger_allocate(Tagger *tagger, TaggerGroups groups)
{
    params_allocate(&tagger->params, groups.first, groups.last);
    params_allocate(&tagger->experts, groups.expert_first, groups.expert_last);
    reset(tagger);
}

void tagger_init(Tagger *tagger, TaggerConfig config, real *word_rows, const unsigned char *legal,
                 const Mesh *mesh, TaggerGroups groups)
{
    tagger_register(tagger, config, word_rows, legal, mesh);
    tagger_allocate(tagger, groups);
}

void tagger_free(Tagger *tagger)
{
    params_free(&tagger->params);
    params_free(&tagger->experts);
    memset(tagger, 0, sizeof *tagger);
}

static CharconvWeights charconv_weights(const Tagger *tagger)
{
    const Params *p = &tagger->params;
    return (CharconvWeights){params_value(p, tagger->chars), params_value(p, tagger->kernel),
                             params_value(p, tagger->char_bias)};
}

static BilstmWeights bilstm_weights(const Tagger *tagger, int l)
{
    const Params *p = &tagger->params;
    return (BilstmWeights){params_value(p, tagger->input[l]), params_value(p, tagger->recurrent[l]),
                           params_value(p, tagger->bias[l])};
}

static ExpertWeights dense_weights(const Tagger *tagger)
{
    const Params *p = &tagger->params;
    return (ExpertWeights){params_value(p, tagger->dense_w1), params_value(p, tagger->dense_b1),
                           params_value(p, tagger->dense_w2), params_value(p, tagger->dense_b2)};
}

static CrfWeights crf_weights(const Tagger *tagger)
{
    const Params *p = &tagger->params;
    return (CrfWeights){params_value(p, tagger->crf_start), params_value(p, tagger->crf_end),
                        params_value(p, tagger->crf_transition)};
}

/* ---- forward, in data order ---- */

/** Features of a group -> h. */
static void encode_forward(Tagger *tagger, const Batch *batch, int g, bool training, Arena *arena)
{
    const TaggerConfig *c = &tagger->config;
    const Group *group = &batch->group[g];
    TaggerGroup *state = &tagger->group[g];
    const int n = group->packed.n_tok, first = group->first;
    const CharWords words = {group->n_spellings, group->char_start, group->chars};
    const size_t cells = (size_t)n * (size_t)tagger->d_in,
                 spelt = (size_t)group->n_spellings * (size_t)c->n_filters;
    const Rng rng_x = rng_init(c->seed, RNG_DROPOUT_INPUT),
              rng_h = rng_init(c->seed, RNG_DROPOUT_OUTPUT);

    state->x = ARENA_ARRAY(arena, real, cells);
    state->spelling = ARENA_ARRAY(arena, real, spelt);
    state->best = ARENA_ARRAY(arena, int, spelt);
    embed_forward(state->x, tagger->d_in, 0, params_value(&tagger->params, tagger->words),
                  batch->word + first, n, c->d_word);
    charconv_forward(state->spelling, state->best, tagger->char_part, charconv_weights(tagger),
                     words, charconv_sizes(tagger));
    embed_forward(state->x, tagger->d_in, c->d_word, state->spelling, batch->spelling + first, n,
                  c->n_filters);
    if (c->d_cap > 0) {
        embed_forward(state->x, tagger->d_in, c->d_word + c->n_filters,
                      params_value(&tagger->params, tagger->caps), batch->cap + first, n, c->d_cap);
    }
    if (training && c->dropout > 0) {
        state->keep_x = ARENA_ARRAY(arena, uint8_t, cells);
        dropout_forward(state->x, state->keep_x, c->dropout, &rng_x, batch->place + first, 0, n,
                        tagger->d_in);
    }
    const real *x = state->x;
    for (int l = 0; l < c->n_layers; l++) {
        bilstm_forward(&state->bilstm[l], x, bilstm_weights(tagger, l), &group->packed,
                       layer_input(tagger, l), c->hidden, arena);
        // Backward needs h as it left the LSTM, the next layer needs it thinned: a copy.
        real *h = l + 1 < c->n_layers
                      ? ARENA_ARRAY(arena, real, (size_t)n * (size_t)tagger->d_model)
                      : tagger->h + (size_t)first * (size_t)tagger->d_model;
        vec_copy(h, state->bilstm[l].h, (size_t)n * (size_t)tagger->d_model);
        if (training && c->dropout > 0) {
            state->keep_h[l] = ARENA_ARRAY(arena, uint8_t, (size_t)n * (size_t)tagger->d_model);
            dropout_forward(h, state->keep_h[l], c->dropout, &rng_h, batch->place + first, l, n,
                            tagger->d_model);
        }
        x = h;
    }
}

/** Groups of the rank that has most in this rank's set: all ranks go through as many rounds. */
static int n_rounds(const Tagger *tagger, const Batch *batch)
{
    int most = batch->n_local;
    for (int r = 0; tagger->mesh != NULL && r < tagger->mesh->experts.size; r++) {
        int first, last;
        mesh_groups_of(tagger->mesh, batch->n_groups, r, &first, &last);
        most = last - first > most ? last - first : most;
    }
    return most;
}

/** h -> y, all groups. */
static void ffn_forward(Tagger *tagger, const Batch *batch, bool training, Arena *arena)
{
    const size_t n = (size_t)batch->group_start[batch->n_local], D = (size_t)tagger->d_model;
    const TokenGroups groups = {batch->n_local, batch->group_start, n_rounds(tagger, batch)};
    tagger->y = tagger->h;
    if (tagger->config.ffn == FFN_MOE) {
        tagger->y = ARENA_ARRAY(arena, real, n * D);
        moe_forward(&tagger->moe, tagger->y, tagger->h, batch->place, groups, training, arena);
    } else if (tagger->config.ffn == FFN_DENSE) {
        const int F = tagger_dense_hidden(&tagger->config);
        tagger->y = ARENA_ARRAY(arena, real, n * D);
        tagger->dense_hidden = ARENA_ARRAY(arena, real, n * (size_t)F);
        for (int g = 0; g < batch->n_local; g++) {
            const size_t first = (size_t)batch->group_start[g];
            expert_forward(tagger->y + first * D, tagger->dense_hidden + first * (size_t)F,
                           tagger->h + first * D, dense_weights(tagger),
                           batch->group[g].packed.n_tok, (int)D, F);
        }
        vec_add(tagger->y, tagger->h, n * D);
    }
}

/** y -> emission of a group. */
static void output_forward(Tagger *tagger, const Batch *batch, int g)
{
    const int first = batch->group[g].first, n = batch->group[g].packed.n_tok;
    linear_forward(tagger->emission + (size_t)first * (size_t)tagger->config.n_labels,
                   tagger->y + (size_t)first * (size_t)tagger->d_model,
                   params_value(&tagger->params, tagger->out_w),
                   params_value(&tagger->params, tagger->out_b), n, tagger->d_model,
                   tagger->config.n_labels);
}

/** Loss of a group, and its figures. */
static void loss_forward(Tagger *tagger, const Batch *batch, int g, double *stats, Arena *arena)
{
    const Group *group = &batch->group[g];
    const int L = tagger->config.n_labels;
    stats[TASK_LOSS] +=
        crf_forward(&tagger->group[g].crf, tagger->emission + (size_t)group->first * (size_t)L,
                    batch->label + group->first, &group->packed, crf_weights(tagger), L, arena);
    stats[TASK_SENTENCES] += group->packed.n_sent;
    stats[TASK_TOKENS] += group->packed.n_tok;
    if (tagger->config.ffn == FFN_MOE) {
        stats[TASK_BYTES] += moe_bytes(&tagger->moe, g);
        balance_stats(stats + TASK_MOE, &tagger->moe.gate, &tagger->moe.plan, g);
    }
}

static void emissions_forward(Tagger *tagger, const Batch *batch, bool training, Arena *arena)
{
    const size_t n = (size_t)batch->group_start[batch->n_local],
                 L = (size_t)tagger->config.n_labels;
    const TaggerConfig *c = &tagger->config;
    tagger->group = ARENA_ZEROED(arena, TaggerGroup, batch->n_local);
    tagger->char_part =
        ARENA_ARRAY(arena, real, CHARCONV_WIDTH * (size_t)c->n_chars * (size_t)c->n_filters);
    tagger->h = ARENA_ARRAY(arena, real, n * (size_t)tagger->d_model);
    tagger->emission = ARENA_ARRAY(arena, real, n * L);
    charconv_table(tagger->char_part, charconv_weights(tagger), charconv_sizes(tagger));
    profile_enter(PHASE_ENCODER);
    for (int g = 0; g < batch->n_local; g++) {
        encode_forward(tagger, batch, g, training, arena);
    }
    profile_enter(PHASE_EXPERTS);
    ffn_forward(tagger, batch, training, arena);
    profile_enter(PHASE_CRF);
    for (int g = 0; g < batch->n_local; g++) {
        output_forward(tagger, batch, g);
    }
}

void tagger_forward(Tagger *tagger, const Batch *batch, double *stats, bool training, Arena *arena)
{
    const int n_stats = tagger_task(tagger).n_stats;
    emissions_forward(tagger, batch, training, arena);
    for (int g = 0; g < batch->n_local; g++) {
        loss_forward(tagger, batch, g, stats + (size_t)g * (size_t)n_stats, arena);
    }
}

/* ---- backward, the same list upwards ---- */

/** Loss and output layer of a group: dy [n, D]. */
static void output_backward(Tagger *tagger, const Batch *batch, int g, real *dy, Arena *arena)
{
    Params *p = &tagger->params;
    const Group *group = &batch->group[g];
    const int n = group->packed.n_tok, L = tagger->config.n_labels, D = tagger->d_model;
    real *demission = ARENA_ARRAY(arena, real, (size_t)n * (size_t)L);
    params_group_begin(p, batch->first_group + g);
    CrfGrads crf = {params_grad(p, tagger->crf_start), params_grad(p, tagger->crf_end),
                    params_grad(p, tagger->crf_transition)};
    crf_backward(demission, &crf, &tagger->group[g].crf, 1.0 / batch->n_sent, arena);
    linear_backward(dy, params_grad(p, tagger->out_w), params_grad(p, tagger->out_b), demission,
                    tagger->y + (size_t)group->first * (size_t)D, params_value(p, tagger->out_w), n,
                    D, L);
    params_group_end(p, tagger->head, batch->first_group + g);
}

/** dy -> dh, all groups. */
static void ffn_backward(Tagger *tagger, const Batch *batch, real *dh, const real *dy, Arena *arena)
{
    Params *p = &tagger->params;
    const size_t n = (size_t)batch->group_start[batch->n_local], D = (size_t)tagger->d_model;
    if (tagger->config.ffn == FFN_MOE) {
        moe_backward(&tagger->moe, dh, dy, batch->n_tok, batch->n_groups, arena);
    } else if (tagger->config.ffn == FFN_DENSE) {
        const int F = tagger_dense_hidden(&tagger->config);
        for (int g = 0; g < batch->n_local; g++) {
            const size_t first = (size_t)batch->group_start[g];
            params_group_begin(p, batch->first_group + g);
            ExpertGrads grads = {params_grad(p, tagger->dense_w1), params_grad(p, tagger->dense_b1),
                                 params_grad(p, tagger->dense_w2),
                                 params_grad(p, tagger->dense_b2)};
            expert_backward(dh + first * D, grads, dy + first * D, tagger->h + first * D,
                            tagger->dense_hidden + first * (size_t)F, dense_weights(tagger),
                            batch->group[g].packed.n_tok, (int)D, F, arena);
            params_group_end(p, tagger->dense, batch->first_group + g);
        }
        vec_add(dh, dy, n * D);
    } else {
        vec_copy(dh, dy, n * D);
    }
}

/** dh [n, D] of a group -> all gradients below; dh is used up. */
static void encode_backward(Tagger *tagger, const Batch *batch, int g, real *dh, Arena *arena)
{
    Params *p = &tagger->params;
    const TaggerConfig *c = &tagger->config;
    const Group *group = &batch->group[g];
    TaggerGroup *state = &tagger->group[g];
    const int n = group->packed.n_tok, first = group->first;
    const CharWords words = {group->n_spellings, group->char_start, group->chars};
    real *dx = NULL;

    params_group_begin(p, batch->first_group + g);
    for (int l = c->n_layers - 1; l >= 0; l--) {
        BilstmGrads grads = {params_grad(p, tagger->input[l]), params_grad(p, tagger->recurrent[l]),
                             params_grad(p, tagger->bias[l])};
        if (state->keep_h[l] != NULL) {
            dropout_backward(dh, state->keep_h[l], c->dropout, n, tagger->d_model);
        }
        dx = ARENA_ARRAY(arena, real, (size_t)n * (size_t)layer_input(tagger, l));
        bilstm_backward(dx, grads, dh, &state->bilstm[l], bilstm_weights(tagger, l), &group->packed,
                        layer_input(tagger, l), c->hidden, arena);
        dh = dx;
    }
    if (state->keep_x != NULL) {
        dropout_backward(dx, state->keep_x, c->dropout, n, tagger->d_in);
    }
    if (c->d_cap > 0) {
        embed_backward(params_grad(p, tagger->caps), CAP_CLASSES, dx, tagger->d_in,
                       c->d_word + c->n_filters, batch->cap + first, n, c->d_cap);
    }
    real *dspelling = ARENA_ARRAY(arena, real, (size_t)group->n_spellings * (size_t)c->n_filters);
    embed_backward(dspelling, group->n_spellings, dx, tagger->d_in, c->d_word,
                   batch->spelling + first, n, c->n_filters);
    CharconvGrads chars = {params_grad(p, tagger->chars), params_grad(p, tagger->kernel),
                           params_grad(p, tagger->char_bias)};
    charconv_backward(chars, dspelling, state->best, charconv_weights(tagger), words,
                      charconv_sizes(tagger), arena);
    embed_backward(params_grad(p, tagger->words), batch->n_rows, dx, tagger->d_in, 0,
                   batch->slot + first, n, c->d_word);
    params_group_end(p, tagger->encoder, batch->first_group + g);
}

void tagger_backward(Tagger *tagger, const Batch *batch, Arena *arena)
{
    const size_t n = (size_t)batch->group_start[batch->n_local], D = (size_t)tagger->d_model;
    real *dy = ARENA_ARRAY(arena, real, n * D), *dh = ARENA_ARRAY(arena, real, n * D);
    params_touch_rows(&tagger->params, batch->row, batch->n_rows);
    profile_enter(PHASE_CRF);
    for (int g = 0; g < batch->n_local; g++) {
        output_backward(tagger, batch, g, dy + (size_t)batch->group_start[g] * D, arena);
    }
    profile_enter(PHASE_EXPERTS);
    ffn_backward(tagger, batch, dh, dy, arena);
    profile_enter(PHASE_ENCODER);
    for (int g = 0; g < batch->n_local; g++) {
        encode_backward(tagger, batch, g, dh + (size_t)batch->group_start[g] * D, arena);
    }
}

/* ---- decoding ---- */

void tagger_predict(Tagger *tagger, const Batch *batch, int *label, Arena *arena)
{
    const int L = tagger->config.n_labels;
    emissions_forward(tagger, batch, false, arena);
    for (int g = 0; g < batch->n_local; g++) {
        const Group *group = &batch->group[g];
        int *path = ARENA_ARRAY(arena, int, group->packed.n_tok);
        crf_viterbi(path, NULL, tagger->emission + (size_t)group->first * (size_t)L, &group->packed,
                    crf_weights(tagger), L, tagger->legal, arena);
        for (int i = 0; i < group->packed.n_tok; i++) {
            label[batch->token[group->first + i]] = path[i];
        }
    }
}

/* ---- as a task ---- */

static void task_forward(void *model, const Batch *batch, double *stats, Arena *arena)
{
    tagger_forward(model, batch, stats, true, arena);
}

static void task_backward(void *model, const Batch *batch, Arena *arena)
{
    tagger_backward(model, batch, arena);
}

static void task_predict(void *model, const Batch *batch, int *label, Arena *arena)
{
    tagger_predict(model, batch, label, arena);
}

static void task_routing(void *model, const Gate **gate, const Plan **plan)
{
    const Tagger *tagger = model;
    const bool routed = tagger->config.ffn == FFN_MOE;
    *gate = routed ? &tagger->moe.gate : NULL;
    *plan = routed ? &tagger->moe.plan : NULL;
}

Task tagger_task(Tagger *tagger)
{
    const bool routed = tagger->config.ffn == FFN_MOE;
    const int n_experts = routed ? tagger->config.n_experts : 0,
              top_k = routed ? tagger->config.top_k : 0;
    return (Task){.model = tagger,
                  .params = &tagger->params,
                  .experts = &tagger->experts,
                  .n_experts = n_experts,
                  .top_k = top_k,
                  .n_stats = TASK_MOE + STAT_WIDTH(n_experts, top_k),
                  .forward = task_forward,
                  .backward = task_backward,
                  .predict = task_predict,
                  .routing = task_routing};
}
