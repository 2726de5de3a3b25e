/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for an event is taken before the call below is made, so that what happened can always be
 * recorded. As in fault.c, blocks and file system call the ops below past the dispatcher.
 *
 * `lock` guards the record and is held while a change is made; reading goes on beside it.
 */
#include "block/trace.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "block/block-int.h"

/* A name that a file has now. */
struct live_name {
    char *path;
    size_t file;
};

struct vd_fs_trace {
    struct vd_fs fs;
    const struct vd_fs *below;
    pthread_mutex_t lock;
    struct vd_trace_event *events;
    size_t num_events;
    size_t max_events;
    struct vd_trace_file *files;
    size_t num_files;
    struct live_name *names;
    size_t num_names;
    uint64_t kept_bytes;
};

struct trace_block {
    struct vd_block base;
    struct vd_block *below;
    struct vd_fs_trace *trace;
    size_t file;
};

#define NO_FILE SIZE_MAX

static struct trace_block *block_of(struct vd_block *self)
{
    return (struct trace_block *)self;
}

static struct vd_fs_trace *trace_of(const struct vd_fs *fs)
{
    /* Every vd_fs of this kind is the first member of one that is not const. */
    return (struct vd_fs_trace *)(uintptr_t)fs;
}

static void event_done(struct vd_trace_event *event)
{
    free(event->bytes);
    free(event->path);
    free(event->to);
}

/* Room for one more event and for what it keeps; an errno, or 0. */
static int reserve_locked(struct vd_fs_trace *trace, uint64_t kept_bytes)
{
    if (kept_bytes > VD_TRACE_MAX_BYTES - trace->kept_bytes)
        return EFBIG;
    if (trace->num_events < trace->max_events)
        return 0;
    size_t wanted = trace->max_events ? trace->max_events * 2 : 64;
    struct vd_trace_event *events = reallocarray(trace->events, wanted, sizeof *events);
    if (!events)
        return ENOMEM;
    trace->events = events;
    trace->max_events = wanted;
    return 0;
}

/* Owns what the event points to. */
static void record_locked(struct vd_fs_trace *trace, const struct vd_trace_event *event)
{
    assert(trace->num_events < trace->max_events);
    if (event->bytes)
        trace->kept_bytes += event->length;
    trace->events[trace->num_events++] = *event;
}

static int trace_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                      size_t *ret_done, struct vd_error *err)
{
    struct vd_block *below = block_of(self)->below;
    return below->ops->read(below, offset_bytes, buffer, length, ret_done, err);
}

static int write_locked(struct trace_block *block, const struct vd_trace_event *event,
                        struct vd_error *err)
{
    struct vd_block *below = block->below;
    int failed = event->bytes ? reserve_locked(block->trace, event->length) : ENOMEM;
    if (failed)
        return vd_block_reason(err, failed);
    int code =
        below->ops->write(below, event->offset_bytes, event->bytes, (size_t)event->length, err);
    if (code >= 0)
        record_locked(block->trace, event);
    return code;
}

static int trace_write(struct vd_block *self, uint64_t offset_bytes, const void *buffer,
                       size_t length, struct vd_error *err)
{
    struct trace_block *block = block_of(self);
    struct vd_trace_event event = {.kind = VD_TRACE_WRITE,
                                   .file = block->file,
                                   .offset_bytes = offset_bytes,
                                   .length = length,
                                   .bytes = malloc(length)};
    if (event.bytes)
        memcpy(event.bytes, buffer, length);
    pthread_mutex_lock(&block->trace->lock);
    int code = write_locked(block, &event, err);
    pthread_mutex_unlock(&block->trace->lock);
    if (code < 0)
        event_done(&event);
    return code;
}

static int change_below(struct vd_block *below, const struct vd_trace_event *event,
                        struct vd_error *err)
{
    const struct vd_block_ops *ops = below->ops;
    switch (event->kind) {
    case VD_TRACE_RESIZE:
        return ops->resize(below, event->length, err);
    case VD_TRACE_ALLOCATE:
        return ops->allocate ? ops->allocate(below, event->offset_bytes, event->length, err)
                             : vd_block_reason(err, EOPNOTSUPP);
    case VD_TRACE_PUNCH:
        return ops->punch ? ops->punch(below, event->offset_bytes, event->length, err)
                          : vd_block_reason(err, EOPNOTSUPP);
    default:
        assert(event->kind == VD_TRACE_FLUSH);
        return ops->flush(below, err);
    }
}

