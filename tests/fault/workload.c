/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "build-image.h"
#include "harness.h"

enum { MAX_SECTORS = 300, MAX_ITEMS = 4096 };

void workload_init(struct workload *work, struct built_disk *model, uint64_t seed,
                   size_t (*events)(void *data), void *data)
{
    *work =
        (struct workload){.model = model, .random = seed * 2 + 1, .events = events, .data = data};
    work->writes = calloc(MAX_ITEMS, sizeof work->writes[0]);
    work->flushes = calloc(MAX_ITEMS, sizeof work->flushes[0]);
    work->keys = calloc(MAX_ITEMS, sizeof work->keys[0]);
    check(work->writes && work->flushes && work->keys);
}

void workload_done(struct workload *work)
{
    for (size_t i = 0; i < work->num_writes; i++)
        free(work->writes[i].bytes);
    free(work->writes);
    free(work->flushes);
    free(work->keys);
}

static size_t events_now(const struct workload *work)
{
    return work->events ? work->events(work->data) : 0;
}

static int random_write(struct workload *work, struct vd_disk *disk, struct vd_error *err)
{
    static const unsigned most[] = {1, 9, 40, MAX_SECTORS};
    check(work->num_writes < MAX_ITEMS);
    struct workload_write *write = &work->writes[work->num_writes];
    uint64_t limit = most[build_random_below(&work->random, 4)];
    write->start_sectors = build_random_below(&work->random, work->model->capacity_sectors);
    uint64_t left = work->model->capacity_sectors - write->start_sectors;
    write->count_sectors = 1 + build_random_below(&work->random, VD_MIN(limit, left));
    size_t length = (size_t)write->count_sectors * VD_SECTOR_BYTES;
    write->bytes = calloc(1, length);
    check(write->bytes != NULL);
    uint64_t choice = build_random_below(&work->random, 6);
    if (choice > 1) /* the others are zeros, written in one of two ways */
        built_stamp(write->bytes, write->start_sectors, write->count_sectors, work->num_writes + 1);
    write->begun = events_now(work);
    work->num_writes++; /* also when it fails: a part may be there */
    if (choice == 0)
        return vd_disk_zero(disk, write->start_sectors, write->count_sectors, err);
    return vd_disk_write(disk, write->start_sectors, write->count_sectors, write->bytes, err);
}

static void promise_flush(struct workload *work)
{
    check(work->num_flushes < MAX_ITEMS);
    work->flushes[work->num_flushes++] =
        (struct workload_promise){events_now(work), work->num_writes};
}

static void key_text(size_t number, char *text, size_t room)
{
    (void)snprintf(text, room, "this is setting number %zu of the key%.*s", number,
                   (int)(number % 5) * 100,
                   "...................................................................."
                   "...................................................................."
                   "...................................................................."
                   "...................................................................."
                   "...................................................................."
                   "....................................................................");
}

static int random_key(struct workload *work, struct vd_disk *disk, struct vd_error *err)
{
    char text[600];
    size_t number = ++work->num_keys; /* also when it fails: it may be there */
    check(number < MAX_ITEMS);
    work->keys[number] = (struct workload_promise){SIZE_MAX, 0};
    key_text(number, text, sizeof text);
    int r = vd_disk_meta_set(disk, WORKLOAD_KEY, text, err);
    if (r >= 0)
        work->keys[number].kept_from = events_now(work);
    return r;
}

static int random_step(struct workload *work, struct vd_disk *disk, struct vd_error *err)
{
    uint64_t choice = build_random_below(&work->random, 20);
    if (choice == 0)
        return random_key(work, disk, err);
    if (choice > 2)
        return random_write(work, disk, err);
    int r = vd_disk_flush(disk, err);
    if (r >= 0)
        promise_flush(work);
    return r;
}

