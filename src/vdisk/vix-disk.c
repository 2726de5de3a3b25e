/* SPDX-License-Identifier: Apache-2.0 */
/* The provider that is a VixDiskLib: its steps, and its data. */
#include "vdisk/vix-disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vdisk/failure.h"
#include "vdisk/log.h"
#include "vdisk/params.h"
#include "vdisk/vix-params.h"

/* What others move at a time without complaint: hosts have little memory for the network's
 * requests, of all clients together (virt-v2v and CDI stay below it too). */
#define MAX_REMOTE_SECTORS ((2 * VD_MIB) / VD_SECTOR_BYTES)
#define MAX_LOCAL_SECTORS  ((64 * VD_MIB) / VD_SECTOR_BYTES)

static void vix_unload(void *self)
{
    struct vd_native_vix_disk *disk = self;
    if (disk->connect_params)
        vd_native_vix_params_free(disk->vix, disk->connect_params);
    if (disk->vix)
        vd_native_vix_put(disk->vix);
    free(disk->parent);
    free(disk->uuid);
    free(disk);
}

static int vix_load(const struct vdisk_params *params, void **ret_self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                              vd_native_params_name(params));
    disk->params = params;
    disk->name = vd_native_params_name(params);
    int r = vd_native_vix_get(params, &disk->vix, err);
    if (r >= 0)
        r = vd_native_vix_params_new(disk->vix, params, &disk->connect_params, err);
    if (r >= 0)
        *ret_self = disk;
    else
        vix_unload(disk);
    return r;
}

static int end_access(struct vd_native_vix_disk *disk, struct vdisk_error *err)
{
    VixError result = disk->vix->EndAccess(disk->connect_params, disk->params->identity);
    return vd_native_vix_result(disk->vix, result, "ending the access to", disk->name, err);
}

/* A failure may leave the virtual machine half prepared, and VMware asks for EndAccess then too;
 * except where the machine is another program's at the time, whose access that would end. */
static void prepare_failed(struct vd_native_vix_disk *disk, VixError result)
{
    struct vdisk_error ignored = VDISK_ERROR_INIT;
    if (VIX_ERROR_CODE(result) != VIX_E_OPERATION_DISABLED && end_access(disk, &ignored) < 0)
        vd_log(vd_native_log(), VD_LOG_WARNING, "%s", ignored.text);
}

static int vix_prepare(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    if (!disk->params->identity || !vd_native_params_remote(disk->params))
        return 0;
    if (!disk->vix->PrepareForAccess)
        return vd_native_vix_lacks(disk->vix, "PrepareForAccess", "preparing the access to",
                                   disk->name, err);
    pthread_mutex_lock(&disk->vix->opening);
    VixError result = disk->vix->PrepareForAccess(disk->connect_params, disk->params->identity);
    int r = vd_native_vix_result(disk->vix, result, "preparing the access to", disk->name, err);
    if (r < 0)
        prepare_failed(disk, result);
    pthread_mutex_unlock(&disk->vix->opening);
    disk->prepared = r >= 0;
    return r;
}

static int vix_end_access(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    if (!disk->prepared)
        return 0;
    pthread_mutex_lock(&disk->vix->opening);
    int r = end_access(disk, err);
    pthread_mutex_unlock(&disk->vix->opening);
    return r;
}

/* A success that gives nothing is none. */
static int check_given(const struct vd_native_vix_disk *disk, const void *given, const char *doing,
                       const char *what, struct vdisk_error *err)
{
    if (given)
        return 0;
    return vd_native_fail(err, VD_E_FAIL, "%s '%s': '%s' says it is done, but gives no %s", doing,
                          disk->name, disk->vix->path, what);
}

static int vix_connect(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    const struct vdisk_params *params = disk->params;
    pthread_mutex_lock(&disk->vix->opening);
    VixError result =
        disk->vix->ConnectEx(disk->connect_params, (params->flags & VDISK_READ_ONLY) != 0,
                             params->snapshot, params->transports, &disk->connection);
    pthread_mutex_unlock(&disk->vix->opening);
    int r = vd_native_vix_result(disk->vix, result, "connecting for", disk->name, err);
    return r < 0 ? r : check_given(disk, disk->connection, "connecting for", "connection", err);
}

static int vix_disconnect(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    pthread_mutex_lock(&disk->vix->opening);
    VixError result = disk->vix->Disconnect(disk->connection);
    pthread_mutex_unlock(&disk->vix->opening);
    return vd_native_vix_result(disk->vix, result, "disconnecting from", disk->name, err);
}

static struct vdisk_geometry geometry_of(const VixDiskLibGeometry *geometry)
{
    return (struct vdisk_geometry){geometry->cylinders, geometry->heads, geometry->sectors};
}

/* Before version 7 the structure ends before the sizes of sectors. */
static void take_numbers(struct vd_native_vix_disk *disk, const VixDiskLibInfo *from)
{
    struct vdisk_info *to = &disk->info;
    const char *transport = NULL;
    if (disk->vix->GetTransportMode)
        transport = disk->vix->GetTransportMode(disk->handle);
    to->capacity_bytes = vd_sectors_to_bytes(from->capacity);
    to->type = VDISK_TYPE_UNKNOWN;
    to->adapter = (uint32_t)from->adapterType;
    to->num_links = from->numLinks > 0 ? (uint32_t)from->numLinks : 1;
    to->geometry = geometry_of(&from->physGeo);
    to->bios_geometry = geometry_of(&from->biosGeo);
    to->logical_sector_bytes = disk->vix->major >= 7 ? from->logicalSectorSize : 0;
    to->physical_sector_bytes = disk->vix->major >= 7 ? from->physicalSectorSize : 0;
    if (to->logical_sector_bytes == 0)
        to->logical_sector_bytes = VD_SECTOR_BYTES;
    if (to->physical_sector_bytes == 0)
        to->physical_sector_bytes = to->logical_sector_bytes;
    to->transport = transport ? transport : "";
    to->provider = disk->vix->path;
}

