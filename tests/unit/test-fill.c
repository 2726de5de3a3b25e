/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "fake-disk.h"
#include "harness.h"

#define BLOCK_SECTORS 2048u /* of the patterns: a MiB */

/* A disk in memory that says of itself what `pattern` says, and counts what is written. */
struct target {
    struct fake_disk fake;
    uint8_t *bytes;
    atomic_uint_fast64_t sectors_written;
    unsigned flushes;
    uint64_t bad_sector; /* cannot be written; 0: none */
};

static int target_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                        const void *buffer, struct vd_error *err)
{
    struct target *target = (struct target *)self;
    if (target->bad_sector && start_sectors <= target->bad_sector &&
        target->bad_sector < start_sectors + count_sectors)
        return vd_error_set(err, VD_E_IO, "bad sector");
    memcpy(target->bytes + vd_sectors_to_bytes(start_sectors), buffer,
           (size_t)vd_sectors_to_bytes(count_sectors));
    atomic_fetch_add(&target->sectors_written, count_sectors);
    return VD_OK;
}

static int target_flush(struct vd_disk *self, struct vd_error *err)
{
    (void)err;
    ((struct target *)self)->flushes++;
    return VD_OK;
}

static const struct vd_disk_ops target_ops = {
    .name = "target", .map = fake_map, .write = target_write, .flush = target_flush};

static void fake_of(struct fake_disk *fake, const char *pattern)
{
    static char path[] = "fake";
    *fake = (struct fake_disk){.pattern = pattern, .block_sectors = BLOCK_SECTORS};
    fake->disk.path = path;
    fake->file = path;
    fake->disk.capacity_sectors = strlen(pattern) * BLOCK_SECTORS;
}

static void source_of(struct fake_disk *source, const char *pattern)
{
    static const struct vd_disk_ops ops = {.name = "source", .read = fake_read, .map = fake_map};
    fake_of(source, pattern);
    source->disk.ops = &ops;
    source->disk.read_only = true;
}

/* Blocks of data hold 0xee. */
static void target_of(struct target *target, const char *pattern)
{
    *target = (struct target){0};
    fake_of(&target->fake, pattern);
    target->fake.disk.ops = &target_ops;
    target->bytes = calloc(strlen(pattern), BLOCK_SECTORS * VD_SECTOR_BYTES);
    check(target->bytes != NULL);
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == 'd')
            memset(target->bytes + i * BLOCK_SECTORS * VD_SECTOR_BYTES, 0xee,
                   BLOCK_SECTORS * VD_SECTOR_BYTES);
}

static void check_content(const struct target *target, const char *source)
{
    static const uint8_t zeros[VD_SECTOR_BYTES];
    uint8_t want[VD_SECTOR_BYTES];
    for (uint64_t s = 0; s < target->fake.disk.capacity_sectors; s++) {
        bool inside = s / BLOCK_SECTORS < strlen(source);
        bool data = inside && source[s / BLOCK_SECTORS] == 'd';
        if (data)
            fake_sector(s, want);
        check_mem_eq(target->bytes + s * VD_SECTOR_BYTES, data ? want : zeros, VD_SECTOR_BYTES);
    }
}

static void fill(const char *from, const char *to, uint64_t blocks_written)
{
    struct fake_disk source;
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    source_of(&source, from);
    target_of(&target, to);
    check_code_err(vd_fill_disk(&source.disk, &target.fake.disk, NULL, &err), VD_OK, &err);
    check_content(&target, from);
    check_u64_eq(target.sectors_written, blocks_written * BLOCK_SECTORS);
    check_u64_eq(target.flushes, 1);
    free(target.bytes);
}

VD_TEST(the_target_reads_as_the_source_and_only_what_must_be_is_written)
{
    fill("d", "-", 1);
    fill("d", "d", 1);
    fill("-", "d", 1);
    fill("-", "-", 0);
    fill("zz--dd", "-d-d-d", 4);
    fill("nz-d", "zzzz", 2);
    fill("dd------d", "ddddddddd", 9);
}

VD_TEST(behind_the_end_of_the_source_there_are_zeros)
{
    fill("d", "dd-d", 3);
    fill("-", "-dd", 2);
}

