/* SPDX-License-Identifier: Apache-2.0 */
/* The provider that is built in. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/units.h"
#include "ops/clone-path.h"
#include "ops/grow.h"
#include "ops/unlink.h"
#include "transport/server-disk.h"
#include "vdisk/blocks.h"
#include "vdisk/engine-settings.h"
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
    struct vd_settings settings;
    struct vd_server *server; /* NULL: this machine */
    struct vd_disk *disk;     /* NULL unless open */
    bool zeros_count;         /* a zero run hides a parent that is not open */
    struct vdisk_info info;   /* as at open, because the database may change under it */
    char *parent;             /* its strings */
    char *uuid;
};

static const struct vd_log *log_of(const struct vd_settings *settings)
{
    uint64_t level = vd_settings_number(settings, VD_SETTING_LOG_LEVEL, VD_SETTING_VERBOSE);
    return level < VD_SETTING_VERBOSE ? vd_native_log_brief() : vd_native_log();
}

static struct vd_server_options server_options(const struct vdisk_params *params,
                                               const struct vd_settings *settings)
{
    struct vd_server_options options = {
        .login = {.server = {.host = params->server,
                             .port = (uint16_t)params->port,
                             .trust = {.host_name = params->server,
                                       .thumbprint = params->thumbprint}},
                  .credential = params->cookie ? VD_VSPHERE_COOKIE : VD_VSPHERE_PASSWORD,
                  .user = params->user,
                  .password = params->cookie ? params->session_key : params->password,
                  .cookie = params->cookie,
                  .log = log_of(settings)},
        .vm = params->vmx_spec,
        .snapshot = params->fcd_id ? params->fcd_snapshot : params->snapshot,
        .datastore_moid = params->fcd_datastore,
        .disk_id = params->fcd_id,
        .modes = params->transports,
    };
    vd_settings_to_trust(settings, &options.login.server.trust);
    vd_settings_to_timeouts(settings, &options.login.server.timeouts);
    return options;
}

static int server_new(const struct vdisk_params *params, const struct vd_settings *settings,
                      struct vd_server **ret, struct vdisk_error *err)
{
    struct vd_error told = VD_ERROR_INIT;
    if (!vd_native_params_remote(params))
        return 0;
    if (__builtin_popcount(params->flags & (VDISK_ZLIB | VDISK_FASTLZ | VDISK_SKIPZ)) > 1)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "opening '%s': flags 0x%x ask for more than one compression",
                              vd_native_params_name(params), params->flags);
    if (params->ticket)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "connecting to '%s': tickets are for a VixDiskLib in 'libdir'; the "
                              "built-in engine takes a password or a cookie",
                              params->server);
    if (params->port > UINT16_MAX || params->nfc_port > UINT16_MAX)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "connecting to '%s': ports %u and %u, where 65535 is the last",
                              params->server, params->port, params->nfc_port);
    const struct vd_server_options options = server_options(params, settings);
    int r = vd_server_new(&options, ret, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static void engine_unload(void *self)
{
    struct engine *engine = self;
    vd_server_free(engine->server);
    vd_settings_done(&engine->settings);
    free(engine->parent);
    free(engine->uuid);
    free(engine);
}

static int engine_load(const struct vdisk_params *params, void **ret_self, struct vdisk_error *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                              vd_native_params_name(params));
    engine->params = params;
    int r = vd_native_settings_take(params, &engine->settings, err);
    if (r >= 0)
        r = server_new(params, &engine->settings, &engine->server, err);
    if (r < 0)
        engine_unload(engine);
    else
        *ret_self = engine;
    return r;
}

