/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hosted sparse extent (KDMV), uncompressed and compressed.
 *
 *     grain  = sector / grain size
 *     GDE    = directory[grain / table entries]     sector of a grain table; 0: no grain of it
 *     GTE    = table[grain % table entries]         sector of the grain; 0: absent, 1: zeros
 *
 * (Virtual Disk Format 5.0, "Hosted Sparse Extent".) Entries are little-endian u32, tables begin at
 * a sector, so no entry crosses a page of the cache. Opening reads the header, and the footer of a
 * stream whose header asks for it; directory and tables come through the cache when first needed.
 *
 * Tolerated: an entry of the directory that points outside the file where the redundant directory
 * has a good one (logged once); GTE 1 whatever the version, since sector 1 is never a grain;
 * compressed grains before overHead, because one writer's footer has a larger overHead than its
 * header; tables pointed at by their marker's sector instead of their own; a file cut short, until
 * a grain that is not there is asked for. An uncompressed grain before overHead would show metadata
 * as data, and is refused.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/extent-sparse-int.h"
#include "vmdk/stream-footer.h"
#include "vmdk/stream-marker.h"

/* A directory that is gone through as a whole: how much is read at once, and looked at at once. */
#define SCAN_BYTES (64u << 10)
#define SCAN_GROUP 64u

/* One lookup's walk. */
struct walk {
    struct vd_sparse *sparse;
    struct vd_table_cursor directory;
    struct vd_table_cursor table;
};

/* --- tables --- */

/* The redundant entry for one that is no good. */
static int fallback_entry(struct vd_sparse *s, uint64_t table, uint32_t gde, uint32_t *ret,
                          struct vd_error *err)
{
    uint32_t redundant = 0;
    int r;

    if (s->rgd_bytes != 0) {
        r = vd_table_cache_u32(s->extent.cache, s->extent.block,
                               s->rgd_bytes + table * VD_GTE_BYTES, &redundant, err);
        if (r < 0)
            return r;
    }
    if (!vd_sparse_table_inside(s, redundant))
        return vd_error_set(err, VD_E_GDE,
                            "cannot read grain table %" PRIu64
                            " of '%s': its entry in the grain directory (byte %" PRIu64
                            ") is sector %" PRIu32 ", expected 0 or a table inside the file of "
                            "%" PRIu64 " sectors",
                            table, vd_sparse_path(s), s->gd_bytes + table * VD_GTE_BYTES, gde,
                            vd_sparse_file_sectors(s));
    if (!atomic_flag_test_and_set(&s->fallback_told))
        vd_log(s->log, VD_LOG_WARNING,
               "'%s': entry %" PRIu64 " of the grain directory is sector %" PRIu32
               ", outside the file; the redundant directory is used for it and for others like it",
               vd_sparse_path(s), table, gde);
    *ret = redundant;
    return 0;
}

/* A directory entry may point at the marker in front of its table: 4, 0, 0, 1 cannot begin a table,
 * because no grain lies in sector 4 of a stream and 1 is never written there. */
static int skip_marker(struct walk *walk, uint32_t *gde, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    struct vd_stream_marker marker;
    const uint8_t *bytes;
    size_t available;
    int r =
        vd_table_cursor_at(&walk->table, (uint64_t)*gde * VD_SECTOR_BYTES, &bytes, &available, err);

    if (r < 0)
        return r;
    marker = vd_stream_marker_decode(bytes);
    if (marker.value == s->header.table_entries * VD_GTE_BYTES / VD_SECTOR_BYTES &&
        marker.size_bytes == 0 && marker.type == VD_MARKER_GT &&
        vd_sparse_table_inside(s, *gde + 1))
        *gde += 1;
    return 0;
}

/* Where `table` begins in the file; 0: it has none. */
static int table_place(struct walk *walk, uint64_t table, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    const uint8_t *bytes;
    size_t available;
    uint32_t gde;
    int r = vd_table_cursor_at(&walk->directory, s->gd_bytes + table * VD_GTE_BYTES, &bytes,
                               &available, err);

    if (r < 0)
        return r;
    gde = vd_le32_decode(bytes);
    if (gde != 0 && !vd_sparse_table_inside(s, gde) &&
        (r = fallback_entry(s, table, gde, &gde, err)) < 0)
        return r;
    if (gde != 0 && (s->header.flags & VD_KDMV_MARKERS) && (r = skip_marker(walk, &gde, err)) < 0)
        return r;
    *ret_bytes = (uint64_t)gde * VD_SECTOR_BYTES;
    return 0;
}

