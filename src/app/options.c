// SPDX-License-Identifier: Apache-2.0
/* The command line is read twice: once to check it and to find --config, and again over the values of the file.
 *
 * inih finds sections, comments and names in the file.  The text of a value is taken from the whole line instead, because
 * builds of inih differ in inline comments and cut lines at 200 bytes. */
#include "app/options.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <ini.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/source.h"
#include "base/text.h"

enum {
    WHY_TEXT = 400,
    NAME_TEXT = 64,  // longer names are compared by their beginning
    HELP_WIDTH = 80,
    HELP_COLUMN = 28,
    HELP_TEXT = 2000,
    VALUE_SHOWN = 100,
    OPTION_VALUE = 4096
};

static Option *find_option(const Options *options, const char *name, size_t n)
{
    for (int i = 0; i < options->n; i++) {
        Option *option = &options->option[i];
        if (option->kind != OPTION_GROUP && strncmp(option->name, name, n) == 0 &&
            option->name[n] == '\0') {
            return option;
        }
    }
    return NULL;
}

/* Levenshtein's distance, one row of the table at a time. */
static int edit_distance(const char *a, const char *b)
{
    int row[NAME_TEXT + 1];
    int n = (int)strnlen(b, NAME_TEXT);
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n];
}

/* The known name that was probably meant, or NULL; an abbreviation counts as one mistake. */
static const char *nearest_name(const Options *options, const char *name)
{
    const char *nearest = NULL;
    int best = 2 + (int)strlen(name) / 3;
    for (int i = 0; i < options->n; i++) {
        const Option *option = &options->option[i];
        if (option->kind == OPTION_GROUP) {
            continue;
        }
        bool begins = name[0] != '\0' && strncmp(option->name, name, strlen(name)) == 0;
        int distance = begins ? 1 : edit_distance(name, option->name);
        if (distance < best) {
            best = distance;
            nearest = option->name;
        }
    }
    return nearest;
}

static bool has_range(const Option *option)
{
    return option->min != 0 || option->max != 0;
}

static bool has_min(const Option *option)
{
    return has_range(option) && option->min > (option->kind == OPTION_INT ? INT_MIN : -HUGE_VAL);
}

static bool has_max(const Option *option)
{
    return has_range(option) && option->max < (option->kind == OPTION_INT ? INT_MAX : HUGE_VAL);
}

/* "between 0 and 0.95", "1 or more", "at most 8", or nothing. */
static void describe_range(const Option *option, char *text, size_t size)
{
    text[0] = '\0';
    if (has_min(option) && has_max(option)) {
        snprintf(text, size, "between %.10g and %.10g", option->min, option->max);
    } else if (has_min(option)) {
        snprintf(text, size, "%.10g or more", option->min);
    } else if (has_max(option)) {
        snprintf(text, size, "at most %.10g", option->max);
    }
}

static bool explain_number(const Option *option, const char *noun, char *why)
{
    char range[NAME_TEXT];
    describe_range(option, range, sizeof range);
    bool both = has_min(option) && has_max(option);
    snprintf(why, WHY_TEXT, "must be %s%s%s", noun,
             noun[0] == '\0' || range[0] == '\0' ? ""
             : both                              ? " "
                                                 : ", ",
             range);
    return false;
}

static bool in_range(const Option *option, double value)
{
    return !has_range(option) || (value >= option->min && value <= option->max);
}

static bool set_int(const Option *option, const char *text, char *why)
{
    int64_t value;
    if (!text_parse_int64(text, &value)) {
        return explain_number(option, "a whole number", why);
    }
    if (!in_range(option, (double)value)) {
        return explain_number(option, "", why);
    }
    if (value < INT_MIN || value > INT_MAX) {
        snprintf(why, WHY_TEXT, "must be between %d and %d", INT_MIN, INT_MAX);
        return false;
    }
    *(int *)option->value = (int)value;
    return true;
}

static bool set_real(const Option *option, const char *text, char *why)
{
    double value;
    if (!text_parse_double(text, &value) || !isfinite(value)) {
        return explain_number(option, "a number", why);
    }
    if (!in_range(option, value)) {
        return explain_number(option, "", why);
    }
    *(double *)option->value = value;
    return true;
}

static bool set_seed(const Option *option, const char *text, char *why)
{
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || errno != 0) {
        snprintf(why, WHY_TEXT, "must be a whole number between 0 and %llu",
                 (unsigned long long)UINT64_MAX);
        return false;
    }
    *(uint64_t *)option->value = value;
    return true;
}

