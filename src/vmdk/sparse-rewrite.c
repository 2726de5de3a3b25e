/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/sparse-rewrite.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/sparse-rewrite-int.h"

#define BATCH_BYTES (1u << 20) /* grains moved at once, where more than one fits */

static const struct vd_rewrite_format *format_of(const struct vd_extent *extent)
{
    static const struct vd_rewrite_format *const formats[] = {&vd_rewrite_kdmv, &vd_rewrite_cowd,
                                                              &vd_rewrite_sesparse};

    for (size_t i = 0; i < VD_ARRAY_SIZE(formats); i++) {
        if (strcmp(formats[i]->name, extent->facts.format) == 0)
            return formats[i];
    }
    return NULL;
}

int vd_sparse_check_rewrite(const struct vd_extent *extent, struct vd_error *err)
{
    const struct vd_rewrite_format *format = format_of(extent);

    if (!format)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "an extent is %s, expected KDMV, COWD or SESparse",
                            extent->facts.format);
    if (extent->facts.compressed)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "it is compressed (streamOptimized), which is written once and never "
                            "changed");
    return format->check ? format->check(extent, err) : VD_OK;
}

/* --- tables --- */

static int put_table(struct vd_rewriting *self, struct vd_error *err)
{
    int r;

    if (!self->table_used)
        return VD_OK;
    r = self->format->put_table(self, err);
    memset(self->table, 0, vd_rewrite_table_bytes(self));
    self->table_used = false;
    return r;
}

/* From now on entries of the table with the grain's are put. */
static int use_table(struct vd_rewriting *self, uint64_t grain, struct vd_error *err)
{
    uint64_t index = grain / self->table_entries;
    int r;

    if (self->table_used && index == self->table_index)
        return VD_OK;
    r = put_table(self, err);
    self->table_index = index;
    self->table_used = true;
    return r < 0 || !self->format->enter_table ? r : self->format->enter_table(self, err);
}

static void put_entry(struct vd_rewriting *self, uint64_t grain, uint64_t entry)
{
    uint64_t at = grain % self->table_entries * self->format->entry_bytes;

    if (self->format->entry_bytes == sizeof(uint32_t))
        vd_le32_encode(self->table + at, (uint32_t)entry);
    else
        vd_le64_encode(self->table + at, entry);
}

/* --- grains --- */

/* Keeps those of `count` grains in the buffer that are to be written, moved together. */
static int place_grains(struct vd_rewriting *self, uint64_t first_grain, size_t count,
                        size_t *ret_kept, struct vd_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *grain = self->buffer + i * self->grain_bytes;

        if (self->asked->drop_zeros && vd_bytes_all_zero(grain, (size_t)self->grain_bytes))
            continue;
        if (self->next_sectors + self->grain_sectors > self->end_sectors)
            return vd_error_set(err, VD_E_TOO_BIG,
                                "'%s' would pass sector %" PRIu64
                                ", where its grains end at the latest",
                                vd_block_path(self->to), self->end_sectors);
        if (kept != i)
            memmove(self->buffer + kept * self->grain_bytes, grain, (size_t)self->grain_bytes);
        put_entry(self, first_grain + i, self->format->entry_of(self, self->next_sectors));
        self->next_sectors += self->grain_sectors;
        kept++;
    }
    *ret_kept = kept;
    return VD_OK;
}

static bool is_wanted(const struct vd_rewriting *self, size_t count)
{
    return !self->asked->drop_zeros ||
           !vd_bytes_all_zero(self->buffer, count * (size_t)self->grain_bytes);
}

/* The grains in the buffer, all of one table. */
static int put_grains(struct vd_rewriting *self, uint64_t first_grain, size_t count,
                      struct vd_error *err)
{
    uint64_t start;
    size_t kept = 0;
    int r;

    if (!is_wanted(self, count))
        return VD_OK;
    r = use_table(self, first_grain, err);
    start = self->next_sectors;
    if (r == VD_OK)
        r = place_grains(self, first_grain, count, &kept, err);
    return r < 0 ? r
                 : vd_block_write(self->to, vd_sectors_to_bytes(start), self->buffer,
                                  kept * (size_t)self->grain_bytes, err);
}

