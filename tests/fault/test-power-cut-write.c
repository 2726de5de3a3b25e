/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plug is pulled at every moment of a workload, and the disk comes up as a machine may find it:
 * everything until then, nothing but what was flushed, and arbitrary mixes (block/power-cut.h).
 * Whatever was flushed must be there, whatever was not is old or new, sector by sector; no two
 * grains share a place; of two copies of a table the redundant one is never the older, and what it
 * has alone is as good as the rest; the content ID has changed if anything else has. Sometimes the
 * disk is written again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/power-cut.h"
#include "build-image.h"
#include "harness.h"
#include "vmdk/kdmv-header.h"
#include "workload.h"

enum { SESSIONS = 3, STEPS = 22, RANDOM_STATES = 2, WRITE_EVERY = 7, MAX_RUNS = 4096 };

/* Sanitizers look at a sample of the moments; the other builds at every one. */
#ifdef VD_SANITIZED
enum { CUT_EVERY = 5 };
#else
enum { CUT_EVERY = 1 };
#endif

static size_t trace_events(void *data)
{
    return vd_fs_trace_count(data);
}

static int open_disk(struct vd_fs_memory *files, unsigned flags, struct vd_disk **ret,
                     struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = flags};
    return vd_vmdk_open(BUILT_DISK, &options, ret, err);
}

/* --- tables --- */

static int compare_runs(const void *left, const void *right)
{
    const struct vd_run *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    if (order != 0)
        return order;
    return (a->offset_bytes > b->offset_bytes) - (a->offset_bytes < b->offset_bytes);
}

static void check_places(struct vd_disk *disk)
{
    static struct vd_run runs[MAX_RUNS];
    uint64_t capacity = vd_disk_capacity(disk);
    size_t count = 0;
    for (uint64_t sector = 0; sector < capacity;) {
        struct vd_run run;
        size_t told = 0;
        check_code(vd_disk_map(disk, sector, capacity - sector, &run, 1, &told, NULL), VD_OK);
        sector += run.length_sectors;
        if (run.kind != VD_RUN_DATA || run.link != 0)
            continue;
        check(count < MAX_RUNS);
        runs[count++] = run;
    }
    if (count > 0)
        qsort(runs, count, sizeof runs[0], compare_runs);
    for (size_t i = 1; i < count; i++) {
        uint64_t end = runs[i - 1].offset_bytes + vd_sectors_to_bytes(runs[i - 1].length_sectors);
        check(strcmp(runs[i].file, runs[i - 1].file) != 0 || runs[i].offset_bytes >= end);
    }
}

static uint32_t u32_at(struct vd_block *block, uint64_t offset)
{
    uint8_t bytes[4];
    check_code(vd_block_read(block, offset, bytes, sizeof bytes, NULL), VD_OK);
    return vd_le32_decode(bytes);
}

static uint32_t entry_of(struct vd_block *block, const struct vd_kdmv_header *header,
                         uint64_t directory_sector, uint64_t grain)
{
    uint64_t table = grain / header->table_entries;
    uint64_t sector = u32_at(block, directory_sector * VD_SECTOR_BYTES + table * 4);
    return u32_at(block, sector * VD_SECTOR_BYTES + grain % header->table_entries * 4);
}

/* An entry that only one copy has is always in the redundant one, and the file is marked. */
static void check_copies(struct vd_fs_memory *files, const char *path)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    struct vd_kdmv_header header;
    if (vd_fs_open(vd_fs_memory_fs(files), path, 0, &block, NULL) < 0 ||
        vd_kdmv_header_read(block, &header, NULL) < 0 || !(header.flags & VD_KDMV_REDUNDANT))
        return;
    uint64_t grains = vd_div_up(header.capacity_sectors, header.grain_sectors);
    for (uint64_t grain = 0; grain < grains; grain++) {
        uint32_t primary = entry_of(block, &header, header.gd_offset_sectors, grain);
        uint32_t redundant = entry_of(block, &header, header.rgd_offset_sectors, grain);
        if (primary != redundant) {
            check(header.unclean_shutdown);
            check(primary <= 1 && redundant >= 1);
        }
    }
}

static void u32_put(struct vd_block *block, uint64_t offset, uint32_t value)
{
    uint8_t bytes[4];
    vd_le32_encode(bytes, value);
    check_code(vd_block_write(block, offset, bytes, sizeof bytes, NULL), VD_OK);
}

/* What a repair does: entries that only the redundant table has go into the primary one. True when
 * there were any. */
static bool complete_copies(struct vd_fs_memory *files, const char *path)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    struct vd_kdmv_header header;
    bool changed = false;
    if (vd_fs_open(vd_fs_memory_fs(files), path, VD_FS_WRITE, &block, NULL) < 0 ||
        vd_kdmv_header_read(block, &header, NULL) < 0 || !(header.flags & VD_KDMV_REDUNDANT))
        return false;
    uint64_t grains = vd_div_up(header.capacity_sectors, header.grain_sectors);
    for (uint64_t grain = 0; grain < grains; grain++) {
        uint32_t redundant = entry_of(block, &header, header.rgd_offset_sectors, grain);
        if (entry_of(block, &header, header.gd_offset_sectors, grain) == redundant)
            continue;
        uint64_t table = u32_at(block, header.gd_offset_sectors * VD_SECTOR_BYTES +
                                           grain / header.table_entries * 4);
        u32_put(block, table * VD_SECTOR_BYTES + grain % header.table_entries * 4, redundant);
        changed = true;
    }
    return changed;
}

static bool repair(struct vd_fs_memory *files)
{
    bool changed = complete_copies(files, BUILT_DISK);
    changed |= complete_copies(files, "d-s001.vmdk");
    changed |= complete_copies(files, "d-s002.vmdk");
    changed |= complete_copies(files, "d-s003.vmdk");
    return changed;
}

