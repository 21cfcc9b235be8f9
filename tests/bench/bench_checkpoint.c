// SPDX-License-Identifier: Apache-2.0
/** Seconds to write and read the experts of a large model with store/h5, against write() + fsync() and read() of the same bytes by
 * the same ranks in one file.
 *
 *     mpirun -np N bench_checkpoint [FOLDER [EXPERTS ROWS COLUMNS]]        64 x 1024 x 1526: 100 million floats
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "store/h5.h"

enum { ROUNDS = 3 };

typedef struct Job {
    Comm comm;
    char path[H5_PATH - 8];
    H5Shape shape;
    int64_t first, count;
    size_t bytes, offset;  // of this rank
    float *data;           // [count, rows, columns]
} Job;

static void good(Status status)
{
    CHECK(status.code == CODE_OK, "%s", status.text);
}

static void h5_out(Job *job)
{
    H5File file;
    good(h5_create(&file, &job->comm, job->path));
    good(h5_write(&file, "experts", H5_FLOAT, job->shape, 1, job->first, job->count, job->data));
    good(h5_commit(&file));
}

static void h5_in(Job *job)
{
    H5File file;
    good(h5_open(&file, job->path));
    good(h5_read(&file, "experts", H5_FLOAT, job->shape, job->first, job->count, job->data));
    h5_close(&file);
}

static void plain(Job *job, bool out)
{
    const int fd = open(job->path, out ? O_WRONLY | O_CREAT : O_RDONLY, 0666);
    CHECK(fd >= 0, "%s", job->path);
    for (size_t done = 0; done < job->bytes;) {
        char *from = (char *)job->data + done;
        const off_t at = (off_t)(job->offset + done);
        const ssize_t n =
            out ? pwrite(fd, from, job->bytes - done, at) : pread(fd, from, job->bytes - done, at);
        CHECK(n > 0, "%s", job->path);
        done += (size_t)n;
    }
    CHECK((!out || fsync(fd) == 0) && close(fd) == 0, "%s", job->path);
}

static void plain_out(Job *job)
{
    plain(job, true);
}

static void plain_in(Job *job)
{
    plain(job, false);
}

/** Seconds until the last rank is done. */
static double measure(Job *job, void (*work)(Job *))
{
    int64_t one = 1;
    comm_sum_int64(&job->comm, &one, 1);
    const double start = clock_now();
    work(job);
    double seconds = clock_now() - start;
    comm_max_double(&job->comm, &seconds, 1);
    return seconds;
}

static void remove_file(Job *job)
{
    int64_t one = 1;
    if (comm_is_root(&job->comm)) {
        remove(job->path);
    }
    comm_sum_int64(&job->comm, &one, 1);
}

static void make_job(Job *job, int argc, char **argv)
{
    memset(job, 0, sizeof *job);
    comm_init(&job->comm, &argc, &argv);
    job->shape = (H5Shape){3, {64, 1024, 1526}};
    for (int i = 0; argc > 4 && i < 3; i++) {
        job->shape.dim[i] = strtol(argv[2 + i], NULL, 10);
    }
    int first, last;
    mesh_experts((int)job->shape.dim[0], job->comm.size, job->comm.rank, &first, &last);
    const size_t row = (size_t)(job->shape.dim[1] * job->shape.dim[2]);
    job->first = first;
    job->count = last - first;
    job->bytes = (size_t)job->count * row * sizeof(float);
    job->offset = (size_t)first * row * sizeof(float);
    job->data = MEM_ARRAY(float, job->bytes / sizeof(float));
    for (size_t i = 0; i < job->bytes / sizeof(float); i++) {
        job->data[i] = (float)(i % 16777213) * 1e-3F;
    }
    snprintf(job->path, sizeof job->path, "%s/bench_checkpoint.h5", argc > 1 ? argv[1] : "/tmp");
}

int main(int argc, char **argv)
{
    Job job;
    make_job(&job, argc, argv);
    const double gigabytes = 4e-9 * (double)h5_elements(job.shape);
    for (int round = 0; round < ROUNDS; round++) {
        const double w_plain = measure(&job, plain_out), r_plain = measure(&job, plain_in);
        remove_file(&job);
        const double w_h5 = measure(&job, h5_out), r_h5 = measure(&job, h5_in);
        remove_file(&job);
        if (comm_is_root(&job.comm)) {
            printf("%d ranks  %.2f GB  write %.2f s, plain %.2f s, ratio %.2f  "
                   "read %.2f s, plain %.2f s, ratio %.2f\n",
                   job.comm.size, gigabytes, w_h5, w_plain, w_h5 / w_plain, r_h5, r_plain,
                   r_h5 / r_plain);
            fflush(stdout);
        }
    }
    mem_free(job.data);
    comm_free(&job.comm);
    return 0;
}
