// SPDX-License-Identifier: Apache-2.0
#include "store/h5_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "comm/mpi_check.h"
#include "comm/signals.h"
#include "comm/watch.h"

enum {
    CHUNK_BYTES = 1 << 20,
    FIRST_BYTES = 1 << 18,
    CALL_OVERHEAD = 1 << 14,
    CHUNK_OVERHEAD = 64,
    REASON_TEXT = 160,
    MOST_DEFLATED = 1100,  // bytes that one of deflate's makes at most, and some more
    LOG_CHUNK = 1 << 28    // bytes
};

/* ---- errors ---- */

static herr_t note_reason(unsigned depth, const H5E_error2_t *error, void *reason)
{
    if (depth == 0) {  // where it began
        snprintf(reason, REASON_TEXT, "%s", error->desc);
    }
    return 0;
}

/** What HDF5 says of its last failure. */
static void last_reason(char reason[REASON_TEXT])
{
    snprintf(reason, REASON_TEXT, "HDF5 does not say why");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_reason, reason);
    for (char *c = reason; *c != '\0'; c++) {
        *c = *c == '\n' ? ' ' : *c;
    }
}

void h5_quiet(void)
{
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/** What a writer says when this rank's call failed (result < 0) or all others' did; the same on all ranks. */
Status h5_agree(const H5File *file, herr_t result, const char *what)
{
    Status status = status_ok();
    signals_guard_call();
    if (result < 0) {
        char reason[REASON_TEXT];
        last_reason(reason);
        status =
            status_error(CODE_FAILED, "%s: cannot be written (%s): %s", file->path, what, reason);
    }
    return comm_agree(file->comm, status);
}

static void part_path(const H5File *file, char path[H5_PATH + 8])
{
    snprintf(path, H5_PATH + 8, "%s.part", file->path);
}

/* ---- shapes ---- */

int64_t h5_elements(H5Shape shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape.n_dims; i++) {
        const int64_t d = shape.dim[i];
        if (d < 0 || (d > 0 && n > INT64_MAX / d)) {
            return -1;
        }
        n *= d;
    }
    return n;
}

void h5_shape_text(H5Shape shape, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < shape.n_dims && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i > 0 ? " x " : "",
                                 (long long)shape.dim[i]);
    }
}

size_t h5_kind_size(H5Kind kind)
{
    static const size_t size[H5_KINDS] = {4, 8, 4, 1};
    return size[kind];
}

/** Type in memory and in the file (little-endian). */
hid_t h5_memory_type(H5Kind kind)
{
    const hid_t type[H5_KINDS] = {H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT32,
                                  H5T_NATIVE_UINT8};
    return type[kind];
}

hid_t h5_file_type(H5Kind kind)
{
    const hid_t type[H5_KINDS] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_STD_I32LE, H5T_STD_U8LE};
    return type[kind];
}

/** As many whole rows as fit a chunk; of a row that does not fit, as much of its first axis as does, and so on. */
static void choose_chunk(hsize_t chunk[H5_MAX_DIMS], H5Kind kind, H5Shape shape, int64_t most_rows)
{
    size_t bytes = h5_kind_size(kind);
    for (int i = shape.n_dims - 1; i >= 0; i--) {
        const size_t fits = bytes < CHUNK_BYTES ? CHUNK_BYTES / bytes : 1;
        const size_t most = i == 0 && most_rows > 0 ? (size_t)most_rows : SIZE_MAX;
        size_t n = shape.dim[i] > 0 ? (size_t)shape.dim[i] : 1;
        n = n < fits ? n : fits;
        chunk[i] = n < most ? n : most;
        bytes *= chunk[i];
    }
}

void h5_share(H5Kind kind, H5Shape shape, int rank, int size, int64_t *first, int64_t *count)
{
    hsize_t chunk[H5_MAX_DIMS];
    choose_chunk(chunk, kind, shape, 0);
    const int64_t rows = (int64_t)chunk[0], chunks = (shape.dim[0] + rows - 1) / rows;
    const int64_t begin = chunks * rank / size * rows, end = chunks * (rank + 1) / size * rows;
    *first = begin < shape.dim[0] ? begin : shape.dim[0];
    *count = (end < shape.dim[0] ? end : shape.dim[0]) - *first;
}

