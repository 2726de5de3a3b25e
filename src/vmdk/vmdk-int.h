/* SPDX-License-Identifier: Apache-2.0 */
/* A chain as a vd_disk, from inside: for vmdk.c and join.c. */
#ifndef VD_VMDK_VMDK_INT_H
#define VD_VMDK_VMDK_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmdk/chain.h"
#include "vmdk/leaf.h"
#include "vmdk/mover.h"
#include "vmdk/vmdk.h"

struct vmdk_disk {
    struct vd_disk base;
    struct vd_chain *chain;
    struct vd_mover *mover;
    struct vd_leaf *leaf;
    struct vmdk_disk *below;     /* a disk that was joined: its links are in the chain; owned */
    pthread_mutex_t change_lock; /* of the descriptor, and of the first write */
    atomic_bool writing;         /* all that comes before the first write is done */
};

static inline struct vmdk_disk *vmdk_disk_of(struct vd_disk *self)
{
    return (struct vmdk_disk *)self;
}

#endif
