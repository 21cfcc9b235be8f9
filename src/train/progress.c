// SPDX-License-Identifier: Apache-2.0
#include "train/progress.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"

enum { LINE_TEXT = 200 };

void progress_init(Progress *progress, ProgressStyle style, bool watched, FILE *out)
{
    memset(progress, 0, sizeof *progress);
    progress->out = style == PROGRESS_NONE ? NULL : out;
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

/** "loss 5.912  11520 tokens/s  drops 0.6%  best F1 93.20  left 2:10" */
static void format_figures(char *text, size_t size, const ProgressStep *step)
{
    char left[32], drops[32] = "", best[32] = "";
    format_seconds(left, sizeof left, step->seconds_left);
    if (step->drop_rate >= 0) {
        snprintf(drops, sizeof drops, "  drops %.1f%%", 100 * step->drop_rate);
    }
    if (step->best_f1 >= 0) {
        snprintf(best, sizeof best, "  best F1 %.2f", step->best_f1);
    }
    snprintf(text, size, "loss %.3f  %.0f tokens/s%s%s  left %s", step->loss, step->tokens_per_s,
             drops, best, left);
}

/** Columns of the terminal. */
static int columns_of(FILE *out)
{
    struct winsize window;
    return ioctl(fileno(out), TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
}

void progress_bar(Progress *progress, const ProgressStep *step)
{
    enum { BAR_WIDTH = 12 };
    const double now = clock_now();
    char bar[BAR_WIDTH + 1], figures[LINE_TEXT], line[LINE_TEXT + 64];
    if (progress->out == NULL || !progress->bar || now - progress->last_bar < 0.1) {
        return;
    }
    const int full = step->total > 0 ? (int)(BAR_WIDTH * step->done / step->total) : 0;
    for (int i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    }
    bar[BAR_WIDTH] = '\0';
    format_figures(figures, sizeof figures, step);
    snprintf(line, sizeof line, "%d/%d [%s] %s", step->epoch, step->n_epochs, bar, figures);
    progress->last_bar = now;
    wipe_bar(progress);
    fprintf(progress->out, "%.*s", columns_of(progress->out) - 1,
            line);  // a wrapped line could not be wiped
    progress->bar_shown = true;
    fflush(progress->out);
}

void progress_plain(Progress *progress, const ProgressStep *step)
{
    if (progress->out == NULL || progress->bar) {
        return;
    }
    char figures[LINE_TEXT];
    format_figures(figures, sizeof figures, step);
    fprintf(progress->out, "epoch %d/%d  batch %ld/%ld  %s\n", step->epoch, step->n_epochs,
            step->done, step->total, figures);
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

Status metrics_open(Progress *progress, const char *dir, const char *history, size_t n)
{
    char part[sizeof progress->path + 8];
    char *path = progress->path;
    snprintf(path, sizeof progress->path, "%s/metrics.jsonl", dir);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *out = fopen(part, "w");
    bool written = out != NULL && fwrite(n > 0 ? history : "", 1, n, out) == n;
    written = out != NULL && fclose(out) == 0 && written && rename(part, path) == 0;
    progress->metrics = written ? fopen(path, "a") : NULL;
    return progress->metrics != NULL
               ? status_ok()
               : status_error(CODE_FAILED, "%s: cannot be written: %s", path, strerror(errno));
}

void metrics_close(Progress *progress)
{
    if (progress->metrics != NULL) {
        fclose(progress->metrics);
        progress->metrics = NULL;
    }
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
        const bool written = fflush(progress->metrics) == 0;
        CHECK(written || progress->tolerant, "%s: cannot be written: is the disk full?",
              progress->path);
        if (!written) {
            clearerr(progress->metrics);
            progress_line(progress, "%s: cannot be written: is the disk full?; training goes on",
                          progress->path);
        }
    }
}
