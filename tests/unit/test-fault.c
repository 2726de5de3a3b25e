/* SPDX-License-Identifier: Apache-2.0 */
#include "block/fault.h"

#include <errno.h>
#include <string.h>

#include "block/memory.h"
#include "tests/harness.h"

struct rig {
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault;
    const struct vd_fs *fs;
};

static struct rig rig_new(void)
{
    struct rig rig = {NULL, NULL, NULL};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_memory_new(&rig.files, &err), VD_OK, &err);
    check_code_err(vd_fs_memory_add(rig.files, "from", "0123456789", 10, &err), VD_OK, &err);
    check_code_err(vd_fs_memory_add(rig.files, "to", "", 0, &err), VD_OK, &err);
    check_code_err(vd_fs_fault_new(vd_fs_memory_fs(rig.files), &rig.fault, &err), VD_OK, &err);
    rig.fs = vd_fs_fault_fs(rig.fault);
    return rig;
}

static void rig_done(struct rig *rig)
{
    vd_fs_fault_free(rig->fault);
    vd_fs_memory_free(rig->files);
}

static int copy_bytes(struct vd_block *from, struct vd_block *to, struct vd_error *err)
{
    uint64_t size;
    int ret = vd_block_size(from, &size, err);
    if (ret < 0)
        return ret;
    ret = vd_block_resize(to, size, err);
    for (uint64_t at = 0; ret >= 0 && at < size; at++) {
        char byte;
        ret = vd_block_read(from, at, &byte, 1, err);
        if (ret >= 0)
            ret = vd_block_write(to, at, &byte, 1, err);
    }
    return ret < 0 ? ret : vd_block_flush(to, err);
}

/* A small operation of the kind the walker is made for. */
static int copy_file(const struct vd_fs *fs, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *from = NULL;
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *to = NULL;
    int ret = vd_fs_open(fs, "from", 0, &from, err);
    if (ret >= 0)
        ret = vd_fs_open(fs, "to", VD_FS_WRITE, &to, err);
    if (ret >= 0)
        ret = copy_bytes(from, to, err);
    if (ret < 0)
        return ret;
    return vd_block_close(VD_TAKE_PTR(to), err);
}

static uint64_t walk(struct rig *rig, unsigned kinds)
{
    for (uint64_t nth = 1;; nth++) {
        struct vd_error err = VD_ERROR_INIT;
        vd_fs_fault_arm(rig->fault, kinds, nth, EIO, false);
        int ret = copy_file(rig->fs, &err);
        if (!vd_fs_fault_fired(rig->fault)) {
            check_code_err(ret, VD_OK, &err);
            check_u64_eq(vd_fs_fault_calls(rig->fault), nth - 1);
            return nth - 1;
        }
        check_code(ret, VD_E_IO);
        check_int_eq(err.sys_errno, EIO);
        check_str_has(err.text, "Input/output error");
        check_str_has(err.text, "cannot ");
        check(!strstr(err.text + 1, "cannot ")); /* told once */
    }
}

VD_TEST(walks_through_a_whole_operation)
{
    struct rig rig = rig_new();
    check_u64_eq(walk(&rig, VD_FAULT_OPEN), 2);
    check_u64_eq(walk(&rig, VD_FAULT_SIZE), 1);
    check_u64_eq(walk(&rig, VD_FAULT_RESIZE), 1);
    check_u64_eq(walk(&rig, VD_FAULT_READ), 10);
    check_u64_eq(walk(&rig, VD_FAULT_WRITE), 10);
    check_u64_eq(walk(&rig, VD_FAULT_FLUSH), 1);
    check_u64_eq(walk(&rig, VD_FAULT_ANY), 25);
    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 0, 0, false);

    struct vd_block *to = NULL;
    char got[10];
    check_code(vd_fs_open(rig.fs, "to", 0, &to, NULL), VD_OK);
    check_code(vd_block_read(to, 0, got, 10, NULL), VD_OK);
    check_mem_eq(got, "0123456789", 10);
    vd_block_free(to);
    rig_done(&rig);
}

