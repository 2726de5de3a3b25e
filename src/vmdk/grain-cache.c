/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/grain-cache.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/units.h"
#include "vmdk/grain-record.h"

/* Working memory for inflating, kept between calls for as many threads as usually read at once. */
#define SCRATCH_KEPT 16u

enum slot_state { SLOT_EMPTY, SLOT_FILLING, SLOT_READY };

/* A slot in use (users > 0) is neither moved nor refilled, so its bytes are read without the lock;
 * while it is FILLING its one user writes them. */
struct grain_slot {
    enum slot_state state;
    unsigned users;
    uint64_t used_at; /* the cache's clock at the last use */
    const struct vd_extent *extent;
    uint64_t offset_bytes; /* of the grain's record: with `extent`, the key */
    uint8_t *bytes;        /* owned; NULL when allocated is 0 */
    size_t allocated;
};

struct scratch {
    struct vd_record_scratch record;
    struct scratch *next;
};

struct vd_grain_cache {
    size_t budget_bytes; /* fixed */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot was filled, failed or given back */
    /* The rest is guarded by `lock`. */
    struct grain_slot slots[VD_GRAIN_CACHE_MAX_GRAINS];
    size_t bytes; /* sum of slots' allocated */
    uint64_t clock;
    uint64_t inflated;
    unsigned waiting;
    struct scratch *scratches; /* idle ones */
    unsigned num_scratches;
};

int vd_grain_cache_new(size_t budget_bytes, struct vd_grain_cache **ret, struct vd_error *err)
{
    struct vd_grain_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a grain cache");
    cache->budget_bytes = budget_bytes;
    (void)pthread_mutex_init(&cache->lock, NULL);   /* cannot fail with default attributes */
    (void)pthread_cond_init(&cache->changed, NULL); /* likewise */
    *ret = cache;
    return 0;
}

static void scratch_free(struct scratch *scratch)
{
    if (!scratch)
        return;
    vd_record_scratch_done(&scratch->record);
    free(scratch);
}

void vd_grain_cache_free(struct vd_grain_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < VD_GRAIN_CACHE_MAX_GRAINS; i++) {
        assert(cache->slots[i].users == 0);
        free(cache->slots[i].bytes);
    }
    while (cache->scratches) {
        struct scratch *next = cache->scratches->next;
        scratch_free(cache->scratches);
        cache->scratches = next;
    }
    (void)pthread_cond_destroy(&cache->changed); /* nobody waits */
    (void)pthread_mutex_destroy(&cache->lock);   /* nobody holds it */
    free(cache);
}

static void cache_lock(struct vd_grain_cache *cache)
{
    int r = pthread_mutex_lock(&cache->lock);
    assert(r == 0);
}

static void cache_unlock(struct vd_grain_cache *cache)
{
    int r = pthread_mutex_unlock(&cache->lock);
    assert(r == 0);
}

static void wait_locked(struct vd_grain_cache *cache)
{
    cache->waiting++;
    int r = pthread_cond_wait(&cache->changed, &cache->lock);
    assert(r == 0);
    cache->waiting--;
}

static void tell_waiting_locked(struct vd_grain_cache *cache)
{
    if (cache->waiting > 0)
        (void)pthread_cond_broadcast(&cache->changed); /* cannot fail */
}

/* Inflating. */

static int scratch_take(struct vd_grain_cache *cache, struct scratch **ret, struct vd_error *err)
{
    cache_lock(cache);
    struct scratch *scratch = cache->scratches;
    if (scratch) {
        cache->scratches = scratch->next;
        cache->num_scratches--;
    }
    cache->inflated++;
    cache_unlock(cache);
    if (!scratch)
        scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory inflating a grain");
    *ret = scratch;
    return 0;
}

static void scratch_put(struct vd_grain_cache *cache, struct scratch *scratch)
{
    cache_lock(cache);
    bool keep = cache->num_scratches < SCRATCH_KEPT;
    if (keep) {
        scratch->next = cache->scratches;
        cache->scratches = scratch;
        cache->num_scratches++;
    }
    cache_unlock(cache);
    if (!keep)
        scratch_free(scratch);
}

