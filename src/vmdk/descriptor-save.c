/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-save.h"

#include "vmdk/descriptor-store.h"

int vd_descriptor_save(const struct vd_fs *fs, const char *path, struct vd_block *container,
                       const struct vd_descriptor *descriptor, struct vd_error *err)
{
    struct vd_descriptor_place place = {.fs = fs, .path = path, .container = container};
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = vd_descriptor_to_text(descriptor, &text, err);
    if (r >= 0)
        r = vd_descriptor_store(&place, &text, false, err);
    vd_buf_done(&text);
    if (r < 0)
        vd_error_prefix(err, "cannot change the descriptor of '%s'", path);
    return r;
}
