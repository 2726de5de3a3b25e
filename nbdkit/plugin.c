/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbdkit-vdisk-plugin: a virtual disk as a network block device.
 *
 * The disk is opened once, before nbdkit goes into the background, and shared by all connections.
 * So what is wrong with it is told when the server starts, a disk that is written stays locked
 * while it is served, and clients with many connections see one disk.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "export.h"

#define THREAD_MODEL    NBDKIT_THREAD_MODEL_PARALLEL

#define MAX_PARENT_DIRS 32

/* Whoever uses the disk holds `gate` for reading; who is about to end the process, for writing, and
 * never lets go. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

/* Set while nbdkit reads its command line, then fixed. */
static struct {
    char *path;
    char *parent_dirs[MAX_PARENT_DIRS + 1]; /* NULL-terminated */
    enum vd_source_format format;
    unsigned flags;
    bool writable;
    int end_fd; /* -1: none */
} config = {.end_fd = -1};

static struct vd_export served;
static bool failed_late; /* closing lost something */
static pthread_t end_thread;
static bool end_thread_runs;

static int fail(const struct vd_error *err, int code)
{
    nbdkit_error("%s", vd_error_message(err, code));
    nbdkit_set_error(vd_export_errno(code));
    return -1;
}

static int result(const struct vd_error *err, int code)
{
    return code < 0 ? fail(err, code) : 0;
}

static void enter(void)
{
    (void)pthread_rwlock_rdlock(&gate);
}

static void leave(void)
{
    (void)pthread_rwlock_unlock(&gate);
}

/* What goes wrong is returned, and told by fail(); here only warnings are left that matter. */
static void VD_PRINTF(3, 0)
    log_emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    VD_FREE char *text = NULL;

    (void)data;
    if (vasprintf(&text, fmt, args) < 0) {
        text = NULL;
        return;
    }
    if (level <= VD_LOG_WARNING)
        nbdkit_error("warning: %s", text);
    else
        nbdkit_debug("%s", text);
}

static const struct vd_log plugin_log = {log_emit, NULL};

/* --- parameters --- */

static int set_path(const char *value)
{
    if (config.path) {
        nbdkit_error("file= is given twice: '%s' and '%s'", config.path, value);
        return -1;
    }
    /* In the background the current folder is another. */
    config.path = nbdkit_absolute_path(value);
    return config.path ? 0 : -1;
}

static int set_format(const char *value)
{
    if (strcmp(value, "vmdk") == 0) {
        config.format = VD_SOURCE_VMDK;
    } else if (strcmp(value, "raw") == 0) {
        config.format = VD_SOURCE_RAW;
    } else if (strcmp(value, "auto") == 0) {
        config.format = VD_SOURCE_AUTO;
    } else {
        nbdkit_error("format is '%s', expected vmdk, raw or auto", value);
        return -1;
    }
    return 0;
}

static int add_parent_dir(const char *value)
{
    size_t count = 0;

    while (config.parent_dirs[count])
        count++;
    if (count == MAX_PARENT_DIRS) {
        nbdkit_error("parent-dir is given more than %d times", MAX_PARENT_DIRS);
        return -1;
    }
    config.parent_dirs[count] = nbdkit_absolute_path(value);
    return config.parent_dirs[count] ? 0 : -1;
}

static int set_flag(const char *value, unsigned flag)
{
    int on = nbdkit_parse_bool(value);

    if (on < 0)
        return -1;
    config.flags = on ? config.flags | flag : config.flags & ~flag;
    return 0;
}

static int set_writable(const char *value)
{
    int on = nbdkit_parse_bool(value);

    if (on < 0)
        return -1;
    config.writable = on;
    return 0;
}

static int set_boolean(const char *key, const char *value)
{
    static const struct {
        const char *key;
        unsigned flag;
    } keys[] = {
        {"single-link", VD_VMDK_SINGLE_LINK},     {"unbuffered", VD_VMDK_UNBUFFERED},
        {"allow-outside", VD_VMDK_ALLOW_OUTSIDE}, {"allow-devices", VD_VMDK_ALLOW_DEVICES},
        {"ignore-cid", VD_VMDK_IGNORE_CID},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(keys); i++) {
        if (strcmp(key, keys[i].key) == 0)
            return set_flag(value, keys[i].flag);
    }
    nbdkit_error("unknown parameter '%s'; 'nbdkit vdisk --help' lists them", key);
    return -1;
}

