/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-store.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/replace.h"
#include "vmdk/descriptor.h"
#include "vmdk/kdmv-header.h"

/* In the sparse header. */
#define AT_DESCRIPTOR_OFFSET 28u
#define AT_DESCRIPTOR_SIZE   36u

/* The area inside a sparse extent: what it holds and what it shall hold, zeros behind the text. */
struct area {
    struct vd_block *block;
    uint64_t start_sector;
    uint64_t num_sectors;
    uint8_t *before;
    uint8_t *after;
    uint64_t used_before; /* sectors of text */
    uint64_t used_after;
    bool any_mix;  /* see vd_descriptor_store */
    bool only_ask; /* nothing is written */
};

static uint64_t area_bytes(const struct area *area)
{
    return vd_sectors_to_bytes(area->num_sectors);
}

static int read_block(struct vd_block *block, uint64_t offset, uint64_t length, struct vd_buf *out,
                      struct vd_error *err)
{
    int r = vd_buf_reserve(out, (size_t)length);
    if (r < 0)
        return vd_error_set(err, r, "no memory for the descriptor of '%s'", vd_block_path(block));
    r = vd_block_read(block, offset, out->data, (size_t)length, err);
    if (r < 0)
        return r;
    out->length = strnlen(out->data, (size_t)length);
    out->data[out->length] = '\0';
    return 0;
}

static int fetch_file(const struct vd_descriptor_place *place, struct vd_buf *out,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    uint64_t size_bytes = 0;
    int r = vd_fs_open(place->fs, place->path, 0, &block, err);
    if (r >= 0)
        r = vd_block_size(block, &size_bytes, err);
    if (r < 0)
        return r;
    return size_bytes == 0 ? 0 : read_block(block, 0, VD_MIN(size_bytes, out->max), out, err);
}

int vd_descriptor_fetch(const struct vd_descriptor_place *place, struct vd_buf *out,
                        struct vd_error *err)
{
    if (place->container == NULL)
        return fetch_file(place, out, err);
    struct vd_kdmv_header header;
    int r = vd_kdmv_header_read(place->container, &header, err);
    if (r < 0)
        return r;
    uint64_t length = VD_MIN(vd_sectors_to_bytes(header.descriptor_sectors), out->max);
    return read_block(place->container, vd_sectors_to_bytes(header.descriptor_offset_sectors),
                      length, out, err);
}

/* --- inside an extent --- */

static int write_sectors(const struct area *area, const uint8_t *from, uint64_t first,
                         uint64_t count, struct vd_error *err)
{
    int r = vd_block_write(area->block, vd_sectors_to_bytes(area->start_sector + first), from,
                           (size_t)vd_sectors_to_bytes(count), err);
    return r < 0 ? r : vd_block_flush(area->block, err);
}

static int point_header(const struct area *area, uint64_t sector, uint64_t count,
                        struct vd_error *err)
{
    uint8_t header[VD_KDMV_HEADER_BYTES];
    int r = vd_block_read(area->block, 0, header, sizeof header, err);
    if (r < 0)
        return r;
    vd_le64_encode(header + AT_DESCRIPTOR_OFFSET, sector);
    vd_le64_encode(header + AT_DESCRIPTOR_SIZE, count);
    r = vd_block_write(area->block, 0, header, sizeof header, err);
    return r < 0 ? r : vd_block_flush(area->block, err);
}

static int check_room(const struct area *area, struct vd_error *err)
{
    if (area->used_after + VD_MAX(area->used_after, area->used_before) <= area->num_sectors)
        return 0;
    return vd_error_set(
        err, VD_E_TOO_BIG,
        "the descriptor inside '%s' cannot be changed safely: its area has "
        "%" PRIu64 " sectors, and the texts before and after need %" PRIu64 " and %" PRIu64,
        vd_block_path(area->block), area->num_sectors, area->used_before, area->used_after);
}