/* How many of `count` entries are 0, from the first on. */
static size_t leading_absent(const uint8_t *bytes, size_t count)
{
    size_t n = 0;

    if (vd_bytes_all_zero(bytes, count * VD_GTE_BYTES))
        return count;
    while (vd_le32_decode(bytes + n * VD_GTE_BYTES) == VD_GTE_ABSENT)
        n++;
    return n;
}

/* How many of `count` entries continue the first: all 1, or grains that lie side by side. */
static size_t leading_run(const uint8_t *bytes, size_t count, uint64_t step)
{
    uint64_t expected = vd_le32_decode(bytes);
    size_t n = 0;

    do {
        n++;
        expected += step;
    } while (n < count && vd_le32_decode(bytes + n * VD_GTE_BYTES) == expected);
    return n;
}

/* --- spans: what one page of one table shows --- */

/* Tables from `table` on that the directory does not have, up to `max_sectors` from the start of
 * the first of them. */
static int absent_tables(struct walk *walk, uint64_t table, uint64_t max_sectors,
                         uint64_t *ret_sectors, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    uint64_t span = vd_kdmv_table_span_sectors(&s->header);
    uint64_t wanted = vd_div_up(max_sectors, span);
    const uint8_t *bytes;
    size_t available;
    int r = vd_table_cursor_at(&walk->directory, s->gd_bytes + table * VD_GTE_BYTES, &bytes,
                               &available, err);

    if (r < 0)
        return r;
    wanted = VD_MIN(wanted, available / VD_GTE_BYTES);
    *ret_sectors = leading_absent(bytes, (size_t)wanted) * span;
    return 0;
}

/* How many of `count` entries, from the first on, are 0 or lie in [low, high]. */
static size_t leading_inside(const uint8_t *bytes, size_t count, uint32_t low, uint32_t high)
{
    size_t n = 0;

    /* Groups without a branch inside, which the compiler turns into vector instructions. */
    for (; n + SCAN_GROUP <= count; n += SCAN_GROUP) {
        uint32_t outside = 0;
        for (size_t i = 0; i < SCAN_GROUP; i++) {
            uint32_t entry = vd_le32_decode(bytes + (n + i) * VD_GTE_BYTES);
            outside |= (entry != VD_GTE_ABSENT) & (entry - low > high - low);
        }
        if (outside)
            break;
    }
    for (; n < count; n++) {
        uint32_t entry = vd_le32_decode(bytes + n * VD_GTE_BYTES);
        if (entry != VD_GTE_ABSENT && entry - low > high - low)
            break;
    }
    return n;
}

/* How many tables from `table` on, of `wanted`, are absent or begin in [low, high]. The directory
 * is read past the cache: it never changes, a huge one would push all else out, and one small
 * buffer stays in the processor's cache. */
static int tables_between(const struct vd_sparse *s, uint64_t table, uint64_t wanted, uint32_t low,
                          uint32_t high, uint64_t *ret_count, struct vd_error *err)
{
    VD_FREE uint8_t *bytes = malloc(SCAN_BYTES);
    uint64_t count = 0, found = 0, piece;

    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the tables of '%s'",
                            vd_sparse_path(s));
    do {
        piece = VD_MIN(wanted - count, SCAN_BYTES / VD_GTE_BYTES);
        int r = vd_block_read(s->extent.block, s->gd_bytes + (table + count) * VD_GTE_BYTES, bytes,
                              (size_t)piece * VD_GTE_BYTES, err);
        if (r < 0)
            return r;
        found = leading_inside(bytes, (size_t)piece, low, high);
        count += found;
    } while (found == piece && count < wanted);
    *ret_count = count;
    return 0;
}

/* As tables_between, first with the page of the directory at hand: most holes end there. */
static int tables_from(struct walk *walk, uint64_t table, uint64_t wanted, uint32_t low,
                       uint32_t high, uint64_t *ret_count, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    const uint8_t *bytes;
    size_t available;
    uint64_t here, more = 0;
    int r = vd_table_cursor_at(&walk->directory, s->gd_bytes + table * VD_GTE_BYTES, &bytes,
                               &available, err);

    if (r < 0)
        return r;
    here = VD_MIN(wanted, available / VD_GTE_BYTES);
    *ret_count = leading_inside(bytes, (size_t)here, low, high);
    if (*ret_count < here || here == wanted)
        return 0;
    r = tables_between(s, table + here, wanted - here, low, high, &more, err);
    *ret_count += more;
    return r;
}

