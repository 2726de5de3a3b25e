/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "vmdk/descriptor.h"

/* At most 256 bytes, which a signal does not interrupt. */
static int random_bytes(void *bytes, size_t length, struct vd_error *err)
{
    if (getrandom(bytes, length, 0) == (ssize_t)length)
        return 0;
    return vd_error_set_errno(err, errno ? errno : EIO, "cannot get random numbers");
}

int vd_cid_new(uint32_t *ret, struct vd_error *err)
{
    uint32_t cid;
    do {
        int r = random_bytes(&cid, sizeof cid, err);
        if (r < 0)
            return r;
    } while (cid == VD_CID_NONE || cid == VD_CID_NEVER_WRITTEN || cid == 0);
    *ret = cid;
    return 0;
}

int vd_long_content_id_new(uint32_t cid, char ret[VD_LONG_CONTENT_ID_BYTES], struct vd_error *err)
{
    uint8_t bytes[12];
    int r = random_bytes(bytes, sizeof bytes, err);
    if (r < 0)
        return r;
    (void)snprintf(ret, VD_LONG_CONTENT_ID_BYTES,
                   "%08" PRIx32 "%08" PRIx32 "%08" PRIx32 "%08" PRIx32, vd_le32_decode(bytes),
                   vd_le32_decode(bytes + 4), vd_le32_decode(bytes + 8), cid);
    return 0;
}

int vd_disk_uuid_new(char ret[VD_DISK_UUID_BYTES], struct vd_error *err)
{
    uint8_t bytes[16];
    int r = random_bytes(bytes, sizeof bytes, err);
    if (r < 0)
        return r;
    bytes[0] = 0x60;
    bytes[1] = 0x00;
    bytes[2] = 0xc2;
    bytes[3] = (uint8_t)(0x90 | (bytes[3] & 0x0f));
    /* VMware writes the fixed part in capitals and the rest not. */
    size_t at = (size_t)snprintf(ret, VD_DISK_UUID_BYTES, "60 00 C2 %02x", bytes[3]);
    for (size_t i = 4; i < sizeof bytes; i++)
        at += (size_t)snprintf(ret + at, VD_DISK_UUID_BYTES - at, "%c%02x", i == 8 ? '-' : ' ',
                               bytes[i]);
    return 0;
}
