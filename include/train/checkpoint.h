// SPDX-License-Identifier: Apache-2.0
/** Checkpoints: a run in one HDF5 file, which any number of ranks loads; and models, the same without what training needs.
 *
 *     /         format version kind created program commit mpi blas hdf5 step epoch seed groups ranks digest weights_digest
 *     /config   every lasting option as text             /inputs  path and SHA-256 of every file that was read
 *     /vocab    words labels types (texts, one a line), characters (code points); unknown, rows_from_file
 *     /params   NAME in logical shape, experts first axis; expert_tensors names them
 *     /average  the same, averaged weights               /optim   NAME/{m,v}
 *     /state    where the run stands; figures since the epoch and the last log line; labels of the best epoch
 *     /history  metrics.jsonl so far
 *
 * A model (kind "model") has /params as scored, and neither /average, /optim nor /state's arrays.
 * Design: store/h5.h says how a file is replaced and what a reader checks.
 */
#ifndef MOE_TRAIN_CHECKPOINT_H
#define MOE_TRAIN_CHECKPOINT_H

#include "data/corpus.h"
#include "train/tensors.h"

enum { CHECKPOINT_VERSION = 1, CHECKPOINT_TEXT = 1 << 12 };

/** One line of what a run is: an option, or an input file. */
typedef struct CardLine {
    char *name, *value;
} CardLine;

typedef struct CardLines {
    CardLine *line;  // [n]
    int n;
} CardLines;

/** What goes into a checkpoint beside arrays, and is compared when it is loaded. */
typedef struct Card {
    CardLines config;     // options by name
    CardLines inputs;     // "train" -> SHA-256 of the file, "train_path" -> its path, ...
    const char *program;  // "moe_train 0.1.0"
    const char *commit, *blas;
    uint64_t seed;
    int groups;
    const Lexicon *lexicon;
} Card;

/** Add a line; both texts are copied. Local. */
void card_add(CardLines *lines, const char *name, const char *value);

/** The value of a name, or NULL. Local. */
const char *card_find(const CardLines *lines, const char *name);

void card_lines_free(CardLines *lines);

/** Where a run stands. */
typedef struct Cursor {
    int64_t step, epoch, batch;  // done: steps, epochs, batches of the epoch that goes on
    int64_t best_epoch, epochs_without_gain;
    double best_f1;                                 // negative: none yet
    double epoch_seconds, epoch_flops;              // of the epoch that goes on
    double recent_seconds;                          // since the last log line
    double seconds;                                 // of the whole run, evaluations included
    double log_decay;                               // of the averages (train/optim.h)
    int64_t route_steps, route_evals, route_trace;  // rows of the routing log
    int64_t finished;                               // 1: all epochs are done
} Cursor;

/** A run, or a model, by reference. */
typedef struct Checkpoint {
    const Mesh *mesh;
    const Card *card;
    Params *params, *experts;
    Optim *optim, *expert_optim;  // NULL: a model
    Cursor cursor;
    int groups, n_stats, first_group, last_group;
    double *epoch_stats, *recent_stats,
        *route_stats;           // [groups, n_stats], rows of this rank's groups
    int *best_dev, *best_test;  // [n_dev], [n_test] labels at the best epoch; NULL: none
    int64_t n_dev, n_test;
    char *history;  // of rank 0 when saving; of every rank, owned by the caller, when loading
    size_t n_history;
} Checkpoint;

/** Write PATH. Error (CODE_FAILED): the disk; the old PATH is whole. Collective on the mesh. */
Status checkpoint_save(Checkpoint *checkpoint, const char *path) MUST_USE;

/** DIR/last.h5 becomes DIR/last-1.h5, that last-2.h5, ..., so that keep files stay after the next save. Local, by one rank. */
void checkpoint_rotate(const char *dir, int keep);

/** DIR/last.h5 (age 0), DIR/last-1.h5, ... Local. */
void checkpoint_path(char path[H5_PATH], const char *dir, int age);

/** Load all arrays and the cursor of a run saved at any number of ranks. Errors (CODE_STORED, with file and dataset): damaged, another version,
 * not of these tensors, words or labels; nothing is trusted, all is checked by checksum and digest. Collective on the mesh: the
 * status is the same on all ranks; after an error the arrays are worthless. */
Status checkpoint_load(Checkpoint *checkpoint, const char *path) MUST_USE;

/** What a run was, from its file. Freed by the caller, after an error too. Local. */
Status checkpoint_read_card(const char *path, CardLines *config, CardLines *inputs) MUST_USE;

/** The same of an open file. Local. */
Status checkpoint_read_lines(const H5File *file, CardLines *config, CardLines *inputs) MUST_USE;

/** Open a file and check that it is a checkpoint or a model of this version. Local. */
Status checkpoint_open(H5File *file, const char *path) MUST_USE;

#endif
