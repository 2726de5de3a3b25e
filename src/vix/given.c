/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/given.h"

#include <stdlib.h>

#include "vix/report.h"

/* Larger results, which are lists of blocks of up to 4 MiB, are not kept when they are dead. */
#define KEPT_BYTES 4096u

struct given {
    struct vd_vix_node node;
    max_align_t memory[];
};

static void given_destroy(struct vd_vix_node *node)
{
    (void)node; /* one piece of memory */
}

void *vd_vix_given_new(enum vd_vix_kind kind, size_t bytes)
{
    struct given *given = calloc(1, sizeof *given + bytes);
    if (!given)
        return NULL;
    given->node = (struct vd_vix_node){
        .kind = kind,
        .destroy = given_destroy,
        .large = bytes > KEPT_BYTES,
    };
    if (vd_vix_add(&given->node, given->memory) < 0) {
        free(given);
        return NULL;
    }
    return given->memory;
}

VixError vd_vix_given_free(const char *function, const void *memory, enum vd_vix_kind kind)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = VD_OK;
    struct vd_vix_node *taken = vd_vix_take(memory, kind);
    if (taken)
        vd_vix_put(taken);
    else if (memory)
        r = vd_error_set(&err, VD_E_INVALID_ARG, "%p is not a result, or was freed before", memory);
    return vd_vix_result(function, r, &err);
}
