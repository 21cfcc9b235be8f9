// SPDX-License-Identifier: Apache-2.0
#include "report/svg.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum { LINE_HEIGHT = 16, GAP = 8, HEAT_LEVELS = 8 };
static const double plain_height = 192;  // of a heat map that shows no figures, at most
static const double letter_width = 6.3;  // of the 11 pixel text of ticks, on average

double svg_place(const SvgScale *scale, double value)
{
    const double stretch = scale->high - scale->low;
    const double part = stretch != 0 ? (value - scale->low) / stretch : 0.5;
    return scale->from + part * (scale->to - scale->from);
}

int svg_ticks(double low, double high, int wanted, double tick[SVG_TICKS_MAX], double *distance)
{
    *distance = 1;
    if (!isfinite(low) || !isfinite(high) || high < low) {
        return 0;
    }
    if (high == low) {
        tick[0] = low;
        return 1;
    }
    const double rough = (high - low) / (wanted > 1 ? wanted : 1);
    const double power = pow(10, floor(log10(rough)));
    const double digit = rough / power;
    *distance = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
    int n = 0;
    const double slack = 1e-9 * *distance;
    for (double k = ceil((low - slack) / *distance); k * *distance <= high + slack; k++) {
        if (n < SVG_TICKS_MAX) {
            tick[n++] = k * *distance + 0.0;  // no negative zero
        }
    }
    return n;
}

void svg_tick_text(char text[SVG_NUMBER], double value, double distance)
{
    const double size = fmax(fabs(value), distance);
    const double unit = size >= 1e9 ? 1e9 : size >= 1e6 ? 1e6 : size >= 1e4 ? 1e3 : 1;
    const char *suffix = unit == 1e9 ? "G" : unit == 1e6 ? "M" : unit == 1e3 ? "k" : "";
    int decimals = 0;
    for (double d = distance / unit; decimals < 9 && fabs(d - round(d)) > 1e-6 * d; d *= 10) {
        decimals++;
    }
    if (value == 0) {
        snprintf(text, SVG_NUMBER, "0");
    } else if (size >= 1e15 || size < 1e-6) {
        snprintf(text, SVG_NUMBER, "%.2g", value);
    } else {
        snprintf(text, SVG_NUMBER, "%.*f%s", decimals, value / unit, suffix);
    }
}

void svg_coordinate(FILE *out, double value)
{
    char text[SVG_NUMBER];
    snprintf(text, sizeof text, "%.1f", fmin(fmax(value, -1e6), 1e6) + 0.0);
    char *dot = strchr(text, '.');
    if (dot != NULL && strcmp(dot, ".0") == 0) {
        *dot = '\0';
    }
    fputs(strcmp(text, "-0") == 0 ? "0" : text, out);
}

void svg_escape(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        int32_t code = 0;
        const int length = utf8_decode(text + i, n - i, &code);
        const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (length == 0 || control || (code & 0xfffe) == 0xfffe) {
            fputs(code == '\t' || code == '\n' ? " " : "\xef\xbf\xbd", out);
        } else if (code == '<' || code == '>' || code == '&' || code == '"' || code == '\'') {
            fprintf(out, "&#%d;", (int)code);
        } else {
            fwrite(text + i, 1, (size_t)length, out);
        }
        i += length > 0 ? (size_t)length : 1;
    }
}

void svg_text(FILE *out, const char *text)
{
    svg_escape(out, text, strlen(text));
}

static void open_picture(FILE *out, const char *look, double width, double height,
                         const char *title, const char *description)
{
    fprintf(out, "<svg class=\"%s\" viewBox=\"0 0 ", look);
    svg_coordinate(out, width);
    putc(' ', out);
    svg_coordinate(out, height);
    fputs("\" role=\"img\"><title>", out);
    svg_text(out, title);
    fputs("</title><desc>", out);
    svg_text(out, description);
    fputs("</desc>", out);
}

/** A text at a place; anchor: start, middle, end. */
static void put_text(FILE *out, const char *look, const char *anchor, double x, double y,
                     const char *text)
{
    fprintf(out, "<text class=\"%s\" text-anchor=\"%s\" x=\"", look, anchor);
    svg_coordinate(out, x);
    fputs("\" y=\"", out);
    svg_coordinate(out, y);
    fputs("\">", out);
    svg_text(out, text);
    fputs("</text>", out);
}

