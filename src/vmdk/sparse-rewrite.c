/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/sparse-rewrite.h"

#include <string.h>

#include "base/bytes.h"
#include "base/units.h"

#define ENTRY_BYTES      4u
#define GTE_ZERO         1u
#define BATCH_BYTES      (1u << 20) /* grains moved at once, where more than one fits */
#define MAX_FILE_SECTORS (UINT64_C(1) << 32)

struct rewriting {
    const struct vd_sparse_rewrite *asked;
    struct vd_block *to;
    struct vd_kdmv_header header;
    uint64_t grain_bytes;
    uint64_t table_sectors; /* of one table in the file */
    uint64_t num_tables;
    uint64_t next_sectors; /* where the next grain goes */
    uint8_t *buffer;       /* grains on their way */
    size_t buffer_bytes;
    uint8_t *table; /* the one being filled */
    uint64_t table_index;
    bool table_used;
};

static int no_memory(const struct rewriting *self, struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "no memory to write '%s'", vd_block_path(self->to));
}

static uint64_t directory_sectors(const struct rewriting *self)
{
    return vd_bytes_to_sectors_up(self->num_tables * ENTRY_BYTES);
}

/* Numbers are small: 2^25 tables of at most 32 sectors. */
static int lay_out(struct rewriting *self, size_t text_bytes, struct vd_error *err)
{
    struct vd_kdmv_header *header = &self->header;
    uint64_t at = 1;

    *header = self->asked->like;
    header->capacity_sectors = self->asked->capacity_sectors;
    header->unclean_shutdown = false;
    header->descriptor_offset_sectors = 0;
    if (self->asked->descriptor) {
        header->descriptor_sectors =
            VD_MAX(header->descriptor_sectors, vd_bytes_to_sectors_up(text_bytes + 1));
        header->descriptor_offset_sectors = at;
        at += header->descriptor_sectors;
    } else {
        header->descriptor_sectors = 0;
    }
    self->grain_bytes = vd_sectors_to_bytes(header->grain_sectors);
    self->num_tables = vd_kdmv_num_tables(header);
    self->table_sectors = vd_bytes_to_sectors_up(header->table_entries * ENTRY_BYTES);
    if (self->grain_bytes > VD_REWRITE_MAX_GRAIN_BYTES || self->num_tables > VD_KDMV_MAX_TABLES)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot write '%s' anew: grains of %ju bytes and %ju tables, at most "
                            "%u and %ju are handled",
                            vd_block_path(self->to), (uintmax_t)self->grain_bytes,
                            (uintmax_t)self->num_tables, VD_REWRITE_MAX_GRAIN_BYTES,
                            (uintmax_t)VD_KDMV_MAX_TABLES);
    header->rgd_offset_sectors = 0;
    if (header->flags & VD_KDMV_REDUNDANT) {
        header->rgd_offset_sectors = at;
        at += directory_sectors(self) + self->num_tables * self->table_sectors;
    }
    header->gd_offset_sectors = at;
    at += directory_sectors(self) + self->num_tables * self->table_sectors;
    header->overhead_sectors = vd_div_up(at, header->grain_sectors) * header->grain_sectors;
    self->next_sectors = header->overhead_sectors;
    return VD_OK;
}

static uint64_t table_at(const struct rewriting *self, uint64_t directory, uint64_t table)
{
    return directory + directory_sectors(self) + table * self->table_sectors;
}

static int write_directory(const struct rewriting *self, uint64_t directory, struct vd_error *err)
{
    size_t length = (size_t)vd_sectors_to_bytes(directory_sectors(self));
    VD_FREE uint8_t *bytes = calloc(1, length);

    if (!bytes)
        return no_memory(self, err);
    for (uint64_t i = 0; i < self->num_tables; i++)
        vd_le32_encode(bytes + i * ENTRY_BYTES, (uint32_t)table_at(self, directory, i));
    return vd_block_write(self->to, vd_sectors_to_bytes(directory), bytes, length, err);
}

static int write_front(const struct rewriting *self, const struct vd_buf *text,
                       struct vd_error *err)
{
    uint8_t sector[VD_KDMV_HEADER_BYTES];
    int r = vd_block_resize(self->to, vd_sectors_to_bytes(self->header.overhead_sectors), err);

    vd_kdmv_header_encode(&self->header, sector);
    if (r == VD_OK)
        r = vd_block_write(self->to, 0, sector, sizeof sector, err);
    if (r == VD_OK && text->length > 0)
        r = vd_block_write(self->to, vd_sectors_to_bytes(self->header.descriptor_offset_sectors),
                           vd_buf_text(text), text->length, err);
    if (r == VD_OK && self->header.rgd_offset_sectors != 0)
        r = write_directory(self, self->header.rgd_offset_sectors, err);
    return r < 0 ? r : write_directory(self, self->header.gd_offset_sectors, err);
}

/* --- tables --- */

static int put_table(struct rewriting *self, struct vd_error *err)
{
    size_t length = self->header.table_entries * ENTRY_BYTES;
    int r = VD_OK;

    if (!self->table_used)
        return VD_OK;
    if (self->header.rgd_offset_sectors != 0)
        r = vd_block_write(
            self->to,
            vd_sectors_to_bytes(table_at(self, self->header.rgd_offset_sectors, self->table_index)),
            self->table, length, err);
    if (r == VD_OK)
        r = vd_block_write(
            self->to,
            vd_sectors_to_bytes(table_at(self, self->header.gd_offset_sectors, self->table_index)),
            self->table, length, err);
    memset(self->table, 0, length);
    self->table_used = false;
    return r;
}

