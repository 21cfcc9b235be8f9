// SPDX-License-Identifier: Apache-2.0
#include "data/chunks.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { CODE_DIED = 255 };  // what Perl's die() exits with

static const char outside_tag[] = "O", sentence_end[] = "-X-";

/** A tag in its two parts. kind is the prefix when it is one of "OBIE.[]" and '?' for any other. */
typedef struct Tag {
    const char *text, *type;
    size_t n_prefix;
    char kind;
} Tag;

static Tag tag_of(const char *text)
{
    Tag tag = {.text = text, .n_prefix = strcspn(text, "-"), .kind = '?'};
    tag.type = text + tag.n_prefix + (text[tag.n_prefix] == '-');
    if (strcmp(tag.type, "0") == 0) {
        tag.type++;  // a false value in Perl, hence no type
    }
    if (tag.n_prefix == 1 && strchr("OBIE.[]", *text) != NULL) {
        tag.kind = *text;
    }
    return tag;
}

static bool among(char kind, const char *kinds)
{
    return strchr(kinds, kind) != NULL;
}

static bool same_type(const Tag *a, const Tag *b)
{
    return strcmp(a->type, b->type) == 0;
}

static bool same_prefix(const Tag *a, const Tag *b)
{
    return a->n_prefix == b->n_prefix && memcmp(a->text, b->text, a->n_prefix) == 0;
}

/** Does a chunk end between tag p and the tag t right after it? */
static bool ends(const Tag *p, const Tag *t)
{
    return (among(p->kind, "BI") && among(t->kind, "BO")) ||
           (p->kind == 'E' && among(t->kind, "EIO")) || among(p->kind, "[]") ||
           (!among(p->kind, "O.") && !same_type(p, t));
}

/** Does a chunk start at tag t, right after tag p? */
static bool starts(const Tag *p, const Tag *t)
{
    return (t->kind == 'B' && among(p->kind, "BIO")) ||
           (among(t->kind, "IE") && among(p->kind, "EO")) || among(t->kind, "[]") ||
           (!among(t->kind, "O.") && !same_type(p, t));
}

static ChunkCounts *counts_of(Chunks *chunks, const char *type)
{
    int i = string_table_add(&chunks->types, type, strlen(type));
    if (i >= chunks->max_type) {
        int grown = i < 8 ? 16 : 2 * i;
        chunks->type = mem_grow(chunks->type, (size_t)grown, sizeof *chunks->type);
        memset(chunks->type + chunks->max_type, 0,
               (size_t)(grown - chunks->max_type) * sizeof *chunks->type);
        chunks->max_type = grown;
    }
    return &chunks->type[i];
}

/** room = prefix + text; grows. */
static void put(char **room, size_t *max, const char *prefix, const char *text)
{
    size_t n_prefix = strlen(prefix), n = strlen(text) + 1;
    if (n_prefix + n > *max) {
        *max = 2 * (n_prefix + n);
        *room = mem_grow(*room, *max, 1);
    }
    memcpy(*room, prefix, n_prefix);
    memcpy(*room + n_prefix, text, n);
}

static const char *last_of(const char *last)
{
    return last != NULL ? last : outside_tag;
}

static void count_correct(Chunks *chunks, const Tag *gold)
{
    chunks->in_correct = false;
    chunks->all.correct++;
    counts_of(chunks, gold->type)->correct++;
}

static void advance(Chunks *chunks, const Tag *gold, const Tag *guess)
{
    Tag old_gold = tag_of(last_of(chunks->last_gold)),
        old_guess = tag_of(last_of(chunks->last_guess));
    bool gold_ends = ends(&old_gold, gold), guess_ends = ends(&old_guess, guess);
    if (chunks->in_correct) {
        if (gold_ends && guess_ends) {
            count_correct(chunks, &old_gold);
        } else if (gold_ends != guess_ends || !same_type(gold, guess)) {
            chunks->in_correct = false;
        }
    }
    bool gold_starts = starts(&old_gold, gold), guess_starts = starts(&old_guess, guess);
    if (gold_starts && guess_starts && same_type(gold, guess)) {
        chunks->in_correct = true;
    }
    if (gold_starts) {
        chunks->all.gold++;
        counts_of(chunks, gold->type)->gold++;
    }
    if (guess_starts) {
        chunks->all.guessed++;
        counts_of(chunks, guess->type)->guessed++;
    }
    put(&chunks->last_gold, &chunks->max_gold, "", gold->text);
    put(&chunks->last_guess, &chunks->max_guess, "", guess->text);
}

