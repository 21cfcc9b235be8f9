// SPDX-License-Identifier: Apache-2.0
/** A disk that is full: a second file of some megabytes takes the place of a small first one, or fails as a whole.
 *
 *     full_disk write PATH SEED        write the small file (SEED 1) or the large one (2)
 *     full_disk read PATH SEED         is it that file, whole?
 *     full_disk limits PATH FROM BY    write the large one again and again while no file may be larger than FROM, FROM + BY, ...
 *                                      bytes, until it succeeds; the small one stays whole all the time
 *
 * Prints the outcome of each rank for `write`, one line a rank.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "store/h5.h"

enum { SMALL = 3, LARGE = 40, COLUMNS = 96, ROWS = 211, MAX_BYTES = 1 << 24 };

static int tensors_of(uint32_t seed)
{
    return seed == 1 ? SMALL : LARGE;
}

static int32_t number(uint32_t seed, int i, int64_t k)
{
    return (int32_t)(seed * 7919u + (uint32_t)i * 104729u + (uint32_t)k * 31u);
}

static H5Shape shape_of(int i)
{
    return (H5Shape){3, {1 + i % 5, ROWS, COLUMNS}};
}

/** Groups and attributes between the tensors, so that structure is written in between too. */
static Status write_tensor(H5File *file, int i, uint32_t seed)
{
    char name[40];
    const H5Shape shape = shape_of(i);
    const int64_t row = ROWS * COLUMNS;
    int first, last;
    mesh_experts((int)shape.dim[0], file->comm->size, file->comm->rank, &first, &last);
    const int64_t n = (last - first) * row;
    int32_t *data = MEM_ARRAY(int32_t, n);
    for (int64_t k = 0; k < n; k++) {
        data[k] = number(seed, i, first * row + k);
    }
    snprintf(name, sizeof name, "group %d", i);
    Status status = h5_group(file, name);
    snprintf(name, sizeof name, "group %d/tensor", i);
    if (status.code == CODE_OK) {
        status = h5_write(file, name, H5_INT, shape, 1, first, last - first, data);
    }
    if (status.code == CODE_OK) {
        status = h5_put_integer(file, name, "number", i);
    }
    mem_free(data);
    return status;
}

static Status write_tensors(H5File *file, uint32_t seed)
{
    for (int i = 0; i < tensors_of(seed); i++) {
        TRY(write_tensor(file, i, seed));
    }
    return h5_put_integer(file, "/", "seed", seed);
}

static Status write_file(const Comm *comm, const char *path, uint32_t seed)
{
    H5File file;
    TRY(h5_create(&file, comm, path));
    const Status status = write_tensors(&file, seed);
    if (status.code != CODE_OK) {
        h5_abandon(&file);
        return status;
    }
    return h5_commit(&file);
}

static Status read_file(const char *path, uint32_t seed)
{
    H5File file;
    Status status = h5_open(&file, path);
    int64_t found = -1;
    if (status.code == CODE_OK) {
        status = h5_get_integer(&file, "/", "seed", &found);
    }
    if (status.code == CODE_OK && found != seed) {
        status = status_error(CODE_STORED, "%s: is another file", path);
    }
    for (int i = 0; i < tensors_of(seed) && status.code == CODE_OK; i++) {
        char name[40];
        const H5Shape shape = shape_of(i);
        const int64_t n = h5_elements(shape);
        int32_t *data = MEM_ARRAY(int32_t, n);
        snprintf(name, sizeof name, "group %d/tensor", i);
        status = h5_read(&file, name, H5_INT, shape, 0, shape.dim[0], data);
        for (int64_t k = 0; k < n && status.code == CODE_OK; k++) {
            if (data[k] != number(seed, i, k)) {
                status = status_error(CODE_STORED, "%s: %s: other contents", path, name);
            }
        }
        mem_free(data);
    }
    h5_close(&file);
    return status;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
    limit.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
}

static void wait_for_all(const Comm *comm)
{
    int64_t one = 1;
    comm_sum_int64(comm, &one, 1);
}

static Status try_limits(const Comm *comm, const char *path, rlim_t from, rlim_t by)
{
    char part[H5_PATH];
    int failures = 0;
    snprintf(part, sizeof part, "%s.part", path);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = from;; bytes += by) {
        CHECK(bytes < MAX_BYTES, "%llu bytes are not enough", (unsigned long long)bytes);
        limit_files(bytes);
        const Status status = write_file(comm, path, 2);
        limit_files(RLIM_INFINITY);
        wait_for_all(comm);
        CHECK(access(part, F_OK) != 0, "limit %llu: %s is left", (unsigned long long)bytes, part);
        wait_for_all(comm);
        if (status.code == CODE_OK) {
            break;
        }
        CHECK(status.code == CODE_FAILED && strstr(status.text, path) != NULL,
              "limit %llu: code %d: %s", (unsigned long long)bytes, status.code, status.text);
        TRY(comm_agree(comm, read_file(path, 1)));
        failures++;
    }
    if (comm_is_root(comm)) {
        printf("%d limits\n", failures);
    }
    return comm_agree(comm, read_file(path, 2));
}

int main(int argc, char **argv)
{
    Comm comm;
    Status status = status_ok();
    comm_init(&comm, &argc, &argv);
    CHECK(argc >= 4, "full_disk write|read|limits PATH SEED|FROM BY");
    const unsigned long long value = strtoull(argv[3], NULL, 10);
    if (strcmp(argv[1], "write") == 0) {
        status = write_file(&comm, argv[2], (uint32_t)value);
        printf("%d %s\n", status.code, status.text);
    } else if (strcmp(argv[1], "read") == 0) {
        status = comm_agree(&comm, read_file(argv[2], (uint32_t)value));
    } else {
        status = try_limits(&comm, argv[2], value, argc > 4 ? strtoull(argv[4], NULL, 10) : 4096);
    }
    if (status.code != CODE_OK && comm_is_root(&comm)) {
        fprintf(stderr, "%s\n", status.text);
    }
    comm_free(&comm);
    return status.code;
}
