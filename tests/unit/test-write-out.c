/* SPDX-License-Identifier: Apache-2.0 */
/* How large files are written: in calls of bounded size, and storing begins meanwhile. This
 * program's own pwrite, sync_file_range and fallocate stand before libc's, and remember what they
 * were asked.
 */
#include "block/write-out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block/fs.h"
#include "harness.h"
#include "ops/target.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

#define MIB (UINT64_C(1) << 20)

static struct {
    unsigned calls;
    unsigned flags;
    uint64_t start_bytes; /* of the last call */
    uint64_t length;
    int fails; /* with this errno */
    size_t largest_write;
    uint64_t most_bytes; /* that fallocate takes between two signals; 0: all */
    uint64_t taken_bytes;
    unsigned interrupted;
} told;

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (told.most_bytes == 0)
        return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if ((uint64_t)length > told.most_bytes) {
        told.interrupted++;
        errno = EINTR;
        return -1;
    }
    told.taken_bytes += (uint64_t)length;
    return 0;
}

ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset)
{
    if (length > told.largest_write)
        told.largest_write = length;
    return syscall(SYS_pwrite64, fd, buffer, length, offset);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags)
{
    check(fd >= 0);
    told.calls++;
    told.flags = flags;
    told.start_bytes = (uint64_t)offset;
    told.length = (uint64_t)count;
    errno = told.fails;
    return told.fails ? -1 : 0;
}

static void forget(void)
{
    memset(&told, 0, sizeof told);
}

static void wrote(struct vd_write_out *out, uint64_t start_mib, uint64_t length_mib)
{
    vd_write_out_wrote(out, 0, start_mib * MIB, length_mib * MIB);
}

VD_TEST(the_kernel_is_told_in_large_pieces)
{
    struct vd_write_out out;

    forget();
    vd_write_out_init(&out);
    wrote(&out, 100, 7);
    check_int_eq(told.calls, 0);
    wrote(&out, 107, 1);
    check_int_eq(told.calls, 1);
    check_u64_eq(told.start_bytes, 100 * MIB);
    check_u64_eq(told.length, 8 * MIB);
    check_int_eq(told.flags, SYNC_FILE_RANGE_WRITE); /* begins it, waits for nothing */
    wrote(&out, 108, 32);
    check_int_eq(told.calls, 2);
    check_u64_eq(told.start_bytes, 108 * MIB);
    check_u64_eq(told.length, 32 * MIB);
    vd_write_out_done(&out);
}

/* As of several threads, and around holes, which count for nothing. */
VD_TEST(pieces_in_any_order_are_told_together)
{
    struct vd_write_out out;

    forget();
    vd_write_out_init(&out);
    wrote(&out, 50, 3);
    wrote(&out, 10, 2);
    wrote(&out, 400, 2);
    check_int_eq(told.calls, 0);
    wrote(&out, 20, 1);
    check_int_eq(told.calls, 1);
    check_u64_eq(told.start_bytes, 10 * MIB);
    check_u64_eq(told.length, 392 * MIB);
    vd_write_out_done(&out);
}

static uint8_t *some_bytes(size_t length)
{
    uint8_t *bytes = malloc(length);

    check(bytes != NULL);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251 + 1);
    return bytes;
}

static void write_file(unsigned flags)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    VD_FREE uint8_t *bytes = some_bytes(3 * MIB);
    VD_FREE uint8_t *got = malloc(3 * MIB);
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_fs_open(vd_fs_host(), test_file("file", "", 0), flags, &block, &err);

    check_code_err(r, VD_OK, &err);
    for (uint64_t at = 0; at < 9 * MIB; at += 3 * MIB)
        check_code_err(vd_block_write(block, at, bytes, 3 * MIB, &err), VD_OK, &err);
    check_code_err(vd_block_flush(block, &err), VD_OK, &err);
    check_code_err(vd_block_read(block, 6 * MIB, got, 3 * MIB, &err), VD_OK, &err);
    check_mem_eq(got, bytes, 3 * MIB);
}

VD_TEST(a_file_is_stored_early_where_that_is_asked_for)
{
    forget();
    write_file(VD_FS_WRITE);
    check_int_eq(told.calls, 0);
    write_file(VD_FS_WRITE | VD_FS_WRITE_OUT);
    check_int_eq(told.calls, 1);
    check_u64_eq(told.length, VD_WRITE_OUT_BYTES);
    check_u64_eq(told.largest_write, VD_WRITE_CALL_BYTES);
}

VD_TEST(a_file_system_that_cannot_is_no_error)
{
    forget();
    told.fails = ESPIPE;
    write_file(VD_FS_WRITE | VD_FS_WRITE_OUT);
    check_int_eq(told.calls, 1);
    errno = ENOSPC;
    write_file(VD_FS_WRITE | VD_FS_WRITE_OUT);
    check_int_eq(told.calls, 2);
}

