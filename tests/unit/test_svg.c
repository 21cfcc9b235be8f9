// SPDX-License-Identifier: Apache-2.0
/** Places, ticks, escapes, and pictures of empty, tiny and broken data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "markup_check.h"
#include "report/svg.h"

enum { MANY = 5000 };

/** What a picture or text is written to, as a string. */
typedef struct Written {
    FILE *out;
    char *text;
    size_t n;
} Written;

static void write_begin(Written *w)
{
    w->out = open_memstream(&w->text, &w->n);
    assert_non_null(w->out);
}

static void write_end(Written *w)
{
    assert_int_equal(fclose(w->out), 0);
}

static char *chart_text(const SvgChart *chart)
{
    Written w;
    write_begin(&w);
    svg_chart(w.out, chart);
    write_end(&w);
    assert_null(markup_fault(w.text, w.n));
    assert_null(strstr(w.text, "nan"));
    assert_null(strstr(w.text, "inf"));
    return w.text;
}

static void places_are_linear(void **state)
{
    (void)state;
    const SvgScale down = {0, 10, 200, 100};
    assert_float_equal(svg_place(&down, 0), 200, 1e-12);
    assert_float_equal(svg_place(&down, 10), 100, 1e-12);
    assert_float_equal(svg_place(&down, 2.5), 175, 1e-12);
    assert_float_equal(svg_place(&(SvgScale){3, 3, 0, 50}, 3), 25, 1e-12);
}

static void check_ticks(double low, double high, int wanted, const char *expected)
{
    double tick[SVG_TICKS_MAX], distance;
    char text[SVG_NUMBER], all[SVG_NUMBER * SVG_TICKS_MAX] = "";
    const int n = svg_ticks(low, high, wanted, tick, &distance);
    for (int i = 0; i < n; i++) {
        svg_tick_text(text, tick[i], distance);
        strcat(strcat(all, i > 0 ? " " : ""), text);
    }
    assert_string_equal(all, expected);
}

static void ticks_are_round(void **state)
{
    (void)state;
    check_ticks(0, 100, 5, "0 20 40 60 80 100");
    check_ticks(0, 1, 4, "0 0.2 0.4 0.6 0.8 1.0");
    check_ticks(0.13, 0.38, 4, "0.15 0.20 0.25 0.30 0.35");
    check_ticks(-1, 1, 4, "-1.0 -0.5 0 0.5 1.0");
    check_ticks(0, 48000, 5, "0 10k 20k 30k 40k");
    check_ticks(0, 0.7, 3, "0 0.2 0.4 0.6");
    check_ticks(0, 3e6, 3, "0 1M 2M 3M");
    check_ticks(7, 7, 5, "7");
    check_ticks(2, 1, 5, "");
    check_ticks(NAN, 1, 5, "");
    check_ticks(0, INFINITY, 5, "");
}

static void ticks_stay_within(void **state)
{
    (void)state;
    double tick[SVG_TICKS_MAX], distance;
    for (int k = 0; k < 4000; k++) {
        const double low = (k % 63 - 31) * pow(10, k % 9 - 4);
        const double high = low + (1 + k % 37) * pow(10, k % 7 - 3);
        const int n = svg_ticks(low, high, 1 + k % 8, tick, &distance);
        assert_in_range(n, 1 + k % 8 > 2 ? 2 : 0, SVG_TICKS_MAX);
        for (int i = 0; i < n; i++) {
            assert_true(tick[i] >= low - 1e-6 * distance && tick[i] <= high + 1e-6 * distance);
            assert_true(i == 0 || fabs(tick[i] - tick[i - 1] - distance) < 1e-6 * distance);
        }
    }
}

static void coordinates_are_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } sample[] = {{12, "12"},    {0.25, "0.2"},  {-3.04, "-3"},      {-0.01, "0"},
                  {0.05, "0.1"}, {99.96, "100"}, {1e300, "1000000"}, {-7.5, "-7.5"}};
    for (size_t i = 0; i < sizeof sample / sizeof *sample; i++) {
        Written w;
        write_begin(&w);
        svg_coordinate(w.out, sample[i].value);
        write_end(&w);
        assert_string_equal(w.text, sample[i].text);
        free(w.text);
    }
}

