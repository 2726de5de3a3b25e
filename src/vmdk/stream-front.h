/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that stand in front of the grains of a stream, as qemu-img and vmdk-convert write them.
 * Such a stream may end without any mark, so the number of grains its tables promise is the only
 * way to tell a whole one from one that was cut off.
 */
#ifndef VD_VMDK_STREAM_FRONT_H
#define VD_VMDK_STREAM_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vmdk/kdmv-header.h"

struct vd_stream_front {
    uint64_t num_tables;
    uint64_t table_sectors;
    uint64_t gd_start_sectors; /* the directory's place; no grain table is known before its end */
    uint64_t gd_end_sectors;
    struct vd_buf directory;
    uint64_t next_table;   /* the first one not seen whole */
    uint64_t seen_sectors; /* of that one */
    uint64_t promised_grains;
    bool lost; /* the tables are in an order that a forward reader cannot follow */
};

void vd_stream_front_init(struct vd_stream_front *front, const struct vd_kdmv_header *header);
void vd_stream_front_done(struct vd_stream_front *front);
/* Every sector from 1 to the last one before the first grain, in order. */
void vd_stream_front_feed(struct vd_stream_front *front, uint64_t sector, const uint8_t *bytes);
/* After the last sector in front: true and the number of grains the tables point at, or false when
 * not all tables were there. */
bool vd_stream_front_promise(const struct vd_stream_front *front, uint64_t *ret_grains);

#endif