/* How much of what is left from `grain` on goes through the buffer at once. */
static uint64_t piece_bytes(const struct vd_rewriting *self, uint64_t grain, uint64_t left_bytes)
{
    uint64_t in_table = (self->table_entries - grain % self->table_entries) * self->grain_bytes;

    return VD_MIN(VD_MIN(left_bytes, (uint64_t)self->buffer_bytes), in_table);
}

static int copy_data(struct vd_rewriting *self, uint64_t start_sectors, const struct vd_lookup *run,
                     struct vd_error *err)
{
    uint64_t done_bytes = 0;
    uint64_t length = vd_sectors_to_bytes(run->length_sectors);
    uint64_t stored = vd_sectors_to_bytes(run->stored_sectors);

    while (done_bytes < length) {
        uint64_t grain = (start_sectors + done_bytes / VD_SECTOR_BYTES) / self->grain_sectors;
        uint64_t piece = piece_bytes(self, grain, length - done_bytes);
        uint64_t there = stored > done_bytes ? VD_MIN(stored - done_bytes, piece) : 0;
        size_t count = (size_t)vd_div_up(piece, self->grain_bytes);
        int r = VD_OK;

        memset(self->buffer + there, 0, count * (size_t)self->grain_bytes - (size_t)there);
        if (there > 0)
            r = vd_block_read(self->asked->from->block, run->offset_bytes + done_bytes,
                              self->buffer, (size_t)there, err);
        if (r == VD_OK)
            r = put_grains(self, grain, count, err);
        if (r < 0)
            return r;
        done_bytes += piece;
    }
    return VD_OK;
}

static int copy_zeros(struct vd_rewriting *self, uint64_t start_sectors, uint64_t length_sectors,
                      struct vd_error *err)
{
    uint64_t grain = start_sectors / self->grain_sectors;
    uint64_t end = vd_div_up(start_sectors + length_sectors, self->grain_sectors);

    for (; grain < end && !self->asked->drop_zeros; grain++) {
        int r = use_table(self, grain, err);

        if (r < 0)
            return r;
        put_entry(self, grain, self->format->zero_entry);
    }
    return VD_OK;
}

static int report(const struct vd_rewriting *self, uint64_t done_sectors, struct vd_error *err)
{
    const struct vd_sparse_rewrite *asked = self->asked;

    if (vd_progress_report(asked->progress,
                           asked->progress_start_bytes + vd_sectors_to_bytes(done_sectors),
                           asked->progress_total_bytes))
        return VD_OK;
    return vd_error_set(err, VD_E_CANCELLED, "stopped while '%s' was written anew",
                        vd_block_path(asked->from->block));
}

/* In pieces that end with a grain, so that every run begins with one. */
static int copy_grains(struct vd_rewriting *self, struct vd_error *err)
{
    struct vd_extent *from = self->asked->from;
    uint64_t piece = VD_MAX((uint64_t)BATCH_BYTES * 16 / VD_SECTOR_BYTES, from->grain_sectors);
    uint64_t sector = 0;

    while (sector < from->capacity_sectors) {
        struct vd_lookup run = {0};
        int r = vd_extent_lookup(from, sector, VD_MIN(piece, from->capacity_sectors - sector), &run,
                                 err);

        if (r == VD_OK && run.kind == VD_LOOKUP_DATA)
            r = copy_data(self, sector, &run, err);
        else if (r == VD_OK && run.kind == VD_LOOKUP_ZERO)
            r = copy_zeros(self, sector, run.length_sectors, err);
        sector += run.length_sectors;
        if (r == VD_OK)
            r = report(self, sector, err);
        if (r < 0)
            return r;
    }
    return put_table(self, err);
}

static int check_grain_size(const struct vd_rewriting *self, struct vd_error *err)
{
    if (self->grain_bytes <= VD_REWRITE_MAX_GRAIN_BYTES)
        return VD_OK;
    return vd_error_set(
        err, VD_E_NOT_SUPPORTED,
        "cannot write '%s' anew: grains of %" PRIu64 " bytes, at most %u are handled",
        vd_block_path(self->asked->from->block), self->grain_bytes, VD_REWRITE_MAX_GRAIN_BYTES);
}

