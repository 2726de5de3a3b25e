/* SPDX-License-Identifier: Apache-2.0 */
/* Disks made from a raw stream, whose size is known or not. */
#include <errno.h>

#include "file-ops-disks.h"
#include "ops/clone.h"
#include "ops/pipeline.h"

#define NEW "dir/new.vmdk"

/* Gives pieces of odd sizes; fails once `fail_at` bytes were given. */
struct feed {
    uint8_t *bytes;
    size_t length;
    size_t given;
    size_t fail_at;
};

static int feed_read(void *data, void *buffer, size_t length, size_t *ret_done,
                     struct vd_error *err)
{
    struct feed *feed = data;
    size_t piece = VD_MIN(VD_MIN(length, (size_t)70001), feed->length - feed->given);

    if (feed->fail_at != 0 && feed->given >= feed->fail_at)
        return vd_error_set_errno(err, EIO, "cannot read from 'the feed'");
    memcpy(buffer, feed->bytes + feed->given, piece);
    feed->given += piece;
    *ret_done = piece;
    return VD_OK;
}

/* Data at the beginning, after 2 MiB of zeros, and at the end. */
static uint8_t *image_new(size_t length)
{
    uint8_t *bytes = calloc(1, length);
    check(bytes != NULL);
    for (size_t at = 0; at < length; at++)
        if (at < 100000 || at > length - 3000 || (at > 2200000 && at < 2300000))
            bytes[at] = (uint8_t)(at * 7 + at / 512);
    return bytes;
}

static int clone_feed(struct feed *feed, uint64_t size_bytes, enum vd_disk_type type,
                      const struct vd_fs *fs, struct vd_error *err)
{
    struct vd_stream_source source = {feed_read, feed, "the feed"};
    struct vd_raw_stream raw = {.source = &source, .size_bytes = size_bytes};
    struct vd_clone_params params = {.type = type};

    feed->given = 0;
    return vd_clone_from_raw(&raw, NEW, &params, fs, NULL, err);
}

static struct vd_fs_memory *folder_new(void)
{
    struct vd_fs_memory *files = new_files();
    add_text(files, "dir/keep", "");
    return files;
}

static void check_only_keep(struct vd_fs_memory *files)
{
    VD_FREE char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    check_str_eq(names, "dir/keep\n");
}

static const enum vd_disk_type types[] = {VD_DISK_MONOLITHIC_SPARSE, VD_DISK_SPLIT_FLAT,
                                          VD_DISK_VMFS_THIN};

VD_TEST(the_size_is_told_or_found)
{
    static const size_t lengths[] = {1, 512, 100000, VD_STEP_BYTES, 2 * VD_STEP_BYTES + 1, 3000001};

    for (size_t i = 0; i < VD_ARRAY_SIZE(lengths); i++) {
        VD_FREE uint8_t *bytes = image_new(lengths[i]);
        struct feed feed = {.bytes = bytes, .length = lengths[i]};

        for (size_t t = 0; t < 2 * VD_ARRAY_SIZE(types); t++) {
            AUTO_FILES files = folder_new();
            const struct vd_fs *fs = vd_fs_memory_fs(files);
            struct vd_error err = VD_ERROR_INIT;
            VD_FREE char *names = NULL;

            check_code_err(clone_feed(&feed, t % 2 ? lengths[i] : 0, types[t / 2], fs, &err), VD_OK,
                           &err);
            check(disk_has(fs, NEW, bytes, lengths[i]));
            check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
            check(strstr(names, "/.vdisk-") == NULL);
        }
    }
}

VD_TEST(another_size_than_told_makes_nothing)
{
    VD_FREE uint8_t *bytes = image_new(2100000);
    struct feed feed = {.bytes = bytes, .length = 2100000};
    AUTO_FILES files = folder_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;

    check_code(clone_feed(&feed, 2100001, VD_DISK_VMFS_THIN, fs, &err), VD_E_TRUNCATED);
    check_str_has(err.text, "'the feed' ends at byte 2100000, expected 2100001 bytes");
    check_only_keep(files);
    vd_error_clear(&err);
    check_code(clone_feed(&feed, 2099999, VD_DISK_VMFS_THIN, fs, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "'the feed' goes on after byte 2099999");
    check_only_keep(files);
    vd_error_clear(&err);
    feed.length = VD_STEP_BYTES; /* ends with a whole step, and then with nothing */
    check_code(clone_feed(&feed, VD_STEP_BYTES + 1, VD_DISK_VMFS_THIN, fs, &err), VD_E_TRUNCATED);
    check_code(clone_feed(&feed, VD_STEP_BYTES - 1, VD_DISK_VMFS_THIN, fs, &err), VD_E_INVALID_ARG);
    feed.length = 0;
    check_code(clone_feed(&feed, 0, VD_DISK_VMFS_THIN, fs, &err), VD_E_INVALID_ARG);
    check_only_keep(files);
}

VD_TEST(a_source_that_fails_makes_nothing)
{
    VD_FREE uint8_t *bytes = image_new(2100000);
    struct feed feed = {.bytes = bytes, .length = 2100000};

    for (feed.fail_at = 1; feed.fail_at < 2100000; feed.fail_at += 300000) {
        for (unsigned known = 0; known < 2; known++) {
            AUTO_FILES files = folder_new();
            struct vd_error err = VD_ERROR_INIT;

            check_code(clone_feed(&feed, known ? feed.length : 0, VD_DISK_MONOLITHIC_SPARSE,
                                  vd_fs_memory_fs(files), &err),
                       VD_E_IO);
            check_str_has(err.text, "'the feed'");
            check_only_keep(files);
        }
    }
}

/* True when the n-th call was there to fail. */
static bool fail_at(struct feed *feed, uint64_t size_bytes, unsigned kinds, uint64_t nth)
{
    AUTO_FILES files = folder_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    bool fired;
    int r;

    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    vd_fs_fault_arm(fault, kinds, nth, ENOSPC, false);
    r = clone_feed(feed, size_bytes, VD_DISK_MONOLITHIC_FLAT, vd_fs_fault_fs(fault), &err);
    fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    if (r == VD_OK)
        check(disk_has(fs, NEW, feed->bytes, feed->length));
    else
        check(fired && err.text[0] != '\0');
    /* Once it has its name it stays; and nothing can be done when removing fails. */
    if (r < 0 && kinds != VD_FAULT_UNLINK && !disk_has(fs, NEW, feed->bytes, feed->length))
        check_only_keep(files);
    return fired;
}

VD_TEST(every_failure_makes_nothing)
{
    VD_FREE uint8_t *bytes = image_new(300000);
    struct feed feed = {.bytes = bytes, .length = 300000};

    for (unsigned known = 0; known < 2; known++) {
        for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
            uint64_t nth = 1;
            while (fail_at(&feed, known ? feed.length : 0, bit, nth))
                nth++;
        }
    }
}
