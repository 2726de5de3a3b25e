/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped after Bareos' vadp dumper: allocates the params before the library is initialised; dumps a
 * disk (its parameters, its metadata key by key, and of its blocks those that are allocated, or
 * those that a list of changes names) into one stream; restores the stream into a new disk and sets
 * the metadata again. Its chunk is the smaller of 2048 sectors and the disk; what is left behind
 * the last whole chunk it always takes as data. It frees and clears the strings in the params
 * itself, then gives the structure back. EndAccess comes after Disconnect.
 */
#include "compiled.h"

#define CHUNK_SECTORS 2048
#define SECTOR        VIXDISKLIB_SECTOR_SIZE
#define SPLIT_ABOVE   ((uint64)4 << 30) /* sectors; 2 TiB */
#define KEY_END       "."

struct dumper {
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    VixDiskLibInfo *info;
};

/* What stands before the data, and before each block of it. */
struct head {
    uint64 capacity;
    int adapter;
};

static void log_line(const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
}

__attribute__((format(printf, 1, 0))) static void warn_line(const char *fmt, va_list args)
{
    printf("# ");
    vprintf(fmt, args);
}

static void dumper_start(struct dumper *dumper, bool read_only)
{
    dumper->params = vix.AllocateConnectParams();
    ok(dumper->params, "AllocateConnectParams before InitEx");
    dumper->params->serverName = strdup("");
    dumper->params->vmxSpec = strdup("");
    dumper->params->creds.uid.userName = strdup("");
    dumper->params->creds.uid.password = strdup("");
    dumper->params->credType = VIXDISKLIB_CRED_UID;
    is(vix.InitEx(6, 5, log_line, warn_line, warn_line, kit, path_of("config")), VIX_OK, "InitEx");
    is(vix.PrepareForAccess(dumper->params, "dumper"), VIX_OK, "PrepareForAccess");
    is(vix.ConnectEx(dumper->params, read_only, NULL, "san:hotadd:nbdssl:nbd", &dumper->connection),
       VIX_OK, "ConnectEx with the transports in its order");
}

static void dumper_open(struct dumper *dumper, const char *name, bool read_only)
{
    is(vix.Open(dumper->connection, path_of(name),
                read_only ? VIXDISKLIB_FLAG_OPEN_READ_ONLY : VIXDISKLIB_FLAG_OPEN_UNBUFFERED,
                &dumper->disk),
       VIX_OK, "%s: Open", name);
    is(vix.GetInfo(dumper->disk, &dumper->info), VIX_OK, "GetInfo");
    is_text(vix.GetTransportMode(dumper->disk), "file", "transport mode");
}

static void dumper_end(struct dumper *dumper)
{
    uint32 cleaned = 7;
    uint32 left = 7;
    vix.FreeInfo(dumper->info);
    is(vix.Close(dumper->disk), VIX_OK, "Close");
    is(vix.Disconnect(dumper->connection), VIX_OK, "Disconnect");
    is(vix.Cleanup(dumper->params, &cleaned, &left), VIX_OK, "Cleanup after Disconnect");
    ok(cleaned == 0 && left == 0, "with nothing to clean");
    is(vix.EndAccess(dumper->params, "dumper"), VIX_OK, "EndAccess after Disconnect");
    free(dumper->params->serverName);
    free(dumper->params->vmxSpec);
    free(dumper->params->creds.uid.userName);
    free(dumper->params->creds.uid.password);
    memset(&dumper->params->creds, 0, sizeof dumper->params->creds);
    dumper->params->serverName = NULL;
    dumper->params->vmxSpec = NULL;
    vix.FreeConnectParams(dumper->params);
    vix.Exit();
}

/* Dumping */

static void put_text(FILE *stream, const char *text)
{
    fwrite(text, 1, strlen(text) + 1, stream);
}

static void dump_metadata(struct dumper *dumper, FILE *stream)
{
    size_t size = 0;
    is(vix.GetMetadataKeys(dumper->disk, NULL, 0, &size), VIX_E_BUFFER_TOOSMALL, "size of keys");
    char *keys = malloc(size);
    is(vix.GetMetadataKeys(dumper->disk, keys, size, NULL), VIX_OK, "keys");
    for (const char *key = keys; *key; key += strlen(key) + 1) {
        char value[1024];
        size_t length = 0;
        if (vix.ReadMetadata(dumper->disk, key, value, sizeof value, &length) != VIX_OK)
            abort();
        put_text(stream, key);
        put_text(stream, value);
    }
    put_text(stream, KEY_END);
    free(keys);
}

static void dump_run(struct dumper *dumper, VixDiskLibBlock run, FILE *stream)
{
    uint8 *bytes = malloc(CHUNK_SECTORS * SECTOR);
    while (run.length > 0) {
        VixDiskLibBlock piece = run;
        if (piece.length > CHUNK_SECTORS)
            piece.length = CHUNK_SECTORS;
        if (vix.Read(dumper->disk, piece.offset, piece.length, bytes) != VIX_OK)
            abort();
        fwrite(&piece, sizeof piece, 1, stream);
        fwrite(bytes, SECTOR, piece.length, stream);
        run.offset += piece.length;
        run.length -= piece.length;
    }
    free(bytes);
}

