// SPDX-License-Identifier: Apache-2.0
/** HDF5 files: the only caller of HDF5. Written by all ranks together, read by each for itself.
 *
 * Every dataset is chunked, never compressed, and has a Fletcher-32 checksum of each chunk; the file's own structure has
 * checksums too (library bounds LATEST).  A file is written beside its name and takes the place of the old one when it is whole:
 * written, flushed to the disk, renamed, the folder flushed.  Whatever goes wrong before that leaves the old file as it was.
 * Disk space is reserved before HDF5 writes: a rank that runs out of it inside HDF5 would leave the others waiting for ever.
 *
 * A reader trusts nothing: links must be hard, storage inside the file, the type and every extent what the caller expects, no
 * filter but the checksum, and no dataset larger than the file; all of it is checked before memory is allocated or data read.
 *
 * Names are paths in the file, "params/output.w"; the group of a name exists before (h5_group).
 */
#ifndef MOE_STORE_H5_H
#define MOE_STORE_H5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/real.h"
#include "comm/comm.h"

typedef enum H5Kind { H5_FLOAT, H5_DOUBLE, H5_INT, H5_BYTE, H5_KINDS } H5Kind;

#define H5_REAL (sizeof(real) == sizeof(double) ? H5_DOUBLE : H5_FLOAT)

enum { H5_MAX_DIMS = 4, H5_PATH = 4096 };

/** Extents of an array, first axis first. */
typedef struct H5Shape {
    int n_dims;
    int64_t dim[H5_MAX_DIMS];
} H5Shape;

/** A file that is open; zeroed struct: none. */
typedef struct H5File {
    int64_t id;
    const Comm *comm;  // NULL: open for reading
    char path[H5_PATH];
    int64_t size;  // bytes of a file that is read; bytes reserved for one that is written
    bool log;      // read: may be compressed, and still grow
} H5File;

/* ---- writing: every function is collective on the comm of h5_create() and returns the same on all its ranks ---- */

/** Begin PATH.part; PATH is not touched. Error (CODE_FAILED): it cannot be made. */
Status h5_create(H5File *file, const Comm *comm, const char *path) MUST_USE;

/** Flush, close and rename to PATH. On an error the part is removed, and PATH is as it was. */
Status h5_commit(H5File *file) MUST_USE;

/** Flush the folder that a path lies in, after a rename; false: it could not. Local, by one rank. */
bool h5_flush_folder(const char *path);

/** Give up: the part is removed, PATH is as it was. */
void h5_abandon(H5File *file);

Status h5_group(H5File *file, const char *name) MUST_USE;

/** Attributes of a group or dataset ("/" is the root); equal values on all ranks. */
Status h5_put_text(H5File *file, const char *where, const char *name, const char *text) MUST_USE;
Status h5_put_integer(H5File *file, const char *where, const char *name, int64_t value) MUST_USE;
Status h5_put_number(H5File *file, const char *where, const char *name, double value) MUST_USE;

/** A dataset of shape, of which this rank writes elements first .. first+count-1 of the first axis (count 0: none, data may be NULL);
 * together the ranks write each once. chunk_rows: so many elements of the first axis to a chunk at most (0: as many as make a
 * good chunk, and then every share is that of h5_share()): two ranks must not write to one chunk. */
Status h5_write(H5File *file, const char *name, H5Kind kind, H5Shape shape, int64_t chunk_rows,
                int64_t first, int64_t count, const void *data) MUST_USE;

/** The share of a rank of a dataset that all of them hold: whole chunks. Local. */
void h5_share(H5Kind kind, H5Shape shape, int rank, int size, int64_t *first, int64_t *count);

/** A text of rank 0, n bytes, as one string of that length. */
Status h5_write_text(H5File *file, const char *name, const char *text, size_t n) MUST_USE;

/* ---- reading: local ---- */

/** Errors of all that follow (CODE_STORED) name the file and the dataset. */
Status h5_open(H5File *file, const char *path) MUST_USE;
void h5_close(H5File *file);

/** The same of a log (store/h5log.h), which may be written at this moment, or was when its writer was killed. */
Status h5_open_log(H5File *file, const char *path) MUST_USE;

/** Is there a dataset or group of that name? */
bool h5_has(const H5File *file, const char *name);

Status h5_get_text(const H5File *file, const char *where, const char *name, char *text,
                   size_t size) MUST_USE;
Status h5_get_integer(const H5File *file, const char *where, const char *name,
                      int64_t *value) MUST_USE;
Status h5_get_number(const H5File *file, const char *where, const char *name,
                     double *value) MUST_USE;

/** Kind and shape of a dataset that passes all checks but those of its extents. */
Status h5_shape(const H5File *file, const char *name, H5Kind *kind, H5Shape *shape) MUST_USE;

/** Elements first .. first+count-1 along the first axis of a dataset that must have this kind and shape. */
Status h5_read(const H5File *file, const char *name, H5Kind kind, H5Shape shape, int64_t first,
               int64_t count, void *data) MUST_USE;

/** A text; the caller frees it with mem_free(). n may be NULL. */
Status h5_read_text(const H5File *file, const char *name, char **text, size_t *n) MUST_USE;

/** Call visit for every member of a group (attributes false) or every attribute of a group or dataset, in order of name. */
typedef Status (*H5Visit)(void *context, const char *name);
Status h5_each(const H5File *file, const char *where, bool attributes, H5Visit visit,
               void *context) MUST_USE;

/** Elements of a shape, or -1 when they are more than an int64_t counts or an extent is negative. */
int64_t h5_elements(H5Shape shape);

/** "3 x 400 x 5" */
void h5_shape_text(H5Shape shape, char *text, size_t size);

/** "1.10.8" */
const char *h5_library(void);

#endif
