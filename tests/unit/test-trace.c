/* SPDX-License-Identifier: Apache-2.0 */
#include "block/trace.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "block/fault.h"
#include "block/memory.h"
#include "block/replace.h"
#include "tests/harness.h"

struct rig {
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault;
    struct vd_fs_trace *trace;
    const struct vd_fs *fs;
};

static struct rig rig_new(void)
{
    struct rig rig = {0};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_memory_new(&rig.files, &err), VD_OK, &err);
    check_code_err(vd_fs_memory_add(rig.files, "d/a", "0123456789", 10, &err), VD_OK, &err);
    check_code_err(vd_fs_fault_new(vd_fs_memory_fs(rig.files), &rig.fault, &err), VD_OK, &err);
    check_code_err(vd_fs_trace_new(vd_fs_fault_fs(rig.fault), &rig.trace, &err), VD_OK, &err);
    rig.fs = vd_fs_trace_fs(rig.trace);
    return rig;
}

static void rig_done(struct rig *rig)
{
    vd_fs_trace_free(rig->trace);
    vd_fs_fault_free(rig->fault);
    vd_fs_memory_free(rig->files);
}

static struct vd_block *open_block(const struct rig *rig, const char *path, unsigned flags)
{
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_open(rig->fs, path, flags, &block, &err), VD_OK, &err);
    return block;
}

static void check_event(const struct rig *rig, size_t index, const struct vd_trace_event *want)
{
    const struct vd_trace_event *got = vd_fs_trace_event(rig->trace, index);
    check_int_eq(got->kind, want->kind);
    if (want->kind != VD_TRACE_SYNC_FOLDER)
        check_u64_eq(got->file, want->file);
    check_u64_eq(got->offset_bytes, want->offset_bytes);
    check_u64_eq(got->length, want->length);
    check_str_eq(got->path, want->path);
    check_str_eq(got->to, want->to);
    if (want->bytes)
        check_mem_eq(got->bytes, want->bytes, want->length);
    else
        check(!got->bytes);
}

VD_TEST(changes_of_a_file_in_order)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = open_block(&rig, "./d/a", VD_FS_WRITE);
    check(block->capabilities & VD_BLOCK_LOCKED);
    check_code_err(vd_block_write(block, 3, "abc", 3, &err), VD_OK, &err);
    check_code_err(vd_block_flush(block, &err), VD_OK, &err);
    check_code_err(vd_block_resize(block, 7, &err), VD_OK, &err);
    check_code_err(vd_block_allocate(block, 8, 4, NULL, &err), VD_OK, &err);
    check_code_err(vd_block_punch(block, 1, 2, &err), VD_OK, &err);
    char got[12];
    check_code_err(vd_block_read(block, 0, got, 12, &err), VD_OK, &err);
    check_mem_eq(got, "0\0\0abc6\0\0\0\0\0", 12);
    uint64_t start;
    uint64_t end;
    check_code(vd_block_next_data(block, 2, &start, &end, NULL), VD_OK);
    check_u64_eq(end, 12);
    check_code(vd_block_allocated(block, &end, NULL), VD_OK);
    check_code(vd_block_close(block, &err), VD_OK);

    check_u64_eq(vd_fs_trace_num_files(rig.trace), 1);
    const struct vd_trace_file *file = vd_fs_trace_file(rig.trace, 0);
    check_str_eq(file->path, "d/a");
    check_u64_eq(file->length, 10);
    check_mem_eq(file->bytes, "0123456789", 10);

    static unsigned char abc[] = "abc";
    const struct vd_trace_event want[] = {
        {.kind = VD_TRACE_WRITE, .offset_bytes = 3, .length = 3, .bytes = abc},
        {.kind = VD_TRACE_FLUSH},
        {.kind = VD_TRACE_RESIZE, .length = 7},
        {.kind = VD_TRACE_ALLOCATE, .offset_bytes = 8, .length = 4},
        {.kind = VD_TRACE_PUNCH, .offset_bytes = 1, .length = 2},
    };
    check_u64_eq(vd_fs_trace_count(rig.trace), VD_ARRAY_SIZE(want));
    for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++)
        check_event(&rig, i, &want[i]);
    rig_done(&rig);
}

