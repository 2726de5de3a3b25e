/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/space.h"

#include "base/units.h"
#include "ops/runs.h"

/* Of text, headers and rounding in each file: the descriptor area is 10 KiB, and an extent begins
 * its grains at a multiple of 64 KiB. */
#define FILE_EXTRA_BYTES (256 * VD_KIB)
/* Files of a split disk hold this much at least (all but the last). */
#define SPLIT_BYTES (2000 * VD_MIB)
/* Grains of KDMV disks; one map entry takes 4 bytes, twice. COWD has grains of one sector: 4 bytes
 * for 512. SESparse: grains of 4 KiB, 8 bytes in a table, and as much again in maps and journal. */
#define KDMV_GRAIN_BYTES     (64 * VD_KIB)
#define SESPARSE_GRAIN_BYTES (4 * VD_KIB)

/* Data in whole pieces of `grain_bytes`: a run may begin and end inside one. */
static int count_data(struct vd_disk *disk, uint64_t grain_bytes, uint64_t *ret_bytes,
                      struct vd_error *err)
{
    uint64_t grain_sectors = grain_bytes / VD_SECTOR_BYTES;
    uint64_t counted_to = 0; /* grains below are counted */
    uint64_t grains = 0;
    struct vd_runs runs;
    struct vd_run run;
    int r;

    vd_runs_init(&runs, disk, 0, vd_disk_capacity(disk));
    while ((r = vd_runs_next(&runs, &run, err)) > 0) {
        uint64_t first = VD_MAX(run.start_sectors / grain_sectors, counted_to);
        uint64_t end = vd_div_up(vd_run_end(&run), grain_sectors);

        if (vd_run_is_hole(&run) || end <= first)
            continue;
        grains += end - first;
        counted_to = end;
    }
    *ret_bytes = grains * grain_bytes;
    return r;
}

static int sparse_space(struct vd_disk *disk, uint64_t grain_bytes, uint64_t entry_bytes,
                        uint64_t *ret_bytes, struct vd_error *err)
{
    uint64_t capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk));
    uint64_t entries = vd_div_up(capacity_bytes, grain_bytes);
    uint64_t files = capacity_bytes / SPLIT_BYTES + 2;
    int r = count_data(disk, grain_bytes, ret_bytes, err);

    /* Tables, a directory an eightieth of them at most, and what surrounds them. */
    *ret_bytes += entries * entry_bytes + entries * entry_bytes / 64 + files * FILE_EXTRA_BYTES;
    return r;
}

static int stream_space(struct vd_disk *disk, uint64_t *ret_bytes, struct vd_error *err)
{
    int r = sparse_space(disk, KDMV_GRAIN_BYTES, 4, ret_bytes, err);

    /* What does not compress grows by a record's head and deflate's own, less than 1 in 64; records
     * are padded to sectors. */
    *ret_bytes += *ret_bytes / 64 + *ret_bytes / KDMV_GRAIN_BYTES * VD_SECTOR_BYTES;
    return r;
}

int vd_space_needed(struct vd_disk *disk, enum vd_disk_type type, uint64_t *ret_bytes,
                    struct vd_error *err)
{
    uint64_t capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk));
    struct vd_disk_info info;

    vd_disk_info(disk, &info);
    switch (type == VD_DISK_UNKNOWN ? info.type : type) {
    case VD_DISK_MONOLITHIC_SPARSE:
    case VD_DISK_SPLIT_SPARSE:
        return sparse_space(disk, KDMV_GRAIN_BYTES, 8, ret_bytes, err);
    case VD_DISK_STREAM_OPTIMIZED:
        return stream_space(disk, ret_bytes, err);
    case VD_DISK_VMFS_SPARSE:
        return sparse_space(disk, VD_SECTOR_BYTES, 4, ret_bytes, err);
    case VD_DISK_SE_SPARSE:
        return sparse_space(disk, SESPARSE_GRAIN_BYTES, 32, ret_bytes, err);
    case VD_DISK_MONOLITHIC_FLAT:
    case VD_DISK_SPLIT_FLAT:
    case VD_DISK_VMFS_FLAT:
        *ret_bytes = capacity_bytes + (capacity_bytes / SPLIT_BYTES + 2) * FILE_EXTRA_BYTES;
        return VD_OK;
    case VD_DISK_VMFS_THIN:
    case VD_DISK_RAW:
        return sparse_space(disk, SESPARSE_GRAIN_BYTES, 0, ret_bytes, err);
    default:
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "the space of a copy of '%s' is not known: its type is no type of "
                            "file",
                            vd_disk_path(disk));
    }
}
