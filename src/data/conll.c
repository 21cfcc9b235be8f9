// SPDX-License-Identifier: Apache-2.0
#include "data/conll.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/source.h"

enum { FIRST_TOKENS = 1024, MARK = 3, ZERO_WIDTH = 3, MAX_COLUMN = 1000000 };

static const char document_start[] = "-DOCSTART-";

/** A part of a line. */
typedef struct Field {
    const char *text;
    size_t n;
} Field;

typedef struct Reader {
    Conll *conll;
    Source source;
    ConllColumns columns;
    const char *comment_prefix;
    Notes *notes;
    Field *field;  // [max_fields] of this line
    size_t n_fields, max_fields;
    size_t n_first;    // columns of the first token line; 0: none yet
    bool first_apart;  // token and tag are two columns there
    char *cleaned;     // this line with its zero bytes replaced
    size_t n_text, max_text, max_tokens, max_sentences, max_comments;
    bool in_sentence, in_document;
    bool plain;  // text without columns
} Reader;

Status conll_columns(ConllColumns *columns, const char *text)
{
    bool seen_token = false, seen_tag = false;
    columns->token = 0;
    columns->tag = -1;
    for (const char *part = text; *part != '\0';) {
        char value[16];
        int64_t column = 0;
        size_t n = strcspn(part, ",");
        bool is_token = strncmp(part, "token=", 6) == 0;
        size_t n_name = is_token ? 6 : 4;
        bool *seen = is_token ? &seen_token : &seen_tag;
        bool good = (is_token || strncmp(part, "tag=", 4) == 0) && n - n_name < sizeof value;
        if (good) {
            memcpy(value, part + n_name, n - n_name);
            value[n - n_name] = '\0';
            good = !*seen && text_parse_int64(value, &column) && column >= -MAX_COLUMN &&
                   column <= MAX_COLUMN && (part[n] == '\0' || part[n + 1] != '\0');
        }
        if (!good) {
            return status_error(
                CODE_OPTION,
                "--columns %s: \"%.*s\" is wrong; give token=N,tag=N, counted from 0, "
                "or from the end with -1 for the last column",
                text, (int)(n < 80 ? n : 80), part);
        }
        *seen = true;
        *(is_token ? &columns->token : &columns->tag) = (int)column;
        part += n + (part[n] == ',' ? 1 : 0);
    }
    return status_ok();
}

static void note(Reader *reader, const char *kind, const char *detail)
{
    notes_add(reader->notes, reader->conll->path, reader->source.line, kind, detail);
}

static bool is_blank(Field line)
{
    size_t i = 0;
    while (i < line.n && (line.text[i] == ' ' || (line.text[i] >= '\t' && line.text[i] <= '\r'))) {
        i++;
    }
    return i == line.n;
}

static bool is_text(Field field, const char *text)
{
    return field.n == strlen(text) && memcmp(field.text, text, field.n) == 0;
}

static bool is_valid_utf8(Field field)
{
    for (size_t i = 0; i < field.n;) {
        int32_t code = 0;
        int length = (unsigned char)field.text[i] < 0x80
                         ? 1
                         : utf8_decode(field.text + i, field.n - i, &code);
        if (length == 0) {
            return false;
        }
        i += (size_t)length;
    }
    return true;
}

static Field replace_zero_bytes(Reader *reader, Field line)
{
    size_t n = 0;
    reader->cleaned = mem_grow(reader->cleaned, line.n, ZERO_WIDTH);
    for (size_t i = 0; i < line.n; i++) {
        if (line.text[i] != '\0') {
            reader->cleaned[n++] = line.text[i];
        } else {
            memcpy(reader->cleaned + n, "\xef\xbf\xbd", ZERO_WIDTH);
            n += ZERO_WIDTH;
        }
    }
    return (Field){reader->cleaned, n};
}

/** A mark that is a token by itself stays. */
static bool has_mark(Field line)
{
    return line.n >= MARK && memcmp(line.text, "\xef\xbb\xbf", MARK) == 0 &&
           (line.n == MARK || (line.text[MARK] != ' ' && line.text[MARK] != '\t'));
}

