/* SPDX-License-Identifier: Apache-2.0 */
#include "tracking.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "tickets.h"

/* 256 MiB of disk a page. */
#define PAGE_BLOCKS 4096u

struct page {
    atomic_uint users;
    uint32_t epoch[PAGE_BLOCKS];
};

struct sim_epochs {
    uint64_t capacity_bytes;
    size_t count;
    struct page *pages[]; /* NULL: never written */
};

static void page_unref(struct page *page)
{
    if (page && atomic_fetch_sub(&page->users, 1) == 1)
        free(page);
}

void sim_epochs_free(struct sim_epochs *epochs)
{
    for (size_t i = 0; epochs && i < epochs->count; i++)
        page_unref(epochs->pages[i]);
    free(epochs);
}

static struct sim_epochs *epochs_new(uint64_t capacity_bytes)
{
    size_t count = (size_t)vd_div_up(capacity_bytes, (uint64_t)PAGE_BLOCKS * SIM_BLOCK_BYTES);
    struct sim_epochs *epochs = calloc(1, sizeof *epochs + count * sizeof(struct page *));

    if (epochs) {
        epochs->capacity_bytes = capacity_bytes;
        epochs->count = count;
    }
    return epochs;
}

static struct sim_epochs *epochs_copy(const struct sim_epochs *from)
{
    struct sim_epochs *to = epochs_new(from->capacity_bytes);

    for (size_t i = 0; to && i < from->count; i++) {
        to->pages[i] = from->pages[i];
        if (to->pages[i])
            (void)atomic_fetch_add(&to->pages[i]->users, 1);
    }
    return to;
}

/* A page of one's own, so that states of the past keep theirs. NULL: out of memory. */
static struct page *page_to_write(struct sim_epochs *epochs, size_t index)
{
    struct page *old = epochs->pages[index];
    if (old && atomic_load(&old->users) == 1)
        return old;
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    if (old)
        memcpy(page->epoch, old->epoch, sizeof page->epoch);
    atomic_init(&page->users, 1);
    page_unref(old);
    epochs->pages[index] = page;
    return page;
}

void sim_tracker_init(struct sim_tracker *tracker, uint64_t capacity_bytes)
{
    *tracker = (struct sim_tracker){.capacity_bytes = capacity_bytes};
    pthread_mutex_init(&tracker->lock, NULL);
}

void sim_tracker_done(struct sim_tracker *tracker)
{
    sim_epochs_free(tracker->now);
    pthread_mutex_destroy(&tracker->lock);
}

static void stop_locked(struct sim_tracker *tracker)
{
    sim_epochs_free(VD_TAKE_PTR(tracker->now));
    tracker->active = false;
}

void sim_tracker_want(struct sim_tracker *tracker, bool on)
{
    pthread_mutex_lock(&tracker->lock);
    tracker->wanted = on;
    if (!on)
        stop_locked(tracker);
    pthread_mutex_unlock(&tracker->lock);
}

/* "52xxxxxx-..." as hosts write it. */
static int make_uuid(char uuid[48], struct vd_error *err)
{
    char random[40];
    char digits[33];
    size_t count = 0;
    int r = sim_random_uuid("52", random, err);

    if (r < 0)
        return r;
    for (const char *c = random; *c && count < 32; c++) {
        if (*c != '-')
            digits[count++] = *c;
    }
    digits[count] = '\0';
    char *at = uuid;
    for (size_t i = 0; i < 16; i++)
        at += snprintf(at, 4, "%s%.2s", i == 0 ? "" : i == 8 ? "-" : " ", digits + 2 * i);
    return VD_OK;
}

static int start_locked(struct sim_tracker *tracker, struct vd_error *err)
{
    struct sim_epochs *now = epochs_new(tracker->capacity_bytes);
    int r =
        now ? make_uuid(tracker->uuid, err) : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r < 0) {
        sim_epochs_free(now);
        return r;
    }
    stop_locked(tracker);
    tracker->now = now;
    tracker->epoch = 1;
    tracker->active = true;
    tracker->incomplete = false;
    return VD_OK;
}

int sim_tracker_settle(struct sim_tracker *tracker, bool anew, struct vd_error *err)
{
    int r = VD_OK;

    pthread_mutex_lock(&tracker->lock);
    if (tracker->wanted && (anew || !tracker->active))
        r = start_locked(tracker, err);
    pthread_mutex_unlock(&tracker->lock);
    return r;
}

static void tell_id_locked(const struct sim_tracker *tracker, char id[SIM_CHANGE_ID_BYTES])
{
    id[0] = '\0';
    if (tracker->active && !tracker->incomplete)
        (void)snprintf(id, SIM_CHANGE_ID_BYTES, "%s/%u", tracker->uuid, tracker->epoch);
}

