/* SPDX-License-Identifier: Apache-2.0 */
#include "block/memory.h"

#include <pthread.h>
#include <string.h>

#include "base/units.h"
#include "tests/harness.h"

static struct vd_fs_memory *new_files(void)
{
    struct vd_fs_memory *files = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_memory_new(&files, &err), VD_OK, &err);
    return files;
}

static void add(struct vd_fs_memory *files, const char *path, const char *text)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_memory_add(files, path, text, strlen(text), &err), VD_OK, &err);
}

static struct vd_block *open_block(struct vd_fs_memory *files, const char *path, unsigned flags)
{
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_open(vd_fs_memory_fs(files), path, flags, &block, &err), VD_OK, &err);
    return block;
}

static void check_text(struct vd_block *block, const char *want)
{
    char got[64] = "";
    size_t done;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_block_read_some(block, 0, got, sizeof got - 1, &done, &err), VD_OK, &err);
    check_u64_eq(done, strlen(want));
    check_str_eq(got, want);
}

VD_TEST(files_have_names_and_bytes)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    add(files, "a.vmdk", "one");
    add(files, "dir/b.vmdk", "two");
    add(files, "/abs/c.vmdk", "three");

    static const char *const names[][2] = {
        {"a.vmdk", "one"},     {"./a.vmdk", "one"},      {"dir/../a.vmdk", "one"},
        {"dir/b.vmdk", "two"}, {"/abs/c.vmdk", "three"}, {"/abs/./x/../c.vmdk", "three"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(names); i++) {
        VD_CLEANUP(vd_block_free_cleanup)
        struct vd_block *block = open_block(files, names[i][0], 0);
        check_str_eq(vd_block_path(block), names[i][0]);
        check_text(block, names[i][1]);
    }

    static const char *const missing[] = {"A.vmdk", "b.vmdk", "dir", "", "abs/c.vmdk", "a.vmdk/x"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(missing); i++) {
        struct vd_error err = VD_ERROR_INIT;
        struct vd_block *block = NULL;
        check_code(vd_fs_open(vd_fs_memory_fs(files), missing[i], 0, &block, &err), VD_E_NOT_FOUND);
        check_str_has(err.text, missing[i]);
    }
}

VD_TEST(replacing_leaves_readers_alone)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    add(files, "a", "old");
    struct vd_block *old = open_block(files, "a", 0);
    add(files, "./a", "newer");
    struct vd_block *newer = open_block(files, "a", 0);
    check_text(old, "old");
    check_text(newer, "newer");
    check_u64_eq(old->identity.device, newer->identity.device);
    check(old->identity.inode != newer->identity.inode);
    vd_block_free(old);
    vd_block_free(newer);
}

VD_TEST(writing_grows_and_resizing_cuts)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    add(files, "a", "0123456789");
    struct vd_block *reader = open_block(files, "a", 0);
    struct vd_block *writer = open_block(files, "a", VD_FS_WRITE);

    check_code(vd_block_write(reader, 0, "x", 1, NULL), VD_E_READ_ONLY);
    check_code_err(vd_block_write(writer, 2, "ab", 2, &err), VD_OK, &err);
    check_text(reader, "01ab456789");
    check_code_err(vd_block_resize(writer, 3, &err), VD_OK, &err);
    check_text(reader, "01a");
    check_code_err(vd_block_write(writer, 5, "z", 1, &err), VD_OK, &err);
    char got[6];
    check_code_err(vd_block_read(reader, 0, got, 6, &err), VD_OK, &err);
    check_mem_eq(got, "01a\0\0z", 6); /* what was cut away does not come back */
    check_code_err(vd_block_flush(writer, &err), VD_OK, &err);
    vd_block_free(reader);
    check_code_err(vd_block_close(writer, &err), VD_OK, &err);
}

VD_TEST(sparse_files_read_zeros_past_their_bytes)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    uint64_t size = 62 * VD_TIB;
    check_code_err(vd_fs_memory_add_sparse(files, "huge", "head", 4, size, &err), VD_OK, &err);
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_block(files, "huge", VD_FS_WRITE);

    uint64_t told;
    check_code_err(vd_block_size(block, &told, &err), VD_OK, &err);
    check_u64_eq(told, size);
    char got[8];
    memset(got, 'x', sizeof got);
    check_code_err(vd_block_read(block, 2, got, 8, &err), VD_OK, &err);
    check_mem_eq(got, "ad\0\0\0\0\0\0", 8);
    memset(got, 'x', sizeof got);
    check_code_err(vd_block_read(block, size - 8, got, 8, &err), VD_OK, &err);
    check_mem_eq(got, "\0\0\0\0\0\0\0\0", 8);
    check_code(vd_block_read(block, size - 4, got, 8, &err), VD_E_TRUNCATED);
    uint64_t start;
    uint64_t end;
    check_code(vd_block_next_data(block, 10, &start, &end, NULL), VD_OK);
    check_u64_eq(start, 10);
    check_u64_eq(end, size);

    check_code(vd_block_write(block, VD_MEMORY_MAX_BYTES, "x", 1, NULL), VD_E_DISK_FULL);
    check_code(vd_block_write(block, 100, "x", 1, NULL), VD_OK);
}