static void put_line(FILE *out, const char *look, double x1, double y1, double x2, double y2)
{
    const double at[] = {x1, y1, x2, y2};
    static const char *const name[] = {"x1", "y1", "x2", "y2"};
    fprintf(out, "<line class=\"%s\"", look);
    for (int i = 0; i < 4; i++) {
        fprintf(out, " %s=\"", name[i]);
        svg_coordinate(out, at[i]);
        putc('"', out);
    }
    fputs("/>", out);
}

static void put_rectangle(FILE *out, double x, double y, double width, double height)
{
    const double at[] = {x, y, width, height};
    static const char *const name[] = {"x", "y", "width", "height"};
    fputs("<rect", out);
    for (int i = 0; i < 4; i++) {
        fprintf(out, " %s=\"", name[i]);
        svg_coordinate(out, at[i]);
        putc('"', out);
    }
}

static void put_point(FILE *out, char command, double x, double y)
{
    putc(command, out);
    svg_coordinate(out, x);
    putc(' ', out);
    svg_coordinate(out, y);
}

/** Letters on the screen: UTF-8 characters. */
static double text_width(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n * letter_width;
}

int svg_stretch(int n)
{
    return n > SVG_POINTS_MAX ? (n + SVG_POINTS_MAX - 1) / SVG_POINTS_MAX : 1;
}

/** out[i] = mean of the finite values of the i-th stretch of y; NAN without any. Returns how many. */
static int thin(double *out, const double *y, int n)
{
    const int stretch = svg_stretch(n);
    int m = 0;
    for (int begin = 0; begin < n; begin += stretch) {
        double sum = 0;
        int found = 0;
        for (int i = begin; i < n && i < begin + stretch; i++) {
            if (isfinite(y[i])) {
                sum += y[i];
                found++;
            }
        }
        out[m++] = found > 0 ? sum / found : NAN;
    }
    return m;
}

/** A chart whose points are thinned and, when stacked, summed up. */
typedef struct Drawing {
    const SvgChart *chart;
    FILE *out;
    int n;  // drawn points
    double x[SVG_POINTS_MAX];
    double *y;         // [n_series, n] upper edges
    double low, high;  // of y
    SvgScale across, up;
} Drawing;

static const double *series_y(const Drawing *d, int s)
{
    return d->y + (size_t)s * (size_t)d->n;
}

static void prepare(Drawing *d)
{
    const SvgChart *chart = d->chart;
    d->n = thin(d->x, chart->x, chart->n);
    d->y = MEM_ARRAY(double, (size_t)chart->n_series *(size_t)d->n);
    d->low = INFINITY;
    d->high = -INFINITY;
    for (int s = 0; s < chart->n_series; s++) {
        double *y = d->y + (size_t)s * (size_t)d->n;
        thin(y, chart->series[s].y, chart->n);
        for (int i = 0; i < d->n; i++) {
            if (chart->stacked) {
                y[i] = (isfinite(y[i]) ? y[i] : 0) + (s > 0 ? y[i - d->n] : 0);
            }
            if (isfinite(y[i])) {
                d->low = fmin(d->low, chart->stacked ? 0 : y[i]);
                d->high = fmax(d->high, y[i]);
            }
        }
    }
    if (d->low > d->high) {
        d->low = 0;
        d->high = 1;
    }
    if (isfinite(chart->rule)) {
        d->low = fmin(d->low, chart->rule);
        d->high = fmax(d->high, chart->rule);
    }
    d->low = isfinite(chart->y_low) ? chart->y_low : d->low;
    d->high = isfinite(chart->y_high) ? chart->y_high : d->high;
    if (d->low == d->high) {
        d->low -= d->low > 0 ? fmin(d->low, 0.5) : 0.5;
        d->high += 0.5;
    }
}

