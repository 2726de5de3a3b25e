/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/mover.h"

#include <assert.h>

#include "vmdk/mover-int.h"

int vd_mover_new(struct vd_link *const *links, size_t num_links, bool missing_parent,
                 struct vd_mover **ret, struct vd_error *err)
{
    assert(num_links >= 1 && num_links <= VD_VMDK_MAX_LINKS);
    struct vd_mover *mover = calloc(1, sizeof *mover);
    if (!mover)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'", links[0]->path);
    mover->links = links;
    mover->num_links = num_links;
    mover->missing_parent = missing_parent;
    (void)pthread_mutex_init(&mover->begin_lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&mover->flush_lock, NULL);
    for (size_t i = 0; i < VD_MOVER_STRIPES; i++)
        (void)pthread_mutex_init(&mover->stripes[i], NULL);
    mover->leaf = calloc(links[0]->num_extents + 1, sizeof *mover->leaf);
    if (!mover->leaf) {
        vd_mover_free(mover);
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'", links[0]->path);
    }
    int r = vd_grain_cache_new(VD_GRAIN_CACHE_BUDGET_BYTES, &mover->grains, err);
    if (r < 0) {
        vd_mover_free(mover);
        return r;
    }
    *ret = mover;
    return 0;
}

void vd_mover_free(struct vd_mover *mover)
{
    if (!mover)
        return;
    vd_grain_cache_free(mover->grains);
    for (size_t i = 0; i < VD_MOVER_STRIPES; i++)
        (void)pthread_mutex_destroy(&mover->stripes[i]);
    (void)pthread_mutex_destroy(&mover->flush_lock);
    (void)pthread_mutex_destroy(&mover->begin_lock);
    free(mover->leaf);
    free(mover);
}
