// SPDX-License-Identifier: Apache-2.0
/** SHA-256 (OpenSSL's libcrypto) of a stream of bytes. Local. */
#ifndef MOE_BASE_DIGEST_H
#define MOE_BASE_DIGEST_H

#include <stddef.h>

#include "base/check.h"

enum { DIGEST_BYTES = 32, DIGEST_TEXT = 65 };  // text: 64 hexadecimal digits and the end

typedef struct Digest {
    void *state;  // owned; NULL before digest_init() and after digest_text()
} Digest;

void digest_init(Digest *digest);
void digest_add(Digest *digest, const void *bytes, size_t n);

/** Take the digest, as bytes or as hexadecimal text, and free the state. */
void digest_bytes(Digest *digest, unsigned char bytes[DIGEST_BYTES]);
void digest_text(Digest *digest, char text[DIGEST_TEXT]);

/** Of the bytes of a file as they lie on the disk. Error (CODE_INPUT): it cannot be read. */
Status digest_file(const char *path, char text[DIGEST_TEXT]) MUST_USE;

#endif