/** Names in rows above the plot; draw false: only measured. Returns their height. */
static double put_legend(const Drawing *d, bool draw)
{
    const SvgChart *chart = d->chart;
    double x = 0, y = 0;
    const int n = chart->n_series + (chart->rule_name != NULL);
    if (chart->bare || n < 2) {
        return 0;
    }
    for (int s = 0; s < n; s++) {
        const bool rule = s == chart->n_series;
        const char *name = rule ? chart->rule_name : chart->series[s].name;
        const double width = 18 + text_width(name) + 12;
        if (x > 0 && x + width > chart->width) {
            x = 0;
            y += LINE_HEIGHT;
        }
        if (draw && rule) {
            put_line(d->out, "rule", x, y + 7, x + 13, y + 7);
        } else if (draw) {
            put_rectangle(d->out, x, y + 3, 13, 9);
            fprintf(d->out, " rx=\"2\" class=\"key %s\"/>", chart->series[s].look);
        }
        if (draw) {
            put_text(d->out, "tick", "start", x + 18, y + 11, name);
        }
        x += width;
    }
    return y + LINE_HEIGHT + 6;
}

static void put_axes(Drawing *d)
{
    const SvgChart *chart = d->chart;
    double tick[SVG_TICKS_MAX], distance;
    char text[SVG_NUMBER];
    int n = svg_ticks(d->low, d->high, 4, tick, &distance);
    double left = 0;
    for (int i = 0; i < n; i++) {
        svg_tick_text(text, tick[i], distance);
        left = fmax(left, text_width(text));
    }
    d->across.from = left + GAP;
    for (int i = 0; i < n; i++) {
        const double y = svg_place(&d->up, tick[i]);
        svg_tick_text(text, tick[i], distance);
        put_line(d->out, "grid", d->across.from, y, d->across.to, y);
        put_text(d->out, "tick", "end", left + 2, y + 4, text);
    }
    const int whole = (int)fmin(5, d->across.high - d->across.low);
    n = svg_ticks(d->across.low, d->across.high, whole, tick, &distance);
    const double name_from =
        d->across.to + 4 - (chart->x_name != NULL ? text_width(chart->x_name) + GAP : 0);
    for (int i = 0; i < n; i++) {
        const double x = svg_place(&d->across, tick[i]);
        svg_tick_text(text, tick[i], distance);
        if (x + text_width(text) / 2 < name_from) {
            put_text(d->out, "tick", "middle", x, d->up.from + LINE_HEIGHT, text);
        }
        put_line(d->out, "grid", x, d->up.from, x, d->up.from + 4);
    }
    if (chart->x_name != NULL) {
        put_text(d->out, "tick name", "end", d->across.to + 4, d->up.from + LINE_HEIGHT,
                 chart->x_name);
    }
}

/** A line with its gaps; a point between two gaps (or alone) becomes a dot. */
static void put_series(const Drawing *d, int s)
{
    const double *y = series_y(d, s);
    fprintf(d->out, "<path class=\"line %s\" d=\"", d->chart->series[s].look);
    for (int i = 0; i < d->n; i++) {
        if (isfinite(y[i])) {
            const bool first = i == 0 || !isfinite(y[i - 1]);
            put_point(d->out, first ? 'M' : 'L', svg_place(&d->across, d->x[i]),
                      svg_place(&d->up, y[i]));
            if (first && (i + 1 == d->n || !isfinite(y[i + 1]))) {
                fputs("h0", d->out);
            }
        }
    }
    fputs("\"/>", d->out);
}

/** Few points: each is a dot that says its value. */
static void put_dots(const Drawing *d, int s)
{
    enum { DOTS_MAX = 60 };
    const double *y = series_y(d, s);
    for (int i = 0; i < d->n && d->n <= DOTS_MAX && !d->chart->bare; i++) {
        if (isfinite(y[i])) {
            fprintf(d->out, "<circle class=\"dot %s\" r=\"2.5\" cx=\"", d->chart->series[s].look);
            svg_coordinate(d->out, svg_place(&d->across, d->x[i]));
            fputs("\" cy=\"", d->out);
            svg_coordinate(d->out, svg_place(&d->up, y[i]));
            fputs("\"><title>", d->out);
            svg_text(d->out, d->chart->series[s].name);
            fprintf(d->out, ": %.4g at %.6g</title></circle>", y[i], d->x[i]);
        }
    }
}

