/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory, checked, repaired, and checked again: a repair leaves no more faults than it
 * told, what it calls clean is clean, and what could be read before can be read after.
 *
 * Input: one byte that picks what the extent is called, and in its highest bit whether what is lost
 * may be given up, one that says how many 4 KiB of zeros
 * follow the bytes given, two (little-endian) for the KiB of capacity in its line, the bytes of the
 * extent.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/memory.h"
#include "vmdk/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_BYTES   4u
#define SALVAGE      0x80u
#define LINE_BYTES   256u
#define READS        64u
#define READ_SECTORS 8u

static const char *const types[] = {"SPARSE", "VMFSSPARSE", "SESPARSE", "FLAT", NULL};

static void note(void *data, const struct vd_finding *finding)
{
    (void)data;
    assert(finding->text[0] != '\0' && finding->file != NULL && finding->id != NULL);
    assert(!finding->repaired || finding->repairable);
}

/* NULL stands for a descriptor inside the file. */
static void add_files(struct vd_fs_memory *files, const uint8_t *data, size_t size)
{
    const char *type = types[data[0] % VD_ARRAY_SIZE(types)];
    uint64_t zeros_bytes = data[1] * UINT64_C(4096);
    unsigned sectors = (unsigned)vd_le16_decode(data + 2) * 2;
    char text[LINE_BYTES];
    int length = snprintf(text, sizeof text,
                          "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
                          "createType=\"custom\"\nRW %u %s \"x\"\n",
                          sectors, type != NULL ? type : "ZERO");
    data += HEAD_BYTES;
    size -= HEAD_BYTES;
    int r = vd_fs_memory_add_sparse(files, type != NULL ? "x" : "d.vmdk", data, size,
                                    size + zeros_bytes, NULL);
    assert(r >= 0);
    if (type == NULL)
        return;
    r = vd_fs_memory_add(files, "d.vmdk", text, (size_t)length, NULL);
    assert(r >= 0);
}

static int check(const struct vd_fs *fs, bool repair, bool salvage, struct vd_check_result *ret)
{
    const struct vd_check_options options = {
        .open = {.fs = fs}, .repair = repair, .salvage = salvage, .finding = note};
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_vmdk_check("d.vmdk", &options, ret, &err);
    assert(r >= 0 || err.text[0] != '\0');
    return r;
}

/* Which of some places of the disk can be read, a bit for each. */
static uint64_t readable(const struct vd_fs *fs)
{
    const struct vd_vmdk_options options = {.fs = fs};
    static uint8_t buffer[READ_SECTORS * VD_SECTOR_BYTES];
    struct vd_disk *disk = NULL;
    uint64_t bits = 0;
    if (vd_vmdk_open("d.vmdk", &options, &disk, NULL) < 0)
        return 0;
    uint64_t capacity = vd_disk_capacity(disk);
    for (uint64_t i = 0; i < READS && capacity >= READ_SECTORS; i++) {
        uint64_t sector = (capacity - READ_SECTORS) / READS * i;
        if (vd_disk_read(disk, sector, READ_SECTORS, buffer, NULL) >= 0)
            bits |= UINT64_C(1) << i;
    }
    vd_disk_free(disk);
    return bits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    struct vd_check_result before, repaired, after;
    if (size < HEAD_BYTES)
        return 0;
    int r = vd_fs_memory_new(&files, NULL);
    assert(r >= 0);
    add_files(files, data, size);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    bool salvage = (data[0] & SALVAGE) != 0;
    if (check(fs, false, salvage, &before) < 0)
        return 0;
    uint64_t could = readable(fs);
    r = check(fs, true, salvage, &repaired);
    /* What was not even readable shows the rest of its faults when that is mended. */
    assert(r >= 0 &&
           (could == 0 ? repaired.faults >= before.faults : repaired.faults == before.faults));
    r = check(fs, false, salvage, &after);
    assert(r >= 0 && after.faults <= repaired.faults);
    assert(after.clean == repaired.clean);
    assert((could & ~readable(fs)) == 0);
    return 0;
}