static bool set_flag(const Option *option, const char *text, char *why)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0) {
        snprintf(why, WHY_TEXT, "must be true or false");
        return false;
    }
    *(bool *)option->value = yes;
    return true;
}

/* Copy "a|b|c" as "a, b or c". */
static void list_choices(const char *choices, char *out, size_t size)
{
    size_t used = 0;
    const char *last = strrchr(choices, '|');
    for (const char *c = choices; *c != '\0' && used + 5 < size; c++) {
        const char *separator = c == last ? " or " : ", ";
        if (*c == '|') {
            used += (size_t)snprintf(out + used, size - used, "%s", separator);
        } else {
            out[used++] = *c;
        }
    }
    out[used] = '\0';
}

/* The start and length of choice number i of "a|b|c", or NULL. */
static const char *choice_at(const char *choices, int i, size_t *n)
{
    for (; i > 0 && choices != NULL; i--) {
        choices = strchr(choices, '|');
        choices += choices != NULL;
    }
    *n = choices != NULL ? strcspn(choices, "|") : 0;
    return choices;
}

static bool set_choice(const Option *option, const char *text, char *why)
{
    size_t n;
    const char *choice;
    for (int i = 0; (choice = choice_at(option->choices, i, &n)) != NULL; i++) {
        if (strlen(text) == n && strncmp(choice, text, n) == 0) {
            *(int *)option->value = i;
            return true;
        }
    }
    char list[WHY_TEXT - 16];
    list_choices(option->choices, list, sizeof list);
    snprintf(why, WHY_TEXT, "must be %s", list);
    return false;
}

/* Set the value from text; false with the reason when it is not legal. A text is kept by pointer. */
static bool set_value(const Option *option, const char *text, char *why)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return set_flag(option, text, why);
    case OPTION_INT:
        return set_int(option, text, why);
    case OPTION_SEED:
        return set_seed(option, text, why);
    case OPTION_REAL:
        return set_real(option, text, why);
    case OPTION_CHOICE:
        return set_choice(option, text, why);
    case OPTION_TEXT:
        if (option->earlier != NULL) {
            *option->earlier = *(const char **)option->value;
        }
        *(const char **)option->value = text;
        return true;
    case OPTION_GROUP:
        break;
    }
    return true;
}

static void set_defaults(Options *options)
{
    for (int i = 0; i < options->n; i++) {
        Option *option = &options->option[i];
        const char *text = option->fallback;
        if (text == NULL && option->kind == OPTION_FLAG) {
            text = "false";
        }
        char why[WHY_TEXT] = "is missing";
        bool good = (text == NULL && option->kind != OPTION_TEXT) ? option->kind == OPTION_GROUP
                                                                  : set_value(option, text, why);
        CHECK(good, "internal error: default of --%s: %s", option->name, why);
    }
}

static Status unknown_option(const Options *options, const char *word, const char *name)
{
    const char *nearest = nearest_name(options, name);
    return status_error(CODE_OPTION, "%s: %.*s: unknown option; %s%s", options->program,
                        VALUE_SHOWN, word, nearest != NULL ? "did you mean --" : "see --help",
                        nearest != NULL ? nearest : "");
}

static Status missing_value(const Options *options, const Option *option)
{
    char legal[WHY_TEXT];
    switch (option->kind) {
    case OPTION_CHOICE:
        list_choices(option->choices, legal, sizeof legal);
        break;
    case OPTION_TEXT:
        snprintf(legal, sizeof legal, "%s", option->choices != NULL ? option->choices : "TEXT");
        break;
    default:
        describe_range(option, legal, sizeof legal);
        break;
    }
    return status_error(CODE_OPTION, "%s: --%s: needs a value%s%s", options->program, option->name,
                        legal[0] != '\0' ? ": " : "", legal);
}

