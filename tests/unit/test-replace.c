/* SPDX-License-Identifier: Apache-2.0 */
#include "block/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/fault.h"
#include "block/memory.h"
#include "tests/harness.h"

#define OLD "old content"
#define NEW "the new content, which is longer"

static void check_content(const struct vd_fs *fs, const char *path, const char *want)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    char got[100] = "";
    size_t done;
    check_code_err(vd_fs_open(fs, path, 0, &block, &err), VD_OK, &err);
    check_code_err(vd_block_read_some(block, 0, got, sizeof got - 1, &done, &err), VD_OK, &err);
    check_u64_eq(done, strlen(want));
    check_str_eq(got, want);
}

VD_TEST(old_files_and_new_ones)
{
    const struct vd_fs *host = vd_fs_host();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a.vmdk", OLD, strlen(OLD));
    check_code_err(vd_fs_replace_file(host, path, NEW, strlen(NEW), &err), VD_OK, &err);
    check_content(host, path, NEW);
    check_code_err(vd_fs_replace_file(host, path, "", 0, &err), VD_OK, &err);
    check_content(host, path, "");
    check_code_err(vd_fs_replace_file(host, test_path("b"), NEW, strlen(NEW), &err), VD_OK, &err);
    check_content(host, test_path("b"), NEW);
    char *temporary = NULL;
    check_code(vd_fs_match_name(host, test_folder(), ".vdisk", &temporary, NULL), VD_E_NOT_FOUND);
}

VD_TEST(mode_owner_and_links_stay)
{
    const struct vd_fs *host = vd_fs_host();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", OLD, strlen(OLD));
    check_int_eq(chmod(path, 0604), 0);
    check_int_eq(symlink("a", test_path("link")), 0);
    check_code_err(vd_fs_replace_file(host, test_path("link"), NEW, strlen(NEW), &err), VD_OK,
                   &err);
    struct stat status;
    check_int_eq(lstat(test_path("link"), &status), 0);
    check(S_ISLNK(status.st_mode));
    check_int_eq(stat(path, &status), 0);
    check_int_eq(status.st_mode & 07777, 0604);
    check_u64_eq(status.st_uid, getuid());
    check_content(host, path, NEW);
}

VD_TEST(what_is_no_file_is_not_replaced)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_fs_replace_file(vd_fs_host(), test_folder(), NEW, 3, &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "cannot replace '");
    check_code(vd_fs_replace_file(vd_fs_host(), test_path("no/where"), NEW, 3, NULL),
               VD_E_NOT_FOUND);
}

/* Names a crash left behind are stepped over, and another program's are left alone. */
VD_TEST(names_that_are_taken)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    for (unsigned i = 0; i < 100; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "d/.vdisk-%ld-%u.tmp", (long)getpid(), i);
        check_code(vd_fs_memory_add(files, name, "x", 1, NULL), VD_OK);
    }
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_code_err(vd_fs_replace_file(fs, "d/a", NEW, strlen(NEW), &err), VD_OK, &err);
    check_content(fs, "d/a", NEW);

    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    vd_fs_fault_arm(fault, VD_FAULT_CREATE, 1, EEXIST, true);
    check_code(vd_fs_replace_file(vd_fs_fault_fs(fault), "d/a", OLD, 3, &err), VD_E_EXISTS);
    check_u64_eq(vd_fs_fault_calls(fault), 101); /* and then it gives up */
    check_content(fs, "d/a", NEW);
}

/* After the n-th call failed: old or new, whole, and nothing beside it. */
static void check_outcome(struct vd_fs_memory *files, int code, const char *old, const char *names)
{
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_FREE char *list = NULL;
    check_code(vd_fs_memory_list(files, &list, NULL), VD_OK);
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, "d/a", &status, NULL), VD_OK);
    bool is_new = status.kind == VD_FS_FILE && status.size_bytes == strlen(NEW);
    check(is_new || code < 0);
    if (is_new || old)
        check_content(fs, "d/a", is_new ? NEW : old);
    else
        check_int_eq(status.kind, VD_FS_NOTHING);
    if (names)
        check_str_eq(list, is_new || old ? names : "d/other\n");
    if (is_new && old)
        check_int_eq(status.access.mode, 0644);
}

static uint64_t walk(unsigned kinds, const char *old, bool persistent)
{
    for (uint64_t nth = 1;; nth++) {
        VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
        VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
        check_code(vd_fs_memory_new(&files, NULL), VD_OK);
        check_code(vd_fs_memory_add(files, "d/other", "x", 1, NULL), VD_OK);
        if (old)
            check_code(vd_fs_memory_add(files, "d/a", old, strlen(old), NULL), VD_OK);
        check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);

        struct vd_error err = VD_ERROR_INIT;
        vd_fs_fault_arm(fault, kinds, nth, ENOSPC, persistent);
        int code = vd_fs_replace_file(vd_fs_fault_fs(fault), "d/a", NEW, strlen(NEW), &err);
        bool fired = vd_fs_fault_fired(fault);
        bool may_stay = persistent && (kinds & VD_FAULT_UNLINK); /* the removal failed, too */
        check_outcome(files, code, old, may_stay ? NULL : "d/a\nd/other\n");
        if (!fired) {
            check_code_err(code, VD_OK, &err);
            return nth - 1;
        }
        check_code(code, VD_E_DISK_FULL);
        check_str_has(err.text, "cannot ");
        check_str_has(err.text, "'d");
        check_str_has(err.text, "No space left on device");
    }
}

VD_TEST(every_call_failing)
{
    const unsigned all = VD_FAULT_ANY | VD_FAULT_CLOSE;
    /* stat, real path, create, write, flush, close, rename, sync of the folder */
    check_u64_eq(walk(all, OLD, false), 8);
    check_u64_eq(walk(all, OLD, true), 8);
    check_u64_eq(walk(all & ~(unsigned)VD_FAULT_UNLINK, OLD, true), 8);
    check_u64_eq(walk(all, NULL, false), 7);
    check_u64_eq(walk(all, NULL, true), 7);
    check_u64_eq(walk(VD_FAULT_RENAME, OLD, false), 1);
}

static void *replace_often(void *data)
{
    const char *path = data;
    for (int i = 0; i < 50; i++) {
        char text[64];
        memset(text, 'a' + i % 26, sizeof text);
        check_code(vd_fs_replace_file(vd_fs_host(), path, text, sizeof text, NULL), VD_OK);
    }
    return NULL;
}

VD_TEST(readers_see_one_content_whole)
{
    enum { THREADS = 3 };
    static char path[512];
    (void)snprintf(path, sizeof path, "%s", test_file("a", "", 0));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_create(&threads[i], NULL, replace_often, path), 0);
    for (int i = 0; i < 200; i++) {
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
        char got[65];
        size_t done;
        check_code(vd_fs_open(vd_fs_host(), path, 0, &block, NULL), VD_OK);
        check_code(vd_block_read_some(block, 0, got, sizeof got, &done, NULL), VD_OK);
        check(done == 0 || done == 64);
        for (size_t j = 1; j < done; j++)
            check_int_eq(got[j], got[0]);
    }
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
}
