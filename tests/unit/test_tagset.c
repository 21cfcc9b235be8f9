// SPDX-License-Identifier: Apache-2.0
/** Schemes and labels, against the chunk rules of conlleval applied token by token and against made-up entities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "data/tagset.h"
#include "scratch.h"

enum { MAX_TOKENS = 400, TAG_SIZE = 32 };

static const char broken_kind[] = "tag that breaks the scheme, read as conlleval does";
static const char unknown_kind[] = "entity of a type that training lacks: scored, never predicted";

static Conll read_text(const char *text)
{
    Conll conll;
    Notes notes = {.out = NULL};
    Scratch file = scratch_write(text, strlen(text));
    Status status = conll_read(&conll, file.path, (ConllColumns){0, -1}, "%", &notes);
    scratch_remove(&file);
    if (status.code != CODE_OK) {
        fail_msg("%s", status.text);
    }
    return conll;
}

/** A file whose tokens are all "w"; `|` in tags ends a sentence. */
static Conll read_tags(const char *tags)
{
    char text[MAX_TOKENS * (TAG_SIZE + 4)] = "";
    size_t n = 0;
    for (const char *tag = tags; *tag != '\0';) {
        size_t length = strcspn(tag, " ");
        if (strncmp(tag, "|", length) == 0) {
            n += (size_t)snprintf(text + n, sizeof text - n, "\n");
        } else {
            n += (size_t)snprintf(text + n, sizeof text - n, "w %.*s\n", (int)length, tag);
        }
        tag += length + (tag[length] == ' ' ? 1 : 0);
    }
    return read_text(text);
}

static void check_scheme(const char *tags, TagScheme expected, long n_broken)
{
    Conll conll = read_tags(tags);
    Notes notes = {.out = NULL};
    TagScheme scheme = SCHEME_IOB1;
    Status status = tagset_scheme(&scheme, &conll, &notes);
    assert_int_equal(status.code, CODE_OK);
    assert_string_equal(tagset_scheme_name(scheme), tagset_scheme_name(expected));
    assert_int_equal(notes_count(&notes, broken_kind), n_broken);
    conll_free(&conll);
}

static void schemes_are_recognised(void **state)
{
    (void)state;
    check_scheme("I-P I-P B-P O | I-L B-L", SCHEME_IOB1, 0);
    check_scheme("I-P O I-L I-L", SCHEME_IOB1, 0);
    check_scheme("B-P I-P B-P O | B-L", SCHEME_IOB2, 0);
    check_scheme("B-P O B-L", SCHEME_IOB2, 0);
    check_scheme("O O | O", SCHEME_IOB2, 0);
    check_scheme("", SCHEME_IOB2, 0);
    check_scheme("S-P O B-L E-L", SCHEME_IOBES, 0);
    check_scheme("B-L I-L E-L", SCHEME_IOBES, 0);
    check_scheme("U-P B-L I-L L-L", SCHEME_IOBES, 0);
    check_scheme("S-P B-L M-L M-L E-L", SCHEME_IOBES, 0);
}

static void broken_tags_do_not_sway_the_scheme(void **state)
{
    (void)state;
    check_scheme("B-P I-P O B-L B-L | I-P O", SCHEME_IOB2, 1);
    check_scheme("I-P I-P O I-L B-L | B-P O", SCHEME_IOB1, 1);
    check_scheme("B-P I-L", SCHEME_IOB2, 1);
    check_scheme("S-P I-P O | B-P O E-P B-P | I-P", SCHEME_IOBES, 5);
    check_scheme("I-P E-P E-P", SCHEME_IOBES, 2);
}

static void check_bad_tag(const char *tags, const char *tag, long line)
{
    Conll conll = read_tags(tags);
    Notes notes = {.out = NULL};
    TagScheme scheme = SCHEME_IOB1;
    char place[SCRATCH_PATH + 32];
    Status status = tagset_scheme(&scheme, &conll, &notes);
    assert_int_equal(status.code, CODE_INPUT);
    snprintf(place, sizeof place, "%s:%ld: tag \"%s\"", conll.path, line, tag);
    if (strstr(status.text, place) != status.text || strstr(status.text, "--columns") == NULL) {
        fail_msg("\"%s\" does not start with \"%s\"", status.text, place);
    }
    conll_free(&conll);
}

