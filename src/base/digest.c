// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

void digest_init(Digest *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1,
          "libcrypto has no SHA-256");
    digest->state = context;
}

void digest_add(Digest *digest, const void *bytes, size_t n)
{
    CHECK(EVP_DigestUpdate(digest->state, bytes, n) == 1, "SHA-256 failed");
}

void digest_bytes(Digest *digest, unsigned char bytes[DIGEST_BYTES])
{
    unsigned int n = 0;
    CHECK(EVP_DigestFinal_ex(digest->state, bytes, &n) == 1 && n == DIGEST_BYTES, "SHA-256 failed");
    EVP_MD_CTX_free(digest->state);
    digest->state = NULL;
}

void digest_text(Digest *digest, char text[DIGEST_TEXT])
{
    unsigned char bytes[DIGEST_BYTES];
    digest_bytes(digest, bytes);
    for (int i = 0; i < DIGEST_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
}

Status digest_file(const char *path, char text[DIGEST_TEXT])
{
    enum { BLOCK = 1 << 18 };
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        return status_error(CODE_INPUT, "%s: %s", path, strerror(errno));
    }
    Digest digest;
    unsigned char *block = mem_alloc(BLOCK, 1);
    digest_init(&digest);
    for (size_t n; (n = fread(block, 1, BLOCK, in)) > 0;) {
        digest_add(&digest, block, n);
    }
    const bool failed = ferror(in) != 0;
    digest_text(&digest, text);
    fclose(in);
    mem_free(block);
    return failed ? status_error(CODE_INPUT, "%s: cannot be read", path) : status_ok();
}
