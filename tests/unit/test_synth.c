// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "data/chunks.h"
#include "data/synth.h"

typedef struct Text {
    char *bytes;
    size_t n;
    SynthCounts counts;
} Text;

static Text made(uint64_t seed, SynthSplit split, long n)
{
    Text text = {0};
    FILE *out = open_memstream(&text.bytes, &text.n);
    assert_non_null(out);
    text.counts = synth_write(out, seed, split, n);
    assert_int_equal(fclose(out), 0);
    return text;
}

/** One line apart: word and tag, ended by zero bytes; false for an empty line. */
static bool next_line(char **rest, char **word, char **tag)
{
    *word = *rest;
    char *end = strchr(*rest, '\n');
    assert_non_null(end);
    *end = '\0';
    *rest = end + 1;
    if (**word == '\0') {
        return false;
    }
    *tag = strchr(*word, ' ');
    assert_non_null(*tag);
    *(*tag)++ = '\0';
    assert_true(**word != '\0' && strchr(*tag, ' ') == NULL);
    return true;
}

static bool is_entity_tag(const char *tag)
{
    static const char *const types[] = {"PER", "ORG", "LOC", "MISC"};
    for (size_t i = 0; i < 4; i++) {
        if (strchr("BI", *tag) != NULL && tag[1] == '-' && strcmp(tag + 2, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void check_utf8(const char *word)
{
    int32_t code;
    for (size_t n = strlen(word), step; n > 0; word += step, n -= step) {
        step = (size_t)utf8_decode(word, n, &code);
        assert_true(step > 0 && code > ' ');
    }
}

/** Every line is well formed, tags are IOB2, and the counts are those of the text. */
static void test_form(void **state)
{
    (void)state;
    Text text = made(1, SYNTH_TRAIN, 5000);
    SynthCounts seen = {0};
    int length = 0, shortest = 1000, longest = 0;
    const char *last = "O";
    for (char *rest = text.bytes, *word, *tag; *rest != '\0';) {
        if (!next_line(&rest, &word, &tag)) {
            assert_in_range(length, 1, 60);
            shortest = length < shortest ? length : shortest;
            longest = length > longest ? length : longest;
            seen.sentences++;
            length = 0;
            last = "O";
            continue;
        }
        check_utf8(word);
        assert_true(strcmp(tag, "O") == 0 || is_entity_tag(tag));
        assert_true(*tag != 'I' || (*last != 'O' && strcmp(last + 2, tag + 2) == 0));
        assert_true(strpbrk(word, "<>[]|~@^%") == NULL);
        seen.entities += *tag == 'B';
        seen.tokens++;
        length++;
        last = tag;
    }
    assert_memory_equal(&seen, &text.counts, sizeof seen);
    assert_true(seen.sentences == 5000 && shortest == 1 && longest > 40);
    free(text.bytes);
}

/** Nothing but seed, split and number counts. */
static void test_pure(void **state)
{
    (void)state;
    Text few = made(7, SYNTH_DEV, 100), many = made(7, SYNTH_DEV, 1000),
         seed = made(8, SYNTH_DEV, 100), split = made(7, SYNTH_TEST, 100),
         high = made(7 + (1ull << 40), SYNTH_DEV, 100);
    assert_true(few.n < many.n && memcmp(few.bytes, many.bytes, few.n) == 0);
    assert_true(strcmp(few.bytes, seed.bytes) != 0 && strcmp(few.bytes, split.bytes) != 0);
    assert_true(strcmp(few.bytes, high.bytes) != 0);
    Text none = made(7, SYNTH_DEV, 0);
    assert_true(none.n == 0 && none.counts.sentences == 0);
    free(few.bytes);
    free(many.bytes);
    free(seed.bytes);
    free(split.bytes);
    free(high.bytes);
    free(none.bytes);
}

enum { N_TAGS = 9 };

/** How often each word has each tag; all words lower-cased. */
typedef struct Lexicon {
    StringTable words, tags;
    int (*count)[N_TAGS];
    int max;
} Lexicon;

static int lowered(StringTable *table, const char *word, bool add)
{
    char lower[400];
    assert_true(utf8_lower_size(strlen(word)) <= sizeof lower);
    size_t n = utf8_lower(word, strlen(word), lower);
    return add ? string_table_add(table, lower, n) : string_table_find(table, lower, n);
}

static void lexicon_build(Lexicon *lexicon, char *text)
{
    for (char *rest = text, *word, *tag; *rest != '\0';) {
        if (next_line(&rest, &word, &tag)) {
            int w = lowered(&lexicon->words, word, true);
            int t = string_table_add(&lexicon->tags, tag, strlen(tag));
            assert_true(t < N_TAGS);
            if (w >= lexicon->max) {
                int grown = 2 * w + 1000;
                lexicon->count = mem_grow(lexicon->count, (size_t)grown, sizeof *lexicon->count);
                memset(lexicon->count + lexicon->max, 0,
                       (size_t)(grown - lexicon->max) * sizeof *lexicon->count);
                lexicon->max = grown;
            }
            lexicon->count[w][t]++;
        }
    }
}

static void lexicon_free(Lexicon *lexicon)
{
    string_table_free(&lexicon->words);
    string_table_free(&lexicon->tags);
    mem_free(lexicon->count);
}

static const char *majority_tag(Lexicon *lexicon, const char *word)
{
    int w = lowered(&lexicon->words, word, false), best = 0;
    if (w < 0) {
        return "O";
    }
    for (int t = 1; t < lexicon->tags.n; t++) {
        best = lexicon->count[w][t] > lexicon->count[w][best] ? t : best;
    }
    return string_table_text(&lexicon->tags, best);
}

/** A tagger that only knows words must fail often, and the test set has words that training lacks. */
static void test_words_are_not_enough(void **state)
{
    (void)state;
    Text train = made(1, SYNTH_TRAIN, 2000), test = made(1, SYNTH_TEST, 500);
    Lexicon lexicon = {0};
    Chunks chunks = {0};
    lexicon_build(&lexicon, train.bytes);
    long unseen = 0;
    for (char *rest = test.bytes, *word, *tag; *rest != '\0';) {
        if (next_line(&rest, &word, &tag)) {
            chunks_token(&chunks, tag, majority_tag(&lexicon, word));
            unseen += *tag != 'O' && lowered(&lexicon.words, word, false) < 0;
        } else {
            chunks_boundary(&chunks);
        }
    }
    chunks_finish(&chunks);
    double f1 = chunks_f1(&chunks.all);
    if (f1 < 50 || f1 > 75) {
        fail_msg("the majority tags score %.2f", f1);
    }
    assert_true(chunks.types.n == 4 && chunks.all.gold == test.counts.entities);
    assert_true((double)unseen > 0.08 * (double)test.counts.entities);
    for (int i = 0; i < 4; i++) {
        assert_true(chunks.type[i].gold > 60);
    }
    chunks_free(&chunks);
    lexicon_free(&lexicon);
    free(train.bytes);
    free(test.bytes);
}

/** Words of test that large training and development sets lack: made from syllables, for test alone. */
static void test_splits_have_own_names(void **state)
{
    (void)state;
    Text other[] = {made(1, SYNTH_TRAIN, 40000), made(2, SYNTH_DEV, 40000)};
    Text test = made(1, SYNTH_TEST, 1000);
    Lexicon known = {0};
    lexicon_build(&known, other[0].bytes);
    lexicon_build(&known, other[1].bytes);
    long unseen = 0;
    for (char *rest = test.bytes, *word, *tag; *rest != '\0';) {
        if (next_line(&rest, &word, &tag)) {
            unseen += lowered(&known.words, word, false) < 0 && strchr(word, '-') == NULL &&
                      isalpha((unsigned char)*word);
        }
    }
    if (unseen < 200) {
        fail_msg("only %ld words of their own", unseen);
    }
    lexicon_free(&known);
    free(other[0].bytes);
    free(other[1].bytes);
    free(test.bytes);
}

/** Headlines in one case, some words with many types. */
static void test_variety(void **state)
{
    (void)state;
    Text train = made(3, SYNTH_TRAIN, 20000);
    int types_of_lincoln[N_TAGS] = {0}, upper = 0, lower = 0;
    bool has_upper = false, has_lower = false;
    StringTable tags = {0};
    int length = 0;
    for (char *rest = train.bytes, *word, *tag; *rest != '\0';) {
        if (!next_line(&rest, &word, &tag)) {
            upper += length > 4 && has_upper && !has_lower;
            lower += length > 4 && has_lower && !has_upper;
            has_upper = has_lower = false;
            length = 0;
            continue;
        }
        length++;
        for (const char *c = word; *c != '\0'; c++) {
            has_upper |= *c >= 'A' && *c <= 'Z';
            has_lower |= *c >= 'a' && *c <= 'z';
        }
        if (strcmp(word, "Lincoln") == 0) {
            types_of_lincoln[string_table_add(&tags, tag, strlen(tag))]++;
        }
    }
    assert_true(upper > 500 && lower > 500);
    static const char *const wanted[] = {"B-PER", "I-PER", "B-ORG", "B-LOC"};
    for (size_t i = 0; i < 4; i++) {
        int t = string_table_find(&tags, wanted[i], strlen(wanted[i]));
        assert_true(t >= 0 && types_of_lincoln[t] >= 5);
    }
    string_table_free(&tags);
    free(train.bytes);
}

static void test_no_leak(void **state)
{
    (void)state;
    assert_true(mem_live() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_words_are_not_enough),
        cmocka_unit_test(test_splits_have_own_names),
        cmocka_unit_test(test_variety),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