/* Tables from `table` on, which begins at `place_bytes`, that lie in one hole of the file: their
 * entries are zeros nobody stored, and need no reading. A disk just created has millions of them,
 * so the directory is gone through here and not table by table. */
static int tables_in_hole(struct walk *walk, uint64_t table, uint64_t place_bytes,
                          uint64_t max_sectors, uint64_t *ret_sectors, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    uint64_t span = vd_kdmv_table_span_sectors(&s->header);
    uint64_t table_bytes = (uint64_t)s->header.table_entries * VD_GTE_BYTES;
    uint64_t hole_end = vd_file_holes_end(&s->holes, place_bytes);
    uint64_t low = place_bytes / VD_SECTOR_BYTES;
    uint64_t count = 0;
    int r = 0;

    *ret_sectors = 0;
    if (hole_end < place_bytes + table_bytes)
        return 0;
    /* Where the last whole table of the hole may begin. */
    uint64_t high = VD_MIN((hole_end - table_bytes) / VD_SECTOR_BYTES, UINT32_MAX);
    if (max_sectors / span > 1)
        r = tables_from(walk, table + 1, max_sectors / span - 1, (uint32_t)low, (uint32_t)high,
                        &count, err);
    if (r >= 0)
        *ret_sectors = (count + 1) * span;
    return r;
}

static void absent_span(uint64_t length_sectors, struct vd_lookup *ret)
{
    *ret = (struct vd_lookup){.kind = VD_LOOKUP_ABSENT,
                              .length_sectors = length_sectors,
                              .stored_sectors = length_sectors};
}

static int refuse_grain(const struct vd_sparse *s, uint64_t sector, uint32_t gte,
                        struct vd_error *err)
{
    uint64_t grain = sector / s->header.grain_sectors;

    return vd_error_set(err, VD_E_GTE,
                        "cannot read sector %" PRIu64 " of '%s': its entry %" PRIu64
                        " of grain table %" PRIu64 " points at sector %" PRIu32
                        " for a grain, expected it behind the metadata, from sector %" PRIu64
                        " on, and inside the file of %" PRIu64 " sectors",
                        sector, vd_sparse_path(s), grain % s->header.table_entries,
                        grain / s->header.table_entries, gte, vd_sparse_first_grain(s),
                        vd_sparse_file_sectors(s));
}

/* A grain cut off by the end of the file is good as far as it goes; past the capacity that the
 * header states there is nothing to miss. */
static int data_span(const struct vd_sparse *s, uint64_t sector, uint64_t length, uint32_t gte,
                     struct vd_lookup *ret, struct vd_error *err)
{
    uint64_t place = gte + sector % s->header.grain_sectors;
    uint64_t in_file = vd_sparse_file_sectors(s) > place ? vd_sparse_file_sectors(s) - place : 0;
    uint64_t stored = VD_MIN(length, in_file);

    if (gte < vd_sparse_first_grain(s))
        return refuse_grain(s, sector, gte, err);
    if (stored < length && sector + stored < s->header.capacity_sectors) {
        if (stored == 0)
            return refuse_grain(s, sector, gte, err);
        length = stored;
    }
    *ret = (struct vd_lookup){.kind = stored ? VD_LOOKUP_DATA : VD_LOOKUP_ZERO,
                              .length_sectors = length,
                              .offset_bytes = place * VD_SECTOR_BYTES,
                              .stored_sectors = stored};
    return 0;
}

static int compressed_span(const struct vd_sparse *s, uint64_t sector, uint64_t max_sectors,
                           uint32_t gte, struct vd_lookup *ret, struct vd_error *err)
{
    uint64_t within = sector % s->header.grain_sectors;
    uint64_t length = VD_MIN(s->header.grain_sectors - within, max_sectors);

    if ((uint64_t)gte * VD_SECTOR_BYTES >= s->extent.file_bytes)
        return refuse_grain(s, sector, gte, err);
    *ret = (struct vd_lookup){.kind = VD_LOOKUP_COMPRESSED,
                              .length_sectors = length,
                              .offset_bytes = (uint64_t)gte * VD_SECTOR_BYTES,
                              .stored_sectors = length,
                              .grain_start_sectors = sector - within};
    return 0;
}

