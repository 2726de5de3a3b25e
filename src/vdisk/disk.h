/* SPDX-License-Identifier: Apache-2.0 */
/* An open disk. */
#ifndef VD_VDISK_DISK_H
#define VD_VDISK_DISK_H

#include <pthread.h>

#include "base/range-lock.h"
#include "vdisk/session.h"

/* Without a lock: fixed at open. */
struct vdisk {
    struct vd_native_session session;
    struct vd_native_limits limits;
    uint64_t size_bytes;
    bool read_only;
    const char *name;             /* for sentences; the session's */
    struct vd_range_lock writing; /* sectors that a write covers, in whole or in part */
    pthread_mutex_t database;     /* held for a call of the provider's disk database */
    pthread_mutex_t sequence;     /* guards `offset_bytes`; held for a whole sequential call */
    uint64_t offset_bytes;
};

/* A NULL disk is an error of the caller's that is told. */
VD_MUST_CHECK int vd_native_disk_check(const struct vdisk *disk, struct vdisk_error *err);

#endif
