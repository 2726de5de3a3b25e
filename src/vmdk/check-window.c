/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

void vd_check_window_init(struct vd_check_window *window, struct vd_block *block)
{
    *window = (struct vd_check_window){.block = block};
    vd_file_holes_init(&window->holes, block);
}

void vd_check_window_done(struct vd_check_window *window)
{
    vd_file_holes_done(&window->holes);
    free(window->bytes);
    window->bytes = NULL;
}

static int fill(struct vd_check_window *window, uint64_t offset, size_t length,
                struct vd_error *err)
{
    if (window->bytes == NULL && (window->bytes = malloc(VD_CHECK_WINDOW_BYTES)) == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'",
                            vd_block_path(window->block));
    window->length = 0;
    size_t done = 0;
    int r =
        vd_block_read_some(window->block, offset, window->bytes, VD_CHECK_WINDOW_BYTES, &done, err);
    if (r < 0)
        return r;
    if (done < length)
        memset(window->bytes + done, 0, length - done);
    window->start_bytes = offset;
    window->length = VD_MAX(done, length);
    return 0;
}

int vd_check_window_at(struct vd_check_window *window, uint64_t offset_bytes, size_t length,
                       const uint8_t **ret, struct vd_error *err)
{
    assert(length <= VD_CHECK_WINDOW_BYTES);
    if (vd_file_holes_end(&window->holes, offset_bytes) >= offset_bytes + length) {
        *ret = NULL;
        return 0;
    }
    bool here = offset_bytes >= window->start_bytes &&
                vd_range_inside(offset_bytes - window->start_bytes, length, window->length);
    if (!here) {
        int r = fill(window, offset_bytes, length, err);
        if (r < 0)
            return r;
    }
    *ret = window->bytes + (offset_bytes - window->start_bytes);
    return 0;
}