/* Reads `entries` at hand, the first of which is that of the grain of `sector`. */
static int entries_span(const struct vd_sparse *s, const uint8_t *entries, size_t count,
                        uint64_t sector, uint64_t max_sectors, struct vd_lookup *ret,
                        struct vd_error *err)
{
    uint64_t grain_sectors = s->header.grain_sectors;
    uint32_t gte = vd_le32_decode(entries);
    uint64_t length;

    if (gte != VD_GTE_ABSENT && gte != VD_GTE_ZERO && s->extent.facts.compressed)
        return compressed_span(s, sector, max_sectors, gte, ret, err);
    if (gte == VD_GTE_ABSENT)
        length = leading_absent(entries, count) * grain_sectors;
    else
        length =
            leading_run(entries, count, gte == VD_GTE_ZERO ? 0 : grain_sectors) * grain_sectors;
    length = VD_MIN(length - sector % grain_sectors, max_sectors);
    if (gte != VD_GTE_ABSENT && gte != VD_GTE_ZERO)
        return data_span(s, sector, length, gte, ret, err);
    absent_span(length, ret);
    if (gte == VD_GTE_ZERO)
        ret->kind = VD_LOOKUP_ZERO;
    return 0;
}

static int table_span(struct walk *walk, uint64_t place_bytes, uint64_t sector,
                      uint64_t max_sectors, struct vd_lookup *ret, struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    uint64_t grain_sectors = s->header.grain_sectors;
    uint32_t index = (uint32_t)(sector / grain_sectors % s->header.table_entries);
    uint64_t wanted = vd_div_up(sector % grain_sectors + max_sectors, grain_sectors);
    const uint8_t *bytes;
    size_t available;
    int r = vd_table_cursor_at(&walk->table, place_bytes + (uint64_t)index * VD_GTE_BYTES, &bytes,
                               &available, err);

    if (r < 0)
        return r;
    wanted = VD_MIN(wanted, s->header.table_entries - index);
    wanted = VD_MIN(wanted, available / VD_GTE_BYTES);
    return entries_span(s, bytes, (size_t)wanted, sector, max_sectors, ret, err);
}

/* Asking the file system for holes costs as much as reading a page or two of tables. */
static bool holes_matter(const struct vd_sparse *s)
{
    uint64_t tables_bytes = vd_kdmv_num_tables(&s->header) * s->header.table_entries * VD_GTE_BYTES;

    return !s->changed && tables_bytes > 2 * VD_TABLE_PAGE_BYTES;
}

/* A run at `sector` that need not be as long as it could. */
static int span_at(struct walk *walk, uint64_t sector, uint64_t max_sectors, struct vd_lookup *ret,
                   struct vd_error *err)
{
    struct vd_sparse *s = walk->sparse;
    uint64_t span = vd_kdmv_table_span_sectors(&s->header);
    uint64_t within = sector % span;
    uint64_t place_bytes, length;
    int r = table_place(walk, sector / span, &place_bytes, err);

    if (r < 0)
        return r;
    if (place_bytes == 0) {
        if ((r = absent_tables(walk, sector / span, within + max_sectors, &length, err)) < 0)
            return r;
        absent_span(VD_MIN(length - within, max_sectors), ret);
        return 0;
    }
    if (within == 0 && max_sectors >= span && holes_matter(s)) {
        r = tables_in_hole(walk, sector / span, place_bytes, max_sectors, &length, err);
        if (r < 0)
            return r;
        if (length > 0) {
            absent_span(length, ret);
            return 0;
        }
    }
    return table_span(walk, place_bytes, sector, max_sectors, ret, err);
}

static bool continues(const struct vd_lookup *run, const struct vd_lookup *next)
{
    if (run->kind != next->kind || run->kind == VD_LOOKUP_COMPRESSED)
        return false;
    return run->kind != VD_LOOKUP_DATA ||
           (run->stored_sectors == run->length_sectors &&
            next->offset_bytes == run->offset_bytes + run->length_sectors * VD_SECTOR_BYTES);
}

