/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-file.h"

#include <string.h>

#include "base/units.h"

/* Where the text of a descriptor may be; it ends at the first NUL, the end of the area or that of
 * the file. */
struct area {
    uint64_t offset_bytes;
    uint64_t length_bytes;
};

struct text {
    const char *at;
    size_t length;
    char *owned; /* what `at` points into; NULL: the front */
};

/* Is the end of the text in the front too? */
static bool find_in_front(const struct vd_front *front, const struct area *area, struct text *ret)
{
    if (front == NULL || area->offset_bytes >= front->length)
        return false;
    uint64_t follows = front->length - area->offset_bytes;
    size_t shown = (size_t)VD_MIN(area->length_bytes, follows);
    ret->at = (const char *)front->bytes + area->offset_bytes;
    ret->length = strnlen(ret->at, shown);
    return ret->length < shown || shown == area->length_bytes ||
           front->length < sizeof front->bytes;
}

/* Of an area larger than any descriptor only the beginning matters. */
static int read_area(struct vd_block *block, const struct area *area, struct text *ret,
                     struct vd_error *err)
{
    uint64_t file_bytes;
    int r = vd_block_size(block, &file_bytes, err);
    if (r < 0)
        return r;
    uint64_t available = area->offset_bytes < file_bytes ? file_bytes - area->offset_bytes : 0;
    uint64_t wanted = VD_MIN(area->length_bytes, available);
    wanted = VD_MIN(wanted, (uint64_t)VD_DESCRIPTOR_MAX_BYTES + 1);

    ret->owned = malloc((size_t)wanted + 1);
    if (ret->owned == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the descriptor '%s'",
                            vd_block_path(block));
    size_t done;
    r = vd_block_read_some(block, area->offset_bytes, ret->owned, (size_t)wanted, &done, err);
    if (r < 0)
        return r;
    ret->at = ret->owned;
    ret->length = strnlen(ret->owned, done);
    return 0;
}

static void text_done(struct text *text)
{
    free(text->owned);
}

static int find_text(struct vd_block *block, const struct vd_front *front, const struct area *area,
                     struct text *ret, struct vd_error *err)
{
    return find_in_front(front, area, ret) ? 0 : read_area(block, area, ret, err);
}

int vd_descriptor_read(struct vd_block *block, const struct vd_front *front,
                       struct vd_descriptor **ret, struct vd_error *err)
{
    static const struct area all = {0, UINT64_MAX};
    VD_CLEANUP(text_done) struct text text = {0};
    int r = find_text(block, front, &all, &text, err);
    return r < 0 ? r : vd_descriptor_parse(text.at, text.length, vd_block_path(block), ret, err);
}

int vd_descriptor_read_embedded(struct vd_block *block, const struct vd_kdmv_header *header,
                                const struct vd_front *front, struct vd_descriptor **ret,
                                struct vd_error *err)
{
    struct area area;
    if (!vd_sectors_to_bytes_checked(header->descriptor_offset_sectors, &area.offset_bytes) ||
        !vd_sectors_to_bytes_checked(header->descriptor_sectors, &area.length_bytes))
        return vd_error_set(err, VD_E_KDMV_OFFSET,
                            "'%s': the header puts the embedded descriptor where no file reaches",
                            vd_block_path(block));
    VD_CLEANUP(text_done) struct text text = {0};
    if (area.offset_bytes != 0 && area.length_bytes != 0) {
        int r = find_text(block, front, &area, &text, err);
        if (r < 0)
            return r;
    }
    if (text.length == 0) {
        *ret = NULL;
        return 0;
    }
    return vd_descriptor_parse(text.at, text.length, vd_block_path(block), ret, err);
}
