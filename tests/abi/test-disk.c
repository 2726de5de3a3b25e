/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, reading and asking, against what qemu-img says of the same disks. Knows only the public
 * headers. */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"
#include "vixDiskLib.h"

#define THREADS 6

static const char *folder;
static VixDiskLibConnection connection;
static char warned[65536];

static void on_log(const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
}

__attribute__((format(printf, 1, 0))) static void on_warn(const char *fmt, va_list args)
{
    size_t used = strlen(warned);
    vsnprintf(warned + used, sizeof warned - used, fmt, args);
}

static const char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static VixDiskLibHandle open_disk(const char *name, uint32 flags)
{
    VixDiskLibHandle disk = NULL;
    is(VixDiskLib_Open(connection, path_of(name), flags, &disk), VIX_OK, "%s: Open", name);
    return disk;
}

static void close_disk(VixDiskLibHandle disk, const char *name)
{
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", name);
}

struct content {
    uint8 *bytes;
    uint64 sectors;
};

static struct content raw_of(const char *name)
{
    struct content content = {NULL, 0};
    FILE *file = fopen(path_of(name), "rb");
    struct stat facts;
    if (!file || fstat(fileno(file), &facts) != 0)
        abort();
    content.sectors = (uint64)facts.st_size / 512;
    content.bytes = malloc((size_t)facts.st_size);
    if (fread(content.bytes, 512, content.sectors, file) != content.sectors)
        abort();
    fclose(file);
    return content;
}

static uint64 capacity_of(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    uint64 capacity = VixDiskLib_GetInfo(disk, &info) == VIX_OK ? info->capacity : 0;
    VixDiskLib_FreeInfo(info);
    return capacity;
}

/* The first wrong sector of a range, or its end. */
static uint64 compare(VixDiskLibHandle disk, const struct content *want, uint64 start, uint64 count)
{
    uint8 *buffer = malloc(count * 512 + 1);
    memset(buffer, 0x5a, count * 512 + 1);
    uint64 at = start;
    if (VixDiskLib_Read(disk, start, count, buffer + 1) == VIX_OK) /* odd address */
        while (at < start + count &&
               memcmp(buffer + 1 + (at - start) * 512, want->bytes + at * 512, 512) == 0)
            at++;
    free(buffer);
    return at;
}

static void reads_as_qemu(const char *disk_name, const char *raw_name, uint32 flags)
{
    struct content want = raw_of(raw_name);
    VixDiskLibHandle disk = open_disk(disk_name, flags);
    is(capacity_of(disk), want.sectors, "%s: capacity", disk_name);
    is(compare(disk, &want, 0, want.sectors), want.sectors, "%s: whole disk at once", disk_name);
    uint64 at = 0;
    for (uint64 count = 1; at < want.sectors; at += count, count = count * 3 % 257 + 1) {
        uint64 now = count < want.sectors - at ? count : want.sectors - at;
        if (compare(disk, &want, at, now) != at + now)
            break;
    }
    ok(at >= want.sectors, "%s: in pieces of every size (got to %llu)", disk_name,
       (unsigned long long)at);
    is_text(VixDiskLib_GetTransportMode(disk), "file", "%s: transport", disk_name);
    close_disk(disk, disk_name);
    free(want.bytes);
}

