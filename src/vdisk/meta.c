/* SPDX-License-Identifier: Apache-2.0 */
/* The disk database. */
#include <stdlib.h>
#include <string.h>

#include "vdisk/disk.h"
#include "vdisk/failure.h"

static int meta_get(struct vdisk *disk, const char *key, char **ret, struct vdisk_error *err)
{
    pthread_mutex_lock(&disk->database);
    int r = disk->session.provider->meta_get(disk->session.self, key, ret, err);
    pthread_mutex_unlock(&disk->database);
    return r;
}

static int no_argument(const struct vdisk *disk, const char *what, struct vdisk_error *err)
{
    return vd_native_fail(err, VD_E_INVALID_ARG, "the disk database of '%s': no %s given",
                          disk->name, what);
}

VD_NATIVE_EXPORT int vdisk_meta_get(struct vdisk *disk, const char *key, char **ret_value,
                                    struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    if (ret_value)
        *ret_value = NULL;
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    if (!key || key[0] == '\0')
        return no_argument(disk, "key", err);
    if (!ret_value)
        return no_argument(disk, "place for the value", err);
    return meta_get(disk, key, ret_value, err);
}

VD_NATIVE_EXPORT int vdisk_meta_set(struct vdisk *disk, const char *key, const char *value,
                                    struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    if (!key || key[0] == '\0')
        return no_argument(disk, "key", err);
    if (!value)
        return no_argument(disk, "value", err);
    if (disk->read_only)
        return vd_native_fail(err, VD_E_READ_ONLY,
                              "writing the disk database of '%s': it is open for reading only",
                              disk->name);
    pthread_mutex_lock(&disk->database);
    r = disk->session.provider->meta_set(disk->session.self, key, value, err);
    pthread_mutex_unlock(&disk->database);
    return r;
}

/* A key that went away meanwhile is not an error. */
static int tell_key(struct vdisk *disk, const char *key, vdisk_meta_fn *found, void *data,
                    struct vdisk_error *err)
{
    VD_FREE char *value = NULL;
    int r = meta_get(disk, key, &value, err);
    if (r >= 0)
        return found(data, key, value);
    if (err->code != VDISK_E_KEY_NOT_FOUND)
        return r;
    *err = (struct vdisk_error)VDISK_ERROR_INIT;
    return 0;
}

VD_NATIVE_EXPORT int vdisk_meta_list(struct vdisk *disk, vdisk_meta_fn *found, void *data,
                                     struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    VD_FREE char *keys = NULL;
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    if (!found)
        return no_argument(disk, "function", err);
    pthread_mutex_lock(&disk->database);
    r = disk->session.provider->meta_keys(disk->session.self, &keys, err);
    pthread_mutex_unlock(&disk->database);
    if (r < 0)
        return r;
    for (const char *key = keys; r == 0 && *key != '\0'; key += strlen(key) + 1)
        r = tell_key(disk, key, found, data, err);
    return r;
}

VD_NATIVE_EXPORT void vdisk_free(void *memory)
{
    free(memory);
}
