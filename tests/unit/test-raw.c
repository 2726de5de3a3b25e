/* SPDX-License-Identifier: Apache-2.0 */
#include "disk/raw.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/units.h"
#include "block/fault.h"
#include "block/memory.h"
#include "block/power-cut.h"
#include "tests/harness.h"

static void fill(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(i * 13 + i / 509);
}

static struct vd_disk *open_raw(const struct vd_fs *fs, const char *path, unsigned flags)
{
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_raw_open(fs, path, flags, &disk, &err), VD_OK, &err);
    return disk;
}

VD_TEST(bytes_are_the_files)
{
    static unsigned char want[64 * 512];
    static unsigned char got[64 * 512];
    fill(want, sizeof want);
    const char *path = test_file("disk.raw", want, sizeof want);
    static const unsigned flags[] = {0, VD_FS_UNBUFFERED, VD_FS_WRITE};
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++) {
        struct vd_error err = VD_ERROR_INIT;
        VD_CLEANUP(vd_disk_free_cleanup)
        struct vd_disk *disk = open_raw(vd_fs_host(), path, flags[i]);
        check_u64_eq(vd_disk_capacity(disk), 64);
        check_str_eq(vd_disk_path(disk), path);
        check_code_err(vd_disk_read(disk, 0, 64, got, &err), VD_OK, &err);
        check_mem_eq(got, want, sizeof want);
        check_code_err(vd_disk_read(disk, 63, 1, got, &err), VD_OK, &err);
        check_mem_eq(got, want + 63 * 512, 512);
        check_code(vd_disk_read(disk, 63, 2, got, &err), VD_E_OUT_OF_RANGE);
    }
}

VD_TEST(info)
{
    VD_CLEANUP(vd_disk_free_cleanup)
    struct vd_disk *disk = open_raw(vd_fs_host(), test_file("disk.raw", "x", 1), 0);
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check_int_eq(info.type, VD_DISK_RAW);
    check_u64_eq(info.num_links, 1);
    check_u64_eq(info.capacity_sectors, 1);
    check_str_eq(info.transport, "file");
    check(info.read_only);
}

VD_TEST(a_tail_that_is_no_sector)
{
    static const size_t sizes[] = {1, 511, 513, 1000, 1023};
    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        unsigned char want[1024] = {0};
        unsigned char got[1024];
        struct vd_error err = VD_ERROR_INIT;
        fill(want, sizes[i]);
        VD_CLEANUP(vd_disk_free_cleanup)
        struct vd_disk *disk = open_raw(vd_fs_host(), test_file("disk.raw", want, sizes[i]), 0);
        uint64_t sectors = vd_disk_capacity(disk);
        check_u64_eq(sectors, sizes[i] > 512 ? 2 : 1);
        memset(got, 0xee, sizeof got);
        check_code_err(vd_disk_read(disk, 0, sectors, got, &err), VD_OK, &err);
        check_mem_eq(got, want, (size_t)sectors * 512);
        memset(got, 0xee, sizeof got);
        check_code_err(vd_disk_read(disk, sectors - 1, 1, got, &err), VD_OK, &err);
        check_mem_eq(got, want + (sectors - 1) * 512, 512);

        struct vd_run runs[4];
        size_t count;
        check_code_err(vd_disk_map(disk, 0, sectors, runs, 4, &count, &err), VD_OK, &err);
        check_u64_eq(count, 1);
        check_u64_eq(runs[0].length_sectors, sectors);
        check_int_eq(runs[0].kind, VD_RUN_DATA);
    }
}

VD_TEST(writing_the_tail_completes_it)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("disk.raw", "short", 5);
    struct vd_disk *disk = open_raw(vd_fs_host(), path, VD_FS_WRITE);
    unsigned char want[512];
    unsigned char got[512];
    fill(want, sizeof want);
    check_code_err(vd_disk_write(disk, 0, 1, want, &err), VD_OK, &err);
    check_code_err(vd_disk_read(disk, 0, 1, got, &err), VD_OK, &err);
    check_mem_eq(got, want, sizeof want);
    check_code(vd_disk_write(disk, 1, 1, want, &err), VD_E_OUT_OF_RANGE);
    check_code(vd_disk_flush(disk, NULL), VD_OK);
    check_code(vd_disk_close(disk, NULL), VD_OK);

    disk = open_raw(vd_fs_host(), path, 0);
    check_u64_eq(vd_disk_capacity(disk), 1);
    check_code(vd_disk_read(disk, 0, 1, got, NULL), VD_OK);
    check_mem_eq(got, want, sizeof want);
    check_code(vd_disk_write(disk, 0, 1, want, NULL), VD_E_READ_ONLY);
    vd_disk_free(disk);
}

