/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged descriptor inside a sparse file, made whole. Its one extent is the file itself, and the
 * header has its size; so nothing is missing as long as the lines that say what the disk is a child
 * of can still be read. Lines that are damaged are dropped. For check-unreadable.c.
 */
#ifndef VD_VMDK_CHECK_EMBEDDED_H
#define VD_VMDK_CHECK_EMBEDDED_H

#include "vmdk/check-int.h"

/* 1 where that is so (and, where repairs are made, the text is written), else 0. */
VD_MUST_CHECK int vd_check_mend_embedded(struct vd_check_file *file, struct vd_block *block,
                                         struct vd_error *err);

#endif
