// SPDX-License-Identifier: Apache-2.0
#include "train/progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"

enum { BAR_WIDTH = 24 };

void progress_init(Progress *progress, ProgressStyle style, bool watched, FILE *out, FILE *metrics)
{
    memset(progress, 0, sizeof *progress);
    progress->out = style == PROGRESS_NONE ? NULL : out;
    progress->metrics = metrics;
    progress->bar = style == PROGRESS_BAR || (style == PROGRESS_AUTO && watched);
}

static void wipe_bar(Progress *progress)
{
    if (progress->bar_shown) {
        fputs("\r\033[K", progress->out);
        progress->bar_shown = false;
    }
}

/** "1:02:03" or "2:03" */
static void format_seconds(char *text, size_t size, double seconds)
{
    long s = seconds < 0 || seconds > 1e8 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    }
}

static void print_figures(Progress *progress, const ProgressStep *step)
{
    char left[32];
    format_seconds(left, sizeof left, step->seconds_left);
    fprintf(progress->out, "loss %.3f  %.0f tokens/s", step->loss, step->tokens_per_s);
    if (step->drop_rate >= 0) {
        fprintf(progress->out, "  drops %.1f%%", 100 * step->drop_rate);
    }
    if (step->best_f1 >= 0) {
        fprintf(progress->out, "  best F1 %.2f", step->best_f1);
    }
    fprintf(progress->out, "  left %s", left);
}

void progress_bar(Progress *progress, const ProgressStep *step)
{
    const double now = clock_now();
    if (progress->out == NULL || !progress->bar || now - progress->last_bar < 0.1) {
        return;
    }
    const int full = step->total > 0 ? (int)(BAR_WIDTH * step->done / step->total) : 0;
    progress->last_bar = now;
    wipe_bar(progress);
    fprintf(progress->out, "epoch %d/%d [", step->epoch, step->n_epochs);
    for (int i = 0; i < BAR_WIDTH; i++) {
        fputs(i < full ? "=" : i == full ? ">" : " ", progress->out);
    }
    fputs("] ", progress->out);
    print_figures(progress, step);
    progress->bar_shown = true;
    fflush(progress->out);
}

void progress_plain(Progress *progress, const ProgressStep *step)
{
    if (progress->out == NULL || progress->bar) {
        return;
    }
    fprintf(progress->out, "epoch %d/%d  batch %ld/%ld  ", step->epoch, step->n_epochs, step->done,
            step->total);
    print_figures(progress, step);
    fputc('\n', progress->out);
    fflush(progress->out);
}

void progress_line(Progress *progress, const char *format, ...)
{
    va_list args;
    if (progress->out == NULL) {
        return;
    }
    wipe_bar(progress);
    va_start(args, format);
    vfprintf(progress->out, format, args);
    va_end(args);
    fputc('\n', progress->out);
    fflush(progress->out);
}

static void metrics_name(Progress *progress, const char *name)
{
    fprintf(progress->metrics, "%s\"%s\": ", progress->first_field ? "{" : ", ", name);
    progress->first_field = false;
}

void metrics_begin(Progress *progress, const char *event)
{
    progress->first_field = true;
    metrics_text(progress, "event", event);
}

void metrics_number(Progress *progress, const char *name, double value)
{
    if (progress->metrics != NULL) {
        metrics_name(progress, name);
        fprintf(progress->metrics, isfinite(value) ? "%.10g" : "null", value);
    }
}

void metrics_integer(Progress *progress, const char *name, long value)
{
    if (progress->metrics != NULL) {
        metrics_name(progress, name);
        fprintf(progress->metrics, "%ld", value);
    }
}

void metrics_text(Progress *progress, const char *name, const char *value)
{
    if (progress->metrics == NULL) {
        return;
    }
    metrics_name(progress, name);
    putc('"', progress->metrics);
    for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(progress->metrics, "\\%c", *c);
        } else if (*c < 0x20) {
            fprintf(progress->metrics, "\\u%04x", *c);
        } else {
            putc(*c, progress->metrics);
        }
    }
    putc('"', progress->metrics);
}

void metrics_end(Progress *progress)
{
    if (progress->metrics != NULL) {
        fputs("}\n", progress->metrics);
        CHECK(fflush(progress->metrics) == 0, "metrics.jsonl cannot be written: is the disk full?");
    }
}
