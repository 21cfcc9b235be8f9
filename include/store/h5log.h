// SPDX-License-Identifier: Apache-2.0
/** Tables that grow in an HDF5 file while others read it; one rank writes.
 *
 * The file is made with store/h5.h's functions on a communicator of one rank (comm_self), tables by h5log_column().  Then it is closed, and
 * opened for a moment whenever rows are appended, in the mode of a single writer and many readers: between the moments any
 * reader opens it (h5dump, h5py, ours), and a kill at any moment leaves all rows up to the last flush to a reader in that mode
 * (h5py: swmr=True; h5_open_log).
 *
 * Datasets are chunked, shuffled, deflated and have checksums; axes have names and scales.
 */
#ifndef MOE_STORE_H5LOG_H
#define MOE_STORE_H5LOG_H

#include "store/h5.h"

/** A column: one dataset, which grows along its first axis or (rows >= 0) has so many elements there and is overwritten in place. */
typedef struct H5Column {
    const char *name;  // "steps/load"
    H5Kind kind;
    int n_dims;  // of one row, 0 to 3
    int64_t dim[H5_MAX_DIMS - 1];
    int64_t rows;  // -1: grows
    const char *unit, *meaning;
    const char *axis
        [H5_MAX_DIMS];  // names; a name that is a scale's path ("names/expert") is attached to it
} H5Column;

/** Make a column in a file that is being made (h5_create). Error (CODE_FAILED). */
Status h5log_column(H5File *file, const H5Column *column) MUST_USE;

/** Make a scale: the numbers 0 .. n-1 (of experts, choices), and its name. */
Status h5log_scale(H5File *file, const char *path, const char *name, int64_t n) MUST_USE;

/** Open a file for a moment, to append so many bytes of rows: there is room for them on the disk, which HDF5 does not survive to be without.
 * Errors (CODE_FAILED): no room; not a log. */
Status h5log_open(H5File *file, const Comm *self, const char *path, int64_t bytes) MUST_USE;

/** n_rows more rows. */
Status h5log_append(H5File *file, const H5Column *column, int64_t n_rows,
                    const void *data) MUST_USE;

/** All elements of a column that does not grow. */
Status h5log_overwrite(H5File *file, const H5Column *column, const void *data) MUST_USE;

/** Flush and close. */
Status h5log_close(H5File *file) MUST_USE;

#endif
