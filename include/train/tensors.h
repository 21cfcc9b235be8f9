// SPDX-License-Identifier: Apache-2.0
/** All arrays of a run as one list: weights, moments, averages; each by its name and logical shape. Checkpoints and digests walk it.
 *
 *     params/NAME                        weights
 *     average/NAME                       averaged weights
 *     optim/NAME/m  optim/NAME/v         moments
 *     optim/NAME/log_decay               of the word table: how far the average of each row is
 *
 * An expert tensor is [E, ...] whatever ranks there are: this rank holds elements first .. first+count-1 of the first axis.  Other
 * tensors are whole on every rank.
 */
#ifndef MOE_TRAIN_TENSORS_H
#define MOE_TRAIN_TENSORS_H

#include "base/digest.h"
#include "comm/comm.h"
#include "store/h5.h"
#include "train/optim.h"

enum { TENSOR_NAME = 200 };

typedef struct Tensor {
    char name[TENSOR_NAME];
    H5Kind kind;
    H5Shape shape;         // logical
    int64_t first, count;  // what this rank holds of the first axis
    void *data;            // [count, ...]
    bool expert;
} Tensor;

/** Zeroed struct: an empty list. */
typedef struct Tensors {
    Tensor *tensor;  // [n]
    int n;
} Tensors;

/** The tables of a run; optim NULL: weights alone. Pointers stay the tables'. Local. */
void tensors_list(Tensors *tensors, const Params *params, const Optim *optim, const Params *experts,
                  const Optim *expert_optim);

void tensors_free(Tensors *tensors);

/** Bytes of one element of the first axis. Local. */
size_t tensors_row_bytes(const Tensor *tensor);

/** SHA-256 of a tensor: of its bytes; of an expert tensor, of the SHA-256s of its experts, so that owners compute them apart. */
typedef struct TensorHash {
    char name[TENSOR_NAME];
    H5Shape shape;
    unsigned char hash[DIGEST_BYTES];
} TensorHash;

/** The digest of a list of hashes, which is sorted by name on the way: equal digests mean equal runs. steps: of the optimiser, -1 for
 * weights alone. Local. */
void tensors_digest(char text[DIGEST_TEXT], TensorHash *hash, int n, int64_t steps);

/** Keep the hashes of weights, in their order; returns how many. Local. */
int tensors_weights(TensorHash *hash, int n);

/** Digests of a run that is spread over ranks: of all arrays, and of the weights alone (or NULL); equal on all ranks. Collective on the
 * mesh. */
void tensors_digest_run(char text[DIGEST_TEXT], char weights[DIGEST_TEXT], const Mesh *mesh,
                        const Tensors *tensors, int64_t steps);

#endif
