/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/extent-write.h"

#include "base/units.h"

void vd_extent_writer_init(struct vd_extent_writer *writer, uint64_t next_bytes)
{
    *writer = (struct vd_extent_writer){.next_bytes = next_bytes};
    (void)pthread_mutex_init(&writer->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&writer->flush_lock, NULL);
}

void vd_extent_writer_done(struct vd_extent_writer *writer)
{
    (void)pthread_mutex_destroy(&writer->lock);
    (void)pthread_mutex_destroy(&writer->flush_lock);
}

static int take_batch(struct vd_extent_writer *writer, struct vd_extent *extent,
                      int (*enter)(struct vd_extent *extent, struct vd_error *err),
                      struct vd_table_batch **ret, struct vd_error *err)
{
    (void)pthread_mutex_lock(&writer->lock);
    int r = enter ? enter(extent, err) : 0;
    if (r >= 0)
        r = vd_table_batch_take(extent->cache, extent->block, ret, err);
    (void)pthread_mutex_unlock(&writer->lock);
    return r;
}

static int write_batch(struct vd_extent *extent, const struct vd_table_batch *batch,
                       struct vd_error *err)
{
    int r = vd_block_flush(extent->block, err);
    for (uint32_t phase = 0; r >= 0 && phase < VD_TABLE_PHASES; phase++) {
        if (!vd_table_batch_has(batch, phase))
            continue;
        r = vd_table_batch_write(batch, phase, err);
        if (r >= 0)
            r = vd_block_flush(extent->block, err);
    }
    return r;
}

int vd_extent_writer_flush(struct vd_extent_writer *writer, struct vd_extent *extent,
                           int (*enter)(struct vd_extent *extent, struct vd_error *err),
                           struct vd_error *err)
{
    struct vd_table_batch *batch = NULL;
    (void)pthread_mutex_lock(&writer->flush_lock);
    int r = take_batch(writer, extent, enter, &batch, err);
    if (r >= 0) {
        r = write_batch(extent, batch, err);
        vd_table_batch_end(batch, r >= 0);
    }
    (void)pthread_mutex_unlock(&writer->flush_lock);
    return r;
}

int vd_extent_set_byte(struct vd_extent *extent, uint64_t offset_bytes, uint8_t value,
                       struct vd_error *err)
{
    uint8_t sector[VD_SECTOR_BYTES];
    uint64_t start = offset_bytes - offset_bytes % VD_SECTOR_BYTES;
    int r = vd_block_read(extent->block, start, sector, sizeof sector, err);
    if (r < 0)
        return r;
    if (sector[offset_bytes - start] == value)
        return 0;
    sector[offset_bytes - start] = value;
    r = vd_block_write(extent->block, start, sector, sizeof sector, err);
    return r < 0 ? r : vd_block_flush(extent->block, err);
}
