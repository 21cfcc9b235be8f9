// SPDX-License-Identifier: Apache-2.0
/** Change a checkpoint in a way that its checksums do not see, as a careless or hostile program would.
 *
 *     alter FILE delete NAME              a dataset or group
 *     alter FILE move NAME NEW
 *     alter FILE cut NAME                 one row less
 *     alter FILE axis NAME                one more axis, of 1
 *     alter FILE double NAME              a float array as doubles
 *     alter FILE flatten NAME             contiguous storage, no checksum
 *     alter FILE add NAME VALUE           VALUE is added to the first number, with a right checksum
 *     alter FILE integer GROUP NAME VALUE an attribute
 *     alter FILE text GROUP NAME VALUE
 *     alter FILE forget GROUP NAME        an attribute
 */
#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/** Read a float array whole, drop it, and write it again in another way. */
static void rewrite(hid_t file, const char *how, const char *name, const char *value)
{
    hsize_t dim[5] = {1, 1, 1, 1, 1};
    const hid_t old = H5Dopen2(file, name, H5P_DEFAULT), old_space = H5Dget_space(old);
    CHECK(old >= 0, "%s is missing", name);
    int n = H5Sget_simple_extent_dims(old_space, dim, NULL);
    float *data = calloc((size_t)H5Sget_simple_extent_npoints(old_space) + 1, sizeof *data);
    CHECK(data != NULL && H5Dread(old, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0,
          "%s cannot be read", name);
    H5Dclose(old);
    H5Ldelete(file, name, H5P_DEFAULT);
    dim[0] -= strcmp(how, "cut") == 0;
    if (strcmp(how, "axis") == 0) {
        dim[n++] = 1;
    } else if (strcmp(how, "add") == 0) {
        data[0] += strtof(value, NULL);
    }
    const hid_t space = H5Screate_simple(n, dim, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    if (strcmp(how, "flatten") != 0) {
        H5Pset_chunk(create, n, dim);
        H5Pset_fletcher32(create);
    }
    const hid_t type = strcmp(how, "double") == 0 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE;
    const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    CHECK(dataset >= 0 &&
              H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0,
          "%s cannot be written", name);
    H5Dclose(dataset);
    H5Sclose(old_space);
    H5Sclose(space);
    H5Pclose(create);
    free(data);
}

static void set_attribute(hid_t file, const char *how, const char *group, const char *name,
                          const char *value)
{
    const hid_t object = H5Oopen(file, group, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
    const bool text = strcmp(how, "text") == 0;
    const long long number = value == NULL ? 0 : strtoll(value, NULL, 10);
    H5Adelete(object, name);
    if (value != NULL) {
        const hid_t type = H5Tcopy(text ? H5T_C_S1 : H5T_STD_I64LE);
        if (text) {
            H5Tset_size(type, strlen(value) + 1);
        }
        const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        CHECK(attribute >= 0 && H5Awrite(attribute, text ? type : H5T_NATIVE_LLONG,
                                         text ? (const void *)value : &number) >= 0,
              "%s cannot be written", name);
        H5Aclose(attribute);
        H5Tclose(type);
    }
    H5Sclose(space);
    H5Oclose(object);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 4, "alter FILE HOW NAME ...");
    const char *how = argv[2], *name = argv[3];
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t file = H5Fopen(argv[1], H5F_ACC_RDWR, access);
    CHECK(file >= 0, "%s cannot be opened", argv[1]);
    if (strcmp(how, "delete") == 0) {
        CHECK(H5Ldelete(file, name, H5P_DEFAULT) >= 0, "%s is missing", name);
    } else if (strcmp(how, "move") == 0) {
        CHECK(argc == 5 && H5Lmove(file, name, file, argv[4], H5P_DEFAULT, H5P_DEFAULT) >= 0,
              "%s is missing", name);
    } else if (strcmp(how, "integer") == 0 || strcmp(how, "text") == 0 ||
               strcmp(how, "forget") == 0) {
        CHECK(argc >= 5, "alter FILE %s GROUP NAME VALUE", how);
        set_attribute(file, how, name, argv[4], argc > 5 ? argv[5] : NULL);
    } else {
        rewrite(file, how, name, argc > 4 ? argv[4] : NULL);
    }
    H5Pclose(access);
    CHECK(H5Fclose(file) >= 0, "%s cannot be written", argv[1]);
    return 0;
}
