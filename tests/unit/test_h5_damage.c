// SPDX-License-Identifier: Apache-2.0
/** Damaged copies of a small file, cut short or with one bit turned: each is refused by one line that names it, or reads as it
 * was; never as something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "scratch.h"
#include "store/h5.h"

enum { GROUPS = 3, MANY = 20, TENSORS = 5, MAX_CONTENTS = 1 << 17, SECONDS = 100 };
/** Copies of each kind, spread over the whole file; an odd step hits every bit of a byte in turn. */
enum { CUTS = 300, FLIPS = 3000 };

static const char *groups[GROUPS] = {"/", "experts", "many"};

static const struct {
    const char *name;
    H5Kind kind;
    H5Shape shape;
    int64_t chunk_rows;
} tensors[TENSORS] = {
    {"experts/w", H5_FLOAT, {3, {6, 5, 7}}, 1}, {"experts/b", H5_DOUBLE, {2, {70, 3}}, 1},
    {"numbers", H5_INT, {1, {1000}}, 0},        {"bytes", H5_BYTE, {4, {2, 3, 4, 5}}, 0},
    {"none", H5_FLOAT, {2, {0, 3}}, 0},
};

static void good(Status status)
{
    CHECK(status.code == CODE_OK, "%s", status.text);
}

static void write_original(const Comm *comm, const char *path)
{
    static const size_t size[H5_KINDS] = {4, 8, 4, 1};
    H5File file;
    char name[40];
    good(h5_create(&file, comm, path));
    good(h5_group(&file, "experts"));
    good(h5_group(&file, "many"));
    for (int i = 0; i < TENSORS; i++) {
        unsigned char bytes[4096];
        const size_t n = (size_t)h5_elements(tensors[i].shape) * size[tensors[i].kind];
        for (size_t k = 0; k < n; k++) {
            bytes[k] = (unsigned char)(k * k / 7 + 31 * k + (size_t)i);
        }
        good(h5_write(&file, tensors[i].name, tensors[i].kind, tensors[i].shape,
                      tensors[i].chunk_rows, 0, tensors[i].shape.dim[0], bytes));
    }
    for (int i = 0; i < MANY; i++) {  // so many that HDF5 keeps names in a heap
        snprintf(name, sizeof name, "text %d", i);
        good(h5_put_text(&file, "many", name, name + 2));
        good(h5_put_integer(&file, "/", name, 1000 - i));
        snprintf(name, sizeof name, "many/text %d", i);
        good(h5_write_text(&file, name, "some words of text", (size_t)(18 - i % 18)));
    }
    good(h5_put_number(&file, "experts/w", "third", 1.0 / 3));
    good(h5_commit(&file));
}

/** All that can be read of a file, in one row. */
typedef struct Contents {
    const H5File *file;
    const char *where;
    bool attributes;
    size_t n;
    unsigned char bytes[MAX_CONTENTS];
} Contents;

static void add(Contents *c, const void *bytes, size_t n)
{
    CHECK(c->n + n <= MAX_CONTENTS, "a longer file than was written");
    if (n > 0) {
        memcpy(c->bytes + c->n, bytes, n);
    }
    c->n += n;
}

static Status add_name(void *context, const char *name)
{
    Contents *c = context;
    char text[100];
    add(c, name, strlen(name) + 1);
    if (!c->attributes) {
        return status_ok();
    }
    if (strcmp(c->where, "many") == 0) {
        TRY(h5_get_text(c->file, c->where, name, text, sizeof text));
        add(c, text, strlen(text) + 1);
    } else {
        int64_t value;
        TRY(h5_get_integer(c->file, c->where, name, &value));
        add(c, &value, sizeof value);
    }
    return status_ok();
}

static Status read_tensor(Contents *c, int i)
{
    H5Kind kind;
    H5Shape shape;
    unsigned char bytes[4096] = {0};
    TRY(h5_shape(c->file, tensors[i].name, &kind, &shape));
    add(c, &kind, sizeof kind);
    add(c, &shape, sizeof shape);
    TRY(h5_read(c->file, tensors[i].name, tensors[i].kind, tensors[i].shape, 0,
                tensors[i].shape.dim[0], bytes));
    add(c, bytes, sizeof bytes);
    return status_ok();
}

