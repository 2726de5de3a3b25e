/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/units.h"
#include "vmdk/check-int.h"

int vd_check_flat(struct vd_check_file *file, struct vd_block *block,
                  const struct vd_extent_line *line, struct vd_error *err)
{
    uint64_t end_sectors, end_bytes, file_bytes;
    int r = vd_block_size(block, &file_bytes, err);
    if (r < 0)
        return r;
    if (!vd_add_u64(line->offset_sectors, line->sectors, &end_sectors) ||
        !vd_sectors_to_bytes_checked(end_sectors, &end_bytes))
        vd_check_fault(file, "extent-size", VD_CHECK_NOWHERE, false,
                       "'%s': the descriptor places %" PRIu64 " sectors at sector %" PRIu64
                       " of the file, which no file reaches; correct the extent line",
                       file->path, line->sectors, line->offset_sectors);
    else if (file_bytes < end_bytes)
        vd_check_fault(file, "flat-short", file_bytes, false,
                       "'%s' has %" PRIu64 " bytes, expected at least %" PRIu64
                       " as its extent line says: its end is missing, restore it from a backup",
                       file->path, file_bytes, end_bytes);
    return 0;
}
