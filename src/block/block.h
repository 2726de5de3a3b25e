/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vd_block: positioned bytes, wherever they live (a file, memory, a fault-injecting or
 * tracing wrapper). The one dispatcher, block.c, checks arguments and tells errors with the block's
 * name.
 *
 * Threads: every function may be called from any thread at once, except vd_block_close.
 */
#ifndef VD_BLOCK_BLOCK_H
#define VD_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"

struct vd_block;

/* Which file this is, for loop and double-use detection. */
struct vd_block_identity {
    uint64_t device;
    uint64_t inode;
};

enum vd_block_capability {
    VD_BLOCK_WRITABLE = 1u << 0,
    VD_BLOCK_DEVICE = 1u << 1, /* a block device: its size is fixed */
    VD_BLOCK_DIRECT = 1u << 2, /* O_DIRECT: the block aligns and bounces by itself */
    /* Allocating and punching are asked of the system. Whether its file system takes them cannot be
     * known without changing the file, so where it turns out not to, zeros are written after all.
     */
    VD_BLOCK_ALLOCATES = 1u << 3,
    VD_BLOCK_PUNCHES = 1u << 4,
    VD_BLOCK_LOCKED = 1u << 5, /* holds the file's write lock, see block/lock.h */
};

/* For implementations. Offsets and lengths arrive checked: length > 0, the end at most INT64_MAX,
 * writes only to what is writable; `self` is the embedded base. An error's text is the reason alone
 * ("Input/output error"): the dispatcher puts before it what was tried, where, on which file. */
struct vd_block_ops {
    const char *name;
    /* Reads up to `length` bytes, 0 only at or past the end of the file. */
    int (*read)(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                size_t *ret_done, struct vd_error *err);
    /* Writes all or fails. */
    int (*write)(struct vd_block *self, uint64_t offset_bytes, const void *buffer, size_t length,
                 struct vd_error *err);
    int (*flush)(struct vd_block *self, struct vd_error *err);
    int (*size)(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err);
    int (*resize)(struct vd_block *self, uint64_t size_bytes, struct vd_error *err);
    /* As vd_block_allocate and vd_block_punch, for ranges of at most VD_BLOCK_PIECE_BYTES; a punch
     * ends at the end of the file. VD_E_NOT_SUPPORTED, before anything changed, or NULL: the
     * dispatcher writes zeros. A failure of sys_errno EINTR, a signal: it asks whether to go on,
     * and then for less at a time. */
    int (*allocate)(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                    struct vd_error *err);
    int (*punch)(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                 struct vd_error *err);
    /* Next stored range at or after `offset`, [*ret_start, *ret_end); start == end == size when
     * only a hole follows. NULL: everything is data. */
    int (*next_data)(struct vd_block *self, uint64_t offset_bytes, uint64_t *ret_start,
                     uint64_t *ret_end, struct vd_error *err);
    /* Bytes of storage in use (st_blocks * 512); NULL: the size. */
    int (*allocated)(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err);
    /* Releases everything, `self` too, but `path`, which the dispatcher frees; returns a late write
     * error. */
    int (*close)(struct vd_block *self, struct vd_error *err);
};

struct vd_block {
    const struct vd_block_ops *ops;
    char *path; /* as opened; owned, for messages */
    unsigned capabilities;
    struct vd_block_identity identity;
};

/* All of [offset, offset + length) or VD_E_TRUNCATED (the file ends inside it) or VD_E_IO. */
VD_MUST_CHECK int vd_block_read(struct vd_block *block, uint64_t offset_bytes, void *buffer,
                                size_t length, struct vd_error *err);
/* Short only at the end of the file; 0 bytes at or past it is success. */
VD_MUST_CHECK int vd_block_read_some(struct vd_block *block, uint64_t offset_bytes, void *buffer,
                                     size_t length, size_t *ret_done, struct vd_error *err);
/* All of it, or the error; what part was written then is not told. VD_E_READ_ONLY, VD_E_DISK_FULL,
 * VD_E_TOO_BIG, VD_E_IO. */
VD_MUST_CHECK int vd_block_write(struct vd_block *block, uint64_t offset_bytes, const void *buffer,
                                 size_t length, struct vd_error *err);
/* The barrier: what was written, resized, allocated and punched before the call began is durable
 * when it returns, the file's name not included (vd_fs_sync_folder). Once it failed it goes on
 * failing, because the system may have dropped what it could not write. Succeeds on what is not
 * writable. */
VD_MUST_CHECK int vd_block_flush(struct vd_block *block, struct vd_error *err);
VD_MUST_CHECK int vd_block_size(struct vd_block *block, uint64_t *ret_bytes, struct vd_error *err);
VD_MUST_CHECK int vd_block_resize(struct vd_block *block, uint64_t size_bytes,
                                  struct vd_error *err);
/* What the system is asked to allocate or punch in one call, so that progress moves and a
 * cancellation is heard. */
#define VD_BLOCK_PIECE_BYTES (UINT64_C(1) << 30)

/* Takes storage for the range, so that writing it cannot run out of space, and makes it read as
 * zeros, whatever it held; the file grows to cover it. Where the file system cannot, the zeros are
 * written, which takes as long as writing does. Nobody else may use the range meanwhile. On failure
 * and on VD_E_CANCELLED a part of the range is zero and the file may have grown. */
VD_MUST_CHECK int vd_block_allocate(struct vd_block *block, uint64_t offset_bytes, uint64_t length,
                                    const struct vd_progress *progress, struct vd_error *err);
/* Gives the storage of the range back and makes it read as zeros; where the file system makes no
 * holes, zeros are written. The size stays: what lies past the end is left out. Nobody else may use
 * the range meanwhile. */
VD_MUST_CHECK int vd_block_punch(struct vd_block *block, uint64_t offset_bytes, uint64_t length,
                                 struct vd_error *err);
/* As the op: the next stored range, cut to begin at `offset` at the earliest. Holes are a hint: a
 * file system that does not know any calls everything data. */
VD_MUST_CHECK int vd_block_next_data(struct vd_block *block, uint64_t offset_bytes,
                                     uint64_t *ret_start, uint64_t *ret_end, struct vd_error *err);
VD_MUST_CHECK int vd_block_allocated(struct vd_block *block, uint64_t *ret_bytes,
                                     struct vd_error *err);
/* The path it was opened by; valid while the block is open. */
const char *vd_block_path(const struct vd_block *block);

/* Closes and reports a late write error. The block is gone either way. NULL allowed. */
int vd_block_close(struct vd_block *block, struct vd_error *err);
/* Close where nothing was written, so nothing can be lost. */
void vd_block_free(struct vd_block *block);
VD_DEFINE_CLEANUP(struct vd_block *, vd_block_free)

#endif