static void extend(struct walk *walk, uint64_t sector, uint64_t max_sectors, struct vd_lookup *run)
{
    while (run->length_sectors < max_sectors && run->kind != VD_LOOKUP_COMPRESSED) {
        struct vd_lookup next;
        /* A fault further on is told when that place is asked for. */
        if (span_at(walk, sector + run->length_sectors, max_sectors - run->length_sectors, &next,
                    NULL) < 0 ||
            !continues(run, &next))
            return;
        run->length_sectors += next.length_sectors;
        run->stored_sectors += next.stored_sectors;
    }
}

static int sparse_lookup(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                         struct vd_lookup *ret, struct vd_error *err)
{
    struct vd_sparse *s = (struct vd_sparse *)self;
    struct walk walk = {.sparse = s};
    struct vd_lookup run;
    int r;

    vd_table_cursor_init(&walk.directory, self->cache, self->block);
    vd_table_cursor_init(&walk.table, self->cache, self->block);
    r = span_at(&walk, sector, max_sectors, &run, err);
    if (r >= 0) {
        extend(&walk, sector, max_sectors, &run);
        *ret = run;
    }
    vd_table_cursor_done(&walk.table);
    vd_table_cursor_done(&walk.directory);
    return r;
}

static void sparse_free(struct vd_extent *self)
{
    struct vd_sparse *s = (struct vd_sparse *)self;

    vd_extent_writer_done(&s->writer);
    vd_file_holes_done(&s->holes);
    free(s);
}

static const struct vd_extent_ops sparse_ops = {
    .name = "sparse",
    .lookup = sparse_lookup,
    .begin_write = vd_sparse_begin_write,
    .allocate = vd_sparse_allocate,
    .publish = vd_sparse_publish,
    .zero = vd_sparse_zero,
    .flush = vd_sparse_flush,
    .finish = vd_sparse_finish,
    .free = sparse_free,
};

/* --- opening --- */

/* Byte offset of a directory that lies inside the file; 0 when it does not. */
static uint64_t usable_directory(const struct vd_sparse *s, uint64_t offset_sectors)
{
    uint64_t length = vd_kdmv_num_tables(&s->header) * VD_GTE_BYTES;
    uint64_t offset_bytes;

    if (!vd_sectors_to_bytes_checked(offset_sectors, &offset_bytes) ||
        !vd_range_inside(offset_bytes, length, s->extent.file_bytes))
        return 0;
    return offset_bytes;
}

static int place_directories(struct vd_sparse *s, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &s->header;

    s->gd_bytes = usable_directory(s, header->gd_offset_sectors);
    if (header->flags & VD_KDMV_REDUNDANT)
        s->rgd_bytes = usable_directory(s, header->rgd_offset_sectors);
    if (s->gd_bytes != 0)
        return 0;
    if (s->rgd_bytes == 0)
        return vd_error_set(err, VD_E_KDMV_OFFSET,
                            "cannot open '%s': its grain directory of %" PRIu64
                            " entries is said to be at sector %" PRIu64
                            " (byte 56 of the sparse header), expected inside the file of %" PRIu64
                            " sectors",
                            vd_sparse_path(s), vd_kdmv_num_tables(header),
                            header->gd_offset_sectors, vd_sparse_file_sectors(s));
    vd_log(s->log, VD_LOG_WARNING,
           "'%s': the grain directory at sector %" PRIu64
           " is outside the file; the redundant one at sector %" PRIu64 " is used",
           vd_sparse_path(s), header->gd_offset_sectors, header->rgd_offset_sectors);
    s->gd_bytes = s->rgd_bytes;
    s->rgd_bytes = 0;
    return 0;
}

static int check_line(const struct vd_sparse *s, const struct vd_extent_line *line,
                      struct vd_error *err)
{
    if (line->has_offset && line->offset_sectors != 0)
        return vd_error_set(err, VD_E_DESC_EXTENT,
                            "cannot open '%s': the descriptor's extent line gives a sparse extent "
                            "offset %" PRIu64 ", expected none",
                            vd_sparse_path(s), line->offset_sectors);
    if (line->sectors > vd_kdmv_mapped_sectors(&s->header))
        return vd_error_set(err, VD_E_KDMV_CAPACITY,
                            "cannot open '%s': its sparse header (byte 12) has a capacity of "
                            "%" PRIu64 " sectors, expected %" PRIu64
                            " as in the descriptor's extent line",
                            vd_sparse_path(s), s->header.capacity_sectors, line->sectors);
    return 0;
}