void sim_tracker_id(struct sim_tracker *tracker, char id[SIM_CHANGE_ID_BYTES])
{
    pthread_mutex_lock(&tracker->lock);
    tell_id_locked(tracker, id);
    pthread_mutex_unlock(&tracker->lock);
}

static void note_locked(struct sim_tracker *tracker, uint64_t first, uint64_t last)
{
    for (uint64_t block = first; block <= last; block++) {
        size_t index = (size_t)(block / PAGE_BLOCKS);
        struct page *page = index < tracker->now->count ? page_to_write(tracker->now, index) : NULL;
        if (!page) {
            tracker->incomplete = true;
            return;
        }
        page->epoch[block % PAGE_BLOCKS] = tracker->epoch;
    }
}

void sim_tracker_note(struct sim_tracker *tracker, uint64_t offset_bytes, uint64_t length_bytes)
{
    pthread_mutex_lock(&tracker->lock);
    if (tracker->active && !tracker->incomplete && length_bytes > 0)
        note_locked(tracker, offset_bytes / SIM_BLOCK_BYTES,
                    (offset_bytes + length_bytes - 1) / SIM_BLOCK_BYTES);
    pthread_mutex_unlock(&tracker->lock);
}

int sim_tracker_freeze(struct sim_tracker *tracker, char id[SIM_CHANGE_ID_BYTES],
                       struct sim_epochs **ret, struct vd_error *err)
{
    struct sim_epochs *copy = NULL;

    pthread_mutex_lock(&tracker->lock);
    tell_id_locked(tracker, id);
    if (id[0]) {
        copy = epochs_copy(tracker->now);
        tracker->epoch += copy != NULL;
    }
    bool failed = id[0] && !copy;
    pthread_mutex_unlock(&tracker->lock);
    if (failed)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    *ret = copy;
    return VD_OK;
}

struct sim_epochs *sim_tracker_state(struct sim_tracker *tracker)
{
    pthread_mutex_lock(&tracker->lock);
    struct sim_epochs *copy =
        tracker->active && !tracker->incomplete ? epochs_copy(tracker->now) : NULL;
    pthread_mutex_unlock(&tracker->lock);
    return copy;
}

static bool number_after(const char *id, size_t length, uint32_t *ret)
{
    char *end = NULL;

    errno = 0;
    unsigned long number = strtoul(id + length + 1, &end, 10);
    *ret = (uint32_t)number;
    return errno == 0 && end != id + length + 1 && !*end && number <= UINT32_MAX;
}

int sim_change_id_parse(const char *change_id, const char *at_id, uint32_t *ret_epoch,
                        struct vd_error *err)
{
    const char *slash = strchr(at_id, '/');
    size_t length = slash ? (size_t)(slash - at_id) : 0;
    uint32_t since = 0;
    uint32_t at = 0;

    if (!slash || !number_after(at_id, length, &at))
        return vd_error_set(err, VD_E_CHANGE_ID, "changes of this disk are not tracked");
    if (strncmp(change_id, at_id, length + 1) != 0 || !number_after(change_id, length, &since) ||
        since > at)
        return vd_error_set(err, VD_E_CHANGE_ID,
                            "the change ID '%.100s' is not of this disk's history, which is at "
                            "'%s'",
                            change_id, at_id);
    *ret_epoch = since;
    return VD_OK;
}

static bool is_changed(const struct sim_epochs *epochs, uint64_t block, uint32_t since)
{
    const struct page *page = epochs->pages[block / PAGE_BLOCKS];

    return page && page->epoch[block % PAGE_BLOCKS] > since;
}

bool sim_epochs_next(const struct sim_epochs *epochs, uint32_t since, uint64_t *offset_bytes,
                     uint64_t *ret_start_bytes, uint64_t *ret_length_bytes)
{
    uint64_t blocks = vd_div_up(epochs->capacity_bytes, SIM_BLOCK_BYTES);
    uint64_t block = *offset_bytes / SIM_BLOCK_BYTES;

    while (block < blocks && !is_changed(epochs, block, since))
        block += epochs->pages[block / PAGE_BLOCKS] ? 1 : PAGE_BLOCKS - block % PAGE_BLOCKS;
    if (block >= blocks)
        return false;
    uint64_t start = VD_MAX(block * SIM_BLOCK_BYTES, *offset_bytes);
    while (block < blocks && is_changed(epochs, block, since))
        block++;
    uint64_t end = VD_MIN(block * SIM_BLOCK_BYTES, epochs->capacity_bytes);
    *ret_start_bytes = start;
    *ret_length_bytes = end - start;
    *offset_bytes = end;
    return true;
}
