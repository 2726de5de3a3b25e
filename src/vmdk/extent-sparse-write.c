/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into hosted sparse extents without compression. New grains go to the end of the file, at
 * a multiple of the grain; the file of 32-bit sectors ends at 2 TiB. Both copies of a table entry
 * are changed together and reach the file in turn, the redundant one first, so that what a crash
 * leaves is a grain that only the redundant table has, or nobody (Virtual Disk Format 5.0: both
 * copies are equal in a closed disk).
 *
 * All tables of an extent exist from its creation, so a directory is never changed; one with a hole
 * in it is damage. The byte uncleanShutdown is set before the first change and cleared at the end.
 * Who finds it set cannot know which of two differing tables to believe: such a file is compared,
 * and opened for writing only when nothing is left to repair.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "vmdk/extent-sparse-int.h"

#define UNCLEAN_AT  72u
#define KNOWN_FLAGS (VD_KDMV_NEWLINES | VD_KDMV_REDUNDANT | VD_KDMV_ZEROED)
/* The first sector no table entry can name. */
#define END_SECTOR (UINT64_C(1) << 32)

enum { PHASE_REDUNDANT, PHASE_PRIMARY };

static struct vd_sparse *sparse_of(struct vd_extent *self)
{
    return (struct vd_sparse *)self;
}

/* --- opening for writing --- */

static int refuse_features(const struct vd_sparse *s, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &s->header;
    uint32_t unknown = header->flags & ~(uint32_t)KNOWN_FLAGS;

    if (header->flags & VD_KDMV_COMPRESSED)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot open '%s' for writing: its grains are compressed "
                            "(streamOptimized), and such a disk is only written as a whole; "
                            "convert it to another type first",
                            vd_sparse_path(s));
    if (unknown)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot open '%s' for writing: its sparse header (byte 8) has flags "
                            "0x%" PRIx32 ", of which 0x%" PRIx32
                            " are not known here and may be broken by a change",
                            vd_sparse_path(s), header->flags, unknown);
    return 0;
}

/* Sectors that the header does not cover have no sure place in a file that ends with them. */
static int refuse_capacity(const struct vd_sparse *s, struct vd_error *err)
{
    if (s->extent.capacity_sectors <= s->header.capacity_sectors)
        return 0;
    return vd_error_set(err, VD_E_DAMAGED,
                        "cannot open '%s' for writing: its sparse header (byte 12) has a capacity "
                        "of %" PRIu64 " sectors, expected the %" PRIu64 " of the descriptor",
                        vd_sparse_path(s), s->header.capacity_sectors, s->extent.capacity_sectors);
}

static int refuse_directories(const struct vd_sparse *s, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &s->header;
    bool fallen_back = s->gd_bytes != header->gd_offset_sectors * VD_SECTOR_BYTES;
    bool redundant = header->flags & VD_KDMV_REDUNDANT;

    if (!fallen_back && (!redundant || s->rgd_bytes != 0))
        return 0;
    return vd_error_set(err, VD_E_DAMAGED,
                        "cannot open '%s' for writing: its %sgrain directory at sector %" PRIu64
                        " lies outside the file of %" PRIu64
                        " sectors; 'vdisk check --repair' may help",
                        vd_sparse_path(s), fallen_back ? "" : "redundant ",
                        fallen_back ? header->gd_offset_sectors : header->rgd_offset_sectors,
                        vd_sparse_file_sectors(s));
}

/* What is worth knowing of one sector of a table of an unclean file. */
static bool entries_plausible(const struct vd_sparse *s, const uint8_t *bytes)
{
    for (unsigned i = 0; i < VD_SECTOR_BYTES; i += VD_GTE_BYTES) {
        uint32_t gte = vd_le32_decode(bytes + i);
        if (gte > VD_GTE_ZERO &&
            (gte < vd_sparse_first_grain(s) || gte >= vd_sparse_file_sectors(s)))
            return false;
    }
    return true;
}

struct comparison {
    struct vd_table_cursor directory;
    struct vd_table_cursor table;
};