static Field clean_line(Reader *reader, Field line)
{
    if (has_mark(line)) {
        note(reader, "byte-order mark removed", NULL);
        line = (Field){line.text + MARK, line.n - MARK};
    }
    if (line.n > 0 && line.text[line.n - 1] == '\r') {
        note(reader, "carriage return at the line end removed", NULL);
        while (line.n > 0 && line.text[line.n - 1] == '\r') {
            line.n--;
        }
    }
    if (line.n > 0 && memchr(line.text, '\0', line.n) != NULL) {
        note(reader, "zero byte kept as U+FFFD", NULL);
        line = replace_zero_bytes(reader, line);
    }
    return line;
}

static void add_field(Reader *reader, const char *text, size_t n)
{
    if (reader->n_fields == reader->max_fields) {
        reader->max_fields = reader->max_fields * 2 + 8;
        reader->field = mem_grow(reader->field, reader->max_fields, sizeof *reader->field);
    }
    reader->field[reader->n_fields++] = (Field){text, n};
}

static void split_line(Reader *reader, Field line)
{
    bool at_tabs = memchr(line.text, '\t', line.n) != NULL;
    char delimiter = at_tabs ? '\t' : ' ';
    const char *end = line.text + line.n, *from = line.text, *to = NULL;
    reader->n_fields = 0;
    while (to != end) {
        to = memchr(from, delimiter, (size_t)(end - from));
        to = to == NULL ? end : to;
        if (at_tabs || to > from) {
            add_field(reader, from, (size_t)(to - from));
        }
        from = to == end ? end : to + 1;
    }
    while (reader->field[reader->n_fields - 1].n == 0) {
        reader->n_fields--;
    }
}

/** The index of a wanted column among n, or n when there is none. */
static size_t resolve(int column, size_t n)
{
    size_t back = column < 0 ? (size_t)-column : 0;
    if (column < 0) {
        return back <= n ? n - back : n;
    }
    return (size_t)column < n ? (size_t)column : n;
}

static Status check_columns(Reader *reader, size_t token, size_t tag)
{
    size_t n = reader->n_fields;
    const char *path = reader->conll->path;
    long line = reader->source.line;
    if (token == n || tag == n) {
        return status_error(CODE_INPUT,
                            "%s:%ld: no %s column %d: the line has %zu column%s; mend "
                            "the line, or see --columns",
                            path, line, token == n ? "token" : "tag",
                            token == n ? reader->columns.token : reader->columns.tag, n,
                            n == 1 ? "" : "s");
    }
    if (reader->n_first == 0) {
        reader->n_first = n;
        reader->first_apart = token != tag;
    }
    if (token == tag && reader->first_apart) {
        return status_error(CODE_INPUT,
                            "%s:%ld: the line has %zu column%s where the first has %zu, "
                            "and none is left for the tag; mend the line",
                            path, line, n, n == 1 ? "" : "s", reader->n_first);
    }
    if (n != reader->n_first) {
        note(reader, "another number of columns than in the first line", NULL);
    }
    return status_ok();
}

static void end_sentence(Reader *reader)
{
    Conll *conll = reader->conll;
    if (reader->in_sentence) {
        int length = conll->n_tokens - conll->sentence_start[conll->n_sentences];
        conll->max_length = length > conll->max_length ? length : conll->max_length;
        conll->sentence_start[++conll->n_sentences] = conll->n_tokens;
        reader->in_sentence = false;
    }
}

static void begin_sentence(Reader *reader)
{
    Conll *conll = reader->conll;
    size_t n = (size_t)conll->n_sentences;
    if (n + 1 >= reader->max_sentences) {
        reader->max_sentences *= 2;
        conll->sentence_start = mem_grow(conll->sentence_start, reader->max_sentences, sizeof(int));
        conll->sentence_line = mem_grow(conll->sentence_line, reader->max_sentences, sizeof(long));
    }
    conll->sentence_line[n] = reader->source.line;
    conll->n_documents += reader->in_document ? 0 : 1;
    reader->in_sentence = true;
    reader->in_document = true;
}

