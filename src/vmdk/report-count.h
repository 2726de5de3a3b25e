/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much data there is in a chain and how much of it is seen, told from tables and file systems
 * without reading it: window by window of the disk, and in a window link by link from the leaf on.
 * So each table is looked at once, and what has to be remembered is what of one window no link has
 * held so far.
 */
#ifndef VD_VMDK_REPORT_COUNT_H
#define VD_VMDK_REPORT_COUNT_H

#include "vmdk/chain.h"

/* With grains of one sector, every other of them there, a window is 2^20 ranges of 16 bytes, twice:
 * that of 1 GiB 32 MiB at worst, and 256 KiB with the usual grains of 64 KiB. */
#define VD_COUNT_WINDOW_SECTORS (UINT64_C(1) << 21)

struct vd_count_ranges {
    struct vd_count_range *ranges; /* ascending, apart; owned */
    size_t count;
    size_t allocated;
};

/* Begins with the first two and zeros. */
struct vd_count {
    size_t num_links;
    uint64_t capacity_sectors; /* of the disk; links may be larger */
    uint64_t seen_sectors;     /* data of all windows so far that no link above hides */
    /* the window */
    uint64_t start_sectors;
    uint64_t end_sectors;
    /* the link that is counted */
    size_t links_left;              /* with it */
    struct vd_count_ranges above;   /* what those above it do not hold */
    struct vd_count_ranges through; /* what it does not hold either, so far */
    size_t at;                      /* the first of `above` that is not settled */
};

void vd_count_done(struct vd_count *count);

/* The next window, at the leaf. */
VD_MUST_CHECK int vd_count_window(struct vd_count *count, uint64_t start_sectors,
                                  uint64_t end_sectors, struct vd_error *err);
/* What the window has of the next extent of the link: adds the data it holds to *bytes. Extents
 * come in the order of the link; those that are left out hold nothing. */
VD_MUST_CHECK int vd_count_extent(struct vd_count *count, const struct vd_link_extent *extent,
                                  uint64_t *bytes, struct vd_error *err);
/* Goes on with the next link. */
VD_MUST_CHECK int vd_count_parent(struct vd_count *count, struct vd_error *err);

#endif