VD_TEST(one_writer_and_any_number_of_readers)
{
    struct vd_error err = VD_ERROR_INIT;
    static const char zeros[2048];
    const char *path = test_file("disk.raw", zeros, sizeof zeros);
    VD_CLEANUP(vd_disk_free_cleanup)
    struct vd_disk *writer = open_raw(vd_fs_host(), path, VD_FS_WRITE);
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *reader = open_raw(vd_fs_host(), path, 0);
    struct vd_disk *second = NULL;
    check_code(vd_raw_open(vd_fs_host(), path, VD_FS_WRITE, &second, &err), VD_E_LOCKED);
    check_str_has(err.text, "this process has it open for writing already");

    unsigned char want[1024];
    unsigned char got[1024];
    fill(want, sizeof want);
    check_code(vd_disk_write(writer, 1, 2, want, NULL), VD_OK);
    check_code(vd_disk_read(reader, 1, 2, got, NULL), VD_OK);
    check_mem_eq(got, want, sizeof want);
}

/* Writes sectors of rising numbers, a flush after every third write. */
static void write_in_rounds(struct vd_disk *disk, const struct vd_fs_trace *trace, size_t rounds,
                            size_t *flushed)
{
    for (size_t i = 0; i < rounds; i++) {
        unsigned char bytes[1024];
        memset(bytes, (int)i + 1, sizeof bytes);
        check_code(vd_disk_write(disk, i % 7, 2, bytes, NULL), VD_OK);
        if (i % 3 == 2)
            check_code(vd_disk_flush(disk, NULL), VD_OK);
        flushed[i] = i % 3 == 2 ? vd_fs_trace_count(trace) : SIZE_MAX;
    }
}

/* The newest round of each sector, at the last flush before the cut. */
static void flushed_rounds(const size_t *flushed, size_t rounds, size_t cut, size_t want[8])
{
    size_t newest[8] = {0};
    memset(want, 0, 8 * sizeof *want);
    for (size_t i = 0; i < rounds; i++) {
        newest[i % 7] = newest[i % 7 + 1] = i + 1;
        if (flushed[i] <= cut)
            memcpy(want, newest, sizeof newest);
    }
}

VD_TEST(what_was_flushed_outlives_a_power_cut)
{
    enum { ROUNDS = 30, SEEDS = 20 };
    static const char zeros[8 * 512 - 100];
    size_t flushed[ROUNDS];
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "disk.raw", zeros, sizeof zeros, NULL), VD_OK);
    check_code(vd_fs_trace_new(vd_fs_memory_fs(files), &trace, NULL), VD_OK);
    struct vd_disk *disk = open_raw(vd_fs_trace_fs(trace), "disk.raw", VD_FS_WRITE);
    write_in_rounds(disk, trace, ROUNDS, flushed);
    check_code(vd_disk_close(disk, NULL), VD_OK);

    check_code(vd_power_cut_new(trace, &cuts, NULL), VD_OK);
    for (size_t cut = 0; cut <= vd_power_cut_last(cuts); cut++) {
        size_t want[8];
        flushed_rounds(flushed, ROUNDS, cut, want);
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *found = NULL;
            check_code(vd_power_cut_build(cuts, cut, seed, &found, NULL), VD_OK);
            disk = open_raw(vd_fs_memory_fs(found), "disk.raw", VD_FS_WRITE);
            unsigned char got[8 * 512];
            check_code(vd_disk_read(disk, 0, 8, got, NULL), VD_OK);
            for (size_t i = 0; i < 8; i++) /* that round, or a later one that was not flushed */
                check(got[i * 512] >= want[i] && got[i * 512] == got[i * 512 + 411]);
            vd_disk_free(disk);
        }
    }
}

