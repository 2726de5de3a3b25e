/* SPDX-License-Identifier: Apache-2.0 */
/* The disk database of a VixDiskLib: asked twice, for the length and for the text. */
#include <stdlib.h>

#include "vdisk/failure.h"
#include "vdisk/vix-disk.h"

/* A descriptor, with all its keys, is at most 4 MiB. */
#define MAX_BYTES (4u << 20)

/* For the list where `key` is NULL. */
static VixError ask(const struct vd_native_vix_disk *disk, const char *key, char *buffer,
                    size_t bytes, size_t *ret_bytes)
{
    if (key)
        return disk->vix->ReadMetadata(disk->handle, key, buffer, bytes, ret_bytes);
    return disk->vix->GetMetadataKeys(disk->handle, buffer, bytes, ret_bytes);
}

static int ask_twice(const struct vd_native_vix_disk *disk, const char *key, char **ret,
                     struct vdisk_error *err)
{
    static const char doing[] = "reading the disk database of";
    size_t bytes = 0;
    VixError result = ask(disk, key, NULL, 0, &bytes);
    if (VIX_ERROR_CODE(result) != VIX_E_BUFFER_TOOSMALL) {
        int r = vd_native_vix_result(disk->vix, result, doing, disk->name, err);
        if (r < 0)
            return r;
    }
    if (bytes > MAX_BYTES)
        return vd_native_fail(err, VD_E_TOO_BIG, "%s '%s': %zu bytes, expected %u at most", doing,
                              disk->name, bytes, MAX_BYTES);
    /* Two more: whatever comes ends in NULs, and nothing at all is an empty text. */
    VD_FREE char *text = calloc(1, bytes + 2);
    if (!text)
        return vd_native_fail(err, VD_E_NO_MEMORY, "%s '%s': out of memory", doing, disk->name);
    if (bytes > 0) {
        int r = vd_native_vix_result(disk->vix, ask(disk, key, text, bytes, NULL), doing,
                                     disk->name, err);
        if (r < 0)
            return r;
    }
    *ret = VD_TAKE_PTR(text);
    return 0;
}

int vd_native_vix_meta_get(void *self, const char *key, char **ret, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    if (!disk->vix->ReadMetadata)
        return vd_native_vix_lacks(disk->vix, "ReadMetadata", "reading the disk database of",
                                   disk->name, err);
    return ask_twice(disk, key, ret, err);
}

int vd_native_vix_meta_keys(void *self, char **ret, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    if (!disk->vix->GetMetadataKeys)
        return vd_native_vix_lacks(disk->vix, "GetMetadataKeys", "reading the disk database of",
                                   disk->name, err);
    return ask_twice(disk, NULL, ret, err);
}

int vd_native_vix_meta_set(void *self, const char *key, const char *value, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    static const char doing[] = "writing the disk database of";
    if (!disk->vix->WriteMetadata)
        return vd_native_vix_lacks(disk->vix, "WriteMetadata", doing, disk->name, err);
    VixError result = disk->vix->WriteMetadata(disk->handle, key, value);
    return vd_native_vix_result(disk->vix, result, doing, disk->name, err);
}
