// SPDX-License-Identifier: Apache-2.0
#include "report/route_export.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "report/route_stats.h"

enum { MOST_WORDS = 50, AXES = 4, STEP_SERIES = 20, EVAL_SERIES = 8 };

/** A column of the log that is exported as it is: [rows, choices, classes, experts, ranks], without the axes that are 0. */
typedef struct Series {
    const char *name;
    const int32_t *whole;  // one of the two
    const double *real;
    int dim[AXES];
    RouteKind kind;  // of the classes
} Series;

static void step_series(const RouteData *data, Series series[STEP_SERIES])
{
    const int K = data->K, E = data->E;
    const Series all[STEP_SERIES] = {
        {"step", data->step, NULL, {0}, 0},
        {"epoch", data->epoch, NULL, {0}, 0},
        {"tokens", data->tokens, NULL, {0}, 0},
        {"load", data->load, NULL, {K, 0, E, 0}, 0},
        {"kept", data->kept, NULL, {0, 0, E, 0}, 0},
        {"dropped", data->dropped, NULL, {0, 0, E, 0}, 0},
        {"skipped", data->skipped, NULL, {0, 0, E, 0}, 0},
        {"importance", NULL, data->importance, {0, 0, E, 0}, 0},
        {"weight", NULL, data->weight, {0, 0, E, 0}, 0},
        {"entropy", NULL, data->entropy, {0}, 0},
        {"variation", NULL, data->variation, {0}, 0},
        {"max_violation", NULL, data->max_violation, {0}, 0},
        {"max_violation_running", NULL, data->max_violation_running, {0}, 0},
        {"dead", data->dead, NULL, {0}, 0},
        {"aux_loss", NULL, data->aux_loss, {0}, 0},
        {"z_loss", NULL, data->z_loss, {0}, 0},
        {"loss", NULL, data->loss, {0}, 0},
        {"bytes", NULL, data->bytes, {0}, 0},
        {"seconds", NULL, data->seconds, {0}, 0},
        {"wait_seconds", NULL, data->wait_seconds, {0, 0, 0, data->W}, 0},
    };
    memcpy(series, all, sizeof all);
}

static void eval_series(const RouteData *data, Series series[EVAL_SERIES])
{
    const int K = data->K, L = data->L, E = data->E;
    const Series all[EVAL_SERIES] = {
        {"step", data->eval_step, NULL, {0}, 0},
        {"epoch", data->eval_epoch, NULL, {0}, 0},
        {"f1", NULL, data->f1, {0}, 0},
        {"by_gold", data->by_gold, NULL, {K, L, E, 0}, ROUTE_LABEL},
        {"by_predicted", data->by_predicted, NULL, {K, L, E, 0}, ROUTE_LABEL},
        {"by_capitals", data->by_capitals, NULL, {K, ROUTE_CAPITALS, E, 0}, ROUTE_CAPITAL},
        {"by_frequency", data->by_frequency, NULL, {K, ROUTE_FREQUENCIES, E, 0}, ROUTE_FREQUENCY},
        {"by_seen", data->by_seen, NULL, {K, ROUTE_SEEN, E, 0}, ROUTE_KNOWN},
    };
    memcpy(series, all, sizeof all);
}

/** The evaluation of the shuffled control and of everything about experts. */
static int last_of(const RouteData *data)
{
    return data->m - 1;
}

static RouteControl control_of(const RouteData *data, RouteKind kind)
{
    const RouteTable table = route_table(data, last_of(data), kind);
    return route_shuffled(table.count, table.classes, data->E, ROUTE_ROUNDS);
}

static RouteAgreement agreement_at(const RouteData *data, int eval)
{
    return route_agreement(route_first(data, eval), route_first(data, last_of(data)), data->T,
                           data->E);
}

/** A named number of a struct. */
typedef struct Figure {
    const char *name;
    double value;
} Figure;

enum { INFORMATION_FIGURES = 8, CONTROL_FIGURES = 6, EXPERT_FIGURES = 6 };

static void information_figures(RouteInformation x, Figure figure[INFORMATION_FIGURES])
{
    const Figure all[INFORMATION_FIGURES] = {
        {"tokens", (double)x.n},
        {"bits", x.bits},
        {"corrected_bits", x.corrected},
        {"entropy", x.entropy},
        {"corrected_entropy", x.entropy_corrected},
        {"share", x.share},
        {"purity", x.purity},
        {"purity_of_one", x.purity_of_one},
    };
    memcpy(figure, all, sizeof all);
}

static void control_figures(RouteControl x, Figure figure[CONTROL_FIGURES])
{
    const Figure all[CONTROL_FIGURES] = {
        {"bits", x.bits},
        {"bits_spread", x.bits_spread},
        {"corrected_bits", x.corrected},
        {"corrected_bits_spread", x.corrected_spread},
        {"purity", x.purity},
        {"purity_spread", x.purity_spread},
    };
    memcpy(figure, all, sizeof all);
}