static void tags_without_prefix_are_errors(void **state)
{
    (void)state;
    check_bad_tag("O O | B-P NNP", "NNP", 5);
    check_bad_tag("O | PER | X-P", "PER", 3);
    check_bad_tag("B-P X-P", "X-P", 2);
    check_bad_tag("B-P o", "o", 2);
    check_bad_tag("B-P 0", "0", 2);
    check_bad_tag("B-P b-P", "b-P", 2);
    check_bad_tag("B-P I", "I", 2);
    check_bad_tag("B-P I-", "I-", 2);
    check_bad_tag("B-P -P", "-P", 2);
    check_bad_tag("B-P BI-P", "BI-P", 2);
    check_bad_tag("B-P O-P", "O-P", 2);
    check_bad_tag("B-P M-P", "M-P", 2);
    check_bad_tag("S-P O- E-P", "O-", 2);
}

static void errors_and_notes_name_the_line(void **state)
{
    (void)state;
    Conll conll = read_text("a B-P\n% a comment\n\n\nb O\n% inside\nc I-P\nd B-P\n");
    char *text = NULL, expected[SCRATCH_PATH + 200];
    size_t n = 0;
    Notes notes = {.out = open_memstream(&text, &n)};
    TagScheme scheme = SCHEME_IOB1;
    Status status = tagset_scheme(&scheme, &conll, &notes);
    fclose(notes.out);
    assert_int_equal(status.code, CODE_OK);
    snprintf(expected, sizeof expected, "%s:7: %s (I- where IOB2 has B-: I-P)\n", conll.path,
             broken_kind);
    assert_string_equal(text, expected);
    free(text);
    conll_free(&conll);
}

static Tagset build(const Conll *conll, TagScheme scheme)
{
    Tagset tagset;
    Status status = tagset_build(&tagset, conll, scheme);
    if (status.code != CODE_OK) {
        fail_msg("%s", status.text);
    }
    return tagset;
}

static void types_are_sorted(void **state)
{
    (void)state;
    Conll conll = read_tags("B-work B-creative-work I-creative-work O B-Zebra B-\xc3\xa4 B-a");
    Tagset tagset = build(&conll, SCHEME_IOB2);
    static const char *const type[] = {"Zebra", "a", "creative-work", "work", "\xc3\xa4"};
    assert_int_equal(tagset.n_types, 5);
    assert_int_equal(tagset.n_labels, 21);
    for (int t = 0; t < 5; t++) {
        assert_string_equal(string_table_text(&tagset.types, t), type[t]);
    }
    tagset_free(&tagset);
    assert_int_equal(tagset.n_types, 0);
    conll_free(&conll);
}

static void label_texts(void **state)
{
    (void)state;
    static const char *const iobes[] = {"O",     "B-a",   "I-a",   "E-a",  "S-a",
                                        "B-b-c", "I-b-c", "E-b-c", "S-b-c"};
    static const char *const iob2[] = {"O",     "B-a",   "I-a",   "I-a",  "B-a",
                                       "B-b-c", "I-b-c", "I-b-c", "B-b-c"};
    Conll conll = read_tags("B-b-c B-a");
    Tagset tagset = build(&conll, SCHEME_IOB2);
    assert_int_equal(tagset.n_labels, 9);
    for (int label = 0; label < 9; label++) {
        char text[TAG_SIZE], cut[4] = "...";
        tagset_label_text(&tagset, label, text, sizeof text);
        assert_string_equal(text, iobes[label]);
        tagset_iob2_text(&tagset, label, text, sizeof text);
        assert_string_equal(text, iob2[label]);
        tagset_label_text(&tagset, label, cut, sizeof cut);
        assert_int_equal(strlen(cut), label == 0 ? 1 : 3);
    }
    tagset_free(&tagset);
    conll_free(&conll);
}

