// SPDX-License-Identifier: Apache-2.0
#include "report/console.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LEAST_WIDTH = 60, MOST_WIDTH = 200, NAME_WIDTH = 18, FIGURE_WIDTH = 20 };

static bool speaks_utf8(void)
{
    const char *name[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(name[i]);
        if (value != NULL && *value != '\0') {
            return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL ||
                   strstr(value, "utf-8") != NULL;
        }
    }
    return false;
}

ConsoleStyle console_style(FILE *out)
{
    struct winsize window = {0};
    const bool terminal = isatty(fileno(out)) != 0;
    const char *columns = getenv("COLUMNS");
    int64_t width = 80;
    if (terminal && ioctl(fileno(out), TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
        width = window.ws_col;
    } else if (columns != NULL && !text_parse_int64(columns, &width)) {
        width = 80;
    }
    width = width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
    return (ConsoleStyle){(int)width, terminal && speaks_utf8()};
}

int console_characters(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}

int console_word(FILE *out, const char *word)
{
    for (const char *c = word; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        fputc(byte < 0x20 || byte == 0x7F ? '?' : byte, out);
    }
    return console_characters(word);
}

void console_cell(FILE *out, const char *word, int columns)
{
    const int used = console_word(out, word);
    fprintf(out, "%*s", used < columns ? columns - used : 0, "");
}

void console_percent(FILE *out, double share)
{
    fprintf(out, "%5.1f %%", 100 * share);
}

void console_heading(const Console *console, const char *format, ...)
{
    va_list list;
    fputc('\n', console->out);
    va_start(list, format);
    vfprintf(console->out, format, list);
    va_end(list);
    fputc('\n', console->out);
}

const char *console_plus_minus(const Console *console)
{
    return console->style.unicode ? "± " : "+- ";
}

double console_rounded(double value)
{
    return fabs(value) < 0.5e-4 ? 0 : value;
}

ConsoleWrap console_wrap(const Console *console, int indent)
{
    fprintf(console->out, "%*s", indent, "");
    return (ConsoleWrap){console, indent, indent, true};
}

void console_item(ConsoleWrap *wrap, int width, const char *gap)
{
    const int needed = width + (int)strlen(gap) + (*gap == ',');
    if (!wrap->first && wrap->at + needed > wrap->console->style.width) {
        fprintf(wrap->console->out, "%s\n%*s", *gap == ',' ? "," : "", wrap->indent, "");
        wrap->at = wrap->indent;
    } else if (!wrap->first) {
        fputs(gap, wrap->console->out);
        wrap->at += (int)strlen(gap);
    }
    wrap->first = false;
    wrap->at += width;
}

void console_wrapped(const ConsoleWrap *wrap)
{
    fprintf(wrap->console->out, "%s\n", wrap->first ? "-" : "");
}

int console_columns(const Console *console, int taken, int values)
{
    const int room = console->style.width - taken, most = values > 0 ? values : 1;
    return room < most ? room : most;
}

double console_mean(const double *value, int n)
{
    double sum = 0;
    int known = 0;
    for (int i = 0; i < n; i++) {
        sum += isfinite(value[i]) ? value[i] : 0;
        known += isfinite(value[i]);
    }
    return known > 0 ? sum / known : NAN;
}

int console_spark(const Console *console, const double *value, int n, int columns, double low,
                  double high)
{
    static const char *const block[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[8] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    int blanks = 0;
    for (int c = 0; c < columns; c++) {
        const int begin = (int)((int64_t)n * c / columns),
                  end = (int)((int64_t)n * (c + 1) / columns);
        const double mean = console_mean(value + begin, end - begin);
        if (!isfinite(mean) || !(fabs(mean) > 0)) {
            blanks++;
            continue;
        }
        const double level = high > low ? 7 * fmin(fmax((mean - low) / (high - low), 0), 1) : 0;
        const int step = (int)lround(level);
        fprintf(console->out, "%*s%s", blanks, "",
                console->style.unicode ? block[step] : plain[step]);
        blanks = 0;
    }
    return blanks;
}

void console_bar(const Console *console, double share, int columns)
{
    static const char *const eighth[8] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int parts = (int)lround(fmin(fmax(share, 0), 1) * columns * 8);
    fputs(parts / (console->style.unicode ? 1 : 8) > 0 ? "  " : "", console->out);
    for (int i = 0; i < parts / 8; i++) {
        fputs(console->style.unicode ? "█" : "#", console->out);
    }
    fprintf(console->out, "%s\n", console->style.unicode ? eighth[parts % 8] : "");
}

static void put_figure(FILE *out, const char *format, double value)
{
    if (isfinite(value)) {
        fprintf(out, format, value);
    } else {
        fputc('-', out);
    }
}

void console_figure(const Console *console, const char *name, const double *value, double scale,
                    const char *format)
{
    const int n = console->data->n, tenth = (n + 9) / 10;
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        low = value[i] < low ? value[i] : low;
        high = value[i] > high ? value[i] : high;
    }
    const int columns = console_columns(console, NAME_WIDTH + FIGURE_WIDTH + 6, n);
    fprintf(console->out, "  %-*s ", NAME_WIDTH, name);
    const int blanks = console_spark(console, value, n, columns, fmin(low, 0), high);
    fprintf(console->out, "%*s", blanks + 2, "");
    put_figure(console->out, format, scale * console_mean(value, tenth));
    fputs(" -> ", console->out);
    put_figure(console->out, format, scale * console_mean(value + n - tenth, tenth));
    fputc('\n', console->out);
}

void console_words(const Console *console, const RouteWord *top, int n, int lines, int indent)
{
    ConsoleWrap wrap = console_wrap(console, indent);
    int left = lines * (console->style.width - indent) - 24;
    for (int i = 0; i < n; i++) {
        const char *word = string_table_text(&console->data->words, top[i].word);
        left -= console_characters(word) + 2;
        if (left < 0 && i > 0) {
            break;
        }
        console_item(&wrap, console_characters(word), "  ");
        console_word(console->out, word);
    }
    console_wrapped(&wrap);
}

void console_head(const Console *console)
{
    const RouteData *data = console->data;
    console_word(console->out, data->run);
    fprintf(console->out, ": %d experts, top %d, %d step%s", data->E, data->K,
            data->n > 0 ? data->step[data->n - 1] : 0,
            data->n > 0 && data->step[data->n - 1] == 1 ? "" : "s");
    if (data->m > 0) {
        fprintf(console->out, ", %d evaluation%s, F1 %.2f", data->m, data->m == 1 ? "" : "s",
                data->f1[data->m - 1]);
    }
    fputc('\n', console->out);
    console_word(console->out, data->program);
    fputs(", begun ", console->out);
    console_word(console->out, data->created);
    fprintf(console->out, " on %d rank%s; capacity factor %g%s\n", data->W, data->W == 1 ? "" : "s",
            data->capacity_factor, data->capacity_factor > 0 ? "" : ": nothing is ever dropped");
}

void console_no_evaluation(const Console *console)
{
    fprintf(console->out, "\nNo evaluation yet: labels and words come with the first one.\n");
}
