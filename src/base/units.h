/* SPDX-License-Identifier: Apache-2.0 */
/* Sectors and bytes, and the only conversions between them. A sector is 512 bytes in every VMDK
 * field, also on 4Kn disks (Virtual Disk Format 5.0). */
#ifndef VD_BASE_UNITS_H
#define VD_BASE_UNITS_H

#include <assert.h>
#include <stdint.h>

#include "base/checked.h"

#define VD_SECTOR_BYTES 512u

#define VD_KIB          (UINT64_C(1) << 10)
#define VD_MIB          (UINT64_C(1) << 20)
#define VD_GIB          (UINT64_C(1) << 30)
#define VD_TIB          (UINT64_C(1) << 40)

/* The largest capacity any part of the library handles: 2^54 sectors = 2^63 bytes, so that a byte
 * offset always fits off_t. */
#define VD_MAX_SECTORS (UINT64_C(1) << 54)

/* For numbers already known to be at most VD_MAX_SECTORS. */
static inline uint64_t vd_sectors_to_bytes(uint64_t sectors)
{
    assert(sectors <= VD_MAX_SECTORS);
    return sectors * VD_SECTOR_BYTES;
}

/* For numbers from outside. */
VD_MUST_CHECK static inline bool vd_sectors_to_bytes_checked(uint64_t sectors, uint64_t *ret_bytes)
{
    return sectors <= VD_MAX_SECTORS && vd_mul_u64(sectors, VD_SECTOR_BYTES, ret_bytes);
}

static inline uint64_t vd_bytes_to_sectors_up(uint64_t bytes)
{
    return vd_div_up(bytes, VD_SECTOR_BYTES);
}

#endif
