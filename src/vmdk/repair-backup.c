/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/repair-backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"

/* NAME.vdisk-repair-backup, then with .1, .2, ... behind; NULL when out of memory. */
static char *backup_name(const char *path, int number)
{
    char *name;
    int length = number == 0 ? asprintf(&name, "%s%s", path, VD_REPAIR_BACKUP_SUFFIX)
                             : asprintf(&name, "%s%s.%d", path, VD_REPAIR_BACKUP_SUFFIX, number);
    return length < 0 ? NULL : name;
}

static int create_numbered(const struct vd_fs *fs, const char *path,
                           const struct vd_fs_access *access, struct vd_block **ret,
                           struct vd_error *err)
{
    for (int number = 0; number < VD_REPAIR_MAX_BACKUPS; number++) {
        VD_FREE char *name = backup_name(path, number);
        if (name == NULL)
            return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'", path);
        struct vd_error failure = VD_ERROR_INIT;
        int r = vd_fs_create(fs, name, 0, access, ret, &failure);
        if (r >= 0)
            return 0;
        if (r != VD_E_EXISTS)
            return vd_error_set(err, r, "cannot repair '%s' without a backup: %s", path,
                                failure.text);
    }
    return vd_error_set(err, VD_E_EXISTS,
                        "cannot repair '%s' without a backup: there are %d of earlier repairs "
                        "already ('%s%s')",
                        path, VD_REPAIR_MAX_BACKUPS, path, VD_REPAIR_BACKUP_SUFFIX);
}

int vd_repair_backup_create(const struct vd_fs *fs, const char *path, struct vd_repair_backup *ret,
                            struct vd_error *err)
{
    struct vd_fs_stat status;
    struct vd_repair_backup backup = {0};
    VD_FREE char *folder = vd_path_folder(path);
    if (folder == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'", path);
    int r = vd_fs_stat(fs, path, &status, err);
    if (r >= 0)
        r = create_numbered(fs, path, &status.access, &backup.block, err);
    if (r < 0)
        return r;
    r = vd_fs_sync_folder(fs, folder, err);
    if (r < 0) {
        vd_block_free(backup.block); /* empty, so nothing can be lost */
        return r;
    }
    *ret = backup;
    return 0;
}

static int add_sector(struct vd_repair_backup *backup, const void *bytes, struct vd_error *err)
{
    int r = vd_block_write(backup->block, backup->end_bytes, bytes, VD_SECTOR_BYTES, err);
    if (r >= 0)
        backup->end_bytes += VD_SECTOR_BYTES;
    return r;
}

int vd_repair_backup_begin(const struct vd_fs *fs, struct vd_block *file,
                           struct vd_repair_backup *ret, struct vd_error *err)
{
    uint8_t head[VD_SECTOR_BYTES] = {0};
    struct vd_repair_backup backup;
    uint64_t file_bytes;
    int r = vd_block_size(file, &file_bytes, err);
    if (r >= 0)
        r = vd_repair_backup_create(fs, vd_block_path(file), &backup, err);
    if (r < 0)
        return r;
    /* The size first: of a name that is too long only the end is lost. */
    (void)snprintf((char *)head, sizeof head, "vdisk repair backup 1\nbytes: %" PRIu64 "\nfile: %s",
                   file_bytes, vd_path_name(vd_block_path(file)));
    head[strlen((char *)head)] = '\n';
    r = add_sector(&backup, head, err);
    if (r < 0) {
        vd_block_free(backup.block); /* nothing of value is in it */
        return r;
    }
    *ret = backup;
    return 0;
}

int vd_repair_backup_add(struct vd_repair_backup *backup, uint64_t sector, const uint8_t *bytes,
                         struct vd_error *err)
{
    uint8_t head[VD_SECTOR_BYTES] = {0};
    (void)snprintf((char *)head, sizeof head, "sector: %" PRIu64 "\n", sector);
    int r = add_sector(backup, head, err);
    return r < 0 ? r : add_sector(backup, bytes, err);
}

int vd_repair_backup_close(struct vd_repair_backup *backup, struct vd_error *err)
{
    struct vd_block *block = VD_TAKE_PTR(backup->block);
    return vd_block_close(block, err);
}
