/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to whole disks: cloned, grown, shrunk, defragmented, renamed, removed, checked and
 * attached. Knows only the public headers. */
#include <fcntl.h>

#include "disks.h"

#define SECTORS 20483

/* A disk with something on it, and what that is. */
static struct model written(const char *name, VixDiskLibDiskType type)
{
    struct model model = model_new(SECTORS, 5);
    is(create(name, type, SECTORS), VIX_OK, "%s: Create", name);
    VixDiskLibHandle disk = open_disk(name, 0);
    ok(put_many(disk, &model, 40), "%s: is written", name);
    close_disk(disk, name);
    return model;
}

static void clone_to(const char *from, const char *to, VixDiskLibDiskType type,
                     const struct model *model)
{
    struct watch watch;
    VixDiskLibInfo *info = NULL;
    char value[16] = "";
    const VixDiskLibCreateParams params = {
        .diskType = type,
        .adapterType = VIXDISKLIB_ADAPTER_IDE,
        .hwVersion = 9,
    };
    watch_init(&watch);
    warned[0] = '\0';
    if (!is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params,
                             on_progress, &watch, FALSE),
            VIX_OK, "%s: Clone", to))
        printf("# %s", warned);
    watched(&watch, to);
    is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params, NULL, NULL,
                        FALSE),
       VIX_E_FILE_ALREADY_EXISTS, "%s: only once", to);
    disk_is(to, model);
    VixDiskLibHandle disk = open_disk(to, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "%s: GetInfo", to);
    is(info->numLinks, 1, "%s: stands alone", to);
    is(info->adapterType, VIXDISKLIB_ADAPTER_IDE, "%s: adapter", to);
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_ReadMetadata(disk, "virtualHWVersion", value, sizeof value, NULL), VIX_OK,
       "%s: hardware version", to);
    is(strtol(value, NULL, 10), 9, "%s: is the one asked for", to);
    close_disk(disk, to);
}

/* The old disk goes with all its files, unless somebody writes it. */
static void clone_stream_over(const char *from, const struct model *model)
{
    const VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_STREAM_OPTIMIZED,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
        .hwVersion = 9,
    };
    const char *to = "over-stream.vmdk";
    is(create(to, VIXDISKLIB_DISK_SPLIT_FLAT, 999), VIX_OK, "a disk to replace");
    VixDiskLibHandle disk = open_disk(to, 0);
    is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params, NULL, NULL,
                        TRUE),
       VIX_E_FILE_ALREADY_LOCKED, "Clone over what is open for writing");
    ok(exists("over-stream-f001.vmdk"), "whose extents stay");
    close_disk(disk, to);
    is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params, NULL, NULL,
                        TRUE),
       VIX_OK, "Clone a stream over it");
    disk_is(to, model);
    ok(!exists("over-stream-f001.vmdk"), "whose extents are gone");
    is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params, NULL, NULL,
                        TRUE),
       VIX_OK, "Clone a stream over a stream");
    disk_is(to, model);
    ok(run("echo text >over-stream.vmdk"), "a file that is no disk");
    is(VixDiskLib_Clone(connection, path_of(to), connection, path_of(from), &params, NULL, NULL,
                        TRUE),
       VIX_OK, "Clone a stream over that");
    disk_is(to, model);
}