VD_TEST(changes_of_names_in_order)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    static char a[] = "d/a", b[] = "d/b", c[] = "d/c", d[] = "d";
    static unsigned char x[] = "x";
    check_code_err(vd_fs_create(rig.fs, "d//b", 0, NULL, &block, &err), VD_OK, &err);
    check_code_err(vd_fs_rename(rig.fs, "d/b", "d/c", &err), VD_OK, &err);
    check_code_err(vd_block_write(block, 0, "x", 1, &err), VD_OK, &err);
    check_code_err(vd_fs_rename_replacing(rig.fs, "d/c", "d/./a", &err), VD_OK, &err);
    check_code_err(vd_fs_sync_folder(rig.fs, "d/", &err), VD_OK, &err);
    check_code_err(vd_fs_unlink(rig.fs, "d/a", &err), VD_OK, &err);
    vd_block_free(block);

    const struct vd_trace_event want[] = {
        {.kind = VD_TRACE_CREATE, .file = 0, .path = b},
        {.kind = VD_TRACE_RENAME, .file = 0, .path = b, .to = c},
        {.kind = VD_TRACE_WRITE, .file = 0, .length = 1, .bytes = x},
        {.kind = VD_TRACE_RENAME, .file = 0, .path = c, .to = a},
        {.kind = VD_TRACE_SYNC_FOLDER, .path = d},
        {.kind = VD_TRACE_UNLINK, .file = 0, .path = a},
    };
    check_u64_eq(vd_fs_trace_count(rig.trace), VD_ARRAY_SIZE(want));
    for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++)
        check_event(&rig, i, &want[i]);
    check_u64_eq(vd_fs_trace_num_files(rig.trace), 2); /* the one replaced was kept first */
    check(!vd_fs_trace_file(rig.trace, 0)->path);
    check_str_eq(vd_fs_trace_file(rig.trace, 1)->path, "d/a");
    check_mem_eq(vd_fs_trace_file(rig.trace, 1)->bytes, "0123456789", 10);
    rig_done(&rig);
}

VD_TEST(a_second_name_is_the_same_file)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_fs_names names = {0};
    static char a[] = "d/a", b[] = "d/b";
    static unsigned char x[] = "x";
    check_code_err(vd_fs_link(rig.fs, "d/a", "d//b", &err), VD_OK, &err);
    check_code_err(vd_fs_link(rig.fs, "d/a", "d/b", &err), VD_E_EXISTS, &err);
    check_code_err(vd_fs_list(rig.fs, "d", &names, &err), VD_OK, &err);
    check_u64_eq(names.count, 2);
    vd_fs_names_done(&names);
    struct vd_block *block = open_block(&rig, "d/b", VD_FS_WRITE);
    check_code_err(vd_block_write(block, 0, "x", 1, &err), VD_OK, &err);
    vd_block_free(block);
    check_code_err(vd_fs_unlink(rig.fs, "d/a", &err), VD_OK, &err);
    check_code_err(vd_fs_unlink(rig.fs, "d/b", &err), VD_OK, &err);

    const struct vd_trace_event want[] = {
        {.kind = VD_TRACE_LINK, .file = 0, .path = a, .to = b},
        {.kind = VD_TRACE_WRITE, .file = 0, .length = 1, .bytes = x},
        {.kind = VD_TRACE_UNLINK, .file = 0, .path = a},
        {.kind = VD_TRACE_UNLINK, .file = 0, .path = b},
    };
    check_u64_eq(vd_fs_trace_count(rig.trace), VD_ARRAY_SIZE(want));
    for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++)
        check_event(&rig, i, &want[i]);
    check_u64_eq(vd_fs_trace_num_files(rig.trace), 1);
    rig_done(&rig);
}