static int engine_prepare(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    if (!engine->server || !engine->params->identity)
        return 0;
    int r = vd_server_prepare_access(engine->server, engine->params->identity, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_end_access(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    if (!engine->server || !engine->params->identity)
        return 0;
    int r = vd_server_end_access(engine->server, engine->params->identity, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_connect(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    struct vd_transport_place place;
    struct vd_error told = VD_ERROR_INIT;
    int r = engine->server ? vd_server_place(engine->server, &place, &told) : VD_OK;
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

/* The login is ended with the server, once the access was. */
static int engine_disconnect(void *self, struct vdisk_error *err)
{
    (void)self;
    (void)err;
    return 0;
}

static struct vd_vmdk_options options_of(const struct engine *engine)
{
    uint32_t flags = engine->params->flags;
    struct vd_vmdk_options options = {.log = log_of(&engine->settings)};
    if (flags & VDISK_READ_ONLY)
        options.flags |= VD_VMDK_READ_ONLY;
    if (flags & VDISK_SINGLE_LINK)
        options.flags |= VD_VMDK_SINGLE_LINK;
    if (flags & VDISK_UNBUFFERED)
        options.flags |= VD_VMDK_UNBUFFERED;
    if (flags & VDISK_ALLOW_OUTSIDE ||
        vd_settings_number(&engine->settings, VD_SETTING_ALLOW_OUTSIDE, 0) != 0)
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

static enum vd_transport_compression compression_of(const struct vdisk_params *params)
{
    if (params->flags & VDISK_ZLIB)
        return VD_TRANSPORT_ZLIB;
    if (params->flags & VDISK_FASTLZ)
        return VD_TRANSPORT_FASTLZ;
    return params->flags & VDISK_SKIPZ ? VD_TRANSPORT_SKIPZ : VD_TRANSPORT_PLAIN;
}

/* The disk of the params, wherever it is. */
static int find_disk(const struct engine *engine, const struct vd_vmdk_options *options,
                     struct vd_disk **ret, struct vd_error *err)
{
    struct vd_transport_place place = {0};
    struct vd_transport_request request = {
        .place = &place,
        .path = engine->params->path,
        .local = options,
        .compression = compression_of(engine->params),
        .nfc_port = engine->params->nfc_port,
        .log = options->log,
    };
    vd_settings_to_request(&engine->settings, &request);
    int r = engine->server ? vd_server_place(engine->server, &place, err) : VD_OK;
    return r < 0 ? r : vd_transport_open(&request, ret, err);
}

static int engine_open(void *self, struct vdisk_error *err)
{
    struct engine *engine = self;
    struct vd_error told = VD_ERROR_INIT;
    struct vd_vmdk_options options = options_of(engine);
    int r = find_disk(engine, &options, &engine->disk, &told);
    if (r < 0)
        return vd_native_fail_from(err, r, &told);
    struct vd_disk_info info;
    vd_disk_info(engine->disk, &info);
    engine->zeros_count = (options.flags & VD_VMDK_SINGLE_LINK) && info.parent_hint;
    if (keep_info(engine, &info))
        return 0;
    vd_disk_free(VD_TAKE_PTR(engine->disk)); /* nothing was written */
    return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                          vd_native_params_name(engine->params));
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
    const char *path = engine->params->path;
    const char *name = vd_native_params_name(engine->params);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_progress progress;
    struct vd_vmdk_create_params params = {
        .capacity_sectors = create->capacity_bytes / VD_SECTOR_BYTES,
        .hw_version = create->hw_version,
    };
    int r = vd_native_type_of(name, create, &params.type, &told);
    if (r == VD_OK)
        r = vd_native_adapter_of(name, create, &params.adapter, &told);
    vd_native_progress_init(&progress, create);
    if (r == VD_OK && engine->server)
        r = vd_server_disk_create(engine->server, path, &params, &progress.progress, &told);
    else if (r == VD_OK)
        r = vd_vmdk_create(path, &params, NULL, &progress.progress, &told);
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

static int clone_from_server(const struct engine *engine, const char *path,
                             const struct vd_clone_params *params,
                             const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *source = NULL;
    struct vd_vmdk_options options = options_of(engine);
    options.flags |= VD_VMDK_READ_ONLY;
    int r = find_disk(engine, &options, &source, err);
    return r < 0 ? r : vd_clone_open(source, path, params, progress, err);
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
    if (r == VD_OK && engine->server)
        r = clone_from_server(engine, path, &params, &progress.progress, &told);
    else if (r == VD_OK)
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
    int r = engine->server ? vd_server_disk_grow(engine->server, engine->params->path,
                                                 capacity_sectors, NULL, &told)
                           : vd_grow(engine->params->path, &options, &params, NULL, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static int engine_unlink(void *self, struct vdisk_error *err)
{
    const struct engine *engine = self;
    const struct vd_vmdk_options options = options_of(engine);
    struct vd_error told = VD_ERROR_INIT;
    int r = engine->server ? vd_server_disk_unlink(engine->server, engine->params->path, &told)
                           : vd_unlink(engine->params->path, &options, false, &told);
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}

static struct vd_server *engine_server(void *self)
{
    const struct engine *engine = self;
    return engine->server;
}

const struct vd_native_provider vd_native_engine = {
    .load = engine_load,
    .unload = engine_unload,
    .prepare = engine_prepare,
    .end_access = engine_end_access,
    .connect = engine_connect,
    .disconnect = engine_disconnect,
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
    .server = engine_server,
};
