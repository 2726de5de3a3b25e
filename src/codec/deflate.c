/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two encoders, because no single one is best at both ends. ISA-L looks each position up in a hash
 * table once, with vector instructions and without chains of candidates, and makes one set of
 * Huffman codes for the whole grain: an order of magnitude faster than zlib for some more bytes.
 * libdeflate searches, and is smaller and still faster than zlib at every level.
 *
 * Where much is repeated libdeflate is nearly as fast as ISA-L, because most of the input lies
 * inside matches, and there it saves most. So level 3 asks a sample first, which costs a hundredth,
 * and leaves such grains to libdeflate: a tenth more time for a size within a tenth of zlib's.
 *
 * What ISA-L cannot make fit goes to libdeflate too, whose bound holds for any input.
 */
#include "codec/deflate.h"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdlib.h>

/* Levels up to this one are ISA-L's of the same number, those above libdeflate's. */
#define ISAL_LEVELS 3
/* libdeflate's beside ISA-L: the last one that does not search lazily. */
#define PARTNER_LEVEL 4
/* The sample: a page from the middle, since what a grain begins with is often a header. It is
 * promising when it shrinks to three tenths with ISA-L's fixed codes. */
#define SAMPLE_BYTES    4096u
#define PROMISING_BYTES (SAMPLE_BYTES * 3 / 10)

static const uint32_t isal_work_bytes[ISAL_LEVELS + 1] = {
    0, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

struct vd_deflate {
    int level;
    struct libdeflate_compressor *compressor;
    uint8_t *work; /* ISA-L's, with isal_work_bytes[level]; NULL at the other levels */
    struct isal_zstream stream;
};

int vd_deflate_new(int level, struct vd_deflate **ret, struct vd_error *err)
{
    if (level < VD_DEFLATE_MIN_LEVEL || level > VD_DEFLATE_MAX_LEVEL)
        return vd_error_set(err, VD_E_INVALID_ARG, "compression level %d, expected %d to %d", level,
                            VD_DEFLATE_MIN_LEVEL, VD_DEFLATE_MAX_LEVEL);
    bool by_isal = level <= ISAL_LEVELS;
    VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = calloc(1, sizeof *deflate);
    if (deflate) {
        deflate->level = level;
        deflate->compressor = libdeflate_alloc_compressor(by_isal ? PARTNER_LEVEL : level);
        deflate->work = by_isal ? malloc(isal_work_bytes[level]) : NULL;
    }
    if (!deflate || !deflate->compressor || (by_isal && !deflate->work))
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a compressor");
    *ret = VD_TAKE_PTR(deflate);
    return 0;
}

size_t vd_deflate_bound(struct vd_deflate *deflate, size_t in_bytes)
{
    return libdeflate_zlib_compress_bound(deflate->compressor, in_bytes);
}

/* 0: it does not fit. */
static size_t isal_zlib(struct vd_deflate *deflate, int level, const uint8_t *in, size_t in_bytes,
                        void *out, size_t out_bytes)
{
    struct isal_zstream *stream = &deflate->stream;

    if (in_bytes > UINT32_MAX) /* ISA-L counts in 32 bits */
        return 0;
    isal_deflate_stateless_init(stream);
    stream->level = (uint32_t)level;
    stream->level_buf = deflate->work;
    stream->level_buf_size = isal_work_bytes[level];
    stream->gzip_flag = IGZIP_ZLIB;
    stream->end_of_stream = 1;
    stream->next_in = (uint8_t *)(uintptr_t)in; /* the field is not const, the use is */
    stream->avail_in = (uint32_t)in_bytes;
    stream->next_out = out;
    stream->avail_out = (uint32_t)VD_MIN(out_bytes, (size_t)UINT32_MAX);
    return isal_deflate_stateless(stream) == COMP_OK ? stream->total_out : 0;
}

/* `out` is scratch for it. */
static bool is_promising(struct vd_deflate *deflate, const uint8_t *in, size_t in_bytes, void *out,
                         size_t out_bytes)
{
    if (in_bytes < SAMPLE_BYTES || out_bytes < PROMISING_BYTES)
        return false;
    return isal_zlib(deflate, 0, in + (in_bytes - SAMPLE_BYTES) / 2, SAMPLE_BYTES, out,
                     PROMISING_BYTES) > 0;
}

int vd_deflate_zlib(struct vd_deflate *deflate, const void *in, size_t in_bytes, void *out,
                    size_t out_bytes, size_t *ret_bytes)
{
    bool by_isal = deflate->work != NULL;
    size_t done = 0;

    if (deflate->level == ISAL_LEVELS)
        by_isal = !is_promising(deflate, in, in_bytes, out, out_bytes);
    if (by_isal)
        done = isal_zlib(deflate, deflate->level, in, in_bytes, out, out_bytes);
    if (done == 0)
        done = libdeflate_zlib_compress(deflate->compressor, in, in_bytes, out, out_bytes);
    if (done == 0)
        return VD_E_BUFFER_TOO_SMALL;
    *ret_bytes = done;
    return 0;
}

void vd_deflate_free(struct vd_deflate *deflate)
{
    if (!deflate)
        return;
    libdeflate_free_compressor(deflate->compressor);
    free(deflate->work);
    free(deflate);
}
