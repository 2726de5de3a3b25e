/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole chain over files in memory: opened, described, reported, mapped and read.
 *
 * Input: one byte of vd_vmdk_flag, then files: one byte that picks a name, one that says how many
 * 4 KiB of zeros follow the bytes given, two (little-endian) for their length, the bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/memory.h"
#include "vmdk/report.h"
#include "vmdk/vmdk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_HEADER_BYTES 4u
#define MAX_MAP_CALLS     200
#define READ_SECTORS      64u

static const char *const names[] = {"d.vmdk",      "p.vmdk", "g.vmdk", "d-delta.vmdk",
                                    "d-flat.vmdk", "a",      "b.vmdk", "sub/x.vmdk"};

static void add_files(struct vd_fs_memory *files, const uint8_t *data, size_t size)
{
    while (size >= FILE_HEADER_BYTES) {
        const char *name = names[data[0] % VD_ARRAY_SIZE(names)];
        uint64_t zeros_bytes = data[1] * UINT64_C(4096);
        size_t length = vd_le16_decode(data + 2);
        data += FILE_HEADER_BYTES;
        size -= FILE_HEADER_BYTES;
        length = VD_MIN(length, size);
        int r = vd_fs_memory_add_sparse(files, name, data, length, length + zeros_bytes, NULL);
        assert(r >= 0);
        data += length;
        size -= length;
    }
}

static void check_told(int r, const struct vd_error *err)
{
    assert((r < 0) == (err->code < 0));
    assert(r >= 0 || err->text[0] != '\0');
}

static void map_all(struct vd_disk *disk)
{
    struct vd_run runs[64];
    uint64_t sector = 0;
    for (int i = 0; i < MAX_MAP_CALLS && sector < vd_disk_capacity(disk); i++) {
        struct vd_error err = VD_ERROR_INIT;
        size_t count = 0;
        int r = vd_disk_map(disk, sector, vd_disk_capacity(disk) - sector, runs,
                            VD_ARRAY_SIZE(runs), &count, &err);
        check_told(r, &err);
        if (r < 0)
            return;
        assert(count > 0 && runs[0].start_sectors == sector);
        sector = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
}

static void read_at(struct vd_disk *disk, uint64_t sector)
{
    static uint8_t buffer[READ_SECTORS * VD_SECTOR_BYTES];
    uint64_t capacity_sectors = vd_disk_capacity(disk);
    if (sector >= capacity_sectors)
        return;
    struct vd_error err = VD_ERROR_INIT;
    uint64_t count = VD_MIN((uint64_t)READ_SECTORS, capacity_sectors - sector);
    check_told(vd_disk_read(disk, sector, count, buffer, &err), &err);
}

static void use_disk(struct vd_disk *disk)
{
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    for (size_t i = 0; vd_disk_meta_key(disk, i) != NULL; i++)
        assert(vd_disk_meta_get(disk, vd_disk_meta_key(disk, i)) != NULL);
    map_all(disk);
    uint64_t capacity_sectors = vd_disk_capacity(disk);
    read_at(disk, 0);
    read_at(disk, 1000);
    read_at(disk, capacity_sectors / 2);
    read_at(disk, capacity_sectors - VD_MIN(capacity_sectors, (uint64_t)READ_SECTORS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    int r = vd_fs_memory_new(&files, NULL);
    assert(r >= 0);
    if (size == 0)
        return 0;
    add_files(files, data + 1, size - 1);
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = data[0]};

    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    r = vd_vmdk_open(names[0], &options, &disk, &err);
    check_told(r, &err);
    if (r >= 0)
        use_disk(disk);
    vd_disk_free(disk);

    struct vd_report *report = NULL;
    vd_error_clear(&err);
    r = vd_report_new(names[0], &options, false, &report, &err);
    check_told(r, &err);
    vd_report_free(report);
    return 0;
}
