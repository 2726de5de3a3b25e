/* SPDX-License-Identifier: Apache-2.0 */
/* What clone*.c share. */
#ifndef VD_OPS_CLONE_INT_H
#define VD_OPS_CLONE_INT_H

#include "ops/clone.h"
#include "vmdk/descriptor.h"

/* Whole grains of streamOptimized, so that every write begins with one; what other formats use is
 * as large or smaller. */
#define CLONE_GRAIN_SECTORS 128u

/* ddb keys a copy keeps; the last is NULL. */
extern const char *const vd_clone_kept_keys[];
#define CLONE_KEPT_KEYS 5

/* What is cloned, and where its values come from: a disk, a stream, or a raw stream of known size.
 */
struct vd_clone_source {
    struct vd_disk *disk;                   /* or NULL */
    const struct vd_descriptor *descriptor; /* or NULL: a stream without one */
    uint64_t capacity_sectors;
    struct vd_stream_reader *reader; /* where there is no disk, one of these two */
    struct vd_raw_stream *raw;
};

struct vd_clone_source vd_clone_source_of_disk(struct vd_disk *disk);
struct vd_clone_source vd_clone_source_of_stream(struct vd_stream_reader *reader);
struct vd_clone_source vd_clone_source_of_raw(struct vd_raw_stream *raw);

const char *vd_clone_value(const struct vd_clone_source *source, const char *key);
struct vd_geometry vd_clone_geometry(const struct vd_clone_source *source, bool bios);
uint32_t vd_clone_hw_version(const struct vd_clone_source *source,
                             const struct vd_clone_params *params);
/* The geometry belongs to the adapter: another adapter, another geometry. */
bool vd_clone_keeps_geometry(const struct vd_clone_source *source,
                             const struct vd_clone_params *params);

/*
 * Where sectors go: in whole grains (but for the disk's last), from one thread. The kernel lets one
 * writer into a file at a time, so several would only wait for each other, spinning on processors
 * that could work; and grains written in the disk's order are read in order later.
 *
 * A sink with costly work to do has `pack` too, called on many threads at once: what it makes of
 * the sectors, at most VD_STEP_ROOM_BYTES in `out`, is what `put_packed` is given in place of
 * `put`.
 */
struct vd_clone_sink {
    bool ascending; /* a stream: cannot go back */
    int (*put)(void *data, uint64_t start_sectors, uint64_t count_sectors, const void *bytes,
               struct vd_error *err);
    int (*pack)(void *data, uint64_t start_sectors, uint64_t count_sectors, const void *bytes,
                void *out, size_t *ret_length, struct vd_error *err);
    int (*put_packed)(void *data, uint64_t start_sectors, uint64_t count_sectors,
                      const void *packed, size_t length, struct vd_error *err);
    void *data;
};

/* From whatever the source is. */
VD_MUST_CHECK int vd_clone_run(const struct vd_clone_source *source,
                               const struct vd_clone_sink *sink, const struct vd_progress *progress,
                               struct vd_error *err);
VD_MUST_CHECK int vd_clone_run_disk(struct vd_disk *source, const struct vd_clone_sink *sink,
                                    const struct vd_progress *progress, struct vd_error *err);
/* Gathers the stream's grains, whatever their size, into whole ones. */
VD_MUST_CHECK int vd_clone_run_stream(struct vd_stream_reader *reader,
                                      const struct vd_clone_sink *sink,
                                      const struct vd_progress *progress, struct vd_error *err);
VD_MUST_CHECK int vd_clone_run_raw(struct vd_raw_stream *raw, const struct vd_clone_sink *sink,
                                   const struct vd_progress *progress, struct vd_error *err);

#endif