VD_TEST(files_are_kept_as_they_were_when_first_named)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *reader = open_block(&rig, "d/a", 0);
    struct vd_block *writer = open_block(&rig, "d/a", VD_FS_WRITE);
    check_code_err(vd_block_write(writer, 0, "ab", 2, &err), VD_OK, &err);
    struct vd_block *again = open_block(&rig, "d/a", 0);
    check_u64_eq(vd_fs_trace_num_files(rig.trace), 1);
    check_mem_eq(vd_fs_trace_file(rig.trace, 0)->bytes, "0123456789", 10);
    vd_block_free(reader);
    vd_block_free(writer);
    vd_block_free(again);

    /* a name used again is another file */
    struct vd_block *block = NULL;
    check_code_err(vd_fs_unlink(rig.fs, "d/a", &err), VD_OK, &err);
    check_code_err(vd_fs_create(rig.fs, "d/a", 0, NULL, &block, &err), VD_OK, &err);
    check_code_err(vd_block_write(block, 0, "new", 3, &err), VD_OK, &err);
    check_u64_eq(vd_fs_trace_event(rig.trace, 3)->file, 1);
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(what_failed_did_not_happen)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_fs_stat status;
    struct vd_block *none = NULL;
    struct vd_block *block = open_block(&rig, "d/a", VD_FS_WRITE);
    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 1, EIO, true);
    check_code(vd_block_write(block, 0, "x", 1, &err), VD_E_IO);
    check_str_eq(err.text, "cannot write 1 bytes at offset 0 of 'd/a': Input/output error");
    check_code(vd_block_flush(block, NULL), VD_E_IO);
    check_code(vd_block_resize(block, 1, NULL), VD_E_IO);
    check_code(vd_block_allocate(block, 0, 1, NULL, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_PUNCH, 1, EIO, true);
    check_code(vd_block_punch(block, 0, 1, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 1, EIO, true);
    check_code(vd_fs_create(rig.fs, "d/b", 0, NULL, &none, &err), VD_E_IO);
    check_code(vd_fs_unlink(rig.fs, "d/a", NULL), VD_E_IO);
    check_code(vd_fs_rename(rig.fs, "d/a", "d/b", NULL), VD_E_IO);
    check_code(vd_fs_sync_folder(rig.fs, "d", NULL), VD_E_IO);
    check_code(vd_fs_open(rig.fs, "d/b", 0, &none, NULL), VD_E_IO);
    check_code(vd_fs_stat(rig.fs, "d/b", &status, NULL), VD_E_IO);
    vd_fs_fault_arm(rig.fault, VD_FAULT_ANY, 0, 0, false);

    check_code(vd_fs_open(rig.fs, "d/b", 0, &none, NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_unlink(rig.fs, "d/b", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_rename(rig.fs, "d/b", "d/c", NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_create(rig.fs, "d/a", 0, NULL, &none, NULL), VD_E_EXISTS);
    check_code(vd_fs_open(rig.fs, "d/a", VD_FS_WRITE, &none, NULL), VD_E_LOCKED);
    check_u64_eq(vd_fs_trace_count(rig.trace), 0);
    check_u64_eq(vd_fs_trace_num_files(rig.trace), 1);

    /* zeros that are written for want of holes are writes */
    vd_fs_fault_arm(rig.fault, VD_FAULT_PUNCH, 1, EOPNOTSUPP, true);
    check_code(vd_block_punch(block, 2, 3, NULL), VD_OK);
    check_u64_eq(vd_fs_trace_count(rig.trace), 1);
    check_int_eq(vd_fs_trace_event(rig.trace, 0)->kind, VD_TRACE_WRITE);
    check_mem_eq(vd_fs_trace_event(rig.trace, 0)->bytes, "\0\0\0", 3);
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(names_are_looked_up_below)
{
    struct rig rig = rig_new();
    VD_FREE char *name = NULL;
    VD_FREE char *path = NULL;
    struct vd_fs_stat status;
    check_code(vd_fs_match_name(rig.fs, "d", "A", &name, NULL), VD_OK);
    check_str_eq(name, "a");
    check_code(vd_fs_real_path(rig.fs, "./d/a", &path, NULL), VD_OK);
    check_str_eq(path, "d/a");
    check_code(vd_fs_stat(rig.fs, "d/a", &status, NULL), VD_OK);
    check_u64_eq(status.size_bytes, 10);
    check_u64_eq(vd_fs_trace_num_files(rig.trace), 0);
    rig_done(&rig);
}

VD_TEST(files_too_large_to_keep)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    check_code(vd_fs_memory_add_sparse(rig.files, "huge", "", 0, VD_TRACE_MAX_BYTES + 1, NULL),
               VD_OK);
    check_code(vd_fs_open(rig.fs, "huge", 0, &block, &err), VD_E_TOO_BIG);
    check_str_eq(err.text, "cannot open 'huge': File too large");
    rig_done(&rig);
}

VD_TEST(over_the_host)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    check_code(vd_fs_trace_new(vd_fs_host(), &trace, NULL), VD_OK);
    const char *path = test_file("a", "old", 3);
    check_code_err(vd_fs_replace_file(vd_fs_trace_fs(trace), path, "new!", 4, &err), VD_OK, &err);
    static const enum vd_trace_kind want[] = {VD_TRACE_CREATE, VD_TRACE_WRITE, VD_TRACE_FLUSH,
                                              VD_TRACE_RENAME, VD_TRACE_SYNC_FOLDER};
    check_u64_eq(vd_fs_trace_count(trace), VD_ARRAY_SIZE(want));
    for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++)
        check_int_eq(vd_fs_trace_event(trace, i)->kind, want[i]);
    struct vd_fs_stat status;
    check_code(vd_fs_stat(vd_fs_host(), path, &status, NULL), VD_OK);
    check_u64_eq(status.size_bytes, 4);
}

enum { THREADS = 4, ROUNDS = 200 };

struct writer {
    struct vd_block *block;
    unsigned number;
};

static void *write_and_flush(void *data)
{
    const struct writer *self = data;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned char bytes[8];
        unsigned char got[8];
        memset(bytes, (int)(self->number * 60 + i % 60), sizeof bytes);
        check_code(vd_block_write(self->block, self->number * 8, bytes, 8, NULL), VD_OK);
        check_code(vd_block_read(self->block, self->number * 8, got, 8, NULL), VD_OK);
        check_mem_eq(got, bytes, 8);
        if (i % 10 == 0)
            check_code(vd_block_flush(self->block, NULL), VD_OK);
    }
    return NULL;
}

VD_TEST(many_writers_at_once)
{
    struct rig rig = rig_new();
    struct vd_block *block = open_block(&rig, "d/a", VD_FS_WRITE);
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){block, i};
        check_int_eq(pthread_create(&threads[i], NULL, write_and_flush, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    check_u64_eq(vd_fs_trace_count(rig.trace), THREADS * (ROUNDS + ROUNDS / 10));

    /* replayed in order, the record gives what is there */
    unsigned char want[THREADS * 8];
    unsigned char got[THREADS * 8];
    for (size_t i = 0; i < vd_fs_trace_count(rig.trace); i++) {
        const struct vd_trace_event *event = vd_fs_trace_event(rig.trace, i);
        if (event->kind == VD_TRACE_WRITE)
            memcpy(want + event->offset_bytes, event->bytes, event->length);
    }
    check_code(vd_block_read(block, 0, got, sizeof got, NULL), VD_OK);
    check_mem_eq(got, want, sizeof got);
    vd_block_free(block);
    rig_done(&rig);
}