static void every_kind(void)
{
    static const char *const names[] = {"sparse", "flat",  "split",      "stream",
                                        "base",   "child", "grandchild", "tiny"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char disk[64];
        char raw[64];
        snprintf(disk, sizeof disk, "%s.vmdk", names[i]);
        snprintf(raw, sizeof raw, "%s.raw", names[i]);
        reads_as_qemu(disk, raw, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    }
    reads_as_qemu("flat.vmdk", "flat.raw", VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    reads_as_qemu("sparse.vmdk", "sparse.raw",
                  VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ | VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    reads_as_qemu("sparse.vmdk", "sparse.raw", 0);
    is_text(warned, "", "nothing was warned of");
}

static void range_is_checked(void)
{
    VixDiskLibHandle disk = open_disk("sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64 capacity = capacity_of(disk);
    uint8 buffer[1024];
    memset(buffer, 0x77, sizeof buffer);
    is(VixDiskLib_Read(disk, capacity - 1, 2, buffer), VIX_E_DISK_OUTOFRANGE, "across the end");
    is(VixDiskLib_Read(disk, capacity, 1, buffer), VIX_E_DISK_OUTOFRANGE, "at the end");
    is(VixDiskLib_Read(disk, UINT64_MAX, 2, buffer), VIX_E_DISK_OUTOFRANGE, "overflowing");
    is(VixDiskLib_Read(disk, 1, UINT64_MAX, buffer), VIX_E_DISK_OUTOFRANGE, "endless");
    is(VixDiskLib_Read(disk, 0, UINT64_C(1) << 55, buffer), VIX_E_DISK_OUTOFRANGE, "2^64 bytes");
    bool untouched = true;
    for (size_t i = 0; i < sizeof buffer; i++)
        untouched = untouched && buffer[i] == 0x77;
    ok(untouched, "and nothing was transferred");
    is(VixDiskLib_Read(disk, 0, 0, buffer), VIX_OK, "no sectors");
    is(VixDiskLib_Read(disk, 0, 1, NULL), VIX_E_INVALID_ARG, "no buffer");
    is(VixDiskLib_ReadAsync(disk, capacity - 1, 2, buffer, NULL, NULL), VIX_E_INVALID_ARG,
       "no callback");
    close_disk(disk, "sparse");
}

static void does_not_open(const char *path, VixError want, const char *story)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    warned[0] = '\0';
    is(VixDiskLib_Open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), want,
       "%s does not open", path ? path : "NULL");
    ok(!disk, "and the handle is NULL");
    bool told = strstr(warned, "Cannot open disk") && (!story || strstr(warned, story));
    if (!ok(told, "which is told"))
        printf("# %s", warned);
    char *end = strchr(warned, '\n');
    ok(end && end[1] == '\0', "in one line");
}

static void bad_disks(void)
{
    does_not_open(path_of("nothing.vmdk"), VIX_E_FILE_NOT_FOUND, "Error 4 (A file was not found)");
    does_not_open("[datastore1] vm/vm.vmdk", VIX_E_FILE_NOT_FOUND, "datastore");
    does_not_open(NULL, VIX_E_INVALID_ARG, NULL);
    does_not_open("", VIX_E_INVALID_ARG, NULL);
    does_not_open(path_of("text.vmdk"), VIX_E_DISK_INVALIDDISK, "text.vmdk");
    does_not_open(path_of("flat-flat.vmdk"), VIX_E_DISK_INVALIDDISK, NULL);
    does_not_open(path_of("lost.vmdk"), VIX_E_DISK_OPENPARENT, "gone.vmdk");
    does_not_open(path_of("stale.vmdk"), VIX_E_DISK_CID_MISMATCH, "changed.vmdk");
    is(VixDiskLib_Open(connection, path_of("sparse.vmdk"), 0, NULL), VIX_E_INVALID_ARG,
       "Open into NULL");
    if (geteuid() == 0)
        return;
    chmod(path_of("text.vmdk"), 0);
    does_not_open(path_of("text.vmdk"), VIX_E_FILE_ACCESS_ERROR, "do not have access rights");
}

/* Strings longer than any line a program has room for. */
static void long_path(void)
{
    static char path[6000];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[17] = '\n';
    VixDiskLibHandle disk = NULL;
    warned[0] = '\0';
    ok(VixDiskLib_Open(connection, path, 0, &disk) != VIX_OK, "an endless path does not open");
    ok(strlen(warned) < 1000, "and is told in a line of ordinary length");
    ok(strchr(warned, '\n') == warned + strlen(warned) - 1, "which is one line");
}

static void info(void)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle disk = open_disk("grandchild.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo");
    is(info->numLinks, 3, "links");
    is_text(info->parentFileNameHint, "child.vmdk", "parent");
    is(info->capacity, 20483, "capacity");
    is(info->adapterType, VIXDISKLIB_ADAPTER_IDE, "adapter");
    is(info->physGeo.heads, 16, "heads");
    is(info->physGeo.sectors, 63, "sectors");
    is(info->physGeo.cylinders, 20, "cylinders");
    is(memcmp(&info->biosGeo, &info->physGeo, sizeof info->biosGeo), 0, "BIOS geometry");
    is(info->logicalSectorSize, 512, "logical sector");
    is(info->physicalSectorSize, 512, "physical sector");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_GetInfo(disk, NULL), VIX_E_INVALID_ARG, "GetInfo into NULL");
    close_disk(disk, "grandchild");

    disk = open_disk("grandchild.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo, single link");
    is(info->numLinks, 1, "one link");
    is_text(info->parentFileNameHint, "child.vmdk", "the parent is known");
    VixDiskLib_FreeInfo(info);
    close_disk(disk, "grandchild");

    disk = open_disk("sparse.vmdk", 0);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo, base");
    is_text(info->parentFileNameHint, NULL, "no parent");
    is(info->numLinks, 1, "one link");
    is(info->adapterType, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "adapter");
    VixDiskLib_FreeInfo(info);
    close_disk(disk, "sparse");
}