static void clone_over(const char *from, const struct model *model)
{
    VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
        .hwVersion = 9,
    };
    is(create("over.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, 999), VIX_OK, "a disk to replace");
    is(VixDiskLib_Clone(connection, path_of("over.vmdk"), connection, path_of(from), &params, NULL,
                        NULL, TRUE),
       VIX_OK, "Clone over it");
    disk_is("over.vmdk", model);
    ok(!exists("over-f001.vmdk"), "whose extents are gone");
    clone_stream_over(from, model);
    is(VixDiskLib_Clone(connection, path_of("same.vmdk"), connection, path_of(from), NULL, NULL,
                        NULL, FALSE),
       VIX_OK, "Clone without params");
    disk_is("same.vmdk", model);
    is(VixDiskLib_Clone(connection, path_of(from), connection, path_of(from), &params, NULL, NULL,
                        TRUE),
       VIX_E_INVALID_ARG, "Clone over the source");
    disk_is(from, model);
    params.diskType = (VixDiskLibDiskType)99;
    is(VixDiskLib_Clone(connection, path_of("bad.vmdk"), connection, path_of(from), &params, NULL,
                        NULL, FALSE),
       VIX_E_INVALID_ARG, "Clone to a type that is none");
    is(VixDiskLib_Clone(NULL, path_of("bad.vmdk"), connection, path_of(from), NULL, NULL, NULL,
                        FALSE),
       VIX_E_DISK_INVALID_CONNECTION, "Clone without a connection");
    is(VixDiskLib_Clone(connection, path_of("bad.vmdk"), connection, path_of("gone.vmdk"), NULL,
                        NULL, NULL, FALSE),
       VIX_E_FILE_NOT_FOUND, "Clone of nothing");
    is(VixDiskLib_Clone(connection, NULL, connection, path_of(from), NULL, NULL, NULL, FALSE),
       VIX_E_INVALID_ARG, "Clone to nowhere");
    ok(!exists("bad.vmdk"), "leave nothing");
}

static void clones(void)
{
    struct model model = written("source.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    clone_to("source.vmdk", "clone-sparse.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &model);
    clone_to("source.vmdk", "clone-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, &model);
    clone_to("source.vmdk", "clone-split.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, &model);
    clone_to("source.vmdk", "clone-split-flat.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, &model);
    clone_to("source.vmdk", "clone-stream.vmdk", VIXDISKLIB_DISK_STREAM_OPTIMIZED, &model);
    clone_over("source.vmdk", &model);

    VixDiskLibHandle parent = open_disk("source.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_CreateChild(parent, path_of("source-child.vmdk"),
                              VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL),
       VIX_OK, "CreateChild");
    close_disk(parent, "source.vmdk");
    VixDiskLibHandle child = open_disk("source-child.vmdk", 0);
    ok(put_many(child, &model, 10), "a child is written");
    close_disk(child, "source-child.vmdk");
    clone_to("source-child.vmdk", "clone-chain.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &model);
    free(model.bytes);
}

static uint64 bytes_of(const char *name)
{
    struct stat facts;
    return stat(path_of(name), &facts) == 0 ? (uint64)facts.st_size : 0;
}

static void space(void)
{
    static const VixDiskLibDiskType types[] = {
        VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VIXDISKLIB_DISK_SPLIT_SPARSE, VIXDISKLIB_DISK_UNKNOWN};
    uint64 needed = 77;
    VixDiskLibHandle disk = open_disk("source.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (size_t i = 0; i < 3; i++) {
        is(VixDiskLib_SpaceNeededForClone(disk, types[i], &needed), VIX_OK, "space of type %d",
           (int)types[i]);
        ok(needed >= bytes_of("clone-sparse.vmdk") && needed < 2 * SECTORS * 512,
           "is enough and not too much");
    }
    is(VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_MONOLITHIC_FLAT, &needed), VIX_OK,
       "space of a flat one");
    ok(needed >= SECTORS * 512, "holds it");
    is(VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_VMFS_THIN, &needed), VIX_OK,
       "space of a thin one");
    is(VixDiskLib_SpaceNeededForClone(disk, (VixDiskLibDiskType)50, &needed), VIX_E_INVALID_ARG,
       "space of a type that is none");
    is(needed, 0, "is 0");
    is(VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_UNKNOWN, NULL), VIX_E_INVALID_ARG,
       "space into NULL");
    is(VixDiskLib_SpaceNeededForClone(NULL, VIXDISKLIB_DISK_UNKNOWN, &needed), VIX_E_INVALID_ARG,
       "space of no disk");
    close_disk(disk, "source.vmdk");
}

static void grow(const char *name, VixDiskLibDiskType type)
{
    struct model model = written(name, type);
    struct watch watch;
    watch_init(&watch);
    is(VixDiskLib_Grow(connection, path_of(name), SECTORS, TRUE, NULL, NULL), VIX_E_INVALID_ARG,
       "%s: Grow to what it has", name);
    is(VixDiskLib_Grow(connection, path_of(name), 1, TRUE, NULL, NULL), VIX_E_INVALID_ARG,
       "%s: Grow to less", name);
    VixDiskLibHandle disk = open_disk(name, 0);
    is(VixDiskLib_Grow(connection, path_of(name), SECTORS + 40000, TRUE, NULL, NULL),
       VIX_E_FILE_ALREADY_LOCKED, "%s: Grow while it is open", name);
    close_disk(disk, name);
    warned[0] = '\0';
    if (!is(VixDiskLib_Grow(connection, path_of(name), SECTORS + 40000, TRUE, on_progress, &watch),
            VIX_OK, "%s: Grow", name))
        printf("# %s", warned);
    watched(&watch, name);
    model.bytes = realloc(model.bytes, (SECTORS + 40000) * 512);
    memset(model.bytes + SECTORS * 512, 0, 40000 * 512);
    model.sectors = SECTORS + 40000;
    disk_is(name, &model);
    disk = open_disk(name, 0);
    is(put(disk, &model, SECTORS - 50, 20000), VIX_OK, "%s: the new part is written", name);
    close_disk(disk, name);
    disk_is(name, &model);
    free(model.bytes);
}

static void grows(void)
{
    grow("grow-sparse.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    grow("grow-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT);
    grow("grow-split.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE);
    grow("grow-cowd.vmdk", VIXDISKLIB_DISK_VMFS_SPARSE);
    is(VixDiskLib_Grow(connection, path_of("source-child.vmdk"), SECTORS * 2, TRUE, NULL, NULL),
       VIX_E_NOT_SUPPORTED, "Grow of a child");
    is(VixDiskLib_Grow(connection, path_of("gone.vmdk"), SECTORS, TRUE, NULL, NULL),
       VIX_E_FILE_NOT_FOUND, "Grow of nothing");
    is(VixDiskLib_Grow(NULL, path_of("source.vmdk"), SECTORS * 2, TRUE, NULL, NULL),
       VIX_E_DISK_INVALID_CONNECTION, "Grow without a connection");
    is(VixDiskLib_Grow(connection, NULL, SECTORS, TRUE, NULL, NULL), VIX_E_INVALID_ARG,
       "Grow of no path");
}

/* What other calls say while a disk is being rearranged. */
struct during {
    struct watch watch;
    VixDiskLibHandle disk;
    VixError read;
};

static Bool on_progress_during(void *data, int percent)
{
    struct during *during = data;
    uint8 sector[512];
    if (percent < 100)
        during->read = VixDiskLib_Read(during->disk, 0, 1, sector);
    return on_progress(&during->watch, percent);
}

static void shrink(const char *name, VixDiskLibDiskType type)
{
    struct model model = written(name, type);
    struct during during = {.disk = open_disk(name, 0), .read = VIX_E_OBJECT_IS_BUSY};
    uint64 zeros = 8192;
    is(put(during.disk, &model, 1024, zeros), VIX_OK, "%s: data is written", name);
    memset(model.bytes + 1024 * 512, 0, zeros * 512);
    is(VixDiskLib_Write(during.disk, 1024, zeros, model.bytes + 1024 * 512), VIX_OK,
       "%s: and zeros over it", name);
    is(VixDiskLib_Flush(during.disk), VIX_OK, "%s: Flush", name);
    uint64 before = bytes_of(name);
    watch_init(&during.watch);
    warned[0] = '\0';
    if (!is(VixDiskLib_Defragment(during.disk, on_progress_during, &during), VIX_OK,
            "%s: Defragment", name))
        printf("# %s", warned);
    watched(&during.watch, "Defragment");
    ok(reads_as(during.disk, &model), "%s: the handle stays good", name);
    watch_init(&during.watch);
    is(VixDiskLib_Shrink(during.disk, on_progress_during, &during), VIX_OK, "%s: Shrink", name);
    watched(&during.watch, "Shrink");
    is(during.read, VIX_E_OBJECT_IS_BUSY, "%s: meanwhile it is busy", name);
    ok(reads_as(during.disk, &model), "%s: the handle stays good", name);
    is(capacity_of(during.disk), SECTORS, "%s: the capacity stays", name);
    ok(type != VIXDISKLIB_DISK_MONOLITHIC_SPARSE || bytes_of(name) + zeros * 256 < before,
       "%s: the file is smaller", name);
    ok(put_many(during.disk, &model, 20), "%s: is written again", name);
    close_disk(during.disk, name);
    disk_is(name, &model);
    free(model.bytes);
}

static void shrinks(void)
{
    shrink("shrink-sparse.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    shrink("shrink-split.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE);
    shrink("shrink-cowd.vmdk", VIXDISKLIB_DISK_VMFS_SPARSE);
    shrink("shrink-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT);
    VixDiskLibHandle child = open_disk("source-child.vmdk", 0);
    uint8 sector[512];
    is(VixDiskLib_Shrink(child, NULL, NULL), VIX_E_DISK_CANTSHRINK, "Shrink of a child");
    is(VixDiskLib_Read(child, 0, 1, sector), VIX_OK, "whose handle stays good");
    is(VixDiskLib_Defragment(child, NULL, NULL), VIX_OK, "Defragment of a child");
    close_disk(child, "source-child.vmdk");
    is(VixDiskLib_Shrink(NULL, NULL, NULL), VIX_E_INVALID_ARG, "Shrink of no disk");
    is(VixDiskLib_Defragment(NULL, NULL, NULL), VIX_E_INVALID_ARG, "Defragment of no disk");
}

static void rename_and_remove(const char *from, const char *to, VixDiskLibDiskType type,
                              const char *files)
{
    struct model model = written(from, type);
    is(VixDiskLib_Rename(path_of(from), path_of("source.vmdk")), VIX_E_FILE_ALREADY_EXISTS,
       "%s: Rename over another", from);
    is(VixDiskLib_Rename(path_of(from), path_of(to)), VIX_OK, "%s: Rename", from);
    ok(!exists(from), "%s: the old name is gone", from);
    disk_is(to, &model);
    is(VixDiskLib_Unlink(connection, path_of(to)), VIX_OK, "%s: Unlink", to);
    ok(run("! ls | grep '%s'", files), "%s: no file is left", to);
    free(model.bytes);
}

static void renames(void)
{
    rename_and_remove("name-a.vmdk", "name-b.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "^name-");
    rename_and_remove("name-a.vmdk", "name-b.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, "^name-");
    rename_and_remove("name-a.vmdk", "name-b.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, "^name-");
    is(VixDiskLib_Rename(path_of("gone.vmdk"), path_of("b.vmdk")), VIX_E_FILE_NOT_FOUND,
       "Rename of nothing");
    is(VixDiskLib_Rename(NULL, path_of("b.vmdk")), VIX_E_INVALID_ARG, "Rename of no path");
    is(VixDiskLib_Rename(path_of("source.vmdk"), NULL), VIX_E_INVALID_ARG, "Rename to no path");
    is(VixDiskLib_Unlink(connection, path_of("gone.vmdk")), VIX_E_FILE_NOT_FOUND,
       "Unlink of nothing");
    is(VixDiskLib_Unlink(NULL, path_of("source.vmdk")), VIX_E_DISK_INVALID_CONNECTION,
       "Unlink without a connection");
    is(VixDiskLib_Unlink(connection, ""), VIX_E_INVALID_ARG, "Unlink of no path");
    ok(exists("source.vmdk"), "nothing else is gone");
}

static bool overwrite(const char *name, off_t offset, const void *bytes, size_t length)
{
    int fd = open(path_of(name), O_WRONLY);
    bool written = fd >= 0 && pwrite(fd, bytes, length, offset) == (ssize_t)length;
    return fd >= 0 && close(fd) == 0 && written;
}

static uint64_t number_at(const char *name, off_t offset, size_t bytes)
{
    uint64_t number = 0; /* little-endian, as this machine */
    int fd = open(path_of(name), O_RDONLY);
    bool read = fd >= 0 && pread(fd, &number, bytes, offset) == (ssize_t)bytes;
    if (fd >= 0)
        close(fd);
    return read ? number : 0;
}

/* The first grain's entry in the first table of a directory, whose sector the header has at `field`
 * (Virtual Disk Format 5.0: 48 for the redundant one, 56). */
static void damage(const char *name, off_t field)
{
    static const uint32 outside = 0x7fffffff;
    uint64_t directory = number_at(name, field, 8);
    uint64_t table = number_at(name, (off_t)directory * 512, 4);
    ok(table > 0 && overwrite(name, (off_t)table * 512, &outside, sizeof outside),
       "a table entry is damaged");
}

static void checks(void)
{
    struct model model = written("check.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    VixDiskLibHandle disk = open_disk("check.vmdk", 0);
    is(put(disk, &model, 0, 128), VIX_OK, "the first grain is there");
    close_disk(disk, "check.vmdk");
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), FALSE), VIX_OK, "a good disk");
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), TRUE), VIX_OK, "to be repaired");
    is(VixDiskLib_CheckRepair(connection, path_of("shrink-flat.vmdk"), FALSE), VIX_OK,
       "a flat disk");
    damage("check.vmdk", 56);
    warned[0] = '\0';
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), FALSE), VIX_E_DISK_NEEDSREPAIR,
       "damage");
    ok(strstr(warned, "check.vmdk"), "is told");
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), TRUE), VIX_OK, "is repaired");
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), FALSE), VIX_OK, "for good");
    disk_is("check.vmdk", &model);
    damage("check.vmdk", 48);
    damage("check.vmdk", 56);
    is(VixDiskLib_CheckRepair(connection, path_of("check.vmdk"), TRUE), VIX_E_DISK_CANTREPAIR,
       "damage that cannot be");
    is(VixDiskLib_CheckRepair(connection, path_of("text.vmdk"), FALSE), VIX_E_DISK_INVALIDDISK,
       "what is no disk");
    is(VixDiskLib_CheckRepair(connection, path_of("gone.vmdk"), FALSE), VIX_E_FILE_NOT_FOUND,
       "what is not there");
    is(VixDiskLib_CheckRepair(NULL, path_of("check.vmdk"), FALSE), VIX_E_DISK_INVALID_CONNECTION,
       "no connection");
    is(VixDiskLib_CheckRepair(connection, NULL, FALSE), VIX_E_INVALID_ARG, "no path");
    free(model.bytes);
}