/* One option; *next is the word behind it and moves on when it is the value. */
static Status parse_option(const Options *options, const char *word, char ***next)
{
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    const char *text = name[n] == '=' ? name + n + 1 : NULL;
    Option *option = find_option(options, name, n);

    bool negated = false;
    if (option == NULL && strncmp(name, "no-", 3) == 0) {
        Option *flag = find_option(options, name + 3, n - 3);
        negated = flag != NULL && flag->kind == OPTION_FLAG;
        option = negated ? flag : NULL;
    }
    if (option == NULL) {
        char wanted[NAME_TEXT];
        snprintf(wanted, sizeof wanted, "%.*s", (int)(n < NAME_TEXT ? n : NAME_TEXT - 1), name);
        return unknown_option(options, word, wanted);
    }
    if (option->kind == OPTION_FLAG) {
        if (negated && text != NULL) {
            return status_error(CODE_OPTION, "%s: %.*s: takes no value", options->program,
                                VALUE_SHOWN, word);
        }
        text = text != NULL ? text : negated ? "false" : "true";
    } else if (text == NULL) {
        if (**next == NULL || strncmp(**next, "--", 2) == 0) {
            return missing_value(options, option);
        }
        text = *(*next)++;
    }
    char why[WHY_TEXT];
    option->given = true;
    if (!set_value(option, text, why)) {
        return status_error(CODE_OPTION, "%s: --%s %.*s: %s", options->program, option->name,
                            VALUE_SHOWN, text, why);
    }
    return status_ok();
}

static Status parse_words(Options *options, char **argv)
{
    options->n_arguments = 0;
    char **next = argv + 1;
    while (*next != NULL) {
        const char *word = *next++;
        if (strcmp(word, "--") == 0) {
            while (*next != NULL) {
                options->argument[options->n_arguments++] = *next++;
            }
        } else if (strncmp(word, "--", 2) == 0) {
            TRY(parse_option(options, word, &next));
        } else if (strcmp(word, "-h") == 0) {
            TRY(parse_option(options, "--help", &next));
        } else if (word[0] == '-' && word[1] != '\0') {
            TRY(unknown_option(options, word, word + 1));
        } else {
            options->argument[options->n_arguments++] = word;
        }
    }
    return status_ok();
}

/* A file of settings while inih walks through it. */
typedef struct ConfigFile {
    Options *options;
    Source source;
    const char *line;  // [n] the whole current line
    size_t n;
    long *set_on;  // [options->n] line of each setting, 0: not set
    Status status;
} ConfigFile;

/* inih's fgets: the next line without indentation (which would continue a value), as much of it as fits. */
static char *config_line(char *out, int size, void *user)
{
    ConfigFile *file = user;
    bool found = false;
    if (file->status.code == CODE_OK) {
        file->status = source_line(&file->source, &file->line, &file->n, &found);
    }
    if (file->status.code != CODE_OK || !found) {
        return NULL;
    }
    if (memchr(file->line, '\0', file->n) != NULL) {
        file->status = status_error(CODE_INPUT, "%s:%ld: a zero byte; this is no text file",
                                    file->source.path, file->source.line);
        return NULL;
    }
    while (file->n > 0 && isspace((unsigned char)file->line[0])) {
        file->line++;
        file->n--;
    }
    size_t n = file->n < (size_t)size - 2 ? file->n : (size_t)size - 2;
    memcpy(out, file->line, n);
    memcpy(out + n, "\n", 2);
    return out;
}

static const char *const escaped = "\\\"\n\r\t";
static const char *const escape_letter = "\\\"nrt";

/* Undo write_text(), in place: from the opening quote to the closing one; false when the quotes do not match. */
static bool unquote(char *text)
{
    char *out = text, *in = text + 1;
    for (; *in != '"'; in++) {
        if (*in == '\0') {
            return false;
        }
        const char *letter = *in == '\\' ? strchr(escape_letter, in[1]) : NULL;
        if (letter != NULL && *letter != '\0') {
            *out++ = escaped[letter - escape_letter];
            in++;
        } else {
            *out++ = *in;
        }
    }
    in += 1 + strspn(in + 1, " \t\r");
    *out = '\0';
    return *in == '\0' || *in == ';' || *in == '#';
}

/* Cut an inline comment (white space and a semicolon) and trailing white space. */
static void trim(char *text)
{
    size_t n = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool space = isspace((unsigned char)text[i]);
        if (text[i] == ';' && (i == 0 || isspace((unsigned char)text[i - 1]))) {
            break;
        }
        n = space ? n : i + 1;
    }
    text[n] = '\0';
}

/* A copy of n bytes, owned by the options. */
static char *own_text(Options *options, const char *bytes, size_t n)
{
    char *text = MEM_ARRAY(char, n + 1);
    memcpy(text, bytes, n);
    options->owned =
        mem_grow(options->owned, (size_t)options->n_owned + 1, sizeof options->owned[0]);
    options->owned[options->n_owned++] = text;
    return text;
}

