/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher, over a disk that records what reaches it. */
#include "disk/disk.h"

#include <string.h>

#include "base/units.h"
#include "tests/harness.h"

#define CAPACITY 1000

struct fake {
    struct vd_disk base;
    int calls;
    const struct vd_run *script; /* what map answers, piece by piece */
    size_t script_runs;
    size_t per_call;
    int map_error_at; /* the n-th call of map fails; 0 never */
    bool fail_writes;
};

static int fake_read(struct vd_disk *self, uint64_t start, uint64_t count, void *buffer,
                     struct vd_error *err)
{
    (void)err;
    ((struct fake *)self)->calls++;
    memset(buffer, (int)(start & 0xff), (size_t)vd_sectors_to_bytes(count));
    return VD_OK;
}

static int fake_write(struct vd_disk *self, uint64_t start, uint64_t count, const void *buffer,
                      struct vd_error *err)
{
    (void)start, (void)count, (void)buffer, (void)err;
    ((struct fake *)self)->calls++;
    return VD_OK;
}

static int fake_flush(struct vd_disk *self, struct vd_error *err)
{
    ((struct fake *)self)->calls++;
    return vd_error_set(err, VD_E_IO, "flush reached the disk");
}

static int fake_map(struct vd_disk *self, uint64_t start, uint64_t count, struct vd_run *runs,
                    size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    struct fake *fake = (struct fake *)self;
    if (++fake->calls == fake->map_error_at)
        return vd_error_set(err, VD_E_GTE, "bad entry");

    size_t limit = VD_MIN(max_runs, fake->per_call);
    size_t done = 0;
    for (size_t i = 0; i < fake->script_runs && done < limit; i++) {
        struct vd_run run = fake->script[i];
        if (run.start_sectors + run.length_sectors <= start || run.start_sectors >= start + count)
            continue;
        uint64_t skip = start > run.start_sectors ? start - run.start_sectors : 0;
        run.start_sectors += skip;
        run.length_sectors -= skip;
        run.length_sectors = VD_MIN(run.length_sectors, start + count - run.start_sectors);
        if (run.kind == VD_RUN_DATA && !run.compressed)
            run.offset_bytes += vd_sectors_to_bytes(skip);
        runs[done++] = run;
    }
    *ret_runs = done;
    return VD_OK;
}

static void fake_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    (void)self;
    ret->type = VD_DISK_SPLIT_FLAT;
}

static int fake_close(struct vd_disk *self, struct vd_error *err)
{
    ((struct fake *)self)->calls++;
    return vd_error_set(err, VD_E_DISK_FULL, "cannot close '%s'", self->path);
}

static const struct vd_disk_ops fake_ops = {
    .name = "fake",
    .read = fake_read,
    .write = fake_write,
    .flush = fake_flush,
    .map = fake_map,
    .info = fake_info,
    .close = fake_close,
};

static struct fake fake_new(bool read_only)
{
    return (struct fake){.base = {&fake_ops, strdup("fake.vmdk"), CAPACITY, read_only}};
}

static void fake_done(struct fake *fake)
{
    check_code(vd_disk_close(&fake->base, NULL), VD_E_DISK_FULL);
}

VD_TEST(ranges)
{
    static const struct {
        uint64_t start, count;
        bool inside;
    } cases[] = {
        {0, 1, true},
        {0, CAPACITY, true},
        {CAPACITY - 1, 1, true},
        {CAPACITY, 0, true},
        {0, 0, true},
        {CAPACITY, 1, false},
        {CAPACITY + 1, 0, false},
        {0, CAPACITY + 1, false},
        {CAPACITY - 1, 2, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX, UINT64_MAX, false},
        {1, UINT64_MAX, false},
        {UINT64_MAX / 2 + 1, UINT64_MAX / 2 + 1, false},
    };
    static unsigned char buffer[CAPACITY * 512];
    struct fake fake = fake_new(false);
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        int want = cases[i].inside ? VD_OK : VD_E_OUT_OF_RANGE;
        int calls = cases[i].inside && cases[i].count > 0 ? 2 : 0;
        fake.calls = 0;
        check_code(vd_disk_read(&fake.base, cases[i].start, cases[i].count, buffer, NULL), want);
        check_code(vd_disk_write(&fake.base, cases[i].start, cases[i].count, buffer, NULL), want);
        check_int_eq(fake.calls, calls);
    }
    fake_done(&fake);
}