static void single_link(void)
{
    VixDiskLibHandle disk = open_disk("child.vmdk", VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    uint8 buffer[512];
    is(VixDiskLib_Read(disk, 128, 1, buffer), VIX_OK, "what the link holds reads");
    is(buffer[511], 0x11, "and is right");
    is(VixDiskLib_Read(disk, 0, 1, buffer), VIX_E_DISK_PARTIALCHAIN, "its parent's does not");
    VixDiskLibBlockList *list = NULL;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 20480 + 128, 128, &list), VIX_OK, "its blocks");
    ok(list && list->numBlocks == 1 && list->blocks[0].offset == 128 &&
           list->blocks[0].length == 512,
       "are its own alone");
    is(VixDiskLib_FreeBlockList(list), VIX_OK, "FreeBlockList");
    close_disk(disk, "child");
}

static void metadata(void)
{
    VixDiskLibHandle disk = open_disk("sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    size_t needed = 0;
    char value[64];
    is(VixDiskLib_ReadMetadata(disk, "adapterType", NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL,
       "the size of a value");
    is(needed, sizeof "lsilogic", "counts its NUL");
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    is(VixDiskLib_ReadMetadata(disk, "adapterType", value, needed - 1, NULL), VIX_E_BUFFER_TOOSMALL,
       "a byte too few");
    is(value[0], 'x', "writes nothing");
    is(VixDiskLib_ReadMetadata(disk, "adapterType", value, needed, NULL), VIX_OK, "exactly enough");
    is_text(value, "lsilogic", "the value");
    is(VixDiskLib_ReadMetadata(disk, "geometry.heads", value, sizeof value, &needed), VIX_OK,
       "more than enough");
    is(needed, strlen(value) + 1, "tells the length used");
    is(VixDiskLib_ReadMetadata(disk, "nobody", value, sizeof value, &needed),
       VIX_E_DISK_KEY_NOTFOUND, "a key that is not there");
    is(needed, 0, "needs nothing");
    is(VixDiskLib_ReadMetadata(disk, NULL, value, sizeof value, NULL), VIX_E_INVALID_ARG, "no key");

    is(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL, "size of keys");
    char *keys = malloc(needed);
    is(VixDiskLib_GetMetadataKeys(disk, keys, needed - 1, NULL), VIX_E_BUFFER_TOOSMALL,
       "a byte too few for the keys");
    is(VixDiskLib_GetMetadataKeys(disk, keys, needed, NULL), VIX_OK, "the keys");
    size_t length = 0;
    bool found = false;
    for (const char *key = keys; *key; key += strlen(key) + 1) {
        found = found || strcmp(key, "adapterType") == 0;
        length += strlen(key) + 1;
        if (VixDiskLib_ReadMetadata(disk, key, value, sizeof value, NULL) != VIX_OK)
            ok(false, "key %s reads", key);
    }
    is(length + 1, needed, "fill the length told");
    ok(found, "and hold the adapter");
    free(keys);
    close_disk(disk, "sparse");
}

static VixError query(VixDiskLibHandle disk, uint64 start, uint64 count, uint64 chunk)
{
    VixDiskLibBlockList *list = (VixDiskLibBlockList *)8;
    VixError result = VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list);
    if (result != VIX_OK && list)
        return VIX_E_FAIL;
    if (result == VIX_OK)
        VixDiskLib_FreeBlockList(list);
    return result;
}

static void block_limits(void)
{
    VixDiskLibHandle disk = open_disk("sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(query(disk, 0, 128, 128), VIX_OK, "the smallest chunk");
    is(query(disk, 0, 127, 127), VIX_E_INVALID_ARG, "a smaller one");
    is(query(disk, 0, 131072, 131072), VIX_OK, "the largest chunk, past the end");
    is(query(disk, 0, 131073, 131073), VIX_E_INVALID_ARG, "a larger one");
    is(query(disk, 0, 128, 0), VIX_E_INVALID_ARG, "no chunk");
    is(query(disk, 0, 20483, 20483), VIX_OK, "the capacity as chunk");
    is(query(disk, 1, 128, 128), VIX_E_INVALID_ARG, "unaligned start");
    is(query(disk, 0, 129, 128), VIX_E_INVALID_ARG, "unaligned length");
    is(query(disk, 0, 0, 128), VIX_E_INVALID_ARG, "no length");
    is(query(disk, 20480, 128, 128), VIX_OK, "the tail");
    is(query(disk, 20480, 256, 128), VIX_E_INVALID_ARG, "more than a chunk past the end");
    is(query(disk, 20608, 128, 128), VIX_E_INVALID_ARG, "all past the end");
    is(query(disk, 0, UINT64_C(524289) * 128, 128), VIX_E_INVALID_ARG, "too many chunks");
    is(query(disk, 0, UINT64_MAX - 127, 128), VIX_E_INVALID_ARG, "all there is");
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 128, 128, NULL), VIX_E_INVALID_ARG, "into NULL");
    close_disk(disk, "sparse");
    disk = open_disk("tiny.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(query(disk, 0, 128, 128), VIX_OK, "a disk smaller than a chunk");
    close_disk(disk, "tiny");
}

/* Ascending, merged, whole chunks inside the disk. */
static bool well_shaped(const VixDiskLibBlockList *list, uint64 chunk, uint64 sectors)
{
    uint64 at = 0;
    bool shaped = true;
    for (uint32 i = 0; i < list->numBlocks && shaped; i++) {
        const VixDiskLibBlock *block = &list->blocks[i];
        uint64 end = block->offset + block->length;
        shaped = (i == 0 || block->offset > at) && end > block->offset;
        shaped = shaped && block->offset % chunk == 0 && (end % chunk == 0 || end == sectors);
        at = end;
    }
    return shaped && at <= sectors;
}

static bool all_zero(const uint8 *bytes, uint64 length)
{
    uint64 at = 0;
    while (at < length && bytes[at] == 0)
        at++;
    return at == length;
}

static bool zeros_between(const VixDiskLibBlockList *list, const struct content *want)
{
    uint64 at = 0;
    bool zeros = true;
    for (uint32 i = 0; i < list->numBlocks && zeros; i++) {
        zeros = all_zero(want->bytes + at * 512, (list->blocks[i].offset - at) * 512);
        at = list->blocks[i].offset + list->blocks[i].length;
    }
    return zeros && all_zero(want->bytes + at * 512, (want->sectors - at) * 512);
}

static uint64 covered(const VixDiskLibBlockList *list)
{
    uint64 sectors = 0;
    for (uint32 i = 0; i < list->numBlocks; i++)
        sectors += list->blocks[i].length;
    return sectors;
}

static void blocks_of(const char *disk_name, const char *raw_name, uint64 chunk, bool holes)
{
    struct content want = raw_of(raw_name);
    VixDiskLibHandle disk = open_disk(disk_name, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64 end = (want.sectors + chunk - 1) / chunk * chunk;
    VixDiskLibBlockList *list = NULL;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, end, chunk, &list), VIX_OK, "%s: blocks of %llu",
       disk_name, (unsigned long long)chunk);
    if (ok(list && well_shaped(list, chunk, want.sectors), "%s: ascending, merged, whole chunks",
           disk_name)) {
        ok(zeros_between(list, &want), "%s: zeros between the blocks", disk_name);
        ok(!holes || covered(list) < want.sectors / 2, "%s: and there is much between", disk_name);
    }
    VixDiskLib_FreeBlockList(list);
    close_disk(disk, disk_name);
    free(want.bytes);
}

