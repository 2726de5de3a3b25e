/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/file-holes.h"

void vd_file_holes_init(struct vd_file_holes *holes, struct vd_block *block)
{
    *holes = (struct vd_file_holes){.block = block};
    pthread_mutex_init(&holes->lock, NULL);
}

void vd_file_holes_done(struct vd_file_holes *holes)
{
    pthread_mutex_destroy(&holes->lock);
}

/* Whether what is remembered says something of `offset`, and then the end of the hole there: equal
 * to `offset` or less where data is stored. */
static bool recall(struct vd_file_holes *holes, uint64_t offset, uint64_t *ret_hole_end)
{
    bool known;

    pthread_mutex_lock(&holes->lock);
    known = holes->unknown || (offset >= holes->from_bytes && offset < holes->data_end_bytes);
    *ret_hole_end = holes->unknown ? 0 : holes->data_start_bytes;
    pthread_mutex_unlock(&holes->lock);
    return known;
}

/* Two threads may ask at once; both answers are true, one is kept. */
static uint64_t ask(struct vd_file_holes *holes, uint64_t offset)
{
    uint64_t start, end, size;
    bool known = vd_block_size(holes->block, &size, NULL) >= 0 &&
                 vd_block_next_data(holes->block, offset, &start, &end, NULL) >= 0 &&
                 start >= offset && end >= start;

    pthread_mutex_lock(&holes->lock);
    holes->unknown = !known;
    if (known) {
        holes->from_bytes = offset;
        holes->data_start_bytes = start;
        holes->data_end_bytes = end == start ? size : end;
    }
    pthread_mutex_unlock(&holes->lock);
    return known ? start : 0;
}

uint64_t vd_file_holes_end(struct vd_file_holes *holes, uint64_t offset_bytes)
{
    uint64_t hole_end;

    if (!recall(holes, offset_bytes, &hole_end))
        hole_end = ask(holes, offset_bytes);
    return hole_end > offset_bytes ? hole_end : 0;
}
