// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/check.h"

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

void digest_text(Digest *digest, char text[DIGEST_TEXT])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    CHECK(EVP_DigestFinal_ex(digest->state, raw, &n) == 1 && n == 32, "SHA-256 failed");
    EVP_MD_CTX_free(digest->state);
    digest->state = NULL;
    for (unsigned int i = 0; i < n; i++) {
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    }
}
