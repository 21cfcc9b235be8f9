// SPDX-License-Identifier: Apache-2.0
#include "data/tagset.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { MAX_TYPES = 1000, NO_TYPE = -1, TEXT_SIZE = 160 };
enum { PLACE_B, PLACE_I, PLACE_E, PLACE_S, PLACES };

static const char place_letter[] = "BIES";

/** The distinct tags of a file, taken apart. */
typedef struct Parts {
    char *prefix;  // [tags.n] one of O B I E S
    int *type;     // [tags.n] number in types; NO_TYPE for O
    StringTable types;
} Parts;

const char *tagset_scheme_name(TagScheme scheme)
{
    static const char *const name[] = {"IOB1", "IOB2", "IOBES"};
    return name[scheme];
}

/** The letter before the hyphen, or 0 where the tag is not X-TYPE. */
static char letter_of(const char *tag)
{
    return tag[0] != '\0' && tag[1] == '-' && tag[2] != '\0' ? tag[0] : '\0';
}

static char prefix_of(const char *tag, TagScheme scheme)
{
    if (strcmp(tag, "O") == 0) {
        return 'O';
    }
    char letter = letter_of(tag);
    if (scheme != SCHEME_IOBES) {
        return letter == 'B' || letter == 'I' ? letter : '\0';
    }
    switch (letter) {
    case 'U':
        return 'S';
    case 'L':
        return 'E';
    case 'M':
        return 'I';
    default:
        return letter != '\0' && strchr(place_letter, letter) != NULL ? letter : '\0';
    }
}

static void parts_init(Parts *parts, const Conll *conll, TagScheme scheme)
{
    size_t n = (size_t)conll->tags.n;
    memset(parts, 0, sizeof *parts);
    parts->prefix = MEM_ARRAY(char, n);
    parts->type = MEM_ARRAY(int, n);
    for (size_t k = 0; k < n; k++) {
        const char *tag = string_table_text(&conll->tags, (int)k);
        parts->prefix[k] = prefix_of(tag, scheme);
        parts->type[k] = parts->prefix[k] == 'O' || parts->prefix[k] == '\0'
                             ? NO_TYPE
                             : string_table_add(&parts->types, tag + 2, strlen(tag + 2));
    }
}

static void parts_free(Parts *parts)
{
    mem_free(parts->prefix);
    mem_free(parts->type);
    string_table_free(&parts->types);
}

/** A token inside its sentence. */
typedef struct View {
    char prefix;
    int type;
    bool starts, ends;     // of an entity; both false on O
    bool after_same_type;  // right after an entity of the same type
} View;

static bool continues(const Parts *parts, int from, int to)
{
    return strchr("BI", parts->prefix[from]) != NULL && strchr("IE", parts->prefix[to]) != NULL &&
           parts->type[from] == parts->type[to];
}

static View view_token(const Parts *parts, const Conll *conll, int sentence, int i)
{
    const int *tag = conll->tag;
    bool first = i == conll->sentence_start[sentence];
    bool last = i + 1 == conll->sentence_start[sentence + 1];
    View view = {.prefix = parts->prefix[tag[i]], .type = parts->type[tag[i]]};
    if (view.type != NO_TYPE) {
        view.starts = first || !continues(parts, tag[i - 1], tag[i]);
        view.ends = last || !continues(parts, tag[i], tag[i + 1]);
        view.after_same_type = view.starts && !first && parts->type[tag[i - 1]] == view.type;
    }
    return view;
}

static int place_of(const View *view)
{
    if (view->starts) {
        return view->ends ? PLACE_S : PLACE_B;
    }
    return view->ends ? PLACE_E : PLACE_I;
}

/** The prefix that the token has in a scheme. */
static char prefix_in(TagScheme scheme, const View *view)
{
    if (view->type == NO_TYPE) {
        return 'O';
    }
    switch (scheme) {
    case SCHEME_IOB1:
        return view->after_same_type ? 'B' : 'I';
    case SCHEME_IOB2:
        return view->starts ? 'B' : 'I';
    default:
        return place_letter[place_of(view)];
    }
}

static bool has_single_or_end(const Conll *conll)
{
    for (int k = 0; k < conll->tags.n; k++) {
        char letter = letter_of(string_table_text(&conll->tags, k));
        if (letter != '\0' && strchr("SEUL", letter) != NULL) {
            return true;
        }
    }
    return false;
}