/* Inflates the whole grain into `grain`, which has room for all of it. */
static int grain_inflate(struct vd_grain_cache *cache, struct vd_extent *extent,
                         const struct vd_lookup *at, uint8_t *grain, struct vd_error *err)
{
    uint64_t left = extent->capacity_sectors - at->grain_start_sectors;
    uint64_t needed = VD_MIN(left, extent->grain_sectors);
    struct scratch *scratch = NULL;
    int r = scratch_take(cache, &scratch, err);
    if (r < 0)
        return r;
    r = vd_grain_record_read(extent, at->offset_bytes, at->grain_start_sectors,
                             (size_t)vd_sectors_to_bytes(needed), &scratch->record, grain, err);
    scratch_put(cache, scratch);
    return r;
}

/* Slots. */

static struct grain_slot *slot_find_locked(struct vd_grain_cache *cache,
                                           const struct vd_extent *extent, uint64_t offset_bytes)
{
    for (size_t i = 0; i < VD_GRAIN_CACHE_MAX_GRAINS; i++) {
        struct grain_slot *slot = &cache->slots[i];
        if (slot->state != SLOT_EMPTY && slot->extent == extent &&
            slot->offset_bytes == offset_bytes)
            return slot;
    }
    return NULL;
}

/* The slot used longest ago that nobody uses; with memory or without, as asked. */
static struct grain_slot *slot_idle_locked(struct vd_grain_cache *cache, bool with_memory)
{
    struct grain_slot *oldest = NULL;
    for (size_t i = 0; i < VD_GRAIN_CACHE_MAX_GRAINS; i++) {
        struct grain_slot *slot = &cache->slots[i];
        if (slot->users > 0 || (slot->allocated > 0) != with_memory)
            continue;
        if (!oldest || slot->used_at < oldest->used_at)
            oldest = slot;
    }
    return oldest;
}

static void slot_drop_locked(struct vd_grain_cache *cache, struct grain_slot *slot)
{
    assert(slot->users == 0);
    cache->bytes -= slot->allocated;
    free(slot->bytes);
    *slot = (struct grain_slot){.state = SLOT_EMPTY};
}

/* Gives up other grains until `length` bytes fit the budget: false when those left are in use. */
static bool room_make_locked(struct vd_grain_cache *cache, size_t length)
{
    while (cache->bytes > 0 && cache->bytes + length > cache->budget_bytes) {
        struct grain_slot *slot = slot_idle_locked(cache, true);
        if (!slot)
            return false;
        slot_drop_locked(cache, slot);
    }
    return true;
}

