/* SPDX-License-Identifier: Apache-2.0 */
/* The provider that is built in: disks on this machine. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/units.h"
#include "ops/clone-path.h"
#include "ops/grow.h"
#include "ops/unlink.h"
#include "vdisk/blocks.h"
#include "vdisk/engine-types.h"
#include "vdisk/failure.h"
#include "vdisk/log.h"
#include "vdisk/params.h"
#include "vdisk/progress.h"
#include "vdisk/provider.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

/* Runs fetched at a time: 4 KiB of stack. */
#define RUNS_AT_ONCE 64
/* A descriptor, with all its keys, is at most 4 MiB. */
#define MAX_KEYS_BYTES (4u << 20)

struct engine {
    const struct vdisk_params *params;
    struct vd_disk *disk;   /* NULL unless open */
    bool zeros_count;       /* a zero run hides a parent that is not open */
    struct vdisk_info info; /* as at open, because the database may change under it */
    char *parent;           /* its strings */
    char *uuid;
};

static int engine_load(const struct vdisk_params *params, void **ret_self, struct vdisk_error *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                              vd_native_params_name(params));
    engine->params = params;
    *ret_self = engine;
    return 0;
}

static void engine_unload(void *self)
{
    struct engine *engine = self;
    free(engine->parent);
    free(engine->uuid);
    free(engine);
}

/* Only a server wants to be told, and with one it does not come to that. */
static int engine_nothing(void *self, struct vdisk_error *err)
{
    (void)self;
    (void)err;
    return 0;
}

static int engine_connect(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    if (!vd_native_params_remote(engine->params))
        return 0;
    return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                          "connecting to '%s': the built-in engine opens disks on this machine "
                          "only; a VixDiskLib in 'libdir' may reach others",
                          engine->params->server);
}

static struct vd_vmdk_options options_of(const struct engine *engine)
{
    uint32_t flags = engine->params->flags;
    struct vd_vmdk_options options = {.log = vd_native_log()};
    if (flags & VDISK_READ_ONLY)
        options.flags |= VD_VMDK_READ_ONLY;
    if (flags & VDISK_SINGLE_LINK)
        options.flags |= VD_VMDK_SINGLE_LINK;
    if (flags & VDISK_UNBUFFERED)
        options.flags |= VD_VMDK_UNBUFFERED;
    if (flags & VDISK_ALLOW_OUTSIDE)
        options.flags |= VD_VMDK_ALLOW_OUTSIDE;
    return options;
}

