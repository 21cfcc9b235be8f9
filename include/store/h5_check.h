// SPDX-License-Identifier: Apache-2.0
/** For the files of this layer only: types of HDF5, and what it says when it fails. */
#ifndef MOE_STORE_H5_CHECK_H
#define MOE_STORE_H5_CHECK_H

#include <hdf5.h>

#include "store/h5.h"

/** No error messages of HDF5's own. Before its first use. */
void h5_quiet(void);

/** Type in memory and in the file (little-endian), and bytes of an element. */
hid_t h5_memory_type(H5Kind kind);
hid_t h5_file_type(H5Kind kind);
size_t h5_kind_size(H5Kind kind);

/** What a writer says when this rank's call failed (result < 0); the same on all ranks. Collective on file->comm. */
Status h5_agree(const H5File *file, herr_t result, const char *what);

#endif