/* The allocated part of a range of whole chunks. */
static void dump_range(struct dumper *dumper, VixDiskLibBlock range, FILE *stream)
{
    uint64 capacity = dumper->info->capacity;
    uint64 chunk = capacity < CHUNK_SECTORS ? capacity : CHUNK_SECTORS;
    uint64 whole = range.length / chunk * chunk;
    VixDiskLibBlockList *list = NULL;
    if (whole > 0) {
        is(vix.QueryAllocatedBlocks(dumper->disk, range.offset, whole, chunk, &list), VIX_OK,
           "allocated in %llu sectors from %llu", (unsigned long long)whole,
           (unsigned long long)range.offset);
        for (uint32 i = 0; i < list->numBlocks; i++)
            dump_run(dumper, list->blocks[i], stream);
        vix.FreeBlockList(list);
    }
    dump_run(dumper, (VixDiskLibBlock){range.offset + whole, range.length - whole}, stream);
}

/* NULL changes: the whole disk. */
static void dump(const char *name, const VixDiskLibBlock *changes, unsigned count, FILE *stream)
{
    struct dumper dumper = {0};
    dumper_start(&dumper, true);
    dumper_open(&dumper, name, true);
    struct head head = {dumper.info->capacity, dumper.info->adapterType};
    fwrite(&head, sizeof head, 1, stream);
    dump_metadata(&dumper, stream);
    VixDiskLibBlock whole = {0, dumper.info->capacity};
    for (unsigned i = 0; i < (changes ? count : 1); i++)
        dump_range(&dumper, changes ? changes[i] : whole, stream);
    dumper_end(&dumper);
}

/* Restoring */

static bool get_text(FILE *stream, char *text, size_t size)
{
    size_t used = 0;
    int byte = getc(stream);
    for (; byte > 0 && used + 1 < size; byte = getc(stream))
        text[used++] = (char)byte;
    text[used] = '\0';
    return byte == 0;
}

static void create_disk(struct dumper *dumper, const char *name, struct head head)
{
    VixDiskLibCreateParams params = {
        .diskType = head.capacity > SPLIT_ABOVE ? VIXDISKLIB_DISK_SPLIT_SPARSE
                                                : VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
        .adapterType = head.adapter,
        .hwVersion = VIXDISKLIB_HWVERSION_ESX4X,
        .capacity = head.capacity,
    };
    is(vix.Create(dumper->connection, path_of(name), &params, NULL, NULL), VIX_OK, "%s: Create",
       name);
}

static void restore_metadata(struct dumper *dumper, FILE *stream)
{
    char key[1024];
    char value[1024];
    unsigned wrong = 0;
    while (get_text(stream, key, sizeof key) && strcmp(key, KEY_END) != 0) {
        wrong += !get_text(stream, value, sizeof value);
        wrong += vix.WriteMetadata(dumper->disk, key, value) != VIX_OK;
        char back[1024] = "";
        wrong += vix.ReadMetadata(dumper->disk, key, back, sizeof back, NULL) != VIX_OK;
        wrong += strcmp(back, value) != 0;
    }
    is(wrong, 0, "every key is set again, and read back");
}

static void restore_blocks(struct dumper *dumper, FILE *stream)
{
    VixDiskLibBlock piece;
    unsigned wrong = 0;
    uint8 *bytes = malloc(CHUNK_SECTORS * SECTOR);
    while (fread(&piece, sizeof piece, 1, stream) == 1) {
        wrong += fread(bytes, SECTOR, piece.length, stream) != piece.length;
        wrong += vix.Write(dumper->disk, piece.offset, piece.length, bytes) != VIX_OK;
    }
    is(wrong, 0, "every block is written");
    free(bytes);
}

static void restore(const char *name, bool create, FILE *stream)
{
    struct dumper dumper = {0};
    struct head head;
    rewind(stream);
    if (fread(&head, sizeof head, 1, stream) != 1)
        abort();
    dumper_start(&dumper, false);
    if (create)
        create_disk(&dumper, name, head);
    dumper_open(&dumper, name, false);
    is(dumper.info->capacity, head.capacity, "the capacity of the dumped disk");
    restore_metadata(&dumper, stream);
    restore_blocks(&dumper, stream);
    dumper_end(&dumper);
}

static void same_content(const char *name, const char *raw)
{
    ok(run("qemu-img compare -f vmdk -F raw '%s' %s", name, raw), "%s: holds %s", name, raw);
    ok(run("qemu-img check -q -f vmdk '%s'", name), "%s: and is whole", name);
}

static void full(const char *name, const char *raw)
{
    FILE *stream = tmpfile();
    dump(name, NULL, 0, stream);
    restore("restored.vmdk", true, stream);
    same_content("restored.vmdk", raw);
    fclose(stream);
    unlink(path_of("restored.vmdk"));
}

/* The changes between `child` and `grandchild`, rounded to chunks as a change list has them,
 * brought into a restored `child`. */
static void incremental(void)
{
    static const VixDiskLibBlock changes[] = {{8192, 2048}, {10240, 2048}, {18432, 2051}};
    FILE *stream = tmpfile();
    dump("child.vmdk", NULL, 0, stream);
    restore("increments.vmdk", true, stream);
    fclose(stream);
    same_content("increments.vmdk", "child.raw");
    stream = tmpfile();
    dump("grandchild.vmdk", changes, 3, stream);
    restore("increments.vmdk", false, stream);
    fclose(stream);
    same_content("increments.vmdk", "grandchild.raw");
}

int main(void)
{
    if (!consumer_start())
        return 0;
    if (!bind_kit())
        return tap_done();
    full("sparse.vmdk", "sparse.raw");
    full("flat.vmdk", "flat.raw");
    full("stream.vmdk", "stream.raw");
    ok(run("head -c 102400 base.raw >small.raw && qemu-img convert -O vmdk small.raw small.vmdk"),
       "a disk smaller than a chunk");
    full("small.vmdk", "small.raw");
    incremental();
    return tap_done();
}
