/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vd_disk on top of a pump. Requests are cut into operations of at most OP_BYTES, all handed
 * over at once, so that one large read has as many in flight as many small ones.
 */
#include "nfc/client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "nfc/handshake.h"
#include "nfc/pump.h"
#include "nfc/sync.h"

#define OP_BYTES       (1u << 20) /* hosts take 32 MiB; this keeps them short of no memory */
#define FIRST_PAUSE_MS 50u
#define OPS_AT_A_TIME  64u    /* of one caller; the pump's window is smaller */
#define CHUNK_BYTES    65536u /* the finest an allocated-block query goes */
#define VALUE_BYTES    1024u  /* of a disk database entry; longer ones are not shown */

/* What disks have in their database, as far as public lists go: the wire has no known way to ask
 * for the keys. The first six answer vd_disk_info. */
static const char *const KEYS[] = {
    "adapterType",
    "geometry.biosCylinders",
    "geometry.biosHeads",
    "geometry.biosSectors",
    "uuid",
    "physicalSectorSize",
    "geometry.cylinders",
    "geometry.heads",
    "geometry.sectors",
    "longContentID",
    "toolsInstallType",
    "toolsVersion",
    "virtualHWVersion",
    "thinProvisioned",
    "encoding",
    "comment",
    "deletable",
    "iofilters",
    "sidecars",
    "KMFilters",
    "isDigest",
    "isNativeLinkedClone",
    "resumeConsolidateSector",
    "logicalSectorSize",
};
#define INFO_KEYS 6u

struct nfc_disk {
    struct vd_disk base;
    struct vd_nfc_pump *pump;
    uint32_t compression;
    bool simulator;
    const char *transport;

    pthread_mutex_t lock; /* guards what follows */
    bool asked[VD_ARRAY_SIZE(KEYS)];
    char *values[VD_ARRAY_SIZE(KEYS)]; /* NULL: absent, or not asked */
    uint8_t *bitmap;                   /* of the chunks from bitmap_start on; NULL: none */
    uint64_t bitmap_start, bitmap_chunks;
};

static const struct vd_disk_ops NFC_OPS;

static struct nfc_disk *nfc_of(struct vd_disk *disk)
{
    return (struct nfc_disk *)disk;
}

/* --- reading and writing --- */

static int move_some(struct nfc_disk *nfc, enum vd_nfc_op_kind kind, uint64_t offset, size_t length,
                     uint8_t *into, const uint8_t *from, struct vd_error *err)
{
    size_t count = (length + OP_BYTES - 1) / OP_BYTES;
    VD_FREE struct vd_nfc_job *jobs = calloc(count, sizeof *jobs);
    if (!jobs)
        return vd_error_set(err, VD_E_NO_MEMORY, "'%s': out of memory", nfc->base.path);
    for (size_t i = 0; i < count; i++) {
        size_t done = i * OP_BYTES;
        jobs[i].op.kind = kind;
        jobs[i].op.compression = nfc->compression;
        jobs[i].op.offset_bytes = offset + done;
        jobs[i].op.length_bytes = (uint32_t)VD_MIN(length - done, OP_BYTES);
        jobs[i].op.into = into ? into + done : NULL;
        jobs[i].op.from = from ? from + done : NULL;
    }
    int r = vd_nfc_pump_run(nfc->pump, jobs, count, err);
    if (r < 0)
        vd_error_prefix(err, "%s '%s'", from ? "writing" : "reading", nfc->base.path);
    return r;
}

static int move(struct nfc_disk *nfc, enum vd_nfc_op_kind kind, uint64_t offset, size_t length,
                uint8_t *into, const uint8_t *from, struct vd_error *err)
{
    int r = VD_OK;
    for (size_t done = 0; r == VD_OK && done < length;) {
        size_t size = VD_MIN(length - done, (size_t)OPS_AT_A_TIME * OP_BYTES);
        r = move_some(nfc, kind, offset + done, size, into ? into + done : NULL,
                      from ? from + done : NULL, err);
        done += size;
    }
    return r;
}

static int nfc_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                    void *buffer, struct vd_error *err)
{
    return move(nfc_of(self), VD_NFC_OP_READ, vd_sectors_to_bytes(start_sectors),
                (size_t)vd_sectors_to_bytes(count_sectors), buffer, NULL, err);
}

static void forget_bitmap(struct nfc_disk *nfc)
{
    (void)pthread_mutex_lock(&nfc->lock);
    free(VD_TAKE_PTR(nfc->bitmap));
    (void)pthread_mutex_unlock(&nfc->lock);
}

