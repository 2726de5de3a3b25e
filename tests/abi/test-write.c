/* SPDX-License-Identifier: Apache-2.0 */
/* Creating disks and writing to them. Knows only the public headers. */
#include <fcntl.h>
#include <stdatomic.h>

#include "disks.h"

#define SECTORS 20483 /* fills no grain, no cylinder and no table */
#define THREADS 6
#define ASYNC   700

static const struct kind {
    const char *name;
    VixDiskLibDiskType type;
} kinds[] = {
    {"new-sparse.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE},
    {"new-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT},
    {"new-split.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE},
    {"new-split-flat.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT},
    {"new-vmfs.vmdk", VIXDISKLIB_DISK_VMFS_FLAT},
    {"new-thin.vmdk", VIXDISKLIB_DISK_VMFS_THIN},
    {"new-vmfs-sparse.vmdk", VIXDISKLIB_DISK_VMFS_SPARSE},
};

static void write_kind(const struct kind *kind)
{
    struct model model = model_new(SECTORS, 7);
    struct watch watch;
    VixDiskLibCreateParams params = {
        .diskType = kind->type,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
        .hwVersion = 7,
        .capacity = SECTORS,
    };
    watch_init(&watch);
    warned[0] = '\0';
    if (!is(VixDiskLib_Create(connection, path_of(kind->name), &params, on_progress, &watch),
            VIX_OK, "%s: Create", kind->name))
        printf("# %s", warned);
    watched(&watch, kind->name);
    is(create(kind->name, kind->type, SECTORS), VIX_E_FILE_ALREADY_EXISTS, "%s: only once",
       kind->name);
    disk_is(kind->name, &model);

    VixDiskLibHandle disk = open_disk(kind->name, 0);
    ok(put_many(disk, &model, 60), "%s: Write", kind->name);
    is(put(disk, &model, SECTORS - 1, 1), VIX_OK, "%s: the last sector", kind->name);
    ok(reads_as(disk, &model), "%s: reads what was written", kind->name);
    is(VixDiskLib_Flush(disk), VIX_OK, "%s: Flush", kind->name);
    is(put(disk, &model, 3, 5), VIX_OK, "%s: Write after Flush", kind->name);
    close_disk(disk, kind->name);
    disk_is(kind->name, &model);
    free(model.bytes);
}

static void every_kind(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        write_kind(&kinds[i]);
}

/* What programs of 6.7 and before pass: 24 bytes, and whatever lies behind them. */
static void old_params(void)
{
    static const VixDiskLibAdapterType adapters[] = {
        VIXDISKLIB_ADAPTER_IDE, VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC};
    static const int garbage[] = {0xee, 0xff, 0x01};
    for (size_t i = 0; i < 3; i++) {
        VixDiskLibCreateParams params;
        VixDiskLibInfo *info = NULL;
        char name[32];
        char value[16] = "";
        memset(&params, garbage[i], sizeof params);
        params.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE;
        params.adapterType = adapters[i];
        params.hwVersion = (uint16)(4 + i);
        params.capacity = 4096;
        snprintf(name, sizeof name, "old-%zu.vmdk", i);
        is(VixDiskLib_Create(connection, path_of(name), &params, NULL, NULL), VIX_OK,
           "24 bytes of params");
        VixDiskLibHandle disk = open_disk(name, 0);
        is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo");
        is(info->adapterType, adapters[i], "the adapter");
        is(info->capacity, 4096, "the capacity");
        is(info->logicalSectorSize, 512, "the logical sector");
        VixDiskLib_FreeInfo(info);
        is(VixDiskLib_ReadMetadata(disk, "virtualHWVersion", value, sizeof value, NULL), VIX_OK,
           "the hardware version");
        is(strtol(value, NULL, 10), 4 + i, "is stored");
        close_disk(disk, name);
    }
}

/* It reads as zeros for good. */
static void stream(void)
{
    struct model model = model_new(SECTORS, 1);
    VixDiskLibHandle disk = NULL;
    is(create("new-stream.vmdk", VIXDISKLIB_DISK_STREAM_OPTIMIZED, SECTORS), VIX_OK,
       "Create a stream");
    is(create("new-stream.vmdk", VIXDISKLIB_DISK_STREAM_OPTIMIZED, SECTORS),
       VIX_E_FILE_ALREADY_EXISTS, "only once");
    is(VixDiskLib_Open(connection, path_of("new-stream.vmdk"), 0, &disk), VIX_E_NOT_SUPPORTED,
       "it does not open for writing");
    disk_is("new-stream.vmdk", &model);
    free(model.bytes);
}

static void does_not_create(const char *path, const VixDiskLibCreateParams *params, VixError want,
                            const char *why)
{
    struct watch watch;
    watch_init(&watch);
    is(VixDiskLib_Create(connection, path, params, on_progress, &watch), want, "Create: %s", why);
    ok(watch.last < 100, "Create: %s: no end is told", why);
}

static void bad_creations(void)
{
    const VixDiskLibCreateParams good = {
        .diskType = VIXDISKLIB_DISK_SPLIT_FLAT,
        .adapterType = VIXDISKLIB_ADAPTER_IDE,
        .hwVersion = 4,
        .capacity = 1000,
    };
    VixDiskLibCreateParams params = good;
    does_not_create(path_of("bad.vmdk"), NULL, VIX_E_INVALID_ARG, "no params");
    does_not_create(NULL, &good, VIX_E_INVALID_ARG, "no path");
    does_not_create("", &good, VIX_E_INVALID_ARG, "an empty path");
    does_not_create(path_of("no-folder/bad.vmdk"), &good, VIX_E_FILE_NOT_FOUND, "no folder");
    is(VixDiskLib_Create(NULL, path_of("bad.vmdk"), &good, NULL, NULL),
       VIX_E_DISK_INVALID_CONNECTION, "Create: no connection");
    params.capacity = 0;
    does_not_create(path_of("bad.vmdk"), &params, VIX_E_INVALID_ARG, "no capacity");
    params = good;
    params.diskType = VIXDISKLIB_DISK_UNKNOWN;
    does_not_create(path_of("bad.vmdk"), &params, VIX_E_INVALID_ARG, "no type");
    params.diskType = (VixDiskLibDiskType)77;
    does_not_create(path_of("bad.vmdk"), &params, VIX_E_INVALID_ARG, "a type that is none");
    params = good;
    params.adapterType = (VixDiskLibAdapterType)9;
    does_not_create(path_of("bad.vmdk"), &params, VIX_E_INVALID_ARG, "an adapter that is none");
    ok(run("! ls | grep '^bad\\|^\\.vdisk'"), "and nothing is left of them");
}

static void one_writer(void)
{
    VixDiskLibHandle disk = open_disk("new-sparse.vmdk", 0);
    VixDiskLibHandle second = (VixDiskLibHandle)8;
    uint8 sector[512];
    is(VixDiskLib_Open(connection, path_of("new-sparse.vmdk"), 0, &second),
       VIX_E_FILE_ALREADY_LOCKED, "a second writer is kept out");
    ok(!second, "and has no handle");
    second = open_disk("new-sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_Read(second, 0, 1, sector), VIX_OK, "a reader is not");
    close_disk(second, "new-sparse.vmdk");
    is(VixDiskLib_Unlink(connection, path_of("new-sparse.vmdk")), VIX_E_FILE_ALREADY_LOCKED,
       "Unlink is kept out");
    close_disk(disk, "new-sparse.vmdk");
    disk = open_disk("new-sparse.vmdk", 0);
    close_disk(disk, "new-sparse.vmdk");
}

static void never(void *data, VixError result)
{
    (void)data;
    (void)result;
    abort(); /* was not accepted */
}

static void does_not_write(VixDiskLibHandle disk, const char *what)
{
    uint8 sector[512] = {0};
    is(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY, "%s: Write", what);
    is(VixDiskLib_WriteAsync(disk, 0, 1, sector, never, NULL), VIX_E_FILE_READ_ONLY,
       "%s: WriteAsync", what);
    is(VixDiskLib_WriteMetadata(disk, "uuid", "x"), VIX_E_FILE_READ_ONLY, "%s: WriteMetadata",
       what);
    is(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_FILE_READ_ONLY, "%s: Shrink", what);
    is(VixDiskLib_Defragment(disk, NULL, NULL), VIX_E_FILE_READ_ONLY, "%s: Defragment", what);
    is(VixDiskLib_Flush(disk), VIX_OK, "%s: Flush succeeds", what);
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_OK, "%s: Read succeeds", what);
    close_disk(disk, what);
}

static void read_only(void)
{
    VixDiskLibConnection reading = NULL;
    run("sha256sum new-sparse.vmdk >before");
    is(VixDiskLib_ConnectEx(NULL, 4, NULL, NULL, &reading), VIX_OK, "ConnectEx for reading");
    does_not_write(open_on(reading, "new-sparse.vmdk", 0), "read-only connection");
    is(VixDiskLib_Disconnect(reading), VIX_OK, "Disconnect");
    does_not_write(open_disk("new-sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY), "read-only flag");
    ok(run("sha256sum -c before"), "and the file is what it was");
    VixDiskLibHandle disk = NULL;
    is(VixDiskLib_Open(connection, path_of("stream.vmdk"), 0, &disk), VIX_E_NOT_SUPPORTED,
       "a stream does not open for writing");
}

/* Only somebody else's file, or file system, is not to be written. */
static void no_rights(void)
{
    VixDiskLibHandle disk = NULL;
    if (geteuid() == 0)
        return;
    chmod(path_of("new-flat-flat.vmdk"), 0400);
    is(VixDiskLib_Open(connection, path_of("new-flat.vmdk"), 0, &disk), VIX_E_FILE_ACCESS_ERROR,
       "a file without the right to write");
    chmod(path_of("new-flat-flat.vmdk"), 0600);
}

static void ranges(void)
{
    struct model model = model_new(SECTORS, 1);
    VixDiskLibHandle disk = open_disk("new-sparse.vmdk", 0);
    is(VixDiskLib_Read(disk, 0, SECTORS, model.bytes), VIX_OK, "Read");
    uint8 sectors[1024];
    memset(sectors, 0x77, sizeof sectors);
    is(VixDiskLib_Write(disk, SECTORS - 1, 2, sectors), VIX_E_DISK_OUTOFRANGE, "across the end");
    is(VixDiskLib_Write(disk, SECTORS, 1, sectors), VIX_E_DISK_OUTOFRANGE, "at the end");
    is(VixDiskLib_Write(disk, UINT64_MAX, 2, sectors), VIX_E_DISK_OUTOFRANGE, "overflowing");
    is(VixDiskLib_Write(disk, 0, UINT64_C(1) << 55, sectors), VIX_E_DISK_OUTOFRANGE, "2^64 bytes");
    is(VixDiskLib_WriteAsync(disk, SECTORS - 1, 2, sectors, never, NULL), VIX_E_DISK_OUTOFRANGE,
       "WriteAsync across the end");
    is(VixDiskLib_Write(disk, 0, 0, sectors), VIX_OK, "no sectors");
    is(VixDiskLib_Write(disk, 0, 1, NULL), VIX_E_INVALID_ARG, "no buffer");
    is(VixDiskLib_WriteAsync(disk, 0, 1, NULL, never, NULL), VIX_E_INVALID_ARG, "no buffer");
    is(VixDiskLib_WriteAsync(disk, 0, 1, sectors, NULL, NULL), VIX_E_INVALID_ARG, "no callback");
    is(VixDiskLib_Write(NULL, 0, 1, sectors), VIX_E_INVALID_ARG, "no disk");
    is(VixDiskLib_Flush(NULL), VIX_E_INVALID_ARG, "Flush of no disk");
    is(VixDiskLib_WriteMetadata(NULL, "a", "b"), VIX_E_INVALID_ARG, "WriteMetadata of no disk");
    ok(reads_as(disk, &model), "and nothing has changed");
    close_disk(disk, "new-sparse.vmdk");
    free(model.bytes);
}

static atomic_uint completions;
static atomic_uint failures;

static void completed(void *data, VixError result)
{
    atomic_fetch_add((atomic_uint *)data, 1);
    atomic_fetch_add(&completions, 1);
    if (result != VIX_OK)
        atomic_fetch_add(&failures, 1);
}

/* Each piece once, none aligned, all under way at once. */
static void many_async(const char *name)
{
    struct model model = model_new(SECTORS, 3);
    static atomic_uint called[ASYNC];
    uint64 piece = SECTORS / ASYNC;
    unsigned accepted = 0;
    VixDiskLibHandle disk = open_disk(name, 0);
    is(VixDiskLib_Read(disk, 0, SECTORS, model.bytes), VIX_OK, "Read");
    atomic_store(&completions, 0);
    for (size_t i = 0; i < ASYNC; i++) {
        size_t at = i * 397 % ASYNC; /* in no order; 397 is prime to 700 */
        uint8 *bytes = model.bytes + at * piece * 512;
        fill(bytes, piece, &model.seed);
        atomic_store(&called[at], 0);
        accepted += VixDiskLib_WriteAsync(disk, at * piece, piece, bytes, completed, &called[at]) ==
                    VIX_ASYNC;
    }
    is(accepted, ASYNC, "%s: every WriteAsync is accepted", name);
    is(VixDiskLib_Wait(disk), VIX_OK, "%s: Wait", name);
    is(atomic_load(&completions), ASYNC, "%s: waits for all", name);
    is(atomic_load(&failures), 0, "%s: which succeed", name);
    unsigned once = 0;
    for (size_t i = 0; i < ASYNC; i++)
        once += atomic_load(&called[i]) == 1;
    is(once, ASYNC, "%s: one callback each", name);
    is(VixDiskLib_Flush(disk), VIX_OK, "%s: Flush", name);
    ok(reads_as(disk, &model), "%s: reads as written", name);
    close_disk(disk, name);
    disk_is(name, &model);
    free(model.bytes);
}

/* Threads own every sixth sector, so that all meet in every grain. */
struct writer {
    pthread_t thread;
    VixDiskLibHandle disk;
    struct model *model;
    unsigned index;
    bool right;
};

static bool write_and_read(struct writer *writer, uint64 sector, unsigned *seed)
{
    uint8 *bytes = writer->model->bytes + sector * 512;
    uint8 back[512];
    fill(bytes, 1, seed);
    if (VixDiskLib_Write(writer->disk, sector, 1, bytes) != VIX_OK)
        return false;
    return VixDiskLib_Read(writer->disk, sector, 1, back) == VIX_OK && !memcmp(back, bytes, 512);
}

static void *write_around(void *data)
{
    struct writer *writer = data;
    unsigned seed = writer->index + 1;
    writer->right = true;
    for (int i = 0; i < 400 && writer->right; i++) {
        uint64 row = (uint64)rand_r(&seed) % (SECTORS / THREADS);
        writer->right = write_and_read(writer, row * THREADS + writer->index, &seed);
        if (i % 100 == 99)
            writer->right = writer->right && VixDiskLib_Flush(writer->disk) == VIX_OK;
    }
    return NULL;
}

static void many_threads(VixDiskLibDiskType type, const char *name)
{
    struct model model = model_new(SECTORS, 1);
    struct writer writers[THREADS];
    is(create(name, type, SECTORS), VIX_OK, "%s: Create", name);
    VixDiskLibHandle disk = open_disk(name, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.disk = disk, .model = &model, .index = i};
        if (pthread_create(&writers[i].thread, NULL, write_around, &writers[i]) != 0)
            abort();
    }
    bool right = true;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(writers[i].thread, NULL);
        right = right && writers[i].right;
    }
    ok(right, "%s: %d threads write and read one handle", name, THREADS);
    ok(reads_as(disk, &model), "%s: and all of it is there", name);
    close_disk(disk, name);
    disk_is(name, &model);
    free(model.bytes);
}

static void value_is(VixDiskLibHandle disk, const char *key, const char *want)
{
    char value[64] = "";
    is(VixDiskLib_ReadMetadata(disk, key, value, sizeof value, NULL), VIX_OK, "%s is there", key);
    is_text(value, want, "%s", key);
}

static void metadata(const char *name)
{
    VixDiskLibHandle disk = open_disk(name, 0);
    is(VixDiskLib_WriteMetadata(disk, "my.key", "a value"), VIX_OK, "%s: a new key", name);
    is(VixDiskLib_WriteMetadata(disk, "my.empty", ""), VIX_OK, "%s: an empty value", name);
    is(VixDiskLib_WriteMetadata(disk, "toolsVersion", "2147483647"), VIX_OK, "%s: another", name);
    is(VixDiskLib_WriteMetadata(disk, "my.key", "another value"), VIX_OK, "%s: replaced", name);
    value_is(disk, "my.key", "another value");
    is(VixDiskLib_WriteMetadata(disk, "my.key", "two\nlines"), VIX_E_INVALID_ARG, "two lines");
    is(VixDiskLib_WriteMetadata(disk, "", "x"), VIX_E_INVALID_ARG, "an empty key");
    is(VixDiskLib_WriteMetadata(disk, NULL, "x"), VIX_E_INVALID_ARG, "no key");
    is(VixDiskLib_WriteMetadata(disk, "my.key", NULL), VIX_E_INVALID_ARG, "no value");
    close_disk(disk, name);
    disk = open_disk(name, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    value_is(disk, "my.key", "another value");
    value_is(disk, "my.empty", "");
    value_is(disk, "toolsVersion", "2147483647");
    close_disk(disk, name);
    ok(run("qemu-img check -f vmdk '%s' || [ $? -eq 63 ]", name), "%s: still whole", name);
}

static void children(void)
{
    struct model model = model_new(SECTORS, 11);
    struct watch watch;
    VixDiskLibInfo *info = NULL;
    is(create("parent.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, SECTORS), VIX_OK, "Create");
    VixDiskLibHandle parent = open_disk("parent.vmdk", 0);
    ok(put_many(parent, &model, 40), "the parent is written");
    watch_init(&watch);
    is(VixDiskLib_CreateChild(parent, path_of("kid.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                              on_progress, &watch),
       VIX_OK, "CreateChild");
    watched(&watch, "CreateChild");
    is(VixDiskLib_CreateChild(parent, path_of("kid.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL,
                              NULL),
       VIX_E_FILE_ALREADY_EXISTS, "CreateChild again");
    is(VixDiskLib_CreateChild(parent, path_of("flat-kid.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                              NULL, NULL),
       VIX_E_INVALID_ARG, "CreateChild of a wrong type");
    is(VixDiskLib_CreateChild(parent, NULL, VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL),
       VIX_E_INVALID_ARG, "CreateChild without a path");
    is(VixDiskLib_CreateChild(NULL, path_of("kid2.vmdk"), VIXDISKLIB_DISK_SPLIT_SPARSE, NULL, NULL),
       VIX_E_INVALID_ARG, "CreateChild of no disk");
    is(VixDiskLib_CreateChild(parent, path_of("stale-kid.vmdk"), VIXDISKLIB_DISK_SPLIT_SPARSE, NULL,
                              NULL),
       VIX_OK, "CreateChild, split");
    ok(reads_as(parent, &model), "the parent's handle stays good");
    close_disk(parent, "parent.vmdk");

    VixDiskLibHandle child = open_disk("kid.vmdk", 0);
    is(VixDiskLib_GetInfo(child, &info), VIX_OK, "GetInfo");
    is(info->numLinks, 2, "two links");
    ok(info->parentFileNameHint && strstr(info->parentFileNameHint, "parent.vmdk"),
       "the parent is named");
    is(info->capacity, SECTORS, "its capacity");
    VixDiskLib_FreeInfo(info);
    ok(reads_as(child, &model), "the child reads as its parent");
    ok(put_many(child, &model, 40), "the child is written");
    ok(reads_as(child, &model), "parts of grains come from the parent");
    close_disk(child, "kid.vmdk");
    disk_is("kid.vmdk", &model);

    parent = open_disk("parent.vmdk", 0);
    is(put(parent, &model, 0, 1), VIX_OK, "the parent is written under its children");
    close_disk(parent, "parent.vmdk");
    is(VixDiskLib_Open(connection, path_of("stale-kid.vmdk"), 0, &child), VIX_E_DISK_CID_MISMATCH,
       "which no longer open");
    free(model.bytes);
}

int main(void)
{
    if (!start())
        return 0;
    every_kind();
    old_params();
    stream();
    bad_creations();
    one_writer();
    read_only();
    no_rights();
    ranges();
    many_async("new-sparse.vmdk");
    many_async("new-flat.vmdk");
    many_async("new-split.vmdk");
    many_threads(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "threads-sparse.vmdk");
    many_threads(VIXDISKLIB_DISK_SPLIT_SPARSE, "threads-split.vmdk");
    many_threads(VIXDISKLIB_DISK_MONOLITHIC_FLAT, "threads-flat.vmdk");
    metadata("new-sparse.vmdk");
    metadata("new-flat.vmdk");
    metadata("new-split.vmdk");
    children();
    return end();
}
