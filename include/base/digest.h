// SPDX-License-Identifier: Apache-2.0
/** SHA-256 (OpenSSL's libcrypto) of a stream of bytes. Local. */
#ifndef MOE_BASE_DIGEST_H
#define MOE_BASE_DIGEST_H

#include <stddef.h>

enum { DIGEST_TEXT = 65 };  // 64 hexadecimal digits and the end

typedef struct Digest {
    void *state;  // owned; NULL before digest_init() and after digest_text()
} Digest;

void digest_init(Digest *digest);
void digest_add(Digest *digest, const void *bytes, size_t n);

/** Write the digest as hexadecimal text and free the state. */
void digest_text(Digest *digest, char text[DIGEST_TEXT]);

#endif
