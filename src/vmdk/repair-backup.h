/* SPDX-License-Identifier: Apache-2.0 */
/* The file that keeps what a repair replaces; its form is told in repair.h. */
#ifndef VD_VMDK_REPAIR_BACKUP_H
#define VD_VMDK_REPAIR_BACKUP_H

#include "block/fs.h"

#define VD_REPAIR_BACKUP_SUFFIX ".vdisk-repair-backup"
/* A disk repaired that often needs another remedy. */
#define VD_REPAIR_MAX_BACKUPS 1000

struct vd_repair_backup {
    struct vd_block *block; /* NULL until made */
    uint64_t end_bytes;
};

/* A new empty file named after `path`, with its access, its name durable. */
VD_MUST_CHECK int vd_repair_backup_create(const struct vd_fs *fs, const char *path,
                                          struct vd_repair_backup *ret, struct vd_error *err);
/* With its first sector. */
VD_MUST_CHECK int vd_repair_backup_begin(const struct vd_fs *fs, struct vd_block *file,
                                         struct vd_repair_backup *ret, struct vd_error *err);
/* Not durable before a flush of the block. */
VD_MUST_CHECK int vd_repair_backup_add(struct vd_repair_backup *backup, uint64_t sector,
                                       const uint8_t *bytes, struct vd_error *err);
int vd_repair_backup_close(struct vd_repair_backup *backup, struct vd_error *err);

#endif
