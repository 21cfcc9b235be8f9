// SPDX-License-Identifier: Apache-2.0
/** The tagger: word vectors + characters + capitalisation -> BiLSTM -> none | dense | mixture of experts -> linear -> CRF.
 *
 *     x = [word vector, character convolution, capitalisation]     [N, d_in]
 *     h = dropout(BiLSTM(dropout(x)))                              [N, D = 2 H], layer by layer
 *     y = h | h + expert(h) | h + mixture(h)
 *     emission = y w + b                                           [N, L];   loss = CRF
 *
 * Everything but the mixture goes group by group, so that a product has the same shape on any number of ranks.
 * Source: Lample et al. 2016 (arXiv:1603.01360), Ma and Hovy 2016 (arXiv:1603.01354); the mixture after GShard.
 */
#ifndef MOE_MODEL_TAGGER_H
#define MOE_MODEL_TAGGER_H

#include "model/task.h"
#include "moe/moe.h"
#include "nn/bilstm.h"
#include "nn/charconv.h"
#include "nn/crf.h"

typedef enum FfnKind { FFN_NONE, FFN_DENSE, FFN_MOE } FfnKind;

enum { TAGGER_MAX_LAYERS = 8 };

typedef struct TaggerConfig {
    int n_words, d_word;  // rows of the word table, their width
    int n_chars, d_char, n_filters;
    int d_cap;     // width of the capitalisation feature, 0: none
    int hidden;    // H, per direction
    int n_layers;  // of the BiLSTM
    double dropout;
    FfnKind ffn;
    int n_experts, top_k,
        expert_hidden;  // dense: hidden width top_k * expert_hidden, the same work per token
    SecondExpert second;
    Capacity capacity;
    double balance_loss, z_loss, jitter;
    int n_labels;
    uint64_t seed;
} TaggerConfig;

/** State of one group in a step; arrays from the arena. */
typedef struct TaggerGroup {
    real *spelling;   // [n_spellings, n_filters]
    int *best;        // [n_spellings, n_filters] winners of the maximum
    real *x;          // [n, d_in] after dropout
    uint8_t *keep_x;  // [n, d_in]
    BilstmState bilstm[TAGGER_MAX_LAYERS];
    uint8_t *keep_h[TAGGER_MAX_LAYERS];  // [n, D]
    Crf crf;
} TaggerGroup;

typedef struct Tagger {
    TaggerConfig config;
    int d_in, d_model;         // width of x, D = 2 H
    const Mesh *mesh;          // NULL: one rank
    Params params;             // what all ranks hold
    Params experts;            // this rank's experts
    int encoder, head, dense;  // sections of the table of tensors
    int words, chars, kernel, char_bias, caps;
    int input[TAGGER_MAX_LAYERS], recurrent[TAGGER_MAX_LAYERS], bias[TAGGER_MAX_LAYERS];
    int dense_w1, dense_b1, dense_w2, dense_b2;
    int out_w, out_b, crf_start, crf_end, crf_transition;
    Moe moe;
    const unsigned char *legal;  // [L + 1, L + 1] transitions at decoding, the caller's (nn/crf.h)
    TaggerGroup *group;          // [n_local] of the step
    real *char_part;             // [3, n_chars, n_filters]
    real *h, *y;                 // [n_local_tok, D] into and out of the feed-forward block
    real *dense_hidden;          // [n_local_tok, dense hidden]
    real *emission;              // [n_local_tok, L]
} Tagger;

/** Which groups' gradients come to this rank. */
typedef struct TaggerGroups {
    int first, last;                // its own run of groups
    int expert_first, expert_last;  // those of its whole expert-parallel set
} TaggerGroups;

/** On one rank: groups first .. last-1. On a mesh: this rank's share of n_groups. Local. */
TaggerGroups tagger_groups(int first, int last);
TaggerGroups tagger_groups_of(const Mesh *mesh, int n_groups);

/** Register all tensors, which costs no memory: sizes are known. word_rows [n_words, d_word] is the word table, referred to. mesh
 * NULL: all experts are here. legal: see above, may be NULL. Local. */
void tagger_register(Tagger *tagger, TaggerConfig config, real *word_rows,
                     const unsigned char *legal, const Mesh *mesh);

/** Allocate the tensors and fill them, a function of config.seed. Local. */
void tagger_allocate(Tagger *tagger, TaggerGroups groups);

/** Both. */
void tagger_init(Tagger *tagger, TaggerConfig config, real *word_rows, const unsigned char *legal,
                 const Mesh *mesh, TaggerGroups groups);

/** The tagger as the trainer sees it. */
Task tagger_task(Tagger *tagger);

/** What the task does (see there). */
void tagger_forward(Tagger *tagger, const Batch *batch, double *stats, bool training, Arena *arena);
void tagger_backward(Tagger *tagger, const Batch *batch, Arena *arena);
void tagger_predict(Tagger *tagger, const Batch *batch, int *label, Arena *arena);

/** Width of the dense block that does the same work per token: top_k * expert_hidden. */
int tagger_dense_hidden(const TaggerConfig *config);

/** Floating-point operations per token of one forward pass, products only; without the character convolution,
 * which is done once per character of the alphabet. */
double tagger_flops(const TaggerConfig *config);

void tagger_free(Tagger *tagger);

#endif