/** The stretch between two edges, there and back; one point alone is a bar. */
static void put_layer(const Drawing *d, int s)
{
    const double *upper = series_y(d, s);
    const double *lower = s > 0 ? series_y(d, s - 1) : NULL;
    fprintf(d->out, "<path class=\"area %s\" d=\"", d->chart->series[s].look);
    for (int i = 0; i < d->n; i++) {
        put_point(d->out, i == 0 ? 'M' : 'L', svg_place(&d->across, d->x[i]) - (d->n == 1 ? 4 : 0),
                  svg_place(&d->up, upper[i]));
    }
    if (d->n == 1) {
        fputs("h8", d->out);
    }
    for (int i = d->n - 1; i >= 0; i--) {
        put_point(d->out, 'L', svg_place(&d->across, d->x[i]) + (d->n == 1 ? 4 : 0),
                  svg_place(&d->up, lower != NULL ? lower[i] : d->low));
    }
    fputs(d->n == 1 ? "h-8z\"><title>" : "z\"><title>", d->out);
    svg_text(d->out, d->chart->series[s].name);
    fputs("</title></path>", d->out);
}

void svg_chart(FILE *out, const SvgChart *chart)
{
    Drawing d = {.chart = chart, .out = out};
    open_picture(out, chart->bare ? "spark" : "chart", chart->width, chart->height, chart->title,
                 chart->description);
    prepare(&d);
    const double top = put_legend(&d, true), edge = chart->bare ? 2 : 6;
    d.across =
        (SvgScale){d.n > 0 ? d.x[0] : 0, d.n > 0 ? d.x[d.n - 1] : 0, edge, chart->width - edge};
    d.up =
        (SvgScale){d.low, d.high, chart->height - (chart->bare ? 2 : LINE_HEIGHT + 6), top + edge};
    if (!chart->bare) {
        put_axes(&d);
    }
    for (int s = 0; s < chart->n_series && d.n > 0; s++) {
        if (chart->stacked) {
            put_layer(&d, s);
        } else {
            put_series(&d, s);
            put_dots(&d, s);
        }
    }
    if (isfinite(chart->rule)) {
        const double y = svg_place(&d.up, chart->rule);
        put_line(out, "rule", d.across.from, y, d.across.to, y);
    }
    if (d.n == 0 && !chart->bare) {
        put_text(out, "tick", "middle", chart->width / 2.0, chart->height / 2.0, "nothing logged");
    }
    fputs("</svg>\n", out);
    mem_free(d.y);
}

/** Where the cells of a heat map stand. */
typedef struct Cells {
    double left, top, width, height;  // of the first cell's corner; of a cell
    bool slanted;                     // column names
} Cells;

static Cells heat_cells(const SvgHeat *heat)
{
    Cells cells = {.height = heat->plain          ? fmin(24, plain_height / heat->n_rows)
                             : heat->n_rows <= 24 ? 24
                                                  : 16};
    double longest = 0;
    for (int r = 0; r < heat->n_rows && heat->row != NULL; r++) {
        cells.left = fmax(cells.left, text_width(heat->row[r]));
    }
    cells.left += GAP + (heat->row_look != NULL ? 15 : 0);
    cells.width = (heat->width - cells.left) / heat->n_columns;
    for (int c = 0; c < heat->n_columns && heat->column != NULL; c++) {
        longest = fmax(longest, text_width(heat->column[c]));
    }
    cells.slanted = longest > cells.width - 2;
    cells.top = heat->column == NULL ? 2 : cells.slanted ? longest + GAP : LINE_HEIGHT + 4;
    return cells;
}

static void put_names(FILE *out, const SvgHeat *heat, const Cells *cells)
{
    for (int c = 0; c < heat->n_columns && heat->column != NULL; c++) {
        const double x = cells->left + (c + 0.5) * cells->width;
        if (cells->slanted) {
            fputs("<g transform=\"translate(", out);
            svg_coordinate(out, x + 4);
            putc(' ', out);
            svg_coordinate(out, cells->top - 5);
            fputs(") rotate(-90)\">", out);
            put_text(out, "tick", "start", 0, 0, heat->column[c]);
            fputs("</g>", out);
        } else {
            put_text(out, "tick", "middle", x, cells->top - 7, heat->column[c]);
        }
    }
    for (int r = 0; r < heat->n_rows && heat->row != NULL; r++) {
        const double middle = cells->top + (r + 0.5) * cells->height;
        if (heat->row_look != NULL) {
            put_rectangle(out, cells->left - GAP - 9, middle - 5, 10, 10);
            fprintf(out, " rx=\"2\" class=\"key %s\"/>", heat->row_look[r]);
        }
        put_text(out, "tick", "end", cells->left - GAP - (heat->row_look != NULL ? 14 : 0),
                 middle + 4, heat->row[r]);
    }
}