/* ---- writing ---- */

/** Give bytes from .. to of the part a place on the disk, or make the part. By one rank. */
static Status allocate(const H5File *file, int64_t from, int64_t to)
{
    char part[H5_PATH + 8];
    part_path(file, part);
    const int fd = open(part, O_WRONLY | O_CREAT, 0666);
    int error = fd < 0 ? errno : posix_fallocate(fd, (off_t)from, (off_t)(to - from));
    if (fd >= 0 && close(fd) != 0 && error == 0) {
        error = errno;
    }
    return error == 0 ? status_ok()
                      : status_error(CODE_FAILED, "%s: cannot be written: %s", file->path,
                                     strerror(error));
}

/** Disk space for a call that stores so many bytes: more than HDF5 needs with all that describes them; it cuts the rest off. */
static Status reserve(H5File *file, int64_t bytes)
{
    const int64_t from = file->size, to = from + bytes + CALL_OVERHEAD;
    file->size = to;
    return comm_agree(file->comm,
                      comm_is_root(file->comm) ? allocate(file, from, to) : status_ok());
}

Status h5_create(H5File *file, const Comm *comm, const char *path)
{
    char part[H5_PATH + 8];
    h5_quiet();
    memset(file, 0, sizeof *file);
    file->comm = comm;
    snprintf(file->path, sizeof file->path, "%s", path);
    part_path(file, part);
    Status status = reserve(file, FIRST_BYTES);
    if (status.code != CODE_OK) {
        h5_abandon(file);
        return status;
    }
    file->size = 0;  // HDF5 begins with an empty file
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_mpio(access, comm_mpi(comm), MPI_INFO_NULL);
    H5Pset_coll_metadata_write(access, true);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    file->id = H5Fcreate(part, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    status = h5_agree(file, file->id < 0 ? -1 : 0, "the file");
    H5Pclose(access);
    if (status.code == CODE_OK) {
        status = reserve(file, FIRST_BYTES);
    }
    if (status.code != CODE_OK) {
        h5_abandon(file);
    }
    return status;
}

/** Flush a file or folder to the disk; by one rank. */
static bool flush_path(const char *path)
{
    const int fd = open(path, O_RDONLY);
    const bool done = fd >= 0 && fsync(fd) == 0;
    return (fd >= 0 && close(fd) == 0) && done;
}

bool h5_flush_folder(const char *path)
{
    char folder[H5_PATH];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder] = '\0';
    }
    return flush_path(slash == NULL ? "." : folder);
}

/** The part, whole and on the disk, becomes the file; by one rank. */
static Status replace(const H5File *file)
{
    char part[H5_PATH + 8];
    part_path(file, part);
    if (!flush_path(part) || rename(part, file->path) != 0 || !h5_flush_folder(file->path)) {
        return status_error(CODE_FAILED, "%s: cannot be written: %s", file->path, strerror(errno));
    }
    return status_ok();
}

Status h5_commit(H5File *file)
{
    Status status = h5_agree(file, H5Fflush(file->id, H5F_SCOPE_GLOBAL), "the end of the file");
    const herr_t closed = H5Fclose(file->id);
    file->id = -1;
    Status last = h5_agree(file, closed, "the end of the file");
    status = status.code != CODE_OK ? status : last;
    if (status.code == CODE_OK) {
        status = comm_agree(file->comm, comm_is_root(file->comm) ? replace(file) : status_ok());
    }
    h5_abandon(file);
    return status;
}

void h5_abandon(H5File *file)
{
    char part[H5_PATH + 8];
    part_path(file, part);
    if (file->id > 0) {
        H5Fclose(file->id);
    }
    file->id = 0;
    if (comm_is_root(file->comm)) {
        remove(part);
    }
}

