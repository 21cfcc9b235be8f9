// SPDX-License-Identifier: Apache-2.0
/** What is in a checkpoint, read in full and checked against its checksums and digest, without a model to load it into. Local. */
#ifndef MOE_TRAIN_INSPECT_H
#define MOE_TRAIN_INSPECT_H

#include "train/checkpoint.h"

/** One array of a file. */
typedef struct Array {
    TensorHash id;  // name, shape, hash
    H5Kind kind;
    bool expert;
    double mean_square, largest;  // of its elements; largest: absolute value
} Array;

/** A file's contents. Zeroed struct: empty. */
typedef struct Inspection {
    char path[H5_PATH], kind[16], created[40], program[64], commit[64], mpi[128], blas[128],
        hdf5[32];
    int64_t step, epoch, seed, groups, ranks, best_epoch, finished, n_words, n_labels;
    double best_f1, seconds;
    char digest[DIGEST_TEXT], weights_digest[DIGEST_TEXT];
    CardLines config, inputs;
    Array *array;  // [n] params, average and optim, by name
    int n;
} Inspection;

/** Read all of a file. Errors (CODE_STORED): any dataset is damaged, or the arrays are not those of the digest. */
Status inspect_file(Inspection *inspection, const char *path) MUST_USE;

/** Largest absolute difference of two arrays of one shape, and its element. Errors (CODE_STORED). */
Status inspect_difference(const Inspection *a, const Inspection *b, const Array *array,
                          double *largest, int64_t *element) MUST_USE;

/** Elements of a kind: 'd' dense, 'e' expert, 'w' the word table. */
int64_t inspect_count(const Inspection *inspection, char kind);

void inspect_free(Inspection *inspection);

#endif