static Status read_open(Contents *c)
{
    double third;
    for (int i = 0; i < GROUPS; i++) {
        c->where = groups[i];
        c->attributes = false;
        TRY(h5_each(c->file, groups[i], false, add_name, c));
        c->attributes = true;
        TRY(h5_each(c->file, groups[i], true, add_name, c));
    }
    for (int i = 0; i < TENSORS; i++) {
        TRY(read_tensor(c, i));
    }
    for (int i = 0; i < MANY; i++) {
        char name[40], *text;
        size_t n;
        snprintf(name, sizeof name, "many/text %d", i);
        TRY(h5_read_text(c->file, name, &text, &n));
        add(c, text, n + 1);
        mem_free(text);
    }
    TRY(h5_get_number(c->file, "experts/w", "third", &third));
    add(c, &third, sizeof third);
    return status_ok();
}

static Status read_file(Contents *c, const char *path)
{
    H5File file;
    c->n = 0;
    c->file = &file;
    TRY(h5_open(&file, path));
    const Status status = read_open(c);
    h5_close(&file);
    return status;
}

static Contents original, found;
static unsigned char *image;
static size_t n_image;

/** True: refused. */
static bool check_copy(size_t n, const char *what, size_t where)
{
    const Scratch copy = scratch_write((const char *)image, n);
    const long live = mem_live();
    alarm(SECONDS);
    const Status status = read_file(&found, copy.path);
    alarm(0);
    scratch_remove(&copy);
    assert_int_equal(mem_live(), live);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    if (status.code == CODE_OK) {
        CHECK(found.n == original.n && memcmp(found.bytes, original.bytes, found.n) == 0,
              "%s %zu: reads as something else", what, where);
    } else {
        CHECK(status.code == CODE_STORED && strstr(status.text, copy.path) == status.text &&
                  strchr(status.text, '\n') == NULL,
              "%s %zu: code %d: %s", what, where, status.code, status.text);
    }
    return status.code != CODE_OK;
}

static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < CUTS; i++) {
        const size_t n = i < CUTS / 2 ? n_image * i / (CUTS / 2) : n_image - 1 - (i - CUTS / 2);
        CHECK(check_copy(n, "cut to", n), "a file cut to %zu of %zu bytes passes", n, n_image);
    }
}

static void test_flip(void **state)
{
    size_t refused = 0;
    (void)state;
    for (size_t i = 0; i < FLIPS; i++) {
        const size_t bit = (size_t)((uint64_t)n_image * 8 * i / FLIPS) | (i & 1);
        image[bit / 8] ^= (unsigned char)(1 << bit % 8);
        refused += check_copy(n_image, "bit", bit);
        image[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    print_message("%zu of %d turned bits refused, %zu bytes\n", refused, FLIPS, n_image);
    assert_true(refused > FLIPS / 4);
}

static void read_image(const char *path)
{
    FILE *in = fopen(path, "rb");
    CHECK(in != NULL && fseek(in, 0, SEEK_END) == 0, "%s", path);
    n_image = (size_t)ftell(in);
    image = MEM_ARRAY(unsigned char, n_image);
    rewind(in);
    CHECK(fread(image, 1, n_image, in) == n_image && fclose(in) == 0, "%s", path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut), cmocka_unit_test(test_flip)};
    int code = 0;
    const Scratch scratch = scratch_write("", 0);
    const pid_t child = fork();
    if (child == 0) {  // only a writer needs MPI
        Comm comm;
        comm_init(&comm, &argc, &argv);
        write_original(&comm, scratch.path);
        comm_free(&comm);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &code, 0) == child && code == 0, "the file: %d", code);
    good(read_file(&original, scratch.path));
    read_image(scratch.path);
    scratch_remove(&scratch);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(image);
    return failed;
}
