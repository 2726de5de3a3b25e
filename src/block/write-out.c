/* SPDX-License-Identifier: Apache-2.0 */
#include "block/write-out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "base/error.h"

struct range {
    uint64_t start_bytes;
    uint64_t length;
};

void vd_write_out_init(struct vd_write_out *self)
{
    *self = (struct vd_write_out){.written_bytes = 0};
    (void)pthread_mutex_init(&self->lock, NULL); /* cannot fail without attributes on Linux */
}

void vd_write_out_done(struct vd_write_out *self)
{
    (void)pthread_mutex_destroy(&self->lock);
}

static bool note_locked(struct vd_write_out *self, uint64_t offset, uint64_t length,
                        struct range *ret)
{
    bool first = self->written_bytes == 0;
    uint64_t end = offset + length;

    self->start_bytes = first ? offset : VD_MIN(self->start_bytes, offset);
    self->end_bytes = first ? end : VD_MAX(self->end_bytes, end);
    self->written_bytes += length;
    if (self->written_bytes < VD_WRITE_OUT_BYTES)
        return false;
    *ret = (struct range){self->start_bytes, self->end_bytes - self->start_bytes};
    self->written_bytes = 0;
    return true;
}

/* What a file system, a kernel or a sandbox that cannot begin early says, and a signal: the flush
 * does all of it then. */
static bool is_refusal(int number)
{
    return number == EINVAL || number == ESPIPE || number == ENOSYS || number == EOPNOTSUPP ||
           number == EPERM || number == EINTR;
}

void vd_write_out_wrote(struct vd_write_out *self, int fd, uint64_t offset_bytes, uint64_t length)
{
    struct range range;
    bool due;
    int saved = errno;

    (void)pthread_mutex_lock(&self->lock);
    due = note_locked(self, offset_bytes, length, &range);
    (void)pthread_mutex_unlock(&self->lock);
    /* It only begins the writing. */
    if (due &&
        sync_file_range(fd, (off64_t)range.start_bytes, (off64_t)range.length,
                        SYNC_FILE_RANGE_WRITE) < 0 &&
        !is_refusal(errno))
        (void)atomic_compare_exchange_strong(&self->failed, &(int){0}, errno); /* else not first */
    errno = saved;
}

int vd_write_out_failed(struct vd_write_out *self)
{
    return atomic_load(&self->failed);
}
