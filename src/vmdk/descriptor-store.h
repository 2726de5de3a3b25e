/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a descriptor put back where it was, so that a crash leaves the old one or the new,
 * whole.
 *
 * A descriptor file is replaced (block/replace.h). The one inside a sparse extent has its place in
 * the file: a change within one sector is written as it is, for no disk tears a sector. A longer
 * one goes first to the end of its area, behind the text in use; then the header, one sector, is
 * pointed there; then the text is written to the front, and the header pointed back. At any moment
 * the header names a whole text.
 */
#ifndef VD_VMDK_DESCRIPTOR_STORE_H
#define VD_VMDK_DESCRIPTOR_STORE_H

#include "base/buf.h"
#include "block/fs.h"

/* Where the text is; borrowed. */
struct vd_descriptor_place {
    const struct vd_fs *fs;
    const char *path;           /* of a descriptor file, and for messages */
    struct vd_block *container; /* the sparse file that holds it, open for writing; or NULL */
};

/* `out` must be empty. */
VD_MUST_CHECK int vd_descriptor_fetch(const struct vd_descriptor_place *place, struct vd_buf *out,
                                      struct vd_error *err);
/* Durable on return. `any_mix`: the text is as long as the old one, and every mix of old and new
 * sectors is as good as either. Nobody else may write the container's header meanwhile.
 * VD_E_TOO_BIG when the area inside the extent is too small. */
VD_MUST_CHECK int vd_descriptor_store(const struct vd_descriptor_place *place,
                                      const struct vd_buf *text, bool any_mix,
                                      struct vd_error *err);
/* Is there room for storing it so? Writes nothing. VD_E_TOO_BIG. */
VD_MUST_CHECK int vd_descriptor_store_check(const struct vd_descriptor_place *place,
                                            const struct vd_buf *text, struct vd_error *err);

#endif