VD_TEST(allocating_and_punching)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    add(files, "a", "0123456789");
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_block(files, "a", VD_FS_WRITE);
    check_code_err(vd_block_punch(block, 2, 3, &err), VD_OK, &err);
    check_code_err(vd_block_punch(block, 9, 30, &err), VD_OK, &err);
    char got[14];
    check_code_err(vd_block_read(block, 0, got, 10, &err), VD_OK, &err);
    check_mem_eq(got,
                 "01\0\0\0"
                 "5678\0",
                 10);
    check_code_err(vd_block_allocate(block, 7, 7, NULL, &err), VD_OK, &err);
    check_code_err(vd_block_read(block, 0, got, 14, &err), VD_OK, &err);
    check_mem_eq(got,
                 "01\0\0\0"
                 "56\0\0\0\0\0\0\0",
                 14);
    uint64_t size;
    check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
    check_u64_eq(size, 14);
    check_code(vd_block_allocate(block, 0, VD_MEMORY_MAX_BYTES + 1, NULL, &err), VD_E_DISK_FULL);
}

VD_TEST(names_in_folders)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    add(files, "Top.vmdk", "");
    add(files, "Dir/Sub/x.vmdk", "");
    add(files, "/abs/Y.vmdk", "");
    add(files, "dup", "");
    add(files, "DUP", "");

    static const struct {
        const char *folder, *name, *want;
    } cases[] = {
        {".", "top.VMDK", "Top.vmdk"},
        {".", "dir", "Dir"},
        {"Dir", "sub", "Sub"},
        {"Dir/", "SUB", "Sub"},
        {"Dir/Sub", "X.vmdk", "x.vmdk"},
        {"/abs", "y.vmdk", "Y.vmdk"},
        {"/", "ABS", "abs"},
        {".", "dup", "dup"},
        {".", "DUP", "DUP"},
        {".", "Dup", "DUP"},
        {".", "none", NULL},
        {"Di", "sub", NULL},
        {".", "abs", NULL},
        {"dir", "sub", NULL},
        {"Dir", "x.vmdk", NULL},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_FREE char *got = NULL;
        int ret =
            vd_fs_match_name(vd_fs_memory_fs(files), cases[i].folder, cases[i].name, &got, NULL);
        check_code(ret, cases[i].want ? VD_OK : VD_E_NOT_FOUND);
        check_str_eq(got, cases[i].want);
    }
}

VD_TEST(real_paths)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    add(files, "dir/a", "");
    VD_FREE char *file = NULL;
    VD_FREE char *folder = NULL;
    char *none = NULL;
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_code(vd_fs_real_path(fs, "./dir//a", &file, NULL), VD_OK);
    check_str_eq(file, "dir/a");
    check_code(vd_fs_real_path(fs, "dir/", &folder, NULL), VD_OK);
    check_str_eq(folder, "dir");
    check_code(vd_fs_real_path(fs, "di", &none, NULL), VD_E_NOT_FOUND);
}

VD_TEST(one_anonymous_block)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    check_code_err(vd_block_memory_new("abc", 3, &block, &err), VD_OK, &err);
    check_text(block, "abc");
    char got[4];
    check_code(vd_block_read(block, 1, got, 4, &err), VD_E_TRUNCATED);
    check_str_eq(err.text, "cannot read 4 bytes at offset 1 of '(memory)': the file ends at offset "
                           "3");
    vd_block_free(block);
    check_code(vd_block_memory_new(NULL, 0, &block, &err), VD_OK);
    check_text(block, "");
    vd_block_free(block);
    vd_fs_memory_free(NULL);
}

static void *write_often(void *data)
{
    struct vd_block *block = data;
    for (int i = 0; i < 500; i++) {
        char bytes[8];
        memset(bytes, 'a' + i % 26, sizeof bytes);
        check_code(vd_block_write(block, 0, bytes, sizeof bytes, NULL), VD_OK);
        check_code(vd_block_write(block, (uint64_t)i * 16, bytes, sizeof bytes, NULL), VD_OK);
        char got[8];
        check_code(vd_block_read(block, 0, got, sizeof got, NULL), VD_OK);
        for (size_t j = 1; j < sizeof got; j++)
            check_int_eq(got[j], got[0]); /* each write is seen whole or not at all */
    }
    return NULL;
}