Status h5_group(H5File *file, const char *name)
{
    TRY(reserve(file, 0));
    const hid_t group = H5Gcreate2(file->id, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const Status status = h5_agree(file, group < 0 ? -1 : 0, name);
    if (group >= 0) {
        H5Gclose(group);
    }
    return status;
}

/** A string type of n bytes, UTF-8, padded with zeros. */
static hid_t text_type(size_t n)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, n > 0 ? n : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static Status put(H5File *file, const char *where, const char *name, hid_t type, hid_t type_in_file,
                  const void *value)
{
    TRY(reserve(file, 4 * (int64_t)H5Tget_size(type)));  // a table of attributes doubles
    const hid_t object = H5Oopen(file->id, where, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(object, name, type_in_file, space, H5P_DEFAULT, H5P_DEFAULT);
    const herr_t written = attribute < 0 ? -1 : H5Awrite(attribute, type, value);
    const Status status = h5_agree(file, written, name);
    if (attribute >= 0) {
        H5Aclose(attribute);
    }
    if (object >= 0) {
        H5Oclose(object);
    }
    H5Sclose(space);
    return status;
}

Status h5_put_text(H5File *file, const char *where, const char *name, const char *text)
{
    const hid_t type = text_type(strlen(text));
    const Status status = put(file, where, name, type, type, text);
    H5Tclose(type);
    return status;
}

Status h5_put_integer(H5File *file, const char *where, const char *name, int64_t value)
{
    return put(file, where, name, H5T_NATIVE_INT64, H5T_STD_I64LE, &value);
}

Status h5_put_number(H5File *file, const char *where, const char *name, double value)
{
    return put(file, where, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &value);
}

/** Select elements first .. first+count-1 of the first axis; an empty memory space when there are none. */
static hid_t select_rows(hid_t space, H5Shape shape, int64_t first, int64_t count)
{
    hsize_t start[H5_MAX_DIMS] = {(hsize_t)first}, extent[H5_MAX_DIMS] = {0};
    for (int i = 0; i < shape.n_dims; i++) {
        extent[i] = (hsize_t)(i == 0 ? count : shape.dim[i]);
    }
    const bool empty = count == 0 || h5_elements(shape) == 0;
    for (int i = 0; empty && i < shape.n_dims; i++) {
        extent[i] = 1;
    }
    const hid_t memory = H5Screate_simple(shape.n_dims, extent, NULL);
    if (empty) {
        H5Sselect_none(memory);
        H5Sselect_none(space);
    } else {
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL);
    }
    return memory;
}

/** Bytes of all chunks, each with its checksum and its line in the index; a chunk at the edge is as large as the others. */
static int64_t stored_bytes(size_t element, H5Shape shape, const hsize_t *chunk)
{
    int64_t chunks = 1, bytes = (int64_t)element;
    for (int i = 0; i < shape.n_dims; i++) {
        const int64_t n = (int64_t)chunk[i];
        chunks *= (shape.dim[i] + n - 1) / n;
        bytes *= n;
    }
    return chunks * (bytes + CHUNK_OVERHEAD);
}

/** Create a dataset and write this rank's share. */
static Status write_rows(H5File *file, const char *name, hid_t type, hid_t type_in_file,
                         H5Shape shape, const hsize_t *chunk, int64_t first, int64_t count,
                         const void *data)
{
    static const double nothing = 0;
    hsize_t extent[H5_MAX_DIMS] = {0};
    for (int i = 0; i < shape.n_dims; i++) {
        extent[i] = (hsize_t)shape.dim[i];
    }
    TRY(reserve(file, stored_bytes(H5Tget_size(type), shape, chunk)));
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE), transfer = H5Pcreate(H5P_DATASET_XFER);
    const hid_t space = H5Screate_simple(shape.n_dims, extent, NULL);
    H5Pset_chunk(create, shape.n_dims, chunk);
    H5Pset_fletcher32(create);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
    watch_enter("writing a checkpoint");
    const hid_t dataset =
        H5Dcreate2(file->id, name, type_in_file, space, H5P_DEFAULT, create, H5P_DEFAULT);
    Status status = h5_agree(file, dataset < 0 ? -1 : 0, name);
    if (status.code == CODE_OK) {
        const hid_t memory = select_rows(space, shape, first, count);
        herr_t written = 0;
        if (h5_elements(shape) > 0) {
            written =
                H5Dwrite(dataset, type, memory, space, transfer, data != NULL ? data : &nothing);
        }
        status = h5_agree(file, written, name);
        H5Sclose(memory);
    }
    if (dataset >= 0) {
        H5Dclose(dataset);
    }
    H5Sclose(space);
    H5Pclose(create);
    H5Pclose(transfer);
    return status;
}

