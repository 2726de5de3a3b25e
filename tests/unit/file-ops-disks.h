/* SPDX-License-Identifier: Apache-2.0 */
/* Small writable disks in memory, with a way to see that their content is what it was. */
#ifndef VD_TESTS_FILE_OPS_DISKS_H
#define VD_TESTS_FILE_OPS_DISKS_H

#include <stdio.h>
#include <string.h>

#include "block/fault.h"
#include "build-cowd.h"
#include "build-kdmv.h"
#include "build-sesparse.h"
#include "memory-disks.h"
#include "vmdk/vmdk.h"

#define PART_SECTORS  200u
#define GRAIN_SECTORS 16u

enum disk_kind { SPARSE, SPLIT_SPARSE, COWD, SESPARSE, FLAT, SPLIT_FLAT, CHILD, NUM_KINDS };

/* Grains 9, 2, 5 in this order; 5 holds zeros. */
static inline void add_sparse_part(struct vd_fs_memory *files, const char *path, const char *text)
{
    struct kdmv_shape shape = {
        .capacity_sectors = PART_SECTORS,
        .grain_sectors = GRAIN_SECTORS,
        .descriptor_sectors = text ? 4 : 0,
    };
    KDMV_IMAGE image = {0};
    uint64_t zeros;

    kdmv_plain(&image, &shape);
    if (text)
        memcpy(image.bytes + 512, text, strlen(text));
    (void)kdmv_add_grain(&image, 9);
    (void)kdmv_add_grain(&image, 2);
    zeros = kdmv_add_grain(&image, 5);
    memset(image.bytes + zeros * 512, 0, (size_t)GRAIN_SECTORS * 512);
    check_code(vd_fs_memory_add(files, path, image.bytes, image.length, NULL), VD_OK);
}

static inline const uint8_t *grain_of(unsigned grain)
{
    static uint8_t bytes[GRAIN_SECTORS * VD_SECTOR_BYTES];
    memset(bytes, grain == 5 ? 0 : 'a' + (int)grain, sizeof bytes);
    return bytes;
}

/* The same grains, and zeros in grain 7. */
static inline void add_cowd(struct vd_fs_memory *files, const char *path)
{
    struct build_cowd cowd;
    build_cowd_init(&cowd, PART_SECTORS, GRAIN_SECTORS);
    (void)build_cowd_allocate(&cowd, 8 - cowd.free_sector); /* as in new files */
    build_cowd_data(&cowd, 9, grain_of(9));
    build_cowd_data(&cowd, 2, grain_of(2));
    build_cowd_data(&cowd, 5, grain_of(5));
    build_cowd_zero(&cowd, 7);
    check_code(vd_fs_memory_add(files, path, cowd.image.bytes, cowd.image.length, NULL), VD_OK);
    build_cowd_done(&cowd);
}

/* The same, each in two grains of the format's size. */
static inline void add_sesparse(struct vd_fs_memory *files, const char *path)
{
    static const unsigned grains[] = {9, 2, 5};
    struct build_sesparse se;
    build_sesparse_init(&se, PART_SECTORS, 1);
    for (size_t i = 0; i < VD_ARRAY_SIZE(grains); i++) {
        build_sesparse_data(&se, grains[i] * 2, grain_of(grains[i]));
        build_sesparse_data(&se, grains[i] * 2 + 1, grain_of(grains[i]));
    }
    build_sesparse_zero(&se, 14, 1);
    build_sesparse_zero(&se, 15, 2);
    build_image_u64(&se.image, VD_SECTOR_BYTES + 8, se.next_table);
    check_code(vd_fs_memory_add(files, path, se.image.bytes, se.image.length, NULL), VD_OK);
    build_sesparse_done(&se);
}

#define DDB \
    "ddb.adapterType = \"lsilogic\"\nddb.longContentID = \"00\"\nddb.geometry.heads = \"1\"\n"