VD_TEST(many_writers_at_once)
{
    enum { THREADS = 4 };
    struct vd_block *block = NULL;
    check_code(vd_block_memory_new("xxxxxxxx", 8, &block, NULL), VD_OK);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_create(&threads[i], NULL, write_often, block), 0);
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    vd_block_free(block);
}

static void check_names(struct vd_fs_memory *files, const char *want)
{
    VD_FREE char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    check_str_eq(names, want);
}

static enum vd_fs_kind kind_of(struct vd_fs_memory *files, const char *path)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(vd_fs_memory_fs(files), path, &status, NULL), VD_OK);
    return status.kind;
}

VD_TEST(names_are_made_and_removed)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    const struct vd_fs_access access = {0600, 7, 8};
    check_names(files, "");
    check_code_err(vd_fs_create(fs, "./d/a", 0, &access, &block, &err), VD_OK, &err);
    check_code_err(vd_block_write(block, 0, "abc", 3, &err), VD_OK, &err);
    check_code(vd_fs_create(fs, "d/a", 0, NULL, &block, &err), VD_E_EXISTS);
    check_str_eq(err.text, "cannot create 'd/a': File exists");
    check_code(vd_fs_create(fs, "d", 0, NULL, &block, NULL), VD_E_EXISTS);
    check_code(vd_fs_create(fs, ".", 0, NULL, &block, NULL), VD_E_EXISTS);
    check_code(vd_fs_create(fs, "d/a/below", 0, NULL, &block, NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_create(fs, "", 0, NULL, &block, NULL), VD_E_NOT_FOUND);
    check_names(files, "d/a\n");

    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, "d/a", &status, NULL), VD_OK);
    check_int_eq(status.kind, VD_FS_FILE);
    check_u64_eq(status.size_bytes, 3);
    check_u64_eq(status.identity.device, block->identity.device);
    check_u64_eq(status.identity.inode, block->identity.inode);
    check_int_eq(status.access.mode, 0600);
    check_u64_eq(status.access.owner, 7);
    check_u64_eq(status.access.group, 8);
    check_int_eq(kind_of(files, "d"), VD_FS_FOLDER);
    check_int_eq(kind_of(files, "."), VD_FS_FOLDER);
    check_int_eq(kind_of(files, ""), VD_FS_NOTHING);
    check_int_eq(kind_of(files, "a"), VD_FS_NOTHING);

    check_code(vd_fs_unlink(fs, "d", NULL), VD_E_FILE_TYPE);
    check_code(vd_fs_unlink(fs, "a", &err), VD_E_NOT_FOUND);
    check_code(vd_fs_unlink(fs, "d/a", NULL), VD_OK);
    check_text(block, "abc"); /* who has it open keeps it */
    vd_block_free(block);
    check_names(files, "");
}

VD_TEST(names_are_changed)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    add(files, "a", "one");
    add(files, "b", "three");
    add(files, "d/c", "");
    check_code(vd_fs_rename(fs, "a", "b", &err), VD_E_EXISTS);
    check_str_eq(err.text, "cannot rename 'a' to 'b': File exists");
    check_code(vd_fs_rename(fs, "a", "a", NULL), VD_E_EXISTS);
    check_code(vd_fs_rename(fs, "a", "d", NULL), VD_E_EXISTS);
    check_code(vd_fs_rename(fs, "a", "b/x", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_rename(fs, "d", "e", NULL), VD_E_FILE_TYPE);
    check_code(vd_fs_rename_replacing(fs, "a", "d", NULL), VD_E_FILE_TYPE);
    check_code(vd_fs_rename_replacing(fs, "x", "b", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_rename_replacing(fs, "a", "", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_rename_replacing(fs, "a", "a", NULL), VD_OK);
    check_names(files, "a\nb\nd/c\n");

    struct vd_block *old = open_block(files, "b", 0);
    check_code(vd_fs_rename_replacing(fs, "./a", "d/../b", NULL), VD_OK);
    check_names(files, "b\nd/c\n");
    check_text(old, "three");
    vd_block_free(old);
    check_code(vd_fs_rename(fs, "b", "d/b", NULL), VD_OK);
    struct vd_block *block = open_block(files, "d/b", 0);
    check_text(block, "one");
    vd_block_free(block);

    check_code(vd_fs_sync_folder(fs, "d", NULL), VD_OK);
    check_code(vd_fs_sync_folder(fs, ".", NULL), VD_OK);
    check_code(vd_fs_sync_folder(fs, "d/b", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_unlink(fs, "d/b", NULL), VD_OK);
    check_code(vd_fs_unlink(fs, "d/c", NULL), VD_OK);
    check_code(vd_fs_sync_folder(fs, "d", NULL), VD_OK);
}