/* Space that is looked for only now and not found: no later call is told. */
VD_TEST(the_flush_tells_what_only_the_early_storing_was_told)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    VD_FREE uint8_t *bytes = some_bytes(9 * MIB);
    struct vd_error err = VD_ERROR_INIT;

    forget();
    check_code(vd_fs_open(vd_fs_host(), test_file("file", "", 0), VD_FS_WRITE | VD_FS_WRITE_OUT,
                          &block, NULL),
               VD_OK);
    check_code(vd_block_flush(block, NULL), VD_OK);
    told.fails = ENOSPC;
    check_code(vd_block_write(block, 0, bytes, 9 * MIB, NULL), VD_OK);
    told.fails = EIO;
    check_code(vd_block_write(block, 0, bytes, 9 * MIB, NULL), VD_OK);
    check_int_eq(told.calls, 2);
    told.fails = 0;
    for (int i = 0; i < 2; i++) {
        check_code(vd_block_flush(block, &err), VD_E_DISK_FULL);
        check_int_eq(err.sys_errno, ENOSPC);
        vd_error_clear(&err);
    }
}

VD_TEST(a_target_is_not_finished_after_a_failure_to_store_it_early)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    VD_FREE uint8_t *bytes = some_bytes(9 * MIB);
    static const struct vd_target_options options;
    struct vd_error err = VD_ERROR_INIT;

    forget();
    told.fails = EIO;
    check_code(vd_target_open(test_path("raw"), &options, &target, NULL), VD_OK);
    check_code(vd_target_set_size(target, 9 * MIB, NULL), VD_OK);
    check_code(vd_target_write(target, 0, bytes, 9 * MIB, NULL), VD_OK);
    told.fails = 0;
    check_code(vd_target_finish(target, &err), VD_E_IO);
    check_str_has(err.text, "cannot flush");
    check(access(test_path("raw"), F_OK) < 0);
}

/* As where taking space gives up at a signal, and another one comes each second. */
VD_TEST(taking_space_ends_between_two_signals)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;

    forget();
    check_code(vd_fs_open(vd_fs_host(), test_file("file", "", 0), VD_FS_WRITE, &block, NULL),
               VD_OK);
    told.most_bytes = 64 * MIB;
    check_code(vd_block_allocate(block, 0, 3072 * MIB, NULL, NULL), VD_OK);
    check_u64_eq(told.taken_bytes, 3072 * MIB);
    check_int_eq(told.interrupted, 4); /* 1024, 512, 256, 128 MiB */
}

static bool stop_at_once(void *data, uint64_t done, uint64_t total)
{
    unsigned *asked = data;

    check_u64_eq(done, 0);
    check_u64_eq(total, 3072 * MIB);
    return ++*asked < 3;
}

VD_TEST(taking_space_asks_after_each_signal_whether_to_go_on)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    unsigned asked = 0;
    const struct vd_progress progress = {stop_at_once, &asked};

    forget();
    check_code(vd_fs_open(vd_fs_host(), test_file("file", "", 0), VD_FS_WRITE, &block, NULL),
               VD_OK);
    told.most_bytes = 1;
    check_code(vd_block_allocate(block, 0, 3072 * MIB, &progress, NULL), VD_E_CANCELLED);
    check_int_eq(told.interrupted, 2);
}

VD_TEST(a_target_is_stored_early)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    VD_FREE uint8_t *bytes = some_bytes(5 * MIB);
    static const struct vd_target_options options;
    struct vd_error err = VD_ERROR_INIT;

    forget();
    check_code_err(vd_target_open(test_path("raw"), &options, &target, &err), VD_OK, &err);
    check_code_err(vd_target_set_size(target, 64 * MIB, &err), VD_OK, &err);
    check_code_err(vd_target_write(target, 0, bytes, 5 * MIB, &err), VD_OK, &err);
    check_int_eq(told.calls, 0);
    check_code_err(vd_target_write(target, 32 * MIB, bytes, 5 * MIB, &err), VD_OK, &err);
    check_int_eq(told.calls, 1);
    check_u64_eq(told.length, 35 * MIB); /* 5 in front, 3 behind the hole */
    check_u64_eq(told.largest_write, VD_WRITE_CALL_BYTES);
    check_code_err(vd_target_finish(target, &err), VD_OK, &err);
}

/* Descriptor in a file of its own, and in the extent. */
static void write_disk(enum vd_disk_type type, const char *name, unsigned flags)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    VD_FREE uint8_t *bytes = some_bytes(9 * MIB);
    const struct vd_vmdk_create_params params = {.type = type, .capacity_sectors = 32 * MIB / 512};
    const struct vd_vmdk_options options = {.flags = flags};
    const char *path = test_path(name);
    struct vd_error err = VD_ERROR_INIT;

    forget();
    check_code_err(vd_vmdk_create(path, &params, vd_fs_host(), NULL, &err), VD_OK, &err);
    check_code_err(vd_vmdk_open(path, &options, &disk, &err), VD_OK, &err);
    check_code_err(vd_disk_write(disk, 0, 9 * MIB / 512, bytes, &err), VD_OK, &err);
    check_code_err(vd_disk_flush(disk, &err), VD_OK, &err);
}

VD_TEST(a_disk_is_stored_early_where_that_is_asked_for)
{
    static const enum vd_disk_type types[] = {VD_DISK_MONOLITHIC_SPARSE, VD_DISK_MONOLITHIC_FLAT,
                                              VD_DISK_SPLIT_SPARSE};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const char name[][8] = {"0.vmdk", "1.vmdk", "2.vmdk"};

        write_disk(types[i], name[i], VD_VMDK_WRITE_OUT);
        check(told.calls > 0);
        check(told.length >= 8 * MIB);
    }
    write_disk(VD_DISK_MONOLITHIC_SPARSE, "plain.vmdk", 0);
    check_int_eq(told.calls, 0);
}