static void expert_figures(RouteExpert x, Figure figure[EXPERT_FIGURES])
{
    const Figure all[EXPERT_FIGURES] = {
        {"first", x.first},     {"any", x.any},         {"weight", x.weight},
        {"trained", x.trained}, {"dropped", x.dropped}, {"dead", x.dead},
    };
    memcpy(figure, all, sizeof all);
}

/* ---- JSON ---- */

static void json_text(FILE *out, const char *text)
{
    size_t n = strlen(text);
    fputc('"', out);
    while (n > 0) {
        int32_t code;
        const int bytes = utf8_decode(text, n, &code);
        if (bytes == 0) {
            fputs("\\ufffd", out);
        } else if (code < 0x20 || code == '"' || code == '\\' || code == 0x7F) {
            fprintf(out, "\\u%04x", (unsigned)code);
        } else {
            fwrite(text, 1, (size_t)bytes, out);
        }
        text += bytes > 0 ? bytes : 1;
        n -= bytes > 0 ? (size_t)bytes : 1;
    }
    fputc('"', out);
}

static void json_number(FILE *out, double value)
{
    if (isfinite(value)) {
        fprintf(out, "%.17g", value);
    } else {
        fputs("null", out);
    }
}

/** Elements from *at on along an axis and all after it. */
static void json_axis(FILE *out, const Series *series, int axis, size_t *at)
{
    if (axis == AXES) {
        json_number(out, series->whole != NULL ? series->whole[*at] : series->real[*at]);
        ++*at;
    } else if (series->dim[axis] == 0) {
        json_axis(out, series, axis + 1, at);
    } else {
        for (int i = 0; i < series->dim[axis]; i++) {
            fputc(i == 0 ? '[' : ',', out);
            json_axis(out, series, axis + 1, at);
        }
        fputc(']', out);
    }
}

static void json_series(FILE *out, const Series *series, int n_series, int rows)
{
    for (int i = 0; i < n_series; i++) {
        size_t at = 0;
        fprintf(out, "%s    \"%s\": [", i > 0 ? ",\n" : "", series[i].name);
        for (int row = 0; row < rows; row++) {
            fputs(row > 0 ? "," : "", out);
            json_axis(out, &series[i], 0, &at);
        }
        fputc(']', out);
    }
}

/** The figures of a struct, without its braces. */
static void json_figures(FILE *out, const Figure *figure, int n)
{
    for (int i = 0; i < n; i++) {
        fprintf(out, "%s\"%s\": ", i > 0 ? ", " : "", figure[i].name);
        json_number(out, figure[i].value);
    }
}

static void json_names(FILE *out, const RouteData *data)
{
    const struct {
        const char *name;
        RouteKind kind;
        int n;
    } list[] = {{"labels", ROUTE_LABEL, data->L},
                {"capitals", ROUTE_CAPITAL, ROUTE_CAPITALS},
                {"frequencies", ROUTE_FREQUENCY, ROUTE_FREQUENCIES},
                {"seen", ROUTE_KNOWN, ROUTE_SEEN}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        fprintf(out, ",\n  \"%s\": [", list[i].name);
        for (int c = 0; c < list[i].n; c++) {
            fputs(c > 0 ? ", " : "", out);
            json_text(out, route_class_name(data, list[i].kind, c));
        }
        fputc(']', out);
    }
}

static void json_head(FILE *out, const RouteData *data)
{
    const struct {
        const char *name, *text;
    } text[] = {{"run", data->run},
                {"file", data->path},
                {"program", data->program},
                {"created", data->created}};
    const Figure figure[] = {{"experts", data->E}, {"top_k", data->K},
                             {"ranks", data->W},   {"capacity_factor", data->capacity_factor},
                             {"tokens", data->T},  {"words", data->words.n}};
    fputs("{\n  \"format\": \"moe report\", \"version\": 1", out);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        fprintf(out, ",\n  \"%s\": ", text[i].name);
        json_text(out, text[i].text);
    }
    fputs(",\n  ", out);
    json_figures(out, figure, sizeof figure / sizeof *figure);
    json_names(out, data);
}