/* All changes of a block that keep no contents. */
static int change(struct vd_block *self, enum vd_trace_kind kind, uint64_t offset_bytes,
                  uint64_t length, struct vd_error *err)
{
    struct trace_block *block = block_of(self);
    const struct vd_trace_event event = {
        .kind = kind, .file = block->file, .offset_bytes = offset_bytes, .length = length};
    pthread_mutex_lock(&block->trace->lock);
    int failed = reserve_locked(block->trace, 0);
    int code = failed ? vd_block_reason(err, failed) : change_below(block->below, &event, err);
    if (code >= 0)
        record_locked(block->trace, &event);
    pthread_mutex_unlock(&block->trace->lock);
    return code;
}

static int trace_flush(struct vd_block *self, struct vd_error *err)
{
    return change(self, VD_TRACE_FLUSH, 0, 0, err);
}

static int trace_resize(struct vd_block *self, uint64_t size_bytes, struct vd_error *err)
{
    return change(self, VD_TRACE_RESIZE, 0, size_bytes, err);
}

static int trace_allocate(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                          struct vd_error *err)
{
    return change(self, VD_TRACE_ALLOCATE, offset_bytes, length, err);
}

static int trace_punch(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                       struct vd_error *err)
{
    return change(self, VD_TRACE_PUNCH, offset_bytes, length, err);
}

static int trace_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_block *below = block_of(self)->below;
    return below->ops->size(below, ret_bytes, err);
}

/* These two may be absent below, so they ask its dispatcher, which knows what absence means. */
static int trace_next_data(struct vd_block *self, uint64_t offset_bytes, uint64_t *ret_start,
                           uint64_t *ret_end, struct vd_error *err)
{
    return vd_block_next_data(block_of(self)->below, offset_bytes, ret_start, ret_end, err);
}

static int trace_allocated(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    return vd_block_allocated(block_of(self)->below, ret_bytes, err);
}

static int trace_close(struct vd_block *self, struct vd_error *err)
{
    int code = vd_block_close(block_of(self)->below, err);
    free(self);
    return code;
}

static const struct vd_block_ops block_ops = {
    .name = "trace",
    .read = trace_read,
    .write = trace_write,
    .flush = trace_flush,
    .size = trace_size,
    .resize = trace_resize,
    .allocate = trace_allocate,
    .punch = trace_punch,
    .next_data = trace_next_data,
    .allocated = trace_allocated,
    .close = trace_close,
};

/* Owns `below` on success; an errno, or 0. */
static int wrap(struct vd_fs_trace *trace, size_t file, struct vd_block *below,
                struct vd_block **ret)
{
    struct trace_block *block = calloc(1, sizeof *block);
    char *path = strdup(vd_block_path(below));
    if (!block || !path) {
        free(block);
        free(path);
        return ENOMEM;
    }
    block->base.ops = &block_ops;
    block->base.path = path;
    block->base.capabilities = below->capabilities;
    block->base.identity = below->identity;
    block->below = below;
    block->trace = trace;
    block->file = file;
    *ret = &block->base;
    return 0;
}

static size_t find_locked(const struct vd_fs_trace *trace, const char *normal)
{
    for (size_t i = 0; i < trace->num_names; i++)
        if (strcmp(trace->names[i].path, normal) == 0)
            return i;
    return NO_FILE;
}

static size_t file_named_locked(const struct vd_fs_trace *trace, const char *normal)
{
    size_t index = find_locked(trace, normal);
    return index == NO_FILE ? NO_FILE : trace->names[index].file;
}

static void forget_name_locked(struct vd_fs_trace *trace, const char *normal)
{
    size_t index = find_locked(trace, normal);
    if (index == NO_FILE)
        return;
    free(trace->names[index].path);
    trace->names[index] = trace->names[--trace->num_names];
}

/* Room for one more name; an errno, or 0. */
static int reserve_name_locked(struct vd_fs_trace *trace)
{
    struct live_name *names =
        reallocarray(trace->names, trace->num_names + 1, sizeof *trace->names);
    if (names)
        trace->names = names;
    return names ? 0 : ENOMEM;
}

/* A file and its name; takes what `file` owns on success. An errno, or 0. */
static int add_file_locked(struct vd_fs_trace *trace, const char *normal,
                           const struct vd_trace_file *file)
{
    struct vd_trace_file *files =
        reallocarray(trace->files, trace->num_files + 1, sizeof *trace->files);
    if (files)
        trace->files = files;
    char *path = strdup(normal);
    if (!files || !path || reserve_name_locked(trace) != 0) {
        free(path);
        return ENOMEM;
    }
    trace->names[trace->num_names++] = (struct live_name){path, trace->num_files};
    trace->files[trace->num_files++] = *file;
    return 0;
}