static void check_tables(struct vd_fs_memory *files, struct vd_disk *disk)
{
    check_places(disk);
    check_copies(files, BUILT_DISK);
    check_copies(files, "d-s001.vmdk");
    check_copies(files, "d-s002.vmdk");
    check_copies(files, "d-s003.vmdk");
}

/* --- one state --- */

static void check_content_id(struct vd_fs_memory *files, const struct built_disk *model,
                             struct vd_disk *disk)
{
    size_t length = (size_t)model->capacity_sectors * VD_SECTOR_BYTES;
    VD_FREE uint8_t *bytes = malloc(length);
    char text[2048] = {0};
    size_t done = 0;
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check(bytes != NULL);
    check_code(vd_disk_read(disk, 0, model->capacity_sectors, bytes, NULL), VD_OK);
    if (memcmp(bytes, model->content, length) == 0)
        return;
    check_code(vd_fs_open(vd_fs_memory_fs(files), BUILT_DISK, 0, &block, NULL), VD_OK);
    check_code(vd_block_read_some(block, 0, text, sizeof text - 1, &done, NULL), VD_OK);
    for (size_t i = 0; i < sizeof text - 16; i++)
        check(memcmp(text + i, "\nCID=fffffffe", 13) != 0);
}

/* Who finds the disk so goes on with it, or is told to have it repaired. */
static void write_again(struct vd_fs_memory *files, const struct built_disk *model,
                        uint64_t *random)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    size_t length = (size_t)model->capacity_sectors * VD_SECTOR_BYTES;
    VD_FREE uint8_t *before = malloc(length);
    VD_FREE uint8_t *after = malloc(length);
    check(before && after);
    int r = open_disk(files, 0, &disk, &err);
    if (r < 0) {
        check_code_err(r, VD_E_DAMAGED, &err);
        check_str_has(err.text, "vdisk check --repair");
        return;
    }
    check_code(vd_disk_read(disk, 0, model->capacity_sectors, before, NULL), VD_OK);
    uint64_t count = 1 + build_random_below(random, 200);
    uint64_t start = build_random_below(random, model->capacity_sectors - count);
    built_stamp(before + start * VD_SECTOR_BYTES, start, count, 0xaaaa);
    check_code_err(vd_disk_write(disk, start, count, before + start * VD_SECTOR_BYTES, &err), VD_OK,
                   &err);
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
    check_code_err(open_disk(files, VD_VMDK_READ_ONLY, &disk, &err), VD_OK, &err);
    check_code(vd_disk_read(disk, 0, model->capacity_sectors, after, NULL), VD_OK);
    check_mem_eq(after, before, length);
    check_tables(files, disk);
    check_code(vd_disk_close(disk, NULL), VD_OK);
}

static void check_found(const struct workload *work, struct vd_fs_memory *files, size_t cut)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(open_disk(files, VD_VMDK_READ_ONLY, &disk, &err), VD_OK, &err);
    workload_check(work, disk, cut);
    check_tables(files, disk);
    check_content_id(files, work->model, disk);
    check_code(vd_disk_close(disk, NULL), VD_OK);
}

static void cut_everywhere(const struct workload *work, const struct vd_fs_trace *trace,
                           uint64_t seed)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code_err(vd_power_cut_new(trace, &cuts, &err), VD_OK, &err);
    uint64_t random = seed;
    unsigned long count = 0;
    for (size_t cut = 0; cut <= vd_power_cut_last(cuts); cut += CUT_EVERY) {
        for (uint64_t state = 0; state < VD_CUT_RANDOM + RANDOM_STATES; state++, count++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
            uint64_t choice =
                state < VD_CUT_RANDOM ? state : VD_CUT_RANDOM + build_random(&random) % 1000000;
            check_code_err(vd_power_cut_build(cuts, cut, choice, &files, &err), VD_OK, &err);
            check_found(work, files, cut);
            if (count % WRITE_EVERY == 0)
                write_again(files, work->model, &random);
            else if (repair(files))
                check_found(work, files, cut);
        }
    }
    printf("# %lu cuts\n", count);
}

static void pull_the_plug(enum built_kind kind)
{
    uint64_t seed = build_random_seed(20260308) + kind;
    BUILT model;
    WORKLOAD work;
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    struct vd_error err = VD_ERROR_INIT;
    built_make(&model, kind);
    check_code(vd_fs_trace_new(vd_fs_memory_fs(model.files), &trace, NULL), VD_OK);
    workload_init(&work, &model, seed, trace_events, trace);
    for (unsigned i = 0; i < SESSIONS; i++)
        check_code_err(workload_session(&work, vd_fs_trace_fs(trace), STEPS, &err), VD_OK, &err);
    printf("# %s: %zu writes, %zu flushes, %zu events\n", built_name(kind), work.num_writes,
           work.num_flushes, vd_fs_trace_count(trace));
    cut_everywhere(&work, trace, seed);
}

#define CUT_TEST(name, kind) \
    VD_TEST(name)            \
    {                        \
        pull_the_plug(kind); \
    }
CUT_TEST(monolithic, BUILT_MONOLITHIC)
CUT_TEST(single, BUILT_SINGLE)
CUT_TEST(split, BUILT_SPLIT)
CUT_TEST(sparse_child, BUILT_SPARSE_CHILD)
CUT_TEST(zero_child, BUILT_ZERO_CHILD)
CUT_TEST(cowd, BUILT_COWD)
CUT_TEST(cowd_grains, BUILT_COWD_GRAINS)
CUT_TEST(sesparse, BUILT_SESPARSE)
CUT_TEST(flat, BUILT_FLAT)
