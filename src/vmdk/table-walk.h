/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two levels of tables walked into runs: a directory of entries, each naming a table of entries,
 * each naming a grain. COWD and SESparse share this shape; the format decodes and judges entries,
 * the walk fetches them through the table cache and joins neighbours that continue each other.
 *
 * For writing it finds and changes entries; the format says what they become, and when a table has
 * to be made.
 *
 * Threads: everything here is fixed at open; the tables are as table-cache.h says.
 */
#ifndef VD_VMDK_TABLE_WALK_H
#define VD_VMDK_TABLE_WALK_H

#include "vmdk/extent.h"

/* ABSENT, ZERO, or DATA with the byte offset of the grain. */
struct vd_grain_place {
    enum vd_lookup_kind kind;
    uint64_t offset_bytes;
};

struct vd_table_walk {
    unsigned entry_bytes;      /* 4 or 8, in the directory and in tables alike */
    unsigned table_entries;    /* grains of one table */
    uint64_t directory_offset; /* in bytes; the opener checked that the whole directory is there */
    /* Where table number `table` begins, in bytes; 0 = there is none, its grains are absent.
     * Answers only places whose used entries (vd_table_used_bytes) lie inside the file. */
    int (*table_decode)(const struct vd_extent *extent, uint64_t table, uint64_t entry,
                        uint64_t *ret_offset_bytes, struct vd_error *err);
    /* Answers only places whose used sectors (vd_grain_used_bytes) lie inside the file. */
    int (*grain_decode)(const struct vd_extent *extent, uint64_t grain, uint64_t entry,
                        struct vd_grain_place *ret, struct vd_error *err);
};

/* An extent's lookup. A bad entry ends the run before it and is told when it is asked for. */
VD_MUST_CHECK int vd_table_walk_lookup(const struct vd_table_walk *walk, struct vd_extent *extent,
                                       uint64_t sector, uint64_t max_sectors, struct vd_lookup *ret,
                                       struct vd_error *err);

/* What the directory has for `table`. */
VD_MUST_CHECK int vd_table_walk_directory(const struct vd_table_walk *walk,
                                          const struct vd_extent *extent, uint64_t table,
                                          uint64_t *ret_entry, struct vd_error *err);
/* Where the entry of a grain is, in bytes; 0: its table does not exist. */
VD_MUST_CHECK int vd_table_walk_entry(const struct vd_table_walk *walk,
                                      const struct vd_extent *extent, uint64_t grain,
                                      uint64_t *ret_offset_bytes, struct vd_error *err);
/* Changes an entry of a table or of the directory. */
VD_MUST_CHECK int vd_table_walk_set(const struct vd_table_walk *walk,
                                    const struct vd_extent *extent, uint64_t offset_bytes,
                                    uint64_t entry, uint32_t phase, struct vd_error *err);

/* Number of tables that cover the extent. */
uint64_t vd_table_walk_tables(const struct vd_table_walk *walk, const struct vd_extent *extent);
/* Bytes of table `table` that stand for sectors of the extent: the last table may be short. */
uint64_t vd_table_used_bytes(const struct vd_table_walk *walk, const struct vd_extent *extent,
                             uint64_t table);
/* Bytes of grain `grain` below the capacity: the last grain may be short. */
uint64_t vd_grain_used_bytes(const struct vd_extent *extent, uint64_t grain);

#endif