static void json_information(FILE *out, const RouteData *data)
{
    fputs(",\n    \"information\": {", out);
    for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
        fprintf(out, "%s\n      \"%s\": [", kind > 0 ? "," : "", route_kind_name(kind));
        for (int i = 0; i < data->m; i++) {
            Figure figure[INFORMATION_FIGURES];
            information_figures(route_information_at(data, i, kind), figure);
            fputs(i > 0 ? ", {" : "{", out);
            json_figures(out, figure, INFORMATION_FIGURES);
            fputc('}', out);
        }
        fputc(']', out);
    }
    fputs("\n    },\n    \"agreement\": [", out);
    for (int i = 0; i < data->m; i++) {
        const RouteAgreement x = agreement_at(data, i);
        fprintf(out, "%s{\"same\": %.17g, \"chance\": %.17g}", i > 0 ? ", " : "", x.same, x.chance);
    }
    fputc(']', out);
}

static void json_shuffled(FILE *out, const RouteData *data)
{
    fprintf(out, ",\n  \"correction\": \"Miller-Madow\",\n  \"shuffled\": {\"rounds\": %d",
            ROUTE_ROUNDS);
    for (RouteKind kind = 0; kind < ROUTE_KINDS && data->m > 0; kind++) {
        Figure figure[CONTROL_FIGURES];
        control_figures(control_of(data, kind), figure);
        fprintf(out, ",\n    \"%s\": {", route_kind_name(kind));
        json_figures(out, figure, CONTROL_FIGURES);
        fputc('}', out);
    }
    fputc('}', out);
}

static void json_labels(FILE *out, const RouteData *data, int expert, RouteShare *top)
{
    const int n = route_labels_of(data, last_of(data), expert, top, data->L);
    for (int i = 0; i < n; i++) {
        fputs(i > 0 ? ", {\"label\": " : "{\"label\": ", out);
        json_text(out, route_class_name(data, ROUTE_LABEL, top[i].number));
        fprintf(out, ", \"count\": %d, \"share\": %.17g, \"lift\": %.17g}", top[i].count,
                top[i].share, top[i].lift);
    }
}

static void json_words(FILE *out, const RouteData *data, int expert)
{
    RouteWord word[MOST_WORDS];
    const int n = route_words_of(data, expert, word, MOST_WORDS);
    for (int i = 0; i < n; i++) {
        fputs(i > 0 ? ", {\"word\": " : "{\"word\": ", out);
        json_text(out, string_table_text(&data->words, word[i].word));
        fprintf(out, ", \"count\": %d, \"total\": %d, \"z\": %.17g}", word[i].count, word[i].total,
                word[i].z);
    }
}

static void json_experts(FILE *out, const RouteData *data)
{
    RouteExpert *expert = MEM_ARRAY(RouteExpert, data->E);
    RouteShare *top = MEM_ARRAY(RouteShare, data->L);
    route_experts(data, last_of(data), expert);
    fputs(",\n  \"by_expert\": [", out);
    for (int e = 0; e < data->E; e++) {
        Figure figure[EXPERT_FIGURES];
        expert_figures(expert[e], figure);
        fprintf(out, "%s\n    {\"expert\": %d, ", e > 0 ? "," : "", e);
        json_figures(out, figure, EXPERT_FIGURES);
        fputs(", \"labels\": [", out);
        if (data->m > 0) {
            json_labels(out, data, e, top);
        }
        fputs("], \"words\": [", out);
        if (data->m > 0) {
            json_words(out, data, e);
        }
        fputs("]}", out);
    }
    fputs("\n  ]", out);
    mem_free(top);
    mem_free(expert);
}

void route_json(const RouteData *data, FILE *out)
{
    Series step[STEP_SERIES], eval[EVAL_SERIES];
    step_series(data, step);
    eval_series(data, eval);
    json_head(out, data);
    fputs(",\n  \"steps\": {\n", out);
    json_series(out, step, STEP_SERIES, data->n);
    fputs("\n  },\n  \"evals\": {\n", out);
    json_series(out, eval, EVAL_SERIES, data->m);
    json_information(out, data);
    fputs("\n  }", out);
    json_shuffled(out, data);
    json_experts(out, data);
    fputs("\n}\n", out);
}

/* ---- CSV ---- */