void chunks_token(Chunks *chunks, const char *gold, const char *guess)
{
    Tag gold_tag = tag_of(gold), guess_tag = tag_of(guess);
    advance(chunks, &gold_tag, &guess_tag);
    chunks->n_tokens++;
    chunks->n_right_tags += same_prefix(&gold_tag, &guess_tag) && same_type(&gold_tag, &guess_tag);
}

void chunks_boundary(Chunks *chunks)
{
    Tag outside = tag_of(outside_tag);
    advance(chunks, &outside, &outside);
}

void chunks_finish(Chunks *chunks)
{
    if (chunks->in_correct) {
        Tag gold = tag_of(last_of(chunks->last_gold));
        count_correct(chunks, &gold);
    }
}

static double percent(long part, long whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

double chunks_precision(const ChunkCounts *counts)
{
    return percent(counts->correct, counts->guessed);
}

double chunks_recall(const ChunkCounts *counts)
{
    return percent(counts->correct, counts->gold);
}

double chunks_f1(const ChunkCounts *counts)
{
    double p = chunks_precision(counts), r = chunks_recall(counts);
    return p + r > 0 ? 2 * p * r / (p + r) : 0.0;
}

double chunks_accuracy(const Chunks *chunks)
{
    return percent(chunks->n_right_tags, chunks->n_tokens);
}

static void print_overview(const Chunks *chunks, FILE *out)
{
    const ChunkCounts *all = &chunks->all;
    fprintf(out, "processed %ld tokens with %ld phrases; found: %ld phrases; correct: %ld.\n",
            chunks->n_tokens, all->gold, all->guessed, all->correct);
    if (chunks->n_tokens > 0) {
        fprintf(out, "accuracy: %6.2f%%; precision: %6.2f%%; recall: %6.2f%%; FB1: %6.2f\n",
                chunks_accuracy(chunks), chunks_precision(all), chunks_recall(all), chunks_f1(all));
    }
}

static void print_type(const char *type, const ChunkCounts *counts, FILE *out, bool latex)
{
    double p = chunks_precision(counts), r = chunks_recall(counts), f1 = chunks_f1(counts);
    if (latex) {
        fprintf(out, "\n%-7s &  %6.2f\\%% & %6.2f\\%% & %6.2f \\\\", type, p, r, f1);
    } else {
        fprintf(out, "%17s: precision: %6.2f%%; recall: %6.2f%%; FB1: %6.2f  %ld\n", type, p, r, f1,
                counts->guessed);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_types(const Chunks *chunks, FILE *out, bool latex)
{
    int n = chunks->types.n;
    const char **type = MEM_ARRAY(const char *, n);
    for (int i = 0; i < n; i++) {
        type[i] = string_table_text(&chunks->types, i);
    }
    qsort(type, (size_t)n, sizeof *type, compare_texts);
    for (int i = 0; i < n; i++) {
        const ChunkCounts *counts =
            &chunks->type[string_table_find(&chunks->types, type[i], strlen(type[i]))];
        // The empty type slips through the original's filter of types that both sides have.
        int rows = *type[i] == '\0' ? (counts->gold > 0) + (counts->guessed > 0)
                                    : counts->gold > 0 || counts->guessed > 0;
        while (rows-- > 0) {
            print_type(type[i], counts, out, latex);
        }
    }
    mem_free(type);
}

void chunks_report(const Chunks *chunks, FILE *out, bool latex)
{
    if (!latex) {
        print_overview(chunks, out);
        print_types(chunks, out, false);
        return;
    }
    fputs("          & Precision &  Recall  & F$_{\\beta=1} \\\\\\hline", out);
    print_types(chunks, out, true);
    fputs("\\hline", out);
    print_type("Overall", &chunks->all, out, true);
    fputs("\\hline\n", out);
}

void chunks_free(Chunks *chunks)
{
    string_table_free(&chunks->types);
    mem_free(chunks->type);
    mem_free(chunks->last_gold);
    mem_free(chunks->last_guess);
    memset(chunks, 0, sizeof *chunks);
}

/** A line of the stream; delimiters become zero bytes. */
typedef struct Line {
    char *text;
    size_t n, max;
    int n_fields;                      // without the empty ones at the end
    const char *first, *gold, *guess;  // "" when there are not so many fields
} Line;

static bool line_read(Line *line, FILE *in)
{
    int c = getc_unlocked(in);
    bool found = c != EOF;
    for (line->n = 0;; c = getc_unlocked(in)) {
        if (line->n + 2 > line->max) {
            line->max = line->max < 256 ? 256 : 2 * line->max;
            line->text = mem_grow(line->text, line->max, 1);
        }
        if (c == '\n' || c == EOF) {
            return found;
        }
        line->text[line->n++] = (char)c;
    }
}

static void line_split(Line *line, char delimiter)
{
    line->n_fields = 0;
    line->first = line->gold = line->guess = "";
    while (line->n > 0 && line->text[line->n - 1] == delimiter) {
        line->n--;
    }
    if (line->n == 0) {
        return;
    }
    line->text[line->n] = delimiter;
    line->first = line->text;
    for (char *field = line->text, *end; field <= line->text + line->n; field = end + 1) {
        end = strchr(field, delimiter);
        *end = '\0';
        line->gold = line->guess;
        line->guess = field;
        line->n_fields++;
    }
}

/** One character, or "\t" for a tab, or a backslash and a character that is no letter or digit. */
static Status delimiter_of(char *delimiter, const char *text)
{
    size_t n = strlen(text);
    bool escaped = n == 2 && text[0] == '\\' && !isalnum((unsigned char)text[1]);
    if (strcmp(text, "\\t") != 0 && n != 1 && !escaped) {
        return status_error(CODE_OPTION, "-d %s: the delimiter is one character, or \\t for a tab",
                            text);
    }
    *delimiter = n == 1 ? text[0] : escaped ? text[1] : '\t';
    return status_ok();
}

/** One stream being scored. */
typedef struct Score {
    Chunks *chunks;
    const ScoreOptions *options;
    Line line;
    int n_fields;                // of the first line that is not empty; 0: none yet
    char *raw_gold, *raw_guess;  // tags with the prefix that -r gives them
    size_t max_raw_gold, max_raw_guess;
} Score;

static const char *raw_tag(const Score *score, const char *tag, char **room, size_t *max)
{
    if (strcmp(tag, score->options->outside) == 0 || strcmp(tag, outside_tag) == 0) {
        return outside_tag;
    }
    put(room, max, "B-", tag);
    return *room;
}

static Status score_line(Score *score)
{
    const Line *line = &score->line;
    if (score->n_fields == 0) {
        score->n_fields = line->n_fields;
    }
    if (line->n_fields != score->n_fields && line->n_fields != 0) {
        return status_error(CODE_FAILED, "unexpected number of features: %d (%d)", line->n_fields,
                            score->n_fields);
    }
    if (line->n_fields == 0 || strcmp(line->first, sentence_end) == 0) {
        chunks_boundary(score->chunks);
    } else if (line->n_fields < 2) {
        return status_error(CODE_DIED, "conlleval: unexpected number of features in line %s",
                            line->text);
    } else if (score->options->raw) {
        chunks_token(score->chunks,
                     raw_tag(score, line->gold, &score->raw_gold, &score->max_raw_gold),
                     raw_tag(score, line->guess, &score->raw_guess, &score->max_raw_guess));
    } else {
        chunks_token(score->chunks, line->gold, line->guess);
    }
    return status_ok();
}

static Status score_lines(Score *score, FILE *in, const char *path, char delimiter)
{
    for (long number = 1; line_read(&score->line, in); number++) {
        if (memchr(score->line.text, '\0', score->line.n) != NULL) {
            return status_error(CODE_INPUT, "%s:%ld: a zero byte; this is not a text file", path,
                                number);
        }
        line_split(&score->line, delimiter);
        TRY(score_line(score));
    }
    if (ferror(in)) {
        return status_error(CODE_INPUT, "%s: cannot read: %s", path, strerror(errno));
    }
    chunks_finish(score->chunks);
    return status_ok();
}

Status chunks_score_stream(Chunks *chunks, FILE *in, const char *path, const ScoreOptions *options)
{
    Score score = {.chunks = chunks, .options = options};
    char delimiter = ' ';
    TRY(delimiter_of(&delimiter, options->delimiter));
    Status status = score_lines(&score, in, path, delimiter);
    mem_free(score.line.text);
    mem_free(score.raw_gold);
    mem_free(score.raw_guess);
    return status;
}