/* A copy of the current line's value, owned by the options. */
static char *config_value(ConfigFile *file)
{
    size_t start = 0;
    while (start < file->n && file->line[start] != '=' && file->line[start] != ':') {
        start++;
    }
    start += start < file->n;
    while (start < file->n && isspace((unsigned char)file->line[start])) {
        start++;
    }
    return own_text(file->options, file->line + start, file->n - start);
}

/* The outcome of one setting; text is where its value is unpacked. */
static Status config_setting(ConfigFile *file, const char *name, char *text)
{
    const char *path = file->source.path;
    long line = file->source.line;
    Option *option = find_option(file->options, name, strlen(name));
    if (option == NULL) {
        const char *nearest = nearest_name(file->options, name);
        return status_error(CODE_OPTION, "%s:%ld: %.*s: unknown option; %s%s", path, line,
                            VALUE_SHOWN, name, nearest != NULL ? "did you mean " : "see --help",
                            nearest != NULL ? nearest : "");
    }
    if (strcmp(name, "config") == 0) {
        return status_error(CODE_OPTION, "%s:%ld: config: a file cannot name another one", path,
                            line);
    }
    long *set_on = &file->set_on[option - file->options->option];
    if (*set_on != 0) {
        return status_error(CODE_OPTION, "%s:%ld: %s: is already set in line %ld", path, line, name,
                            *set_on);
    }
    *set_on = line;
    bool quoted = text[0] == '"';
    if (!quoted) {
        trim(text);
    } else if (!unquote(text)) {
        return status_error(CODE_INPUT, "%s:%ld: %s: the quotes do not match", path, line, name);
    }
    if (text[0] == '\0' && !quoted) {
        return status_error(CODE_OPTION,
                            "%s:%ld: %s: needs a value; leave the line out for the default", path,
                            line, name);
    }
    char why[WHY_TEXT];
    option->given = true;
    if (!set_value(option, text, why)) {
        return status_error(CODE_OPTION, "%s:%ld: %s = %.*s: %s", path, line, name, VALUE_SHOWN,
                            text, why);
    }
    return status_ok();
}

static int config_handler(void *user, const char *section, const char *name, const char *value)
{
    (void)section, (void)value;
    ConfigFile *file = user;
    if (name != NULL && file->status.code == CODE_OK) {
        file->status = config_setting(file, name, config_value(file));
    }
    return file->status.code == CODE_OK;
}

static Status read_config(Options *options, const char *path)
{
    if (strcmp(path, "-") == 0) {
        return status_error(CODE_OPTION, "%s: --config -: needs a file that every rank can read",
                            options->program);
    }
    ConfigFile file = {.options = options, .status = status_ok()};
    TRY(source_open(&file.source, path));
    file.set_on = MEM_ARRAY(long, options->n);
    int first_bad = ini_parse_stream(config_line, &file, config_handler, &file);
    CHECK(first_bad >= 0, "%s: no memory to read it", path);
    if (first_bad > 0 && (file.status.code == CODE_OK || first_bad < file.source.line)) {
        file.status = status_error(
            CODE_INPUT, "%s:%d: expected name = value, [group] or a comment (#)", path, first_bad);
    }
    mem_free(file.set_on);
    source_close(&file.source);
    return file.status;
}

Status options_parse(Options *options, int argc, char **argv)
{
    set_defaults(options);
    options->argument = mem_grow(options->argument, (size_t)argc + 1, sizeof options->argument[0]);
    TRY(parse_words(options, argv));
    const Option *config = find_option(options, "config", strlen("config"));
    const char *path = config != NULL ? *(const char **)config->value : NULL;
    if (path != NULL) {
        TRY(read_config(options, path));
        TRY(parse_words(options, argv));
    }
    return status_ok();
}

/* Bytes of the next piece that stays on one line: a word, or what stands in brackets when that fits. */
static size_t piece_size(const char *text, int room)
{
    size_t n = text[0] == '[' ? strcspn(text, "]\n") + 1 : 0;
    return n > 0 && n <= (size_t)room && text[n - 1] == ']' ? n : strcspn(text, " \n");
}