VD_TEST(an_empty_file_is_an_empty_disk)
{
    VD_CLEANUP(vd_disk_free_cleanup)
    struct vd_disk *disk = open_raw(vd_fs_host(), test_file("disk.raw", "", 0), 0);
    char got[512];
    check_u64_eq(vd_disk_capacity(disk), 0);
    check_code(vd_disk_read(disk, 0, 0, got, NULL), VD_OK);
    check_code(vd_disk_read(disk, 0, 1, got, NULL), VD_E_OUT_OF_RANGE);
}

VD_TEST(files_that_do_not_open)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    const char *path = test_path("none.raw");
    check_code(vd_raw_open(vd_fs_host(), path, 0, &disk, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, path);
    check_code(vd_raw_open(vd_fs_host(), test_folder(), 0, &disk, NULL), VD_E_FILE_TYPE);
    check(disk == NULL);
}

static void check_run(const struct vd_run *run, uint64_t start, uint64_t length,
                      enum vd_run_kind kind)
{
    check_u64_eq(run->start_sectors, start);
    check_u64_eq(run->length_sectors, length);
    check_int_eq(run->kind, kind);
    if (kind == VD_RUN_DATA)
        check_u64_eq(run->offset_bytes, start * 512);
}

VD_TEST(holes_are_absent)
{
    static char piece[64 * 1024];
    memset(piece, 'd', sizeof piece);
    const char *path = test_file("disk.raw", piece, sizeof piece);
    struct vd_block *file = NULL;
    check_code(vd_fs_open(vd_fs_host(), path, VD_FS_WRITE, &file, NULL), VD_OK);
    check_code(vd_block_write(file, VD_MIB, piece, sizeof piece, NULL), VD_OK);
    check_code(vd_block_resize(file, 2 * VD_MIB + 100, NULL), VD_OK);
    check_code(vd_block_flush(file, NULL), VD_OK);
    uint64_t used;
    check_code(vd_block_allocated(file, &used, NULL), VD_OK);
    vd_block_free(file);
    if (used >= 2 * VD_MIB)
        test_skip("the file system of '%s' makes no holes", path);

    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = open_raw(vd_fs_host(), path, 0);
    struct vd_run runs[8];
    size_t count;
    check_u64_eq(vd_disk_capacity(disk), 4097);
    check_code(vd_disk_map(disk, 0, 4097, runs, 8, &count, NULL), VD_OK);
    check_u64_eq(count, 4);
    check_run(&runs[0], 0, 128, VD_RUN_DATA);
    check_run(&runs[1], 128, 2048 - 128, VD_RUN_ABSENT);
    check_run(&runs[2], 2048, 128, VD_RUN_DATA);
    check_run(&runs[3], 2176, 4097 - 2176, VD_RUN_ABSENT);
    check_str_eq(runs[0].file, path);

    check_code(vd_disk_map(disk, 100, 2000, runs, 2, &count, NULL), VD_OK);
    check_u64_eq(count, 2);
    check_run(&runs[0], 100, 28, VD_RUN_DATA);
    check_run(&runs[1], 128, 1920, VD_RUN_ABSENT);
    check_code(vd_disk_map(disk, 130, 5, runs, 8, &count, NULL), VD_OK);
    check_u64_eq(count, 1);
    check_run(&runs[0], 130, 5, VD_RUN_ABSENT);
    check_code(vd_disk_map(disk, 4096, 1, runs, 1, &count, NULL), VD_OK);
    check_run(&runs[0], 4096, 1, VD_RUN_ABSENT);

    unsigned char got[512];
    check_code(vd_disk_read(disk, 4096, 1, got, NULL), VD_OK);
    check_int_eq(got[0], 0);
}

VD_TEST(huge_disks)
{
    struct vd_fs_memory *files = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    uint64_t size = INT64_MAX;
    check_code(vd_fs_memory_add_sparse(files, "huge", "head", 4, size, NULL), VD_OK);
    struct vd_disk *disk = open_raw(vd_fs_memory_fs(files), "huge", 0);
    check_u64_eq(vd_disk_capacity(disk), VD_MAX_SECTORS);
    unsigned char got[512];
    check_code_err(vd_disk_read(disk, VD_MAX_SECTORS - 1, 1, got, &err), VD_OK, &err);
    check_int_eq(got[511], 0);
    struct vd_run run;
    size_t count;
    check_code_err(vd_disk_map(disk, 0, VD_MAX_SECTORS, &run, 1, &count, &err), VD_OK, &err);
    check_u64_eq(run.length_sectors, VD_MAX_SECTORS);
    vd_disk_free(disk);
    vd_fs_memory_free(files);
}

