// SPDX-License-Identifier: Apache-2.0
/** The options of moe_train: one struct of values and the table that fills it. Local. */
#ifndef MOE_APP_TRAIN_SETTINGS_H
#define MOE_APP_TRAIN_SETTINGS_H

#include "app/options.h"
#include "data/corpus.h"
#include "model/tagger.h"
#include "train/trainer.h"

typedef struct TrainSettings {
    /* data */
    const char *train, *dev, *test, *vectors, *columns, *comment_prefix;
    int word_dim;
    /* model */
    int ffn, hidden, layers, char_dim, char_filters, cap_dim;
    double dropout;
    int experts, top_k, expert_hidden;
    double capacity_factor;
    int min_capacity, second_expert;
    double balance_loss, z_loss, jitter;
    /* training */
    int epochs, max_steps, batch, groups, ep_size, optimizer;
    double lr, lr_decay, momentum, weight_decay, clip, average, unknown;
    int warmup, patience;
    uint64_t seed;
    /* run */
    const char *out, *config, *resume, *init;
    int log_every, progress, sum, keep, on_save_failure, route_every, trace_tokens;
    double timeout, checkpoint_every, stop_after;
    bool overwrite, profile, dry_run, selftest, version, help;
} TrainSettings;

enum { TRAIN_SETTINGS_MAX = 64 };

/** A table over settings: option [TRAIN_SETTINGS_MAX] is the caller's memory for it. */
void train_settings_table(Options *options, Option *option, TrainSettings *settings);

/** Complete what depends on the ranks and stays with the run: groups 0 (the ranks, rounded up to a power of two).
 * Errors (CODE_OPTION): a needed file is not named; more ranks than groups or sentences; sets of ranks that do not fit; more
 * choices than experts. */
Status train_settings_complete(TrainSettings *settings, int n_ranks) MUST_USE;

/** Ranks of an expert-parallel set: ep-size, or for 0 as many as make sense. It is not kept: another start may have other ranks. */
int train_settings_ep_size(const TrainSettings *settings, int n_ranks);

/** The model's sizes, given the words, characters and labels of the data. */
TaggerConfig train_settings_tagger(const TrainSettings *settings, const Lexicon *lexicon);

/** The trainer's configuration; peak is left 0. */
TrainConfig train_settings_trainer(const TrainSettings *settings);

#endif
