/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vd_fs over another one that writes down, in order and with contents, every call that changes a
 * file or a name, for block/power-cut.h to replay.
 *
 * One change is made and recorded at a time, so that the order of the record is the order in which
 * things happened and a flush vouches for just what stands before it. Calls that failed are not
 * recorded. A file is known by the name it is opened with, normalised: symbolic links are not
 * understood, nor second names but those it sees being given. What a file held when it was first
 * named is read and kept.
 *
 * Threads: the file system and its blocks as every other; vd_fs_trace_count at any time, the other
 * functions on the record while nothing is being recorded.
 */
#ifndef VD_BLOCK_TRACE_H
#define VD_BLOCK_TRACE_H

#include "block/fs.h"

/* All contents kept; what needs more than that fails with VD_E_TOO_BIG, undone. */
#define VD_TRACE_MAX_BYTES (UINT64_C(256) << 20)

enum vd_trace_kind {
    VD_TRACE_WRITE,
    VD_TRACE_RESIZE,
    VD_TRACE_ALLOCATE, /* zeros in the range, and the file covers it */
    VD_TRACE_PUNCH,    /* zeros in the range, the size stays */
    VD_TRACE_FLUSH,
    VD_TRACE_CREATE,
    VD_TRACE_UNLINK,
    VD_TRACE_RENAME,
    VD_TRACE_LINK, /* a second name */
    VD_TRACE_SYNC_FOLDER,
};

struct vd_trace_event {
    enum vd_trace_kind kind;
    size_t file;           /* index of the file; meaningless for SYNC_FOLDER */
    uint64_t offset_bytes; /* WRITE, ALLOCATE, PUNCH */
    uint64_t length;       /* of the same; RESIZE: the new size */
    unsigned char *bytes;  /* WRITE */
    char *path;            /* CREATE, UNLINK, RENAME, LINK: the name; SYNC_FOLDER: the folder */
    char *to;              /* RENAME, LINK */
};

/* A file that has been named. */
struct vd_trace_file {
    char *path;           /* its name before the first event; NULL: a CREATE makes it */
    unsigned char *bytes; /* what it held then */
    size_t length;
};

struct vd_fs_trace;

VD_MUST_CHECK int vd_fs_trace_new(const struct vd_fs *below, struct vd_fs_trace **ret,
                                  struct vd_error *err);
const struct vd_fs *vd_fs_trace_fs(struct vd_fs_trace *trace);
/* How many events are recorded: what a call has done stands before this number once it returned. */
size_t vd_fs_trace_count(const struct vd_fs_trace *trace);
/* Valid until the next event. */
const struct vd_trace_event *vd_fs_trace_event(const struct vd_fs_trace *trace, size_t index);
size_t vd_fs_trace_num_files(const struct vd_fs_trace *trace);
const struct vd_trace_file *vd_fs_trace_file(const struct vd_fs_trace *trace, size_t index);
/* Every block opened from it must be closed before. */
void vd_fs_trace_free(struct vd_fs_trace *trace);
VD_DEFINE_CLEANUP(struct vd_fs_trace *, vd_fs_trace_free)

#endif
