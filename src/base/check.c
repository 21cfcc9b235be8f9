// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*before_fail)(void);
static void (*on_fail)(int code);

Status status_ok(void)
{
    Status status;
    status.code = CODE_OK;
    status.text[0] = '\0';
    return status;
}

Status status_error(int code, const char *format, ...)
{
    Status status;
    va_list args;
    status.code = code;
    va_start(args, format);
    vsnprintf(status.text, sizeof status.text, format, args);
    va_end(args);
    for (char *c = status.text; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r') {
            *c = ' ';  // one line, whatever stood in a file name or a bad value
        }
    }
    return status;
}

void check_on_fail(void (*turn)(void), void (*stop)(int code))
{
    before_fail = turn;
    on_fail = stop;
}

void check_fail(const char *file, int line, const char *format, ...)
{
    char text[STATUS_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    if (before_fail != NULL) {
        before_fail();
    }
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    fflush(stderr);
    if (on_fail != NULL) {
        on_fail(CODE_FAILED);
    }
    exit(CODE_FAILED);
}
