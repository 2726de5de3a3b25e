/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A streamOptimized disk written front to back, never seeking, so that it may go into a pipe:
 * header, descriptor, grains in ascending order, a grain table after each 32 MiB region that has
 * any, the grain directory, footer, end marker (Virtual Disk Format 5.0; the rules that every known
 * reader accepts are at the head of stream-writer.c). Grains of one call are compressed on the
 * worker pool and written in order. Not thread-safe itself.
 */
#ifndef VD_VMDK_STREAM_WRITER_H
#define VD_VMDK_STREAM_WRITER_H

#include "base/error.h"
#include "base/workers.h"
#include "vmdk/descriptor.h"

/* Copied; the name too. */
struct vd_stream_sink {
    int (*write)(void *data, const void *bytes, size_t length,
                 struct vd_error *err); /* all or fails */
    void *data;
    const char *name; /* for messages; and for the extent line where it ends in ".vmdk" */
};

struct vd_stream_writer_params {
    uint64_t capacity_sectors;
    const char *adapter; /* as in create.h */
    uint32_t hw_version; /* 0: 13 */
    int level;           /* 1..12; 0: default 3. See codec/deflate.h for what each means */
    struct vd_geometry geometry, bios_geometry; /* zeros: computed, left out */
    struct vd_workers *workers;                 /* NULL: compress on the caller */
    /* Further ddb lines kept from the source (uuid, comment, ...), key (no "ddb.") and value in
     * turn, NULL-terminated; or NULL. They win over what would be made up. */
    const char *const *ddb;
};

struct vd_stream_writer;

/* The strings are not kept, `workers` is: free the writer first. VD_E_INVALID_ARG, VD_E_TOO_BIG:
 * capacity, level, adapter, ddb. */
VD_MUST_CHECK int vd_stream_writer_open(const struct vd_stream_sink *sink,
                                        const struct vd_stream_writer_params *params,
                                        struct vd_stream_writer **ret, struct vd_error *err);
/* `count` sectors at `start`, a multiple of the grain (128 sectors), ascending over calls; the last
 * grain of the disk may be short. Grains of only zeros are not stored. The bytes are free again on
 * return. After a failure of the sink every call fails with its code. */
VD_MUST_CHECK int vd_stream_writer_write(struct vd_stream_writer *writer, uint64_t start_sectors,
                                         uint64_t count_sectors, const void *bytes,
                                         struct vd_error *err);
/* The same in two halves, for a caller with threads of its own. The costly one, on any thread,
 * many at once: records of these sectors into `out`, which has room for
 * VD_STREAM_PACKED_BYTES(count). The cheap one, ascending like a write: those records into the
 * stream. */
#define VD_STREAM_PACKED_BYTES(count_sectors) (((count_sectors) + 127u) / 128u * ((64u + 1u) << 10))
VD_MUST_CHECK int vd_stream_writer_pack(const struct vd_stream_writer *writer,
                                        uint64_t start_sectors, uint64_t count_sectors,
                                        const void *bytes, void *out, size_t *ret_length,
                                        struct vd_error *err);
VD_MUST_CHECK int vd_stream_writer_put(struct vd_stream_writer *writer, uint64_t start_sectors,
                                       uint64_t count_sectors, const void *packed, size_t length,
                                       struct vd_error *err);
/* Tables, footer, end. Without it the stream is incomplete. */
VD_MUST_CHECK int vd_stream_writer_finish(struct vd_stream_writer *writer, struct vd_error *err);
/* The stream so far; its length once it is finished. */
uint64_t vd_stream_writer_bytes(const struct vd_stream_writer *writer);
void vd_stream_writer_free(struct vd_stream_writer *writer); /* NULL allowed */
VD_DEFINE_CLEANUP(struct vd_stream_writer *, vd_stream_writer_free)

#endif
