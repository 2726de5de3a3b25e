/* SPDX-License-Identifier: Apache-2.0 */
/* For the implementations of struct vd_block and struct vd_fs. */
#ifndef VD_BLOCK_BLOCK_INT_H
#define VD_BLOCK_BLOCK_INT_H

#include "block/block.h"

/* Records the reason alone, as the ops promise, and returns its code. */
static inline int vd_block_reason(struct vd_error *err, int sys_errno)
{
    return vd_error_set_errno(err, sys_errno, "%s", "");
}

#endif