static Status check_prefixes(const Parts *parts, const Conll *conll)
{
    for (int i = 0; i < conll->n_tokens; i++) {
        if (parts->prefix[conll->tag[i]] == '\0') {
            return status_error(CODE_INPUT,
                                "%s:%ld: tag \"%.60s\" is neither O nor B-TYPE, I-TYPE, E-TYPE or "
                                "S-TYPE; mend it, or name the tag column with --columns "
                                "token=N,tag=N",
                                conll->path, conll_line(conll, i), conll_tag(conll, i));
        }
    }
    return status_ok();
}

static long count_broken(const Parts *parts, const Conll *conll, TagScheme scheme)
{
    long broken = 0;
    for (int s = 0; s < conll->n_sentences; s++) {
        for (int i = conll->sentence_start[s]; i < conll->sentence_start[s + 1]; i++) {
            View view = view_token(parts, conll, s, i);
            broken += prefix_in(scheme, &view) != view.prefix;
        }
    }
    return broken;
}

static void note_broken(const Parts *parts, const Conll *conll, TagScheme scheme, Notes *notes)
{
    for (int s = 0; s < conll->n_sentences; s++) {
        for (int i = conll->sentence_start[s]; i < conll->sentence_start[s + 1]; i++) {
            View view = view_token(parts, conll, s, i);
            char prefix = prefix_in(scheme, &view), detail[TEXT_SIZE];
            if (prefix != view.prefix) {
                snprintf(detail, sizeof detail, "%c- where %s has %c-: %s", view.prefix,
                         tagset_scheme_name(scheme), prefix, conll_tag(conll, i));
                notes_add(notes, conll->path, conll_line(conll, i),
                          "tag that breaks the scheme, read as conlleval does", detail);
            }
        }
    }
}

