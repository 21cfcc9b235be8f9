// SPDX-License-Identifier: Apache-2.0
/* Time of vectors_read() and the peak memory of the process against the matrix:  bench_vectors FILE */
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "data/vectors.h"

int main(int argc, char **argv)
{
    struct stat about;
    if (argc != 2 || stat(argv[1], &about) != 0) {
        fprintf(stderr, "usage: bench_vectors FILE\n");
        return CODE_OPTION;
    }
    Vectors vectors = {0};
    Notes notes = {.out = stderr};
    double start = clock_now();
    Status status = vectors_read(&vectors, argv[1], 0, &notes);
    double seconds = clock_now() - start;
    notes_end(&notes, argv[1]);
    if (status.code != CODE_OK) {
        fprintf(stderr, "%s\n", status.text);
        return status.code;
    }
    double matrix = (double)vectors.n * vectors.dim * (double)sizeof(real);
    double peak = clock_peak_memory();
    printf("rows %d  width %d  seconds %.3f  MB/s %.0f  ns/number %.1f  matrix MB %.1f  "
           "peak MB %.1f  peak/matrix %.2f\n",
           vectors.n, vectors.dim, seconds, (double)about.st_size / 1e6 / seconds,
           1e9 * seconds / ((double)vectors.n * vectors.dim), matrix / 1e6, peak / 1e6,
           peak / matrix);
    vectors_free(&vectors);
    return CODE_OK;
}