/** Filled to the root of its value, so that small shares can be told from none. */
static double heat_tone(double value)
{
    return isfinite(value) ? sqrt(fmin(fmax(value, 0), 1)) : 0;
}

static void put_cell(FILE *out, const SvgHeat *heat, const Cells *cells, int r, int c)
{
    const double value = heat->value[(size_t)r * (size_t)heat->n_columns + (size_t)c];
    const double x = cells->left + c * cells->width, y = cells->top + r * cells->height;
    fputs("<g>", out);
    put_rectangle(out, x + 0.5, y + 0.5, cells->width - 1, cells->height - 1);
    fprintf(out, " rx=\"2\" class=\"heat\" fill-opacity=\"%.2f\"/>", heat_tone(value));
    if (cells->width >= 22 && cells->height >= 12 && value > 0) {
        char text[SVG_NUMBER] = "\xc2\xb7";
        if (value >= 0.005) {
            snprintf(text, sizeof text, "%.0f", 100 * value);
        }
        put_text(out, heat_tone(value) > 0.68 ? "cell full" : "cell", "middle",
                 x + cells->width / 2, y + cells->height / 2 + 4, text);
    }
    if (heat->tooltip != NULL) {
        fputs("<title>", out);
        heat->tooltip(out, heat->context, r, c);
        fputs("</title>", out);
    }
    fputs("</g>", out);
}

static int heat_level(const SvgHeat *heat, int r, int c)
{
    const double value = heat->value[(size_t)r * (size_t)heat->n_columns + (size_t)c];
    return (int)lround(heat_tone(value) * HEAT_LEVELS);
}

/** All cells of one tone as one path, neighbours in a row joined. */
static void put_tone(FILE *out, const SvgHeat *heat, const Cells *cells, int level)
{
    fprintf(out, "<path class=\"heat\" fill-opacity=\"%.2f\" d=\"", (double)level / HEAT_LEVELS);
    for (int r = 0; r < heat->n_rows; r++) {
        for (int c = 0, end; c < heat->n_columns; c = end) {
            end = c + 1;
            if (heat_level(heat, r, c) != level) {
                continue;
            }
            while (end < heat->n_columns && heat_level(heat, r, end) == level) {
                end++;
            }
            put_point(out, 'M', cells->left + c * cells->width, cells->top + r * cells->height);
            putc('h', out);
            svg_coordinate(out, (end - c) * cells->width);
            putc('v', out);
            svg_coordinate(out, cells->height);
            putc('H', out);
            svg_coordinate(out, cells->left + c * cells->width);
            putc('z', out);
        }
    }
    fputs("\"/>", out);
}

static void put_column_ticks(FILE *out, const SvgHeat *heat, const Cells *cells)
{
    double tick[SVG_TICKS_MAX], distance;
    char text[SVG_NUMBER];
    const SvgScale across = {heat->column_low, heat->column_high, cells->left + cells->width / 2,
                             heat->width - cells->width / 2};
    const int n = svg_ticks(heat->column_low, heat->column_high, 5, tick, &distance);
    for (int i = 0; i < n; i++) {
        const double x = svg_place(&across, tick[i]);
        svg_tick_text(text, tick[i], distance);
        put_text(out, "tick", "middle", fmin(x, heat->width - text_width(text) / 2),
                 cells->top + heat->n_rows * cells->height + LINE_HEIGHT, text);
    }
}

void svg_heat(FILE *out, const SvgHeat *heat)
{
    if (heat->n_rows < 1 || heat->n_columns < 1) {
        return;
    }
    const Cells cells = heat_cells(heat);
    const double ticks = heat->column == NULL ? LINE_HEIGHT + 6 : 2;
    open_picture(out, "chart", heat->width, cells.top + heat->n_rows * cells.height + ticks,
                 heat->title, heat->description);
    put_names(out, heat, &cells);
    for (int level = 1; heat->plain && level <= HEAT_LEVELS; level++) {
        put_tone(out, heat, &cells, level);
    }
    for (int r = 0; r < heat->n_rows && !heat->plain; r++) {
        for (int c = 0; c < heat->n_columns; c++) {
            put_cell(out, heat, &cells, r, c);
        }
    }
    if (heat->column == NULL) {
        put_column_ticks(out, heat, &cells);
    }
    fputs("</svg>\n", out);
}