/* Print text from a column on, wrapped at HELP_WIDTH; \n begins a new line. Continuation bytes of UTF-8 take no room. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    int at = column;
    while (*text != '\0') {
        size_t n = piece_size(text, HELP_WIDTH - column);
        int width = 0;
        for (size_t i = 0; i < n; i++) {
            width += ((unsigned char)text[i] & 0xC0) != 0x80;
        }
        if (at > column && at + 1 + width > HELP_WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, n, out);
        at += width;
        text += n;
        if (*text == '\n') {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

static void print_indented(FILE *out, const char *lines)
{
    while (*lines != '\0') {
        int n = (int)strcspn(lines, "\n");
        fprintf(out, "%*s%.*s\n", n > 0 ? 2 : 0, "", n, lines);
        lines += n + (lines[n] == '\n');
    }
}

/* "--dropout X", "--ffn none|dense|moe"; false when the choices are too long to stand here. */
static bool describe_name(const Option *option, char *text, size_t size)
{
    const char *value = "";
    bool choices_fit = true;
    switch (option->kind) {
    case OPTION_INT:
    case OPTION_SEED:
        value = "N";
        break;
    case OPTION_REAL:
        value = "X";
        break;
    case OPTION_TEXT:
        value = option->choices != NULL ? option->choices : "TEXT";
        break;
    case OPTION_CHOICE:
        choices_fit = strlen(option->name) + strlen(option->choices) + 7 <= HELP_COLUMN;
        value = choices_fit ? option->choices : "NAME";
        break;
    case OPTION_FLAG:
    case OPTION_GROUP:
        break;
    }
    snprintf(text, size, "  --%s%s%s", option->name, value[0] != '\0' ? " " : "", value);
    return choices_fit;
}

/* Help, then in brackets the choices that did not fit, the range and the default. */
static void describe_help(const Option *option, bool with_choices, char *text, size_t size)
{
    char legal[WHY_TEXT] = "";
    const char *fallback = option->fallback;
    if (with_choices) {
        list_choices(option->choices, legal, sizeof legal);
    } else if (option->kind == OPTION_INT || option->kind == OPTION_REAL) {
        describe_range(option, legal, sizeof legal);
    } else if (option->kind == OPTION_FLAG) {
        if (fallback != NULL && strcmp(fallback, "true") == 0) {
            snprintf(legal, sizeof legal, "on by default; --no-%s turns it off", option->name);
        }
        fallback = NULL;
    }
    bool both = legal[0] != '\0' && fallback != NULL;
    bool any = legal[0] != '\0' || fallback != NULL;
    snprintf(text, size, "%s%s%s%s%s%s%s", option->help, any ? " [" : "", legal, both ? "; " : "",
             fallback != NULL ? "default " : "", fallback != NULL ? fallback : "", any ? "]" : "");
}

static void print_option(const Option *option, FILE *out)
{
    char name[HELP_WIDTH], help[HELP_TEXT];
    bool choices_fit = describe_name(option, name, sizeof name);
    describe_help(option, !choices_fit, help, sizeof help);
    int width = fprintf(out, "%s", name);
    if (width + 2 > HELP_COLUMN) {
        fputc('\n', out);
        width = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - width, "");
    print_wrapped(out, help, HELP_COLUMN);
}

void options_help(const Options *options, FILE *out)
{
    const char *usage = "usage: ";
    fputs(usage, out);
    print_wrapped(out, options->usage, (int)strlen(usage));
    fputc('\n', out);
    print_wrapped(out, options->purpose, 0);
    for (int i = 0; i < options->n; i++) {
        const Option *option = &options->option[i];
        if (option->kind == OPTION_GROUP) {
            fprintf(out, "\n%s:\n", option->name);
        } else {
            print_option(option, out);
        }
    }
    fputs("\nexit codes:\n"
          "   0  done\n"
          "   1  a bug or the environment failed\n"
          "   2  bad option\n"
          "   3  bad input file\n"
          "   4  bad checkpoint or log\n"
          "  75  stopped on request after saving; start again with --resume auto\n",
          out);
    if (options->examples != NULL) {
        fputs("\nexamples:\n", out);
        print_indented(out, options->examples);
    }
}

