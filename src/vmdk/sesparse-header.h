/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of a SESparse file (createType seSparse): the constant header in sector 0 and the
 * volatile header where the constant one says. All fields are u64; all places and sizes sectors.
 *
 *   constant header
 *     0 magic 0xcafebabe        8 version 0x200000001      16 capacity      24 grain size
 *    32 grain table size       40 flags                    48 .. 72 reserved
 *    80 volatile header        96 journal header          112 journal      128 grain directory
 *   144 grain tables          160 free bitmap             176 backmap      192 grains
 *   (each area: offset, size)
 *
 *   volatile header
 *     0 magic 0xcafecafe        8 next free table          16 next transaction
 *    24 replay journal: not 0 while table updates are in the journal only
 *
 * There is no public specification; layout as qemu-img 7.2 reads it. Newer ESXi writes 0x200 to the
 * first reserved field, which changes nothing for a reader (StorPool any2kvm, pull request 1).
 */
#ifndef VD_VMDK_SESPARSE_HEADER_H
#define VD_VMDK_SESPARSE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define VD_SESPARSE_MAGIC          UINT64_C(0xcafebabe)
#define VD_SESPARSE_VOLATILE_MAGIC UINT64_C(0xcafecafe)
#define VD_SESPARSE_VERSION        UINT64_C(0x200000001)
#define VD_SESPARSE_HEADER_BYTES   512u
/* One grain is 4 KiB and one table 32 KiB in every known file; other powers of two in these limits
 * follow the same arithmetic. */
#define VD_SESPARSE_MIN_GRAIN_SECTORS 8u
#define VD_SESPARSE_MAX_GRAIN_SECTORS 2048u
#define VD_SESPARSE_MAX_TABLE_SECTORS 512u

enum vd_sesparse_area_kind {
    VD_SESPARSE_VOLATILE,
    VD_SESPARSE_JOURNAL_HEADER,
    VD_SESPARSE_JOURNAL,
    VD_SESPARSE_DIRECTORY,
    VD_SESPARSE_TABLES,
    VD_SESPARSE_BITMAP,
    VD_SESPARSE_BACKMAP,
    VD_SESPARSE_GRAINS,
    VD_SESPARSE_AREAS,
};

/* Ends at most at VD_MAX_SECTORS. */
struct vd_sesparse_area {
    uint64_t offset_sectors;
    uint64_t size_sectors;
};

struct vd_sesparse_header {
    uint64_t version;
    uint64_t capacity_sectors;
    uint64_t grain_sectors;
    uint64_t table_sectors;
    struct vd_sesparse_area areas[VD_SESPARSE_AREAS];
};

/* Entries of one grain table. */
static inline uint32_t vd_sesparse_table_entries(const struct vd_sesparse_header *header)
{
    return (uint32_t)header->table_sectors * 64u;
}

/* `bytes` are sector 0; `where` names the file in messages. Checks all that the header alone can
 * tell, overlaps among the areas too: VD_E_SESPARSE_HEADER, VD_E_VERSION, VD_E_DISK_FEATURE. */
VD_MUST_CHECK int vd_sesparse_header_decode(const uint8_t *bytes, const char *where,
                                            struct vd_sesparse_header *ret, struct vd_error *err);

/* `bytes` are the volatile header's sector. VD_E_SESPARSE_JOURNAL when the journal holds updates
 * that the tables lack: its records are not public, so the tables cannot be brought up to date. */
VD_MUST_CHECK int vd_sesparse_volatile_check(const uint8_t *bytes, const char *where,
                                             struct vd_error *err);

/* Puts every area where ESXi 6.5 puts it (log of a 100 MiB disk published with qemu's SESparse
 * patches), for the capacity, which is at most VD_CREATE_MAX_SECTORS, and the sizes of grains and
 * tables. The file then begins with everything up to the grains, which come last. */
void vd_sesparse_lay_out(struct vd_sesparse_header *header);
/* Puts the fields into `bytes`, sector 0, which are zeros or an older header: flags and reserved
 * fields stay. */
void vd_sesparse_header_encode(const struct vd_sesparse_header *header, uint8_t *bytes);
/* The volatile header's sector, likewise: the next transaction stays; no updates in the journal. */
void vd_sesparse_volatile_encode(uint64_t next_table, uint8_t *bytes);

/* "grain directory", ... for messages. */
const char *vd_sesparse_area_text(enum vd_sesparse_area_kind kind);

#endif
