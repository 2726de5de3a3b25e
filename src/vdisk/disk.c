/* SPDX-License-Identifier: Apache-2.0 */
/* Disks come and go. */
#include "vdisk/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vdisk/failure.h"
#include "vdisk/params.h"

int vd_native_disk_check(const struct vdisk *disk, struct vdisk_error *err)
{
    return disk ? 0 : vd_native_fail(err, VD_E_INVALID_ARG, "no disk given: the pointer is NULL");
}

static void info_of(struct vdisk *disk, struct vdisk_info *ret)
{
    *ret = (struct vdisk_info){.size = sizeof *ret};
    disk->session.provider->info(disk->session.self, ret);
    ret->read_only = ret->read_only || (disk->session.params.flags & VDISK_READ_ONLY) != 0;
}

static void disk_init(struct vdisk *disk)
{
    struct vdisk_info info;
    info_of(disk, &info);
    disk->size_bytes = info.capacity_bytes;
    disk->read_only = info.read_only != 0;
    disk->name = vd_native_params_name(&disk->session.params);
    disk->session.provider->limits(disk->session.self, &disk->limits);
    vd_range_lock_init(&disk->writing);
    pthread_mutex_init(&disk->database, NULL);
    pthread_mutex_init(&disk->sequence, NULL);
}

static int disk_open(const struct vdisk_params *params, struct vdisk **ret, struct vdisk_error *err)
{
    if (!ret)
        return vd_native_fail(err, VD_E_INVALID_ARG, "nowhere to put the disk: it is NULL");
    *ret = NULL;
    struct vdisk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening a disk: out of memory");
    int r = vd_native_session_begin(&disk->session, params, VD_NATIVE_OPEN, err);
    if (r < 0) {
        free(disk);
        return r;
    }
    disk_init(disk);
    *ret = disk;
    return 0;
}

VD_NATIVE_EXPORT int vdisk_open(const struct vdisk_params *params, struct vdisk **ret,
                                struct vdisk_error *error)
{
    struct vdisk_error own;
    return disk_open(params, ret, vd_native_error(error, &own));
}

VD_NATIVE_EXPORT int vdisk_close(struct vdisk *disk, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    if (!disk)
        return 0;
    int r = vd_native_session_end(&disk->session, err);
    vd_range_lock_done(&disk->writing);
    pthread_mutex_destroy(&disk->database);
    pthread_mutex_destroy(&disk->sequence);
    free(disk);
    return r;
}

VD_NATIVE_EXPORT uint64_t vdisk_size(const struct vdisk *disk)
{
    return disk ? disk->size_bytes : 0;
}

/* As much as the caller's structure has room for; what only a newer one has becomes zero. */
static int give_info(struct vdisk *disk, struct vdisk_info *info, struct vdisk_error *err)
{
    const size_t least = offsetof(struct vdisk_info, type);
    struct vdisk_info known;
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    if (!info || info->size < least || info->size > VD_NATIVE_PAGE_BYTES)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "asking what '%s' is: the size in the info is %zu, expected %zu: "
                              "VDISK_INFO_INIT sets it",
                              disk->name, info ? info->size : 0, sizeof *info);
    size_t size = info->size;
    info_of(disk, &known);
    known.size = size;
    memset(info, 0, size);
    memcpy(info, &known, VD_MIN(size, sizeof known));
    return 0;
}

VD_NATIVE_EXPORT int vdisk_get_info(struct vdisk *disk, struct vdisk_info *info,
                                    struct vdisk_error *error)
{
    struct vdisk_error own;
    return give_info(disk, info, vd_native_error(error, &own));
}

VD_NATIVE_EXPORT int vdisk_flush(struct vdisk *disk, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    if (r < 0 || disk->read_only)
        return r;
    return disk->session.provider->flush(disk->session.self, err);
}

VD_NATIVE_EXPORT const char *vdisk_version(void)
{
    return VD_NATIVE_VERSION;
}