/** A field, in quotes when it must be. */
static void csv_text(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"" : "", out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/** Where a value stands; what is negative or NULL is empty. */
typedef struct Cell {
    const char *table;
    int row, step, epoch, choice;
    const char *class;
    int expert, rank;
} Cell;

static const Cell nowhere = {NULL, -1, -1, -1, -1, NULL, -1, -1};

static void csv_number(FILE *out, int number)
{
    if (number >= 0) {
        fprintf(out, "%d", number);
    }
    fputc(',', out);
}

static void csv_line(FILE *out, Cell cell, const char *measure, double value)
{
    fprintf(out, "%s,", cell.table);
    csv_number(out, cell.row);
    csv_number(out, cell.step);
    csv_number(out, cell.epoch);
    csv_number(out, cell.choice);
    csv_text(out, cell.class != NULL ? cell.class : "");
    fputc(',', out);
    csv_number(out, cell.expert);
    csv_number(out, cell.rank);
    if (isfinite(value)) {
        fprintf(out, "%s,%.17g\n", measure, value);
    } else {
        fprintf(out, "%s,\n", measure);
    }
}

static void csv_figures(FILE *out, Cell cell, const Figure *figure, int n)
{
    for (int i = 0; i < n; i++) {
        csv_line(out, cell, figure[i].name, figure[i].value);
    }
}

/** All values of a series in one row, in the order of the log. */
static void csv_series(FILE *out, const RouteData *data, const Series *series, Cell cell)
{
    int of[AXES];
    size_t cells = 1;
    for (int i = 0; i < AXES; i++) {
        cells *= series->dim[i] > 0 ? (size_t)series->dim[i] : 1;
    }
    for (size_t at = 0; at < cells; at++) {
        size_t rest = at;
        for (int i = AXES - 1; i >= 0; i--) {
            const size_t dim = (size_t)series->dim[i];
            of[i] = dim > 0 ? (int)(rest % dim) : -1;
            rest /= dim > 0 ? dim : 1;
        }
        const size_t index = (size_t)cell.row * cells + at;
        cell.choice = of[0];
        cell.class = of[1] >= 0 ? route_class_name(data, series->kind, of[1]) : NULL;
        cell.expert = of[2];
        cell.rank = of[3];
        csv_line(out, cell, series->name,
                 series->whole != NULL ? series->whole[index] : series->real[index]);
    }
}

static void csv_steps(FILE *out, const RouteData *data)
{
    Series series[STEP_SERIES];
    step_series(data, series);
    for (int row = 0; row < data->n; row++) {
        Cell cell = nowhere;
        cell.table = "steps";
        cell.row = row;
        cell.step = data->step[row];
        cell.epoch = data->epoch[row];
        for (int i = 2; i < STEP_SERIES; i++) {  // without step and epoch
            csv_series(out, data, &series[i], cell);
        }
    }
}

static void csv_evals(FILE *out, const RouteData *data)
{
    Series series[EVAL_SERIES];
    eval_series(data, series);
    for (int row = 0; row < data->m; row++) {
        Cell cell = nowhere;
        cell.table = "evals";
        cell.row = row;
        cell.step = data->eval_step[row];
        cell.epoch = data->eval_epoch[row];
        for (int i = 2; i < EVAL_SERIES; i++) {
            csv_series(out, data, &series[i], cell);
        }
        const RouteAgreement agreement = agreement_at(data, row);
        csv_line(out, cell, "same", agreement.same);
        csv_line(out, cell, "chance", agreement.chance);
        cell.table = "information";
        for (RouteKind kind = 0; kind < ROUTE_KINDS; kind++) {
            Figure figure[INFORMATION_FIGURES];
            information_figures(route_information_at(data, row, kind), figure);
            cell.class = route_kind_name(kind);
            csv_figures(out, cell, figure, INFORMATION_FIGURES);
        }
    }
}

static void csv_shuffled(FILE *out, const RouteData *data)
{
    Cell cell = nowhere;
    cell.table = "shuffled";
    cell.row = last_of(data);
    for (RouteKind kind = 0; kind < ROUTE_KINDS && data->m > 0; kind++) {
        Figure figure[CONTROL_FIGURES];
        control_figures(control_of(data, kind), figure);
        cell.class = route_kind_name(kind);
        csv_figures(out, cell, figure, CONTROL_FIGURES);
    }
}

static void csv_experts(FILE *out, const RouteData *data)
{
    RouteExpert *expert = MEM_ARRAY(RouteExpert, data->E);
    Cell cell = nowhere;
    route_experts(data, last_of(data), expert);
    for (int e = 0; e < data->E; e++) {
        Figure figure[EXPERT_FIGURES];
        RouteWord word[MOST_WORDS];
        const int n = data->m > 0 ? route_words_of(data, e, word, MOST_WORDS) : 0;
        expert_figures(expert[e], figure);
        cell.table = "experts";
        cell.expert = e;
        cell.class = NULL;
        csv_figures(out, cell, figure, EXPERT_FIGURES);
        cell.table = "words";
        for (int i = 0; i < n; i++) {
            const Figure of_word[] = {
                {"count", word[i].count}, {"total", word[i].total}, {"z", word[i].z}};
            cell.class = string_table_text(&data->words, word[i].word);
            csv_figures(out, cell, of_word, 3);
        }
    }
    mem_free(expert);
}

void route_csv(const RouteData *data, FILE *out)
{
    fputs("table,row,step,epoch,choice,class,expert,rank,measure,value\n", out);
    csv_steps(out, data);
    csv_evals(out, data);
    csv_shuffled(out, data);
    csv_experts(out, data);
}
