/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks of the disk hold data, by its map. */
#include <stdlib.h>

#include "aio-int.h"
#include "base/checked.h"
#include "base/units.h"

#define RUNS 64

static bool check(const struct sim_open *open, const struct vd_nfc_query *query,
                  struct sim_refusal *refusal)
{
    uint64_t capacity = open ? vd_sectors_to_bytes(vd_disk_capacity(open->disk)) : 0;
    uint64_t length = 0;

    if (!open)
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT, "no such handle");
    else if (query->chunk_bytes == 0 || query->chunk_bytes % VD_SECTOR_BYTES ||
             query->start_bytes % query->chunk_bytes || query->chunks == 0 ||
             query->chunks > VD_NFC_QUERY_MAX_CHUNKS ||
             !vd_mul_u64(query->chunks, query->chunk_bytes, &length) ||
             query->start_bytes >= capacity ||
             query->chunks > vd_div_up(capacity - query->start_bytes, query->chunk_bytes))
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT,
                   "%ju chunks of %ju bytes from %ju on are not of the disk",
                   (uintmax_t)query->chunks, (uintmax_t)query->chunk_bytes,
                   (uintmax_t)query->start_bytes);
    else
        return true;
    return false;
}

static void mark(const struct vd_nfc_query *query, const struct vd_run *run, uint8_t *bitmap)
{
    uint64_t start = vd_sectors_to_bytes(run->start_sectors) - query->start_bytes;
    uint64_t end = start + vd_sectors_to_bytes(run->length_sectors);

    for (uint64_t i = start / query->chunk_bytes; i * query->chunk_bytes < end; i++)
        bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1u << i % 8);
}

static int fill(struct sim_open *open, const struct vd_nfc_query *query, uint8_t *bitmap,
                struct vd_error *err)
{
    uint64_t at = query->start_bytes / VD_SECTOR_BYTES;
    uint64_t end = at + query->chunks * (query->chunk_bytes / VD_SECTOR_BYTES);
    struct vd_run runs[RUNS];
    size_t count;

    end = VD_MIN(end, vd_disk_capacity(open->disk));
    while (at < end) {
        int r = vd_disk_map(open->disk, at, end - at, runs, RUNS, &count, err);
        if (r < 0)
            return r;
        for (size_t i = 0; i < count; i++) {
            if (runs[i].kind == VD_RUN_DATA)
                mark(query, &runs[i], bitmap);
        }
        at = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
    return VD_OK;
}

int aio_take_query(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                   struct vd_error *err)
{
    uint8_t answer[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct vd_error why = VD_ERROR_INIT;
    struct vd_nfc_query query;
    struct sim_refusal refusal;

    vd_nfc_query_decode(payload, &query);
    struct sim_open *open = aio_open_of(aio, query.handle);
    if (!check(open, &query, &refusal))
        return aio_refuse(aio, header, &refusal, err);
    uint32_t bytes = vd_nfc_bitmap_bytes(query.chunks);
    VD_FREE uint8_t *bitmap = calloc(1, bytes);
    int r = bitmap ? fill(open, &query, bitmap, &why) : VD_E_NO_MEMORY;
    if (r < 0) {
        sim_refuse_error(&refusal, r, open->path, &why);
        return aio_refuse(aio, header, &refusal, err);
    }
    struct vd_nfc_query told = {.chunks = query.chunks};
    vd_nfc_query_encode(&told, answer);
    return aio_send(aio, header, answer, bitmap, bytes, err);
}
