/* SPDX-License-Identifier: Apache-2.0 */
/* A disk written at random in a few sessions, with a record of what was written when, and what must
 * be there after everything up to some moment. */
#ifndef VD_TESTS_WORKLOAD_H
#define VD_TESTS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "build-disks.h"
#include "vmdk/vmdk.h"

#define WORKLOAD_KEY "comment"

struct workload_write {
    uint64_t start_sectors;
    uint64_t count_sectors;
    size_t begun; /* events recorded when it began */
    bool maybe;   /* its session failed before it was flushed: it may be there or not */
    uint8_t *bytes;
};

/* What was promised once: flushed writes, or a key. */
struct workload_promise {
    size_t kept_from; /* events recorded when the call returned */
    size_t count;     /* of the writes, or keys, that it covers */
};

struct workload {
    struct built_disk *model; /* content: as before the first write */
    uint64_t random;
    size_t (*events)(void *data); /* recorded so far */
    void *data;
    struct workload_write *writes;
    size_t num_writes;
    struct workload_promise *flushes;
    size_t num_flushes;
    struct workload_promise *keys; /* setting number i to the text of i */
    size_t num_keys;
    size_t num_sessions;
};

/* `events` NULL: nothing is counted. */
void workload_init(struct workload *work, struct built_disk *model, uint64_t seed,
                   size_t (*events)(void *data), void *data);
void workload_done(struct workload *work);
#define WORKLOAD __attribute__((cleanup(workload_done))) struct workload

/* Opens the disk, does `steps` random things to it and closes it. The first failure ends it with
 * the disk closed; what it wrote since its last flush may be there or not. */
int workload_session(struct workload *work, const struct vd_fs *fs, unsigned steps,
                     struct vd_error *err);

/* After a crash behind event number `cut`: every sector is as it was flushed last, or as a later
 * write that had begun, and the key likewise. SIZE_MAX: after no crash at all. */
void workload_check(const struct workload *work, struct vd_disk *disk, size_t cut);

#endif