/* The sector `within` of table `table` as one of the directories has it; NULL where it has none. */
static int compared_sector(const struct vd_sparse *s, struct comparison *side,
                           uint64_t directory_bytes, uint64_t table, uint64_t within,
                           const uint8_t **ret, struct vd_error *err)
{
    const uint8_t *bytes;
    size_t available;
    int r = vd_table_cursor_at(&side->directory, directory_bytes + table * VD_GTE_BYTES, &bytes,
                               &available, err);
    if (r < 0)
        return r;
    uint32_t gde = vd_le32_decode(bytes);
    *ret = NULL;
    if (!vd_sparse_table_inside(s, gde))
        return 0;
    return vd_table_cursor_at(&side->table, (uint64_t)gde * VD_SECTOR_BYTES + within, ret,
                              &available, err);
}

/* 1: the table is in order; 0: it is not. */
static int table_in_order(const struct vd_sparse *s, struct comparison sides[2], uint64_t table,
                          struct vd_error *err)
{
    uint64_t length = (uint64_t)s->header.table_entries * VD_GTE_BYTES;
    for (uint64_t within = 0; within < length; within += VD_SECTOR_BYTES) {
        const uint8_t *primary, *redundant;
        int r = compared_sector(s, &sides[0], s->gd_bytes, table, within, &primary, err);
        if (r < 0)
            return r;
        if (primary == NULL || !entries_plausible(s, primary))
            return 0;
        if (s->rgd_bytes == 0)
            continue;
        r = compared_sector(s, &sides[1], s->rgd_bytes, table, within, &redundant, err);
        if (r < 0)
            return r;
        if (redundant == NULL || memcmp(primary, redundant, VD_SECTOR_BYTES) != 0)
            return 0;
    }
    return 1;
}

static int refuse_unclean(const struct vd_sparse *s, uint64_t table, struct vd_error *err)
{
    return vd_error_set(err, VD_E_DAMAGED,
                        "cannot open '%s' for writing: it was not closed cleanly (byte 72 of its "
                        "sparse header) and grain table %" PRIu64
                        " is not in order; 'vdisk check --repair' repairs it",
                        vd_sparse_path(s), table);
}

static int compare_tables(const struct vd_sparse *s, struct vd_error *err)
{
    struct comparison sides[2];
    uint64_t num_tables = vd_kdmv_num_tables(&s->header);
    int r = 1;

    for (unsigned i = 0; i < 2; i++) {
        vd_table_cursor_init(&sides[i].directory, s->extent.cache, s->extent.block);
        vd_table_cursor_init(&sides[i].table, s->extent.cache, s->extent.block);
    }
    for (uint64_t table = 0; r > 0 && table < num_tables; table++) {
        r = table_in_order(s, sides, table, err);
        if (r == 0)
            r = refuse_unclean(s, table, err);
    }
    for (unsigned i = 0; i < 2; i++) {
        vd_table_cursor_done(&sides[i].directory);
        vd_table_cursor_done(&sides[i].table);
    }
    return r < 0 ? r : 0;
}

int vd_sparse_prepare_write(struct vd_sparse *s, struct vd_error *err)
{
    int r = refuse_features(s, err);
    if (r >= 0)
        r = refuse_capacity(s, err);
    if (r >= 0)
        r = refuse_directories(s, err);
    if (r >= 0 && s->header.unclean_shutdown)
        r = compare_tables(s, err);
    if (r < 0)
        return r;
    uint64_t first = VD_MIN(s->header.overhead_sectors, END_SECTOR) * VD_SECTOR_BYTES;
    uint64_t end = VD_MAX(first, s->extent.file_bytes);
    uint64_t grain_bytes = vd_sectors_to_bytes(s->header.grain_sectors);
    s->writer.next_bytes = vd_div_up(end, grain_bytes) * grain_bytes;
    return 0;
}

/* --- writing --- */

int vd_sparse_begin_write(struct vd_extent *self, struct vd_error *err)
{
    sparse_of(self)->changed = true;
    return vd_extent_set_byte(self, UNCLEAN_AT, 1, err);
}

int vd_sparse_finish(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_set_byte(self, UNCLEAN_AT, 0, err);
}

static int refuse_growth(const struct vd_sparse *s, uint64_t end_bytes, struct vd_error *err)
{
    return vd_error_set(err, VD_E_TOO_BIG,
                        "cannot add a grain to '%s': the file would end at byte %" PRIu64
                        ", and the format's sector numbers end at %" PRIu64,
                        vd_sparse_path(s), end_bytes, END_SECTOR * VD_SECTOR_BYTES);
}

