/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams without a footer that belongs to their header. What the header should be, or the footer,
 * is proposed, and holds when a whole check of the stream under it finds no fault, and its tables
 * know every grain record that the file has. So a footer is made from the header, or the header
 * from the footer, and never when anything is lost.
 *
 * Where the tables themselves are missing, as at the end of an upload that broke off, nobody can
 * know how many grains there should be. Only where the caller accepts that (salvage) tables are
 * made for the grains that are there.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-carve.h"
#include "vmdk/check-kdmv-int.h"
#include "vmdk/check-stream-end.h"
#include "vmdk/descriptor-file.h"
#include "vmdk/stream-marker.h"

enum remedy { REMEDY_NONE, REMEDY_FOOTER, REMEDY_HEADER, REMEDY_TABLES };

static bool knows_markers(const struct vd_kdmv_header *header)
{
    return (header->flags & VD_KDMV_COMPRESSED) != 0 && (header->flags & VD_KDMV_MARKERS) != 0;
}

/* 1 or 0. */
static int prove(const struct vd_kdmv_check *k, const struct vd_kdmv_header *header,
                 const struct vd_carving *carving, struct vd_error *err)
{
    const struct vd_check_options nobody = {.progress = k->file->run->options->progress};
    struct vd_check_run run = *k->file->run;
    struct vd_check_file file;
    struct vd_kdmv_check trial = {
        .file = &file,
        .block = k->block,
        .line = k->line,
        .header = *header,
        .file_bytes = k->file_bytes,
    };
    run.options = &nobody;
    run.result = (struct vd_check_result){0};
    vd_check_file_init(&file, &run, k->file->link, k->file->path);
    file.never_repairable = true; /* so that every fault lasts */
    int r = vd_kdmv_check_body(&trial, err);
    bool sound = file.lasting_faults == 0 && run.result.allocated_grains == carving->count;
    vd_check_file_done(&file);
    return r < 0 ? r : sound;
}

/* With the directory that stands behind the records. */
static int propose_footer(const struct vd_kdmv_check *k, const struct vd_carving *carving,
                          struct vd_kdmv_header *ret, struct vd_error *err)
{
    *ret = k->header;
    ret->gd_offset_sectors = carving->gd_sector;
    return carving->gd_sector == 0 ? 0 : prove(k, ret, carving, err);
}

/* The same with the extent line of the stream's own descriptor, where none is known yet. */
static int prove_header(const struct vd_kdmv_check *k, const struct vd_kdmv_header *header,
                        const struct vd_carving *carving, struct vd_error *err)
{
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    struct vd_kdmv_check with_line = *k;
    if (k->line != NULL)
        return prove(k, header, carving, err);
    if (vd_descriptor_read_embedded(k->block, header, NULL, &descriptor, NULL) < 0 ||
        descriptor == NULL || descriptor->num_extents != 1)
        return 0;
    with_line.line = &descriptor->extents[0];
    return prove(&with_line, header, carving, err);
}

int vd_stream_propose_header(const struct vd_kdmv_check *k, struct vd_kdmv_header *ret,
                             struct vd_error *err)
{
    uint8_t bytes[VD_SECTOR_BYTES];
    uint64_t sectors = k->file_bytes / VD_SECTOR_BYTES;
    struct vd_carving carving;
    if (sectors < 3)
        return 0;
    int r = vd_block_read(k->block, vd_sectors_to_bytes(sectors - 2), bytes, sizeof bytes, err);
    if (r < 0)
        return r;
    if (vd_kdmv_header_decode(bytes, k->file->path, ret, NULL) < 0 || !knows_markers(ret) ||
        ret->gd_offset_sectors == VD_KDMV_GD_IN_FOOTER)
        return 0;
    r = vd_check_carve(k->file, k->block, ret, &carving, err);
    if (r < 0)
        return r;
    /* One writer's footer says something else than its header where grains begin. */
    bool fits = carving.count == 0 || carving.first_sector == ret->overhead_sectors;
    r = fits ? prove_header(k, ret, &carving, err) : 0;
    vd_carving_done(&carving);
    return r;
}