static int nfc_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     const void *buffer, struct vd_error *err)
{
    struct nfc_disk *nfc = nfc_of(self);
    forget_bitmap(nfc);
    return move(nfc, VD_NFC_OP_WRITE, vd_sectors_to_bytes(start_sectors),
                (size_t)vd_sectors_to_bytes(count_sectors), NULL, buffer, err);
}

/* Every write was answered before it returned, and the wire has no flush. */
static int nfc_flush(struct vd_disk *self, struct vd_error *err)
{
    (void)self;
    (void)err;
    return VD_OK;
}

/* --- allocated blocks --- */

int vd_nfc_query_allocated(struct vd_disk *disk, uint64_t start_bytes, uint64_t chunk_bytes,
                           uint64_t chunks, uint8_t *bitmap, struct vd_error *err)
{
    struct vd_nfc_job job = {.op = {.kind = VD_NFC_OP_QUERY,
                                    .offset_bytes = start_bytes,
                                    .chunk_bytes = chunk_bytes,
                                    .chunks = chunks,
                                    .into = bitmap}};
    if (disk->ops != &NFC_OPS)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s': a host without asynchronous NFC does not tell what is allocated",
                            disk->path);
    int r = vd_nfc_pump_run(nfc_of(disk)->pump, &job, 1, err);
    if (r < 0)
        vd_error_prefix(err, "'%s'", disk->path);
    return r;
}

/* Makes the bitmap hold the chunk. */
static int look_up_chunk(struct nfc_disk *nfc, uint64_t chunk, uint64_t all_chunks,
                         struct vd_error *err)
{
    if (nfc->bitmap && chunk - nfc->bitmap_start < nfc->bitmap_chunks && chunk >= nfc->bitmap_start)
        return VD_OK;
    uint64_t chunks = VD_MIN(all_chunks - chunk, (uint64_t)VD_NFC_QUERY_MAX_CHUNKS);
    free(VD_TAKE_PTR(nfc->bitmap));
    VD_FREE uint8_t *bitmap = calloc(1, vd_nfc_bitmap_bytes(chunks));
    if (!bitmap)
        return vd_error_set(err, VD_E_NO_MEMORY, "mapping '%s': out of memory", nfc->base.path);
    int r =
        vd_nfc_query_allocated(&nfc->base, chunk * CHUNK_BYTES, CHUNK_BYTES, chunks, bitmap, err);
    if (r < 0)
        return r;
    nfc->bitmap = VD_TAKE_PTR(bitmap);
    nfc->bitmap_start = chunk;
    nfc->bitmap_chunks = chunks;
    return VD_OK;
}

static bool is_allocated(const struct nfc_disk *nfc, uint64_t chunk)
{
    uint64_t bit = chunk - nfc->bitmap_start;
    return (nfc->bitmap[bit / 8] >> bit % 8 & 1) != 0;
}

/* How far the chunk's kind goes on, as far as the bitmap tells; 32 bits at a time where all are
 * alike. */
static uint64_t end_of_run(const struct nfc_disk *nfc, uint64_t chunk)
{
    bool kind = is_allocated(nfc, chunk);
    uint32_t alike = kind ? UINT32_MAX : 0;
    uint64_t bit = chunk - nfc->bitmap_start;
    while (bit < nfc->bitmap_chunks) {
        if (bit % 32 == 0 && nfc->bitmap_chunks - bit >= 32 &&
            vd_le32_decode(nfc->bitmap + bit / 8) == alike)
            bit += 32;
        else if (is_allocated(nfc, nfc->bitmap_start + bit) == kind)
            bit++;
        else
            break;
    }
    return nfc->bitmap_start + bit;
}

/* A last piece smaller than a chunk cannot be asked for: it counts as data. */
static int map_locked(struct nfc_disk *nfc, uint64_t at, uint64_t end, struct vd_run *runs,
                      size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    const uint64_t chunk_sectors = CHUNK_BYTES / VD_SECTOR_BYTES;
    uint64_t all_chunks = nfc->base.capacity_sectors / chunk_sectors;
    size_t count = 0;
    while (at < end && count < max_runs) {
        uint64_t chunk = at / chunk_sectors;
        uint64_t stop = end;
        bool data = true;
        if (chunk < all_chunks) {
            int r = look_up_chunk(nfc, chunk, all_chunks, err);
            if (r < 0)
                return count ? (*ret_runs = count, vd_error_clear(err), VD_OK) : r;
            data = is_allocated(nfc, chunk);
            stop = VD_MIN(end, end_of_run(nfc, chunk) * chunk_sectors);
        }
        runs[count++] = (struct vd_run){.start_sectors = at,
                                        .length_sectors = stop - at,
                                        .kind = data ? VD_RUN_DATA : VD_RUN_ABSENT,
                                        .offset_bytes = vd_sectors_to_bytes(at),
                                        .file = data ? nfc->base.path : NULL};
        at = stop;
    }
    *ret_runs = count;
    return VD_OK;
}

