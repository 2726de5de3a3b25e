/* SPDX-License-Identifier: Apache-2.0 */
/* How a repair goes about it: backup, locks, progress, and calls that fail. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/fault.h"
#include "check-kdmv.h"

static void rgt_lacks(struct kdmv_image *image)
{
    kdmv_set_gte(image, true, 5, 0);
}

static void unclean(struct kdmv_image *image)
{
    image->header.unclean_shutdown = true;
    kdmv_put_header(image);
}

static void leak_tail(struct kdmv_image *image)
{
    kdmv_append(image, NULL, 3 * GRAIN * VD_SECTOR_BYTES);
}

/* --- the backup --- */

VD_TEST(the_backup_holds_what_was_replaced)
{
    KDMV_IMAGE image;
    size_t length;
    check_kdmv_build(&image);
    rgt_lacks(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    (void)check_disk_finds(fs, true, "leak rgt-behind repaired\n");
    VD_FREE uint8_t *backup = check_disk_bytes(fs, "extent.vdisk-repair-backup", &length);
    uint64_t sector = kdmv_gde(&image, true, 0); /* entry 5 is in the table's first sector */
    char head[64];
    check_u64_eq(length, 3 * VD_SECTOR_BYTES);
    (void)snprintf(head, sizeof head, "vdisk repair backup 1\nbytes: %zu\nfile: extent\n",
                   image.length);
    check_str_eq((char *)backup, head);
    (void)snprintf(head, sizeof head, "sector: %llu\n", (unsigned long long)sector);
    check_str_eq((char *)backup + VD_SECTOR_BYTES, head);
    check_mem_eq(backup + 2 * VD_SECTOR_BYTES, image.bytes + sector * VD_SECTOR_BYTES,
                 VD_SECTOR_BYTES);
}

VD_TEST(an_older_backup_is_never_overwritten)
{
    KDMV_IMAGE image;
    size_t length;
    check_kdmv_build(&image);
    rgt_lacks(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_code(vd_fs_memory_add(files, "extent.vdisk-repair-backup", "old", 3, NULL), VD_OK);
    (void)check_disk_finds(fs, true, "leak rgt-behind repaired\n");
    VD_FREE uint8_t *old = check_disk_bytes(fs, "extent.vdisk-repair-backup", &length);
    check_u64_eq(length, 3);
    check_mem_eq(old, "old", 3);
    VD_FREE uint8_t *newer = check_disk_bytes(fs, "extent.vdisk-repair-backup.1", &length);
    check_u64_eq(length, 3 * VD_SECTOR_BYTES);
    check_str_has((char *)newer, "vdisk repair backup 1");
}

VD_TEST(a_healthy_disk_gets_no_backup)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    VD_FREE char *names = NULL;
    (void)check_disk_finds(vd_fs_memory_fs(files), true, "");
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    check_str_eq(names, "disk.vmdk\nextent\n");
}

/* --- locks, progress, cancel --- */

VD_TEST(a_disk_in_use_is_not_repaired)
{
    KDMV_IMAGE image;
    struct vd_block *writer = NULL;
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_kdmv_build(&image);
    rgt_lacks(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_code(vd_fs_open(fs, "extent", VD_FS_WRITE, &writer, NULL), VD_OK);
    check_code_err(check_disk_run(fs, true, &findings, &result, &err), VD_E_LOCKED, &err);
    check_str_has(err.text, "extent");
    (void)check_disk_finds(fs, false, "leak rgt-behind repairable\n"); /* looking needs no lock */
    vd_block_free(writer);
    vd_buf_done(&findings);
}

struct watch {
    uint64_t last;
    uint64_t total;
    uint64_t calls;
    uint64_t stop_at;
};

static bool watch_report(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;
    check(done >= watch->last && done <= total);
    watch->last = done;
    watch->total = total;
    return ++watch->calls != watch->stop_at;
}

VD_TEST(progress_rises_to_the_end_and_can_stop)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    struct watch watch = {0};
    const struct vd_progress progress = {watch_report, &watch};
    const struct vd_check_options options = {.open = {.fs = vd_fs_memory_fs(files)},
                                             .progress = &progress};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_vmdk_check("disk.vmdk", &options, &result, NULL), VD_OK);
    check(watch.calls > 0 && watch.last == watch.total);
    check_u64_eq(watch.total, (uint64_t)CAPACITY * VD_SECTOR_BYTES);
    watch = (struct watch){.stop_at = 1};
    check_code_err(vd_vmdk_check("disk.vmdk", &options, &result, &err), VD_E_CANCELLED, &err);
}

/* --- failing calls --- */

static void much_damage(struct kdmv_image *image)
{
    rgt_lacks(image);
    kdmv_set_gte(image, true, 127, UINT32_MAX);
    kdmv_set_gte(image, false, 200, UINT32_MAX);
    kdmv_set_gte(image, true, BEYOND, 77);
    kdmv_set_gde(image, true, 2, UINT32_MAX);
    unclean(image);
    leak_tail(image);
}

static const char *const much_found = "fault rgte-invalid repaired\nfault gte-invalid repaired\n";

/* Repairs with call `nth` of `kinds` failing; false when none failed. */
static bool fail_once(unsigned kinds, uint64_t nth, bool persistent)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    much_damage(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    VD_FREE uint8_t *before = check_disk_content(fs, CAPACITY);

    vd_fs_fault_arm(fault, kinds, nth, EIO, persistent);
    int r = check_disk_run(vd_fs_fault_fs(fault), true, &findings, &result, &err);
    bool fired = vd_fs_fault_fired(fault);
    check(!fired || (r < 0 && err.text[0] != '\0') || r >= 0);
    VD_FREE uint8_t *between = check_disk_content(fs, CAPACITY);
    check_kdmv_same(before, between, 200);

    vd_buf_done(&findings);
    findings = (struct vd_buf)VD_BUF_INIT(CHECK_TEXT_BYTES);
    check_code_err(check_disk_run(fs, true, &findings, &result, &err), VD_OK, &err);
    check(result.clean);
    (void)check_disk_finds(fs, false, "");
    VD_FREE uint8_t *after = check_disk_content(fs, CAPACITY);
    check_kdmv_same(before, after, 200);
    vd_buf_done(&findings);
    return fired;
}

static void fail_each(unsigned kinds, bool persistent)
{
    uint64_t nth = 1;
    while (fail_once(kinds, nth, persistent))
        nth++;
    check(nth > 1);
    printf("# %llu calls failed one by one\n", (unsigned long long)nth - 1);
}

VD_TEST(a_repair_survives_any_failing_write)
{
    fail_each(VD_FAULT_WRITE, false);
}

VD_TEST(a_repair_survives_any_failing_flush)
{
    fail_each(VD_FAULT_FLUSH, false);
}

VD_TEST(a_repair_survives_any_failing_call)
{
    fail_each(VD_FAULT_ANY, true);
}

VD_TEST(much_damage_is_repaired_at_once)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    much_damage(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    check_code(check_disk_run(vd_fs_memory_fs(files), true, &findings, &result, NULL), VD_OK);
    check_str_has(vd_buf_text(&findings), much_found);
    check_u64_eq(result.faults, 3);
    check_u64_eq(result.repaired, 7);
    (void)check_disk_finds(vd_fs_memory_fs(files), false, "");
    vd_buf_done(&findings);
}
