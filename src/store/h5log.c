// SPDX-License-Identifier: Apache-2.0
#include "store/h5log.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "store/h5_check.h"

enum { CHUNK_BYTES = 1 << 16, MOST_ROWS = 1024, DEFLATE_LEVEL = 1, OVERHEAD = 1 << 18 };

/** Extents of n rows of a column. */
static int extents(hsize_t extent[H5_MAX_DIMS], const H5Column *column, int64_t n)
{
    extent[0] = (hsize_t)n;
    for (int i = 0; i < column->n_dims; i++) {
        extent[i + 1] = (hsize_t)column->dim[i];
    }
    return column->n_dims + 1;
}

/** Rows that make a chunk. */
static int64_t chunk_rows(const H5Column *column)
{
    int64_t bytes = (int64_t)h5_kind_size(column->kind);
    for (int i = 0; i < column->n_dims; i++) {
        bytes *= column->dim[i] > 0 ? column->dim[i] : 1;
    }
    const int64_t fits = bytes < CHUNK_BYTES ? CHUNK_BYTES / bytes : 1;
    const int64_t most = column->rows > 0 && column->rows < MOST_ROWS ? column->rows : MOST_ROWS;
    return fits < most ? fits : most;
}

/** Names of the axes, and the scales that lie beside them. */
static herr_t name_axes(const H5File *file, const H5Column *column, hid_t dataset)
{
    herr_t done = 0;
    for (unsigned i = 0; i <= (unsigned)column->n_dims && done >= 0; i++) {
        const char *axis = column->axis[i];
        const char *slash = axis == NULL ? NULL : strrchr(axis, '/');
        if (slash != NULL) {
            const hid_t scale = H5Dopen2(file->id, axis, H5P_DEFAULT);
            done = scale < 0 ? -1 : H5DSattach_scale(dataset, scale, i);
            H5Dclose(scale);
        }
        if (axis != NULL && done >= 0) {
            done = H5DSset_label(dataset, i, slash == NULL ? axis : slash + 1);
        }
    }
    return done;
}

Status h5log_column(H5File *file, const H5Column *column)
{
    hsize_t extent[H5_MAX_DIMS], most[H5_MAX_DIMS], chunk[H5_MAX_DIMS];
    const bool grows = column->rows < 0;
    const int n = extents(extent, column, grows ? 0 : column->rows);
    extents(most, column, column->rows);
    extents(chunk, column, chunk_rows(column));
    most[0] = grows ? H5S_UNLIMITED : most[0];
    for (int i = 0; i < n; i++) {
        chunk[i] = chunk[i] > 0 ? chunk[i] : 1;
    }
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(n, extent, most);
    H5Pset_chunk(create, n, chunk);
    if (grows) {  // a chunk that is overwritten must keep its size
        H5Pset_shuffle(create);
        H5Pset_deflate(create, DEFLATE_LEVEL);
    }
    H5Pset_fletcher32(create);
    const hid_t dataset = H5Dcreate2(file->id, column->name, h5_file_type(column->kind), space,
                                     H5P_DEFAULT, create, H5P_DEFAULT);
    const herr_t named = dataset < 0 ? -1 : name_axes(file, column, dataset);
    Status status = h5_agree(file, named, column->name);
    if (dataset >= 0) {
        H5Dclose(dataset);
    }
    H5Sclose(space);
    H5Pclose(create);
    TRY(status);
    TRY(h5_put_text(file, column->name, "unit", column->unit));
    return h5_put_text(file, column->name, "meaning", column->meaning);
}

Status h5log_scale(H5File *file, const char *path, const char *name, int64_t n)
{
    int32_t *number = mem_alloc((size_t)n, sizeof *number);
    for (int64_t i = 0; i < n; i++) {
        number[i] = (int32_t)i;
    }
    Status status = h5_write(file, path, H5_INT, (H5Shape){1, {n}}, 0, 0, n, number);
    mem_free(number);
    if (status.code == CODE_OK) {
        const hid_t dataset = H5Dopen2(file->id, path, H5P_DEFAULT);
        status = h5_agree(file, dataset < 0 ? -1 : H5DSset_scale(dataset, name), path);
        H5Dclose(dataset);
    }
    return status;
}

