// SPDX-License-Identifier: Apache-2.0
/** Files written by all ranks and read back by each: every kind and shape, whole and in parts, bit by bit; the old file until the
 * new one is whole. */
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "comm/comm.h"
#include "store/h5.h"
#include "test_util.h"

enum { EXPERTS = 5, LONG_TEXT = 100000, HERE = 400 };

/** A dataset of the test file: experts lie in blocks of ranks, what is dense is shared. */
typedef struct Tensor {
    const char *name;
    H5Kind kind;
    H5Shape shape;
    bool experts;
} Tensor;

static const Tensor tensors[] = {
    {"one", H5_FLOAT, {1, {1}}, false},
    {"dense/float", H5_FLOAT, {2, {37, 11}}, false},
    {"dense/double", H5_DOUBLE, {3, {5, 3, 7}}, false},
    {"dense/int", H5_INT, {4, {3, 2, 4, 5}}, false},
    {"dense/byte", H5_BYTE, {1, {1001}}, false},
    {"dense/chunks", H5_FLOAT, {2, {1500, 1024}}, false},
    {"dense/line", H5_BYTE, {1, {3 * (1 << 20) + 17}}, false},
    {"dense/wide rows", H5_DOUBLE, {2, {3, 200003}}, false},
    {"dense/wide planes", H5_FLOAT, {3, {2, 700, 701}}, false},
    {"dense/none", H5_FLOAT, {1, {0}}, false},
    {"dense/no rows", H5_INT, {2, {0, 9}}, false},
    {"dense/no columns", H5_DOUBLE, {3, {4, 0, 2}}, false},
    {"experts/w", H5_FLOAT, {3, {EXPERTS, 13, 17}}, true},
    {"experts/b", H5_DOUBLE, {2, {EXPERTS, 13}}, true},
    {"experts/one", H5_INT, {2, {1, 6}}, true},
    {"experts/large", H5_FLOAT, {3, {EXPERTS, 600, 601}}, true},
    {"experts/empty", H5_FLOAT, {3, {EXPERTS, 0, 3}}, true},
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

static const size_t size_of[H5_KINDS] = {4, 8, 4, 1};
static const char *utf8_text = "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x90\x8b\n\ttab";

static Arena arena;

/** Same bits on every rank; all patterns of a byte, and so every kind of float, NaN too. */
static void *contents(int i, uint32_t seed)
{
    const size_t n = (size_t)h5_elements(tensors[i].shape) * size_of[tensors[i].kind];
    unsigned char *bytes = ARENA_ARRAY(&arena, unsigned char, n + 1);
    uint64_t x = seed * 1000 + (uint64_t)i + 1;
    for (size_t k = 0; k < n; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        bytes[k] = (unsigned char)(x >> 56);
    }
    return bytes;
}

static size_t row_bytes(const Tensor *t)
{
    size_t bytes = size_of[t->kind];
    for (int i = 1; i < t->shape.n_dims; i++) {
        bytes *= (size_t)t->shape.dim[i];
    }
    return bytes;
}

static char *long_text(void)
{
    char *text = ARENA_ARRAY(&arena, char, LONG_TEXT + 1);
    for (int i = 0; i < LONG_TEXT; i++) {
        text[i] = (char)('a' + i % 23);
    }
    text[LONG_TEXT] = '\0';
    return text;
}

static void good(const Comm *comm, Status status)
{
    CHECK(status.code == CODE_OK, "rank %d of %d: %s", comm->rank, comm->size, status.text);
}

/** One failure, the same on all ranks, of this code and with this in its text. */
static void bad(const Comm *comm, Status status, int code, const char *text)
{
    double own[2] = {status.code, 0}, all[2 * 64];
    for (const char *c = status.text; *c != '\0'; c++) {
        own[1] = 31 * own[1] + *c - 65521 * (double)(int64_t)(31 * own[1] / 65521);
    }
    CHECK(status.code == code && strstr(status.text, text) != NULL &&
              strchr(status.text, '\n') == NULL,
          "rank %d: code %d, text '%s', wanted '%s'", comm->rank, status.code, status.text, text);
    comm_gather_double(comm, own, 2, all);
    for (int r = 0; r < comm->size; r++) {
        CHECK(memcmp(all + 2 * r, own, sizeof own) == 0, "rank %d has another failure than %d", r,
              comm->rank);
    }
}

static void write_all(H5File *file, const Comm *comm, uint32_t seed)
{
    good(comm, h5_group(file, "dense"));
    good(comm, h5_group(file, "experts"));
    for (int i = 0; i < TENSORS; i++) {
        const Tensor *t = &tensors[i];
        const unsigned char *bytes = contents(i, seed);
        int64_t first, count;
        if (t->experts) {
            int begin, end;
            mesh_experts((int)t->shape.dim[0], comm->size, comm->rank, &begin, &end);
            first = begin;
            count = end - begin;
        } else {
            h5_share(t->kind, t->shape, comm->rank, comm->size, &first, &count);
        }
        good(comm, h5_write(file, t->name, t->kind, t->shape, t->experts ? 1 : 0, first, count,
                            count > 0 ? bytes + (size_t)first * row_bytes(t) : NULL));
        good(comm, h5_put_integer(file, t->name, "number", i));
        arena_reset(&arena);
    }
    const bool root = comm_is_root(comm);
    good(comm, h5_write_text(file, "empty text", root ? "" : NULL, 0));
    good(comm,
         h5_write_text(file, "utf-8 text", root ? utf8_text : NULL, root ? strlen(utf8_text) : 0));
    good(comm, h5_write_text(file, "zeros", root ? "a\0b\0" : NULL, root ? 4 : 0));
    good(comm, h5_write_text(file, "long text", root ? long_text() : NULL, root ? LONG_TEXT : 0));
    good(comm, h5_put_text(file, "/", "format", "test"));
    good(comm, h5_put_text(file, "/", "empty", ""));
    good(comm, h5_put_text(file, "/", "utf-8", utf8_text));
    good(comm, h5_put_integer(file, "/", "seed", seed));
    good(comm, h5_put_integer(file, "dense", "least", INT64_MIN));
    good(comm, h5_put_integer(file, "dense", "most", INT64_MAX));
    good(comm, h5_put_number(file, "experts", "third", 1.0 / 3));
    good(comm, h5_put_number(file, "experts", "tiny", -DBL_TRUE_MIN));
    good(comm, h5_put_number(file, "experts", "infinity", HUGE_VAL));
    good(comm, h5_put_number(file, "experts", "minus zero", -0.0));
}

/** All rows at once, one by one, and every second run of two. */
static void read_tensor(const H5File *file, const Comm *comm, int i, uint32_t seed)
{
    const Tensor *t = &tensors[i];
    const unsigned char *want = contents(i, seed);
    const int64_t rows = t->shape.dim[0];
    const size_t row = row_bytes(t);
    const int64_t steps[] = {rows, 1, 2, rows / 3};
    H5Kind kind;
    H5Shape shape;
    good(comm, h5_shape(file, t->name, &kind, &shape));
    CHECK(kind == t->kind && memcmp(&shape, &t->shape, sizeof shape) == 0, "%s: shape", t->name);
    unsigned char *found = ARENA_ARRAY(&arena, unsigned char, (size_t)rows *row + 1);
    for (int s = 0; s < 4; s++) {
        const int64_t step = steps[s] > rows / 50 ? steps[s] : rows / 50 + 1;
        for (int64_t first = 0; first < rows; first += step) {
            const int64_t count = rows - first < step ? rows - first : step;
            const size_t n = (size_t)count * row;
            memset(found, 0xa5, n + 1);
            good(comm, h5_read(file, t->name, t->kind, t->shape, first, count, found));
            CHECK(memcmp(found, want + (size_t)first * row, n) == 0,
                  "rank %d of %d: %s: rows from %lld", comm->rank, comm->size, t->name,
                  (long long)first);
            CHECK(found[n] == 0xa5, "%s: read beyond %zu bytes", t->name, n);
        }
        good(comm, h5_read(file, t->name, t->kind, t->shape, rows, 0, NULL));
    }
    arena_reset(&arena);
}

static void read_text(const H5File *file, const Comm *comm, const char *name, const char *want,
                      size_t want_n)
{
    char *text;
    size_t n;
    good(comm, h5_read_text(file, name, &text, &n));
    CHECK(n == want_n && memcmp(text, want, n + 1) == 0, "%s: %zu bytes '%.40s'", name, n, text);
    mem_free(text);
}

static void check_text(const H5File *file, const Comm *comm, const char *name, const char *want)
{
    char text[100];
    good(comm, h5_get_text(file, "/", name, text, sizeof text));
    CHECK(strcmp(text, want) == 0, "attribute %s is '%s'", name, text);
    good(comm, h5_get_text(file, "/", name, text, strlen(want) + 2));
}

static void check_integer(const H5File *file, const Comm *comm, const char *where, const char *name,
                          int64_t want)
{
    int64_t value;
    good(comm, h5_get_integer(file, where, name, &value));
    CHECK(value == want, "attribute %s is %lld", name, (long long)value);
}

static void check_number(const H5File *file, const Comm *comm, const char *name, double want)
{
    double value;
    good(comm, h5_get_number(file, "experts", name, &value));
    CHECK(memcmp(&value, &want, sizeof want) == 0, "attribute %s is %g", name, value);
}

static Status join(void *context, const char *name)
{
    char *names = context;
    strcat(strcat(names, name), "|");
    return status_ok();
}

static void check_names(const H5File *file, const Comm *comm, const char *where, bool attributes,
                        const char *want)
{
    char names[1000] = "";
    good(comm, h5_each(file, where, attributes, join, names));
    CHECK(strcmp(names, want) == 0, "%s has %s", where, names);
}

static Status stop_at_once(void *context, const char *name)
{
    ++*(int *)context;
    return status_error(CODE_INPUT, "%s", name);
}

static void read_all(const char *path, const Comm *comm, uint32_t seed)
{
    H5File file;
    int calls = 0;
    const long live = mem_live();
    good(comm, h5_open(&file, path));
    for (int i = 0; i < TENSORS; i++) {
        read_tensor(&file, comm, i, seed);
        check_integer(&file, comm, tensors[i].name, "number", i);
    }
    read_text(&file, comm, "empty text", "", 0);
    read_text(&file, comm, "utf-8 text", utf8_text, strlen(utf8_text));
    read_text(&file, comm, "zeros", "a\0b\0", 4);
    read_text(&file, comm, "long text", long_text(), LONG_TEXT);
    check_text(&file, comm, "format", "test");
    check_text(&file, comm, "empty", "");
    check_text(&file, comm, "utf-8", utf8_text);
    check_integer(&file, comm, "/", "seed", seed);
    check_integer(&file, comm, "dense", "least", INT64_MIN);
    check_integer(&file, comm, "dense", "most", INT64_MAX);
    check_number(&file, comm, "third", 1.0 / 3);
    check_number(&file, comm, "tiny", -DBL_TRUE_MIN);
    check_number(&file, comm, "infinity", HUGE_VAL);
    check_number(&file, comm, "minus zero", -0.0);
    check_names(&file, comm, "/", false,
                "dense|empty text|experts|long text|one|utf-8 text|zeros|");
    check_names(&file, comm, "experts", false, "b|empty|large|one|w|");
    check_names(&file, comm, "/", true, "empty|format|seed|utf-8|");
    check_names(&file, comm, "experts/w", true, "number|");
    const Status stopped = h5_each(&file, "dense", false, stop_at_once, &calls);
    CHECK(stopped.code == CODE_INPUT && calls == 1, "a visit that fails ends the list");
    CHECK(h5_has(&file, "dense") && h5_has(&file, "experts/w") && !h5_has(&file, "experts/x") &&
              !h5_has(&file, "x/y") && !h5_has(&file, "one/x"),
          "what is there");
    h5_close(&file);
    arena_reset(&arena);
    CHECK(mem_live() <= live + 1, "%ld blocks, before %ld", mem_live(), live);
}

/** The numbers of a share: every row once, in whole chunks, for any number of ranks. */
static void check_shares(void)
{
    for (int i = 0; i < TENSORS; i++) {
        for (int size = 1; size <= 9; size++) {
            int64_t next = 0, first, count;
            for (int rank = 0; rank < size; rank++) {
                h5_share(tensors[i].kind, tensors[i].shape, rank, size, &first, &count);
                CHECK(first == next && count >= 0, "%s: rank %d of %d", tensors[i].name, rank,
                      size);
                next += count;
            }
            CHECK(next == tensors[i].shape.dim[0], "%s: %d ranks", tensors[i].name, size);
        }
    }
}

static void check_no_part(const Comm *comm, const char *path)
{
    char part[HERE + 8];
    int64_t one = 1;
    snprintf(part, sizeof part, "%s.part", path);
    comm_sum_int64(comm, &one, 1);
    CHECK(access(part, F_OK) != 0 && errno == ENOENT, "%s is left", part);
    comm_sum_int64(comm, &one, 1);
}

/** Fails on every rank in the same way, with the file and the name in the text; afterwards the file is given up. */
static void check_refused(const Comm *comm, const char *path, const char *folder)
{
    H5File file;
    char missing[HERE + 40];
    snprintf(missing, sizeof missing, "%s/no/such/folder/new.h5", folder);
    bad(comm, h5_create(&file, comm, missing), CODE_FAILED, missing);
    check_no_part(comm, missing);
    snprintf(missing, sizeof missing, "%s/folder", folder);
    if (comm_is_root(comm)) {
        CHECK(mkdir(missing, 0777) == 0, "%s", missing);
    }
    good(comm, h5_create(&file, comm, missing));
    good(comm, h5_group(&file, "a"));
    bad(comm, h5_group(&file, "a"), CODE_FAILED, "cannot be written (a)");
    bad(comm, h5_group(&file, "no/such"), CODE_FAILED, "no/such");
    bad(comm, h5_put_integer(&file, "no", "x", 1), CODE_FAILED, missing);
    good(comm, h5_put_integer(&file, "/", "x", 1));
    bad(comm, h5_put_integer(&file, "/", "x", 1), CODE_FAILED, missing);
    bad(comm, h5_write(&file, "a", H5_INT, (H5Shape){1, {0}}, 0, 0, 0, NULL), CODE_FAILED, missing);
    bad(comm, h5_commit(&file), CODE_FAILED, missing);  // a folder cannot be replaced
    check_no_part(comm, missing);
    if (comm_is_root(comm)) {
        CHECK(rmdir(missing) == 0, "%s", missing);
    }
    read_all(path, comm, 2);
}

int main(int argc, char **argv)
{
    Comm comm;
    H5File file;
    char folder[HERE - 20] = {0}, path[HERE];
    comm_init(&comm, &argc, &argv);
    if (comm_is_root(&comm)) {
        const char *tmp = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/moe-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
        CHECK(mkdtemp(folder) != NULL, "%s", folder);
    }
    for (int r = 1; r < comm.size; r++) {
        comm_copy(&comm, folder, sizeof folder, 0, r);
    }
    snprintf(path, sizeof path, "%s/test.h5", folder);
    check_shares();

    good(&comm, h5_create(&file, &comm, path));
    write_all(&file, &comm, 1);
    h5_abandon(&file);
    check_no_part(&comm, path);
    CHECK(access(path, F_OK) != 0, "%s: abandoned, and there", path);

    for (uint32_t seed = 1; seed <= 2; seed++) {
        good(&comm, h5_create(&file, &comm, path));
        write_all(&file, &comm, seed);
        if (seed == 2) {
            read_all(path, &comm, 1);
        }
        good(&comm, h5_commit(&file));
        check_no_part(&comm, path);
        read_all(path, &comm, seed);
    }
    good(&comm, h5_create(&file, &comm, path));
    write_all(&file, &comm, 3);
    h5_abandon(&file);
    check_no_part(&comm, path);
    read_all(path, &comm, 2);
    check_refused(&comm, path, folder);

    int64_t one = 1;
    comm_sum_int64(&comm, &one, 1);
    if (comm_is_root(&comm)) {
        CHECK(remove(path) == 0 && rmdir(folder) == 0, "%s is not empty", folder);
    }
    arena_free(&arena);
    comm_free(&comm);
    CHECK(mem_live() == 0, "%ld blocks left", mem_live());
    return 0;
}