static int read_whole(struct vd_block *block, uint64_t max, struct vd_trace_file *file,
                      struct vd_error *err)
{
    uint64_t size;
    int code = vd_block_size(block, &size, err);
    if (code < 0)
        return code;
    if (size > max)
        return vd_block_reason(err, EFBIG);
    file->length = (size_t)size;
    file->bytes = malloc(size ? (size_t)size : 1);
    if (!file->bytes)
        return vd_block_reason(err, ENOMEM);
    return vd_block_read(block, 0, file->bytes, file->length, err);
}

/* Makes a file known that was there before, with what it holds. Nothing below has changed it: that
 * would have needed its name. */
static int know_locked(struct vd_fs_trace *trace, const char *path, const char *normal,
                       struct vd_error *err)
{
    if (find_locked(trace, normal) != NO_FILE)
        return VD_OK;
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    int code = trace->below->ops->open(trace->below, path, 0, &block, err);
    if (code < 0)
        return code;
    struct vd_trace_file file = {.path = strdup(normal)};
    code = file.path ? read_whole(block, VD_TRACE_MAX_BYTES - trace->kept_bytes, &file, err)
                     : vd_block_reason(err, ENOMEM);
    if (code >= 0) {
        int failed = add_file_locked(trace, normal, &file);
        code = failed ? vd_block_reason(err, failed) : VD_OK;
    }
    if (code < 0) {
        free(file.path);
        free(file.bytes);
        return code;
    }
    trace->kept_bytes += file.length;
    return VD_OK;
}

static int open_locked(struct vd_fs_trace *trace, const char *path, unsigned flags,
                       struct vd_block **ret, struct vd_error *err)
{
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);
    int code = know_locked(trace, path, normal, err);
    struct vd_block *below = NULL;
    if (code >= 0)
        code = trace->below->ops->open(trace->below, path, flags, &below, err);
    if (code < 0)
        return code;
    int failed = wrap(trace, file_named_locked(trace, normal), below, ret);
    if (failed == 0)
        return VD_OK;
    vd_block_free(below);
    return vd_block_reason(err, failed);
}

