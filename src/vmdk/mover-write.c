/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing. Sectors that the leaf stores are written where they are, without a lock: a grain that
 * has its place keeps it. The rest goes through batches of neighbouring grains: their stripes are
 * locked, what is still not stored gets places, is written, whole grains in as few writes as their
 * places allow, and only then published.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/mover-int.h"

/* Grains that share a stripe. */
#define STRIPE_GRAINS 16u
/* Grains that are allocated at once; they meet at most 17 stripes. */
#define BATCH_GRAINS 256u
/* And at most this much data: others wait for the stripes meanwhile. */
#define BATCH_SECTORS (UINT64_C(8) << 11)

/* A part of a request that lies in one extent of the leaf. */
struct piece {
    struct vd_mover *mover;
    size_t index; /* of the extent */
    const struct vd_link_extent *at;
    struct vd_extent *extent;
    uint64_t sector; /* in the extent; moves on */
    uint64_t end;
    const uint8_t *bytes; /* of `sector` */
};

static void piece_advance(struct piece *piece, uint64_t sectors)
{
    piece->sector += sectors;
    piece->bytes += vd_sectors_to_bytes(sectors);
}

/* --- what may be written --- */

static int refuse_extent(const struct vd_mover *mover, const struct vd_link_extent *at,
                         struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    const struct vd_descriptor *descriptor = leaf->descriptor;
    const struct vd_extent_line *line =
        descriptor->num_extents > at->line ? &descriptor->extents[at->line] : NULL;
    if (line && line->access != VD_ACCESS_RW)
        return vd_error_set(err, VD_E_READ_ONLY, "extent %zu, '%s', is %s in the descriptor",
                            at->line + 1, at->path ? at->path : "ZERO",
                            vd_extent_access_text(line->access));
    if (at->block == NULL)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "extent %zu is ZERO: zeros without a file that could hold data",
                            at->line + 1);
    return vd_error_set(err, VD_E_READ_ONLY, "'%s' is open for reading only", at->path);
}

/* All of the range, before any of it changes. */
static int check_range(const struct vd_mover *mover, uint64_t start, uint64_t end,
                       struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    for (size_t i = vd_link_extent_at(leaf, start);
         i < leaf->num_extents && leaf->extents[i].start_sectors < end; i++) {
        if (!vd_extent_is_writable(leaf->extents[i].extent))
            return refuse_extent(mover, &leaf->extents[i], err);
    }
    return 0;
}

static int extent_begin(struct vd_mover *mover, size_t index, struct vd_error *err)
{
    struct vd_mover_extent *state = &mover->leaf[index];
    if (atomic_load_explicit(&state->begun, memory_order_acquire))
        return 0;
    (void)pthread_mutex_lock(&mover->begin_lock);
    int r = 0;
    if (!state->begun)
        r = vd_extent_begin_write(mover->links[0]->extents[index].extent, err);
    if (r >= 0)
        atomic_store_explicit(&state->begun, true, memory_order_release);
    (void)pthread_mutex_unlock(&mover->begin_lock);
    return r;
}