/** Legal means: there are entities whose IOBES tags hold the pair. */
static void transitions_are_those_of_entities(void **state)
{
    (void)state;
    Conll conll = read_tags("B-a B-b");
    Tagset tagset = build(&conll, SCHEME_IOB2);
    static const char *const legal[] = {
        "O O",     "O B-a",   "O S-a",   "O B-b",   "O S-b",   "B-a I-a", "B-a E-a",
        "I-a I-a", "I-a E-a", "E-a O",   "E-a B-a", "E-a S-a", "E-a B-b", "E-a S-b",
        "S-a O",   "S-a B-a", "S-a S-a", "S-a B-b", "S-a S-b", "B-b I-b", "B-b E-b",
        "I-b I-b", "I-b E-b", "E-b O",   "E-b B-a", "E-b S-a", "E-b B-b", "E-b S-b",
        "S-b O",   "S-b B-a", "S-b S-a", "S-b B-b", "S-b S-b"};
    for (int from = 0; from < tagset.n_labels; from++) {
        char a[TAG_SIZE], b[TAG_SIZE], pair[2 * TAG_SIZE + 2];
        tagset_label_text(&tagset, from, a, sizeof a);
        assert_int_equal(tagset_legal_start(&tagset, from), strchr("OBS", a[0]) != NULL);
        assert_int_equal(tagset_legal_end(&tagset, from), strchr("OES", a[0]) != NULL);
        for (int to = 0; to < tagset.n_labels; to++) {
            bool expected = false;
            tagset_label_text(&tagset, to, b, sizeof b);
            snprintf(pair, sizeof pair, "%s %s", a, b);
            for (size_t k = 0; k < sizeof legal / sizeof *legal; k++) {
                expected = expected || strcmp(pair, legal[k]) == 0;
            }
            assert_int_equal(tagset_legal(&tagset, from, to), expected);
        }
    }
    tagset_free(&tagset);
    conll_free(&conll);
}

static void files_that_cannot_train(void **state)
{
    (void)state;
    Conll conll = read_tags("O O | O");
    Tagset tagset;
    Status status = tagset_build(&tagset, &conll, SCHEME_IOB2);
    assert_int_equal(status.code, CODE_INPUT);
    assert_non_null(strstr(status.text, conll.path));
    conll_free(&conll);
    for (int n = 1000; n <= 1001; n++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        for (int t = 0; t < n; t++) {
            fprintf(out, "w B-t%d\n", t);
        }
        fclose(out);
        conll = read_text(text);
        status = tagset_build(&tagset, &conll, SCHEME_IOB2);
        assert_int_equal(status.code, n == 1000 ? CODE_OK : CODE_INPUT);
        assert_int_equal(tagset.n_types, n == 1000 ? n : 0);
        tagset_free(&tagset);
        conll_free(&conll);
        free(text);
    }
}

static void types_that_training_lacks(void **state)
{
    (void)state;
    Conll train = read_tags("B-P"), dev = read_tags("B-X I-X B-Y B-P I-P | B-P I-Y O");
    Tagset tagset = build(&train, SCHEME_IOB2);
    static const int expected[] = {-1, -1, -1, 1, 3, 4, -1, 0};
    static const char *const gold[] = {"B-X", "I-X", "B-Y", "B-P", "I-P", "B-P", "B-Y", "O"};
    int label[8], iob2[8], n_entities = 77;
    Notes notes = {.out = NULL};
    StringTable texts = {0};
    tagset_encode(&tagset, &dev, SCHEME_IOB2, label, &n_entities, &notes);
    tagset_gold_iob2(&dev, SCHEME_IOB2, iob2, &texts);
    assert_int_equal(n_entities, 5);
    assert_int_equal(notes_count(&notes, unknown_kind), 3);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(label[i], expected[i]);
        assert_string_equal(string_table_text(&texts, iob2[i]), gold[i]);
    }
    string_table_free(&texts);
    tagset_free(&tagset);
    conll_free(&train);
    conll_free(&dev);
}

/** One sentence of tags, and where entities start and end in it. */
typedef struct Sentence {
    int n;
    char tag[MAX_TOKENS][TAG_SIZE];
    bool starts[MAX_TOKENS], ends[MAX_TOKENS];
} Sentence;

