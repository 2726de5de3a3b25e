/* SPDX-License-Identifier: Apache-2.0 */
/* What sparse-rewrite.c needs of each format. Grains and tables come in the order of the disk. */
#ifndef VD_VMDK_SPARSE_REWRITE_INT_H
#define VD_VMDK_SPARSE_REWRITE_INT_H

#include "base/buf.h"
#include "vmdk/cowd-header.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/sesparse-header.h"
#include "vmdk/sparse-rewrite.h"

struct vd_rewriting;

struct vd_rewrite_format {
    const char *name; /* as in the extent's facts */
    unsigned entry_bytes;
    uint64_t zero_entry;
    /* The format's own reasons to refuse; may be NULL. */
    int (*check)(const struct vd_extent *extent, struct vd_error *err);
    /* Reads the old header and settles where everything goes; writes nothing. */
    int (*lay_out)(struct vd_rewriting *self, size_t descriptor_bytes, struct vd_error *err);
    /* Sizes the file up to the first grain, and writes what no grain changes. */
    int (*write_front)(const struct vd_rewriting *self, const struct vd_buf *descriptor,
                       struct vd_error *err);
    /* The table `table_index` gets its first entry. May be NULL. */
    int (*enter_table)(struct vd_rewriting *self, struct vd_error *err);
    uint64_t (*entry_of)(const struct vd_rewriting *self, uint64_t sector);
    int (*put_table)(const struct vd_rewriting *self, struct vd_error *err);
    /* Writes what only the grains tell. May be NULL. */
    int (*finish)(struct vd_rewriting *self, struct vd_error *err);
    /* For vd_sparse_is_compact: moves *next_bytes behind the table, where that lies among the
     * grains; *ret_in_order becomes false when it is not in its place. May be NULL. */
    int (*pass_table)(const struct vd_extent *extent, uint64_t table, uint64_t *next_bytes,
                      bool *ret_in_order, struct vd_error *err);
};

extern const struct vd_rewrite_format vd_rewrite_kdmv, vd_rewrite_cowd, vd_rewrite_sesparse;

struct vd_rewriting {
    const struct vd_sparse_rewrite *asked;
    const struct vd_rewrite_format *format;
    struct vd_block *to;
    /* Of lay_out. */
    uint64_t grain_sectors;
    uint64_t table_entries;
    uint64_t next_sectors; /* where the next grain goes */
    uint64_t end_sectors;  /* where the last one ends at the latest */
    union {
        struct {
            struct vd_kdmv_header header;
            uint64_t num_tables;
        } kdmv;
        struct {
            struct vd_cowd_header header;
            uint8_t bytes[VD_COWD_HEADER_BYTES]; /* the old one */
            uint64_t table_sector;               /* of the table being filled */
        } cowd;
        struct {
            struct vd_sesparse_header header;
            uint8_t constant_bytes[VD_SESPARSE_HEADER_BYTES]; /* the old ones */
            uint8_t volatile_bytes[VD_SESPARSE_HEADER_BYTES];
            uint64_t num_made; /* tables */
        } sesparse;
    } of;
    /* The table being filled. */
    uint8_t *table;
    uint64_t table_index;
    bool table_used;
    /* Grains on their way. */
    uint64_t grain_bytes;
    uint8_t *buffer;
    size_t buffer_bytes;
};

static inline size_t vd_rewrite_table_bytes(const struct vd_rewriting *self)
{
    return (size_t)self->table_entries * self->format->entry_bytes;
}

#endif