VD_TEST(the_sentence_names_disk_range_and_capacity)
{
    struct fake fake = fake_new(false);
    struct vd_error err = VD_ERROR_INIT;
    char buffer[512] = "";
    check_code(vd_disk_read(&fake.base, 999, 2, buffer, &err), VD_E_OUT_OF_RANGE);
    check_str_eq(err.text, "cannot read 2 sectors at sector 999 of 'fake.vmdk': the disk has 1000 "
                           "sectors");
    vd_error_clear(&err);
    check_code(vd_disk_write(&fake.base, UINT64_MAX, 1, buffer, &err), VD_E_OUT_OF_RANGE);
    check_str_has(err.text, "cannot write 1 sectors at sector 18446744073709551615 of 'fake.vmdk'");
    vd_error_clear(&err);
    struct vd_run run;
    size_t runs = 77;
    check_code(vd_disk_map(&fake.base, 1000, 1, &run, 1, &runs, &err), VD_E_OUT_OF_RANGE);
    check_str_has(err.text, "cannot map 1 sectors at sector 1000");
    check_u64_eq(runs, 77);
    fake_done(&fake);
}

VD_TEST(read_only_disks)
{
    struct fake fake = fake_new(true);
    struct vd_error err = VD_ERROR_INIT;
    char buffer[512] = "";
    check_code(vd_disk_write(&fake.base, 0, 1, buffer, &err), VD_E_READ_ONLY);
    check_str_eq(err.text, "cannot write to 'fake.vmdk': the disk was opened for reading only");
    check_code(vd_disk_write(&fake.base, UINT64_MAX, 0, buffer, NULL), VD_E_READ_ONLY);
    check_code(vd_disk_meta_set(&fake.base, "uuid", "x", NULL), VD_E_READ_ONLY);
    check_code(vd_disk_flush(&fake.base, NULL), VD_OK);
    check_int_eq(fake.calls, 0);
    check_code(vd_disk_read(&fake.base, 0, 1, buffer, NULL), VD_OK);
    fake_done(&fake);
}

VD_TEST(without_a_database)
{
    struct fake fake = fake_new(false);
    struct vd_error err = VD_ERROR_INIT;
    check(vd_disk_meta_get(&fake.base, "uuid") == NULL);
    check(vd_disk_meta_key(&fake.base, 0) == NULL);
    check_code(vd_disk_meta_set(&fake.base, "uuid", "x", &err), VD_E_NOT_SUPPORTED);
    check_str_eq(err.text, "cannot set the key 'uuid' of 'fake.vmdk': the disk has no database");
    fake_done(&fake);
}

VD_TEST(what_the_implementation_says_is_passed_on)
{
    struct fake fake = fake_new(false);
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_disk_flush(&fake.base, &err), VD_E_IO);
    check_str_eq(err.text, "flush reached the disk");
    vd_error_clear(&err);
    check_code(vd_disk_close(&fake.base, &err), VD_E_DISK_FULL);
    check_str_eq(err.text, "cannot close 'fake.vmdk'");
    check_code(vd_disk_close(NULL, NULL), VD_OK);
    vd_disk_free(NULL);
}

VD_TEST(info_has_its_defaults)
{
    struct fake fake = fake_new(true);
    struct vd_disk_info info;
    memset(&info, 0xee, sizeof info);
    vd_disk_info(&fake.base, &info);
    check_int_eq(info.type, VD_DISK_SPLIT_FLAT);
    check_u64_eq(info.capacity_sectors, CAPACITY);
    check_u64_eq(info.logical_sector_bytes, 512);
    check_u64_eq(info.physical_sector_bytes, 512);
    check(info.read_only);
    check(info.uuid == NULL && info.parent_hint == NULL);
    check_u64_eq(info.geometry.cylinders, 0);
    check_u64_eq(vd_disk_capacity(&fake.base), CAPACITY);
    check_str_eq(vd_disk_path(&fake.base), "fake.vmdk");
    fake_done(&fake);
}

static const char file_a[] = "a.vmdk";
static const char file_b[] = "b.vmdk";

#define DATA(start, length, sector, link, extent, file)                                       \
    {                                                                                         \
        (start), (length), VD_RUN_DATA, (link), (extent), false, false, (sector)*512u, (file) \
    }
#define PACKED(start, length, offset)                                       \
    {                                                                       \
        (start), (length), VD_RUN_DATA, 0, 0, true, false, (offset), file_a \
    }
#define ZERO(start, length, link, extent)                                       \
    {                                                                           \
        (start), (length), VD_RUN_ZERO, (link), (extent), false, false, 0, NULL \
    }
