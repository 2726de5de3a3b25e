/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks of a disk hold data. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/units.h"
#include "transport/transport.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/given.h"
#include "vix/report.h"

/* Runs fetched at a time: 4 KiB of stack. */
#define RUNS_AT_ONCE 64

struct query {
    struct vd_vix_disk *disk;
    uint64_t start; /* sectors, as are all here */
    uint64_t end;   /* clamped to the capacity */
    uint64_t chunk;
    bool zeros_count;          /* a zero run hides a parent that is not open */
    VixDiskLibBlockList *list; /* as it grows; malloc'd */
    size_t allocated;          /* blocks there is room for */
};

static size_t list_bytes(size_t blocks)
{
    return offsetof(VixDiskLibBlockList, blocks) + blocks * sizeof(VixDiskLibBlock);
}

/* The range is at most 524288 chunks, so that there are at most 262144 separate blocks: 4 MiB. */
static int list_grow(struct query *query)
{
    size_t wanted = query->allocated ? 2 * query->allocated : 64;
    VixDiskLibBlockList *list = realloc(query->list, list_bytes(wanted));
    if (!list)
        return VD_E_NO_MEMORY;
    if (!query->list)
        list->numBlocks = 0;
    query->list = list;
    query->allocated = wanted;
    return VD_OK;
}

static VixDiskLibBlock *last_block(struct query *query)
{
    VixDiskLibBlockList *list = query->list;
    return list->numBlocks > 0 ? &list->blocks[list->numBlocks - 1] : NULL;
}

/* Adds the chunks that [start, end) touches; calls come in ascending order. */
static int add_chunks(struct query *query, uint64_t start, uint64_t end)
{
    start -= start % query->chunk;
    end = VD_MIN(vd_div_up(end, query->chunk) * query->chunk, query->end);
    VixDiskLibBlock *last = last_block(query);
    if (last && start <= last->offset + last->length) {
        last->length = VD_MAX(end, last->offset + last->length) - last->offset;
        return VD_OK;
    }
    if (query->list->numBlocks == query->allocated && list_grow(query) < 0)
        return VD_E_NO_MEMORY;
    query->list->blocks[query->list->numBlocks++] =
        (VixDiskLibBlock){.offset = start, .length = end - start};
    return VD_OK;
}

static bool run_counts(const struct query *query, const struct vd_run *run)
{
    return run->kind == VD_RUN_DATA || (run->kind == VD_RUN_ZERO && query->zeros_count);
}

static int add_runs(struct query *query, const struct vd_run *runs, size_t count,
                    struct vd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t end = runs[i].start_sectors + runs[i].length_sectors;
        if (run_counts(query, &runs[i]) && add_chunks(query, runs[i].start_sectors, end) < 0)
            return vd_error_set(err, VD_E_NO_MEMORY, "listing the blocks of '%s': out of memory",
                                vd_disk_path(query->disk->disk));
    }
    return VD_OK;
}

