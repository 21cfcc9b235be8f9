// SPDX-License-Identifier: Apache-2.0
/** Files that nobody should trust: each is refused by one line that names file and dataset, before any memory is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "scratch.h"
#include "store/h5.h"

enum { GIGABYTE_ROWS = 1 << 28, MOST_KB = 6000 };

static char folder[SCRATCH_PATH], path[SCRATCH_PATH + 20];

static void make_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

/* ---- making the file, in a process of its own so that its memory does not count ---- */

static hid_t hostile;

static hid_t chunked(int n, hsize_t chunk)
{
    const hsize_t chunks[6] = {chunk, chunk, chunk, chunk, chunk, chunk};
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, n, chunks);
    return create;
}

static hid_t checked(int n, hsize_t chunk)
{
    const hid_t create = chunked(n, chunk);
    H5Pset_fletcher32(create);
    return create;
}

/** A dataset; its contents stay zeros, written when there are `rows` of them. */
static void make(const char *name, hid_t type, hid_t space, hid_t create, size_t rows)
{
    const hid_t dataset = H5Dcreate2(hostile, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    CHECK(dataset >= 0, "%s cannot be made", name);
    if (rows > 0) {
        void *zeros = calloc(rows, H5Tget_size(type));
        CHECK(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0, "%s", name);
        free(zeros);
    }
    H5Dclose(dataset);
}

static hid_t array(hsize_t a, hsize_t b)
{
    return H5Screate_simple(b > 0 ? 2 : 1, (hsize_t[]){a, b}, NULL);
}

static hid_t text(size_t n)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, n);
    return type;
}

static hid_t pair(void)
{
    const hid_t type = H5Tcreate(H5T_COMPOUND, 12);
    H5Tinsert(type, "a", 0, H5T_STD_I32LE);
    H5Tinsert(type, "b", 4, H5T_IEEE_F64LE);
    return type;
}

