/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-unreadable.h"

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-embedded.h"
#include "vmdk/check-kdmv-int.h"
#include "vmdk/stream-marker.h"

bool vd_check_is_headless_stream(struct vd_block *block)
{
    uint8_t bytes[3 * VD_SECTOR_BYTES];
    struct vd_kdmv_header header;
    uint64_t file_bytes;
    if (vd_kdmv_header_read(block, &header, NULL) >= 0 ||
        vd_block_size(block, &file_bytes, NULL) < 0)
        return false;
    uint64_t sectors = file_bytes / VD_SECTOR_BYTES;
    if (sectors < VD_ARRAY_SIZE(bytes) / VD_SECTOR_BYTES ||
        vd_block_read(block, vd_sectors_to_bytes(sectors - 3), bytes, sizeof bytes, NULL) < 0)
        return false;
    struct vd_stream_marker marker = vd_stream_marker_decode(bytes);
    return marker.size_bytes == 0 && marker.type == VD_MARKER_FOOTER &&
           vd_kdmv_header_decode(bytes + VD_SECTOR_BYTES, vd_block_path(block), &header, NULL) >=
               0 &&
           vd_bytes_all_zero(bytes + 2 * VD_SECTOR_BYTES, VD_SECTOR_BYTES);
}

/* 1 where the footer proves the header (and, where repairs are made, that is written), else 0. */
static int mend_header(struct vd_check_file *file, struct vd_block *block, struct vd_error *err)
{
    struct vd_kdmv_check k = {.file = file, .block = block};
    struct vd_kdmv_header header;
    int r = vd_block_size(block, &k.file_bytes, err);
    if (r < 0 || !vd_check_is_headless_stream(block))
        return r;
    r = vd_stream_propose_header(&k, &header, err);
    if (r <= 0 || file->repair == NULL)
        return r;
    r = vd_stream_put_header(file->repair, &header, err);
    return r < 0 ? r : 1;
}

static void tell_no_way(struct vd_check_file *file, const struct vd_error *why)
{
    vd_check_fault(file, why->code == VD_E_TEXT_MODE ? "text-mode" : "disk-unreadable", 0, false,
                   "%s; restore it from a backup", why->text);
}

static int mend(struct vd_check_file *file, struct vd_block *block, const struct vd_error *why,
                bool *ret_mended, struct vd_error *err)
{
    if (why->code == VD_E_TEXT_MODE) {
        tell_no_way(file, why);
        return 0;
    }
    int header = mend_header(file, block, err);
    int text = header == 0 ? vd_check_mend_embedded(file, block, err) : 0;
    if (header < 0 || text < 0)
        return VD_MIN(header, text);
    if (header > 0)
        vd_check_fault(file, "header-invalid", 0, true,
                       "%s; the stream is sound as its footer has it", why->text);
    else if (text > 0)
        vd_check_fault(file, "descriptor-invalid", VD_CHECK_NOWHERE, true,
                       "%s; what is left of the descriptor, and the header, say enough to write it "
                       "anew",
                       why->text);
    else
        tell_no_way(file, why);
    *ret_mended = (header > 0 || text > 0) && file->repair != NULL;
    return 0;
}

static int open_and_mend(struct vd_check_file *file, const struct vd_error *why, bool *ret_mended,
                         struct vd_error *err)
{
    const struct vd_fs *fs = file->run->fs;
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    if (!file->repairing) {
        int r = vd_fs_open(fs, file->path, 0, &block, err);
        return r < 0 ? r : mend(file, block, why, ret_mended, err);
    }
    int r = vd_repair_open(fs, file->path, &file->repair, err);
    if (r < 0)
        return r;
    r = mend(file, vd_repair_block(file->repair), why, ret_mended, err);
    int closed = vd_repair_close(file->repair, r < 0 ? NULL : err);
    file->repair = NULL;
    return r < 0 ? r : closed;
}

int vd_check_unreadable(struct vd_check_run *run, const char *path, const struct vd_error *why,
                        bool *ret_mended, struct vd_error *err)
{
    struct vd_check_file file;
    bool mended = false;
    vd_check_file_init(&file, run, 0, path);
    file.repairing = run->options->repair;
    int r = open_and_mend(&file, why, &mended, err);
    if (r >= 0)
        r = vd_check_file_finish(&file, err);
    vd_check_file_done(&file);
    if (r >= 0)
        *ret_mended = mended;
    return r;
}
