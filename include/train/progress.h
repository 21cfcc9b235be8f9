// SPDX-License-Identifier: Apache-2.0
/** What people see while a run goes on (a bar on a terminal, plain lines in a batch log), and metrics.jsonl for machines. Local.
 *
 * Only one rank shows and writes; on the others both streams are NULL and every call does nothing.
 */
#ifndef MOE_TRAIN_PROGRESS_H
#define MOE_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/check.h"

typedef enum ProgressStyle {
    PROGRESS_AUTO,
    PROGRESS_BAR,
    PROGRESS_PLAIN,
    PROGRESS_NONE
} ProgressStyle;

typedef struct Progress {
    FILE *out;      // NULL: silent
    FILE *metrics;  // metrics.jsonl, or NULL
    char path[4096];
    bool bar;
    bool bar_shown;    // the last line is a bar that the next line must wipe
    bool first_field;  // of the JSON object that is being written
    double last_bar;   // when the bar was last drawn
    bool tolerant;     // metrics.jsonl may fail to be written: said once, and training goes on
} Progress;

/** AUTO: a bar when a person watches. */
void progress_init(Progress *progress, ProgressStyle style, bool watched, FILE *out);

/** Figures of the running epoch. */
typedef struct ProgressStep {
    int epoch, n_epochs;
    long done, total;  // batches of this epoch
    double loss;       // per sentence, since the last report
    double tokens_per_s;
    double drop_rate;  // of choices; negative: no mixture
    double best_f1;    // negative: none yet
    double seconds_left;
} ProgressStep;

/** Redraw the bar, at most ten times a second. Plain: nothing. */
void progress_bar(Progress *progress, const ProgressStep *step);

/** A plain line of the same figures; with a bar: nothing. */
void progress_plain(Progress *progress, const ProgressStep *step);

/** A line that stays, under or instead of the bar. */
void progress_line(Progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);

/** Begin DIR/metrics.jsonl with n bytes of history (of an earlier start); the file is replaced in one piece. */
Status metrics_open(Progress *progress, const char *dir, const char *history, size_t n) MUST_USE;
void metrics_close(Progress *progress);

/** One object of metrics.jsonl: begin, fields, end (which flushes). */
void metrics_begin(Progress *progress, const char *event);
void metrics_number(Progress *progress, const char *name, double value);
void metrics_integer(Progress *progress, const char *name, long value);
void metrics_text(Progress *progress, const char *name, const char *value);
void metrics_end(Progress *progress);

#endif