static VixDiskLibHandle open_single(const char *name)
{
    return open_disk(name, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
}

static void make_pair(struct model *model)
{
    *model = written("base-a.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    VixDiskLibHandle base = open_disk("base-a.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_CreateChild(base, path_of("top-a.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL,
                              NULL),
       VIX_OK, "CreateChild");
    close_disk(base, "base-a.vmdk");
}

static void attach(void)
{
    struct model model;
    VixDiskLibInfo *info = NULL;
    uint8 sector[512];
    make_pair(&model);
    VixDiskLibHandle parent = open_disk("base-a.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibHandle child = open_single("top-a.vmdk");
    is(VixDiskLib_Read(child, 0, 1, sector), VIX_E_DISK_PARTIALCHAIN, "alone it has nothing");
    is(put(child, &model, 256, 128), VIX_OK, "but whole grains are written");
    is(VixDiskLib_IsAttachPossible(parent, child), VIX_OK, "IsAttachPossible");
    is(VixDiskLib_Attach(parent, child), VIX_OK, "Attach");
    is(VixDiskLib_Read(parent, 0, 1, sector), VIX_E_INVALID_ARG, "the parent cannot be read");
    is(VixDiskLib_Attach(parent, child), VIX_E_INVALID_ARG, "nor attached again");
    ok(reads_as(child, &model), "the child is the chain");
    is(VixDiskLib_Close(parent), VIX_OK, "the parent may be closed");
    is(VixDiskLib_Close(parent), VIX_E_INVALID_ARG, "once");
    is(VixDiskLib_GetInfo(child, &info), VIX_OK, "GetInfo");
    is(info->numLinks, 2, "two links");
    VixDiskLib_FreeInfo(info);
    ok(put_many(child, &model, 30), "the chain is written");
    ok(reads_as(child, &model), "with parts of grains from the parent");
    is(VixDiskLib_Shrink(child, NULL, NULL), VIX_E_DISK_CANTSHRINK, "and does not shrink");
    is(VixDiskLib_Defragment(child, NULL, NULL), VIX_E_NOT_SUPPORTED, "nor defragment");
    ok(reads_as(child, &model), "and stays");
    close_disk(child, "top-a.vmdk");
    disk_is("top-a.vmdk", &model);
    free(model.bytes);
}

/* The parent's handle is no good after a failure, and may be closed or not; the child's is. */
static void does_not_attach(VixDiskLibHandle parent, VixDiskLibHandle child, VixError want,
                            const char *why)
{
    uint8 sector[512];
    is(VixDiskLib_IsAttachPossible(parent, child), want, "IsAttachPossible: %s", why);
    is(VixDiskLib_Attach(parent, child), want, "Attach: %s", why);
    is(VixDiskLib_Read(parent, 0, 1, sector), VIX_E_INVALID_ARG, "the parent is gone");
    is(VixDiskLib_Flush(child), VIX_OK, "the child is not");
    is(VixDiskLib_Close(parent), VIX_OK, "Close of the parent");
    is(VixDiskLib_Close(child), VIX_OK, "Close of the child");
}

static void bad_attachments(void)
{
    const uint32 read = VIXDISKLIB_FLAG_OPEN_READ_ONLY;
    is(create("small.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000), VIX_OK, "a smaller disk");
    does_not_attach(open_disk("base-a.vmdk", read), open_disk("source.vmdk", read),
                    VIX_E_DISK_ATTACH_ROOTLINK, "two base disks");
    does_not_attach(open_disk("small.vmdk", read), open_single("top-a.vmdk"),
                    VIX_E_DISK_CAPACITY_MISMATCH, "another capacity");
    does_not_attach(open_disk("source.vmdk", read), open_single("top-a.vmdk"),
                    VIX_E_DISK_CID_MISMATCH, "another parent");
    does_not_attach(open_disk("clone-stream.vmdk", read), open_single("top-a.vmdk"),
                    VIX_E_DISK_PARENT_NOTALLOWED, "a stream as parent");
    does_not_attach(open_disk("base-a.vmdk", read), open_disk("top-a.vmdk", 0), VIX_E_INVALID_ARG,
                    "a whole chain");
    VixDiskLibHandle disk = open_single("top-a.vmdk");
    is(VixDiskLib_Attach(disk, disk), VIX_E_INVALID_ARG, "to itself");
    is(VixDiskLib_Attach(NULL, disk), VIX_E_INVALID_ARG, "no parent");
    is(VixDiskLib_Attach(disk, NULL), VIX_E_INVALID_ARG, "no child");
    is(VixDiskLib_IsAttachPossible(NULL, disk), VIX_E_INVALID_ARG, "no parent, asked");
    is(VixDiskLib_IsAttachPossible(disk, NULL), VIX_E_INVALID_ARG, "no child, asked");
    close_disk(disk, "top-a.vmdk");
}

/* A parent that was open for writing; nobody closes its handle, and Exit finds it. */
static void attach_writable(void)
{
    struct model model = model_new(SECTORS, 21);
    is(create("base-b.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, SECTORS), VIX_OK, "Create");
    VixDiskLibHandle parent = open_disk("base-b.vmdk", 0);
    ok(put_many(parent, &model, 30), "the parent is written");
    is(VixDiskLib_CreateChild(parent, path_of("top-b.vmdk"), VIXDISKLIB_DISK_SPLIT_SPARSE, NULL,
                              NULL),
       VIX_OK, "CreateChild");
    VixDiskLibHandle child = open_single("top-b.vmdk");
    is(VixDiskLib_Attach(parent, child), VIX_OK, "Attach to a parent that is open for writing");
    ok(put_many(child, &model, 30), "the chain is written");
    ok(reads_as(child, &model), "and reads so");
    is(VixDiskLib_CreateChild(child, path_of("top-c.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL,
                              NULL),
       VIX_OK, "CreateChild of it");
    VixDiskLibHandle third = open_single("top-c.vmdk");
    is(VixDiskLib_Attach(child, third), VIX_OK, "Attach to what was attached");
    ok(put_many(third, &model, 30), "the chain is written");
    ok(reads_as(third, &model), "and reads so");
    close_disk(third, "top-c.vmdk");
    disk_is("top-c.vmdk", &model);
    free(model.bytes);
}

int main(void)
{
    if (!start())
        return 0;
    clones();
    space();
    grows();
    shrinks();
    renames();
    checks();
    attach();
    bad_attachments();
    attach_writable();
    ok(run("! ls -a | grep '^\\.vdisk\\|\\.tmp$'"), "nothing temporary is left");
    return end();
}
