/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload in which the n-th call fails, for every n until none does: the error names a file, the
 * disk is what it was or what was written, and everything flushed before is there. A disk whose
 * call failed once is closed and written again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "block/fault.h"
#include "build-image.h"
#include "harness.h"
#include "workload.h"

enum { STEPS = 14, MOST_CALLS = 3000 };

static void check_disk(const struct workload *work, struct vd_fs_memory *files)
{
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files),
                                            .flags = VD_VMDK_READ_ONLY};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(vd_vmdk_open(BUILT_DISK, &options, &disk, &err), VD_OK, &err);
    workload_check(work, disk, SIZE_MAX - 1);
    check_code(vd_disk_close(disk, NULL), VD_OK);
}

/* True when the n-th call was there to fail. */
static bool fail_at(enum built_kind kind, unsigned kinds, uint64_t nth, bool persistent)
{
    BUILT model;
    WORKLOAD work;
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    int sys_errno = nth % 2 ? EIO : ENOSPC;
    built_make(&model, kind);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(model.files), &fault, NULL), VD_OK);
    workload_init(&work, &model, 4711 + kind, NULL, NULL);
    check_code(workload_session(&work, vd_fs_fault_fs(fault), STEPS, NULL), VD_OK);
    vd_fs_fault_arm(fault, kinds, nth, sys_errno, persistent);
    int r = workload_session(&work, vd_fs_fault_fs(fault), STEPS, &err);
    bool fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    if (r < 0) {
        check(fired);
        check_str_has(err.text, "'");
        check(err.code == r && r != VD_E_FAIL);
    }
    check_disk(&work, model.files);
    /* A failure between the copies of a table leaves what only a repair may touch. */
    r = workload_session(&work, vd_fs_memory_fs(model.files), STEPS, &err);
    if (r < 0) {
        check(fired);
        check_code_err(r, VD_E_DAMAGED, &err);
    }
    check_disk(&work, model.files);
    return fired;
}

static void walk(enum built_kind kind, unsigned kinds, bool persistent)
{
    uint64_t nth = 1;
    while (fail_at(kind, kinds, nth, persistent)) {
        nth++;
        check(nth < MOST_CALLS);
    }
    printf("# %s: %llu calls failed\n", built_name(kind), (unsigned long long)nth - 1);
}

VD_TEST(every_call_once)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++)
        walk(kind, VD_FAULT_ANY, false);
}

VD_TEST(every_call_from_one_on)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++)
        walk(kind, VD_FAULT_WRITE | VD_FAULT_FLUSH | VD_FAULT_RENAME, true);
}

VD_TEST(closing_tells_a_late_error)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++) {
        BUILT model;
        WORKLOAD work;
        VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
        struct vd_error err = VD_ERROR_INIT;
        struct vd_disk *disk = NULL;
        uint8_t bytes[512] = "x";
        built_make(&model, kind);
        check_code(vd_fs_fault_new(vd_fs_memory_fs(model.files), &fault, NULL), VD_OK);
        workload_init(&work, &model, 1, NULL, NULL);
        const struct vd_vmdk_options options = {.fs = vd_fs_fault_fs(fault)};
        check_code(vd_vmdk_open(BUILT_DISK, &options, &disk, NULL), VD_OK);
        check_code(vd_disk_write(disk, 0, 1, bytes, NULL), VD_OK);
        vd_fs_fault_arm(fault, VD_FAULT_CLOSE, 1, EIO, true);
        check_code(vd_disk_close(disk, &err), VD_E_IO);
        check_str_has(err.text, "closing 'd.vmdk'");
    }
}
