/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/units.h"
#include "ops/clone-int.h"
#include "ops/pipeline.h"
#include "ops/spool.h"
#include "vmdk/stream-writer.h"

struct to_target {
    struct vd_target *target;
    uint64_t written_bytes;
};

static int write_bytes(void *data, const void *bytes, size_t length, struct vd_error *err)
{
    struct to_target *to = data;
    int r = vd_target_write(to->target, to->written_bytes, bytes, length, err);

    to->written_bytes += length;
    return r;
}

static int put_sectors(void *data, uint64_t start_sectors, uint64_t count_sectors,
                       const void *bytes, struct vd_error *err)
{
    return vd_stream_writer_write(data, start_sectors, count_sectors, bytes, err);
}

static int pack_sectors(void *data, uint64_t start_sectors, uint64_t count_sectors,
                        const void *bytes, void *out, size_t *ret_length, struct vd_error *err)
{
    static_assert(VD_STREAM_PACKED_BYTES(VD_STEP_BYTES / VD_SECTOR_BYTES) <= VD_STEP_ROOM_BYTES,
                  "a step's records fit its buffer");
    return vd_stream_writer_pack(data, start_sectors, count_sectors, bytes, out, ret_length, err);
}

static int put_packed(void *data, uint64_t start_sectors, uint64_t count_sectors,
                      const void *packed, size_t length, struct vd_error *err)
{
    return vd_stream_writer_put(data, start_sectors, count_sectors, packed, length, err);
}

static void collect_values(const struct vd_clone_source *source, const char **ret)
{
    size_t count = 0;

    for (size_t i = 0; vd_clone_kept_keys[i]; i++) {
        const char *value = vd_clone_value(source, vd_clone_kept_keys[i]);

        if (!value)
            continue;
        ret[count++] = vd_clone_kept_keys[i];
        ret[count++] = value;
    }
    ret[count] = NULL;
}

static int open_writer(const struct vd_clone_source *source, const struct vd_clone_params *params,
                       struct to_target *to, struct vd_workers *workers,
                       struct vd_stream_writer **ret, struct vd_error *err)
{
    const char *ddb[2 * CLONE_KEPT_KEYS + 1];
    struct vd_stream_sink sink = {write_bytes, to, "the stream"};
    struct vd_stream_writer_params writer = {
        .capacity_sectors = source->capacity_sectors,
        .adapter = params->adapter ? params->adapter : vd_clone_value(source, "adapterType"),
        .hw_version = vd_clone_hw_version(source, params),
        .level = params->level,
        .workers = workers,
        .ddb = ddb,
    };

    collect_values(source, ddb);
    if (vd_clone_keeps_geometry(source, params)) {
        writer.geometry = vd_clone_geometry(source, false);
        writer.bios_geometry = vd_clone_geometry(source, true);
    }
    return vd_stream_writer_open(&sink, &writer, ret, err);
}

static int write_stream(const struct vd_clone_source *source, struct vd_target *target,
                        const struct vd_clone_params *params, const struct vd_progress *progress,
                        struct vd_error *err)
{
    struct vd_workers *workers = NULL;
    struct vd_stream_writer *writer = NULL;
    struct to_target to = {.target = target};
    struct vd_clone_sink sink = {
        .ascending = true, .put = put_sectors, .pack = pack_sectors, .put_packed = put_packed};
    int r = vd_workers_new(0, &workers, err);

    vd_target_set_disk(target);
    if (r == VD_OK)
        r = open_writer(source, params, &to, workers, &writer, err);
    sink.data = writer;
    if (r == VD_OK)
        r = vd_clone_run(source, &sink, progress, err);
    if (r == VD_OK)
        r = vd_stream_writer_finish(writer, err);
    vd_stream_writer_free(writer); /* uses the workers */
    vd_workers_free(workers);
    return r < 0 ? r : vd_target_set_size(target, to.written_bytes, err);
}

int vd_clone_to_target(struct vd_disk *source, struct vd_target *target,
                       const struct vd_clone_params *params, const struct vd_progress *progress,
                       struct vd_error *err)
{
    struct vd_clone_source from = vd_clone_source_of_disk(source);

    return write_stream(&from, target, params, progress, err);
}

int vd_clone_stream_to_target(struct vd_stream_reader *reader, struct vd_target *target,
                              const struct vd_clone_params *params,
                              const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_clone_source from = vd_clone_source_of_stream(reader);

    return write_stream(&from, target, params, progress, err);
}

int vd_clone_raw_to_target(struct vd_raw_stream *raw, struct vd_target *target,
                           const struct vd_clone_params *params, const struct vd_progress *progress,
                           struct vd_error *err)
{
    struct vd_clone_source from;
    struct vd_spool spool = {0};
    int r;

    if (raw->size_bytes != 0) {
        from = vd_clone_source_of_raw(raw);
        return write_stream(&from, target, params, progress, err);
    }
    r = vd_target_file(target)
            ? vd_spool_open(raw, vd_target_file(target), NULL, progress, &spool, err)
            : vd_error_set(err, VD_E_INVALID_ARG,
                           "a streamOptimized disk begins with its capacity, so the size of '%s' "
                           "must be given where the disk goes into a pipe or a device",
                           raw->source->name);
    if (r == VD_OK)
        r = vd_clone_to_target(spool.disk, target, params, progress, err);
    vd_spool_done(&spool);
    return r;
}
