/* SPDX-License-Identifier: Apache-2.0 */
/* What tells one disk, and one state of its content, from every other: random numbers in the forms
 * VMware gives them. */
#ifndef VD_VMDK_IDENTITY_H
#define VD_VMDK_IDENTITY_H

#include <stdint.h>

#include "base/error.h"

/* A content ID that means nothing special: neither VD_CID_NONE nor VD_CID_NEVER_WRITTEN, which
 * would be equal in disks that have nothing in common, nor 0. */
VD_MUST_CHECK int vd_cid_new(uint32_t *ret, struct vd_error *err);

/* ddb.longContentID: 32 hex digits, of which the last 8 are the CID. */
#define VD_LONG_CONTENT_ID_BYTES 33
VD_MUST_CHECK int vd_long_content_id_new(uint32_t cid, char ret[VD_LONG_CONTENT_ID_BYTES],
                                         struct vd_error *err);

/* ddb.uuid: "60 00 C2 9x xx xx xx xx-xx xx xx xx xx xx xx xx", which makes it an NAA identifier of
 * VMware's. */
#define VD_DISK_UUID_BYTES 48
VD_MUST_CHECK int vd_disk_uuid_new(char ret[VD_DISK_UUID_BYTES], struct vd_error *err);

#endif
