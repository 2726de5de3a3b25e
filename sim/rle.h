/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk as FILE_DATA carries it: payloads that are either entries of the disk database or runs of
 * sectors, ascending and without gaps. Source: VMware's photon-controller (PROVENANCE.md).
 */
#ifndef SIM_RLE_H
#define SIM_RLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "disk/disk.h"

struct sim_open;

/* What both known clients take at most. */
#define SIM_RLE_PAYLOAD_BYTES (262144u - 264u)

/* Where a payload goes. Either may be NULL: not wanted. */
struct sim_rle_target {
    int (*entry)(void *data, const char *key, const char *value, struct vd_error *err);
    int (*sectors)(void *data, uint64_t start_sectors, uint64_t count_sectors, const void *bytes,
                   struct vd_error *err); /* bytes NULL: zeros */
    void *data;
    uint64_t capacity_sectors;
    uint64_t next_sectors; /* how far it came */
};

/* One payload. VD_E_PROTOCOL for anything that is none, or leaves the disk. */
VD_MUST_CHECK int sim_rle_decode(struct sim_rle_target *target, const uint8_t *payload, size_t size,
                                 struct vd_error *err);
/* The database of the disk as one payload. */
VD_MUST_CHECK int sim_rle_encode_entries(struct vd_disk *disk, struct vd_buf *payload,
                                         struct vd_error *err);
/* As many sectors from *next_sectors on as fit one payload. */
VD_MUST_CHECK int sim_rle_encode_sectors(struct vd_disk *disk, uint64_t *next_sectors,
                                         struct vd_buf *payload, struct vd_error *err);

#endif