/* What is odd but readable. */
static void tell_oddities(const struct vd_sparse *s, const struct vd_extent_line *line)
{
    const struct vd_kdmv_header *header = &s->header;

    if (vd_kdmv_mapped_sectors(header) - line->sectors >= header->grain_sectors ||
        header->capacity_sectors < line->sectors)
        vd_log(s->log, VD_LOG_WARNING,
               "'%s': the sparse header has a capacity of %" PRIu64
               " sectors, the descriptor's extent line %" PRIu64,
               vd_sparse_path(s), header->capacity_sectors, line->sectors);
    if (header->overhead_sectors > vd_sparse_file_sectors(s))
        vd_log(s->log, VD_LOG_WARNING,
               "'%s': the file ends at sector %" PRIu64 ", before its first grain at %" PRIu64,
               vd_sparse_path(s), vd_sparse_file_sectors(s), header->overhead_sectors);
    if (header->unclean_shutdown)
        vd_log(s->log, VD_LOG_INFO, "'%s': the disk was not closed cleanly", vd_sparse_path(s));
}

static void fill_facts(struct vd_sparse *s)
{
    const struct vd_kdmv_header *header = &s->header;

    s->extent.grain_sectors = header->grain_sectors;
    s->extent.record_form =
        header->flags & VD_KDMV_MARKERS ? VD_RECORD_MARKER : VD_RECORD_SIZE_ONLY;
    s->extent.facts = (struct vd_extent_facts){
        .format = "KDMV",
        .version = header->version,
        .flags = header->flags,
        .header_capacity_sectors = header->capacity_sectors,
        .grain_sectors = header->grain_sectors,
        .table_entries = header->table_entries,
        .num_tables = vd_kdmv_num_tables(header),
        .overhead_sectors = header->overhead_sectors,
        .compressed = header->flags & VD_KDMV_COMPRESSED,
        .markers = header->flags & VD_KDMV_MARKERS,
        .redundant_tables = header->flags & VD_KDMV_REDUNDANT,
        .zeroed_grains = header->flags & VD_KDMV_ZEROED,
        .unclean_shutdown = header->unclean_shutdown,
    };
}

/* `known` is the header where it was read already, or NULL. */
static int read_headers(struct vd_sparse *s, const struct vd_kdmv_header *known,
                        struct vd_error *err)
{
    struct vd_kdmv_header footer;
    uint64_t file_bytes;
    int r;

    if ((r = vd_block_size(s->extent.block, &file_bytes, err)) < 0)
        return r;
    if (known)
        s->header = *known;
    else if ((r = vd_kdmv_header_read(s->extent.block, &s->header, err)) < 0)
        return r;
    s->extent.file_bytes = file_bytes;
    if (s->header.gd_offset_sectors != VD_KDMV_GD_IN_FOOTER)
        return 0;
    if ((r = vd_stream_footer_find(s->extent.block, &s->header, &footer, err)) < 0)
        return r;
    s->header = footer;
    return 0;
}

static void sparse_cleanup(struct vd_sparse **s)
{
    if (*s)
        sparse_free(&(*s)->extent);
}

int vd_extent_sparse_open(const struct vd_extent_params *params, struct vd_extent **ret,
                          struct vd_error *err)
{
    struct vd_sparse VD_CLEANUP(sparse_cleanup) *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the extent '%s'",
                            vd_block_path(params->block));
    s->extent.ops = &sparse_ops;
    s->extent.block = params->block;
    s->extent.cache = params->cache;
    s->extent.capacity_sectors = params->line->sectors;
    s->log = params->log;
    vd_extent_writer_init(&s->writer, 0);
    vd_file_holes_init(&s->holes, params->block);
    atomic_flag_clear(&s->fallback_told);
    if ((r = read_headers(s, params->header, err)) < 0 ||
        (r = check_line(s, params->line, err)) < 0 || (r = place_directories(s, err)) < 0)
        return r;
    fill_facts(s);
    tell_oddities(s, params->line);
    if (params->writable && (r = vd_sparse_prepare_write(s, err)) < 0)
        return r;
    *ret = &VD_TAKE_PTR(s)->extent;
    return 0;
}