static int take_info(struct vd_native_vix_disk *disk, const VixDiskLibInfo *from,
                     struct vdisk_error *err)
{
    if (from->capacity > VD_MAX_SECTORS - VD_NATIVE_BOUNCE_SECTORS)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "opening '%s': a capacity of %llu sectors is more than the largest "
                              "offset",
                              disk->name, (unsigned long long)from->capacity);
    take_numbers(disk, from);
    disk->parent = from->parentFileNameHint ? strdup(from->parentFileNameHint) : NULL;
    disk->uuid = from->uuid ? strdup(from->uuid) : NULL;
    if ((from->parentFileNameHint && !disk->parent) || (from->uuid && !disk->uuid))
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory", disk->name);
    disk->info.parent = disk->parent;
    disk->info.uuid = disk->uuid;
    return 0;
}

static int ask_info(struct vd_native_vix_disk *disk, struct vdisk_error *err)
{
    VixDiskLibInfo *info = NULL;
    VixError result = disk->vix->GetInfo(disk->handle, &info);
    int r = vd_native_vix_result(disk->vix, result, "asking for the size of", disk->name, err);
    if (r >= 0)
        r = check_given(disk, info, "asking for the size of", "answer", err);
    if (r < 0)
        return r;
    r = take_info(disk, info, err);
    disk->vix->FreeInfo(info);
    return r;
}

static int vix_close(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    pthread_mutex_lock(&disk->vix->opening);
    VixError result = disk->vix->Close(disk->handle);
    pthread_mutex_unlock(&disk->vix->opening);
    return vd_native_vix_result(disk->vix, result, "closing", disk->name, err);
}

/* VDISK_ALLOW_OUTSIDE is no flag of the interface: all of them allow it. */
static int vix_open(void *self, struct vdisk_error *err)
{
    struct vd_native_vix_disk *disk = self;
    uint32 flags = disk->params->flags & ~(uint32)VDISK_ALLOW_OUTSIDE;
    const char *path = disk->params->path ? disk->params->path : ""; /* of a first-class disk */
    pthread_mutex_lock(&disk->vix->opening);
    VixError result = disk->vix->Open(disk->connection, path, flags, &disk->handle);
    pthread_mutex_unlock(&disk->vix->opening);
    int r = vd_native_vix_result(disk->vix, result, "opening", disk->name, err);
    if (r >= 0)
        r = check_given(disk, disk->handle, "opening", "disk", err);
    if (r < 0)
        return r;
    r = ask_info(disk, err);
    if (r < 0) {
        struct vdisk_error ignored = VDISK_ERROR_INIT;
        (void)vix_close(disk, &ignored); /* the first failure is the one told */
    }
    return r;
}

/* Past the page cache, and on devices, buffers must be aligned. */
static void vix_limits(void *self, struct vd_native_limits *ret)
{
    const struct vd_native_vix_disk *disk = self;
    const char *transport = disk->info.transport;
    bool device = strcmp(transport, "san") == 0 || strcmp(transport, "hotadd") == 0;
    bool aligned = device || disk->params->flags & VDISK_UNBUFFERED;
    bool remote = vd_native_params_remote(disk->params);
    *ret = (struct vd_native_limits){
        .max_sectors = remote ? MAX_REMOTE_SECTORS : MAX_LOCAL_SECTORS,
        .alignment_bytes = aligned ? VD_NATIVE_PAGE_BYTES : 1,
    };
}

static void vix_info(void *self, struct vdisk_info *ret)
{
    const struct vd_native_vix_disk *disk = self;
    *ret = disk->info;
}

static int vix_read(void *self, uint64_t start_sectors, uint64_t count_sectors, void *buffer,
                    struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    VixError result = disk->vix->Read(disk->handle, start_sectors, count_sectors, buffer);
    return vd_native_vix_result(disk->vix, result, "reading", disk->name, err);
}

static int vix_write(void *self, uint64_t start_sectors, uint64_t count_sectors, const void *buffer,
                     struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    VixError result = disk->vix->Write(disk->handle, start_sectors, count_sectors, buffer);
    return vd_native_vix_result(disk->vix, result, "writing", disk->name, err);
}

static int vix_flush(void *self, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    if (!disk->vix->Flush)
        return vd_native_vix_lacks(disk->vix, "Flush", "flushing", disk->name, err);
    return vd_native_vix_result(disk->vix, disk->vix->Flush(disk->handle), "flushing", disk->name,
                                err);
}

const struct vd_native_provider vd_native_vix_disk = {
    .load = vix_load,
    .unload = vix_unload,
    .prepare = vix_prepare,
    .end_access = vix_end_access,
    .connect = vix_connect,
    .disconnect = vix_disconnect,
    .open = vix_open,
    .close = vix_close,
    .limits = vix_limits,
    .info = vix_info,
    .read = vix_read,
    .write = vix_write,
    .flush = vix_flush,
    .blocks = vd_native_vix_blocks,
    .meta_get = vd_native_vix_meta_get,
    .meta_set = vd_native_vix_meta_set,
    .meta_keys = vd_native_vix_meta_keys,
    .create = vd_native_vix_create,
    .clone = vd_native_vix_clone,
    .grow = vd_native_vix_grow,
    .unlink = vd_native_vix_unlink,
};
