/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-carve.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/units.h"
#include "vmdk/check-window.h"
#include "vmdk/grain-record.h"
#include "vmdk/stream-marker.h"

#define PROGRESS_SECTORS 8192u
#define FIRST_RECORDS    64u

struct carver {
    const struct vd_check_file *file;
    const struct vd_kdmv_header *header;
    struct vd_carving *carving;
    struct vd_check_window window;
    struct vd_extent extent; /* as far as grain-record.h needs one */
    struct vd_record_scratch scratch;
    uint8_t *grain;
    uint64_t file_sectors;
};

void vd_carving_done(struct vd_carving *carving)
{
    free(carving->records);
    *carving = (struct vd_carving){0};
}

static int add_record(struct carver *carver, uint64_t grain, uint64_t sector, uint64_t sectors,
                      struct vd_error *err)
{
    struct vd_carving *carving = carver->carving;
    if (carving->count == carving->allocated) {
        size_t wanted = carving->allocated == 0 ? FIRST_RECORDS : carving->allocated * 2;
        struct vd_carved_record *grown = reallocarray(carving->records, wanted, sizeof *grown);
        if (grown == NULL)
            return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the grains of '%s'",
                                carver->file->path);
        carving->records = grown;
        carving->allocated = wanted;
    }
    if (carving->count == 0)
        carving->first_sector = sector;
    carving->records[carving->count++] = (struct vd_carved_record){grain, (uint32_t)sector};
    carving->end_sector = sector + sectors;
    carving->gd_sector = 0; /* what was taken for one was none, or not the last */
    return 0;
}