Status h5_write(H5File *file, const char *name, H5Kind kind, H5Shape shape, int64_t chunk_rows,
                int64_t first, int64_t count, const void *data)
{
    hsize_t chunk[H5_MAX_DIMS];
    choose_chunk(chunk, kind, shape, chunk_rows);
    return write_rows(file, name, h5_memory_type(kind), h5_file_type(kind), shape, chunk, first,
                      count, data);
}

Status h5_write_text(H5File *file, const char *name, const char *text, size_t n)
{
    int64_t bytes = comm_is_root(file->comm) ? (int64_t)n : 0;
    const bool root = comm_is_root(file->comm);
    const hsize_t chunk = 1;
    comm_sum_int64(file->comm, &bytes, 1);
    const hid_t type = text_type((size_t)bytes);
    const char *own = root && bytes > 0 ? text : "";
    const Status status =
        write_rows(file, name, type, type, (H5Shape){1, {1}}, &chunk, 0, root, own);
    H5Tclose(type);
    return status;
}

/* ---- reading ---- */

static Status open_file(H5File *file, const char *path, bool log)
{
    struct stat info;
    h5_quiet();
    memset(file, 0, sizeof *file);
    snprintf(file->path, sizeof file->path, "%s", path);
    if (stat(path, &info) != 0) {
        return status_error(CODE_STORED, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return status_error(CODE_STORED, "%s: is no file", path);
    }
    file->size = (int64_t)info.st_size;
    file->log = log;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_file_locking(access, false, true);  // which some network file systems refuse
    file->id = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (file->id < 0 && log) {  // a writer is at work, or was killed at work
        file->id = H5Fopen(path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access);
    }
    char reason[REASON_TEXT];
    last_reason(reason);  // before another call forgets it
    H5Pclose(access);
    if (file->id < 0) {
        file->id = 0;
        return status_error(CODE_STORED, "%s: is no whole HDF5 file: %s", path, reason);
    }
    return status_ok();
}

Status h5_open(H5File *file, const char *path)
{
    return open_file(file, path, false);
}

Status h5_open_log(H5File *file, const char *path)
{
    return open_file(file, path, true);
}

void h5_close(H5File *file)
{
    if (file->id > 0) {
        H5Fclose(file->id);
    }
    memset(file, 0, sizeof *file);
}

static Status damaged(const H5File *file, const char *name, const char *what)
{
    char reason[REASON_TEXT];
    last_reason(reason);
    return status_error(CODE_STORED, "%s: %s: %s: %s", file->path, name, what, reason);
}

/** Every link on the way to a name must be a hard one: others may lead out of the file. Missing: CODE_STORED, found false. */
static Status check_links(const H5File *file, const char *name)
{
    char prefix[H5_PATH];
    snprintf(prefix, sizeof prefix, "%s", name);
    for (char *end = prefix; strcmp(name, "/") != 0; end++) {
        end = strchr(end, '/');
        if (end != NULL) {
            *end = '\0';
        }
        H5L_info_t info;
        if (H5Lget_info(file->id, prefix, &info, H5P_DEFAULT) < 0) {
            return status_error(CODE_STORED, "%s: %s is missing", file->path, prefix);
        }
        if (info.type != H5L_TYPE_HARD) {
            return status_error(CODE_STORED,
                                "%s: %s: is a link to elsewhere, which is not followed", file->path,
                                prefix);
        }
        if (end == NULL) {
            break;
        }
        *end = '/';
    }
    return status_ok();
}

bool h5_has(const H5File *file, const char *name)
{
    return check_links(file, name).code == CODE_OK;
}

/** Open an attribute that must be a scalar. */
static Status open_attribute(const H5File *file, const char *where, const char *name,
                             hid_t *attribute)
{
    TRY(check_links(file, where));
    *attribute = H5Aopen_by_name(file->id, where, name, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0) {
        return status_error(CODE_STORED, "%s: %s: attribute %s is missing", file->path, where,
                            name);
    }
    const hid_t space = H5Aget_space(*attribute);
    const bool scalar = H5Sget_simple_extent_type(space) == H5S_SCALAR;
    H5Sclose(space);
    if (!scalar) {
        H5Aclose(*attribute);
        return status_error(CODE_STORED, "%s: %s: attribute %s is no single value", file->path,
                            where, name);
    }
    return status_ok();
}

Status h5_get_text(const H5File *file, const char *where, const char *name, char *text, size_t size)
{
    hid_t attribute;
    Status status = status_ok();
    TRY(open_attribute(file, where, name, &attribute));
    const hid_t type = H5Aget_type(attribute);
    const size_t n = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) {
        status = status_error(CODE_STORED, "%s: %s: attribute %s is no text of fixed length",
                              file->path, where, name);
    } else if (n >= size) {
        status = status_error(CODE_STORED, "%s: %s: attribute %s has %zu bytes, more than %zu",
                              file->path, where, name, n, size - 1);
    } else {
        memset(text, 0, size);
        if (H5Aread(attribute, type, text) < 0) {
            status = damaged(file, where, name);
        }
    }
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

/** Read a number of one type in the file. */
static Status get(const H5File *file, const char *where, const char *name, hid_t type_in_file,
                  hid_t type, void *value, const char *what)
{
    hid_t attribute;
    Status status = status_ok();
    TRY(open_attribute(file, where, name, &attribute));
    const hid_t stored = H5Aget_type(attribute);
    if (H5Tequal(stored, type_in_file) <= 0) {
        status = status_error(CODE_STORED, "%s: %s: attribute %s is no 8-byte %s", file->path,
                              where, name, what);
    } else if (H5Aread(attribute, type, value) < 0) {
        status = damaged(file, where, name);
    }
    H5Tclose(stored);
    H5Aclose(attribute);
    return status;
}

Status h5_get_integer(const H5File *file, const char *where, const char *name, int64_t *value)
{
    return get(file, where, name, H5T_STD_I64LE, H5T_NATIVE_INT64, value, "integer");
}

Status h5_get_number(const H5File *file, const char *where, const char *name, double *value)
{
    return get(file, where, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, value, "number");
}

/** Are the filters of a dataset those that we write: the checksum, and in a log shuffle and deflate before it? */
static bool known_filters(const H5File *file, hid_t create)
{
    bool checksum = false, known = true;
    for (int i = 0; i < H5Pget_nfilters(create); i++) {
        unsigned flags, parameters;
        size_t n_parameters = 0;
        const H5Z_filter_t filter =
            H5Pget_filter2(create, (unsigned)i, &flags, &n_parameters, &parameters, 0, NULL, NULL);
        checksum = checksum || filter == H5Z_FILTER_FLETCHER32;
        known = known &&
                (filter == H5Z_FILTER_FLETCHER32 ||
                 (file->log && (filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_DEFLATE)));
    }
    return checksum && known;
}

/** Storage of a dataset: in the file, chunked, no filter but those. */
static Status check_storage(const H5File *file, const char *name, hid_t dataset)
{
    const hid_t create = H5Dget_create_plist(dataset);
    const bool chunked = H5Pget_layout(create) == H5D_CHUNKED && H5Pget_external_count(create) == 0;
    const bool checked = chunked && known_filters(file, create);
    H5Pclose(create);
    if (!chunked) {
        return status_error(CODE_STORED, "%s: %s: is not stored in chunks of this file", file->path,
                            name);
    }
    return checked ? status_ok()
                   : status_error(CODE_STORED, "%s: %s: has no checksum, or is compressed",
                                  file->path, name);
}

/** Has every chunk of a log's dataset been written? */
static Status check_chunks(const H5File *file, const char *name, hid_t dataset,
                           const H5Shape *shape, const H5Shape *chunk)
{
    hsize_t stored = 0, needed = 1;
    const hid_t space = H5Dget_space(dataset);
    for (int i = 0; i < shape->n_dims; i++) {
        needed *= (hsize_t)((shape->dim[i] + chunk->dim[i] - 1) / chunk->dim[i]);
    }
    const herr_t known = H5Dget_num_chunks(dataset, space, &stored);
    H5Sclose(space);
    return known >= 0 && stored >= needed
               ? status_ok()
               : status_error(CODE_STORED, "%s: %s: is not stored in full", file->path, name);
}

/** Extents of a dataset: not more than the file can hold, and all of them stored. */
static Status check_extents(const H5File *file, const char *name, hid_t dataset, size_t element,
                            H5Shape *shape)
{
    hsize_t extent[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    const hid_t space = H5Dget_space(dataset);
    const int n = H5Sget_simple_extent_ndims(space);
    const bool simple =
        H5Sget_simple_extent_type(space) == H5S_SIMPLE && n >= 1 && n <= H5_MAX_DIMS;
    if (simple) {
        H5Sget_simple_extent_dims(space, extent, NULL);
    }
    H5Sclose(space);
    if (!simple) {
        return status_error(CODE_STORED, "%s: %s: is no array of 1 to %d axes", file->path, name,
                            H5_MAX_DIMS);
    }
    const hid_t create = H5Dget_create_plist(dataset);
    H5Pget_chunk(create, n, chunk);
    H5Pclose(create);
    *shape = (H5Shape){.n_dims = n};
    bool fits = true;
    H5Shape of_chunk = {.n_dims = n};
    for (int i = 0; i < n; i++) {
        fits = fits && extent[i] <= INT32_MAX && chunk[i] <= INT32_MAX &&
               (chunk[i] <= extent[i] || chunk[i] == 1 || file->log);
        shape->dim[i] = (int64_t)extent[i];
        of_chunk.dim[i] = (int64_t)chunk[i];
    }
    const int64_t elements = h5_elements(*shape), in_chunk = h5_elements(of_chunk);
    const int64_t most = file->size * (file->log ? MOST_DEFLATED : 1) / (int64_t)element;
    if (file->log && (in_chunk < 0 || in_chunk > LOG_CHUNK / (int64_t)element)) {
        fits = false;
    }
    if (!fits || elements < 0 || elements > most) {
        return status_error(CODE_STORED, "%s: %s: has absurd extents, larger than the file",
                            file->path, name);
    }
    if (file->log) {
        return check_chunks(file, name, dataset, shape, &of_chunk);
    }
    if (H5Dget_storage_size(dataset) < (hsize_t)elements * element) {
        return status_error(CODE_STORED, "%s: %s: is not stored in full", file->path, name);
    }
    return status_ok();
}

/** Open a dataset that passes all checks but those of the caller. */
static Status open_dataset(const H5File *file, const char *name, hid_t *dataset, H5Shape *shape)
{
    TRY(check_links(file, name));
    *dataset = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (*dataset < 0) {
        return damaged(file, name, "cannot be opened");
    }
    const hid_t type = H5Dget_type(*dataset);
    const size_t element = H5Tget_size(type);
    H5Tclose(type);
    Status status = check_storage(file, name, *dataset);
    if (status.code == CODE_OK) {
        status = check_extents(file, name, *dataset, element > 0 ? element : 1, shape);
    }
    if (status.code != CODE_OK) {
        H5Dclose(*dataset);
    }
    return status;
}

static Status kind_of(const H5File *file, const char *name, hid_t dataset, H5Kind *kind)
{
    const hid_t type = H5Dget_type(dataset);
    int found = H5_KINDS;
    for (int i = 0; i < H5_KINDS; i++) {
        found = H5Tequal(type, h5_file_type((H5Kind)i)) > 0 ? i : found;
    }
    H5Tclose(type);
    *kind = (H5Kind)found;
    return found < H5_KINDS ? status_ok()
                            : status_error(CODE_STORED, "%s: %s: has a type that no checkpoint has",
                                           file->path, name);
}

Status h5_shape(const H5File *file, const char *name, H5Kind *kind, H5Shape *shape)
{
    hid_t dataset;
    TRY(open_dataset(file, name, &dataset, shape));
    const Status status = kind_of(file, name, dataset, kind);
    H5Dclose(dataset);
    return status;
}

static Status compare(const H5File *file, const char *name, H5Kind kind, H5Shape shape,
                      H5Kind stored, H5Shape found)
{
    static const char *kind_name[H5_KINDS] = {"float", "double", "32-bit integer", "byte"};
    char is[80], should[80];
    if (kind != stored) {
        return status_error(CODE_STORED, "%s: %s: its numbers are of type %s, wanted are %s",
                            file->path, name, kind_name[stored], kind_name[kind]);
    }
    bool same = shape.n_dims == found.n_dims;
    for (int i = 0; same && i < shape.n_dims; i++) {
        same = shape.dim[i] == found.dim[i];
    }
    if (same) {
        return status_ok();
    }
    h5_shape_text(found, is, sizeof is);
    h5_shape_text(shape, should, sizeof should);
    return status_error(CODE_STORED, "%s: %s: its shape is %s, wanted is %s", file->path, name, is,
                        should);
}

Status h5_read(const H5File *file, const char *name, H5Kind kind, H5Shape shape, int64_t first,
               int64_t count, void *data)
{
    hid_t dataset;
    H5Shape found;
    H5Kind stored;
    TRY(open_dataset(file, name, &dataset, &found));
    Status status = kind_of(file, name, dataset, &stored);
    if (status.code == CODE_OK) {
        status = compare(file, name, kind, shape, stored, found);
    }
    if (status.code == CODE_OK && count > 0 && h5_elements(shape) > 0) {
        const hid_t space = H5Dget_space(dataset), memory = select_rows(space, shape, first, count);
        if (H5Dread(dataset, h5_memory_type(kind), memory, space, H5P_DEFAULT, data) < 0) {
            status = damaged(file, name, "cannot be read");
        }
        H5Sclose(memory);
        H5Sclose(space);
    }
    H5Dclose(dataset);
    return status;
}

Status h5_read_text(const H5File *file, const char *name, char **text, size_t *n)
{
    hid_t dataset;
    H5Shape shape;
    *text = NULL;
    TRY(open_dataset(file, name, &dataset, &shape));
    const hid_t type = H5Dget_type(dataset);
    const size_t size = H5Tget_size(type);
    Status status = status_ok();
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 ||
        h5_elements(shape) != 1) {
        status = status_error(CODE_STORED, "%s: %s: is no text of fixed length", file->path, name);
    } else {
        *text = mem_alloc(size + 1, 1);
        if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *text) < 0) {
            status = damaged(file, name, "cannot be read");
            mem_free(*text);
            *text = NULL;
        }
    }
    if (status.code == CODE_OK && n != NULL) {
        *n = size == 1 && **text == '\0' ? 0 : size;  // a type of no bytes does not exist
    }
    H5Tclose(type);
    H5Dclose(dataset);
    return status;
}

