/* SPDX-License-Identifier: Apache-2.0 */
/* A changed model of a descriptor put back where it came from, durably: as text, by
 * descriptor-store.h, so that a crash leaves the old one or the new. */
#ifndef VD_VMDK_DESCRIPTOR_SAVE_H
#define VD_VMDK_DESCRIPTOR_SAVE_H

#include "block/fs.h"
#include "vmdk/descriptor.h"

/* `container`: the sparse extent the descriptor is embedded in, open for writing; NULL for a text
 * file. VD_E_TOO_BIG where the new text does not fit the area inside the extent. */
VD_MUST_CHECK int vd_descriptor_save(const struct vd_fs *fs, const char *path,
                                     struct vd_block *container,
                                     const struct vd_descriptor *descriptor, struct vd_error *err);

#endif
