// SPDX-License-Identifier: Apache-2.0
/** A trained model from its file alone: words, characters, labels, sizes and weights; on one rank, without MPI. Local. */
#ifndef MOE_APP_MODEL_FILE_H
#define MOE_APP_MODEL_FILE_H

#include "app/train_settings.h"
#include "train/warmstart.h"

/** Zeroed struct: none. */
typedef struct ModelFile {
    TrainSettings settings;  // those of the run
    Option table[TRAIN_SETTINGS_MAX];
    Options options;
    CardLines config, inputs;
    Lexicon lexicon;
    unsigned char *legal;  // [L + 1, L + 1]
    Tagger tagger;
    Comm alone;  // one rank
} ModelFile;

/** Open a model (best.h5) or a run (last.h5: its averages when it has some). Errors (CODE_STORED). */
Status model_file_open(ModelFile *model, const char *path) MUST_USE;

/** legal [L + 1, L + 1]: transitions that decoding may take (nn/crf.h); the caller frees it. */
unsigned char *model_file_legal(const Tagset *tagset);

void model_file_free(ModelFile *model);

#endif
