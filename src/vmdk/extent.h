/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vd_extent: a contiguous range of a link's sectors stored in one file. An extent
 * translates, it never moves data: lookup() says where sectors are, the mover (mover.h) fetches
 * them.
 *
 * Threads: lookup from any thread at once, while others write. The writing verbs as told below.
 */
#ifndef VD_VMDK_EXTENT_H
#define VD_VMDK_EXTENT_H

#include "base/log.h"
#include "block/block.h"
#include "vmdk/descriptor.h"
#include "vmdk/table-cache.h"

enum vd_lookup_kind {
    VD_LOOKUP_ABSENT,     /* ask the parent */
    VD_LOOKUP_ZERO,       /* zeros, do not ask */
    VD_LOOKUP_DATA,       /* at offset_bytes of the extent's block */
    VD_LOOKUP_COMPRESSED, /* the record of the grain that holds the sector is at offset_bytes */
};

struct vd_lookup {
    enum vd_lookup_kind kind;
    uint64_t length_sectors; /* of the run that begins at the sector asked for; 1 .. max asked */
    uint64_t offset_bytes;   /* DATA: of the sector asked for; COMPRESSED: of the grain's record */
    uint64_t stored_sectors; /* DATA: how many of the run are really in the file; the rest of it,
                                past the end of a flat file opened with FILL_SHORT or past the last
                                short grain, reads as zeros. Equals length_sectors otherwise */
    uint64_t grain_start_sectors; /* COMPRESSED: first sector of the grain in the extent */
};

/* How compressed grains are framed; see grain-record.h. */
enum vd_record_form {
    VD_RECORD_MARKER /* 12 bytes: lba, size */,
    VD_RECORD_SIZE_ONLY /* 4 bytes */
};

struct vd_extent;

struct vd_extent_ops {
    const char *name; /* "flat", "sparse", "cowd", ... */
    /* `sector` < capacity, 1 <= max_sectors <= capacity - sector, both relative to the extent. Runs
     * should be as long as the tables at hand show: contiguous grains are one DATA run, and long
     * ABSENT/ZERO stretches one run. COMPRESSED runs end with their grain. */
    int (*lookup)(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                  struct vd_lookup *ret, struct vd_error *err);
    /*
     * Writing; all NULL where the format is only read. Called by the mover (mover-write.c) alone.
     * `grain` is an index; writers of one grain are kept apart by the mover, different grains may
     * be written by many threads at once.
     *
     * begin_write: before the first change after open: marks the file unclean, durably.
     *
     * allocate: room for one grain in the file, at a place no other caller got; nothing refers to
     * it yet.
     *
     * publish: the grain's bytes were written at `offset_bytes`: lookups see it from now on. The
     * tables reach the file at flush at the earliest, never before the grain's data is durable.
     *
     * zero: the grain reads as zeros from now on and hides the parent; VD_E_NOT_SUPPORTED where
     * the format has no word for it (the mover then writes zeros).
     *
     * flush: data, barrier, redundant or lower tables, barrier, primary tables, barrier.
     *
     * finish: after the last flush: marks the file clean.
     */
    int (*begin_write)(struct vd_extent *self, struct vd_error *err);
    int (*allocate)(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                    struct vd_error *err);
    int (*publish)(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                   struct vd_error *err);
    int (*zero)(struct vd_extent *self, uint64_t grain, struct vd_error *err);
    int (*flush)(struct vd_extent *self, struct vd_error *err);
    int (*finish)(struct vd_extent *self, struct vd_error *err);
    /* The object itself and the format's own parts; not the block, not the line. */
    void (*free)(struct vd_extent *self);
};

/* What `info` and messages tell of a sparse extent; zeros for raw ones. */
struct vd_extent_facts {
    const char *format; /* "flat", "zero", "KDMV", "COWD", "SESparse" */
    uint32_t version;
    uint32_t flags;
    uint64_t header_capacity_sectors;
    uint64_t grain_sectors;
    uint32_t table_entries; /* per grain table */
    uint64_t num_tables;
    uint64_t overhead_sectors;
    bool compressed;
    bool markers;
    bool redundant_tables;
    bool zeroed_grains;
    bool unclean_shutdown;
};