#define ABSENT(start, length, link)                                        \
    {                                                                      \
        (start), (length), VD_RUN_ABSENT, (link), 0, false, false, 0, NULL \
    }

#define UNKNOWN(start, length)                                       \
    {                                                                \
        (start), (length), VD_RUN_ABSENT, 0, 0, false, true, 0, NULL \
    }

static const struct vd_run script[] = {
    DATA(0, 10, 100, 0, 0, file_a),  /* 0 */
    DATA(10, 10, 110, 0, 0, file_a), /* continues 0 */
    DATA(20, 10, 121, 0, 0, file_a), /* 1: elsewhere in the file */
    DATA(30, 10, 131, 0, 0, file_b), /* 2: another file */
    DATA(40, 10, 141, 0, 1, file_b), /* 3: another extent */
    DATA(50, 10, 151, 1, 1, file_b), /* 4: another link */
    ZERO(60, 20, 0, 0),              /* 5 */
    ZERO(80, 20, 0, 0),              /* continues 5 */
    ZERO(100, 20, 1, 0),             /* 6: another link */
    ABSENT(120, 80, 7),              /* 7 */
    ABSENT(200, 100, 3),             /* continues 7, whatever the link says */
    PACKED(300, 128, 5000),          /* 8 */
    PACKED(428, 72, 5000),           /* continues 8: the same record */
    PACKED(500, 128, 70536),         /* 9: another record */
    ABSENT(628, CAPACITY - 628, 0),  /* 10 */
};

static const uint64_t merged_starts[] = {0, 20, 30, 40, 50, 60, 100, 120, 300, 500, 628};

static struct fake scripted(size_t per_call)
{
    struct fake fake = fake_new(true);
    fake.script = script;
    fake.script_runs = VD_ARRAY_SIZE(script);
    fake.per_call = per_call;
    return fake;
}

VD_TEST(map_merges_what_continues)
{
    for (size_t per_call = 1; per_call <= VD_ARRAY_SIZE(script); per_call++) {
        struct fake fake = scripted(per_call);
        struct vd_run runs[32];
        size_t count;
        check_code(vd_disk_map(&fake.base, 0, CAPACITY, runs, 32, &count, NULL), VD_OK);
        check_u64_eq(count, VD_ARRAY_SIZE(merged_starts));
        uint64_t at = 0;
        for (size_t i = 0; i < count; i++) {
            check_u64_eq(runs[i].start_sectors, merged_starts[i]);
            check_u64_eq(runs[i].start_sectors, at);
            at += runs[i].length_sectors;
        }
        check_u64_eq(at, CAPACITY);
        check_u64_eq(runs[0].offset_bytes, 100 * 512);
        check_u64_eq(runs[8].offset_bytes, 5000);
        check(runs[8].compressed);
        fake_done(&fake);
    }
}

/* Goes through the disk as callers do, with little room and from odd places. */
VD_TEST(map_goes_on_where_it_stopped)
{
    for (size_t room = 1; room < 6; room++) {
        struct fake fake = scripted(3);
        uint64_t at = 7;
        uint64_t end = CAPACITY - 9;
        while (at < end) {
            struct vd_run runs[6];
            size_t count;
            check_code(vd_disk_map(&fake.base, at, end - at, runs, room, &count, NULL), VD_OK);
            check(count >= 1 && count <= room);
            for (size_t i = 0; i < count; i++) {
                check_u64_eq(runs[i].start_sectors, at);
                at += runs[i].length_sectors;
            }
        }
        check_u64_eq(at, end);
        fake_done(&fake);
    }
}

VD_TEST(map_uses_all_the_room_it_has)
{
    struct fake fake = scripted(100);
    struct vd_run runs[3];
    size_t count;
    check_code(vd_disk_map(&fake.base, 0, CAPACITY, runs, 3, &count, NULL), VD_OK);
    check_u64_eq(count, 3); /* the second call fills what merging freed */
    check_u64_eq(runs[0].length_sectors, 20);
    check_u64_eq(runs[2].start_sectors, 30);
    fake_done(&fake);
}

VD_TEST(map_that_fails_half_way_tells_what_came_before)
{
    struct fake fake = scripted(2);
    fake.map_error_at = 3;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_run runs[32];
    size_t count = 77;
    check_code(vd_disk_map(&fake.base, 0, CAPACITY, runs, 32, &count, &err), VD_OK);
    check(count > 0 && count < 32);
    check_code(err.code, VD_OK);

    const struct vd_run *last = &runs[count - 1];
    uint64_t at = last->start_sectors + last->length_sectors;
    fake.calls = 0;
    fake.map_error_at = 1;
    count = 77;
    check_code(vd_disk_map(&fake.base, at, CAPACITY - at, runs, 32, &count, &err), VD_E_GTE);
    check_u64_eq(count, 77);
    check_str_eq(err.text, "bad entry");
    fake_done(&fake);
}

