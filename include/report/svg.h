// SPDX-License-Identifier: Apache-2.0
/** Small pictures as inline SVG: line charts, stacked areas, heat maps, legends. Local.
 *
 * Colours are the page's: elements have classes (grid tick line area dot heat) and a series its own class, which sets the CSS variable
 * --c; so one picture serves a light and a dark page. Each picture has a title and a description for those who do not see it.
 * Values that are not finite are gaps.
 */
#ifndef MOE_REPORT_SVG_H
#define MOE_REPORT_SVG_H

#include <stdbool.h>
#include <stdio.h>

enum { SVG_TICKS_MAX = 12, SVG_POINTS_MAX = 240, SVG_NUMBER = 32 };

/** A stretch of values that is drawn on a stretch of the picture; from > to draws downwards. */
typedef struct SvgScale {
    double low, high;  // values
    double from, to;   // where they are drawn
} SvgScale;

/** Where a value is drawn; an empty stretch of values is drawn in the middle. */
double svg_place(const SvgScale *scale, double value);

/** Multiples of 1, 2 or 5 times a power of ten in [low, high], about wanted of them, rising; how many, and their distance.
 * An empty stretch has its one value as a tick when it is finite. */
int svg_ticks(double low, double high, int wanted, double tick[SVG_TICKS_MAX], double *distance);

/** The shortest text of a tick whose neighbours are distance away: "0.25", "40", "1.5k", "2M". */
void svg_tick_text(char text[SVG_NUMBER], double value, double distance);

/** A number with at most one decimal: "12", "0.5", "-3". */
void svg_coordinate(FILE *out, double value);

/** Text for markup and quoted attributes: < > & " ' as entities; bytes that are no UTF-8, and characters that XML forbids, as
 * U+FFFD. n bytes. */
void svg_escape(FILE *out, const char *text, size_t n);
void svg_text(FILE *out, const char *text);

/** One line or layer. */
typedef struct SvgSeries {
    const char *name;  // for the legend and tooltips
    const char *look;  // CSS classes that set --c
    const double *y;   // [n]
} SvgSeries;

typedef struct SvgChart {
    const char *title, *description;
    const char *x_name;  // under the axis; NULL: none
    int width, height;
    int n;            // points; more than SVG_POINTS_MAX are drawn as means of equal stretches
    const double *x;  // [n] rising whole numbers
    const SvgSeries *series;
    int n_series;
    double y_low, y_high;   // NAN: from the data
    bool stacked;           // layers on one another; gaps count as 0
    bool bare;              // a sparkline: no axes, no legend
    double rule;            // a dashed line at this height; NAN: none
    const char *rule_name;  // NULL: none
} SvgChart;

/** Points that one drawn point is the mean of. */
int svg_stretch(int n);

void svg_chart(FILE *out, const SvgChart *chart);

/** A matrix of shares: the fuller a cell, the larger its value. */
typedef struct SvgHeat {
    const char *title, *description;
    int width;              // of the picture
    int n_rows, n_columns;  // none: nothing is drawn
    const double *value;    // [n_rows, n_columns] 0 to 1; drawn by its square root
    const char *const *row, *const
                                *column;  // [n_rows] [n_columns] names; column NULL: ticks instead
    const char *const *row_look;          // [n_rows] CSS classes of a row's key; NULL: no keys
    bool plain;                           // no figures in the cells, no tooltips
    double column_low, column_high;       // values of the first and the last column, for ticks
    void (*tooltip)(FILE *out, const void *context, int row, int column);  // escaped by itself
    const void *context;
} SvgHeat;

void svg_heat(FILE *out, const SvgHeat *heat);

#endif
