/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbdkit-vdisk-plugin: a virtual disk as a network block device.
 *
 * The disk is opened once and shared by all connections. So what is wrong with it is told when the
 * server starts, a disk that is written stays locked while it is served, and clients with many
 * connections see one disk. A disk of this machine is opened before nbdkit goes into the
 * background, one of a server after it, because its session has threads, which do not go along.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "export.h"
#include "remote.h"

#define THREAD_MODEL    NBDKIT_THREAD_MODEL_PARALLEL

#define MAX_PARENT_DIRS 32
#define PATIENCE_S      5 /* with a server, for requests under way at the end */

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
    char *url;  /* in place of a path */
    char *password_file;
    char *session_file;
    int password_fd; /* -1: none */
    int session_fd;  /* -1: none */
} config = {.end_fd = -1, .password_fd = -1, .session_fd = -1};

static struct vd_export served;
static struct remote remote = {.stop = VD_NET_STOP_INIT, .fellows = -1}; /* of a URL */
static atomic_bool connecting;
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

static int set_text(char **text, const char *key, const char *value)
{
    if (*text) {
        nbdkit_error("%s= is given twice: '%s' and '%s'", key, *text, value);
        return -1;
    }
    *text = strdup(value);
    if (!*text)
        nbdkit_error("no memory for %s=", key);
    return *text ? 0 : -1;
}

static int set_path(const char *value)
{
    if (vd_url_is(value))
        return set_text(&config.url, "url", value);
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
    const struct {
        const char *key;
        char **text;
    } texts[] = {
        {"url", &config.url},
        {"password-file", &config.password_file},
        {"session-file", &config.session_file},
        {"thumbprint", &remote.thumbprint},
    };
    const struct {
        const char *key;
        int *fd;
    } fds[] = {
        {"password-fd", &config.password_fd},
        {"session-fd", &config.session_fd},
        {"end-fd", &config.end_fd},
    };

    if (strcmp(key, "file") == 0 || strcmp(key, "disk") == 0)
        return set_path(value);
    for (size_t i = 0; i < VD_ARRAY_SIZE(texts); i++) {
        if (strcmp(key, texts[i].key) == 0)
            return set_text(texts[i].text, key, value);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(fds); i++) {
        if (strcmp(key, fds[i].key) == 0)
            return nbdkit_parse_int(key, value, fds[i].fd);
    }
    if (strcmp(key, "format") == 0)
        return set_format(value);
    if (strcmp(key, "parent-dir") == 0)
        return add_parent_dir(value);
    if (strcmp(key, "writable") == 0)
        return set_writable(value);
    return set_boolean(key, value);
}

static int read_descriptor(int fd, struct vd_error *err)
{
    char name[32];
    int r;

    (void)snprintf(name, sizeof name, "descriptor %d", fd);
    r = vd_secret_from_fd(fd, name, NULL, &remote.secret, err);
    (void)close(fd); /* what nbdkit runs shall not inherit it */
    return r;
}

static int read_password(struct vd_error *err)
{
    const char *value = getenv("VDISK_PASSWORD");

    if (config.password_fd >= 0)
        return read_descriptor(config.password_fd, err);
    if (config.password_file)
        return vd_secret_from_file(config.password_file, &plugin_log, NULL, &remote.secret, err);
    if (value)
        return vd_secret_from_value("VDISK_PASSWORD", value, &remote.secret, err);
    return vd_error_set(err, VD_E_LOGIN,
                        "no password for '%s' at '%s': use password-file=, password-fd= or "
                        "VDISK_PASSWORD, or session-file= or session-fd=",
                        remote.url.user ? remote.url.user : "", remote.url.host);
}

static int read_secret(struct vd_error *err)
{
    remote.is_session = config.session_file || config.session_fd >= 0;
    if (config.session_fd >= 0)
        return read_descriptor(config.session_fd, err);
    if (config.session_file)
        return vd_secret_from_file(config.session_file, &plugin_log, NULL, &remote.secret, err);
    if (remote.url.user)
        return read_password(err);
    return vd_error_set(err, VD_E_LOGIN,
                        "no user for '%s'; write vsphere://USER@%s/..., or give a session with "
                        "session-file= or session-fd=",
                        remote.url.host, remote.url.host);
}

/* Files are read here: in the background the current folder is another. */
static int prepare_remote(void)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = remote_init(&remote, config.url, &plugin_log, &err);

    if (r == VD_OK)
        r = read_secret(&err);
    return result(&err, r);
}