static int plugin_config(const char *key, const char *value)
{
    if (strcmp(key, "file") == 0 || strcmp(key, "disk") == 0)
        return set_path(value);
    if (strcmp(key, "format") == 0)
        return set_format(value);
    if (strcmp(key, "parent-dir") == 0)
        return add_parent_dir(value);
    if (strcmp(key, "writable") == 0)
        return set_writable(value);
    if (strcmp(key, "end-fd") == 0)
        return nbdkit_parse_int("end-fd", value, &config.end_fd);
    return set_boolean(key, value);
}

static int plugin_config_complete(void)
{
    if (config.path)
        return 0;
    nbdkit_error("no disk is named: file=DISK is missing");
    return -1;
}

#define CONFIG_HELP                                                                  \
    "[file=]<DISK>      (required) The disk to serve: a VMDK, or a raw image.\n"     \
    "writable=true      Let clients write. Without it the disk is only read.\n"      \
    "format=raw|vmdk    Take the disk as that, whatever it looks like.\n"            \
    "parent-dir=<DIR>   Look for parents in DIR too; may be repeated.\n"             \
    "single-link=true   Open this link alone, without its parents.\n"                \
    "ignore-cid=true    Open a chain although a parent's content ID differs.\n"      \
    "allow-outside=true Allow extents and parents outside the folder of the disk.\n" \
    "allow-devices=true Allow extents that are block devices.\n"                     \
    "unbuffered=true    Read and write past the page cache.\n"                       \
    "end-fd=<FD>        End the server in order when reading this file descriptor ends."

/* --- the life of the server --- */

static int plugin_get_ready(void)
{
    const struct vd_source_options options = {
        .format = config.format,
        .vmdk = {.log = &plugin_log,
                 .flags = config.flags,
                 .parent_folders = (const char *const *)config.parent_dirs},
    };
    struct vd_error err = VD_ERROR_INIT;

    return result(&err, vd_export_open(&served, config.path, &options, config.writable, &err));
}

static void close_disk(void)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_export_close(&served, &err);

    if (r < 0) {
        nbdkit_error("%s", vd_error_message(&err, r));
        failed_late = true;
    }
}

/* nbdkit itself waits for every client to leave, however long that takes. Whoever gave us a
 * descriptor may want the server to end anyway: with requests done and the disk closed in order. */
static void *wait_for_end(void *data)
{
    char byte;

    (void)data;
    while (read(config.end_fd, &byte, 1) > 0)
        ;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    (void)pthread_rwlock_wrlock(&gate);
    close_disk();
    _exit(failed_late ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int plugin_after_fork(void)
{
    int r;

    if (config.end_fd < 0)
        return 0;
    r = pthread_create(&end_thread, NULL, wait_for_end, NULL);
    if (r != 0) {
        nbdkit_error("cannot start a thread: %s", strerror(r));
        return -1;
    }
    end_thread_runs = true;
    return 0;
}

static void plugin_cleanup(void)
{
    if (end_thread_runs) {
        (void)pthread_cancel(end_thread);
        (void)pthread_join(end_thread, NULL);
        end_thread_runs = false;
    }
    close_disk();
}

/* Also where the server never started. nbdkit has nothing left to do then, and no other way to end
 * with a status that tells of data lost. */
static void plugin_unload(void)
{
    close_disk();
    free(config.path);
    for (size_t i = 0; config.parent_dirs[i]; i++)
        free(config.parent_dirs[i]);
    if (failed_late)
        exit(EXIT_FAILURE);
}

static void plugin_dump(void)
{
    printf("vdisk_version=%s\n", VD_VERSION);
    printf("vdisk_formats=vmdk,raw\n");
}

/* --- a connection --- */

static void *plugin_open(int readonly)
{
    (void)readonly; /* nbdkit refuses writes by itself then */
    return NBDKIT_HANDLE_NOT_NEEDED;
}

/* What a client has written is durable when it is gone, also when it did not ask for that. */
static void plugin_close(void *handle)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    enter();
    r = vd_disk_flush(served.disk, &err);
    leave();
    if (r < 0)
        nbdkit_error("%s", vd_error_message(&err, r));
}

static int64_t plugin_get_size(void *handle)
{
    (void)handle;
    return (int64_t)vd_byte_access_size(&served.bytes);
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    (void)handle;
    vd_export_block_size(&served, minimum, preferred, maximum);
    return 0;
}

static int plugin_can_write(void *handle)
{
    (void)handle;
    return config.writable;
}

/* All connections share one disk. */
static int plugin_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

static int plugin_yes(void *handle)
{
    (void)handle;
    return 1;
}

/* Reading is what fills the page cache, where there is one. */
static int plugin_can_cache(void *handle)
{
    (void)handle;
    return config.flags & VD_VMDK_UNBUFFERED ? NBDKIT_CACHE_NONE : NBDKIT_CACHE_EMULATE;
}

/* --- requests --- */

static int plugin_pread(void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    (void)flags;
    enter();
    r = vd_byte_access_read(&served.bytes, offset, count, buffer, &err);
    leave();
    return result(&err, r);
}

static int plugin_flush(void *handle, uint32_t flags)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    (void)flags;
    enter();
    r = vd_disk_flush(served.disk, &err);
    leave();
    return result(&err, r);
}

