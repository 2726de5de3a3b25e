/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the text of a descriptor from the file that holds it. */
#ifndef VD_VMDK_DESCRIPTOR_FILE_H
#define VD_VMDK_DESCRIPTOR_FILE_H

#include "block/block.h"
#include "vmdk/descriptor.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/probe.h"

/* `front` is the beginning of the file where it has been read already, or NULL: a text that ends in
 * it is not read again. */

/* A text descriptor, from the start of the file. */
VD_MUST_CHECK int vd_descriptor_read(struct vd_block *block, const struct vd_front *front,
                                     struct vd_descriptor **ret, struct vd_error *err);
/* The one inside a hosted sparse extent. *ret is NULL where there is none: the area is missing or
 * empty, as in the parts of a split disk. */
VD_MUST_CHECK int vd_descriptor_read_embedded(struct vd_block *block,
                                              const struct vd_kdmv_header *header,
                                              const struct vd_front *front,
                                              struct vd_descriptor **ret, struct vd_error *err);

#endif