/** Is there room for so many more bytes? They are taken, and given back. */
static Status check_room(const char *path, int64_t bytes)
{
    struct stat info;
    const int fd = open(path, O_WRONLY);
    int error = fd < 0 || fstat(fd, &info) != 0 ? errno : 0;
    if (error == 0) {
        error = posix_fallocate(fd, info.st_size, (off_t)bytes);
        error = ftruncate(fd, info.st_size) != 0 && error == 0 ? errno : error;
    }
    if (fd >= 0) {
        close(fd);
    }
    return error == 0
               ? status_ok()
               : status_error(CODE_FAILED, "%s: cannot be written: %s", path, strerror(error));
}

Status h5log_open(H5File *file, const Comm *self, const char *path, int64_t bytes)
{
    TRY(check_room(path, bytes + bytes / 8 + OVERHEAD));
    h5_quiet();
    memset(file, 0, sizeof *file);
    file->comm = self;
    snprintf(file->path, sizeof file->path, "%s", path);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_file_locking(access, false, true);  // a reader at this moment must not stop the run
    file->id = H5Fopen(path, H5F_ACC_RDWR | H5F_ACC_SWMR_WRITE, access);
    const Status status = h5_agree(file, file->id < 0 ? -1 : 0, "the log");
    H5Pclose(access);
    file->id = file->id < 0 ? 0 : file->id;
    return status;
}

/** Write n rows from row first on. */
static herr_t write_rows(hid_t dataset, const H5Column *column, int64_t first, int64_t n,
                         const void *data)
{
    hsize_t start[H5_MAX_DIMS] = {(hsize_t)first}, count[H5_MAX_DIMS];
    const int n_dims = extents(count, column, n);
    const hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(n_dims, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    const herr_t written =
        H5Dwrite(dataset, h5_memory_type(column->kind), memory, space, H5P_DEFAULT, data);
    H5Sclose(memory);
    H5Sclose(space);
    return written;
}

Status h5log_append(H5File *file, const H5Column *column, int64_t n_rows, const void *data)
{
    hsize_t extent[H5_MAX_DIMS];
    if (n_rows == 0) {
        return status_ok();
    }
    const hid_t dataset = H5Dopen2(file->id, column->name, H5P_DEFAULT);
    herr_t done = dataset < 0 ? -1 : 0;
    if (done >= 0) {
        const hid_t space = H5Dget_space(dataset);
        H5Sget_simple_extent_dims(space, extent, NULL);
        H5Sclose(space);
        const int64_t first = (int64_t)extent[0];
        extent[0] += (hsize_t)n_rows;
        done = H5Dset_extent(dataset, extent);
        done = done < 0 ? done : write_rows(dataset, column, first, n_rows, data);
        H5Dclose(dataset);
    }
    return h5_agree(file, done, column->name);
}

Status h5log_overwrite(H5File *file, const H5Column *column, const void *data)
{
    if (column->rows == 0) {
        return status_ok();
    }
    const hid_t dataset = H5Dopen2(file->id, column->name, H5P_DEFAULT);
    const herr_t done = dataset < 0 ? -1 : write_rows(dataset, column, 0, column->rows, data);
    if (dataset >= 0) {
        H5Dclose(dataset);
    }
    return h5_agree(file, done, column->name);
}

Status h5log_close(H5File *file)
{
    const herr_t flushed = H5Fflush(file->id, H5F_SCOPE_LOCAL), closed = H5Fclose(file->id);
    file->id = 0;
    return h5_agree(file, flushed < 0 ? flushed : closed, "the log");
}