Status tagset_scheme(TagScheme *scheme, const Conll *conll, Notes *notes)
{
    Parts parts;
    *scheme = has_single_or_end(conll) ? SCHEME_IOBES : SCHEME_IOB2;
    parts_init(&parts, conll, *scheme);
    Status status = check_prefixes(&parts, conll);
    if (status.code == CODE_OK) {
        if (*scheme == SCHEME_IOB2 &&
            count_broken(&parts, conll, SCHEME_IOB1) < count_broken(&parts, conll, SCHEME_IOB2)) {
            *scheme = SCHEME_IOB1;
        }
        note_broken(&parts, conll, *scheme, notes);
    }
    parts_free(&parts);
    return status;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_sorted(StringTable *sorted, const StringTable *table)
{
    const char **text = MEM_ARRAY(const char *, table->n);
    for (int i = 0; i < table->n; i++) {
        text[i] = string_table_text(table, i);
    }
    qsort(text, (size_t)table->n, sizeof *text, compare_texts);
    for (int i = 0; i < table->n; i++) {
        string_table_add(sorted, text[i], strlen(text[i]));
    }
    mem_free(text);
}

Status tagset_build(Tagset *tagset, const Conll *train, TagScheme scheme)
{
    Parts parts;
    memset(tagset, 0, sizeof *tagset);
    parts_init(&parts, train, scheme);
    int n = parts.types.n;
    if (n > 0 && n <= MAX_TYPES) {
        add_sorted(&tagset->types, &parts.types);
        tagset->n_types = n;
        tagset->n_labels = 1 + PLACES * n;
    }
    parts_free(&parts);
    if (n == 0) {
        return status_error(CODE_INPUT,
                            "%s: no entity, so there is nothing to learn; name the tag column with "
                            "--columns token=N,tag=N",
                            train->path);
    }
    if (n > MAX_TYPES) {
        return status_error(CODE_INPUT,
                            "%s: %d entity types, more than %d; name the tag column with --columns "
                            "token=N,tag=N",
                            train->path, n, MAX_TYPES);
    }
    return status_ok();
}

void tagset_encode(const Tagset *tagset, const Conll *conll, TagScheme scheme, int *label,
                   int *n_entities, Notes *notes)
{
    Parts parts;
    parts_init(&parts, conll, scheme);
    int *known = MEM_ARRAY(int, parts.types.n);  // [types.n] number in tagset, or -1
    for (int t = 0; t < parts.types.n; t++) {
        const char *type = string_table_text(&parts.types, t);
        known[t] = string_table_find(&tagset->types, type, strlen(type));
    }
    *n_entities = 0;
    for (int s = 0; s < conll->n_sentences; s++) {
        for (int i = conll->sentence_start[s]; i < conll->sentence_start[s + 1]; i++) {
            View view = view_token(&parts, conll, s, i);
            int type = view.type == NO_TYPE ? NO_TYPE : known[view.type];
            *n_entities += view.starts;
            if (view.type == NO_TYPE) {
                label[i] = LABEL_O;
            } else if (type >= 0) {
                label[i] = 1 + PLACES * type + place_of(&view);
            } else {
                label[i] = LABEL_UNKNOWN_TYPE;
                if (view.starts) {
                    notes_add(notes, conll->path, conll_line(conll, i),
                              "entity of a type that training lacks: scored, never predicted",
                              string_table_text(&parts.types, view.type));
                }
            }
        }
    }
    mem_free(known);
    parts_free(&parts);
}

static int label_place(int label)
{
    return (label - 1) % PLACES;
}

static int label_type(int label)
{
    return (label - 1) / PLACES;
}

bool tagset_legal_start(const Tagset *tagset, int label)
{
    ASSERT(label >= 0 && label < tagset->n_labels);
    (void)tagset;
    return label == LABEL_O || label_place(label) == PLACE_B || label_place(label) == PLACE_S;
}

bool tagset_legal_end(const Tagset *tagset, int label)
{
    ASSERT(label >= 0 && label < tagset->n_labels);
    (void)tagset;
    return label == LABEL_O || label_place(label) == PLACE_E || label_place(label) == PLACE_S;
}

bool tagset_legal(const Tagset *tagset, int from, int to)
{
    if (tagset_legal_end(tagset, from)) {
        return tagset_legal_start(tagset, to);
    }
    return !tagset_legal_start(tagset, to) && label_type(from) == label_type(to);
}

static void label_text(const Tagset *tagset, int label, const char *letters, char *out, size_t size)
{
    ASSERT(label >= 0 && label < tagset->n_labels);
    if (label == LABEL_O) {
        snprintf(out, size, "O");
    } else {
        snprintf(out, size, "%c-%s", letters[label_place(label)],
                 string_table_text(&tagset->types, label_type(label)));
    }
}

void tagset_label_text(const Tagset *tagset, int label, char *out, size_t size)
{
    label_text(tagset, label, place_letter, out, size);
}

void tagset_iob2_text(const Tagset *tagset, int label, char *out, size_t size)
{
    label_text(tagset, label, "BIIB", out, size);
}

static int add_tag(StringTable *texts, char prefix, const char *type)
{
    size_t n = strlen(type);
    char *text = MEM_ARRAY(char, n + 2);
    text[0] = prefix;
    text[1] = '-';
    memcpy(text + 2, type, n);
    int number = string_table_add(texts, text, n + 2);
    mem_free(text);
    return number;
}

void tagset_gold_iob2(const Conll *conll, TagScheme scheme, int *iob2, StringTable *texts)
{
    Parts parts;
    parts_init(&parts, conll, scheme);
    int *number = MEM_ARRAY(int, 2 * parts.types.n);  // [types.n, 2] B and I of a type
    int outside = string_table_add(texts, "O", 1);
    for (int t = 0; t < parts.types.n; t++) {
        const char *type = string_table_text(&parts.types, t);
        number[2 * t] = add_tag(texts, 'B', type);
        number[2 * t + 1] = add_tag(texts, 'I', type);
    }
    for (int s = 0; s < conll->n_sentences; s++) {
        for (int i = conll->sentence_start[s]; i < conll->sentence_start[s + 1]; i++) {
            View view = view_token(&parts, conll, s, i);
            iob2[i] = view.type == NO_TYPE ? outside : number[2 * view.type + !view.starts];
        }
    }
    mem_free(number);
    parts_free(&parts);
}

void tagset_free(Tagset *tagset)
{
    string_table_free(&tagset->types);
    memset(tagset, 0, sizeof *tagset);
}
