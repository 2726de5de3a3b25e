/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first sector of a hosted sparse extent (magic "KDMV"), and its copy in the footer of a
 * stream. Layout: Virtual Disk Format 5.0, "Hosted Sparse Extent Header"; fields after byte 12 are
 * unaligned.
 *
 *  0 magic           4 version          8 flags             12 capacity       20 grainSize
 * 28 descriptorOff  36 descriptorSize  44 numGTEsPerGT      48 rgdOffset      56 gdOffset
 * 64 overHead       72 uncleanShutdown 73 0A 20 0D 0A       77 compressAlgorithm (u16)   79 zeros
 */
#ifndef VD_VMDK_KDMV_HEADER_H
#define VD_VMDK_KDMV_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/block.h"

#define VD_KDMV_MAGIC        0x564d444bu
#define VD_KDMV_MAGIC_UNDONE 0x766d646bu /* "kdmv": its writer had not finished */
#define VD_KDMV_HEADER_BYTES 512u
#define VD_KDMV_MAX_VERSION  3u

enum vd_kdmv_flag {
    VD_KDMV_NEWLINES = 1u << 0,  /* bytes 73-76 are valid */
    VD_KDMV_REDUNDANT = 1u << 1, /* a second directory and its tables */
    VD_KDMV_ZEROED = 1u << 2,    /* table entries of 1 are in use */
    VD_KDMV_COMPRESSED = 1u << 16,
    VD_KDMV_MARKERS = 1u << 17,
};
/* The upper half names features a reader must know. */
#define VD_KDMV_INCOMPATIBLE_FLAGS 0xffff0000u

/* gdOffset of a stream: look into the footer. */
#define VD_KDMV_GD_IN_FOOTER        UINT64_MAX

#define VD_KDMV_COMPRESSION_NONE    0u
#define VD_KDMV_COMPRESSION_DEFLATE 1u

/* The largest grain any known reader takes is 1 GiB. A compressed one is held in memory whole, with
 * up to three times that for its record: 1 MiB, sixteen times what every writer uses. */
#define VD_KDMV_MAX_GRAIN_SECTORS            0x200000u
#define VD_KDMV_MAX_COMPRESSED_GRAIN_SECTORS 2048u
#define VD_KDMV_MIN_TABLE_ENTRIES            128u
#define VD_KDMV_MAX_TABLE_ENTRIES            4096u
/* 128 MiB of directory; 1 PiB in the usual 32 MiB per entry. */
#define VD_KDMV_MAX_TABLES (UINT64_C(32) << 20)

struct vd_kdmv_header {
    uint32_t version; /* 1..3 */
    uint32_t flags;
    uint64_t capacity_sectors;          /* 0 in an empty disk */
    uint64_t grain_sectors;             /* a power of two */
    uint64_t descriptor_offset_sectors; /* 0 = no embedded descriptor */
    uint64_t descriptor_sectors;
    uint32_t table_entries;      /* a power of two */
    uint64_t rgd_offset_sectors; /* means something with VD_KDMV_REDUNDANT */
    uint64_t gd_offset_sectors;
    uint64_t overhead_sectors;
    bool unclean_shutdown;
    uint16_t compression;
};

/* Decodes 512 bytes and checks each field that can be checked without the file: magic, version,
 * flags, newline bytes, grain and table size, capacity, compression. Offsets are not checked.
 * `path` is for the sentence. VD_E_NOT_A_DISK, _INCOMPLETE, _VERSION, _TEXT_MODE, _KDMV_*,
 * _GD_TOO_LARGE. */
VD_MUST_CHECK int vd_kdmv_header_decode(const uint8_t *bytes, const char *path,
                                        struct vd_kdmv_header *ret, struct vd_error *err);

/* Writes 512 bytes that decode to the same header. */
void vd_kdmv_header_encode(const struct vd_kdmv_header *header, uint8_t *bytes);

/* Reads and decodes sector 0 of `block`, and checks that the embedded descriptor, where there is
 * one, lies inside the file. One small read. */
VD_MUST_CHECK int vd_kdmv_header_read(struct vd_block *block, struct vd_kdmv_header *ret,
                                      struct vd_error *err);

/* As that, where sector 0 is at hand as `bytes`. */
VD_MUST_CHECK int vd_kdmv_header_take(struct vd_block *block, const uint8_t *bytes,
                                      struct vd_kdmv_header *ret, struct vd_error *err);

/* Entries of the grain directory; at most VD_KDMV_MAX_TABLES for a decoded header. */
uint64_t vd_kdmv_num_tables(const struct vd_kdmv_header *header);
/* Sectors one table maps; at most 2^33 for a decoded header. */
uint64_t vd_kdmv_table_span_sectors(const struct vd_kdmv_header *header);
/* The capacity rounded up to whole grains: what the tables can map at least. */
uint64_t vd_kdmv_mapped_sectors(const struct vd_kdmv_header *header);

#endif
