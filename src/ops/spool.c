/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/spool.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/units.h"
#include "disk/raw.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"
#include "ops/temp-file.h"

/* As coarse as the grains that are looked at again when the disk is made. */
#define PIECE_BYTES ((size_t)64 * VD_KIB)

static int store(struct vd_block *block, uint64_t offset_bytes, const uint8_t *bytes, size_t length,
                 struct vd_error *err)
{
    for (size_t at = 0; at < length; at += PIECE_BYTES) {
        size_t piece = VD_MIN(length - at, PIECE_BYTES);
        int r = VD_OK;

        if (!vd_bytes_all_zero(bytes + at, piece))
            r = vd_block_write(block, offset_bytes + at, bytes + at, piece, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static int store_all(struct vd_raw_stream *raw, struct vd_block *block,
                     const struct vd_progress *progress, struct vd_error *err)
{
    VD_FREE uint8_t *buffer = malloc(VD_STEP_BYTES);
    uint64_t done_bytes = 0;

    if (!buffer)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the copy buffer");
    for (;;) {
        size_t length;
        int r = vd_raw_stream_next(raw, buffer, &length, err);

        if (r == VD_OK && length == 0)
            return vd_block_resize(block, done_bytes, err);
        if (r == VD_OK)
            r = store(block, done_bytes, buffer, length, err);
        done_bytes += length;
        if (r == VD_OK)
            r = vd_copy_report(progress, done_bytes, 0, err);
        if (r < 0)
            return r;
    }
}

int vd_spool_open(struct vd_raw_stream *raw, const char *beside, const struct vd_fs *fs,
                  const struct vd_progress *progress, struct vd_spool *ret, struct vd_error *err)
{
    struct vd_spool spool = {.fs = fs ? fs : vd_fs_host()};
    struct vd_block *block = NULL;
    int r = vd_temp_file_create(spool.fs, beside, &spool.path, &block, err);

    if (r == VD_OK)
        r = store_all(raw, block, progress, err);
    if (r == VD_OK)
        r = vd_block_close(VD_TAKE_PTR(block), err);
    vd_block_free(block);
    if (r == VD_OK)
        r = vd_raw_open(spool.fs, spool.path, 0, &spool.disk, err);
    if (r < 0)
        vd_spool_done(&spool);
    else
        *ret = spool;
    return r;
}

void vd_spool_done(struct vd_spool *spool)
{
    vd_disk_free(spool->disk);
    if (spool->path)
        VD_DISCARD(vd_fs_unlink(spool->fs, spool->path, NULL)); /* nothing better can be done */
    free(spool->path);
    *spool = (struct vd_spool){0};
}