VD_TEST(once_or_from_then_on)
{
    struct rig rig = rig_new();
    struct vd_block *block = NULL;
    check_code(vd_fs_open(rig.fs, "from", 0, &block, NULL), VD_OK);
    char got[2];

    vd_fs_fault_arm(rig.fault, VD_FAULT_READ, 2, EIO, false);
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_OK);
    check(!vd_fs_fault_fired(rig.fault));
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_E_IO);
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_OK);
    check(vd_fs_fault_fired(rig.fault));
    check_u64_eq(vd_fs_fault_calls(rig.fault), 3);

    vd_fs_fault_arm(rig.fault, VD_FAULT_READ, 2, EIO, true);
    check(!vd_fs_fault_fired(rig.fault));
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_OK);
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_E_IO);
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_E_IO);

    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 0, 0, true);
    check_code(vd_block_read(block, 0, got, 2, NULL), VD_OK);
    check_u64_eq(vd_fs_fault_calls(rig.fault), 1);
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(zeros_are_written_where_the_system_makes_none)
{
    struct rig rig = rig_new();
    struct vd_block *block = NULL;
    check_code(vd_fs_open(rig.fs, "from", VD_FS_WRITE, &block, NULL), VD_OK);
    vd_fs_fault_arm(rig.fault, VD_FAULT_PUNCH | VD_FAULT_ALLOCATE, 2, EOPNOTSUPP, true);
    check_code(vd_block_punch(block, 0, 2, NULL), VD_OK);
    check_code(vd_block_punch(block, 4, 2, NULL), VD_OK);
    check_code(vd_block_allocate(block, 8, 4, NULL, NULL), VD_OK);
    check_u64_eq(vd_fs_fault_calls(rig.fault), 3);
    char got[12];
    check_code(vd_block_read(block, 0, got, 12, NULL), VD_OK);
    check_mem_eq(got,
                 "\0\0"
                 "23\0\0"
                 "67\0\0\0\0",
                 12);

    vd_fs_fault_arm(rig.fault, VD_FAULT_PUNCH, 1, EIO, true);
    check_code(vd_block_punch(block, 4, 2, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_ALLOCATE, 1, ENOSPC, true);
    check_code(vd_block_allocate(block, 4, 2, NULL, NULL), VD_E_DISK_FULL);
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(names_that_do_not_change)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    struct vd_fs_stat status;
    const unsigned kinds =
        VD_FAULT_CREATE | VD_FAULT_UNLINK | VD_FAULT_RENAME | VD_FAULT_SYNC_FOLDER | VD_FAULT_OPEN;
    vd_fs_fault_arm(rig.fault, kinds, 1, EROFS, true);
    check_code(vd_fs_create(rig.fs, "new", 0, NULL, &block, &err), VD_E_READ_ONLY);
    check_str_eq(err.text, "cannot create 'new': Read-only file system");
    check_code(vd_fs_unlink(rig.fs, "from", NULL), VD_E_READ_ONLY);
    check_code(vd_fs_rename(rig.fs, "from", "x", NULL), VD_E_READ_ONLY);
    check_code(vd_fs_rename_replacing(rig.fs, "from", "to", NULL), VD_E_READ_ONLY);
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_E_READ_ONLY);
    check_code(vd_fs_stat(rig.fs, "from", &status, NULL), VD_E_READ_ONLY);
    check_u64_eq(vd_fs_fault_calls(rig.fault), 6);

    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 0, 0, false);
    check_code(vd_fs_create(rig.fs, "new", 0, NULL, &block, &err), VD_OK);
    check_code(vd_block_write(block, 0, "abc", 3, NULL), VD_OK);
    check_code(vd_block_close(block, NULL), VD_OK);
    check_code(vd_fs_stat(rig.fs, "new", &status, NULL), VD_OK);
    check_u64_eq(status.size_bytes, 3);
    check_code(vd_fs_rename(rig.fs, "new", "to", NULL), VD_E_EXISTS);
    check_code(vd_fs_rename_replacing(rig.fs, "new", "to", NULL), VD_OK);
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_OK);
    check_code(vd_fs_unlink(rig.fs, "to", NULL), VD_OK);
    check_code(vd_fs_unlink(rig.fs, "to", NULL), VD_E_NOT_FOUND);
    rig_done(&rig);
}

VD_TEST(every_kind_of_call)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    uint64_t a;
    uint64_t b;
    char *text = NULL;

    vd_fs_fault_arm(rig.fault, VD_FAULT_OPEN, 1, EMFILE, true);
    check_code(vd_fs_open(rig.fs, "from", 0, &block, &err), VD_E_TOO_MANY_FILES);
    check_str_eq(err.text, "cannot open 'from': Too many open files");
    check_code(vd_fs_match_name(rig.fs, ".", "FROM", &text, NULL), VD_E_TOO_MANY_FILES);
    check_code(vd_fs_real_path(rig.fs, "from", &text, NULL), VD_E_TOO_MANY_FILES);

    vd_fs_fault_arm(rig.fault, VD_FAULT_SIZE, 0, 0, false);
    check_code(vd_fs_match_name(rig.fs, ".", "FROM", &text, NULL), VD_OK);
    check_str_eq(text, "from");
    free(VD_TAKE_PTR(text));
    check_code(vd_fs_real_path(rig.fs, "./from", &text, NULL), VD_OK);
    check_str_eq(text, "from");
    free(VD_TAKE_PTR(text));
    check_code(vd_fs_open(rig.fs, "from", VD_FS_WRITE, &block, NULL), VD_OK);
    check(block->capabilities & VD_BLOCK_WRITABLE);
    check_code(vd_block_next_data(block, 3, &a, &b, NULL), VD_OK);
    check_u64_eq(a, 3);
    check_u64_eq(b, 10);
    check_code(vd_block_allocated(block, &a, NULL), VD_OK);
    check_u64_eq(a, 10);

    vd_fs_fault_arm(rig.fault, VD_FAULT_SIZE, 2, EIO, false);
    check_code(vd_block_next_data(block, 3, &a, &b, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_SIZE, 1, EIO, false);
    check_code(vd_block_allocated(block, &a, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_WRITE, 1, ENOSPC, false);
    check_code(vd_block_write(block, 0, "x", 1, NULL), VD_E_DISK_FULL);

    vd_error_clear(&err);
    vd_fs_fault_arm(rig.fault, VD_FAULT_CLOSE, 1, EIO, false);
    check_code(vd_block_close(block, &err), VD_E_IO);
    check_str_eq(err.text, "cannot close 'from': Input/output error");
    check_code(vd_fs_open(rig.fs, "none", 0, &block, NULL), VD_E_NOT_FOUND);
    rig_done(&rig);
    vd_fs_fault_free(NULL);
}