static int nfc_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                   struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    struct nfc_disk *nfc = nfc_of(self);
    (void)pthread_mutex_lock(&nfc->lock);
    int r = map_locked(nfc, start_sectors, start_sectors + count_sectors, runs, max_runs, ret_runs,
                       err);
    (void)pthread_mutex_unlock(&nfc->lock);
    return r;
}

/* --- the disk database --- */

/* Asks for the keys from..to at once, those that were not asked for yet. An answer that does not
 * come leaves its key absent. */
static int ask_keys_locked(struct nfc_disk *nfc, size_t from, size_t to, struct vd_error *err)
{
    struct vd_nfc_job *jobs = calloc(to - from, sizeof *jobs);
    char *room = malloc((to - from) * VALUE_BYTES);
    size_t count = 0;
    for (size_t key = from; jobs && room && key < to; key++) {
        if (nfc->asked[key])
            continue;
        jobs[count].op.kind = VD_NFC_OP_GET;
        jobs[count].op.text = KEYS[key];
        jobs[count].op.into = room + count * VALUE_BYTES;
        jobs[count].op.into_bytes = VALUE_BYTES;
        jobs[count++].op.flags = (uint32_t)key;
    }
    int r = jobs && room ? VD_OK : VD_E_NO_MEMORY;
    if (count)
        r = vd_nfc_pump_run(nfc->pump, jobs, count, err);
    for (size_t i = 0; i < count; i++) {
        const struct vd_nfc_op *op = &jobs[i].op;
        if (op->code == VD_OK && op->done_bytes)
            nfc->values[op->flags] = strdup(op->into);
        nfc->asked[op->flags] = nfc->asked[op->flags] || op->code == VD_OK;
    }
    free(jobs);
    free(room);
    return r;
}

static size_t key_index(const char *key)
{
    size_t i = 0;
    while (i < VD_ARRAY_SIZE(KEYS) && strcmp(KEYS[i], key) != 0)
        i++;
    return i;
}

static const char *nfc_meta_get(struct vd_disk *self, const char *key)
{
    struct nfc_disk *nfc = nfc_of(self);
    size_t index = key_index(key);
    if (index == VD_ARRAY_SIZE(KEYS))
        return NULL;
    (void)pthread_mutex_lock(&nfc->lock);
    VD_DISCARD(ask_keys_locked(nfc, index, index + 1, NULL)); /* absent then */
    const char *value = nfc->values[index];
    (void)pthread_mutex_unlock(&nfc->lock);
    return value;
}

static const char *nfc_meta_key(struct vd_disk *self, size_t index)
{
    struct nfc_disk *nfc = nfc_of(self);
    const char *found = NULL;
    (void)pthread_mutex_lock(&nfc->lock);
    VD_DISCARD(ask_keys_locked(nfc, 0, VD_ARRAY_SIZE(KEYS), NULL)); /* those absent then */
    for (size_t key = 0; key < VD_ARRAY_SIZE(KEYS) && !found; key++)
        if (nfc->values[key] && index-- == 0)
            found = KEYS[key];
    (void)pthread_mutex_unlock(&nfc->lock);
    return found;
}

static int nfc_meta_set(struct vd_disk *self, const char *key, const char *value,
                        struct vd_error *err)
{
    struct nfc_disk *nfc = nfc_of(self);
    if (!nfc->simulator)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' of '%s' cannot be set: hosts tell what is in a disk's database, "
                            "but how they are asked to change it nobody has made public",
                            key, self->path);
    struct vd_nfc_job job = {.op = {.kind = VD_NFC_OP_SET,
                                    .text = key,
                                    .from = value,
                                    .length_bytes = (uint32_t)strlen(value)}};
    int r = vd_nfc_pump_run(nfc->pump, &job, 1, err);
    size_t index = key_index(key);
    if (r == VD_OK && index < VD_ARRAY_SIZE(KEYS)) {
        (void)pthread_mutex_lock(&nfc->lock);
        free(VD_TAKE_PTR(nfc->values[index]));
        nfc->asked[index] = false;
        (void)pthread_mutex_unlock(&nfc->lock);
    }
    return r;
}

/* --- information --- */

static uint32_t number_of(const char *text)
{
    unsigned long value = text ? strtoul(text, NULL, 10) : 0;
    return value <= UINT32_MAX ? (uint32_t)value : 0;
}

static enum vd_adapter adapter_of(const char *text)
{
    if (!text)
        return VD_ADAPTER_UNKNOWN;
    return strcmp(text, "ide") == 0        ? VD_ADAPTER_IDE
           : strcmp(text, "buslogic") == 0 ? VD_ADAPTER_BUSLOGIC
           : strcmp(text, "lsilogic") == 0 ? VD_ADAPTER_LSILOGIC
                                           : VD_ADAPTER_UNKNOWN;
}

