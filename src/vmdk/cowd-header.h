/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a COWD file: the redo log of ESX 2 to 6 (createType vmfsSparse).
 *
 *   offset  bytes  field
 *        0      4  magic "COWD"
 *        4      4  version, 1
 *        8      4  flags: bit 0 root, bit 1 checked
 *       12      4  capacity in sectors
 *       16      4  grain size in sectors, a power of two; 1 by default
 *       20      4  grain directory, a sector; 4
 *       24      4  entries in the directory, one per 4096 grains
 *       28      4  next free sector
 *       32     12  cylinders, heads, sectors; in a child the first bytes of its parent's name
 *     1648      4  unclean shutdown
 *     2048         end of the header
 *
 * Source: Virtual Disk Format 5.0, "ESX Server Sparse Extents". The hosted COWD files of VMware 2
 * and 3 share the magic and the first 32 bytes, but their tables have 512 entries; they are
 * recognised and refused by name.
 */
#ifndef VD_VMDK_COWD_HEADER_H
#define VD_VMDK_COWD_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "disk/disk.h"

#define VD_COWD_MAGIC             0x44574f43u
#define VD_COWD_HEADER_BYTES      2048u
#define VD_COWD_HEADER_SECTORS    4u
#define VD_COWD_TABLE_ENTRIES     4096u
#define VD_COWD_MAX_GRAIN_SECTORS 2048u
/* ESX's files are multiples of this; the header's next free sector of a new file is its end. */
#define VD_COWD_FILE_SECTORS 8u

struct vd_cowd_header {
    uint32_t version;
    uint32_t flags;
    uint32_t capacity_sectors;
    uint32_t grain_sectors;
    uint32_t directory_sector;
    uint32_t num_tables;
    uint32_t free_sector;
    bool unclean_shutdown;
};

/* Where the first table or grain of a new file goes: behind the directory, at the next multiple of
 * VD_COWD_FILE_SECTORS, so that nobody who appends to the file leaves a gap. */
uint64_t vd_cowd_front_sectors(uint64_t directory_sector, uint64_t num_tables);

/* `bytes` are the first VD_COWD_HEADER_BYTES of the file; `where` names it in messages. Checks all
 * that the header alone can tell: VD_E_COWD_HEADER, VD_E_VERSION, VD_E_DISK_FEATURE (a hosted COWD
 * file). */
VD_MUST_CHECK int vd_cowd_header_decode(const uint8_t *bytes, const char *where,
                                        struct vd_cowd_header *ret, struct vd_error *err);

/* Puts the fields into `bytes` (VD_COWD_HEADER_BYTES), which are zeros or an older header: what
 * struct vd_cowd_header does not know stays. */
void vd_cowd_header_encode(const struct vd_cowd_header *header, uint8_t *bytes);
/* The geometry, which only disks without a parent have there: a child has its parent's name. */
void vd_cowd_geometry_encode(struct vd_geometry geometry, uint8_t *bytes);

#endif