static int plugin_config_complete(void)
{
    bool of_url = config.password_file || config.session_file || config.password_fd >= 0 ||
                  config.session_fd >= 0 || remote.thumbprint;

    if (config.path && config.url)
        nbdkit_error("two disks are named, expected one: '%s' and '%s'", config.path, config.url);
    else if (!config.path && !config.url)
        nbdkit_error("no disk is named: file=DISK or url=URL is missing");
    else if (config.path && of_url)
        nbdkit_error("password-file, password-fd, session-file, session-fd and thumbprint are for "
                     "a disk of a server (url=), and '%s' is none",
                     config.path);
    else
        return config.url ? prepare_remote() : 0;
    return -1;
}

#define CONFIG_HELP                                                                            \
    "[file=]<DISK>      (required) The disk to serve: a VMDK, or a raw image, or\n"            \
    "[url=]<URL>        vsphere://[USER@]HOST/VM[/DISK], a disk of a server.\n"                \
    "writable=true      Let clients write. Without it the disk is only read.\n"                \
    "format=raw|vmdk    Take the disk as that, whatever it looks like.\n"                      \
    "parent-dir=<DIR>   Look for parents in DIR too; may be repeated.\n"                       \
    "single-link=true   Open this link alone, without its parents.\n"                          \
    "ignore-cid=true    Open a chain although a parent's content ID differs.\n"                \
    "allow-outside=true Allow extents and parents outside the folder of the disk.\n"           \
    "allow-devices=true Allow extents that are block devices.\n"                               \
    "unbuffered=true    Read and write past the page cache.\n"                                 \
    "password-file=<FILE> The password of a server; or password-fd=<FD>, or VDISK_PASSWORD.\n" \
    "session-file=<FILE> The cookie of a session with it, in place of a password; or\n"        \
    "                   session-fd=<FD>.\n"                                                    \
    "thumbprint=<HEX>   Of its certificate, where the URL has none; or VDISK_THUMBPRINT.\n"    \
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

    if (config.url)
        return 0;
    return result(&err, vd_export_open(&served, config.path, &options, config.writable, &err));
}

static int connect_remote(struct vd_error *err)
{
    const struct vd_vmdk_options options = {
        .log = &plugin_log,
        .flags = config.flags | (config.writable ? 0u : VD_VMDK_READ_ONLY),
    };
    struct vd_disk *disk = NULL;
    int r = remote_open(&remote, &options, &disk, err);

    if (r == VD_OK)
        r = vd_export_take(&served, disk, err);
    if (r < 0)
        remote_close(&remote);
    return r;
}

static void close_disk(void)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_export_close(&served, &err);

    if (r < 0) {
        nbdkit_error("%s", vd_error_message(&err, r));
        failed_late = true;
    }
    remote_close(&remote);
}

/* Until requests under way are done. A server that answers none of them is given up. */
static void close_gate(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
    until.tv_sec += PATIENCE_S;
    if (!atomic_load(&connecting) && pthread_rwlock_timedwrlock(&gate, &until) == 0)
        return;
    vd_net_stop_ask(&remote.stop);
    (void)pthread_rwlock_wrlock(&gate);
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
    close_gate();
    close_disk();
    _exit(failed_late ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int start_end_thread(void)
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

/* Who is to end the server may do so while it connects, and then ends it by himself. */
static int open_remote(void)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    enter();
    r = connect_remote(&err);
    atomic_store(&connecting, false);
    leave();
    while (r == VD_E_CANCELLED && vd_net_stop_asked(&remote.stop))
        (void)pause();
    return result(&err, r);
}

static int plugin_after_fork(void)
{
    atomic_store(&connecting, config.url != NULL);
    if (start_end_thread() < 0)
        return -1;
    return config.url ? open_remote() : 0;
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
    free(config.url);
    free(config.password_file);
    free(config.session_file);
    for (size_t i = 0; config.parent_dirs[i]; i++)
        free(config.parent_dirs[i]);
    if (failed_late)
        exit(EXIT_FAILURE);
}

static void plugin_dump(void)
{
    printf("vdisk_version=%s\n", VD_VERSION);
    printf("vdisk_formats=vmdk,raw\n");
    printf("vdisk_urls=vsphere\n");
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
    bool has_cache = !config.url && !(config.flags & VD_VMDK_UNBUFFERED);

    (void)handle;
    return has_cache ? NBDKIT_CACHE_EMULATE : NBDKIT_CACHE_NONE;
}

/* No server takes anything back. */
static int plugin_can_trim(void *handle)
{
    (void)handle;
    return config.writable && !config.url;
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
    .description = "Serves VMDK disks of every kind, raw images, and disks of virtual machines.",
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
    .can_trim = plugin_can_trim,
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
