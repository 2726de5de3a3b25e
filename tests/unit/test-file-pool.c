/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/file-pool.h"

#include <pthread.h>

#include "block/fault.h"
#include "memory-disks.h"

#define FILES (VD_FILE_POOL_DIRECT + 3 * VD_FILE_POOL_OPEN)

struct opened {
    struct vd_fs_memory *files;
    struct vd_file_pool *pool;
    struct vd_block *blocks[FILES];
};

/* File i holds its own number. */
static void open_all(struct opened *all, const struct vd_fs *fs)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_file_pool_new(fs, &all->pool, &err), VD_OK, &err);
    for (uint32_t i = 0; i < FILES; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "f%u", i);
        check_code_err(vd_fs_memory_add(all->files, name, &i, sizeof i, &err), VD_OK, &err);
        check_code_err(vd_file_pool_open(all->pool, name, 0, &all->blocks[i], &err), VD_OK, &err);
    }
}

static void close_all(struct opened *all)
{
    for (size_t i = 0; i < FILES; i++)
        vd_block_free(all->blocks[i]);
    vd_file_pool_unref(all->pool);
    vd_fs_memory_free(all->files);
}

static void check_file(struct opened *all, uint32_t index)
{
    struct vd_error err = VD_ERROR_INIT;
    uint32_t got;
    check_code_err(vd_block_read(all->blocks[index], 0, &got, sizeof got, &err), VD_OK, &err);
    check_u64_eq(got, index);
}

VD_TEST(many_files_behind_few_open_ones)
{
    struct opened all = {.files = new_files()};
    open_all(&all, vd_fs_memory_fs(all.files));
    check_u64_eq(vd_file_pool_open_count(all.pool), VD_FILE_POOL_OPEN);
    for (uint32_t i = 0; i < FILES; i++)
        check_file(&all, FILES - 1 - i);
    check_u64_eq(vd_file_pool_open_count(all.pool), VD_FILE_POOL_OPEN);
    close_all(&all);
}

VD_TEST(everything_a_block_can_do)
{
    struct opened all = {.files = new_files()};
    open_all(&all, vd_fs_memory_fs(all.files));
    struct vd_block *pooled = all.blocks[VD_FILE_POOL_DIRECT];
    check_str_eq(pooled->ops->name, "pooled");
    check_str_eq(vd_block_path(pooled), "f192");
    uint64_t bytes, start, end;
    check_code(vd_block_size(pooled, &bytes, NULL), VD_OK);
    check_u64_eq(bytes, 4);
    check_code(vd_block_allocated(pooled, &bytes, NULL), VD_OK);
    check_u64_eq(bytes, 4);
    check_code(vd_block_next_data(pooled, 1, &start, &end, NULL), VD_OK);
    check_u64_eq(start, 1);
    check_u64_eq(end, 4);
    check_code(vd_block_write(pooled, 0, "x", 1, NULL), VD_E_READ_ONLY);
    check_code(vd_block_flush(pooled, NULL), VD_OK);
    close_all(&all);
}

VD_TEST(blocks_outlive_the_hold_on_the_pool)
{
    struct opened all = {.files = new_files()};
    open_all(&all, vd_fs_memory_fs(all.files));
    vd_file_pool_unref(all.pool);
    all.pool = NULL;
    check_file(&all, FILES - 1);
    close_all(&all);
}

VD_TEST(a_file_exchanged_behind_our_back)
{
    struct opened all = {.files = new_files()};
    open_all(&all, vd_fs_memory_fs(all.files));
    struct vd_error err = VD_ERROR_INIT;
    uint32_t got;
    struct vd_block *closed = all.blocks[VD_FILE_POOL_DIRECT]; /* the least recently used */
    closed->identity.inode += 1000000;
    check_code(vd_block_read(closed, 0, &got, sizeof got, &err), VD_E_IO);
    check_str_has(err.text, "replaced");
    close_all(&all);
}

VD_TEST(a_file_that_cannot_be_opened_again)
{
    struct opened all = {.files = new_files()};
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    check_code(vd_fs_fault_new(vd_fs_memory_fs(all.files), &fault, NULL), VD_OK);
    open_all(&all, vd_fs_fault_fs(fault));
    struct vd_error err = VD_ERROR_INIT;
    uint32_t got;
    vd_fs_fault_arm(fault, VD_FAULT_OPEN, 1, EMFILE, false);
    check_code(vd_block_read(all.blocks[VD_FILE_POOL_DIRECT], 0, &got, sizeof got, &err),
               VD_E_TOO_MANY_FILES);
    check_str_has(err.text, "f192");
    check_file(&all, VD_FILE_POOL_DIRECT); /* the next try works */
    close_all(&all);
}

VD_TEST(missing_files_are_told_at_once)
{
    AUTO_FILES files = new_files();
    struct vd_file_pool *pool;
    struct vd_block *block = NULL;
    check_code(vd_file_pool_new(vd_fs_memory_fs(files), &pool, NULL), VD_OK);
    check_code(vd_file_pool_open(pool, "gone", 0, &block, NULL), VD_E_NOT_FOUND);
    vd_file_pool_unref(pool);
}

static void *read_in_some_order(void *data)
{
    struct opened *all = data;
    uint32_t step = 7 + 2 * (uint32_t)((uintptr_t)&step >> 12) % 64;
    for (uint32_t i = 0; i < 2000; i++)
        check_file(all, i * step % FILES);
    return NULL;
}

VD_TEST(threads)
{
    struct opened all = {.files = new_files()};
    open_all(&all, vd_fs_memory_fs(all.files));
    pthread_t threads[4];
    for (size_t i = 0; i < VD_ARRAY_SIZE(threads); i++)
        check(pthread_create(&threads[i], NULL, read_in_some_order, &all) == 0);
    for (size_t i = 0; i < VD_ARRAY_SIZE(threads); i++)
        check(pthread_join(threads[i], NULL) == 0);
    check(vd_file_pool_open_count(all.pool) <= VD_FILE_POOL_OPEN + VD_ARRAY_SIZE(threads));
    close_all(&all);
}