static void nfc_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    struct nfc_disk *nfc = nfc_of(self);
    const struct vd_nfc_opened *opened = vd_nfc_pump_opened(nfc->pump);
    (void)pthread_mutex_lock(&nfc->lock);
    VD_DISCARD(ask_keys_locked(nfc, 0, INFO_KEYS, NULL)); /* absent then */
    char *const *values = nfc->values;
    ret->type = VD_DISK_UNKNOWN;
    ret->adapter = adapter_of(values[0]);
    ret->geometry = (struct vd_geometry){opened->cylinders, opened->heads, opened->sectors};
    ret->bios_geometry =
        (struct vd_geometry){number_of(values[1]), number_of(values[2]), number_of(values[3])};
    ret->uuid = values[4];
    ret->num_links = 1;
    ret->logical_sector_bytes = opened->sector_bytes ? opened->sector_bytes : VD_SECTOR_BYTES;
    ret->physical_sector_bytes = values[5] ? number_of(values[5]) : ret->logical_sector_bytes;
    ret->transport = nfc->transport;
    (void)pthread_mutex_unlock(&nfc->lock);
}

static int nfc_close(struct vd_disk *self, struct vd_error *err)
{
    struct nfc_disk *nfc = nfc_of(self);
    (void)err; /* every write was answered */
    vd_nfc_pump_free(nfc->pump);
    for (size_t key = 0; key < VD_ARRAY_SIZE(KEYS); key++)
        free(nfc->values[key]);
    free(nfc->bitmap);
    (void)pthread_mutex_destroy(&nfc->lock);
    free(nfc);
    return VD_OK;
}

static const struct vd_disk_ops NFC_OPS = {
    .name = "nfc",
    .read = nfc_read,
    .write = nfc_write,
    .flush = nfc_flush,
    .map = nfc_map,
    .info = nfc_info,
    .meta_get = nfc_meta_get,
    .meta_key = nfc_meta_key,
    .meta_set = nfc_meta_set,
    .close = nfc_close,
};

static int check_options(const struct vd_nfc_options *options, struct vd_error *err)
{
    uint32_t size = options->buffer_bytes ? options->buffer_bytes : 1;
    uint32_t count = options->buffer_count ? options->buffer_count : 1;
    if (options->buffer_bytes % 65536 == 0 && size <= VD_NFC_BUFFER_MAX_BYTES &&
        (uint64_t)size * count <= VD_NFC_SESSION_MAX_BYTES)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "opening '%s': %" PRIu32 " NFC buffers of %" PRIu32 " bytes; a buffer has "
                        "a multiple of 64 KiB, at most 2 MiB, and all together at most 16 MiB",
                        options->path, count, options->buffer_bytes);
}

static int nfc_disk_new(struct vd_nfc_pump *pump, const struct vd_nfc_options *options,
                        struct vd_disk **ret, struct vd_error *err)
{
    struct nfc_disk *nfc = calloc(1, sizeof *nfc);
    char *path = strdup(options->path);
    if (!nfc || !path) {
        free(nfc);
        free(path);
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", options->path);
    }
    nfc->base.ops = &NFC_OPS;
    nfc->base.path = path;
    nfc->base.capacity_sectors = vd_nfc_pump_opened(pump)->capacity_bytes / VD_SECTOR_BYTES;
    nfc->base.read_only = options->read_only;
    nfc->pump = pump;
    nfc->compression = (uint32_t)options->compression;
    nfc->simulator = options->simulator;
    nfc->transport = options->ssl ? "nbdssl" : "nbd";
    (void)pthread_mutex_init(&nfc->lock, NULL); /* cannot fail for a default mutex */
    *ret = &nfc->base;
    return VD_OK;
}

int vd_nfc_open(const struct vd_nfc_options *given, struct vd_disk **ret, struct vd_error *err)
{
    struct vd_nfc_pump *pump = NULL;
    struct vd_nfc_options with_defaults = *given;
    const struct vd_nfc_options *options = &with_defaults;
    if (given->first_pause_ms == 0)
        with_defaults.first_pause_ms = FIRST_PAUSE_MS;
    int r = check_options(options, err);
    if (r == VD_OK)
        r = vd_nfc_pump_new(options, &pump, err);
    if (r == VD_NFC_SYNC_ONLY)
        return vd_nfc_sync_open(options, ret, err);
    if (r < 0)
        return r;
    r = nfc_disk_new(pump, options, ret, err);
    if (r < 0)
        vd_nfc_pump_free(pump);
    return r;
}
