/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of what comes piece by piece, as manifests have them. */
#ifndef VD_NET_DIGEST_H
#define VD_NET_DIGEST_H

#include <stddef.h>

#include "base/error.h"

enum vd_digest_kind { VD_DIGEST_SHA1, VD_DIGEST_SHA256 };

#define VD_DIGEST_TEXT_BYTES 65u /* hex in lower case, NUL included */

struct vd_digest;

/* VD_E_NO_MEMORY; VD_E_NOT_SUPPORTED where this machine's policy forbids the kind, or has no
 * OpenSSL. */
VD_MUST_CHECK int vd_digest_new(enum vd_digest_kind kind, struct vd_digest **ret);
VD_MUST_CHECK int vd_digest_add(struct vd_digest *digest, const void *bytes, size_t length);
/* Of all that was added; nothing can be added afterwards. */
VD_MUST_CHECK int vd_digest_finish(struct vd_digest *digest, char text[VD_DIGEST_TEXT_BYTES]);
void vd_digest_free(struct vd_digest *digest);
VD_DEFINE_CLEANUP(struct vd_digest *, vd_digest_free)

#endif