/* The sectors of the record, or 0 where there is none. */
static int try_record(struct carver *carver, uint64_t sector, const struct vd_stream_marker *marker,
                      uint64_t *ret_sectors, struct vd_error *err)
{
    const struct vd_kdmv_header *header = carver->header;
    uint64_t lba = marker->value;
    struct vd_error failure = VD_ERROR_INIT;
    *ret_sectors = 0;
    if (lba % header->grain_sectors != 0 || lba >= header->capacity_sectors)
        return 0;
    uint64_t needed = VD_MIN(header->grain_sectors, header->capacity_sectors - lba);
    int r = vd_grain_record_read(&carver->extent, vd_sectors_to_bytes(sector), lba,
                                 (size_t)vd_sectors_to_bytes(needed), &carver->scratch,
                                 carver->grain, &failure);
    if (r < 0 && vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    if (r < 0)
        return 0;
    *ret_sectors = vd_bytes_to_sectors_up((uint64_t)VD_RECORD_HEADER_BYTES + marker->size_bytes);
    return add_record(carver, lba / header->grain_sectors, sector, *ret_sectors, err);
}

/* The sectors of a marker and the tables it announces; 1 where it announces none we know. */
static uint64_t pass_metadata(struct carver *carver, uint64_t sector,
                              const struct vd_stream_marker *marker)
{
    const struct vd_kdmv_header *header = carver->header;
    uint64_t table = vd_bytes_to_sectors_up(header->table_entries * sizeof(uint32_t));
    uint64_t directory = vd_bytes_to_sectors_up(vd_kdmv_num_tables(header) * sizeof(uint32_t));
    bool inside = vd_range_inside(sector, marker->value, carver->file_sectors - 1);
    if (inside && marker->type == VD_MARKER_GT && marker->value == table)
        return 1 + table;
    /* One writer leaves a spare sector. */
    if (inside && marker->type == VD_MARKER_GD && marker->value - directory <= 1) {
        carver->carving->gd_sector = sector + 1;
        carver->carving->gd_end_sector = sector + 1 + marker->value;
        return 1 + marker->value;
    }
    return 1;
}

static uint64_t hole_sectors(struct carver *carver, uint64_t sector)
{
    uint64_t start = vd_sectors_to_bytes(sector);
    uint64_t end = vd_file_holes_end(&carver->window.holes, start);
    return VD_MAX(end > start ? (end - start) / VD_SECTOR_BYTES : 0, UINT64_C(1));
}

static int carve_at(struct carver *carver, uint64_t sector, uint64_t *ret_sectors,
                    struct vd_error *err)
{
    const uint8_t *bytes;
    int r = vd_check_window_at(&carver->window, vd_sectors_to_bytes(sector), VD_SECTOR_BYTES,
                               &bytes, err);
    *ret_sectors = 1;
    if (r < 0)
        return r;
    if (bytes == NULL) {
        *ret_sectors = hole_sectors(carver, sector);
        return 0;
    }
    struct vd_stream_marker marker = vd_stream_marker_decode(bytes);
    if (marker.size_bytes == 0) {
        *ret_sectors = pass_metadata(carver, sector, &marker);
        return 0;
    }
    r = try_record(carver, sector, &marker, ret_sectors, err);
    *ret_sectors = VD_MAX(*ret_sectors, UINT64_C(1));
    return r;
}

static int carve_all(struct carver *carver, struct vd_error *err)
{
    const struct vd_kdmv_header *header = carver->header;
    uint64_t sector = 1;
    uint64_t end = VD_MIN(carver->file_sectors, (uint64_t)UINT32_MAX);
    uint64_t told = 0;
    int r = 0;
    if (header->descriptor_offset_sectors != 0 &&
        vd_range_inside(header->descriptor_offset_sectors, header->descriptor_sectors, end))
        sector = header->descriptor_offset_sectors + header->descriptor_sectors;
    carver->carving->end_sector = sector;
    while (r >= 0 && sector < end) {
        uint64_t sectors;
        r = carve_at(carver, sector, &sectors, err);
        sector += sectors;
        if (r >= 0 && sector - told >= PROGRESS_SECTORS) {
            told = sector;
            r = vd_check_progress(carver->file, 0, 1, err);
        }
    }
    return r;
}

static int compare_records(const void *left, const void *right)
{
    const struct vd_carved_record *a = left, *b = right;
    return (a->grain > b->grain) - (a->grain < b->grain);
}

static void sort_records(struct vd_carving *carving)
{
    if (carving->count == 0)
        carving->first_sector = carving->end_sector;
    if (carving->count > 1)
        qsort(carving->records, carving->count, sizeof carving->records[0], compare_records);
    for (size_t i = 1; i < carving->count; i++)
        carving->repeated |= carving->records[i].grain == carving->records[i - 1].grain;
}

static int carve(struct carver *carver, struct vd_error *err)
{
    uint64_t file_bytes = 0;
    if (carver->grain == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", carver->file->path);
    int r = vd_block_size(carver->extent.block, &file_bytes, err);
    if (r < 0)
        return r;
    carver->extent.file_bytes = file_bytes;
    carver->file_sectors = vd_bytes_to_sectors_up(file_bytes);
    r = carve_all(carver, err);
    if (r >= 0)
        sort_records(carver->carving);
    return r;
}

int vd_check_carve(const struct vd_check_file *file, struct vd_block *block,
                   const struct vd_kdmv_header *header, struct vd_carving *ret,
                   struct vd_error *err)
{
    VD_CLEANUP(vd_carving_done) struct vd_carving carving = {0};
    struct carver carver = {
        .file = file,
        .header = header,
        .carving = &carving,
        .extent = {.block = block,
                   .grain_sectors = header->grain_sectors,
                   .record_form = VD_RECORD_MARKER},
        .grain = malloc((size_t)vd_sectors_to_bytes(header->grain_sectors)),
    };
    vd_check_window_init(&carver.window, block);
    int r = carve(&carver, err);
    vd_check_window_done(&carver.window);
    vd_record_scratch_done(&carver.scratch);
    free(carver.grain);
    if (r < 0)
        return r;
    *ret = carving;
    carving = (struct vd_carving){0};
    return 0;
}