static void put(const char *name, hid_t type, hid_t space)
{
    const hid_t a = H5Acreate2(hostile, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const size_t n = H5Tget_size(type) * (size_t)(H5Sget_simple_extent_npoints(space) + 1);
    void *zeros = calloc(n, 1);
    CHECK(a >= 0 && H5Awrite(a, type, zeros) >= 0, "attribute %s", name);
    free(zeros);
    H5Aclose(a);
}

static void make_links(void)
{
    H5Lcreate_external("other.h5", "w", hostile, "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", hostile, "external group", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/good", hostile, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", hostile, "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/group", hostile, "soft group", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t group = H5Gcreate2(hostile, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(hostile, "/", group, "parent", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    H5Tcommit2(hostile, "type", H5Tcopy(H5T_IEEE_F32LE), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

static void make_storage(void)
{
    const hid_t f4 = H5T_IEEE_F32LE, four = array(4, 0), giga = array(GIGABYTE_ROWS, 0);
    const hid_t outside = H5Pcreate(H5P_DATASET_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
    char raw[SCRATCH_PATH + 8];
    const float one = 1;
    snprintf(raw, sizeof raw, "%s/raw", folder);
    H5Pset_external(outside, raw, 0, 16);
    make("external storage", f4, four, outside, 0);
    H5Pset_virtual(layout, four, "other.h5", "w", four);
    make("virtual", f4, four, layout, 0);
    make("contiguous", f4, four, H5P_DEFAULT, 4);
    const hid_t compact = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(compact, H5D_COMPACT);
    make("compact", f4, four, compact, 4);
    make("no checksum", f4, four, chunked(1, 4), 4);
    make("huge a", f4, array(1U << 31, 1U << 31), checked(2, 16), 0);
    make("huge b", f4, array((hsize_t)1 << 32, (1U << 30) + 1), checked(2, 16), 0);
    make("huge c", f4, array((hsize_t)1 << 62, 0), checked(1, 16), 0);
    make("never written", f4, giga, checked(1, 1 << 20), 0);
    const hid_t filled = checked(1, 1 << 20);
    H5Pset_fill_value(filled, H5T_NATIVE_FLOAT, &one);
    make("fill value", f4, giga, filled, 0);
    const hid_t half = checked(1, 2),
                space = H5Dget_space(
                    H5Dcreate2(hostile, "half written", f4, four, H5P_DEFAULT, half, H5P_DEFAULT));
    H5Sselect_hyperslab(space, H5S_SELECT_SET, (hsize_t[]){0}, NULL, (hsize_t[]){2}, NULL);
    H5Dwrite(H5Dopen2(hostile, "half written", H5P_DEFAULT), H5T_NATIVE_FLOAT, array(2, 0), space,
             H5P_DEFAULT, (float[]){1, 2});
    const hid_t bomb = chunked(1, 1 << 24), both = checked(1, 1 << 24);
    H5Pset_deflate(bomb, 1);
    H5Pset_deflate(both, 1);
    make("deflate", f4, giga, bomb, GIGABYTE_ROWS);
    make("checksum and deflate", f4, array(1 << 24, 0), both, 1 << 24);
    const hid_t swapped = checked(1, 4);
    H5Pset_shuffle(swapped);
    make("shuffle", f4, four, swapped, 4);
}

static void make_types(void)
{
    const hid_t four = array(4, 0);
    make("f8", H5T_IEEE_F64LE, four, checked(1, 4), 4);
    make("i4", H5T_STD_I32LE, four, checked(1, 4), 4);
    make("u4", H5T_STD_U32LE, four, checked(1, 4), 4);
    make("big-endian", H5T_IEEE_F32BE, four, checked(1, 4), 4);
    make("compound", pair(), four, checked(1, 4), 4);
    make("variable text", text(H5T_VARIABLE), array(1, 0), chunked(1, 1), 0);
    make("huge text", text(1 << 30), array(1, 0), checked(1, 1), 0);
    make("two texts", text(8), array(2, 0), checked(1, 2), 2);
    make("scalar", H5T_IEEE_F32LE, H5Screate(H5S_SCALAR), H5P_DEFAULT, 1);
    make("null", H5T_IEEE_F32LE, H5Screate(H5S_NULL), H5P_DEFAULT, 0);
    make("five axes", H5T_IEEE_F32LE, H5Screate_simple(5, (hsize_t[]){1, 1, 1, 1, 1}, NULL),
         checked(5, 1), 1);
    make("good", H5T_IEEE_F32LE, four, checked(1, 4), 4);
    make("good text", text(4), array(1, 0), checked(1, 1), 1);
}

static void make_attributes(void)
{
    const hid_t one = H5Screate(H5S_SCALAR);
    put("i8", H5T_STD_I64LE, one);
    put("i4", H5T_STD_I32LE, one);
    put("u8", H5T_STD_U64LE, one);
    put("big-endian", H5T_STD_I64BE, one);
    put("f8", H5T_IEEE_F64LE, one);
    put("f4", H5T_IEEE_F32LE, one);
    put("text", text(5), one);
    put("huge text", text(1 << 20), one);
    put("huge array", H5T_STD_I64LE, array(1 << 17, 0));
    put("one", H5T_STD_I64LE, array(1, 0));
    put("null", H5T_STD_I64LE, H5Screate(H5S_NULL));
    put("compound", pair(), one);
    put("variable text", text(H5T_VARIABLE), one);
    put("array type", H5Tarray_create2(H5T_STD_I64LE, 1, (hsize_t[]){3}), one);
}

static void make_file(void)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    make_path("other.h5");
    hostile = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    make("w", H5T_IEEE_F32LE, array(4, 0), checked(1, 4), 4);
    H5Fclose(hostile);
    make_path("hostile.h5");
    hostile = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    make_links();
    make_storage();
    make_types();
    make_attributes();
    H5Fclose(hostile);
    make_path("raw");
    FILE *raw = fopen(path, "wb");
    CHECK(raw != NULL && fwrite("sixteen letters.", 1, 16, raw) == 16 && fclose(raw) == 0, "raw");
}

/* ---- reading it ---- */

/** The line may name the link at which the way to a dataset ends. */
static void refused(Status status, const char *name)
{
    char first[40];
    snprintf(first, sizeof first, "%.*s", (int)(1 + strcspn(name + (*name != '\0'), "/")), name);
    if (status.code != CODE_STORED || strncmp(status.text, path, strlen(path)) != 0 ||
        strstr(status.text, first) == NULL || strchr(status.text, '\n') != NULL) {
        fail_msg("%s: code %d: '%s'", name, status.code, status.text);
    }
}

static H5File file;

static int begin(void **state)
{
    (void)state;
    make_path("hostile.h5");
    return h5_open(&file, path).code;
}

static int end(void **state)
{
    (void)state;
    h5_close(&file);
    const bool closed = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) == 0;
    return closed && mem_live() == 0 ? 0 : -1;
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static const H5Shape four = {1, {4}};

/** Not a dataset of four floats, and not a text. */
static void refuse_dataset(const char *name)
{
    float x[4];
    char *words;
    refused(h5_read(&file, name, H5_FLOAT, four, 0, 4, x), name);
    refused(h5_read_text(&file, name, &words, NULL), name);
    assert_null(words);
}

static void test_datasets(void **state)
{
    static const char *shapeless[] = {"external",
                                      "external group/w",
                                      "soft",
                                      "dangling",
                                      "soft group/parent/good",
                                      "type",
                                      "group",
                                      "group/parent",
                                      "/",
                                      "",
                                      "//",
                                      "nowhere",
                                      "good/x",
                                      "no/where",
                                      "external storage",
                                      "virtual",
                                      "contiguous",
                                      "compact",
                                      "no checksum",
                                      "huge a",
                                      "huge b",
                                      "huge c",
                                      "never written",
                                      "fill value",
                                      "half written",
                                      "deflate",
                                      "checksum and deflate",
                                      "shuffle",
                                      "u4",
                                      "big-endian",
                                      "compound",
                                      "variable text",
                                      "huge text",
                                      "two texts",
                                      "scalar",
                                      "null",
                                      "five axes"};
    H5Kind kind;
    H5Shape shape;
    float x[4] = {1, 1, 1, 1};
    const long before = peak_kb();
    (void)state;
    for (size_t i = 0; i < sizeof shapeless / sizeof shapeless[0]; i++) {
        refused(h5_shape(&file, shapeless[i], &kind, &shape), shapeless[i]);
        refuse_dataset(shapeless[i]);
    }
    refuse_dataset("f8");
    refuse_dataset("i4");
    refused(h5_read(&file, "good text", H5_FLOAT, four, 0, 4, x), "good text");
    refused(h5_read(&file, "good", H5_FLOAT, (H5Shape){2, {2, 2}}, 0, 2, x), "good");
    refused(h5_read(&file, "good", H5_FLOAT, (H5Shape){1, {5}}, 0, 1, x), "good");
    refused(h5_read(&file, "good", H5_INT, four, 0, 4, x), "good");
    assert_int_equal(h5_read(&file, "good", H5_FLOAT, four, 0, 4, x).code, CODE_OK);
    assert_true(x[0] + x[1] + x[2] + x[3] == 0);
    assert_int_equal(h5_read(&file, "group/parent/good", H5_FLOAT, four, 0, 4, x).code, CODE_OK);
    assert_int_equal(mem_live(), 0);
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_kb() - before < MOST_KB);
#else
    (void)before;
#endif
}

static void test_attributes(void **state)
{
    static const char *no_integer[] = {"i4",         "u8",         "big-endian",
                                       "f8",         "f4",         "text",
                                       "huge text",  "huge array", "one",
                                       "null",       "compound",   "variable text",
                                       "array type", "missing",    ""};
    static const char *no_text[] = {"i8",       "huge text",     "huge array", "null",
                                    "compound", "variable text", "array type", "missing"};
    int64_t integer;
    double number;
    char words[6];
    const long before = peak_kb();
    (void)state;
    for (size_t i = 0; i < sizeof no_integer / sizeof no_integer[0]; i++) {
        refused(h5_get_integer(&file, "/", no_integer[i], &integer), no_integer[i]);
        if (strcmp(no_integer[i], "f8") != 0) {
            refused(h5_get_number(&file, "/", no_integer[i], &number), no_integer[i]);
        }
    }
    for (size_t i = 0; i < sizeof no_text / sizeof no_text[0]; i++) {
        refused(h5_get_text(&file, "/", no_text[i], words, sizeof words), no_text[i]);
    }
    refused(h5_get_number(&file, "/", "i8", &number), "i8");
    refused(h5_get_text(&file, "/", "text", words, 5), "text");
    refused(h5_get_integer(&file, "external group", "i8", &integer), "external group");
    refused(h5_get_integer(&file, "soft", "i8", &integer), "soft");
    assert_int_equal(h5_get_integer(&file, "/", "i8", &integer).code, CODE_OK);
    assert_int_equal(h5_get_number(&file, "/", "f8", &number).code, CODE_OK);
    assert_int_equal(h5_get_text(&file, "/", "text", words, sizeof words).code, CODE_OK);
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_kb() - before < MOST_KB);
#else
    (void)before;
#endif
}

static Status count(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return status_ok();
}

static void test_lists(void **state)
{
    int n = 0;
    (void)state;
    refused(h5_each(&file, "good", false, count, &n), "good");
    refused(h5_each(&file, "type", false, count, &n), "type");
    refused(h5_each(&file, "soft group", false, count, &n), "soft group");
    refused(h5_each(&file, "external group", true, count, &n), "external group");
    refused(h5_each(&file, "missing", true, count, &n), "missing");
    assert_int_equal(n, 0);
    assert_int_equal(h5_each(&file, "group", false, count, &n).code, CODE_OK);
    assert_int_equal(n, 1);
    assert_false(h5_has(&file, "soft"));
    assert_false(h5_has(&file, "external group/w"));
    assert_true(h5_has(&file, "group/parent/group/parent/good"));
}

static void refuse_file(const char *name, const char *contents, size_t n)
{
    H5File other;
    make_path(name);
    if (contents != NULL) {
        FILE *out = fopen(path, "wb");
        CHECK(out != NULL && fwrite(contents, 1, n, out) == n && fclose(out) == 0, "%s", path);
    }
    refused(h5_open(&other, path), name);
    h5_close(&other);
}

static void test_files(void **state)
{
    static char zeros[10000];
    (void)state;
    refuse_file("missing.h5", NULL, 0);
    refuse_file("no/folder.h5", NULL, 0);
    refuse_file(".", NULL, 0);
    refuse_file("empty.h5", "", 0);
    refuse_file("words.h5", "no HDF5 at all\n", 15);
    refuse_file("zeros.h5", zeros, sizeof zeros);
    refuse_file("signature.h5", "\211HDF\r\n\032\n", 8);
    make_path("pipe.h5");
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse_file("pipe.h5", NULL, 0);
    if (geteuid() != 0) {
        make_path("words.h5");
        chmod(path, 0);
        refuse_file("words.h5", NULL, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_datasets, begin, end),
        cmocka_unit_test_setup_teardown(test_attributes, begin, end),
        cmocka_unit_test_setup_teardown(test_lists, begin, end),
        cmocka_unit_test(test_files),
    };
    static const char *names[] = {"other.h5", "hostile.h5", "raw",          "empty.h5",
                                  "words.h5", "zeros.h5",   "signature.h5", "pipe.h5"};
    int code = 0;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/moe-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(folder) != NULL, "%s", folder);
    const pid_t child = fork();
    if (child == 0) {
        make_file();
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &code, 0) == child && code == 0, "the files: %d", code);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        make_path(names[i]);
        unlink(path);
    }
    rmdir(folder);
    return failed;
}