int vd_stream_put_header(struct vd_repair *repair, const struct vd_kdmv_header *footer,
                         struct vd_error *err)
{
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    struct vd_kdmv_header header = *footer;
    header.gd_offset_sectors = VD_KDMV_GD_IN_FOOTER;
    vd_kdmv_header_encode(&header, bytes);
    int r = vd_repair_put(repair, VD_REPAIR_SECOND, 0, bytes, sizeof bytes, err);
    return r < 0 ? r : vd_repair_commit(repair, err);
}

static int choose(const struct vd_kdmv_check *k, const struct vd_carving *carving, enum remedy *ret,
                  struct vd_kdmv_header *ret_header, struct vd_error *err)
{
    int r = propose_footer(k, carving, ret_header, err);
    *ret = REMEDY_FOOTER;
    if (r != 0)
        return r < 0 ? r : 0;
    r = vd_stream_propose_header(k, ret_header, err);
    *ret = REMEDY_HEADER;
    if (r != 0)
        return r < 0 ? r : 0;
    /* A second directory, in a footer that is lost, cannot be promised by the header. */
    bool salvage = k->file->run->options->salvage && carving->count > 0 && !carving->repeated &&
                   (k->header.flags & VD_KDMV_REDUNDANT) == 0;
    *ret = salvage ? REMEDY_TABLES : REMEDY_NONE;
    return 0;
}

static void tell(const struct vd_kdmv_check *k, const struct vd_carving *carving,
                 enum remedy remedy, const struct vd_error *why)
{
    uint64_t count = carving->count;
    switch (remedy) {
    case REMEDY_FOOTER:
        vd_check_fault(k->file, "footer-invalid", VD_CHECK_NOWHERE, true,
                       "%s; the directory at sector %" PRIu64 " knows all %" PRIu64
                       " grains of the file, so that it can be written from the header",
                       why->text, carving->gd_sector, count);
        return;
    case REMEDY_HEADER:
        vd_check_fault(k->file, "header-invalid", 0, true,
                       "%s; the stream is sound as its footer has it, so the header is what is "
                       "wrong",
                       why->text);
        return;
    default:
        vd_check_fault(k->file, "footer-invalid", VD_CHECK_NOWHERE, remedy == REMEDY_TABLES,
                       "%s; %" PRIu64 " whole grains can be made readable, and what else there was "
                       "is lost",
                       why->text, count);
    }
}

static int put(struct vd_kdmv_check *k, struct vd_carving *carving, enum remedy remedy,
               struct vd_kdmv_header *footer, struct vd_error *err)
{
    struct vd_repair *repair = k->file->repair;
    switch (remedy) {
    case REMEDY_FOOTER:
        return vd_stream_put_end(repair, footer, carving->gd_end_sector, err);
    case REMEDY_HEADER:
        return vd_stream_put_header(repair, footer, err);
    default:
        return vd_stream_put_tables(repair, &k->header, carving, footer, err);
    }
}

int vd_stream_mend_footer(struct vd_kdmv_check *k, const struct vd_error *why, struct vd_error *err)
{
    struct vd_carving carving = {0};
    struct vd_kdmv_header header;
    enum remedy remedy = REMEDY_NONE;
    int r = 0;
    if (knows_markers(&k->header))
        r = vd_check_carve(k->file, k->block, &k->header, &carving, err);
    if (r >= 0 && knows_markers(&k->header))
        r = choose(k, &carving, &remedy, &header, err);
    if (r >= 0)
        tell(k, &carving, remedy, why);
    if (r >= 0 && remedy != REMEDY_NONE && k->file->repair != NULL) {
        r = put(k, &carving, remedy, &header, err);
        if (r >= 0)
            r = vd_block_size(k->block, &k->file_bytes, err);
    }
    vd_carving_done(&carving);
    if (r < 0 || remedy == REMEDY_NONE || (remedy == REMEDY_TABLES && k->file->repair == NULL))
        return r < 0 ? r : 0;
    k->header = header;
    return 1;
}