/** Names of a group or its attributes: texts one after the other, each with its end. */
typedef struct Names {
    char *text;
    size_t used, size, n;
} Names;

static herr_t add_name(Names *names, const char *name)
{
    const size_t bytes = strlen(name) + 1;
    if (names->used + bytes > names->size) {
        names->size = 2 * (names->used + bytes);
        names->text = mem_grow(names->text, names->size, 1);
    }
    memcpy(names->text + names->used, name, bytes);
    names->used += bytes;
    names->n++;
    return 0;
}

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *names)
{
    (void)group;
    (void)info;
    return add_name(names, name);
}

static herr_t add_attribute(hid_t object, const char *name, const H5A_info_t *info, void *names)
{
    (void)object;
    (void)info;
    return add_name(names, name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Status visit_sorted(const Names *names, H5Visit visit, void *context)
{
    Status status = status_ok();
    const char **name = MEM_ARRAY(const char *, names->n), *next = names->text;
    for (size_t i = 0; i < names->n; i++) {
        name[i] = next;
        next += strlen(next) + 1;
    }
    qsort(name, names->n, sizeof *name, compare_names);
    for (size_t i = 0; i < names->n && status.code == CODE_OK; i++) {
        status = visit(context, name[i]);
    }
    mem_free(name);
    return status;
}

Status h5_each(const H5File *file, const char *where, bool attributes, H5Visit visit, void *context)
{
    Names names = {0};
    TRY(check_links(file, where));
    const hid_t object = H5Oopen(file->id, where, H5P_DEFAULT);
    if (object < 0) {
        return damaged(file, where, "cannot be opened");
    }
    if (!attributes && H5Iget_type(object) != H5I_GROUP) {
        H5Oclose(object);
        return status_error(CODE_STORED, "%s: %s: is no group", file->path, where);
    }
    // in any order: to sort, HDF5 1.10 fills a table, and it frees what it has not filled when the file is damaged
    const herr_t done =
        attributes ? H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_attribute, &names)
                   : H5Literate(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_link, &names);
    const Status status =
        done < 0 ? damaged(file, where, "cannot be listed") : visit_sorted(&names, visit, context);
    mem_free(names.text);
    H5Oclose(object);
    return status;
}

const char *h5_library(void)
{
    static char text[48];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}