/* What vd_disk_zero asked for: each sector, punched or written. */
static char zeroed[CAPACITY];

static int zero_punch(struct vd_disk *self, uint64_t start, uint64_t count, struct vd_error *err)
{
    (void)self, (void)err;
    memset(zeroed + start, 'p', (size_t)count);
    return VD_OK;
}

static int zero_write(struct vd_disk *self, uint64_t start, uint64_t count, const void *buffer,
                      struct vd_error *err)
{
    const unsigned char *bytes = buffer;
    if (((struct fake *)self)->fail_writes)
        return vd_error_set(err, VD_E_DISK_FULL, "no room");
    for (size_t i = 0; i < vd_sectors_to_bytes(count); i++)
        check_int_eq(bytes[i], 0);
    memset(zeroed + start, 'w', (size_t)count);
    return VD_OK;
}

static const struct vd_run zero_script[] = {
    DATA(0, 10, 100, 0, 0, file_a),  /* punched */
    ZERO(10, 10, 0, 0),              /* left alone */
    DATA(20, 10, 121, 1, 0, file_a), /* a parent's */
    ABSENT(30, 10, 0),               /* left alone */
    PACKED(40, 10, 5000),            /* cannot be changed in place */
    UNKNOWN(50, 10),                 /* a parent's, perhaps */
    ABSENT(60, 10, 0),               /* left alone, though it follows an unknown one */
    ZERO(70, 10, 1, 0),              /* left alone */
    DATA(80, 20, 900, 0, 0, file_a), /* punched */
    ABSENT(100, CAPACITY - 100, 0),
};

static void zero_all(struct fake *fake, const struct vd_disk_ops *ops, const char *want)
{
    struct vd_error err = VD_ERROR_INIT;
    fake->base.ops = ops;
    memset(zeroed, '-', sizeof zeroed);
    check_code_err(vd_disk_zero(&fake->base, 5, CAPACITY - 5, &err), VD_OK, &err);
    check_mem_eq(zeroed, "-----", 5);
    for (size_t i = 5; i < 100; i++)
        check_int_eq(zeroed[i], want[i / 10]);
    for (size_t i = 100; i < CAPACITY; i++)
        check_int_eq(zeroed[i], '-');
}

VD_TEST(zero_changes_only_what_does_not_read_as_zeros)
{
    struct vd_disk_ops ops = fake_ops;
    struct fake fake = fake_new(false);
    fake.script = zero_script;
    fake.script_runs = VD_ARRAY_SIZE(zero_script);
    fake.per_call = 3;
    ops.write = zero_write;
    ops.punch = zero_punch;
    zero_all(&fake, &ops, "p-w-ww--pp");
    ops.punch = NULL;
    zero_all(&fake, &ops, "w-w-ww--ww");
    fake_done(&fake);
}

VD_TEST(zero_that_is_refused_or_fails)
{
    struct vd_disk_ops ops = fake_ops;
    struct fake fake = fake_new(false);
    struct fake reader = fake_new(true);
    struct vd_error err = VD_ERROR_INIT;
    fake.script = zero_script;
    fake.script_runs = VD_ARRAY_SIZE(zero_script);
    fake.per_call = 3;
    ops.write = zero_write;
    fake.base.ops = &ops;
    check_code(vd_disk_zero(&fake.base, CAPACITY, 1, NULL), VD_E_OUT_OF_RANGE);
    check_code(vd_disk_zero(&fake.base, 1, UINT64_MAX, NULL), VD_E_OUT_OF_RANGE);
    check_code(vd_disk_zero(&fake.base, CAPACITY, 0, NULL), VD_OK);
    check_int_eq(fake.calls, 0);
    fake.fail_writes = true;
    check_code(vd_disk_zero(&fake.base, 0, 30, &err), VD_E_DISK_FULL);
    check_str_eq(err.text, "no room");
    fake.calls = 0;
    fake.map_error_at = 1;
    check_code(vd_disk_zero(&fake.base, 10, 10, NULL), VD_E_GTE);
    check_code(vd_disk_zero(&reader.base, 0, 1, NULL), VD_E_READ_ONLY);
    check_int_eq(reader.calls, 0);
    fake_done(&fake);
    fake_done(&reader);
}