static Field trim_tag(Reader *reader, Field tag)
{
    Field trimmed = tag;
    while (trimmed.n > 0 && trimmed.text[0] == ' ') {
        trimmed = (Field){trimmed.text + 1, trimmed.n - 1};
    }
    while (trimmed.n > 0 && trimmed.text[trimmed.n - 1] == ' ') {
        trimmed.n--;
    }
    if (trimmed.n != tag.n) {
        note(reader, "space around a tag removed", NULL);
    }
    return trimmed;
}

static void add_token(Reader *reader, Field word, Field tag)
{
    Conll *conll = reader->conll;
    size_t i = (size_t)conll->n_tokens;
    if (i == reader->max_tokens) {
        reader->max_tokens *= 2;
        conll->word_start = mem_grow(conll->word_start, reader->max_tokens, sizeof(size_t));
        conll->tag = mem_grow(conll->tag, reader->max_tokens, sizeof(int));
    }
    if (word.n + 1 > reader->max_text - reader->n_text) {
        reader->max_text = reader->max_text * 2 + word.n;
        conll->text = mem_grow(conll->text, reader->max_text, 1);
    }
    char *copy = conll->text + reader->n_text;
    memcpy(copy, word.text, word.n);
    copy[word.n] = '\0';
    conll->word_start[i] = reader->n_text;
    reader->n_text += word.n + 1;
    conll->tag[i] = string_table_add(&conll->tags, tag.text, tag.n);
    conll->n_tokens++;
    if (word.n == 0) {
        note(reader, "empty token kept", NULL);
    } else if (memchr(word.text, ' ', word.n) != NULL) {
        note(reader, "space inside a token kept", copy);
    }
    if (!is_valid_utf8(word) || !is_valid_utf8(tag)) {
        note(reader, "invalid UTF-8 kept", copy);
    }
}

static void leave_comment(Reader *reader)
{
    Conll *conll = reader->conll;
    note(reader, "comment left out", NULL);
    if ((size_t)conll->n_comments == reader->max_comments) {
        reader->max_comments = reader->max_comments * 2 + 64;
        conll->comment = mem_grow(conll->comment, reader->max_comments, sizeof(int));
    }
    conll->comment[conll->n_comments++] = conll->n_tokens;
}

static Status too_many(const Reader *reader)
{
    const Conll *conll = reader->conll;
    if (conll->n_tokens >= INT_MAX / 2 || conll->tags.n >= INT_MAX / 4) {
        return status_error(CODE_INPUT, "%s:%ld: more than %d tokens; split the file", conll->path,
                            reader->source.line, conll->n_tokens);
    }
    return status_ok();
}

static Status read_token(Reader *reader)
{
    size_t token = resolve(reader->columns.token, reader->n_fields);
    size_t tag = resolve(reader->columns.tag, reader->n_fields);
    if (is_text(reader->field[0], document_start) ||
        (token < reader->n_fields && is_text(reader->field[token], document_start))) {
        end_sentence(reader);
        reader->in_document = false;
        return status_ok();
    }
    TRY(check_columns(reader, token, tag));
    TRY(too_many(reader));
    if (!reader->in_sentence) {
        begin_sentence(reader);
    }
    add_token(reader, reader->field[token], trim_tag(reader, reader->field[tag]));
    return status_ok();
}

/** A line of plain text is a sentence, its fields are the tokens. */
static Status read_sentence(Reader *reader, Field line)
{
    const Field outside = {"O", 1};
    line = clean_line(reader, line);
    if (!is_blank(line)) {
        split_line(reader, line);
        TRY(too_many(reader));
        begin_sentence(reader);
        for (size_t i = 0; i < reader->n_fields; i++) {
            add_token(reader, reader->field[i], outside);
        }
        end_sentence(reader);
    }
    return status_ok();
}

static Status read_line(Reader *reader, Field line)
{
    const char *prefix = reader->comment_prefix;
    size_t n_prefix = prefix == NULL ? 0 : strlen(prefix);
    line = clean_line(reader, line);
    if (n_prefix > 0 && line.n >= n_prefix && memcmp(line.text, prefix, n_prefix) == 0) {
        leave_comment(reader);
    } else if (is_blank(line)) {
        end_sentence(reader);
    } else {
        split_line(reader, line);
        return read_token(reader);
    }
    return status_ok();
}