/* From sector `at` to the end. */
static int collect_by_map(struct query *query, uint64_t at, struct vd_error *err)
{
    struct vd_run runs[RUNS_AT_ONCE];
    while (at < query->end) {
        size_t count;
        int r =
            vd_disk_map(query->disk->disk, at, query->end - at, runs, RUNS_AT_ONCE, &count, err);
        if (r < 0)
            return r;
        r = add_runs(query, runs, count, err);
        if (r < 0)
            return r;
        at = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
    return VD_OK;
}

/* Of 32 bits at a time where all are alike: a terabyte has sixteen million. */
static int add_bits(struct query *query, const uint8_t *bitmap, uint64_t chunks)
{
    for (uint64_t i = 0, step; i < chunks; i += step) {
        bool whole = i % 32 == 0 && chunks - i >= 32;
        uint32_t word = whole ? vd_le32_decode(bitmap + i / 8) : 1;
        step = word == 0 || word == UINT32_MAX ? 32 : 1;
        uint64_t start = query->start + i * query->chunk;
        if (word != 0 && bitmap[i / 8] >> i % 8 & 1 &&
            add_chunks(query, start, start + step * query->chunk) < 0)
            return VD_E_NO_MEMORY;
    }
    return VD_OK;
}

/* The whole chunks, as the host of the disk tells them in one answer; *ret_at is where it ends, and
 * stays the start where the host does not tell. */
static int collect_from_host(struct query *query, uint64_t *ret_at, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    struct vd_disk *disk = query->disk->disk;
    uint64_t chunks = (query->end - query->start) / query->chunk;
    VD_FREE uint8_t *bitmap = calloc(vd_div_up(chunks + 1, 32), 4);
    int r = bitmap ? VD_OK : VD_E_NO_MEMORY;
    *ret_at = query->start;
    if (r == VD_OK && chunks > 0)
        r = vd_transport_query_allocated(disk, vd_sectors_to_bytes(query->start),
                                         vd_sectors_to_bytes(query->chunk), chunks, bitmap, &why);
    if (r == VD_E_NOT_SUPPORTED)
        return VD_OK;
    if (r == VD_OK)
        r = add_bits(query, bitmap, chunks);
    if (r < 0)
        return vd_error_set(err, r, "listing the blocks of '%s': %s", vd_disk_path(disk),
                            vd_error_message(&why, r));
    *ret_at += chunks * query->chunk;
    return VD_OK;
}

static int collect(struct query *query, struct vd_error *err)
{
    uint64_t at = query->start;
    int r = query->disk->remote ? collect_from_host(query, &at, err) : VD_OK;
    return r < 0 ? r : collect_by_map(query, at, err);
}

static const char *query_fault(uint64_t start, uint64_t count, uint64_t chunk, uint64_t capacity)
{
    if (chunk < VIXDISKLIB_MIN_CHUNK_SIZE || chunk > VIXDISKLIB_MAX_CHUNK_SIZE)
        return "the chunk size must be from 128 to 131072";
    if (start % chunk != 0 || count % chunk != 0)
        return "start and length must be multiples of the chunk size";
    if (count == 0 || count / chunk > VIXDISKLIB_MAX_CHUNK_NUMBER)
        return "the length must be from 1 to 524288 chunks";
    if (start >= capacity)
        return "the start must lie inside the disk";
    if (count - VD_MIN(count, capacity - start) >= chunk)
        return "the range must end less than one chunk past the disk";
    return NULL;
}

static int query_run(struct query *query, uint64_t count, struct vd_error *err)
{
    struct vd_disk *disk = query->disk->disk;
    uint64_t capacity = vd_disk_capacity(disk);
    const char *fault = query_fault(query->start, count, query->chunk, capacity);
    if (fault)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "listing the blocks of '%s': %" PRIu64 " sectors from sector %" PRIu64
                            " in chunks of %" PRIu64 ", disk of %" PRIu64 " sectors: %s",
                            vd_disk_path(disk), count, query->start, query->chunk, capacity, fault);
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    query->zeros_count = query->disk->single_link && info.parent_hint;
    query->end = query->start + VD_MIN(count, capacity - query->start);
    if (list_grow(query) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "listing the blocks of '%s': out of memory",
                            vd_disk_path(disk));
    return collect(query, err);
}

/* Room for one block also in an empty answer, since programs look at blocks[0]. */
static int hand_out(const struct query *query, VixDiskLibBlockList **ret, struct vd_error *err)
{
    const VixDiskLibBlockList *list = query->list;
    VixDiskLibBlockList *copy =
        vd_vix_given_new(VD_VIX_BLOCKS, list_bytes(VD_MAX(list->numBlocks, 1u)));
    if (!copy)
        return vd_error_set(err, VD_E_NO_MEMORY, "listing the blocks of '%s': out of memory",
                            vd_disk_path(query->disk->disk));
    copy->numBlocks = list->numBlocks;
    memcpy(copy->blocks, list->blocks, list->numBlocks * sizeof list->blocks[0]);
    *ret = copy;
    return VD_OK;
}

static int blocks_query(VixDiskLibHandle handle, struct query *query, uint64_t count,
                        VixDiskLibBlockList **ret, struct vd_error *err)
{
    int r = vd_vix_disk_get(handle, &query->disk, err);
    if (r < 0)
        return r;
    r = query_run(query, count, err);
    if (r == VD_OK)
        r = hand_out(query, ret, err);
    vd_vix_put(&query->disk->node);
    free(query->list);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle diskHandle,
                                                       VixDiskLibSectorType startSector,
                                                       VixDiskLibSectorType numSectors,
                                                       VixDiskLibSectorType chunkSize,
                                                       VixDiskLibBlockList **blockList)
{
    struct vd_error err = VD_ERROR_INIT;
    struct query query = {.start = startSector, .chunk = chunkSize};
    int r;
    if (blockList) {
        *blockList = NULL;
        r = blocks_query(diskHandle, &query, numSectors, blockList, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the blocks: it is NULL");
    }
    return vd_vix_result("VixDiskLib_QueryAllocatedBlocks", r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList)
{
    return vd_vix_given_free("VixDiskLib_FreeBlockList", blockList, VD_VIX_BLOCKS);
}
