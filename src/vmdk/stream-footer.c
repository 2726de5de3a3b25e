/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/stream-footer.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/stream-marker.h"

#define CHUNK_SECTORS 128u

static int compare(const char *field, uint64_t found, uint64_t expected, const char *path,
                   struct vd_error *err)
{
    if (found == expected)
        return 0;
    return vd_error_set(err, VD_E_STREAM_FOOTER,
                        "cannot open '%s': the footer at its end has %s %" PRIu64
                        ", expected %" PRIu64 " as in its header",
                        path, field, found, expected);
}

static int compare_fields(const struct vd_kdmv_header *footer, const struct vd_kdmv_header *header,
                          const char *path, struct vd_error *err)
{
    int r;

    if ((r = compare("version", footer->version, header->version, path, err)) < 0 ||
        (r = compare("flags", footer->flags, header->flags, path, err)) < 0 ||
        (r = compare("capacity", footer->capacity_sectors, header->capacity_sectors, path, err)) <
            0 ||
        (r = compare("grain size", footer->grain_sectors, header->grain_sectors, path, err)) < 0 ||
        (r = compare("grain table length", footer->table_entries, header->table_entries, path,
                     err)) < 0)
        return r;
    if (footer->gd_offset_sectors == VD_KDMV_GD_IN_FOOTER)
        return vd_error_set(err, VD_E_STREAM_FOOTER,
                            "cannot open '%s': the footer at its end has no grain directory offset "
                            "either (byte 56 is all ones)",
                            path);
    return 0;
}

int vd_stream_footer_decode(const uint8_t *bytes, const struct vd_kdmv_header *header,
                            const char *path, struct vd_kdmv_header *ret, struct vd_error *err)
{
    struct vd_error reason = VD_ERROR_INIT;
    struct vd_kdmv_header footer;
    int r = vd_kdmv_header_decode(bytes, path, &footer, &reason);

    if (r < 0)
        return vd_error_set(err, VD_E_STREAM_FOOTER,
                            "the footer at the end of '%s' is not a copy of its header: %s", path,
                            vd_error_message(&reason, r));
    if ((r = compare_fields(&footer, header, path, err)) < 0)
        return r;
    *ret = footer;
    return 0;
}

static bool is_footer_marker(const uint8_t *sector)
{
    struct vd_stream_marker marker = vd_stream_marker_decode(sector);
    return marker.size_bytes == 0 && marker.type == VD_MARKER_FOOTER;
}

/* The last footer in `sectors` that has its marker in front. `bytes` begins with the sector before
 * the first one that may be a footer. */
static bool last_in_chunk(const uint8_t *bytes, size_t sectors, const struct vd_kdmv_header *header,
                          const char *path, struct vd_kdmv_header *ret)
{
    for (size_t i = sectors; i-- > 1;) {
        const uint8_t *sector = bytes + i * VD_SECTOR_BYTES;
        if (vd_le32_decode(sector) == VD_KDMV_MAGIC && is_footer_marker(sector - VD_SECTOR_BYTES) &&
            vd_stream_footer_decode(sector, header, path, ret, NULL) >= 0)
            return true;
    }
    return false;
}

/* 1 found, 0 not found. */
static int search_backwards(struct vd_block *block, uint64_t file_sectors,
                            const struct vd_kdmv_header *header, struct vd_kdmv_header *ret,
                            struct vd_error *err)
{
    uint8_t VD_FREE *bytes = malloc(CHUNK_SECTORS * VD_SECTOR_BYTES);
    uint64_t limit = VD_FOOTER_SEARCH_BYTES / VD_SECTOR_BYTES;
    uint64_t stop = file_sectors > limit ? file_sectors - limit : 0;
    uint64_t end = file_sectors;

    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the footer of '%s'",
                            vd_block_path(block));
    while (end - stop >= 2) {
        uint64_t first = end - stop > CHUNK_SECTORS ? end - CHUNK_SECTORS : stop;
        size_t sectors = (size_t)(end - first);
        int r =
            vd_block_read(block, first * VD_SECTOR_BYTES, bytes, sectors * VD_SECTOR_BYTES, err);
        if (r < 0)
            return r;
        if (last_in_chunk(bytes, sectors, header, vd_block_path(block), ret))
            return 1;
        end = first == stop ? stop : first + 1; /* the first one was not tried: no marker seen */
    }
    return 0;
}

/* 1 found, 0 nothing like a footer there. */
static int try_proper_place(struct vd_block *block, uint64_t file_sectors,
                            const struct vd_kdmv_header *header, struct vd_kdmv_header *ret,
                            struct vd_error *err)
{
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    int r;

    if (file_sectors < 3)
        return 0;
    r = vd_block_read(block, (file_sectors - 2) * VD_SECTOR_BYTES, bytes, sizeof bytes, err);
    if (r < 0)
        return r;
    if (vd_le32_decode(bytes) != VD_KDMV_MAGIC)
        return 0;
    r = vd_stream_footer_decode(bytes, header, vd_block_path(block), ret, err);
    return r < 0 ? r : 1;
}

int vd_stream_footer_find(struct vd_block *block, const struct vd_kdmv_header *header,
                          struct vd_kdmv_header *ret, struct vd_error *err)
{
    struct vd_error reason = VD_ERROR_INIT;
    uint64_t file_bytes, file_sectors;
    int proper, r;

    if ((r = vd_block_size(block, &file_bytes, err)) < 0)
        return r;
    file_sectors = file_bytes / VD_SECTOR_BYTES;
    proper = try_proper_place(block, file_sectors, header, ret, &reason);
    if (proper > 0)
        return 0;
    r = search_backwards(block, file_sectors, header, ret, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (proper < 0)
        return vd_error_set(err, proper, "%s", reason.text);
    return vd_error_set(err, VD_E_STREAM_FOOTER,
                        "cannot open '%s': its header leaves the grain directory to a footer, but "
                        "the last %u KiB of its %" PRIu64
                        " bytes hold none, so the end of the file is probably missing",
                        vd_block_path(block), VD_FOOTER_SEARCH_BYTES / 1024, file_bytes);
}
