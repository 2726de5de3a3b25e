/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-file.h"

#include <string.h>

#include "base/units.h"

/* The text in [offset, offset + length) of the file, as far as the file goes. It ends at the first
 * NUL, so of an area larger than any descriptor only the beginning matters. */
static int read_text(struct vd_block *block, uint64_t offset_bytes, uint64_t length_bytes,
                     char **ret, size_t *ret_length, struct vd_error *err)
{
    uint64_t file_bytes;
    int r = vd_block_size(block, &file_bytes, err);
    if (r < 0)
        return r;
    uint64_t available = offset_bytes < file_bytes ? file_bytes - offset_bytes : 0;
    uint64_t wanted = VD_MIN(length_bytes, available);
    wanted = VD_MIN(wanted, (uint64_t)VD_DESCRIPTOR_MAX_BYTES + 1);

    VD_FREE char *text = malloc((size_t)wanted + 1);
    if (text == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the descriptor '%s'",
                            vd_block_path(block));
    size_t done;
    r = vd_block_read_some(block, offset_bytes, text, (size_t)wanted, &done, err);
    if (r < 0)
        return r;
    text[done] = '\0';
    *ret_length = strlen(text);
    *ret = VD_TAKE_PTR(text);
    return 0;
}

int vd_descriptor_read(struct vd_block *block, struct vd_descriptor **ret, struct vd_error *err)
{
    VD_FREE char *text = NULL;
    size_t length = 0;
    int r = read_text(block, 0, UINT64_MAX, &text, &length, err);
    if (r < 0)
        return r;
    return vd_descriptor_parse(text, length, vd_block_path(block), ret, err);
}

int vd_descriptor_read_embedded(struct vd_block *block, const struct vd_kdmv_header *header,
                                struct vd_descriptor **ret, struct vd_error *err)
{
    uint64_t offset_bytes;
    uint64_t length_bytes;
    if (!vd_sectors_to_bytes_checked(header->descriptor_offset_sectors, &offset_bytes) ||
        !vd_sectors_to_bytes_checked(header->descriptor_sectors, &length_bytes))
        return vd_error_set(err, VD_E_KDMV_OFFSET,
                            "'%s': the header puts the embedded descriptor where no file reaches",
                            vd_block_path(block));
    VD_FREE char *text = NULL;
    size_t length = 0;
    if (offset_bytes != 0 && length_bytes != 0) {
        int r = read_text(block, offset_bytes, length_bytes, &text, &length, err);
        if (r < 0)
            return r;
    }
    if (length == 0) {
        *ret = NULL;
        return 0;
    }
    return vd_descriptor_parse(text, length, vd_block_path(block), ret, err);
}