static int trace_open(const struct vd_fs *self, const char *path, unsigned flags,
                      struct vd_block **ret, struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = open_locked(trace, path, flags, ret, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

static int trace_match_name(const struct vd_fs *self, const char *folder, const char *name,
                            char **ret_name, struct vd_error *err)
{
    const struct vd_fs *below = trace_of(self)->below;
    return below->ops->match_name(below, folder, name, ret_name, err);
}

static int trace_real_path(const struct vd_fs *self, const char *path, char **ret_path,
                           struct vd_error *err)
{
    const struct vd_fs *below = trace_of(self)->below;
    return below->ops->real_path(below, path, ret_path, err);
}

static int trace_stat(const struct vd_fs *self, const char *path, struct vd_fs_stat *ret,
                      struct vd_error *err)
{
    const struct vd_fs *below = trace_of(self)->below;
    return below->ops->stat ? below->ops->stat(below, path, ret, err)
                            : vd_block_reason(err, EOPNOTSUPP);
}

/* The event of a change of names, with normal names and room for it. `to` NULL where there is none.
 */
static int begin_names_locked(struct vd_fs_trace *trace, enum vd_trace_kind kind, const char *path,
                              const char *to, struct vd_trace_event *ret, struct vd_error *err)
{
    struct vd_trace_event event = {.kind = kind, .file = NO_FILE};
    event.path = vd_path_normalise(path);
    event.to = to ? vd_path_normalise(to) : NULL;
    int failed = !event.path || (to && !event.to) ? ENOMEM : reserve_locked(trace, 0);
    if (failed) {
        event_done(&event);
        return vd_block_reason(err, failed);
    }
    *ret = event;
    return VD_OK;
}

static int create_below(struct vd_fs_trace *trace, const char *path, unsigned flags,
                        const struct vd_fs_access *access, struct vd_block **ret,
                        struct vd_error *err)
{
    const struct vd_fs *below = trace->below;
    struct vd_block *block = NULL;
    int code = below->ops->create ? below->ops->create(below, path, flags, access, &block, err)
                                  : vd_block_reason(err, EOPNOTSUPP);
    if (code < 0)
        return code;
    int failed = wrap(trace, trace->num_files, block, ret);
    if (failed == 0)
        return VD_OK;
    vd_block_free(block);
    VD_DISCARD(vd_fs_unlink(below, path, NULL)); /* the first failure is the one to tell */
    return vd_block_reason(err, failed);
}

static int create_locked(struct vd_fs_trace *trace, const char *path, unsigned flags,
                         const struct vd_fs_access *access, struct vd_block **ret,
                         struct vd_error *err)
{
    struct vd_trace_event event;
    int code = begin_names_locked(trace, VD_TRACE_CREATE, path, NULL, &event, err);
    if (code < 0)
        return code;
    struct vd_block *block = NULL;
    code = create_below(trace, path, flags, access, &block, err);
    if (code >= 0) {
        int failed = add_file_locked(trace, event.path, &(const struct vd_trace_file){0});
        if (failed) {
            vd_block_free(block);
            VD_DISCARD(vd_fs_unlink(trace->below, path, NULL)); /* as above */
            code = vd_block_reason(err, failed);
        }
    }
    if (code < 0) {
        event_done(&event);
        return code;
    }
    event.file = trace->num_files - 1;
    record_locked(trace, &event);
    *ret = block;
    return VD_OK;
}

static int trace_create(const struct vd_fs *self, const char *path, unsigned flags,
                        const struct vd_fs_access *access, struct vd_block **ret,
                        struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = create_locked(trace, path, flags, access, ret, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

static int unlink_locked(struct vd_fs_trace *trace, const char *path, struct vd_error *err)
{
    struct vd_trace_event event;
    int code = begin_names_locked(trace, VD_TRACE_UNLINK, path, NULL, &event, err);
    if (code < 0)
        return code;
    const struct vd_fs *below = trace->below;
    code = know_locked(trace, path, event.path, err);
    if (code >= 0)
        code = below->ops->unlink ? below->ops->unlink(below, path, err)
                                  : vd_block_reason(err, EOPNOTSUPP);
    if (code < 0) {
        event_done(&event);
        return code;
    }
    event.file = file_named_locked(trace, event.path);
    forget_name_locked(trace, event.path);
    record_locked(trace, &event);
    return VD_OK;
}

static int trace_unlink(const struct vd_fs *self, const char *path, struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = unlink_locked(trace, path, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

static int rename_below_locked(struct vd_fs_trace *trace, const char *from, const char *to,
                               bool replace, const struct vd_trace_event *event,
                               struct vd_error *err)
{
    int code = know_locked(trace, from, event->path, err);
    if (code < 0)
        return code;
    code = know_locked(trace, to, event->to, NULL); /* that it is missing is the usual case */
    if (code < 0 && code != VD_E_NOT_FOUND)
        return vd_error_set(err, code, "%s", vd_error_text(code));
    const struct vd_fs *below = trace->below;
    return below->ops->rename ? below->ops->rename(below, from, to, replace, err)
                              : vd_block_reason(err, EOPNOTSUPP);
}

static int rename_locked(struct vd_fs_trace *trace, const char *from, const char *to, bool replace,
                         struct vd_error *err)
{
    struct vd_trace_event event;
    int code = begin_names_locked(trace, VD_TRACE_RENAME, from, to, &event, err);
    if (code < 0)
        return code;
    char *new_name = strdup(event.to);
    code = new_name ? rename_below_locked(trace, from, to, replace, &event, err)
                    : vd_block_reason(err, ENOMEM);
    if (code < 0) {
        free(new_name);
        event_done(&event);
        return code;
    }
    event.file = file_named_locked(trace, event.path);
    if (strcmp(event.path, event.to) != 0)
        forget_name_locked(trace, event.to);
    struct live_name *name = &trace->names[find_locked(trace, event.path)];
    free(name->path);
    name->path = new_name;
    record_locked(trace, &event);
    return VD_OK;
}

static int trace_rename(const struct vd_fs *self, const char *from, const char *to, bool replace,
                        struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = rename_locked(trace, from, to, replace, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

static int link_below_locked(struct vd_fs_trace *trace, const char *from, const char *to,
                             const struct vd_trace_event *event, struct vd_error *err)
{
    int code = know_locked(trace, from, event->path, err);
    if (code < 0)
        return code;
    int failed = reserve_name_locked(trace);
    if (failed)
        return vd_block_reason(err, failed);
    const struct vd_fs *below = trace->below;
    return below->ops->link ? below->ops->link(below, from, to, err)
                            : vd_block_reason(err, EOPNOTSUPP);
}

static int link_locked(struct vd_fs_trace *trace, const char *from, const char *to,
                       struct vd_error *err)
{
    struct vd_trace_event event;
    int code = begin_names_locked(trace, VD_TRACE_LINK, from, to, &event, err);
    if (code < 0)
        return code;
    char *name = strdup(event.to);
    code = name ? link_below_locked(trace, from, to, &event, err) : vd_block_reason(err, ENOMEM);
    if (code < 0) {
        free(name);
        event_done(&event);
        return code;
    }
    event.file = file_named_locked(trace, event.path);
    trace->names[trace->num_names++] = (struct live_name){name, event.file};
    record_locked(trace, &event);
    return VD_OK;
}

static int trace_link(const struct vd_fs *self, const char *from, const char *to,
                      struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = link_locked(trace, from, to, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

static int trace_list(const struct vd_fs *self, const char *folder, struct vd_fs_names *names,
                      struct vd_error *err)
{
    const struct vd_fs *below = trace_of(self)->below;
    return below->ops->list ? below->ops->list(below, folder, names, err)
                            : vd_block_reason(err, EOPNOTSUPP);
}

static int sync_folder_locked(struct vd_fs_trace *trace, const char *folder, struct vd_error *err)
{
    struct vd_trace_event event;
    int code = begin_names_locked(trace, VD_TRACE_SYNC_FOLDER, folder, NULL, &event, err);
    if (code < 0)
        return code;
    const struct vd_fs *below = trace->below;
    code = below->ops->sync_folder ? below->ops->sync_folder(below, folder, err)
                                   : vd_block_reason(err, EOPNOTSUPP);
    if (code < 0)
        event_done(&event);
    else
        record_locked(trace, &event);
    return code;
}

static int trace_sync_folder(const struct vd_fs *self, const char *folder, struct vd_error *err)
{
    struct vd_fs_trace *trace = trace_of(self);
    pthread_mutex_lock(&trace->lock);
    int code = sync_folder_locked(trace, folder, err);
    pthread_mutex_unlock(&trace->lock);
    return code;
}

int vd_fs_trace_new(const struct vd_fs *below, struct vd_fs_trace **ret, struct vd_error *err)
{
    static const struct vd_fs_ops ops = {
        .name = "trace",
        .open = trace_open,
        .match_name = trace_match_name,
        .real_path = trace_real_path,
        .stat = trace_stat,
        .create = trace_create,
        .unlink = trace_unlink,
        .rename = trace_rename,
        .sync_folder = trace_sync_folder,
        .link = trace_link,
        .list = trace_list,
    };
    struct vd_fs_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return vd_error_set_errno(err, ENOMEM, "cannot make a recording file system");
    trace->fs.ops = &ops;
    trace->below = below;
    pthread_mutex_init(&trace->lock, NULL); /* cannot fail without attributes on Linux */
    *ret = trace;
    return VD_OK;
}

const struct vd_fs *vd_fs_trace_fs(struct vd_fs_trace *trace)
{
    return &trace->fs;
}

size_t vd_fs_trace_count(const struct vd_fs_trace *trace)
{
    struct vd_fs_trace *self = trace_of(&trace->fs);
    pthread_mutex_lock(&self->lock);
    size_t count = self->num_events;
    pthread_mutex_unlock(&self->lock);
    return count;
}

const struct vd_trace_event *vd_fs_trace_event(const struct vd_fs_trace *trace, size_t index)
{
    assert(index < trace->num_events);
    return &trace->events[index];
}

size_t vd_fs_trace_num_files(const struct vd_fs_trace *trace)
{
    return trace->num_files;
}

const struct vd_trace_file *vd_fs_trace_file(const struct vd_fs_trace *trace, size_t index)
{
    assert(index < trace->num_files);
    return &trace->files[index];
}

void vd_fs_trace_free(struct vd_fs_trace *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; i < trace->num_events; i++)
        event_done(&trace->events[i]);
    for (size_t i = 0; i < trace->num_files; i++) {
        free(trace->files[i].path);
        free(trace->files[i].bytes);
    }
    for (size_t i = 0; i < trace->num_names; i++)
        free(trace->names[i].path);
    free(trace->events);
    free(trace->files);
    free(trace->names);
    pthread_mutex_destroy(&trace->lock);
    free(trace);
}