static inline void add_disk(struct vd_fs_memory *files, enum disk_kind kind)
{
    switch (kind) {
    case SPARSE:
        add_sparse_part(files, "dir/a.vmdk",
                        HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
                             "RW 200 SPARSE \"a.vmdk\"\n" DDB);
        return;
    case SPLIT_SPARSE:
        add_text(files, "dir/a.vmdk",
                 HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentSparse\"\n"
                      "RW 200 SPARSE \"a-s001.vmdk\"\nRW 200 SPARSE \"a-s002.vmdk\"\n" DDB);
        add_sparse_part(files, "dir/a-s001.vmdk", NULL);
        add_sparse_part(files, "dir/a-s002.vmdk", NULL);
        return;
    case COWD:
        add_text(files, "dir/a.vmdk",
                 HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"vmfsSparse\"\n"
                      "RW 200 VMFSSPARSE \"a-delta.vmdk\"\n" DDB);
        add_cowd(files, "dir/a-delta.vmdk");
        return;
    case SESPARSE:
        add_text(files, "dir/a.vmdk",
                 HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"seSparse\"\n"
                      "RW 200 SESPARSE \"a-sesparse.vmdk\"\n" DDB);
        add_sesparse(files, "dir/a-sesparse.vmdk");
        return;
    case FLAT:
        add_text(files, "dir/a.vmdk",
                 HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                      "RW 200 FLAT \"a-flat.vmdk\" 0\n" DDB);
        add_data(files, "dir/a-flat.vmdk", PART_SECTORS, 'f');
        return;
    case SPLIT_FLAT:
        add_text(files, "dir/a.vmdk",
                 HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\n"
                      "RW 200 FLAT \"a-f001.vmdk\" 0\nRW 100 FLAT \"other.vmdk\" 0\n" DDB);
        add_data(files, "dir/a-f001.vmdk", PART_SECTORS, 'f');
        add_data(files, "dir/other.vmdk", 100, 'g');
        return;
    case CHILD:
        add_text(files, "dir/base.vmdk",
                 HEAD "CID=0000000b\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                      "RW 200 FLAT \"base-flat.vmdk\" 0\n" DDB);
        add_data(files, "dir/base-flat.vmdk", PART_SECTORS, 'b');
        add_sparse_part(files, "dir/a.vmdk",
                        HEAD "CID=0000000a\nparentCID=0000000b\ncreateType=\"monolithicSparse\"\n"
                             "parentFileNameHint=\"base.vmdk\"\nRW 200 SPARSE \"a.vmdk\"\n" DDB);
        return;
    case NUM_KINDS:
        break;
    }
    test_fail("no such kind");
}

/* The whole content, with its length; NULL when there is no such disk. Anything else than a disk
 * that is whole or is not there fails the test. */
static inline uint8_t *read_disk(const struct vd_fs *fs, const char *path, size_t *ret_length)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_vmdk_open(path, &options, &disk, &err);
    uint64_t sectors;
    uint8_t *bytes;

    if (r == VD_E_NOT_FOUND && strstr(err.text, "extent") == NULL)
        return NULL;
    check_code_err(r, VD_OK, &err);
    sectors = vd_disk_capacity(disk);
    bytes = malloc((size_t)sectors * 512);
    check(bytes != NULL);
    check_code_err(vd_disk_read(disk, 0, sectors, bytes, &err), VD_OK, &err);
    *ret_length = (size_t)sectors * 512;
    return bytes;
}

/* Does the disk begin with these bytes, and read zeros after them? */
static inline bool disk_has(const struct vd_fs *fs, const char *path, const uint8_t *want,
                            size_t length)
{
    size_t got_length = 0;
    VD_FREE uint8_t *got = read_disk(fs, path, &got_length);

    if (!got)
        return false;
    check(got_length >= length);
    check_mem_eq(got, want, length);
    for (size_t i = length; i < got_length; i++)
        check_int_eq(got[i], 0);
    return true;
}

#endif