/** Encode the tags of a sentence through a file and compare with its starts and ends. */
static void check_sentence(const Sentence *sentence, const char *const *type, int n_types,
                           const TagScheme *expected_scheme)
{
    char text[MAX_TOKENS * (TAG_SIZE + 4)], label_text[TAG_SIZE], train_text[200] = "";
    size_t n = 0;
    int label[MAX_TOKENS], iob2[MAX_TOKENS], n_entities = 0, n_expected = 0;
    Notes notes = {.out = NULL};
    StringTable texts = {0};
    TagScheme scheme = SCHEME_IOB1;
    for (int i = 0; i < sentence->n; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "w %s\n", sentence->tag[i]);
    }
    for (int t = 0; t < n_types; t++) {
        strcat(strcat(strcat(train_text, "w B-"), type[t]), "\n");
    }
    Conll conll = read_text(text), train = read_text(train_text);
    Tagset tagset = build(&train, SCHEME_IOB2);
    assert_int_equal(tagset_scheme(&scheme, &conll, &notes).code, CODE_OK);
    if (expected_scheme != NULL) {
        assert_int_equal(scheme, *expected_scheme);
        assert_int_equal(notes.n_kinds, 0);
    }
    tagset_encode(&tagset, &conll, scheme, label, &n_entities, &notes);
    tagset_gold_iob2(&conll, scheme, iob2, &texts);
    for (int i = 0; i < sentence->n; i++) {
        char expected[2 * TAG_SIZE] = "O";
        if (strcmp(sentence->tag[i], "O") != 0) {
            char place = sentence->starts[i] ? (sentence->ends[i] ? 'S' : 'B')
                                             : (sentence->ends[i] ? 'E' : 'I');
            snprintf(expected, sizeof expected, "%c%s", place, sentence->tag[i] + 1);
        }
        tagset_label_text(&tagset, label[i], label_text, sizeof label_text);
        assert_string_equal(label_text, expected);
        tagset_iob2_text(&tagset, label[i], label_text, sizeof label_text);
        assert_string_equal(label_text, string_table_text(&texts, iob2[i]));
        assert_true(i == 0 ? tagset_legal_start(&tagset, label[0])
                           : tagset_legal(&tagset, label[i - 1], label[i]));
        n_expected += sentence->starts[i];
    }
    assert_true(tagset_legal_end(&tagset, label[sentence->n - 1]));
    assert_int_equal(n_entities, n_expected);
    string_table_free(&texts);
    tagset_free(&tagset);
    conll_free(&train);
    conll_free(&conll);
}

static const char *const two_types[] = {"a", "b-c"};

/** conlleval's rules for the end of a chunk between two tags and the start of one at the second, as its authors list them,
 * with the tags that it does not know, S and E of IOBES, ending and starting an entity always. */
static bool ends_between(char p, const char *p_type, char t, const char *t_type)
{
    return p == 'E' || p == 'S' || ((p == 'B' || p == 'I') && (t == 'B' || t == 'O' || t == 'S')) ||
           (p != 'O' && strcmp(p_type, t_type) != 0);
}

static bool starts_between(char p, const char *p_type, char t, const char *t_type)
{
    return t == 'B' || t == 'S' || ((t == 'I' || t == 'E') && (p == 'O' || p == 'E' || p == 'S')) ||
           (t != 'O' && strcmp(p_type, t_type) != 0);
}

static void apply_rules(Sentence *sentence)
{
    for (int i = 0; i <= sentence->n; i++) {
        const char *p = i > 0 ? sentence->tag[i - 1] : "O",
                   *t = i < sentence->n ? sentence->tag[i] : "O";
        if (i > 0) {
            sentence->ends[i - 1] = *p != 'O' && ends_between(*p, p + 1, *t, t + 1);
        }
        if (i < sentence->n) {
            sentence->starts[i] = *t != 'O' && starts_between(*p, p + 1, *t, t + 1);
        }
    }
}

