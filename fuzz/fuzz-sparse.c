/* SPDX-License-Identifier: Apache-2.0 */
/* One file in memory, opened as a hosted sparse extent: header, footer, tables, compressed grains.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/memory.h"
#include "vmdk/extent.h"
#include "vmdk/grain-record.h"
#include "vmdk/kdmv-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LOOKUPS 64u

struct session {
    struct vd_block *block;
    struct vd_table_cache *cache;
    struct vd_extent *extent;
    struct vd_record_scratch scratch;
    uint8_t *grain;
};

static void read_record(struct session *s, const struct vd_lookup *run)
{
    size_t grain_bytes = (size_t)vd_sectors_to_bytes(s->extent->grain_sectors);

    if (!s->grain && !(s->grain = malloc(grain_bytes)))
        return;
    /* Any answer will do: the sanitizers judge. */
    (void)!vd_grain_record_read(s->extent, run->offset_bytes, run->grain_start_sectors, grain_bytes,
                                &s->scratch, s->grain, NULL);
}

/* Gives how far to go on. */
static uint64_t look(struct session *s, uint64_t sector, uint64_t max_sectors)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_lookup run;

    if (vd_extent_lookup(s->extent, sector, max_sectors, &run, &err) < 0) {
        if (err.text[0] == '\0')
            abort(); /* a refusal without a sentence */
        return VD_MAX(s->extent->grain_sectors, 1);
    }
    if (run.kind == VD_LOOKUP_COMPRESSED)
        read_record(s, &run);
    return run.length_sectors;
}

static void walk(struct session *s, uint64_t sector, uint64_t piece)
{
    uint64_t capacity = s->extent->capacity_sectors;

    for (unsigned i = 0; i < MAX_LOOKUPS && sector < capacity; i++)
        sector += look(s, sector, VD_MIN(piece, capacity - sector));
}

static void use(struct session *s, const uint8_t *data, size_t size)
{
    uint64_t capacity = s->extent->capacity_sectors;

    walk(s, 0, UINT64_MAX);
    walk(s, 0, s->extent->grain_sectors + 1);
    if (capacity > 0 && size >= 8)
        walk(s, vd_le64_decode(data + size - 8) % capacity, 1000);
}

static void open_and_use(struct session *s, const uint8_t *data, size_t size)
{
    struct vd_kdmv_header header;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_extent_line line = {.type = VD_EXTENT_SPARSE};
    struct vd_extent_params params = {.line = &line};

    if (vd_block_memory_new(data, size, &s->block, NULL) < 0 ||
        vd_table_cache_new(64u << 10, &s->cache, NULL) < 0)
        return;
    params.block = s->block;
    params.cache = s->cache;
    if (vd_kdmv_header_read(s->block, &header, NULL) >= 0)
        line.sectors = header.capacity_sectors;
    if (vd_extent_sparse_open(&params, &s->extent, &err) >= 0)
        use(s, data, size);
    else if (err.text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session s = {0};

    open_and_use(&s, data, size);
    vd_extent_free(s.extent);
    vd_record_scratch_done(&s.scratch);
    vd_table_cache_free(s.cache);
    vd_block_free(s.block);
    free(s.grain);
    return 0;
}
