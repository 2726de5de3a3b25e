/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storing a file while it is still being written, so that little is left for the flush at its end:
 * the processors and the storage work at the same time and not one after the other. For files that
 * are written from front to back; a page that is written again is only stored again.
 *
 * Nothing is promised by it and nothing waited for: what is durable is what a flush says. A failure
 * to store may be told to this call and to no later one (a file system that finds space only now
 * returns it without marking the file), so it is kept, and that flush is to tell it.
 *
 * Threads: vd_write_out_wrote and _failed from any thread at once.
 */
#ifndef VD_BLOCK_WRITE_OUT_H
#define VD_BLOCK_WRITE_OUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The most that goes into the page cache with one call. The kernel takes memory for a file in
 * pieces as large as the call, and pieces of 512 KiB and more are those that the host of a virtual
 * machine has taken back and must give again first: five times the time for the same bytes
 * (docs/performance.md).
 */
#define VD_WRITE_CALL_BYTES (256u << 10)

/* As much is written before the kernel is told: large enough for requests of full size, small
 * enough that the last piece, which the flush waits for, takes some milliseconds. */
#define VD_WRITE_OUT_BYTES (UINT64_C(8) << 20)

/* What was written since the kernel was told last, somewhere in [start, end). */
struct vd_write_out {
    atomic_int failed;    /* errno of the first failure to store; 0: none */
    pthread_mutex_t lock; /* guards the rest; not held during I/O */
    uint64_t start_bytes;
    uint64_t end_bytes;
    uint64_t written_bytes; /* 0: nothing */
};

void vd_write_out_init(struct vd_write_out *self);
void vd_write_out_done(struct vd_write_out *self);
/* [offset, offset + length) of the file `fd` was written, and that is not an empty range. */
void vd_write_out_wrote(struct vd_write_out *self, int fd, uint64_t offset_bytes, uint64_t length);
/* The errno of the first failure to store something; 0: there was none so far. It stays. */
int vd_write_out_failed(struct vd_write_out *self);

#endif
