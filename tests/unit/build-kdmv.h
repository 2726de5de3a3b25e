/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosted sparse images and streams, built byte by byte in memory from the format's description,
 * without the code under test (but the header's encoder, which has its own test against literal
 * bytes). Out of memory ends the program.
 */
#ifndef VD_TESTS_BUILD_KDMV_H
#define VD_TESTS_BUILD_KDMV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmdk/kdmv-header.h"

struct kdmv_image {
    struct vd_kdmv_header header;
    uint8_t *bytes;
    size_t length;
    size_t allocated;
};

/* --- plain extents --- */

struct kdmv_shape {
    uint64_t capacity_sectors;
    uint64_t grain_sectors;      /* 0 = 128 */
    uint32_t table_entries;      /* 0 = 512 */
    uint64_t descriptor_sectors; /* 0 = none; otherwise at sector 1 */
    bool single;                 /* no redundant directory */
};

/* Header, redundant directory and tables, directory and tables, padding up to overHead: an empty
 * disk as Workstation lays it out. */
void kdmv_plain(struct kdmv_image *image, const struct kdmv_shape *shape);
/* Appends a grain of kdmv_fill() bytes at the next multiple of a grain and enters it in both
 * tables. Gives its sector. */
uint32_t kdmv_add_grain(struct kdmv_image *image, uint64_t grain);
void kdmv_free(struct kdmv_image *image);
#define KDMV_IMAGE __attribute__((cleanup(kdmv_free))) struct kdmv_image

/* Entries of the tables in the image; `redundant` chooses the copy. */
uint32_t kdmv_gde(const struct kdmv_image *image, bool redundant, uint64_t table);
void kdmv_set_gde(struct kdmv_image *image, bool redundant, uint64_t table, uint32_t value);
uint32_t kdmv_gte(const struct kdmv_image *image, bool redundant, uint64_t grain);
void kdmv_set_gte(struct kdmv_image *image, bool redundant, uint64_t grain, uint32_t value);
/* Writes image->header to sector 0 again. */
void kdmv_put_header(struct kdmv_image *image);

/* What a grain holds: bytes that depend on grain and place, half of them compressible. */
void kdmv_fill(uint64_t grain, uint8_t *bytes, size_t length);

/* --- streams --- */

enum kdmv_style {
    KDMV_VMWARE,    /* tables behind their grains, footer, EOS, full grains */
    KDMV_QEMU,      /* tables in front, both copies; zeros up to a grain's end; short last grain */
    KDMV_OPEN_VMDK, /* tables in front, EOS, overHead at no multiple of a grain, short last grain */
    KDMV_XEN_ORCHESTRA, /* zeros, then all tables behind markers of 0; another overHead in the
                           footer */
    KDMV_VMDKTOOL,      /* as VMware's, and the directory's place in the header as well */
};

struct kdmv_stream_options {
    enum kdmv_style style;
    uint64_t capacity_sectors;
    uint64_t header_capacity_sectors; /* 0 = the same */
    const char *descriptor;           /* NULL = a proper one */
    const uint64_t *grains;           /* in the order of the stream */
    size_t num_grains;
    bool progress; /* a PROGRESS and an unknown marker before every grain */
    bool no_eos;
    bool no_footer;
    bool incompressible;
};

void kdmv_stream(struct kdmv_image *image, const struct kdmv_stream_options *options);
/* What a grain of that stream holds. */
void kdmv_stream_fill(const struct kdmv_stream_options *options, uint64_t grain, uint8_t *bytes,
                      size_t length);

/* --- pieces --- */

void kdmv_append(struct kdmv_image *image, const void *bytes, size_t length);
/* Zeros up to a multiple of `alignment` bytes. */
void kdmv_pad(struct kdmv_image *image, size_t alignment);
void kdmv_marker(struct kdmv_image *image, uint64_t value, uint32_t type);
/* A grain record, padded to a sector; gives its sector. */
uint32_t kdmv_record(struct kdmv_image *image, uint64_t lba, const void *data, size_t length);
/* A zlib stream at the end of the image; gives its length. */
size_t kdmv_append_zlib(struct kdmv_image *image, const void *data, size_t length);

#endif
