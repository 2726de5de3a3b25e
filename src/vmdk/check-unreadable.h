/* SPDX-License-Identifier: Apache-2.0 */
/* A disk so damaged that not even its descriptor can be read. For check.c. */
#ifndef VD_VMDK_CHECK_UNREADABLE_H
#define VD_VMDK_CHECK_UNREADABLE_H

#include "vmdk/check-int.h"

/* Is the file a stream, though its first sector says nothing of it? Its end tells. */
bool vd_check_is_headless_stream(struct vd_block *block);
/* Tells what `why` found, and repairs it: the header of a stream from its footer, the descriptor in
 * a sparse file from what is left of it and the header. *ret_mended: now it can be read. */
VD_MUST_CHECK int vd_check_unreadable(struct vd_check_run *run, const char *path,
                                      const struct vd_error *why, bool *ret_mended,
                                      struct vd_error *err);

#endif
