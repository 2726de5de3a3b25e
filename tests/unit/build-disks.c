/* SPDX-License-Identifier: Apache-2.0 */
#include "build-disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build-cowd.h"
#include "build-kdmv.h"
#include "build-sesparse.h"
#include "harness.h"

#define PARENT_CID "12345678"
#define LONG_ID    "0123456789abcdef01234567fffffffe"

enum { DESCRIPTOR_SECTORS = 20, SMALL_GRAIN = 8, SMALL_TABLE = 128 };

static const char *const names[BUILT_KINDS] = {
    [BUILT_MONOLITHIC] = "monolithicSparse",
    [BUILT_SINGLE] = "KDMV without redundant tables",
    [BUILT_SPLIT] = "twoGbMaxExtentSparse",
    [BUILT_SPARSE_CHILD] = "sparse child",
    [BUILT_ZERO_CHILD] = "sparse child with zeroed grains",
    [BUILT_COWD] = "vmfsSparse",
    [BUILT_COWD_GRAINS] = "vmfsSparse with larger grains",
    [BUILT_SESPARSE] = "seSparse",
    [BUILT_FLAT] = "twoGbMaxExtentFlat",
};

const char *built_name(enum built_kind kind)
{
    return names[kind];
}

void built_stamp(uint8_t *bytes, uint64_t start_sectors, uint64_t count, uint64_t stamp)
{
    for (uint64_t i = 0; i < count * 64; i++)
        vd_le64_encode(bytes + i * 8, stamp << 32 | (start_sectors + i / 64) << 8 | i % 64);
}

static void add(struct built_disk *disk, const char *path, const void *bytes, size_t length)
{
    check_code(vd_fs_memory_add(disk->files, path, bytes, length, NULL), VD_OK);
}

static void add_kdmv(struct built_disk *disk, const char *path, uint64_t capacity, bool single,
                     unsigned more_flags, const char *text)
{
    KDMV_IMAGE image;
    const struct kdmv_shape shape = {.capacity_sectors = capacity,
                                     .grain_sectors = SMALL_GRAIN,
                                     .table_entries = SMALL_TABLE,
                                     .descriptor_sectors = text ? DESCRIPTOR_SECTORS : 0,
                                     .single = single};
    kdmv_plain(&image, &shape);
    image.header.flags |= more_flags;
    image.header.version = more_flags ? 2 : 1;
    kdmv_put_header(&image);
    if (text)
        memcpy(image.bytes + VD_SECTOR_BYTES, text, strlen(text));
    add(disk, path, image.bytes, image.length);
}

/* A descriptor in the form of VMware's. */
static void text_of(char *text, size_t room, const char *type, bool child, const char *extents)
{
    int length = snprintf(
        text, room,
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=fffffffe\nparentCID=%s\n"
        "createType=\"%s\"\n%s\n# Extent description\n%s\n# The Disk Data Base \n#DDB\n\n"
        "ddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"2\"\n"
        "ddb.geometry.heads = \"64\"\nddb.geometry.sectors = \"32\"\n"
        "ddb.longContentID = \"" LONG_ID "\"\nddb.toolsVersion = \"0\"\n"
        "ddb.uuid = \"60 00 C2 94 cd d7 ea 46-72 20 8f 5e 9f 3a 19 e9\"\n"
        "ddb.virtualHWVersion = \"13\"\n",
        child ? PARENT_CID : "ffffffff", type, child ? "parentFileNameHint=\"parent.vmdk\"\n" : "",
        extents);
    check(length > 0 && (size_t)length < room);
}

static void add_text(struct built_disk *disk, const char *type, bool child, const char *extents)
{
    char text[2048];
    text_of(text, sizeof text, type, child, extents);
    add(disk, BUILT_DISK, text, strlen(text));
}

/* Stamped data with a hole of zeros in the middle. */
static void add_parent(struct built_disk *disk)
{
    char text[512];
    size_t length = (size_t)disk->capacity_sectors * VD_SECTOR_BYTES;
    built_stamp(disk->content, 0, disk->capacity_sectors, 0xfeed);
    memset(disk->content + length / 4, 0, length / 4);
    (void)snprintf(text, sizeof text,
                   "# Disk DescriptorFile\nversion=1\nCID=" PARENT_CID "\nparentCID=ffffffff\n"
                   "createType=\"monolithicFlat\"\nRW %llu FLAT \"parent-flat.vmdk\" 0\n",
                   (unsigned long long)disk->capacity_sectors);
    add(disk, "parent.vmdk", text, strlen(text));
    add(disk, "parent-flat.vmdk", disk->content, length);
}

static void make_monolithic(struct built_disk *disk, bool single, bool child, unsigned flags)
{
    char extents[64], text[2048];
    (void)snprintf(extents, sizeof extents, "RW %llu SPARSE \"" BUILT_DISK "\"\n",
                   (unsigned long long)disk->capacity_sectors);
    if (child)
        add_parent(disk);
    text_of(text, sizeof text, "monolithicSparse", child, extents);
    add_kdmv(disk, BUILT_DISK, disk->capacity_sectors, single, flags, text);
}