static int store_by_way_of_copy(const struct area *area, struct vd_error *err)
{
    uint64_t copy = area->num_sectors - area->used_after; /* a sector of the area */
    int r = write_sectors(area, area->after, copy, area->used_after, err);
    if (r >= 0)
        r = point_header(area, area->start_sector + copy, area->used_after, err);
    if (r >= 0)
        r = write_sectors(area, area->after, 0, copy, err);
    if (r >= 0)
        r = point_header(area, area->start_sector, area->num_sectors, err);
    if (r >= 0) /* the copy is of no use any more */
        r = write_sectors(area, area->after + vd_sectors_to_bytes(copy), copy, area->used_after,
                          err);
    return r;
}

static int store_area(const struct area *area, struct vd_error *err)
{
    uint64_t first = area->num_sectors, last = 0;
    for (uint64_t i = 0; i < area->num_sectors; i++) {
        uint64_t at = vd_sectors_to_bytes(i);
        if (memcmp(area->before + at, area->after + at, VD_SECTOR_BYTES) == 0)
            continue;
        first = VD_MIN(first, i);
        last = i;
    }
    bool at_once = first >= last || area->any_mix;
    int r = at_once ? 0 : check_room(area, err);
    if (r < 0 || area->only_ask || first == area->num_sectors)
        return r;
    if (!at_once)
        return store_by_way_of_copy(area, err);
    return write_sectors(area, area->after + vd_sectors_to_bytes(first), first, last - first + 1,
                         err);
}

static int store_inside(struct area *area, const struct vd_buf *text, struct vd_error *err)
{
    if (text->length > area_bytes(area))
        return vd_error_set(err, VD_E_TOO_BIG,
                            "the descriptor inside '%s' has room for %" PRIu64
                            " bytes, it would need %zu",
                            vd_block_path(area->block), area_bytes(area), text->length);
    int r = vd_block_read(area->block, vd_sectors_to_bytes(area->start_sector), area->before,
                          (size_t)area_bytes(area), err);
    if (r < 0)
        return r;
    memcpy(area->after, text->data, text->length);
    area->used_before =
        vd_bytes_to_sectors_up(strnlen((const char *)area->before, (size_t)area_bytes(area)));
    area->used_after = vd_bytes_to_sectors_up(text->length);
    return store_area(area, err);
}

static int store_container(struct vd_block *block, const struct vd_buf *text, bool any_mix,
                           bool only_ask, struct vd_error *err)
{
    struct vd_kdmv_header header;
    int r = vd_kdmv_header_read(block, &header, err);
    if (r < 0)
        return r;
    struct area area = {.block = block,
                        .start_sector = header.descriptor_offset_sectors,
                        .num_sectors = header.descriptor_sectors,
                        .any_mix = any_mix,
                        .only_ask = only_ask};
    uint64_t most = VD_DESCRIPTOR_MAX_BYTES / VD_SECTOR_BYTES;
    if (area.num_sectors > most)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "the descriptor inside '%s' has an area of %" PRIu64
                            " sectors, expected at most %" PRIu64,
                            vd_block_path(block), area.num_sectors, most);
    VD_FREE uint8_t *before = malloc((size_t)area_bytes(&area));
    VD_FREE uint8_t *after = calloc(1, (size_t)area_bytes(&area));
    if (!before || !after)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the descriptor of '%s'",
                            vd_block_path(block));
    area.before = before;
    area.after = after;
    return store_inside(&area, text, err);
}

int vd_descriptor_store(const struct vd_descriptor_place *place, const struct vd_buf *text,
                        bool any_mix, struct vd_error *err)
{
    if (place->container != NULL)
        return store_container(place->container, text, any_mix, false, err);
    return vd_fs_replace_file(place->fs, place->path, text->data, text->length, err);
}

int vd_descriptor_store_check(const struct vd_descriptor_place *place, const struct vd_buf *text,
                              struct vd_error *err)
{
    return place->container != NULL ? store_container(place->container, text, false, true, err) : 0;
}