static Status refuse_utf16(Reader *reader)
{
    Source *source = &reader->source;
    TRY(source_peek(source, 2));
    const char *first = source->block + source->begin;
    if (source->end - source->begin >= 2 &&
        (memcmp(first, "\xff\xfe", 2) == 0 || memcmp(first, "\xfe\xff", 2) == 0)) {
        return status_error(CODE_INPUT, "%s:1: is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
                            reader->conll->path);
    }
    return status_ok();
}

static Status read_lines(Reader *reader)
{
    Field line = {NULL, 0};
    bool found = false;
    TRY(refuse_utf16(reader));
    TRY(source_line(&reader->source, &line.text, &line.n, &found));
    while (found) {
        TRY(reader->plain ? read_sentence(reader, line) : read_line(reader, line));
        TRY(source_line(&reader->source, &line.text, &line.n, &found));
    }
    end_sentence(reader);
    return status_ok();
}

static Status read_file(Conll *conll, const char *path, bool plain, ConllColumns columns,
                        const char *comment_prefix, Notes *notes)
{
    Reader reader = {.plain = plain,
                     .conll = conll,
                     .columns = columns,
                     .comment_prefix = comment_prefix,
                     .notes = notes,
                     .max_text = FIRST_TOKENS * 8,
                     .max_tokens = FIRST_TOKENS,
                     .max_sentences = FIRST_TOKENS};
    memset(conll, 0, sizeof *conll);
    TRY(source_open(&reader.source, path));
    conll->path = mem_copy_text(strcmp(path, "-") == 0 ? "standard input" : path);
    conll->text = MEM_ARRAY(char, reader.max_text);
    conll->word_start = MEM_ARRAY(size_t, reader.max_tokens);
    conll->tag = MEM_ARRAY(int, reader.max_tokens);
    conll->sentence_start = MEM_ARRAY(int, reader.max_sentences);
    conll->sentence_line = MEM_ARRAY(long, reader.max_sentences);
    Status status = read_lines(&reader);
    source_close(&reader.source);
    mem_free(reader.field);
    mem_free(reader.cleaned);
    if (status.code != CODE_OK) {
        conll_free(conll);
    }
    return status;
}

Status conll_read(Conll *conll, const char *path, ConllColumns columns, const char *comment_prefix,
                  Notes *notes)
{
    return read_file(conll, path, false, columns, comment_prefix, notes);
}

Status conll_read_plain(Conll *conll, const char *path, Notes *notes)
{
    return read_file(conll, path, true, (ConllColumns){0, -1}, NULL, notes);
}

const char *conll_word(const Conll *conll, int i)
{
    ASSERT(i >= 0 && i < conll->n_tokens);
    return conll->text + conll->word_start[i];
}

const char *conll_tag(const Conll *conll, int i)
{
    ASSERT(i >= 0 && i < conll->n_tokens);
    return string_table_text(&conll->tags, conll->tag[i]);
}

/** How many of n rising values are at most x. */
static int count_up_to(const int *values, int n, int x)
{
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (values[middle] <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

long conll_line(const Conll *conll, int i)
{
    ASSERT(i >= 0 && i < conll->n_tokens);
    int sentence = count_up_to(conll->sentence_start, conll->n_sentences, i) - 1;
    int start = conll->sentence_start[sentence];
    int comments = count_up_to(conll->comment, conll->n_comments, i) -
                   count_up_to(conll->comment, conll->n_comments, start);
    return conll->sentence_line[sentence] + (i - start) + comments;
}

void conll_free(Conll *conll)
{
    mem_free(conll->path);
    mem_free(conll->sentence_start);
    mem_free(conll->sentence_line);
    mem_free(conll->word_start);
    mem_free(conll->text);
    mem_free(conll->tag);
    mem_free(conll->comment);
    string_table_free(&conll->tags);
    memset(conll, 0, sizeof *conll);
}
