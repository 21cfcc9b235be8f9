// SPDX-License-Identifier: Apache-2.0
/** Is a page or picture well-formed, and does it load nothing? Strict: every tag is closed, every attribute quoted, every & an entity. */
#ifndef MOE_TESTS_MARKUP_CHECK_H
#define MOE_TESTS_MARKUP_CHECK_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { MARKUP_DEPTH = 32, MARKUP_NAME = 24 };

typedef struct Markup {
    const char *at, *end;
    char open[MARKUP_DEPTH][MARKUP_NAME];
    int depth;
    const char *fault;  // NULL: none so far
    int tags;
} Markup;

static inline void markup_fail(Markup *m, const char *what)
{
    if (m->fault == NULL) {
        m->fault = what;
        fprintf(stderr, "%s at: %.80s\n", what, m->at);
    }
}

static inline bool markup_begins(const Markup *m, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(m->end - m->at) >= n && memcmp(m->at, text, n) == 0;
}

/** A character of text or of an attribute's value. */
static inline void markup_character(Markup *m)
{
    int32_t code = 0;
    const int length = utf8_decode(m->at, (size_t)(m->end - m->at), &code);
    if (length == 0) {
        markup_fail(m, "no UTF-8");
    } else if (code < 0x20 && code != '\n') {
        markup_fail(m, "a control character");
    } else if (code == '&') {
        size_t n = 1 + (m->at[1] == '#');
        while (isalnum((unsigned char)m->at[n])) {
            n++;
        }
        if (m->at[n] != ';' || n < 3) {
            markup_fail(m, "a bare &");
        }
    }
    m->at += length > 0 ? length : 1;
}

static inline void markup_name(Markup *m, char name[MARKUP_NAME])
{
    size_t n = 0;
    while (m->at < m->end && (isalnum((unsigned char)*m->at) || *m->at == '-') &&
           n + 1 < MARKUP_NAME) {
        name[n++] = *m->at++;
    }
    name[n] = '\0';
    if (n == 0) {
        markup_fail(m, "a name is missing");
    }
}

static inline void markup_attribute(Markup *m)
{
    char name[MARKUP_NAME];
    markup_name(m, name);
    const bool link = strcmp(name, "href") == 0;
    if (strcmp(name, "src") == 0 || strcmp(name, "srcset") == 0 || strncmp(name, "on", 2) == 0) {
        markup_fail(m, "an attribute that loads or runs");
    }
    if (!markup_begins(m, "=\"")) {
        markup_fail(m, "an attribute without a quoted value");
        return;
    }
    m->at += 2;
    if (link && *m->at != '#') {
        markup_fail(m, "a link out of the page");
    }
    while (m->at < m->end && *m->at != '"' && m->fault == NULL) {
        if (*m->at == '<') {
            markup_fail(m, "< in a value");
        }
        markup_character(m);
    }
    m->at++;
}

static inline void markup_style(Markup *m)
{
    while (m->at < m->end && !markup_begins(m, "</style>")) {
        if (markup_begins(m, "url(") || markup_begins(m, "@import") || markup_begins(m, "<")) {
            markup_fail(m, "a style that loads");
        }
        m->at++;
    }
}

static inline void markup_tag(Markup *m)
{
    char name[MARKUP_NAME];
    const bool closing = m->at[1] == '/';
    m->at += 1 + closing;
    markup_name(m, name);
    m->tags++;
    if (strcmp(name, "script") == 0 || strcmp(name, "link") == 0 || strcmp(name, "img") == 0 ||
        strcmp(name, "iframe") == 0 || strcmp(name, "object") == 0) {
        markup_fail(m, "an element that loads or runs");
    }
    while (m->at < m->end && *m->at == ' ' && m->fault == NULL) {
        m->at++;
        markup_attribute(m);
    }
    const bool empty = markup_begins(m, "/>");
    m->at += empty;
    if (m->at >= m->end || *m->at != '>') {
        markup_fail(m, "a tag without its end");
        return;
    }
    m->at++;
    if (closing) {
        if (m->depth == 0 || strcmp(m->open[--m->depth], name) != 0) {
            markup_fail(m, "a closing tag of another element");
        }
    } else if (!empty && m->depth == MARKUP_DEPTH) {
        markup_fail(m, "too deep");
    } else if (!empty) {
        memcpy(m->open[m->depth++], name, sizeof name);
        if (strcmp(name, "style") == 0) {
            markup_style(m);
        }
    }
}

/** NULL when nothing is wrong, or what is. n bytes. */
static inline const char *markup_fault(const char *text, size_t n)
{
    Markup m = {.at = text, .end = text + n};
    if (markup_begins(&m, "<!DOCTYPE html>")) {
        m.at += strlen("<!DOCTYPE html>");
    }
    while (m.at < m.end && m.fault == NULL) {
        if (*m.at == '<') {
            markup_tag(&m);
        } else if (*m.at == '>') {
            markup_fail(&m, "a bare >");
        } else {
            markup_character(&m);
        }
    }
    if (m.depth != 0) {
        markup_fail(&m, "an element is not closed");
    }
    return m.fault;
}

/** How often a text stands in another. */
static inline int markup_count(const char *page, const char *text)
{
    int n = 0;
    for (const char *at = page; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

#endif