VD_TEST(a_target_that_is_too_small_stays_as_it_is)
{
    struct fake_disk source;
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    source_of(&source, "dd");
    target_of(&target, "d");
    check_code(vd_fill_disk(&source.disk, &target.fake.disk, NULL, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "4096 sectors, the target only 2048");
    check_u64_eq(target.sectors_written, 0);
    free(target.bytes);
}

struct watch {
    uint64_t last, total, stop_at;
};

static bool watch_report(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;
    check(done >= watch->last && done <= total);
    watch->last = done;
    watch->total = total;
    return watch->stop_at == 0 || done < watch->stop_at;
}

VD_TEST(progress_rises_to_the_end_and_can_stop_it)
{
    struct watch watch = {0};
    const struct vd_progress progress = {watch_report, &watch};
    struct fake_disk source;
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    source_of(&source, "d-d-dddd");
    target_of(&target, "--------");
    check_code_err(vd_fill_disk(&source.disk, &target.fake.disk, &progress, &err), VD_OK, &err);
    check_u64_eq(watch.last, watch.total);
    check_u64_eq(watch.total, vd_sectors_to_bytes(8 * BLOCK_SECTORS));
    watch = (struct watch){.stop_at = vd_sectors_to_bytes(2 * BLOCK_SECTORS)};
    check_code(vd_fill_disk(&source.disk, &target.fake.disk, &progress, &err), VD_E_CANCELLED);
    free(target.bytes);
}

VD_TEST(what_cannot_be_read_or_written_is_told)
{
    struct fake_disk source;
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    source_of(&source, "dxd");
    target_of(&target, "---");
    check_code(vd_fill_disk(&source.disk, &target.fake.disk, NULL, &err), VD_E_IO);
    source_of(&source, "ddd");
    target.bad_sector = BLOCK_SECTORS + 3;
    vd_error_clear(&err);
    check_code(vd_fill_disk(&source.disk, &target.fake.disk, NULL, &err), VD_E_IO);
    check_str_has(err.text, "bad sector");
    free(target.bytes);
}

/* --- from a raw stream --- */

struct flow {
    struct fake_disk disk;
    uint64_t at_sectors;
    uint64_t end_sectors;
};

/* In pieces that are no steps. */
static int flow_read(void *data, void *buffer, size_t length, size_t *ret_done,
                     struct vd_error *err)
{
    struct flow *flow = data;
    uint64_t piece = VD_MIN(flow->end_sectors - flow->at_sectors, (uint64_t)700);
    piece = VD_MIN(piece, length / VD_SECTOR_BYTES);
    int r = piece ? fake_read(&flow->disk.disk, flow->at_sectors, piece, buffer, err) : VD_OK;
    flow->at_sectors += piece;
    *ret_done = (size_t)vd_sectors_to_bytes(piece);
    return r;
}

static int fill_raw(const char *from, struct target *target, uint64_t size_blocks,
                    const struct vd_progress *progress, struct vd_error *err)
{
    struct flow flow = {.end_sectors = strlen(from) * BLOCK_SECTORS};
    const struct vd_stream_source source = {flow_read, &flow, "the flow"};
    struct vd_raw_stream raw = {.source = &source,
                                .size_bytes = vd_sectors_to_bytes(size_blocks * BLOCK_SECTORS)};
    source_of(&flow.disk, from);
    return vd_fill_from_raw(&raw, &target->fake.disk, progress, err);
}

static void fill_flow(const char *from, const char *to, uint64_t blocks_written)
{
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    target_of(&target, to);
    check_code_err(fill_raw(from, &target, strlen(from), NULL, &err), VD_OK, &err);
    check_content(&target, from);
    check_u64_eq(target.sectors_written, blocks_written * BLOCK_SECTORS);
    check_u64_eq(target.flushes, 1);
    free(target.bytes);
}

VD_TEST(of_a_stream_zeros_are_written_only_over_data)
{
    fill_flow("d", "-", 1);
    fill_flow("-", "d", 1);
    fill_flow("-", "-", 0);
    fill_flow("zz--dd", "-d-d-d", 4);
    fill_flow("dd------d", "ddddddddd", 9);
    fill_flow("dddddddddddddddddddd", "--------------------dd-d", 23);
}

VD_TEST(a_stream_that_does_not_fit_or_tells_no_size_writes_nothing)
{
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    target_of(&target, "d");
    check_code(fill_raw("dd", &target, 2, NULL, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "'the flow' into 'fake': it has 4096 sectors, the target only 2048");
    vd_error_clear(&err);
    check_code(fill_raw("d", &target, 0, NULL, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "the size of 'the flow' must be given");
    check_u64_eq(target.sectors_written, 0);
    free(target.bytes);
}

VD_TEST(a_stream_that_is_not_as_long_as_it_said)
{
    struct target target;
    target_of(&target, "----");
    check_code(fill_raw("d", &target, 2, NULL, NULL), VD_E_TRUNCATED);
    check_code(fill_raw("ddd", &target, 2, NULL, NULL), VD_E_INVALID_ARG);
    check(target.bytes[2 * BLOCK_SECTORS * VD_SECTOR_BYTES] == 0);
    target.bad_sector = 1;
    check_code(fill_raw("d", &target, 1, NULL, NULL), VD_E_IO);
    free(target.bytes);
}

VD_TEST(progress_of_a_stream_rises_to_the_end_and_can_stop_it)
{
    struct watch watch = {0};
    const struct vd_progress progress = {watch_report, &watch};
    struct target target;
    struct vd_error err = VD_ERROR_INIT;
    target_of(&target, "----dddd");
    check_code_err(fill_raw("d-dd", &target, 4, &progress, &err), VD_OK, &err);
    check_u64_eq(watch.last, watch.total);
    check_u64_eq(watch.total, vd_sectors_to_bytes(4 * BLOCK_SECTORS));
    watch = (struct watch){.stop_at = vd_sectors_to_bytes(2 * BLOCK_SECTORS)};
    check_code(fill_raw("d-dd", &target, 4, &progress, NULL), VD_E_CANCELLED);
    free(target.bytes);
}