/* Embedded first in every implementation. Fixed at open, but for file_bytes. */
struct vd_extent {
    const struct vd_extent_ops *ops;
    struct vd_block *block;       /* NULL for ZERO; owned by the link */
    struct vd_table_cache *cache; /* the chain's */
    uint64_t capacity_sectors;    /* the extent line's */
    _Atomic uint64_t file_bytes;  /* size of block; grows with what is published */
    uint64_t grain_sectors;       /* 0 for raw */
    enum vd_record_form record_form;
    struct vd_extent_facts facts;
};

struct vd_kdmv_header;

/* What an opener of a format is given. `block` stays the caller's, also on failure. */
struct vd_extent_params {
    struct vd_block *block; /* NULL for ZERO */
    struct vd_table_cache *cache;
    const struct vd_log *log;
    const struct vd_extent_line *line;
    bool fill_short;                     /* VD_VMDK_FILL_SHORT */
    const struct vd_kdmv_header *header; /* of a KDMV file, where it was read already; or NULL */
    bool embedded;                       /* the descriptor sits in this very file */
    bool writable; /* will be written: refuse what is safe to read but not to change */
};

/* One opener per format; each validates everything it will later rely on. */
VD_MUST_CHECK int vd_extent_flat_open(const struct vd_extent_params *params, struct vd_extent **ret,
                                      struct vd_error *err); /* FLAT VMFS VMFSTHIN devices */
VD_MUST_CHECK int vd_extent_zero_open(const struct vd_extent_params *params, struct vd_extent **ret,
                                      struct vd_error *err);
VD_MUST_CHECK int vd_extent_sparse_open(const struct vd_extent_params *params,
                                        struct vd_extent **ret, struct vd_error *err); /* KDMV */
VD_MUST_CHECK int vd_extent_cowd_open(const struct vd_extent_params *params, struct vd_extent **ret,
                                      struct vd_error *err);
VD_MUST_CHECK int vd_extent_sesparse_open(const struct vd_extent_params *params,
                                          struct vd_extent **ret, struct vd_error *err);

/* Dispatcher: asserts the request is legal and the answer too. */
VD_MUST_CHECK int vd_extent_lookup(struct vd_extent *extent, uint64_t sector, uint64_t max_sectors,
                                   struct vd_lookup *ret, struct vd_error *err);
/* Where `at`, an answer of the extent's, is data of a raw file, cuts it at the next border between
 * stored bytes and a hole of the host's file; a hole reads as zeros and becomes ZERO. A sector that
 * is partly stored is data. */
VD_MUST_CHECK int vd_extent_split_hole(struct vd_extent *extent, struct vd_lookup *at,
                                       struct vd_error *err);
/* Can sectors of it be changed at all? False for ZERO and whatever was opened for reading. */
bool vd_extent_is_writable(const struct vd_extent *extent);
/* The writing verbs, checked. Those that a raw extent does not need do nothing for it. */
VD_MUST_CHECK int vd_extent_begin_write(struct vd_extent *extent, struct vd_error *err);
VD_MUST_CHECK int vd_extent_allocate(struct vd_extent *extent, uint64_t grain, uint64_t *ret,
                                     struct vd_error *err);
VD_MUST_CHECK int vd_extent_publish(struct vd_extent *extent, uint64_t grain, uint64_t offset_bytes,
                                    struct vd_error *err);
VD_MUST_CHECK int vd_extent_zero(struct vd_extent *extent, uint64_t grain, struct vd_error *err);
VD_MUST_CHECK int vd_extent_flush(struct vd_extent *extent, struct vd_error *err);
VD_MUST_CHECK int vd_extent_finish(struct vd_extent *extent, struct vd_error *err);
/* Its file reaches to `end_bytes` now, if it did not before. */
void vd_extent_grew(struct vd_extent *extent, uint64_t end_bytes);
void vd_extent_free(struct vd_extent *extent); /* NULL allowed; leaves the block open */

#endif