static int engine_close(void *self, struct vdisk_error *err)
{
    struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_disk_close(VD_TAKE_PTR(engine->disk), &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static struct vdisk_geometry geometry_of(const struct vd_geometry *geometry)
{
    return (struct vdisk_geometry){geometry->cylinders, geometry->heads, geometry->sectors};
}

static void keep_numbers(struct vdisk_info *to, const struct vd_disk_info *info)
{
    to->capacity_bytes = vd_sectors_to_bytes(info->capacity_sectors);
    to->type = vd_native_type_number(info->type);
    to->adapter = vd_native_adapter_number(info->adapter);
    to->num_links = info->num_links;
    to->read_only = info->read_only;
    to->logical_sector_bytes = info->logical_sector_bytes;
    to->physical_sector_bytes = info->physical_sector_bytes;
    to->geometry = geometry_of(&info->geometry);
    to->bios_geometry = geometry_of(&info->bios_geometry);
    to->transport = info->transport; /* static */
    to->provider = "built-in";
}

static bool keep_info(struct engine *engine, const struct vd_disk_info *info)
{
    keep_numbers(&engine->info, info);
    engine->parent = info->parent_hint ? strdup(info->parent_hint) : NULL;
    engine->uuid = info->uuid ? strdup(info->uuid) : NULL;
    engine->info.parent = engine->parent;
    engine->info.uuid = engine->uuid;
    return (!info->parent_hint || engine->parent) && (!info->uuid || engine->uuid);
}

static int engine_open(void *self, struct vdisk_error *err)
{
    struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    struct vd_vmdk_options options = options_of(engine);
    int r = vd_vmdk_open(engine->params->path, &options, &engine->disk, &told);
    if (r < 0)
        return vd_native_fail_from(err, r, &told);
    struct vd_disk_info info;
    vd_disk_info(engine->disk, &info);
    engine->zeros_count = (options.flags & VD_VMDK_SINGLE_LINK) && info.parent_hint;
    if (keep_info(engine, &info))
        return 0;
    vd_disk_free(VD_TAKE_PTR(engine->disk)); /* nothing was written */
    return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory", engine->params->path);
}

static void engine_limits(void *self, struct vd_native_limits *ret)
{
    (void)self;
    *ret = (struct vd_native_limits){.max_sectors = VD_MAX_SECTORS, .alignment_bytes = 1};
}

static void engine_info(void *self, struct vdisk_info *ret)
{
    const struct engine *engine = self;
    *ret = engine->info;
}

static int engine_read(void *self, uint64_t start_sectors, uint64_t count_sectors, void *buffer,
                       struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_disk_read(engine->disk, start_sectors, count_sectors, buffer, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_write(void *self, uint64_t start_sectors, uint64_t count_sectors,
                        const void *buffer, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_disk_write(engine->disk, start_sectors, count_sectors, buffer, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_flush(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_disk_flush(engine->disk, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static bool add_runs(const struct engine *engine, const struct vd_run *runs, size_t count,
                     struct vd_native_blocks *blocks)
{
    bool wanted = true;
    for (size_t i = 0; wanted && i < count; i++)
        if (runs[i].kind == VD_RUN_DATA || (runs[i].kind == VD_RUN_ZERO && engine->zeros_count))
            wanted = vd_native_blocks_add(blocks, runs[i].start_sectors, runs[i].length_sectors);
    return wanted;
}

static int engine_blocks(void *self, uint64_t start_sectors, uint64_t count_sectors,
                         struct vd_native_blocks *blocks, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_run runs[RUNS_AT_ONCE];
    uint64_t end = start_sectors + count_sectors;
    for (uint64_t at = start_sectors; at < end;) {
        struct vd_error told = VD_ERROR_INIT;
        size_t count;
        int r = vd_disk_map(engine->disk, at, end - at, runs, RUNS_AT_ONCE, &count, &told);
        if (r < 0)
            return vd_native_fail_from(err, r, &told);
        if (!add_runs(engine, runs, count, blocks))
            return 0;
        at = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
    return 0;
}

/* A disk also answers with its parents' values; this interface asks the top link alone. */
static bool has_key(struct vd_disk *disk, const char *wanted)
{
    const char *key;
    for (size_t i = 0; (key = vd_disk_meta_key(disk, i)); i++)
        if (strcasecmp(key, wanted) == 0)
            return true;
    return false;
}

static int engine_meta_get(void *self, const char *key, char **ret, struct vdisk_error *err)
{
    const struct engine *engine = self;
    const char *value = has_key(engine->disk, key) ? vd_disk_meta_get(engine->disk, key) : NULL;
    if (!value)
        return vd_native_fail(err, VD_E_KEY_NOT_FOUND,
                              "reading the disk database of '%s': it has no key '%s'",
                              engine->params->path, key);
    char *copy = strdup(value);
    if (!copy)
        return vd_native_fail(err, VD_E_NO_MEMORY,
                              "reading the disk database of '%s': out of memory",
                              engine->params->path);
    *ret = copy;
    return 0;
}

static int engine_meta_set(void *self, const char *key, const char *value, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_disk_meta_set(engine->disk, key, value, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_meta_keys(void *self, char **ret, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_buf VD_CLEANUP(vd_buf_done) keys = VD_BUF_INIT(MAX_KEYS_BYTES);
    const char *key;
    int r = VD_OK;
    for (size_t i = 0; r == VD_OK && (key = vd_disk_meta_key(engine->disk, i)); i++)
        r = vd_buf_append(&keys, key, strlen(key) + 1);
    if (r == VD_OK)
        r = vd_buf_append(&keys, "", 1);
    char *text = r == VD_OK ? vd_buf_steal(&keys) : NULL;
    if (!text)
        return vd_native_fail(err, r < 0 ? r : VD_E_NO_MEMORY,
                              "listing the disk database of '%s': it does not fit the memory",
                              engine->params->path);
    *ret = text;
    return 0;
}

static int engine_create(void *self, const struct vdisk_create_params *create,
                         struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_progress progress;
    struct vd_vmdk_create_params params = {
        .capacity_sectors = create->capacity_bytes / VD_SECTOR_BYTES,
        .hw_version = create->hw_version,
    };
    int r = vd_native_type_of(engine->params->path, create, &params.type, &told);
    if (r == VD_OK)
        r = vd_native_adapter_of(engine->params->path, create, &params.adapter, &told);
    vd_native_progress_init(&progress, create);
    if (r == VD_OK)
        r = vd_vmdk_create(engine->params->path, &params, NULL, &progress.progress, &told);
    return vd_native_progress_end(&progress, r < 0 ? vd_native_fail_from(err, r, &told) : 0);
}

static int take_clone_params(const char *path, const struct vdisk_create_params *create,
                             struct vd_clone_params *ret, struct vd_error *err)
{
    *ret = (struct vd_clone_params){0};
    if (!create)
        return VD_OK;
    ret->hw_version = create->hw_version;
    ret->overwrite = create->overwrite != 0;
    int r = vd_native_adapter_of(path, create, &ret->adapter, err);
    return r < 0 ? r : vd_native_type_of(path, create, &ret->type, err);
}

static int engine_clone(void *self, const char *path, const struct vdisk_create_params *create,
                        struct vdisk_error *err)
{
    const struct engine *engine = self;
    const struct vd_vmdk_options options = options_of(engine);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_progress progress;
    struct vd_clone_params params;
    int r = take_clone_params(path, create, &params, &told);
    vd_native_progress_init(&progress, create);
    if (r == VD_OK)
        r = vd_clone_path(engine->params->path, &options, path, &params, &progress.progress, &told);
    return vd_native_progress_end(&progress, r < 0 ? vd_native_fail_from(err, r, &told) : 0);
}

static int engine_grow(void *self, uint64_t capacity_sectors, struct vdisk_error *err)
{
    const struct engine *engine = self;
    const struct vd_vmdk_options options = options_of(engine);
    const struct vd_grow_params params = {
        .capacity_sectors = capacity_sectors,
        .update_geometry = true,
    };
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_grow(engine->params->path, &options, &params, NULL, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_unlink(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    const struct vd_vmdk_options options = options_of(engine);
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_unlink(engine->params->path, &options, false, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

const struct vd_native_provider vd_native_engine = {
    .load = engine_load,
    .unload = engine_unload,
    .prepare = engine_nothing,
    .end_access = engine_nothing,
    .connect = engine_connect,
    .disconnect = engine_nothing,
    .open = engine_open,
    .close = engine_close,
    .limits = engine_limits,
    .info = engine_info,
    .read = engine_read,
    .write = engine_write,
    .flush = engine_flush,
    .blocks = engine_blocks,
    .meta_get = engine_meta_get,
    .meta_set = engine_meta_set,
    .meta_keys = engine_meta_keys,
    .create = engine_create,
    .clone = engine_clone,
    .grow = engine_grow,
    .unlink = engine_unlink,
};
