/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/write-range.h"

#include <stdlib.h>

#include "base/units.h"
#include "ops/copy-int.h"

#define BUFFER_BYTES (1u << 20)

struct writing {
    const struct vd_stream_source *source;
    struct vd_disk *disk;
    uint64_t at_bytes;
    uint64_t end_bytes; /* UINT64_MAX: where the source ends */
    uint8_t *buffer;
};

static int out_of_range(const struct writing *self, struct vd_error *err)
{
    return vd_error_set(
        err, VD_E_OUT_OF_RANGE, "cannot write past the end of '%s': it has %ju bytes",
        vd_disk_path(self->disk), (uintmax_t)vd_sectors_to_bytes(vd_disk_capacity(self->disk)));
}

/* The sector that byte `skip` of the buffer stands in, as it is now. */
static int fill_sector(const struct writing *self, uint64_t buffer_sector, size_t skip,
                       struct vd_error *err)
{
    size_t sector = skip / VD_SECTOR_BYTES;
    uint8_t now[VD_SECTOR_BYTES];
    int r = vd_disk_read(self->disk, buffer_sector + sector, 1, now, err);
    size_t within = skip % VD_SECTOR_BYTES;

    if (r < 0)
        return r;
    for (size_t i = within; i < VD_SECTOR_BYTES; i++)
        self->buffer[sector * VD_SECTOR_BYTES + i] = now[i];
    return VD_OK;
}

static int read_source(const struct writing *self, size_t skip, size_t wanted, size_t *ret,
                       struct vd_error *err)
{
    size_t done = 0;

    while (done < wanted) {
        size_t n;
        int r = self->source->read(self->source->data, self->buffer + skip + done, wanted - done,
                                   &n, err);

        if (r < 0)
            return r;
        if (n == 0)
            break;
        done += n;
    }
    *ret = done;
    return VD_OK;
}

/* One buffer; 1 while there may be more. */
static int write_piece(struct writing *self, struct vd_error *err)
{
    uint64_t first = self->at_bytes / VD_SECTOR_BYTES;
    size_t skip = (size_t)(self->at_bytes % VD_SECTOR_BYTES);
    size_t wanted = (size_t)VD_MIN((uint64_t)BUFFER_BYTES - skip, self->end_bytes - self->at_bytes);
    size_t done = 0;
    size_t end;
    int r = VD_OK;

    if (wanted == 0)
        return 0;
    if (skip > 0) {
        r = fill_sector(self, first, 0, err);
        if (r < 0)
            return r;
    }
    r = read_source(self, skip, wanted, &done, err);
    if (r < 0 || done == 0)
        return r;
    end = skip + done;
    if (vd_bytes_to_sectors_up(self->at_bytes + done) > vd_disk_capacity(self->disk))
        return out_of_range(self, err);
    if (end % VD_SECTOR_BYTES != 0)
        r = fill_sector(self, first, end, err);
    if (r == VD_OK)
        r = vd_disk_write(self->disk, first, vd_bytes_to_sectors_up(end), self->buffer, err);
    self->at_bytes += done;
    return r < 0 ? r : done == wanted;
}

static int run(struct writing *self, uint64_t length_bytes, const struct vd_progress *progress,
               struct vd_error *err)
{
    uint64_t start = self->at_bytes;
    uint64_t total = length_bytes == UINT64_MAX ? 0 : length_bytes;
    int r;

    while ((r = write_piece(self, err)) > 0) {
        r = vd_copy_report(progress, self->at_bytes - start, total, err);
        if (r < 0)
            return r;
    }
    if (r == VD_OK && length_bytes != UINT64_MAX && self->at_bytes != self->end_bytes)
        r = vd_error_set(err, VD_E_TRUNCATED, "the input ends after %ju bytes of %ju",
                         (uintmax_t)(self->at_bytes - start), (uintmax_t)length_bytes);
    return r < 0 ? r : vd_disk_flush(self->disk, err);
}

int vd_write_range(const struct vd_stream_source *source, struct vd_disk *disk,
                   uint64_t offset_bytes, uint64_t length_bytes, const struct vd_progress *progress,
                   struct vd_error *err)
{
    uint64_t capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk));
    struct writing self = {source, disk, offset_bytes, UINT64_MAX, NULL};
    int r;

    if (offset_bytes > capacity_bytes ||
        (length_bytes != UINT64_MAX && length_bytes > capacity_bytes - offset_bytes))
        return out_of_range(&self, err);
    if (length_bytes != UINT64_MAX)
        self.end_bytes = offset_bytes + length_bytes;
    self.buffer = malloc(BUFFER_BYTES);
    if (!self.buffer)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    r = run(&self, length_bytes, progress, err);
    free(self.buffer);
    return r;
}