static void make_split(struct built_disk *disk)
{
    add_kdmv(disk, "d-s001.vmdk", 1500, false, 0, NULL);
    add_kdmv(disk, "d-s002.vmdk", 1500, false, 0, NULL);
    add_kdmv(disk, "d-s003.vmdk", disk->capacity_sectors - 3000, false, 0, NULL);
    add_text(disk, "twoGbMaxExtentSparse", false,
             "RW 1500 SPARSE \"d-s001.vmdk\"\nRW 1500 SPARSE \"d-s002.vmdk\"\n"
             "RW 1099 SPARSE \"d-s003.vmdk\"\n");
}

static void make_cowd(struct built_disk *disk, uint32_t grain)
{
    struct build_cowd cowd;
    uint8_t data[4 * VD_SECTOR_BYTES];
    add_parent(disk);
    build_cowd_init(&cowd, (uint32_t)disk->capacity_sectors, grain);
    built_stamp(data, 4, 4, 0xc0de);
    build_cowd_data(&cowd, 16 / grain, data);
    memcpy(disk->content + 16 * VD_SECTOR_BYTES, data, (size_t)grain * VD_SECTOR_BYTES);
    build_cowd_zero(&cowd, 32 / grain);
    memset(disk->content + 32 * VD_SECTOR_BYTES, 0, (size_t)grain * VD_SECTOR_BYTES);
    build_image_extend(&cowd.image, cowd.image.length + 4096); /* as ESX grows files ahead */
    add(disk, "d-delta.vmdk", cowd.image.bytes, cowd.image.length);
    build_cowd_done(&cowd);
    char extents[64];
    (void)snprintf(extents, sizeof extents, "RW %llu VMFSSPARSE \"d-delta.vmdk\"\n",
                   (unsigned long long)disk->capacity_sectors);
    add_text(disk, "vmfsSparse", true, extents);
}

static void make_sesparse(struct built_disk *disk)
{
    struct build_sesparse se;
    char extents[64];
    uint8_t data[SESPARSE_GRAIN_SECTORS * VD_SECTOR_BYTES];
    add_parent(disk);
    build_sesparse_init(&se, disk->capacity_sectors, 2);
    built_stamp(data, 24, SESPARSE_GRAIN_SECTORS, 0xc0de);
    build_sesparse_data(&se, 3, data);
    memcpy(disk->content + 24 * VD_SECTOR_BYTES, data, sizeof data);
    build_sesparse_zero(&se, 5, 1);
    memset(disk->content + 40 * VD_SECTOR_BYTES, 0, 8 * VD_SECTOR_BYTES);
    build_image_u64(&se.image, VD_SECTOR_BYTES + 8, se.next_table);
    add(disk, "d-sesparse.vmdk", se.image.bytes, se.image.length);
    build_sesparse_done(&se);
    (void)snprintf(extents, sizeof extents, "RW %llu SESPARSE \"d-sesparse.vmdk\"\n",
                   (unsigned long long)disk->capacity_sectors);
    add_text(disk, "seSparse", true, extents);
}

static void make_flat(struct built_disk *disk)
{
    uint64_t first = 1000, second = disk->capacity_sectors - first;
    VD_FREE uint8_t *shifted = calloc(second + 7, VD_SECTOR_BYTES);
    check(shifted != NULL);
    built_stamp(disk->content, 0, disk->capacity_sectors, 0xf1a7);
    memcpy(shifted + 7 * VD_SECTOR_BYTES, disk->content + first * VD_SECTOR_BYTES,
           second * VD_SECTOR_BYTES);
    add(disk, "d-f001.vmdk", disk->content, first * VD_SECTOR_BYTES);
    add(disk, "d-f002.vmdk", shifted, (second + 7) * VD_SECTOR_BYTES);
    add_text(disk, "twoGbMaxExtentFlat", false,
             "RW 1000 FLAT \"d-f001.vmdk\" 0\nRW 3099 FLAT \"d-f002.vmdk\" 7\n");
}

void built_make(struct built_disk *disk, enum built_kind kind)
{
    *disk = (struct built_disk){.capacity_sectors = 4099}; /* no multiple of any grain */
    if (kind == BUILT_COWD)
        disk->capacity_sectors = 9001; /* three tables */
    check_code(vd_fs_memory_new(&disk->files, NULL), VD_OK);
    disk->content = calloc((size_t)disk->capacity_sectors, VD_SECTOR_BYTES);
    check(disk->content != NULL);
    if (kind == BUILT_MONOLITHIC || kind == BUILT_SINGLE)
        make_monolithic(disk, kind == BUILT_SINGLE, false, 0);
    else if (kind == BUILT_SPARSE_CHILD || kind == BUILT_ZERO_CHILD)
        make_monolithic(disk, false, true, kind == BUILT_ZERO_CHILD ? VD_KDMV_ZEROED : 0);
    else if (kind == BUILT_SPLIT)
        make_split(disk);
    else if (kind == BUILT_COWD || kind == BUILT_COWD_GRAINS)
        make_cowd(disk, kind == BUILT_COWD ? 1 : 4);
    else if (kind == BUILT_SESPARSE)
        make_sesparse(disk);
    else
        make_flat(disk);
}

void built_free(struct built_disk *disk)
{
    vd_fs_memory_free(disk->files);
    free(disk->content);
    *disk = (struct built_disk){0};
}