static void random_tags_follow_the_rules(void **state)
{
    (void)state;
    static const char *const letters[] = {"OBI", "OI", "OBIES", "BIES", "OIE"};
    Rng rng = rng_init(3, RNG_TEST);
    for (uint32_t k = 0; k < 1000; k++) {
        Sentence sentence = {.n = 1 + (int)(k % 30)};
        const char *prefix = letters[k % 5];
        for (int i = 0; i < sentence.n; i++) {
            RngPlace place = {k, 0, (uint32_t)i};
            char letter = prefix[rng_below(&rng, place, 0, (uint32_t)strlen(prefix))];
            snprintf(sentence.tag[i], TAG_SIZE, letter == 'O' ? "O" : "%c-%s", letter,
                     two_types[rng_below(&rng, place, 1, 2)]);
        }
        apply_rules(&sentence);
        check_sentence(&sentence, two_types, 2, NULL);
    }
}

/** Random entities, written by hand in a scheme. letters: single, first, inner, last of an entity, then the letters of a single
 * and a first token right after an entity of the same type. */
static void check_scheme_of_entities(const char *letters, uint32_t seed, const TagScheme *scheme)
{
    Rng rng = rng_init(seed, RNG_TEST);
    for (uint32_t k = 0; k < 300; k++) {
        Sentence sentence = {.n = 0};
        int last_type = -1;
        for (uint32_t e = 0; e < 12; e++) {
            RngPlace place = {k, e, 0};
            int length = 1 + (int)rng_below(&rng, place, 0, 4),
                type = (int)rng_below(&rng, place, 1, 3) - 1;
            for (int j = 0; j < length; j++, sentence.n++) {
                bool starts = j == 0, ends = j + 1 == length, again = type == last_type;
                char letter =
                    starts ? letters[(ends ? 0 : 1) + (again ? 4 : 0)] : letters[ends ? 3 : 2];
                snprintf(sentence.tag[sentence.n], TAG_SIZE, type < 0 ? "O" : "%c-%s", letter,
                         two_types[type < 0 ? 0 : type]);
                sentence.starts[sentence.n] = type >= 0 && starts;
                sentence.ends[sentence.n] = type >= 0 && ends;
            }
            last_type = type;
        }
        bool any_last = strchr("ELSU", letters[0]) == NULL;
        for (int i = 0; i < sentence.n; i++) {
            any_last = any_last || strchr("ELSU", sentence.tag[i][0]) != NULL;
        }
        if (any_last) {
            check_sentence(&sentence, two_types, 2, scheme);
        }
    }
}

static void entities_survive_every_scheme(void **state)
{
    (void)state;
    static const TagScheme iob2 = SCHEME_IOB2, iobes = SCHEME_IOBES;
    check_scheme_of_entities("BBIIBB", 4, &iob2);
    check_scheme_of_entities("IIIIBB", 5, NULL);  // a file may have no I- that tells it from IOB2
    check_scheme_of_entities("SBIESB", 6, &iobes);
    check_scheme_of_entities("UBILUB", 7, &iobes);
    check_scheme_of_entities("SBMESB", 8, &iobes);
}

static void sentences_are_apart(void **state)
{
    (void)state;
    Conll conll = read_tags("B-P | I-P | I-P I-P | B-P O");
    Tagset tagset = build(&conll, SCHEME_IOB2);
    static const int expected[] = {4, 4, 1, 3, 4, 0};
    int label[6], n_entities = 0;
    Notes notes = {.out = NULL};
    tagset_encode(&tagset, &conll, SCHEME_IOB2, label, &n_entities, &notes);
    assert_int_equal(n_entities, 4);
    assert_memory_equal(label, expected, sizeof expected);
    tagset_free(&tagset);
    conll_free(&conll);
}

static void nothing_stays_allocated(void **state)
{
    (void)state;
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_are_recognised),
        cmocka_unit_test(broken_tags_do_not_sway_the_scheme),
        cmocka_unit_test(tags_without_prefix_are_errors),
        cmocka_unit_test(errors_and_notes_name_the_line),
        cmocka_unit_test(types_are_sorted),
        cmocka_unit_test(label_texts),
        cmocka_unit_test(transitions_are_those_of_entities),
        cmocka_unit_test(files_that_cannot_train),
        cmocka_unit_test(types_that_training_lacks),
        cmocka_unit_test(random_tags_follow_the_rules),
        cmocka_unit_test(entities_survive_every_scheme),
        cmocka_unit_test(sentences_are_apart),
        cmocka_unit_test(nothing_stays_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