static void check_escape(const char *text, const char *expected)
{
    Written w;
    write_begin(&w);
    svg_text(w.out, text);
    write_end(&w);
    assert_string_equal(w.text, expected);
    assert_null(markup_fault(w.text, w.n));
    free(w.text);
}

static void texts_are_escaped(void **state)
{
    (void)state;
#define LOST "\xef\xbf\xbd"
    check_escape("plain d\xc3\xa9j\xc3\xa0 \xe4\xba\xac", "plain d\xc3\xa9j\xc3\xa0 \xe4\xba\xac");
    check_escape("</b>&\"'", "&#60;/b&#62;&#38;&#34;&#39;");
    check_escape("a\xff\xc3(", "a" LOST LOST "(");
    check_escape("\xed\xa0\x80", LOST LOST LOST);
    check_escape("\xef\xbf\xbf", LOST);
    check_escape("a\x01\x1b[m\x7f", "a" LOST LOST "[m" LOST);
    check_escape("\xc2\x85", LOST);
    check_escape("a\tb\nc", "a b c");
    check_escape("", "");
}

static SvgChart small_chart(int n, const double *x, const SvgSeries *series, int n_series)
{
    return (SvgChart){.title = "a < b",
                      .description = "\"d\"",
                      .x_name = "step",
                      .width = 300,
                      .height = 200,
                      .n = n,
                      .x = x,
                      .series = series,
                      .n_series = n_series,
                      .y_low = NAN,
                      .y_high = NAN,
                      .rule = NAN};
}

static void lines_go_where_they_should(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2}, y[] = {0, 10, 5};
    const SvgSeries series[] = {{"s", "c0", y}};
    SvgChart chart = small_chart(3, x, series, 1);
    chart.bare = true;  // from 2 to 298 and from 198 up to 2
    char *text = chart_text(&chart);
    assert_non_null(strstr(text, "class=\"line c0\" d=\"M2 198L150 2L298 100\""));
    free(text);
}

static void ticks_across_are_whole(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2, 3}, y[] = {30, 10, 50, 50};
    const SvgSeries series[] = {{"s", "c0", y}};
    for (int n = 1; n <= 4; n++) {
        SvgChart chart = small_chart(n, x, series, 1);
        char *text = chart_text(&chart);
        assert_int_equal(markup_count(text, ">0.5<"), 0);
        assert_int_equal(markup_count(text, ">1<"), n > 2);  // the last gives way to the name
        free(text);
    }
}

static void gaps_split_a_line(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2, 3, 4}, y[] = {NAN, 10, INFINITY, 0, 5};
    const SvgSeries series[] = {{"s", "c0", y}};
    SvgChart chart = small_chart(5, x, series, 1);
    chart.bare = true;
    char *text = chart_text(&chart);
    assert_non_null(strstr(text, "d=\"M76 2h0M224 198L298 100\""));
    free(text);
}

static void layers_stand_on_one_another(void **state)
{
    (void)state;
    const double x[] = {0, 1}, a[] = {1, 1}, b[] = {1, NAN};
    const SvgSeries series[] = {{"a", "c0", a}, {"b", "c1", b}};
    SvgChart chart = small_chart(2, x, series, 2);
    chart.bare = true;
    chart.stacked = true;
    char *text = chart_text(&chart);
    assert_non_null(strstr(text, "class=\"area c0\" d=\"M2 100L298 100L298 198L2 198z\""));
    assert_non_null(strstr(text, "class=\"area c1\" d=\"M2 2L298 100L298 100L2 100z\""));
    free(text);
}

static void odd_charts_are_sound(void **state)
{
    (void)state;
    const double x[] = {5}, y[] = {3}, none[] = {NAN};
    for (int k = 0; k < 16; k++) {
        const SvgSeries series[] = {{"<s>", "c0", k & 1 ? y : none}, {"t", "c1", y}};
        SvgChart chart = small_chart(k & 2 ? 1 : 0, x, series, k & 4 ? 2 : 1);
        chart.stacked = k & 8;
        char *text = chart_text(&chart);
        assert_int_equal(markup_count(text, "nothing logged"), k & 2 ? 0 : 1);
        assert_int_equal(markup_count(text, "class=\"key"), k & 4 ? 2 : 0);
        free(text);
    }
}

