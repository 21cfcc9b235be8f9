// SPDX-License-Identifier: Apache-2.0
/** The routing log DIR/routes.h5: where tokens went, written by rank 0 while the run goes on (store/h5log.h).
 *
 *     /steps    a row every so many steps: figures of the steps since the row before, per choice, per expert, and of the gate
 *     /evals    a row an evaluation: expert x label, x frequency of the word, x capitals; first choice of every token
 *     /tokens   the tokens of the development corpus, as they were routed at the last evaluation
 *     /trace    tokens of sampled training steps: choices, weights, slots, what was dropped
 *
 * All counts are those of the whole batch, in the order of the groups: the log is the same on any number of ranks, except for times,
 * bytes and waits.  report/route_data.h has every column with its shape.
 */
#ifndef MOE_TRAIN_ROUTE_LOG_H
#define MOE_TRAIN_ROUTE_LOG_H

#include "data/batch.h"
#include "model/task.h"
#include "store/h5log.h"
#include "train/evaluate.h"

enum { ROUTE_COLUMNS = 48 };

typedef struct RouteLogConfig {
    const char *dir;      // NULL: no log
    const char *program;  // "moe_train 0.1.0"
    int every, trace;     // steps between rows, and between traced steps (0: none)
    double capacity_factor;
} RouteLogConfig;

/** A column, and rows that are not yet in the file. */
typedef struct RouteColumn {
    H5Column spec;
    size_t row_bytes, max_rows;
    int64_t n_rows, n_done;  // waiting, and in the file
    char *data;              // [n_rows, row_bytes]
} RouteColumn;

typedef struct RouteLog {
    RouteLogConfig config;
    const Mesh *mesh;
    const Task *task;
    const Lexicon *lexicon;
    const Corpus *train, *dev;
    int E, K, L, n_tokens;  // L: IOB2 labels and (other)
    Comm self;
    char path[H5_PATH];
    RouteColumn column[ROUTE_COLUMNS];  // [n_columns]
    int n_columns;
    double *stats;  // [G, n_stats] figures since the last row; rows of other ranks' groups are zero
    double *running;  // [E] rows kept since the start
    double waited, last_flush;
    int *seen;       // [lexicon->spellings.n] how often a word stands in the training corpus
    Status failure;  // of a flush between agreements, on rank 0
} RouteLog;

/** Without a mixture or a folder: no log, and every other call does nothing. Local. */
void route_log_init(RouteLog *log, RouteLogConfig config, const Mesh *mesh, const Task *task,
                    const Lexicon *lexicon, const Corpus *train, const Corpus *dev, int groups);

/** Is there a log? Local. */
bool route_log_on(const RouteLog *log);

/** Begin the file; of a run that goes on, with so many rows of old (path of its log; NULL: a new run). A log that cannot be read is said on
 * `out` and begun anew. Error (CODE_FAILED): it cannot be written. Collective on the mesh. */
Status route_log_begin(RouteLog *log, const char *old, int64_t n_steps, int64_t n_evals,
                       int64_t n_trace, FILE *out) MUST_USE;

/** Rows so far, for a checkpoint. Local, on rank 0. */
void route_log_rows(const RouteLog *log, int64_t *n_steps, int64_t *n_evals, int64_t *n_trace);

/** The batch that was just gone through; sum: [n_stats] of all groups since the last row, or NULL when no row is due.
 * Collective on the mesh. */
void route_log_trace(RouteLog *log, const Batch *batch, long step);
void route_log_row(RouteLog *log, const double *sum, long step, int epoch, double seconds);

/** An evaluation: how the development corpus was routed, and its predicted labels [n_tokens]. Local. */
void route_log_eval(RouteLog *log, const Routes *routes, const int *label, double f1, long step,
                    int epoch);

/** Put all rows in the file. Error (CODE_FAILED): it cannot be written. Collective on the mesh. */
Status route_log_flush(RouteLog *log) MUST_USE;

/** The same when the last time is some seconds ago, by rank 0 alone; what fails is told by the next route_log_flush(). */
void route_log_flush_soon(RouteLog *log);

/** Most bytes that a run's log can take. Local. */
double route_log_bytes(const RouteLog *log, double n_steps, double n_evals);

/** The same of its traced tokens, of n_tokens that the run goes through. Local. */
double route_log_trace_bytes(const RouteLog *log, double n_tokens);

void route_log_free(RouteLog *log);

#endif