static int slot_allocate_locked(struct vd_grain_cache *cache, struct grain_slot *slot,
                                size_t length, struct vd_error *err)
{
    slot->bytes = malloc(length);
    if (!slot->bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a grain of %zu bytes", length);
    slot->allocated = length;
    cache->bytes += length;
    return 0;
}

/* A slot nobody uses with `length` bytes of memory; NULL when one must be waited for. */
static int slot_claim_locked(struct vd_grain_cache *cache, size_t length, struct grain_slot **ret,
                             struct vd_error *err)
{
    bool full = cache->bytes + length > cache->budget_bytes;
    struct grain_slot *slot = full ? NULL : slot_idle_locked(cache, false);
    if (!slot)
        slot = slot_idle_locked(cache, true);
    if (slot && slot->allocated < length)
        slot_drop_locked(cache, slot);
    if (!slot || slot->allocated == 0) {
        slot = room_make_locked(cache, length) ? slot_idle_locked(cache, false) : NULL;
        int r = slot ? slot_allocate_locked(cache, slot, length, err) : 0;
        if (r < 0)
            return r;
    }
    *ret = slot;
    return 0;
}

/* Finds or claims the grain's slot and counts the caller as its user. 1: it is ready; 0: the caller
 * must fill it. */
static int slot_get_locked(struct vd_grain_cache *cache, const struct vd_extent *extent,
                           uint64_t offset_bytes, struct grain_slot **ret, struct vd_error *err)
{
    size_t length = (size_t)vd_sectors_to_bytes(extent->grain_sectors);
    for (;;) {
        struct grain_slot *slot = slot_find_locked(cache, extent, offset_bytes);
        if (slot && slot->state == SLOT_READY) {
            slot->users++;
            slot->used_at = ++cache->clock;
            *ret = slot;
            return 1;
        }
        struct grain_slot *claimed = NULL;
        int r = slot ? 0 : slot_claim_locked(cache, length, &claimed, err);
        if (r < 0)
            return r;
        if (claimed) {
            claimed->state = SLOT_FILLING;
            claimed->users = 1;
            claimed->used_at = ++cache->clock;
            claimed->extent = extent;
            claimed->offset_bytes = offset_bytes;
            *ret = claimed;
            return 0;
        }
        wait_locked(cache);
    }
}

static void slot_filled(struct vd_grain_cache *cache, struct grain_slot *slot, bool good)
{
    cache_lock(cache);
    assert(slot->state == SLOT_FILLING && slot->users == 1);
    slot->state = good ? SLOT_READY : SLOT_EMPTY;
    if (!good)
        slot->users = 0;
    tell_waiting_locked(cache);
    cache_unlock(cache);
}

static void slot_put(struct vd_grain_cache *cache, struct grain_slot *slot)
{
    cache_lock(cache);
    assert(slot->users > 0);
    slot->users--;
    if (slot->users == 0)
        tell_waiting_locked(cache);
    cache_unlock(cache);
}

static int grain_read_part(struct vd_grain_cache *cache, struct vd_extent *extent, uint64_t sector,
                           const struct vd_lookup *at, void *buffer, struct vd_error *err)
{
    struct grain_slot *slot = NULL;
    cache_lock(cache);
    int r = slot_get_locked(cache, extent, at->offset_bytes, &slot, err);
    cache_unlock(cache);
    if (r < 0)
        return r;
    if (r == 0) {
        r = grain_inflate(cache, extent, at, slot->bytes, err);
        slot_filled(cache, slot, r >= 0);
        if (r < 0)
            return r;
    }
    memcpy(buffer, slot->bytes + vd_sectors_to_bytes(sector - at->grain_start_sectors),
           (size_t)vd_sectors_to_bytes(at->length_sectors));
    slot_put(cache, slot);
    return 0;
}

/* True when the grain is at hand or about to be, so that inflating it again would be waste. */
static bool grain_is_kept(struct vd_grain_cache *cache, const struct vd_extent *extent,
                          uint64_t offset_bytes)
{
    cache_lock(cache);
    bool kept = slot_find_locked(cache, extent, offset_bytes) != NULL;
    cache_unlock(cache);
    return kept;
}

int vd_grain_cache_read(struct vd_grain_cache *cache, struct vd_extent *extent, uint64_t sector,
                        const struct vd_lookup *at, void *buffer, struct vd_error *err)
{
    assert(at->kind == VD_LOOKUP_COMPRESSED);
    bool whole = at->length_sectors == extent->grain_sectors;
    if (whole && !grain_is_kept(cache, extent, at->offset_bytes))
        return grain_inflate(cache, extent, at, buffer, err);
    return grain_read_part(cache, extent, sector, at, buffer, err);
}

uint64_t vd_grain_cache_inflated(struct vd_grain_cache *cache)
{
    cache_lock(cache);
    uint64_t inflated = cache->inflated;
    cache_unlock(cache);
    return inflated;
}

size_t vd_grain_cache_bytes(struct vd_grain_cache *cache)
{
    cache_lock(cache);
    size_t bytes = cache->bytes;
    cache_unlock(cache);
    return bytes;
}