int vd_mover_begin_write(struct vd_mover *mover, struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    for (size_t i = 0; i < leaf->num_extents; i++) {
        int r = 0;
        if (vd_extent_is_writable(leaf->extents[i].extent))
            r = extent_begin(mover, i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- stripes --- */

/* Those of grains [first, last], as bits. */
static uint64_t stripes_of(const struct piece *piece, uint64_t first, uint64_t last)
{
    uint64_t stripes = 0;
    for (uint64_t group = first / STRIPE_GRAINS; group <= last / STRIPE_GRAINS; group++)
        stripes |= UINT64_C(1) << (group + piece->index * 7) % VD_MOVER_STRIPES;
    return stripes;
}

static void stripes_lock(struct vd_mover *mover, uint64_t stripes)
{
    for (unsigned i = 0; i < VD_MOVER_STRIPES; i++) {
        if (stripes >> i & 1)
            (void)pthread_mutex_lock(&mover->stripes[i]);
    }
}

static void stripes_unlock(struct vd_mover *mover, uint64_t stripes)
{
    for (unsigned i = 0; i < VD_MOVER_STRIPES; i++) {
        if (stripes >> i & 1)
            (void)pthread_mutex_unlock(&mover->stripes[i]);
    }
}

/* --- new grains --- */

/* Grains with places, side by side in the file and in the buffer, that wait to be written. */
struct pending {
    uint64_t first_grain;
    uint64_t grains;
    uint64_t offset_bytes;
    const uint8_t *bytes;
};

static int publish(const struct piece *piece, uint64_t first, uint64_t grains, uint64_t offset,
                   struct vd_error *err)
{
    uint64_t grain_bytes = vd_sectors_to_bytes(piece->extent->grain_sectors);
    for (uint64_t i = 0; i < grains; i++) {
        int r = vd_extent_publish(piece->extent, first + i, offset + i * grain_bytes, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int pending_write(const struct piece *piece, struct pending *pending, struct vd_error *err)
{
    struct pending wanted = *pending;
    if (wanted.grains == 0)
        return 0;
    pending->grains = 0;
    uint64_t length = wanted.grains * vd_sectors_to_bytes(piece->extent->grain_sectors);
    int r = vd_block_write(piece->extent->block, wanted.offset_bytes, wanted.bytes, (size_t)length,
                           err);
    return r < 0 ? r : publish(piece, wanted.first_grain, wanted.grains, wanted.offset_bytes, err);
}

/* What the parents have at a grain's sectors [first, first + count) of the extent. */
static int parents_read(const struct piece *piece, uint64_t first, uint64_t count, uint8_t *bytes,
                        struct vd_error *err)
{
    const struct vd_mover *mover = piece->mover;
    if (mover->num_links == 1 && mover->missing_parent)
        return vd_error_set(err, VD_E_PARTIAL_CHAIN,
                            "a part of a grain is written, and the rest of it is in a parent that "
                            "is not open");
    memset(bytes, 0, (size_t)vd_sectors_to_bytes(count));
    if (mover->num_links == 1)
        return 0;
    struct vd_mover parents = {.links = mover->links + 1,
                               .num_links = mover->num_links - 1,
                               .missing_parent = mover->missing_parent,
                               .grains = mover->grains};
    uint64_t start = piece->at->start_sectors + first;
    uint64_t capacity = parents.links[0]->capacity_sectors;
    if (start >= capacity || count == 0)
        return 0;
    return vd_mover_read(&parents, start, VD_MIN(count, capacity - start), bytes, err);
}

/* What one grain gets: `count` sectors of data from its sector `within` on. */
struct part {
    uint64_t grain;
    uint64_t within;
    uint64_t count;
    const uint8_t *bytes;
    bool absent; /* the parents show through, now */
};

/* The grain's other sectors: the parents', or zeros; zeros too behind the end of the extent. */
static int part_fill(const struct piece *piece, const struct part *part, uint8_t *grain_bytes,
                     struct vd_error *err)
{
    const struct vd_extent *extent = piece->extent;
    uint64_t start = part->grain * extent->grain_sectors;
    uint64_t used = VD_MIN(extent->grain_sectors, extent->capacity_sectors - start);
    uint64_t behind = part->within + part->count;

    memset(grain_bytes, 0, (size_t)vd_sectors_to_bytes(extent->grain_sectors));
    if (part->absent) {
        int r = parents_read(piece, start, part->within, grain_bytes, err);
        if (r >= 0 && behind < used)
            r = parents_read(piece, start + behind, used - behind,
                             grain_bytes + vd_sectors_to_bytes(behind), err);
        if (r < 0)
            return r;
    }
    memcpy(grain_bytes + vd_sectors_to_bytes(part->within), part->bytes,
           (size_t)vd_sectors_to_bytes(part->count));
    return 0;
}

static int part_write(const struct piece *piece, const struct part *part, uint64_t offset,
                      struct vd_error *err)
{
    uint64_t length = vd_sectors_to_bytes(piece->extent->grain_sectors);
    VD_FREE uint8_t *bytes = malloc((size_t)length);
    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a grain of %" PRIu64 " bytes",
                            length);
    int r = part_fill(piece, part, bytes, err);
    if (r >= 0)
        r = vd_block_write(piece->extent->block, offset, bytes, (size_t)length, err);
    return r < 0 ? r : publish(piece, part->grain, 1, offset, err);
}

/* 1: the grain needs no data, because zeros were written to it; it reads as them now. */
static int part_without_data(const struct piece *piece, const struct part *part,
                             struct vd_error *err)
{
    const struct vd_mover *mover = piece->mover;
    const struct vd_extent *extent = piece->extent;
    if (!vd_bytes_all_zero(part->bytes, (size_t)vd_sectors_to_bytes(part->count)))
        return 0;
    bool base = mover->num_links == 1 && !mover->missing_parent;
    if (!part->absent || base)
        return 1;
    uint64_t left = extent->capacity_sectors - part->grain * extent->grain_sectors;
    if (part->within != 0 || part->count < VD_MIN(left, extent->grain_sectors))
        return 0;
    struct vd_error refusal = VD_ERROR_INIT;
    int r = vd_extent_zero(piece->extent, part->grain, &refusal);
    if (r == VD_E_NOT_SUPPORTED)
        return 0;
    return r < 0 ? vd_error_set(err, r, "%s", refusal.text) : 1;
}

static int part_allocate(const struct piece *piece, const struct part *part,
                         struct pending *pending, struct vd_error *err)
{
    uint64_t grain_bytes = vd_sectors_to_bytes(piece->extent->grain_sectors);
    uint64_t offset = 0;
    int r = vd_extent_allocate(piece->extent, part->grain, &offset, err);
    if (r < 0)
        return r;
    bool whole = part->count == piece->extent->grain_sectors;
    bool continues = whole && pending->grains > 0 &&
                     pending->first_grain + pending->grains == part->grain &&
                     pending->offset_bytes + pending->grains * grain_bytes == offset;
    if (continues) {
        pending->grains++;
        return 0;
    }
    r = pending_write(piece, pending, err);
    if (r < 0)
        return r;
    if (!whole)
        return part_write(piece, part, offset, err);
    *pending = (struct pending){part->grain, 1, offset, part->bytes};
    return 0;
}

/* Sectors [piece->sector, + count), none of them stored, all of one kind; stripes held. */
static int grains_add(const struct piece *piece, uint64_t count, bool absent, struct vd_error *err)
{
    uint64_t grain_sectors = piece->extent->grain_sectors;
    struct pending pending = {0};
    uint64_t done = 0;
    int r = 0;
    while (r >= 0 && done < count) {
        uint64_t sector = piece->sector + done;
        struct part part = {.grain = sector / grain_sectors,
                            .within = sector % grain_sectors,
                            .bytes = piece->bytes + vd_sectors_to_bytes(done),
                            .absent = absent};
        part.count = VD_MIN(grain_sectors - part.within, count - done);
        r = part_without_data(piece, &part, err);
        if (r == 0)
            r = part_allocate(piece, &part, &pending, err);
        done += part.count;
    }
    return r < 0 ? r : pending_write(piece, &pending, err);
}

/* --- a piece --- */

static int write_in_place(struct piece *piece, const struct vd_lookup *at, struct vd_error *err)
{
    uint64_t length = vd_sectors_to_bytes(at->length_sectors);
    int r =
        vd_block_write(piece->extent->block, at->offset_bytes, piece->bytes, (size_t)length, err);
    if (r < 0)
        return r;
    vd_extent_grew(piece->extent, at->offset_bytes + length);
    piece_advance(piece, at->length_sectors);
    return 0;
}

static int piece_lookup(const struct piece *piece, uint64_t max_sectors, struct vd_lookup *ret,
                        struct vd_error *err)
{
    int r = vd_extent_lookup(piece->extent, piece->sector, max_sectors, ret, err);
    assert(r < 0 || ret->kind != VD_LOOKUP_COMPRESSED); /* refused at open */
    return r;
}

/* How far one batch reaches from the position: to a grain's border, or to the end. */
static uint64_t batch_sectors(const struct piece *piece)
{
    uint64_t grain_sectors = piece->extent->grain_sectors;
    uint64_t grains = VD_MAX(BATCH_SECTORS / grain_sectors, 1);
    uint64_t last = piece->sector / grain_sectors + VD_MIN(grains, BATCH_GRAINS);
    return VD_MIN(last * grain_sectors, piece->end) - piece->sector;
}

/* What is not stored at the position, as far as it goes or a batch does. Another writer may have
 * stored it by now: then nothing is done, and the caller looks again. */
static int write_batch(struct piece *piece, struct vd_error *err)
{
    uint64_t grain_sectors = piece->extent->grain_sectors;
    uint64_t count = batch_sectors(piece);
    uint64_t stripes = stripes_of(piece, piece->sector / grain_sectors,
                                  (piece->sector + count - 1) / grain_sectors);
    struct vd_lookup at = {0};

    stripes_lock(piece->mover, stripes);
    int r = piece_lookup(piece, count, &at, err);
    bool stored = r >= 0 && at.kind == VD_LOOKUP_DATA;
    if (r >= 0 && !stored)
        r = grains_add(piece, at.length_sectors, at.kind == VD_LOOKUP_ABSENT, err);
    stripes_unlock(piece->mover, stripes);
    if (r >= 0 && !stored)
        piece_advance(piece, at.length_sectors);
    return r;
}

static int write_piece(struct piece *piece, struct vd_error *err)
{
    int r = extent_begin(piece->mover, piece->index, err);
    while (r >= 0 && piece->sector < piece->end) {
        struct vd_lookup at = {0};
        r = piece_lookup(piece, piece->end - piece->sector, &at, err);
        if (r < 0)
            break;
        if (at.kind == VD_LOOKUP_DATA)
            r = write_in_place(piece, &at, err);
        else
            r = write_batch(piece, err);
    }
    return r;
}

/* --- flush --- */

static int flush_locked(struct vd_mover *mover, struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    for (size_t i = 0; i < leaf->num_extents; i++) {
        if (!atomic_exchange(&mover->leaf[i].changed, false))
            continue;
        int r = vd_extent_flush(leaf->extents[i].extent, err);
        if (r < 0) {
            mover->leaf[i].changed = true;
            return r;
        }
    }
    return 0;
}

int vd_mover_flush(struct vd_mover *mover, struct vd_error *err)
{
    (void)pthread_mutex_lock(&mover->flush_lock);
    int r = flush_locked(mover, err);
    (void)pthread_mutex_unlock(&mover->flush_lock);
    if (r < 0)
        vd_error_prefix(err, "flushing '%s'", mover->links[0]->path);
    return r;
}

/* Changed tables stay in memory until they are flushed: never more than so many. */
static int flush_when_due(struct vd_mover *mover, struct vd_table_cache *cache,
                          struct vd_error *err)
{
    if (vd_table_cache_dirty_bytes(cache) <= VD_TABLE_DIRTY_BYTES)
        return 0;
    (void)pthread_mutex_lock(&mover->flush_lock);
    int r = 0;
    if (vd_table_cache_dirty_bytes(cache) > VD_TABLE_DIRTY_BYTES) /* nobody was faster */
        r = flush_locked(mover, err);
    (void)pthread_mutex_unlock(&mover->flush_lock);
    return r;
}

int vd_mover_finish(struct vd_mover *mover, struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    int first = vd_mover_flush(mover, err);
    for (size_t i = 0; i < leaf->num_extents; i++) {
        struct vd_mover_extent *state = &mover->leaf[i];
        if (!state->begun || state->changed) /* what could not be flushed stays unclean */
            continue;
        int r = vd_extent_finish(leaf->extents[i].extent, err);
        if (r < 0 && first >= 0)
            first = r;
        state->begun = false;
    }
    return first;
}

/* --- the request --- */

/* The piece of [start, end) that lies in extent `index`. */
static struct piece piece_of(struct vd_mover *mover, size_t index, uint64_t start, uint64_t end,
                             const uint8_t *buffer)
{
    const struct vd_link_extent *at = &mover->links[0]->extents[index];
    uint64_t first = VD_MAX(start, at->start_sectors);
    uint64_t last = VD_MIN(end, at->start_sectors + at->extent->capacity_sectors);
    return (struct piece){
        .mover = mover,
        .index = index,
        .at = at,
        .extent = at->extent,
        .sector = first - at->start_sectors,
        .end = last - at->start_sectors,
        .bytes = buffer + vd_sectors_to_bytes(first - start),
    };
}

static int write_range(struct vd_mover *mover, uint64_t start, uint64_t end, const uint8_t *buffer,
                       uint64_t *ret_sector, struct vd_error *err)
{
    const struct vd_link *leaf = mover->links[0];
    *ret_sector = start;
    int r = check_range(mover, start, end, err);
    for (size_t i = vd_link_extent_at(leaf, start);
         r >= 0 && i < leaf->num_extents && leaf->extents[i].start_sectors < end; i++) {
        struct piece piece = piece_of(mover, i, start, end, buffer);
        r = write_piece(&piece, err);
        mover->leaf[i].changed = true; /* also after a failure: a part may have been written */
        *ret_sector = piece.at->start_sectors + piece.sector;
        if (r >= 0)
            r = flush_when_due(mover, piece.extent->cache, err);
    }
    return r;
}

int vd_mover_write(struct vd_mover *mover, uint64_t start_sectors, uint64_t count_sectors,
                   const void *buffer, struct vd_error *err)
{
    assert(vd_range_inside(start_sectors, count_sectors, mover->links[0]->capacity_sectors));
    if (count_sectors == 0)
        return 0;
    uint64_t sector = start_sectors;
    int r = write_range(mover, start_sectors, start_sectors + count_sectors, buffer, &sector, err);
    if (r < 0)
        vd_error_prefix(err, "writing sector %" PRIu64 " of '%s'", sector, mover->links[0]->path);
    return r;
}

/* --- zeros --- */

static int run_punch(struct vd_mover *mover, const struct vd_plan_run *run, struct vd_error *err)
{
    if (run->kind != VD_LOOKUP_DATA || run->depth != 0)
        return 0;
    int r = extent_begin(mover, run->extent_index, err);
    if (r < 0)
        return r;
    r = vd_block_punch(run->extent->block, run->at.offset_bytes,
                       vd_sectors_to_bytes(run->length_sectors), err);
    mover->leaf[run->extent_index].changed = true; /* also after a failure, as by writing */
    return r;
}

int vd_mover_punch(struct vd_mover *mover, uint64_t start_sectors, uint64_t count_sectors,
                   struct vd_error *err)
{
    struct vd_plan plan;
    vd_plan_init(&plan, mover, start_sectors, count_sectors);
    int r = check_range(mover, start_sectors, plan.end, err);
    while (r >= 0 && plan.position < plan.end) {
        struct vd_plan_run run;
        r = vd_plan_next(&plan, &run, err);
        if (r >= 0)
            r = run_punch(mover, &run, err);
        if (r >= 0)
            vd_plan_advance(&plan, run.length_sectors);
    }
    if (r < 0)
        vd_error_prefix(err, "writing zeros at sector %" PRIu64 " of '%s'", plan.position,
                        mover->links[0]->path);
    return r;
}