static void blocks(void)
{
    blocks_of("sparse.vmdk", "sparse.raw", 128, true);
    blocks_of("sparse.vmdk", "sparse.raw", 1000, true);
    blocks_of("split.vmdk", "split.raw", 128, true);
    blocks_of("stream.vmdk", "stream.raw", 128, true);
    blocks_of("flat.vmdk", "flat.raw", 128, false);
    blocks_of("grandchild.vmdk", "grandchild.raw", 128, true);
    blocks_of("grandchild.vmdk", "grandchild.raw", 131072, false);
    blocks_of("tiny.vmdk", "tiny.raw", 128, false);
}

struct reader {
    pthread_t thread;
    VixDiskLibHandle disk;
    const struct content *want;
    unsigned seed;
    bool right;
};

static void *read_around(void *data)
{
    struct reader *reader = data;
    reader->right = true;
    for (int i = 0; i < 200 && reader->right; i++) {
        uint64 start = (uint64)rand_r(&reader->seed) % reader->want->sectors;
        uint64 count = (uint64)rand_r(&reader->seed) % 300;
        if (count > reader->want->sectors - start)
            count = reader->want->sectors - start;
        reader->right = compare(reader->disk, reader->want, start, count) == start + count;
    }
    return NULL;
}

static void many_threads(const char *disk_name, const char *raw_name)
{
    struct content want = raw_of(raw_name);
    VixDiskLibHandle disk = open_disk(disk_name, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    struct reader readers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.disk = disk, .want = &want, .seed = i + 1};
        if (pthread_create(&readers[i].thread, NULL, read_around, &readers[i]) != 0)
            abort();
    }
    bool right = true;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(readers[i].thread, NULL);
        right = right && readers[i].right;
    }
    ok(right, "%s: %d threads read one handle", disk_name, THREADS);
    close_disk(disk, disk_name);
    free(want.bytes);
}

/* A parent in another folder is opened where the configuration allows it. */
static void outside(void)
{
    does_not_open(path_of("inner/outside.vmdk"), VIX_E_FILE_ACCESS_ERROR, "base.vmdk");
    is(VixDiskLib_InitEx(7, 0, NULL, NULL, NULL, NULL, path_of("config-outside")), VIX_OK,
       "InitEx with another configuration");
    reads_as_qemu("inner/outside.vmdk", "inner/outside.raw", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLib_Exit();
}

int main(void)
{
    folder = getenv("VD_DISKS");
    if (!folder) {
        puts("1..0 # SKIP run by with-disks");
        return 0;
    }
    is(VixDiskLib_InitEx(7, 0, on_log, on_warn, on_warn, folder, path_of("config")), VIX_OK,
       "InitEx");
    is(VixDiskLib_ConnectEx(NULL, FALSE, "", "", &connection), VIX_OK, "ConnectEx");
    every_kind();
    range_is_checked();
    info();
    single_link();
    metadata();
    block_limits();
    blocks();
    many_threads("grandchild.vmdk", "grandchild.raw");
    many_threads("stream.vmdk", "stream.raw");
    bad_disks();
    long_path();
    outside();
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_Exit();
    return tap_done();
}