int vd_sparse_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                       struct vd_error *err)
{
    (void)grain; /* any place will do */
    struct vd_sparse *s = sparse_of(self);
    uint64_t grain_bytes = vd_sectors_to_bytes(s->header.grain_sectors);

    (void)pthread_mutex_lock(&s->writer.lock);
    uint64_t offset = s->writer.next_bytes;
    bool fits = offset + grain_bytes <= END_SECTOR * VD_SECTOR_BYTES;
    if (fits)
        s->writer.next_bytes = offset + grain_bytes;
    (void)pthread_mutex_unlock(&s->writer.lock);
    if (!fits)
        return refuse_growth(s, offset + grain_bytes, err);
    *ret_offset_bytes = offset;
    return 0;
}

/* A table made now would lie where VMware and VirtualBox do not look for one, and what the lost one
 * named would stay lost unseen; a repair knows whether it was empty. */
static int refuse_table(const struct vd_sparse *s, uint64_t table, uint64_t at, uint32_t gde,
                        struct vd_error *err)
{
    if (gde == 0)
        return vd_error_set(err, VD_E_GDE,
                            "cannot write to '%s': it has no grain table %" PRIu64 " (byte %" PRIu64
                            " of the file is 0), and every table of such a file exists from its "
                            "creation; 'vdisk check --repair' puts it back where that is safe",
                            vd_sparse_path(s), table, at);
    return vd_error_set(err, VD_E_GDE,
                        "cannot write to '%s': its grain table %" PRIu64 " (byte %" PRIu64
                        " of the file) is at sector %" PRIu32
                        ", expected a table inside the file of %" PRIu64
                        " sectors; 'vdisk check --repair' may help",
                        vd_sparse_path(s), table, at, gde, vd_sparse_file_sectors(s));
}

/* Where one of the directories has the entry of a grain. */
static int entry_place(const struct vd_sparse *s, uint64_t directory_bytes, uint64_t grain,
                       uint64_t *ret_bytes, struct vd_error *err)
{
    uint64_t table = grain / s->header.table_entries;
    uint64_t at = directory_bytes + table * VD_GTE_BYTES;
    uint32_t gde = 0;
    int r = vd_table_cache_u32(s->extent.cache, s->extent.block, at, &gde, err);

    if (r < 0)
        return r;
    if (!vd_sparse_table_inside(s, gde))
        return refuse_table(s, table, at, gde, err);
    *ret_bytes = (uint64_t)gde * VD_SECTOR_BYTES + grain % s->header.table_entries * VD_GTE_BYTES;
    return 0;
}

/* Both entries, or none. */
static int entries_set_locked(struct vd_sparse *s, uint64_t primary, uint64_t redundant,
                              uint32_t value, struct vd_error *err)
{
    struct vd_table_cache *cache = s->extent.cache;
    struct vd_block *block = s->extent.block;
    uint32_t before = 0;
    int r = vd_table_cache_u32(cache, block, primary, &before, err);

    if (r >= 0)
        r = vd_table_cache_set_u32(cache, block, primary, value, PHASE_PRIMARY, err);
    if (r < 0 || redundant == 0)
        return r;
    r = vd_table_cache_set_u32(cache, block, redundant, value, PHASE_REDUNDANT, err);
    if (r < 0) /* the page is at hand and dirty, so this changes it in place */
        VD_DISCARD(vd_table_cache_set_u32(cache, block, primary, before, PHASE_PRIMARY, NULL));
    return r;
}

static int entry_set(struct vd_sparse *s, uint64_t grain, uint32_t value, struct vd_error *err)
{
    uint64_t primary = 0, redundant = 0;
    int r = entry_place(s, s->gd_bytes, grain, &primary, err);

    if (r >= 0 && s->rgd_bytes != 0)
        r = entry_place(s, s->rgd_bytes, grain, &redundant, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&s->writer.lock);
    r = entries_set_locked(s, primary, redundant, value, err);
    (void)pthread_mutex_unlock(&s->writer.lock);
    return r;
}

int vd_sparse_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                      struct vd_error *err)
{
    return entry_set(sparse_of(self), grain, (uint32_t)(offset_bytes / VD_SECTOR_BYTES), err);
}

int vd_sparse_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err)
{
    struct vd_sparse *s = sparse_of(self);

    if (!(s->header.flags & VD_KDMV_ZEROED))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' has no entries for grains of zeros (flags 0x%" PRIx32 ")",
                            vd_sparse_path(s), s->header.flags);
    return entry_set(s, grain, VD_GTE_ZERO, err);
}

int vd_sparse_flush(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_writer_flush(&sparse_of(self)->writer, self, NULL, err);
}