/* The shortest text that reads back to the same bits. */
static void write_real(FILE *out, double value)
{
    char text[32];
    int digits = 6;
    do {
        snprintf(text, sizeof text, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && digits++ < DBL_DECIMAL_DIG);
    fputs(text, out);
}

/* A text as it is when inih and trim() leave it alone, or else between quotes. */
static void write_text(FILE *out, const char *text)
{
    bool plain = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++) {
        plain = plain && !isspace((unsigned char)*c) && strchr(";#\"\\", *c) == NULL;
    }
    if (plain) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const char *c = text; *c != '\0'; c++) {
        const char *special = strchr(escaped, *c);
        if (special != NULL) {
            fputc('\\', out);
        }
        fputc(special != NULL ? escape_letter[special - escaped] : *c, out);
    }
    fputc('"', out);
}

static void write_value(FILE *out, const Option *option)
{
    size_t n;
    const char *choice;
    switch (option->kind) {
    case OPTION_FLAG:
        fputs(*(const bool *)option->value ? "true" : "false", out);
        break;
    case OPTION_INT:
        fprintf(out, "%d", *(const int *)option->value);
        break;
    case OPTION_SEED:
        fprintf(out, "%" PRIu64, *(const uint64_t *)option->value);
        break;
    case OPTION_REAL:
        write_real(out, *(const double *)option->value);
        break;
    case OPTION_CHOICE:
        choice = choice_at(option->choices, *(const int *)option->value, &n);
        fwrite(choice, 1, n, out);
        break;
    case OPTION_TEXT:
        write_text(out, *(const char *const *)option->value);
        break;
    case OPTION_GROUP:
        break;
    }
}

static bool is_lasting(const Option *option)
{
    return option->kind != OPTION_GROUP && !option->transient &&
           (option->kind != OPTION_TEXT || *(const char *const *)option->value != NULL);
}

void options_write(const Options *options, FILE *out)
{
    fprintf(out, "# Options of %s, ready for --config.\n", options->program);
    const Option *group = NULL;
    for (int i = 0; i < options->n; i++) {
        const Option *option = &options->option[i];
        if (option->kind == OPTION_GROUP) {
            group = option;
        } else if (is_lasting(option)) {
            if (group != NULL) {
                fprintf(out, "\n[%s]\n", group->name);
                group = NULL;
            }
            fprintf(out, "%s = ", option->name);
            write_value(out, option);
            fputc('\n', out);
        }
    }
}

/** A value as text, without the quotes that a file needs. */
static void value_text(const Option *option, char *text, size_t size)
{
    if (option->kind == OPTION_TEXT) {
        const char *value = *(const char *const *)option->value;
        snprintf(text, size, "%s", value != NULL ? value : "");
        return;
    }
    FILE *out = fmemopen(text, size, "w");
    CHECK(out != NULL, "no memory");
    write_value(out, option);
    fclose(out);
}

void options_each(const Options *options, OptionVisit visit, void *context)
{
    char text[OPTION_VALUE];
    for (int i = 0; i < options->n; i++) {
        if (is_lasting(&options->option[i])) {
            value_text(&options->option[i], text, sizeof text);
            visit(context, options->option[i].name, text);
        }
    }
}

Status options_resume(Options *options, const char *path, const char *name, const char *value)
{
    Option *option = find_option(options, name, strlen(name));
    char now[OPTION_VALUE], why[WHY_TEXT];
    if (option == NULL) {
        return status_error(CODE_OPTION, "%s: has option %s, which this program does not know",
                            path, name);
    }
    if (option->resume == RESUME_ANEW) {
        return status_ok();
    }
    value_text(option, now, sizeof now);
    if (option->given && option->resume == RESUME_SAME && strcmp(now, value) != 0) {
        return status_error(
            CODE_OPTION,
            "--%s: is %.*s, but the run in %s has %.*s; leave it out to go on, or begin "
            "another run with another --out",
            name, VALUE_SHOWN, now, path, VALUE_SHOWN, value);
    }
    if (!option->given && strcmp(now, value) != 0) {
        char *text = own_text(options, value, strlen(value));
        if (!set_value(option, text, why)) {
            return status_error(CODE_STORED, "%s: config: %s = %.*s: %s", path, name, VALUE_SHOWN,
                                value, why);
        }
    }
    return status_ok();
}

void options_free(Options *options)
{
    for (int i = 0; i < options->n_owned; i++) {
        mem_free(options->owned[i]);
    }
    mem_free(options->owned);
    mem_free(options->argument);
    options->owned = NULL;
    options->argument = NULL;
    options->n_owned = options->n_arguments = 0;
}
