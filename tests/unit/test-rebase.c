/* SPDX-License-Identifier: Apache-2.0 */
/* A child on another parent: that its content stays, whatever fails. */
#include <errno.h>

#include "file-ops-disks.h"
#include "ops/rebase.h"
#include "vmdk/report.h"

#define OTHER "dir/other.vmdk"

/* Another parent for the child: like its own in the first half, otherwise in the second. */
static void add_other(struct vd_fs_memory *files)
{
    uint8_t bytes[PART_SECTORS * VD_SECTOR_BYTES];

    memset(bytes, 'b', sizeof bytes / 2);
    memset(bytes + sizeof bytes / 2, 'x', sizeof bytes - sizeof bytes / 2);
    add_text(files, OTHER,
             HEAD "CID=0000000c\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                  "RW 200 FLAT \"other-flat.vmdk\" 0\n" DDB);
    check_code(vd_fs_memory_add(files, "dir/other-flat.vmdk", bytes, sizeof bytes, NULL), VD_OK);
}

static void check_descriptor(const struct vd_fs *fs, uint32_t cid, const char *hint,
                             uint32_t parent_cid)
{
    struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_SINGLE_LINK};
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_descriptor *descriptor;

    check_code_err(vd_report_new("dir/a.vmdk", &options, false, &report, &err), VD_OK, &err);
    descriptor = report->links[0].descriptor;
    check_u64_eq(descriptor->cid, cid);
    check_u64_eq(descriptor->parent_cid, parent_cid);
    check_int_eq(hint == NULL, descriptor->parent_hint == NULL);
    if (hint)
        check_str_eq(descriptor->parent_hint, hint);
    check_str_eq(vd_descriptor_ddb(descriptor, "longContentID"), "00");
}

VD_TEST(content_and_content_id_stay)
{
    for (unsigned flatten = 0; flatten < 2; flatten++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        struct vd_vmdk_options options = {.fs = fs};
        struct vd_error err = VD_ERROR_INIT;
        size_t length = 0;

        add_disk(files, CHILD);
        add_other(files);
        VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
        check_code_err(vd_rebase("dir/a.vmdk", flatten ? NULL : OTHER, &options, NULL, &err), VD_OK,
                       &err);
        check(disk_has(fs, "dir/a.vmdk", content, length));
        check_descriptor(fs, 0xa, flatten ? NULL : "other.vmdk", flatten ? 0xffffffff : 0xc);
    }
}

struct watch {
    uint64_t last;
    uint64_t total;
    unsigned left; /* reports until it has seen enough */
};

static bool watch_report(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;

    check(done >= watch->last && done <= total);
    watch->last = done;
    watch->total = total;
    return watch->left-- > 0;
}

VD_TEST(a_cancel_leaves_the_old_parent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = {.fs = fs};
    struct watch watch = {.left = 0};
    struct vd_progress progress = {watch_report, &watch};
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;

    add_disk(files, CHILD);
    add_other(files);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code(vd_rebase("dir/a.vmdk", OTHER, &options, &progress, &err), VD_E_CANCELLED);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    watch = (struct watch){.left = 1000};
    vd_error_clear(&err);
    check_code_err(vd_rebase("dir/a.vmdk", OTHER, &options, &progress, &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_u64_eq(watch.last, length);
    check_u64_eq(watch.total, length);
}

/* True when the n-th call was there to fail. */
static bool fail_at(const char *parent, unsigned kinds, uint64_t nth, bool persistent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_vmdk_options plain = {.fs = fs};
    struct vd_vmdk_options faulty;
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    bool fired;
    int r;

    add_disk(files, CHILD);
    add_other(files);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    faulty = (struct vd_vmdk_options){.fs = vd_fs_fault_fs(fault)};
    vd_fs_fault_arm(fault, kinds, nth, nth % 2 ? EIO : ENOSPC, persistent);
    r = vd_rebase("dir/a.vmdk", parent, &faulty, NULL, &err);
    fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    check(r == VD_OK || (fired && err.text[0] != '\0'));
    check(disk_has(fs, "dir/a.vmdk", content, length));
    /* What the first attempt left undone. It may have been the very last step that failed. */
    vd_error_clear(&err);
    r = r < 0 ? vd_rebase("dir/a.vmdk", parent, &plain, NULL, &err) : VD_OK;
    check(r == VD_OK || r == VD_E_DAMAGED || (r == VD_E_ATTACH_ROOT && !parent));
    check(disk_has(fs, "dir/a.vmdk", content, length));
    return fired;
}

VD_TEST(every_failure_keeps_the_content)
{
    for (unsigned flatten = 0; flatten < 2; flatten++) {
        for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
            for (unsigned persistent = 0; persistent < 2; persistent++) {
                uint64_t nth = 1;
                while (fail_at(flatten ? NULL : OTHER, bit, nth, persistent))
                    nth++;
            }
        }
    }
}
