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

/* Where sectors go. `put` is called with whole grains (but for the disk's last), from many threads
 * at once on different ranges; or, `in_order`, from one thread and ascending. */
struct vd_clone_sink {
    bool in_order;
    int (*put)(void *data, uint64_t start_sectors, uint64_t count_sectors, const void *bytes,
               struct vd_error *err);
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