static int put_entry(struct rewriting *self, uint64_t grain, uint32_t entry, struct vd_error *err)
{
    uint64_t index = grain / self->header.table_entries;

    if (index != self->table_index) {
        int r = put_table(self, err);

        if (r < 0)
            return r;
        self->table_index = index;
    }
    vd_le32_encode(self->table + grain % self->header.table_entries * ENTRY_BYTES, entry);
    self->table_used = true;
    return VD_OK;
}

/* --- grains --- */

/* The grains in the buffer, those of zeros left out when asked so. */
static int put_grains(struct rewriting *self, uint64_t first_grain, size_t count,
                      struct vd_error *err)
{
    uint64_t start = self->next_sectors;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *grain = self->buffer + i * self->grain_bytes;
        int r;

        if (self->asked->drop_zeros && vd_bytes_all_zero(grain, (size_t)self->grain_bytes))
            continue;
        if (self->next_sectors + self->header.grain_sectors > MAX_FILE_SECTORS)
            return vd_error_set(err, VD_E_TOO_BIG,
                                "'%s' would pass the 2 TiB that a sparse extent can address",
                                vd_block_path(self->to));
        if (kept != i)
            memmove(self->buffer + kept * self->grain_bytes, grain, (size_t)self->grain_bytes);
        r = put_entry(self, first_grain + i, (uint32_t)self->next_sectors, err);
        if (r < 0)
            return r;
        self->next_sectors += self->header.grain_sectors;
        kept++;
    }
    if (kept == 0)
        return VD_OK;
    return vd_block_write(self->to, vd_sectors_to_bytes(start), self->buffer,
                          kept * (size_t)self->grain_bytes, err);
}

static int copy_data(struct rewriting *self, uint64_t start_sectors, const struct vd_lookup *run,
                     struct vd_error *err)
{
    uint64_t done_bytes = 0;
    uint64_t length = vd_sectors_to_bytes(run->length_sectors);
    uint64_t stored = vd_sectors_to_bytes(run->stored_sectors);

    while (done_bytes < length) {
        uint64_t piece = VD_MIN(length - done_bytes, (uint64_t)self->buffer_bytes);
        uint64_t there = stored > done_bytes ? VD_MIN(stored - done_bytes, piece) : 0;
        uint64_t grain =
            (start_sectors + done_bytes / VD_SECTOR_BYTES) / self->header.grain_sectors;
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

static int copy_zeros(struct rewriting *self, uint64_t start_sectors, uint64_t length_sectors,
                      struct vd_error *err)
{
    uint64_t grain = start_sectors / self->header.grain_sectors;
    uint64_t end = vd_div_up(start_sectors + length_sectors, self->header.grain_sectors);
    int r = VD_OK;

    for (; r == VD_OK && grain < end && !self->asked->drop_zeros; grain++)
        r = put_entry(self, grain, GTE_ZERO, err);
    return r;
}

static int report(const struct rewriting *self, uint64_t done_sectors, struct vd_error *err)
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
static int copy_grains(struct rewriting *self, struct vd_error *err)
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

static int run_rewrite(struct rewriting *self, const struct vd_buf *text, struct vd_error *err)
{
    int r = lay_out(self, text->length, err);

    if (r < 0)
        return r;
    self->buffer_bytes =
        (size_t)(VD_MAX(BATCH_BYTES / self->grain_bytes, UINT64_C(1)) * self->grain_bytes);
    self->buffer = malloc(self->buffer_bytes);
    self->table = calloc(self->header.table_entries, ENTRY_BYTES);
    if (!self->buffer || !self->table)
        return no_memory(self, err);
    r = write_front(self, text, err);
    if (r == VD_OK && self->asked->from)
        r = copy_grains(self, err);
    return r < 0 ? r : vd_block_flush(self->to, err);
}

int vd_sparse_rewrite(const struct vd_sparse_rewrite *rewrite, struct vd_block *to,
                      struct vd_error *err)
{
    struct rewriting self = {.asked = rewrite, .to = to};
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = VD_OK;

    if (rewrite->from && rewrite->from->facts.compressed)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' is compressed and cannot be changed",
                            vd_block_path(rewrite->from->block));
    if (rewrite->descriptor)
        r = vd_descriptor_to_text(rewrite->descriptor, &text, err);
    if (r == VD_OK)
        r = run_rewrite(&self, &text, err);
    free(self.buffer);
    free(self.table);
    vd_buf_done(&text);
    return r;
}

int vd_sparse_is_compact(struct vd_extent *extent, bool *ret, struct vd_error *err)
{
    uint64_t grain_bytes = vd_sectors_to_bytes(extent->grain_sectors);
    /* What the header claims; where it lies past all, no grain will be found there. */
    uint64_t next_bytes =
        vd_sectors_to_bytes(VD_MIN(extent->facts.overhead_sectors, VD_MAX_SECTORS));
    uint64_t sector = 0;

    *ret = true;
    while (sector < extent->capacity_sectors && *ret) {
        struct vd_lookup run;
        int r = vd_extent_lookup(extent, sector, extent->capacity_sectors - sector, &run, err);

        if (r < 0)
            return r;
        if (run.kind == VD_LOOKUP_DATA) {
            uint64_t length = vd_sectors_to_bytes(run.length_sectors);

            *ret = run.offset_bytes == next_bytes;
            next_bytes += vd_div_up(length, grain_bytes) * grain_bytes;
        }
        sector += run.length_sectors;
    }
    /* Leaked grains and a tail count as gaps; a last grain may be cut short. */
    *ret = *ret && extent->file_bytes <= next_bytes;
    return VD_OK;
}
