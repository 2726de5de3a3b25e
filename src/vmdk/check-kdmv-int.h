/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a hosted sparse extent: where its directories and tables lie (check-kdmv-tables.c), what
 * their entries point at (check-kdmv-grains.c, and check-kdmv-plain.c for the many tables where
 * that is soon said), compressed grains (check-stream.c), the ends of streams put right
 * (check-stream-mend.c), and the whole (check-kdmv.c).
 */
#ifndef VD_VMDK_CHECK_KDMV_INT_H
#define VD_VMDK_CHECK_KDMV_INT_H

#include "vmdk/check-bitmap.h"
#include "vmdk/check-int.h"
#include "vmdk/check-window.h"
#include "vmdk/kdmv-header.h"

#define VD_KDMV_ENTRY_BYTES 4u

enum vd_kdmv_which { VD_KDMV_PRIMARY, VD_KDMV_SECONDARY, VD_KDMV_COPIES };

/* One directory and its tables. */
struct vd_kdmv_copy {
    bool present;          /* the directory lies inside the file */
    bool standard;         /* its tables follow it in order, as every writer lays them out */
    uint64_t gd_bytes;     /* offset of the directory */
    uint64_t first_sector; /* where table 0 is in the standard layout */
    uint64_t num_standard; /* tables that are in their place there */
    struct vd_check_window directory;
    struct vd_check_window tables;
    struct vd_check_bitmap *bad; /* tables whose entry in the directory is no good */
};

struct vd_kdmv_check {
    struct vd_check_file *file;
    struct vd_block *block;
    const struct vd_extent_line *line;
    struct vd_kdmv_header header; /* the footer where there is one */
    bool compressed;
    uint64_t file_bytes;
    uint64_t file_sectors; /* what a 32-bit entry can reach of it */
    uint64_t num_tables;
    uint64_t num_grains;
    size_t table_bytes;
    uint64_t table_sectors;
    uint64_t first_grain_sectors; /* no grain lies below */
    struct vd_kdmv_copy copies[VD_KDMV_COPIES];
    struct vd_check_bitmap *metadata; /* sectors of header, descriptor, directories, tables */
    /* Slots of slot_sectors: grains that entries point at; those that several do; those that only
     * the redundant table has and that were given to their grain. */
    uint64_t slot_sectors;
    struct vd_check_bitmap *used;
    struct vd_check_bitmap *twice;
    struct vd_check_bitmap *claimed;
    struct vd_check_bitmap *plain; /* tables of which nothing needs to be told */
    uint64_t plain_grains;         /* in them */
    uint64_t plain_end_sectors;    /* behind the last of those */
    uint64_t end_sectors;          /* behind all that any table refers to */
    bool gave_up;                  /* an entry: what nothing refers to now may be what is missed */
};

/* What a table entry is. */
enum vd_kdmv_entry { VD_ENTRY_ABSENT, VD_ENTRY_ZERO, VD_ENTRY_GOOD, VD_ENTRY_BAD };

/* --- check-kdmv.c --- */

/* All but how the header was come by: that is k->header, and file_bytes is known. */
VD_MUST_CHECK int vd_kdmv_check_body(struct vd_kdmv_check *k, struct vd_error *err);

/* --- check-kdmv-tables.c --- */

/* Finds the directories and judges every entry of them; `bad` and `metadata` are known then. */
VD_MUST_CHECK int vd_kdmv_judge_directories(struct vd_kdmv_check *k, struct vd_error *err);
VD_MUST_CHECK int vd_kdmv_directory_entry(struct vd_kdmv_check *k, enum vd_kdmv_which which,
                                          uint64_t table, uint32_t *ret, struct vd_error *err);
/* 1 and the table's bytes (NULL: all zeros), or 0 where it has none or its entry is bad. Valid
 * until the next table of that copy. */
VD_MUST_CHECK int vd_kdmv_table(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                                uint32_t *ret_sector, const uint8_t **ret_bytes,
                                struct vd_error *err);
/* Tells, and repairs, bad entries of both directories for one table. */
VD_MUST_CHECK int vd_kdmv_tell_directory(struct vd_kdmv_check *k, uint64_t table,
                                         struct vd_error *err);

/* --- check-kdmv-grains.c --- */

enum vd_kdmv_entry vd_kdmv_classify(const struct vd_kdmv_check *k, uint64_t grain, uint32_t entry);
/* Notes every grain in use. */
VD_MUST_CHECK int vd_kdmv_mark_grains(struct vd_kdmv_check *k, struct vd_error *err);
/* Tells, and repairs, what is wrong with entries. */
VD_MUST_CHECK int vd_kdmv_judge_grains(struct vd_kdmv_check *k, struct vd_error *err);
/* Space that nothing refers to. */
void vd_kdmv_tell_leaks(struct vd_kdmv_check *k);

/* `run` grains side by side, the first in sector `entry`, a multiple of slot_sectors. */
VD_MUST_CHECK int vd_kdmv_mark_run(struct vd_kdmv_check *k, uint32_t entry, uint64_t run,
                                   struct vd_error *err);

/* --- check-kdmv-plain.c --- */

/* 1 when the table is plainly in order: its grains are marked, and it is in `plain`; else 0, and
 * nothing was done. */
VD_MUST_CHECK int vd_kdmv_mark_plain(struct vd_kdmv_check *k, uint64_t table, struct vd_error *err);
/* When all are marked: true when those in `plain` need no further look; their grains are counted
 * then. */
bool vd_kdmv_settle_plain(struct vd_kdmv_check *k);

/* --- check-stream.c --- */

/* Header, footer and end of a stream; the footer replaces k->header. 0 where the directory cannot
 * be found, which was told then. */
VD_MUST_CHECK int vd_stream_check_ends(struct vd_kdmv_check *k, struct vd_error *err);
/* Every record: place, size, content. */
VD_MUST_CHECK int vd_stream_check_records(struct vd_kdmv_check *k, struct vd_error *err);

/* --- check-stream-mend.c --- */

/* The footer was not found, or is not the header's, as `why` says. Tells that, and repairs it. 1
 * when k->header is one to go on with, else 0. */
VD_MUST_CHECK int vd_stream_mend_footer(struct vd_kdmv_check *k, const struct vd_error *why,
                                        struct vd_error *err);
/* 1 and the header, with the directory's place, that the footer at the end of the file proves;
 * else 0. k->line may be NULL: the descriptor that the header names has it then. */
VD_MUST_CHECK int vd_stream_propose_header(const struct vd_kdmv_check *k,
                                           struct vd_kdmv_header *ret, struct vd_error *err);
/* Makes it the file's, durably. */
VD_MUST_CHECK int vd_stream_put_header(struct vd_repair *repair,
                                       const struct vd_kdmv_header *footer, struct vd_error *err);

#endif
