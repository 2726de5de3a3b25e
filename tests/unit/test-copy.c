/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fake-disk.h"
#include "harness.h"

static const struct vd_target_options no_options;

struct watch {
    uint64_t last;
    uint64_t total;
    uint64_t stop_at; /* 0: never */
};

static bool watch_report(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;

    check(done >= watch->last);
    check(total == 0 || done <= total);
    watch->last = done;
    watch->total = total;
    return watch->stop_at == 0 || done < watch->stop_at;
}

static uint8_t *slurp(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    struct stat st;

    check(file && fstat(fileno(file), &st) == 0);
    *ret_length = (size_t)st.st_size;
    bytes = malloc(*ret_length + 1);
    check(bytes && fread(bytes, 1, *ret_length, file) == *ret_length);
    (void)fclose(file);
    return bytes;
}

static void check_file(const char *path, const uint8_t *want, size_t want_length)
{
    size_t length;
    VD_FREE uint8_t *got = slurp(path, &length);

    check_u64_eq(length, want_length);
    check_mem_eq(got, want, length);
}

static size_t files_in_folder(void)
{
    DIR *folder = opendir(test_folder());
    size_t count = 0;

    check(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(folder);
    return count;
}

static int convert(struct fake_disk *fake, const char *path, struct watch *watch,
                   struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    struct vd_progress progress = {watch_report, watch};
    int r = vd_target_open(path, &no_options, &target, err);

    if (r == VD_OK)
        r = vd_copy_disk(&fake->disk, target, &progress, err);
    if (r == VD_OK)
        r = vd_target_finish(target, err);
    return r;
}

/* Patterns against block sizes below, at and above the size of a step. */
VD_TEST(a_copy_is_the_disk)
{
    static const char *const patterns[] = {"",      "d",        "-",       "z",       "d-d-dd--z-d",
                                           "--ndn", "dddddddd", "zzz---d", "d-------"};
    static const uint64_t blocks[] = {1, 3, 8, 128, 2048, 5000};

    for (size_t p = 0; p < VD_ARRAY_SIZE(patterns); p++) {
        for (size_t b = 0; b < VD_ARRAY_SIZE(blocks); b++) {
            struct fake_disk fake;
            struct vd_error err = VD_ERROR_INIT;
            struct watch watch = {0};
            const char *path = test_path("copy");
            VD_FREE uint8_t *want = NULL;

            fake_disk_init(&fake, patterns[p], blocks[b]);
            check_code_err(convert(&fake, path, &watch, &err), VD_OK, &err);
            want = fake_content(&fake);
            check_file(path, want, fake.disk.capacity_sectors * VD_SECTOR_BYTES);
            check_u64_eq(watch.last, watch.total);
            check_u64_eq(files_in_folder(), 1);
            check(unlink(path) == 0);
        }
    }
}

VD_TEST(holes_are_not_read_and_not_written)
{
    struct fake_disk fake;
    struct vd_error err = VD_ERROR_INIT;
    struct watch watch = {0};
    const char *path = test_path("sparse");
    struct stat st;

    fake_disk_init(&fake, "d---zzzzn-n", 2048);
    check_code_err(convert(&fake, path, &watch, &err), VD_OK, &err);
    check_u64_eq(fake.sectors_read, 3 * 2048); /* the two blocks of zero data are looked at */
    check(stat(path, &st) == 0);
    check_u64_eq((uint64_t)st.st_size, 11 * VD_MIB);
    check((uint64_t)st.st_blocks * 512 < 2 * VD_MIB); /* and left out */
}

VD_TEST(a_failing_read_leaves_nothing)
{
    struct fake_disk fake;
    struct vd_error err = VD_ERROR_INIT;
    struct watch watch = {0};

    fake_disk_init(&fake, "ddddddxdddxd", 2048);
    check_code(convert(&fake, test_path("bad"), &watch, &err), VD_E_IO);
    check_str_has(err.text, "bad sector 12288"); /* the first, whoever was faster */
    check_u64_eq(files_in_folder(), 0);
}

VD_TEST(a_failing_map_leaves_nothing)
{
    struct fake_disk fake;
    struct vd_error err = VD_ERROR_INIT;
    struct watch watch = {0};

    fake_disk_init(&fake, "dd-dd-dd-d", 2048);
    fake.map_error_sector = 5 * 2048;
    check_code(convert(&fake, test_path("bad"), &watch, &err), VD_E_GTE);
    check_u64_eq(files_in_folder(), 0);
}

VD_TEST(a_copy_that_is_stopped_leaves_nothing)
{
    for (uint64_t stop_mib = 1; stop_mib <= 12; stop_mib += 3) {
        struct fake_disk fake;
        struct vd_error err = VD_ERROR_INIT;
        struct watch watch = {.stop_at = stop_mib * VD_MIB};

        fake_disk_init(&fake, "dd-ddddzzddd", 2048);
        check_code(convert(&fake, test_path("stopped"), &watch, &err), VD_E_CANCELLED);
        check_u64_eq(files_in_folder(), 0);
    }
}

/* Into an open file, as if it were a pipe. */
static void copy_in_order(struct fake_disk *fake, uint64_t offset_bytes, uint64_t length_bytes,
                          bool whole)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_path("in-order");
    VD_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    VD_FREE uint8_t *want = fake_content(fake);
    int r;

    check(fd >= 0);
    check_code(vd_target_open_fd(fd, "a pipe", &no_options, &target, &err), VD_OK);
    check(vd_target_in_order(target));
    if (whole)
        r = vd_copy_disk(&fake->disk, target, NULL, &err);
    else
        r = vd_copy_range(&fake->disk, offset_bytes, length_bytes, target, NULL, &err);
    check_code_err(r, VD_OK, &err);
    check_code(vd_target_finish(target, &err), VD_OK);
    check_file(path, want + offset_bytes, length_bytes);
}

VD_TEST(a_pipe_gets_every_byte_in_order)
{
    struct fake_disk fake;

    fake_disk_init(&fake, "-d-dd--zd-", 1500);
    copy_in_order(&fake, 0, fake.disk.capacity_sectors * VD_SECTOR_BYTES, true);
    fake_disk_init(&fake, "--------------------------------------------------d---------", 4096);
    copy_in_order(&fake, 0, fake.disk.capacity_sectors * VD_SECTOR_BYTES, true);
}

VD_TEST(a_range_begins_and_ends_anywhere)
{
    static const uint64_t edges[] = {0, 1, 511, 512, 513, 1048575, 1048576, 1048577, 3000000};
    struct fake_disk fake;

    fake_disk_init(&fake, "d-ddd-d", 1024);
    for (size_t a = 0; a < VD_ARRAY_SIZE(edges); a++) {
        for (size_t b = a; b < VD_ARRAY_SIZE(edges); b++)
            copy_in_order(&fake, edges[a], edges[b] - edges[a], false);
    }
}

VD_TEST(a_range_past_the_end_writes_nothing)
{
    struct fake_disk fake;
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    struct vd_error err = VD_ERROR_INIT;

    fake_disk_init(&fake, "d", 8);
    check_code(vd_target_open_fd(-1, "nowhere", &no_options, &target, &err), VD_OK);
    check_code(vd_copy_range(&fake.disk, 4000, 97, target, NULL, &err), VD_E_OUT_OF_RANGE);
    check_str_has(err.text, "4096");
    vd_error_clear(&err);
    check_code(vd_copy_range(&fake.disk, UINT64_MAX, 2, target, NULL, &err), VD_E_OUT_OF_RANGE);
}
