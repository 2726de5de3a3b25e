/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/clone-int.h"
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

/* One of the two sources. */
static int write_stream(const struct vd_clone_source *source, struct vd_stream_reader *reader,
                        struct vd_target *target, const struct vd_clone_params *params,
                        const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_workers *workers = NULL;
    struct vd_stream_writer *writer = NULL;
    struct to_target to = {.target = target};
    struct vd_clone_sink sink = {.in_order = true, .put = put_sectors};
    int r = vd_workers_new(0, &workers, err);

    if (r == VD_OK)
        r = open_writer(source, params, &to, workers, &writer, err);
    sink.data = writer;
    if (r == VD_OK)
        r = reader ? vd_clone_run_stream(reader, &sink, progress, err)
                   : vd_clone_run(source->disk, &sink, progress, err);
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
    struct vd_clone_source from = {.disk = source, .capacity_sectors = vd_disk_capacity(source)};

    return write_stream(&from, NULL, target, params, progress, err);
}

int vd_clone_stream_to_target(struct vd_stream_reader *reader, struct vd_target *target,
                              const struct vd_clone_params *params,
                              const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_clone_source from = {
        .descriptor = vd_stream_reader_descriptor(reader),
        .capacity_sectors = vd_stream_reader_capacity(reader),
    };

    return write_stream(&from, reader, target, params, progress, err);
}
