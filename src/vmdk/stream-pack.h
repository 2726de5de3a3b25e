/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grains made into records (stream-marker.h), several at once on the worker pool, and handed out in
 * the order in which they were put in. At most a window of them is under way, so memory does not
 * depend on the disk. Not thread-safe itself.
 */
#ifndef VD_VMDK_STREAM_PACK_H
#define VD_VMDK_STREAM_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/workers.h"

/* A record is at most this much larger than its grain: its header, the frame of zlib, 5 bytes for
 * each stored block of at least 5,000 bytes, and up to 511 zeros. Less than 1 KiB for 64 KiB. */
#define VD_RECORD_EXTRA_BYTES 1024u

/* 2 x VD_WORKERS_MAX records of some 65 KiB: 8.2 MiB. */
#define VD_PACK_MAX_WINDOW (2u * VD_WORKERS_MAX)

struct vd_packer;

struct vd_packed {
    uint64_t lba_sectors;
    const uint8_t *record; /* header, zlib stream, zeros up to a sector; until the next call */
    size_t record_bytes;   /* 0: the grain was all zeros */
};

/* `workers` NULL: everything on the caller. `grain_bytes` is the length of every grain. */
VD_MUST_CHECK int vd_packer_new(struct vd_workers *workers, int level, size_t grain_bytes,
                                struct vd_packer **ret, struct vd_error *err);
bool vd_packer_is_full(const struct vd_packer *packer);
bool vd_packer_is_empty(const struct vd_packer *packer);
/* Not when full. The bytes must stay until the grain was taken out. */
void vd_packer_put(struct vd_packer *packer, uint64_t lba_sectors, const uint8_t *grain);
/* One grain here and now, beside all that: from any thread. `record` has room for
 * the grain and VD_RECORD_EXTRA_BYTES; *ret_bytes is 0 where it is all zeros. */
VD_MUST_CHECK int vd_packer_pack(struct vd_packer *packer, uint64_t lba_sectors,
                                 const uint8_t *grain, uint8_t *record, size_t *ret_bytes,
                                 struct vd_error *err);
/* The oldest, waiting for it; not when empty. It is out also when this fails. */
VD_MUST_CHECK int vd_packer_take(struct vd_packer *packer, struct vd_packed *ret,
                                 struct vd_error *err);
/* Waits for what is under way and drops it. NULL allowed. */
void vd_packer_free(struct vd_packer *packer);

#endif
