/* SPDX-License-Identifier: Apache-2.0 */
#include "net/digest.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/load-openssl-int.h"

struct vd_digest {
    EVP_MD_CTX *context;
};

int vd_digest_new(enum vd_digest_kind kind, struct vd_digest **ret)
{
    int r = vd_openssl_load(NULL);
    if (r < 0)
        return r;
    VD_CLEANUP(vd_digest_free_cleanup) struct vd_digest *digest = calloc(1, sizeof *digest);
    if (digest)
        digest->context = sym_EVP_MD_CTX_new();
    if (!digest || !digest->context)
        return VD_E_NO_MEMORY;
    const EVP_MD *method = kind == VD_DIGEST_SHA1 ? sym_EVP_sha1() : sym_EVP_sha256();
    if (sym_EVP_DigestInit_ex(digest->context, method, NULL) != 1)
        return VD_E_NOT_SUPPORTED;
    *ret = VD_TAKE_PTR(digest);
    return VD_OK;
}

int vd_digest_add(struct vd_digest *digest, const void *bytes, size_t length)
{
    return sym_EVP_DigestUpdate(digest->context, bytes, length) == 1 ? VD_OK : VD_E_FAIL;
}

int vd_digest_finish(struct vd_digest *digest, char text[VD_DIGEST_TEXT_BYTES])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (sym_EVP_DigestFinal_ex(digest->context, bytes, &length) != 1 ||
        2 * length >= VD_DIGEST_TEXT_BYTES)
        return VD_E_FAIL;
    for (unsigned i = 0; i < length; i++)
        (void)snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
    return VD_OK;
}

void vd_digest_free(struct vd_digest *digest)
{
    if (!digest)
        return;
    if (digest->context)
        sym_EVP_MD_CTX_free(digest->context);
    free(digest);
}