VD_TEST(a_file_that_shrinks_is_told)
{
    unsigned char bytes[1024];
    fill(bytes, sizeof bytes);
    const char *path = test_file("disk.raw", bytes, sizeof bytes);
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = open_raw(vd_fs_host(), path, 0);
    check_int_eq(truncate(path, 700), 0);
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_disk_read(disk, 0, 2, bytes, &err), VD_E_TRUNCATED);
    check_str_has(err.text, "the file ends at offset 700");
}

static int read_and_map(const struct vd_fs *fs, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    char got[512];
    struct vd_run run;
    size_t count;
    int ret = vd_raw_open(fs, "disk.raw", 0, &disk, err);
    if (ret >= 0)
        ret = vd_disk_read(disk, 1, 1, got, err);
    return ret < 0 ? ret : vd_disk_map(disk, 0, 2, &run, 1, &count, err);
}

VD_TEST(every_failure_is_told_once)
{
    struct vd_fs_memory *files = NULL;
    struct vd_fs_fault *fault = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_code(vd_fs_memory_add_sparse(files, "disk.raw", "x", 1, 1024, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
    uint64_t nth = 1;
    for (;; nth++) {
        struct vd_error err = VD_ERROR_INIT;
        vd_fs_fault_arm(fault, VD_FAULT_ANY, nth, EIO, false);
        int ret = read_and_map(vd_fs_fault_fs(fault), &err);
        if (!vd_fs_fault_fired(fault)) {
            check_code_err(ret, VD_OK, &err);
            break;
        }
        check_code(ret, VD_E_IO);
        check_str_has(err.text, "'disk.raw'");
        check_str_has(err.text, "Input/output error");
    }
    check(nth > 4);
    vd_fs_fault_free(fault);
    vd_fs_memory_free(files);
}

struct reader {
    struct vd_disk *disk;
    const unsigned char *want;
    unsigned seed;
};

static void *read_often(void *data)
{
    const struct reader *self = data;
    unsigned random = self->seed;
    unsigned char got[16 * 512];
    uint64_t capacity = vd_disk_capacity(self->disk);
    for (int i = 0; i < 300; i++) {
        random = random * 1103515245u + 12345u;
        uint64_t start = (random >> 8) % capacity;
        uint64_t count = VD_MIN(1 + (random >> 4) % 16, capacity - start);
        struct vd_error err = VD_ERROR_INIT;
        check_code_err(vd_disk_read(self->disk, start, count, got, &err), VD_OK, &err);
        check_mem_eq(got, self->want + start * 512, (size_t)count * 512);
        struct vd_run runs[4];
        size_t runs_count;
        check_code_err(vd_disk_map(self->disk, start, count, runs, 4, &runs_count, &err), VD_OK,
                       &err);
        struct vd_disk_info info;
        vd_disk_info(self->disk, &info);
    }
    return NULL;
}

/* Run under a thread sanitizer too. The file ends inside its last sector. */
VD_TEST(many_readers_at_once)
{
    enum { THREADS = 4, LENGTH = 300 * 512 - 100 };
    static unsigned char want[LENGTH + 100];
    fill(want, LENGTH);
    const char *path = test_file("disk.raw", want, LENGTH);
    static const unsigned flags[] = {0, VD_FS_UNBUFFERED};
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++) {
        VD_CLEANUP(vd_disk_free_cleanup)
        struct vd_disk *disk = open_raw(vd_fs_host(), path, flags[i]);
        struct reader readers[THREADS];
        pthread_t threads[THREADS];
        for (unsigned j = 0; j < THREADS; j++) {
            readers[j] = (struct reader){disk, want, j * 77 + 1};
            check_int_eq(pthread_create(&threads[j], NULL, read_often, &readers[j]), 0);
        }
        for (unsigned j = 0; j < THREADS; j++)
            check_int_eq(pthread_join(threads[j], NULL), 0);
    }
}
