// SPDX-License-Identifier: Apache-2.0
/** One small file in the temporary folder that a test writes, reads back and removes. */
#ifndef MOE_TESTS_SCRATCH_H
#define MOE_TESTS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

enum { SCRATCH_PATH = 400 };

typedef struct Scratch {
    char path[SCRATCH_PATH];
} Scratch;

/** A new file with n bytes in it. */
static inline Scratch scratch_write(const char *bytes, size_t n)
{
    Scratch scratch;
    const char *folder = getenv("TMPDIR");
    snprintf(scratch.path, sizeof scratch.path, "%s/moe-test-XXXXXX",
             folder != NULL ? folder : "/tmp");
    int file = mkstemp(scratch.path);
    CHECK(file >= 0, "%s: cannot be made", scratch.path);
    FILE *out = fdopen(file, "wb");
    CHECK(out != NULL, "%s: cannot be opened", scratch.path);
    CHECK(fwrite(bytes, 1, n, out) == n && fclose(out) == 0, "%s: cannot be written", scratch.path);
    return scratch;
}

static inline void scratch_remove(const Scratch *scratch)
{
    unlink(scratch->path);
}

#endif