static int run_rewrite(struct vd_rewriting *self, const struct vd_buf *descriptor,
                       struct vd_error *err)
{
    int r = self->format->lay_out(self, descriptor->length, err);

    self->grain_bytes = vd_sectors_to_bytes(self->grain_sectors);
    if (r == VD_OK)
        r = check_grain_size(self, err);
    if (r < 0)
        return r;
    self->buffer_bytes =
        (size_t)(VD_MAX(BATCH_BYTES / self->grain_bytes, UINT64_C(1)) * self->grain_bytes);
    self->buffer = malloc(self->buffer_bytes);
    self->table = calloc(1, vd_rewrite_table_bytes(self));
    if (!self->buffer || !self->table)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to write '%s'",
                            vd_block_path(self->to));
    r = self->format->write_front(self, descriptor, err);
    if (r == VD_OK && !self->asked->empty)
        r = copy_grains(self, err);
    if (r == VD_OK && self->format->finish)
        r = self->format->finish(self, err);
    return r < 0 ? r : vd_block_flush(self->to, err);
}

int vd_sparse_rewrite(const struct vd_sparse_rewrite *rewrite, struct vd_block *to,
                      struct vd_error *err)
{
    struct vd_rewriting self = {.asked = rewrite, .format = format_of(rewrite->from), .to = to};
    struct vd_buf descriptor = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = VD_OK;

    assert(self.format && !rewrite->from->facts.compressed);
    if (rewrite->descriptor)
        r = vd_descriptor_to_text(rewrite->descriptor, &descriptor, err);
    if (r == VD_OK)
        r = run_rewrite(&self, &descriptor, err);
    free(self.buffer);
    free(self.table);
    vd_buf_done(&descriptor);
    return r;
}

/* --- what is in order already --- */

static uint64_t table_span(const struct vd_extent *extent)
{
    return extent->grain_sectors * extent->facts.table_entries;
}

/* How far one look may go: tables among the grains are looked at one by one. */
static uint64_t look_sectors(const struct vd_rewrite_format *format, const struct vd_extent *extent,
                             uint64_t sector)
{
    uint64_t left = extent->capacity_sectors - sector;
    uint64_t span = table_span(extent);

    return format->pass_table ? VD_MIN(span - sector % span, left) : left;
}

static int pass_table(const struct vd_rewrite_format *format, const struct vd_extent *extent,
                      uint64_t sector, uint64_t *next_bytes, bool *ret_in_order,
                      struct vd_error *err)
{
    if (!format->pass_table || sector % table_span(extent) != 0)
        return VD_OK;
    return format->pass_table(extent, sector / table_span(extent), next_bytes, ret_in_order, err);
}

int vd_sparse_is_compact(struct vd_extent *extent, bool *ret, struct vd_error *err)
{
    const struct vd_rewrite_format *format = format_of(extent);
    uint64_t grain_bytes = vd_sectors_to_bytes(extent->grain_sectors);
    /* What the header claims; where it lies past all, no grain will be found there. */
    uint64_t next_bytes =
        vd_sectors_to_bytes(VD_MIN(extent->facts.overhead_sectors, VD_MAX_SECTORS));
    uint64_t sector = 0;
    bool in_order = true;

    assert(format);
    while (sector < extent->capacity_sectors && in_order) {
        struct vd_lookup run = {0};
        int r = pass_table(format, extent, sector, &next_bytes, &in_order, err);

        if (r == VD_OK)
            r = vd_extent_lookup(extent, sector, look_sectors(format, extent, sector), &run, err);
        if (r < 0)
            return r;
        if (run.kind == VD_LOOKUP_DATA) {
            uint64_t length = vd_sectors_to_bytes(run.length_sectors);

            in_order = in_order && run.offset_bytes == next_bytes;
            next_bytes += vd_div_up(length, grain_bytes) * grain_bytes;
        }
        sector += run.length_sectors;
    }
    /* Leaked grains and a tail count as gaps; a last grain may be cut short. */
    *ret = in_order && extent->file_bytes <= next_bytes;
    return VD_OK;
}
