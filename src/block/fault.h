/* SPDX-License-Identifier: Apache-2.0 */
/* A vd_fs over another one that makes chosen calls fail, so that tests can walk the failure point
 * through a whole operation until it passes clean. */
#ifndef VD_BLOCK_FAULT_H
#define VD_BLOCK_FAULT_H

#include "block/fs.h"

enum vd_fault_kind {
    VD_FAULT_OPEN = 1u << 0, /* names too: match_name, real_path, stat, list */
    VD_FAULT_READ = 1u << 1,
    VD_FAULT_WRITE = 1u << 2,
    VD_FAULT_FLUSH = 1u << 3,
    VD_FAULT_SIZE = 1u << 4, /* and next_data, allocated */
    VD_FAULT_RESIZE = 1u << 5,
    VD_FAULT_ALLOCATE = 1u << 6,
    VD_FAULT_PUNCH = 1u << 7,
    VD_FAULT_CREATE = 1u << 8,
    VD_FAULT_UNLINK = 1u << 9,
    VD_FAULT_RENAME = 1u << 10,
    VD_FAULT_SYNC_FOLDER = 1u << 11,
    VD_FAULT_ANY = 0x2fff,
    /* Apart from the others, because closing what was only read may fail unnoticed. The block below
     * is closed all the same. */
    VD_FAULT_CLOSE = 1u << 12,
    VD_FAULT_LINK = 1u << 13,
};

struct vd_fs_fault;

VD_MUST_CHECK int vd_fs_fault_new(const struct vd_fs *below, struct vd_fs_fault **ret,
                                  struct vd_error *err);
/* From now on, count calls of `kinds` and let call number `nth` (from 1) fail with `sys_errno`;
 * with `persistent` every later one too. nth 0 switches off. Resets the counter. */
void vd_fs_fault_arm(struct vd_fs_fault *fault, unsigned kinds, uint64_t nth, int sys_errno,
                     bool persistent);
/* Calls counted since armed, and whether the fault fired. */
uint64_t vd_fs_fault_calls(const struct vd_fs_fault *fault);
bool vd_fs_fault_fired(const struct vd_fs_fault *fault);
const struct vd_fs *vd_fs_fault_fs(struct vd_fs_fault *fault);
void vd_fs_fault_free(struct vd_fs_fault *fault);
VD_DEFINE_CLEANUP(struct vd_fs_fault *, vd_fs_fault_free)

#endif
