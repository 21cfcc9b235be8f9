// SPDX-License-Identifier: Apache-2.0
#include "base/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/arena.h"

enum { BLOCK = 1 << 18, GZ_BUFFER = 1 << 16 };

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static Status open_error(const char *path, int error)
{
    const char *hint = error == ENOENT   ? "check the path"
                       : error == EACCES ? "check its permissions"
                                         : "check the file";
    return status_error(CODE_INPUT, "%s: cannot be opened: %s; %s", name_of(path), strerror(error),
                        hint);
}

Status source_open(Source *source, const char *path)
{
    memset(source, 0, sizeof *source);
    int file = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY);
    struct stat about;
    if (file < 0) {
        return open_error(path, errno);
    }
    if (fstat(file, &about) != 0) {
        int error = errno;
        close(file);
        return open_error(path, error);
    }
    if (S_ISDIR(about.st_mode)) {
        close(file);
        return status_error(CODE_INPUT, "%s: is a directory; name a file in it", name_of(path));
    }
    gzFile gz = gzdopen(file, "rb");
    CHECK(gz != NULL && gzbuffer(gz, GZ_BUFFER) == 0, "zlib has no memory");
    source->path = path;
    source->gz = gz;
    source->file_bytes = S_ISREG(about.st_mode) ? (long long)about.st_size : -1;
    source->compressed = gzdirect(gz) == 0;
    source->size = BLOCK;
    source->block = mem_alloc(source->size, 1);
    return status_ok();
}

static Status read_error(const Source *source)
{
    int code = Z_OK;
    const char *what = gzerror(source->gz, &code);
    if (code == Z_ERRNO) {
        return status_error(CODE_INPUT, "%s: cannot be read: %s; check the disk",
                            name_of(source->path), strerror(errno));
    }
    CHECK(code != Z_MEM_ERROR, "zlib has no memory");
    return status_error(CODE_INPUT, "%s: %s gzip data (%s); copy or download the file again",
                        name_of(source->path), code == Z_BUF_ERROR ? "truncated" : "damaged", what);
}

/** Read once into the free end of the block; the end of the file is where zlib gives less than was asked for. */
static Status read_more(Source *source)
{
    size_t room = source->size - source->end;
    unsigned want = room < INT_MAX ? (unsigned)room : INT_MAX;
    int got = gzread(source->gz, source->block + source->end, want);
    int code = Z_OK;
    gzerror(source->gz, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
        return read_error(source);
    }
    source->end += (size_t)got;
    source->at_end = (unsigned)got < want;
    return status_ok();
}

Status source_peek(Source *source, size_t n)
{
    size_t unread = source->end - source->begin;
    if (unread >= n || source->at_end) {
        return status_ok();
    }
    memmove(source->block, source->block + source->begin, unread);
    source->begin = 0;
    source->end = unread;
    while (source->end < n && !source->at_end) {
        if (source->end == source->size) {
            size_t twice = 2 * source->size;
            source->block = mem_grow(source->block, twice, 1);
            source->size = twice;
        }
        TRY(read_more(source));
    }
    return status_ok();
}

Status source_line(Source *source, const char **line, size_t *n, bool *found)
{
    size_t searched = 0;
    *found = false;
    for (;;) {
        size_t unread = source->end - source->begin;
        const char *first = source->block + source->begin;
        const char *feed =
            unread > searched ? memchr(first + searched, '\n', unread - searched) : NULL;
        if (feed != NULL || (source->at_end && unread > 0)) {
            *line = first;
            *n = feed != NULL ? (size_t)(feed - first) : unread;
            *found = true;
            source->begin += *n + (feed != NULL ? 1 : 0);
            source->line++;
            return status_ok();
        }
        if (source->at_end) {
            return status_ok();
        }
        searched = unread;
        TRY(source_peek(source, unread + 1));
    }
}

Status source_bytes(Source *source, void *out, size_t n, size_t *got)
{
    *got = 0;
    while (*got < n) {
        TRY(source_peek(source, 1));
        size_t unread = source->end - source->begin;
        if (unread == 0) {
            break;
        }
        size_t part = unread < n - *got ? unread : n - *got;
        memcpy((char *)out + *got, source->block + source->begin, part);
        source->begin += part;
        *got += part;
    }
    return status_ok();
}

void source_close(Source *source)
{
    if (source->gz != NULL) {
        gzclose(source->gz);
    }
    mem_free(source->block);
    memset(source, 0, sizeof *source);
}
