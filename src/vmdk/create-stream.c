/* SPDX-License-Identifier: Apache-2.0 */
/* A streamOptimized disk without a grain. It cannot be written any more: it is for who wants a disk
 * of zeros to ship. */
#include "base/units.h"
#include "vmdk/create-int.h"
#include "vmdk/stream-writer.h"

struct to_file {
    struct vd_block *block;
    uint64_t written_bytes;
};

static int write_bytes(void *data, const void *bytes, size_t length, struct vd_error *err)
{
    struct to_file *to = data;
    int r = vd_block_write(to->block, to->written_bytes, bytes, length, err);
    to->written_bytes += length;
    return r;
}

/* The writer makes its own descriptor; the sector sizes are all it would leave out. */
int vd_create_stream(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                     struct vd_error *err)
{
    VD_CLEANUP(vd_stream_writer_free_cleanup) struct vd_stream_writer *writer = NULL;
    struct to_file to = {.block = block};
    const struct vd_stream_sink sink = {write_bytes, &to, create->path};
    const char *ddb[] = {"logicalSectorSize", "512", "physicalSectorSize", "512", NULL};
    if (create->params->logical_sector_bytes == 4096)
        ddb[1] = "4096";
    if (create->params->physical_sector_bytes == 4096)
        ddb[3] = "4096";
    const struct vd_stream_writer_params params = {
        .capacity_sectors = sectors,
        .adapter = create->params->adapter,
        .hw_version = create->params->hw_version,
        .ddb = create->params->physical_sector_bytes == 4096 ? ddb : NULL,
    };
    int r = vd_stream_writer_open(&sink, &params, &writer, err);
    return r < 0 ? r : vd_stream_writer_finish(writer, err);
}