static int session_run(struct workload *work, const struct vd_fs *fs, unsigned steps,
                       struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs, .table_budget_bytes = 3 * 16384};
    struct vd_disk *disk = NULL;
    work->num_sessions++;
    int r = vd_vmdk_open(BUILT_DISK, &options, &disk, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; r >= 0 && i < steps; i++)
        r = random_step(work, disk, err);
    if (r < 0) {
        (void)vd_disk_close(disk, NULL); /* one failure is enough to tell */
        return r;
    }
    r = vd_disk_close(disk, err);
    if (r >= 0)
        promise_flush(work);
    return r;
}

int workload_session(struct workload *work, const struct vd_fs *fs, unsigned steps,
                     struct vd_error *err)
{
    int r = session_run(work, fs, steps, err);
    if (r < 0) {
        size_t firm = work->num_flushes > 0 ? work->flushes[work->num_flushes - 1].count : 0;
        for (size_t i = firm; i < work->num_writes; i++)
            work->writes[i].maybe = true;
    }
    return r;
}

/* --- what must be there --- */

/* How many writes are surely there. */
static size_t writes_kept(const struct workload *work, size_t cut)
{
    size_t kept = 0;
    for (size_t i = 0; i < work->num_flushes; i++) {
        if (work->flushes[i].kept_from <= cut)
            kept = work->flushes[i].count;
    }
    return kept;
}

static bool covers(const struct workload_write *write, uint64_t sector)
{
    return sector >= write->start_sectors && sector - write->start_sectors < write->count_sectors;
}

static bool write_has(const struct workload_write *write, uint64_t sector, const uint8_t *bytes)
{
    const uint8_t *at = write->bytes + (sector - write->start_sectors) * VD_SECTOR_BYTES;
    return memcmp(at, bytes, VD_SECTOR_BYTES) == 0;
}

/* Backwards from what may just have been written to what is sure. */
static bool sector_is_right(const struct workload *work, size_t kept, size_t cut, uint64_t sector,
                            const uint8_t *bytes)
{
    for (size_t i = work->num_writes; i-- > 0;) {
        const struct workload_write *write = &work->writes[i];
        if (write->begun > cut || !covers(write, sector))
            continue;
        if (write_has(write, sector, bytes))
            return true;
        if (i < kept && !write->maybe)
            return false;
    }
    return memcmp(work->model->content + sector * VD_SECTOR_BYTES, bytes, VD_SECTOR_BYTES) == 0;
}

static void check_content(const struct workload *work, struct vd_disk *disk, size_t cut)
{
    const struct built_disk *model = work->model;
    size_t kept = writes_kept(work, cut);
    VD_FREE uint8_t *got = malloc((size_t)model->capacity_sectors * VD_SECTOR_BYTES);
    struct vd_error err = VD_ERROR_INIT;
    check(got != NULL);
    check_code_err(vd_disk_read(disk, 0, model->capacity_sectors, got, &err), VD_OK, &err);
    for (uint64_t sector = 0; sector < model->capacity_sectors; sector++) {
        if (!sector_is_right(work, kept, cut, sector, got + sector * VD_SECTOR_BYTES))
            test_fail("sector %" PRIu64 " is neither as flushed nor as written later, after "
                      "event %zu (%zu writes flushed)",
                      sector, cut, kept);
    }
}

static void check_key(const struct workload *work, struct vd_disk *disk, size_t cut)
{
    size_t kept = 0;
    for (size_t i = 1; i <= work->num_keys; i++) {
        if (work->keys[i].kept_from <= cut)
            kept = i;
    }
    const char *value = vd_disk_meta_get(disk, WORKLOAD_KEY);
    if (kept == 0 && value == NULL)
        return;
    for (size_t i = VD_MAX(kept, 1); value != NULL && i <= work->num_keys; i++) {
        char text[600];
        key_text(i, text, sizeof text);
        if (strcmp(text, value) == 0)
            return;
    }
    test_fail("the key is '%s' after event %zu, expected setting %zu or a later one",
              value ? value : "(none)", cut, kept);
}

void workload_check(const struct workload *work, struct vd_disk *disk, size_t cut)
{
    check_content(work, disk, cut);
    check_key(work, disk, cut);
}