/* NBDKIT_FLAG_FUA makes the request durable before it is answered. */
static int finish(const struct vd_error *err, int code, uint32_t flags)
{
    if (code < 0)
        return fail(err, code);
    return flags & NBDKIT_FLAG_FUA ? plugin_flush(NULL, 0) : 0;
}

static int plugin_can_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

static int plugin_pwrite(void *handle, const void *buffer, uint32_t count, uint64_t offset,
                         uint32_t flags)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    enter();
    r = vd_byte_access_write(&served.bytes, offset, count, buffer, &err);
    leave();
    return finish(&err, r, flags);
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    enter();
    r = vd_export_trim(&served, offset, count, &err);
    leave();
    return finish(&err, r, flags);
}

/* Refused without a word: nbdkit then writes zeros, which leaves storage in its place, or tells the
 * client that nothing would be quicker. */
static int plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    enter();
    if (flags & NBDKIT_FLAG_FAST_ZERO)
        r = vd_export_zero_fast(&served, offset, count, &err);
    else if (flags & NBDKIT_FLAG_MAY_TRIM)
        r = vd_byte_access_zero(&served.bytes, offset, count, &err);
    else
        r = VD_E_NOT_SUPPORTED;
    leave();
    if (r == VD_E_NOT_SUPPORTED) {
        nbdkit_set_error(ENOTSUP);
        return -1;
    }
    return finish(&err, r, flags);
}

struct told {
    struct nbdkit_extents *extents;
    bool only_one;
    bool failed;
};

static int tell_extent(void *data, uint64_t offset_bytes, uint64_t length_bytes, bool hole,
                       bool zero)
{
    struct told *told = data;
    uint32_t type = (hole ? NBDKIT_EXTENT_HOLE : 0u) | (zero ? NBDKIT_EXTENT_ZERO : 0u);

    told->failed = nbdkit_add_extent(told->extents, offset_bytes, length_bytes, type) < 0;
    return told->failed || told->only_one;
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    struct told told = {extents, (flags & NBDKIT_FLAG_REQ_ONE) != 0, false};
    struct vd_error err = VD_ERROR_INIT;
    int r;

    (void)handle;
    enter();
    r = vd_export_extents(&served, offset, count, tell_extent, &told, &err);
    leave();
    if (r < 0)
        return fail(&err, r);
    return told.failed ? -1 : 0;
}

static struct nbdkit_plugin plugin = {
    .name = "vdisk",
    .longname = "virtual disks",
    .version = VD_VERSION,
    .description = "Serves VMDK disks of every kind, and raw images.",
    .unload = plugin_unload,
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = CONFIG_HELP,
    .magic_config_key = "file",
    .dump_plugin = plugin_dump,
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .cleanup = plugin_cleanup,
    .open = plugin_open,
    .close = plugin_close,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .can_write = plugin_can_write,
    .can_flush = plugin_yes,
    .can_trim = plugin_can_write,
    .can_zero = plugin_can_write,
    .can_fast_zero = plugin_can_write,
    .can_fua = plugin_can_fua,
    .can_extents = plugin_yes,
    .can_multi_conn = plugin_can_multi_conn,
    .can_cache = plugin_can_cache,
    .pread = plugin_pread,
    .pwrite = plugin_pwrite,
    .flush = plugin_flush,
    .trim = plugin_trim,
    .zero = plugin_zero,
    .extents = plugin_extents,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
