/* SPDX-License-Identifier: Apache-2.0 */
/* The disk database of the top link. */
#include <string.h>
#include <strings.h>

#include "vix/disk.h"
#include "vix/export.h"
#include "vix/report.h"

/* The caller's buffer and what it learns of the bytes needed, which may be NULL. */
struct answer {
    char *buffer;
    size_t size;
    size_t *ret_needed;
};

/* Is there room? A buffer without room stays untouched. */
static int answer_room(const struct answer *answer, size_t needed)
{
    if (answer->ret_needed)
        *answer->ret_needed = needed;
    return answer->buffer && needed <= answer->size ? VD_OK : VD_E_BUFFER_TOO_SMALL;
}

static int answer_value(const struct answer *answer, const char *value)
{
    size_t needed = strlen(value) + 1;
    int r = answer_room(answer, needed);
    if (r == VD_OK)
        memcpy(answer->buffer, value, needed);
    return r;
}

/* Writes each key with its NUL, where there is a buffer, and counts the bytes. */
static size_t put_keys(struct vd_disk *disk, char *buffer)
{
    size_t length = 0;
    const char *key;
    for (size_t i = 0; (key = vd_disk_meta_key(disk, i)); i++) {
        size_t key_bytes = strlen(key) + 1;
        if (buffer)
            memcpy(buffer + length, key, key_bytes);
        length += key_bytes;
    }
    return length;
}

/* "key1\0key2\0\0"; "\0\0" without keys. */
static int answer_keys(const struct answer *answer, struct vd_disk *disk)
{
    size_t keys = put_keys(disk, NULL);
    size_t needed = keys > 0 ? keys + 1 : 2;
    int r = answer_room(answer, needed);
    if (r < 0)
        return r;
    (void)put_keys(disk, answer->buffer); /* as many as counted */
    memset(answer->buffer + keys, 0, needed - keys);
    return VD_OK;
}

/* A disk also answers with its parents' values; this interface asks the top link alone. */
static bool has_key(struct vd_disk *disk, const char *wanted)
{
    const char *key;
    for (size_t i = 0; (key = vd_disk_meta_key(disk, i)); i++)
        if (strcasecmp(key, wanted) == 0)
            return true;
    return false;
}

static int value_read(struct vd_disk *disk, const char *key, const struct answer *answer,
                      struct vd_error *err)
{
    const char *value = has_key(disk, key) ? vd_disk_meta_get(disk, key) : NULL;
    if (!value)
        return vd_error_set(err, VD_E_KEY_NOT_FOUND,
                            "reading the disk database of '%s': it has no key '%s'",
                            vd_disk_path(disk), key);
    return answer_value(answer, value);
}

/* Asking for the size is how these calls are used, and an absent key is an answer: both go by
 * without a warning. */
static VixError metadata_result(const char *function, int code, const struct vd_error *err)
{
    if (code != VD_E_BUFFER_TOO_SMALL && code != VD_E_KEY_NOT_FOUND)
        return vd_vix_result(function, code, err);
    if (code == VD_E_KEY_NOT_FOUND)
        vd_vix_info("VixDiskLib: %s: %s.", function, vd_error_message(err, code));
    return vd_error_vix(code);
}

static int metadata_read(VixDiskLibHandle handle, const char *key, const struct answer *answer,
                         struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    if (key)
        r = value_read(disk->disk, key, answer, err);
    else
        r = vd_error_set(err, VD_E_INVALID_ARG, "reading the disk database of '%s': no key given",
                         vd_disk_path(disk->disk));
    vd_vix_put(&disk->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_ReadMetadata(VixDiskLibHandle diskHandle, const char *key,
                                               char *buf, size_t bufLen, size_t *requiredLen)
{
    struct vd_error err = VD_ERROR_INIT;
    const struct answer answer = {.buffer = buf, .size = bufLen, .ret_needed = requiredLen};
    if (requiredLen)
        *requiredLen = 0;
    int r = metadata_read(diskHandle, key, &answer, &err);
    return metadata_result("VixDiskLib_ReadMetadata", r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle diskHandle, char *keys,
                                                  size_t maxLen, size_t *requiredLen)
{
    struct vd_error err = VD_ERROR_INIT;
    const struct answer answer = {.buffer = keys, .size = maxLen, .ret_needed = requiredLen};
    struct vd_vix_disk *disk;
    if (requiredLen)
        *requiredLen = 0;
    int r = vd_vix_disk_get(diskHandle, &disk, &err);
    if (r == VD_OK) {
        r = answer_keys(&answer, disk->disk);
        vd_vix_put(&disk->node);
    }
    return metadata_result("VixDiskLib_GetMetadataKeys", r, &err);
}

static int value_write(struct vd_disk *disk, const char *key, const char *value,
                       struct vd_error *err)
{
    const char *missing = key && key[0] != '\0' ? NULL : "key";
    if (!missing && !value)
        missing = "value";
    if (missing)
        return vd_error_set(err, VD_E_INVALID_ARG, "writing the disk database of '%s': no %s given",
                            vd_disk_path(disk), missing);
    return vd_disk_meta_set(disk, key, value, err);
}

VD_VIX_EXPORT VixError VixDiskLib_WriteMetadata(VixDiskLibHandle diskHandle, const char *key,
                                                const char *val)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(diskHandle, &disk, &err);
    if (r == VD_OK) {
        r = value_write(disk->disk, key, val, &err);
        vd_vix_put(&disk->node);
    }
    return vd_vix_result("VixDiskLib_WriteMetadata", r, &err);
}
