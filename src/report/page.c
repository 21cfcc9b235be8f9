// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

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

PageStyle page_style(FILE *out)
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
    return (PageStyle){(int)width, terminal && speaks_utf8()};
}

int page_characters(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}

int page_word(FILE *out, const char *word)
{
    for (const char *c = word; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        fputc(byte < 0x20 || byte == 0x7F ? '?' : byte, out);
    }
    return page_characters(word);
}

void page_percent(FILE *out, double share)
{
    fprintf(out, "%5.1f %%", 100 * share);
}

void page_heading(const Page *page, const char *format, ...)
{
    va_list list;
    fputc('\n', page->out);
    va_start(list, format);
    vfprintf(page->out, format, list);
    va_end(list);
    fputc('\n', page->out);
}

const char *page_plus_minus(const Page *page)
{
    return page->style.unicode ? "± " : "+- ";
}

double page_rounded(double value)
{
    return fabs(value) < 0.5e-4 ? 0 : value;
}

PageWrap page_wrap(const Page *page, int indent)
{
    fprintf(page->out, "%*s", indent, "");
    return (PageWrap){page, indent, indent, true};
}

void page_item(PageWrap *wrap, int width, const char *gap)
{
    const int needed = width + (int)strlen(gap) + (*gap == ',');
    if (!wrap->first && wrap->at + needed > wrap->page->style.width) {
        fprintf(wrap->page->out, "%s\n%*s", *gap == ',' ? "," : "", wrap->indent, "");
        wrap->at = wrap->indent;
    } else if (!wrap->first) {
        fputs(gap, wrap->page->out);
        wrap->at += (int)strlen(gap);
    }
    wrap->first = false;
    wrap->at += width;
}

void page_wrapped(const PageWrap *wrap)
{
    fprintf(wrap->page->out, "%s\n", wrap->first ? "-" : "");
}

int page_columns(const Page *page, int taken, int values)
{
    const int room = page->style.width - taken, most = values > 0 ? values : 1;
    return room < most ? room : most;
}

double page_mean(const double *value, int n)
{
    double sum = 0;
    int known = 0;
    for (int i = 0; i < n; i++) {
        sum += isfinite(value[i]) ? value[i] : 0;
        known += isfinite(value[i]);
    }
    return known > 0 ? sum / known : NAN;
}

int page_spark(const Page *page, const double *value, int n, int columns, double low, double high)
{
    static const char *const block[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[8] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    int blanks = 0;
    for (int c = 0; c < columns; c++) {
        const int begin = (int)((int64_t)n * c / columns),
                  end = (int)((int64_t)n * (c + 1) / columns);
        const double mean = page_mean(value + begin, end - begin);
        if (!isfinite(mean) || !(fabs(mean) > 0)) {
            blanks++;
            continue;
        }
        const double level = high > low ? 7 * fmin(fmax((mean - low) / (high - low), 0), 1) : 0;
        const int step = (int)lround(level);
        fprintf(page->out, "%*s%s", blanks, "", page->style.unicode ? block[step] : plain[step]);
        blanks = 0;
    }
    return blanks;
}

void page_bar(const Page *page, double share, int columns)
{
    static const char *const eighth[8] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int parts = (int)lround(fmin(fmax(share, 0), 1) * columns * 8);
    fputs(parts / (page->style.unicode ? 1 : 8) > 0 ? "  " : "", page->out);
    for (int i = 0; i < parts / 8; i++) {
        fputs(page->style.unicode ? "█" : "#", page->out);
    }
    fprintf(page->out, "%s\n", page->style.unicode ? eighth[parts % 8] : "");
}

void page_figure(const Page *page, const char *name, const double *value, double scale,
                 const char *format)
{
    const int n = page->data->n, tenth = (n + 9) / 10;
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++) {
        low = value[i] < low ? value[i] : low;
        high = value[i] > high ? value[i] : high;
    }
    const int columns = page_columns(page, NAME_WIDTH + FIGURE_WIDTH + 6, n);
    fprintf(page->out, "  %-*s ", NAME_WIDTH, name);
    const int blanks = page_spark(page, value, n, columns, fmin(low, 0), high);
    fprintf(page->out, "%*s", blanks + 2, "");
    fprintf(page->out, format, scale * page_mean(value, tenth));
    fputs(" -> ", page->out);
    fprintf(page->out, format, scale * page_mean(value + n - tenth, tenth));
    fputc('\n', page->out);
}

void page_words(const Page *page, const RouteWord *top, int n, int lines, int indent)
{
    PageWrap wrap = page_wrap(page, indent);
    int left = lines * (page->style.width - indent) - 24;
    for (int i = 0; i < n; i++) {
        const char *word = string_table_text(&page->data->words, top[i].word);
        left -= page_characters(word) + 2;
        if (left < 0 && i > 0) {
            break;
        }
        page_item(&wrap, page_characters(word), "  ");
        page_word(page->out, word);
    }
    page_wrapped(&wrap);
}

void page_head(const Page *page)
{
    const RouteData *data = page->data;
    fprintf(page->out, "%s: %d experts, top %d, %d step%s", data->run, data->E, data->K,
            data->n > 0 ? data->step[data->n - 1] : 0,
            data->n > 0 && data->step[data->n - 1] == 1 ? "" : "s");
    if (data->m > 0) {
        fprintf(page->out, ", %d evaluation%s, F1 %.2f", data->m, data->m == 1 ? "" : "s",
                data->f1[data->m - 1]);
    }
    fprintf(page->out, "\n%s, begun %s on %d rank%s; capacity factor %g%s\n", data->program,
            data->created, data->W, data->W == 1 ? "" : "s", data->capacity_factor,
            data->capacity_factor > 0 ? "" : ": nothing is ever dropped");
}

void page_no_evaluation(const Page *page)
{
    fprintf(page->out, "\nNo evaluation yet: labels and words come with the first one.\n");
}