static void long_series_are_thinned(void **state)
{
    (void)state;
    static double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = i % 2 == 0 ? 0 : 2;
    }
    const SvgSeries series[] = {{"s", "c0", y}};
    SvgChart chart = small_chart(MANY, x, series, 1);
    chart.y_low = 0;
    char *text = chart_text(&chart);
    assert_in_range(markup_count(text, "L"), SVG_POINTS_MAX / 2, SVG_POINTS_MAX);
    assert_true(strlen(text) < 6000);
    free(text);
    for (int n = 0; n < MANY; n += 7) {
        assert_true(n <= svg_stretch(n) * SVG_POINTS_MAX);
    }
    assert_int_equal(svg_stretch(SVG_POINTS_MAX), 1);
    assert_int_equal(svg_stretch(SVG_POINTS_MAX + 1), 2);
}

static void cell_title(FILE *out, const void *context, int row, int column)
{
    fprintf(out, "%s %d %d", (const char *)context, row, column);
}

static void heat_maps_show_every_cell(void **state)
{
    (void)state;
    const double value[] = {0, 0.25, 1, 0.001, NAN, 7};
    const char *row[] = {"r<0", "r1"}, *column[] = {"a", "b", "c&"}, *look[] = {"c0", "c1"};
    SvgHeat heat = {.title = "t",
                    .description = "d",
                    .width = 300,
                    .n_rows = 2,
                    .n_columns = 3,
                    .value = value,
                    .row = row,
                    .column = column,
                    .row_look = look,
                    .tooltip = cell_title,
                    .context = "cell"};
    Written w;
    write_begin(&w);
    svg_heat(w.out, &heat);
    write_end(&w);
    assert_null(markup_fault(w.text, w.n));
    assert_int_equal(markup_count(w.text, "<title>cell"), 6);
    assert_int_equal(markup_count(w.text, "class=\"heat\""), 6);
    assert_non_null(strstr(w.text, "fill-opacity=\"0.50\"/>"));  // the root of 0.25
    assert_int_equal(markup_count(w.text, "fill-opacity=\"1.00\"/>"), 2);
    assert_non_null(strstr(w.text, ">25</text>"));
    assert_int_equal(markup_count(w.text, ">\xc2\xb7</text>"), 1);  // less than half a percent
    free(w.text);
}

static void plain_heat_joins_neighbours(void **state)
{
    (void)state;
    const double value[] = {1, 1, 0, 1, 0, 0, 0, 0.25};
    SvgHeat heat = {.title = "t",
                    .description = "d",
                    .width = 4 * 50 + 8,
                    .n_rows = 2,
                    .n_columns = 4,
                    .value = value,
                    .plain = true,
                    .column_low = 0,
                    .column_high = 100};
    Written w;
    write_begin(&w);
    svg_heat(w.out, &heat);
    write_end(&w);
    assert_null(markup_fault(w.text, w.n));
    assert_non_null(strstr(w.text, "fill-opacity=\"1.00\" d=\"M8 2h100v24H8zM158 2h50v24H158z\""));
    assert_non_null(strstr(w.text, "fill-opacity=\"0.50\" d=\"M158 26h50v24H158z\""));
    free(w.text);
    heat.n_columns = 0;
    write_begin(&w);
    svg_heat(w.out, &heat);
    write_end(&w);
    assert_int_equal(w.n, 0);
    free(w.text);
}

/** Of all tests before: it is the last one. */
static void no_memory_is_left(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_linear),           cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(ticks_stay_within),           cmocka_unit_test(coordinates_are_short),
        cmocka_unit_test(texts_are_escaped),           cmocka_unit_test(lines_go_where_they_should),
        cmocka_unit_test(ticks_across_are_whole),      cmocka_unit_test(gaps_split_a_line),
        cmocka_unit_test(layers_stand_on_one_another), cmocka_unit_test(odd_charts_are_sound),
        cmocka_unit_test(long_series_are_thinned),     cmocka_unit_test(heat_maps_show_every_cell),
        cmocka_unit_test(plain_heat_joins_neighbours), cmocka_unit_test(no_memory_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
