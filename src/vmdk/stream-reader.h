/* SPDX-License-Identifier: Apache-2.0 */
/* A streamOptimized disk read forward only, from a pipe: header, descriptor, then grains in the
 * order they come. For seekable files random access (vmdk.h) is safer and is preferred. Not
 * thread-safe. */
#ifndef VD_VMDK_STREAM_READER_H
#define VD_VMDK_STREAM_READER_H

#include "base/log.h"
#include "vmdk/descriptor.h"

/* Where the bytes come from: fills up to `length`, 0 bytes = end. Called in large pieces; it may be
 * asked for bytes past the end of the stream. The struct is copied; `name` must outlive the reader.
 */
struct vd_stream_source {
    int (*read)(void *data, void *buffer, size_t length, size_t *ret_done, struct vd_error *err);
    void *data;
    const char *name; /* for messages */
};

struct vd_stream_reader;

/* Reads header and descriptor. VD_E_NOT_SUPPORTED where the file is sparse but not a stream. */
VD_MUST_CHECK int vd_stream_reader_open(const struct vd_stream_source *source,
                                        const struct vd_log *log, struct vd_stream_reader **ret,
                                        struct vd_error *err);
/* NULL where the stream has none; valid until the reader is freed. */
const struct vd_descriptor *vd_stream_reader_descriptor(const struct vd_stream_reader *reader);
uint64_t vd_stream_reader_capacity(const struct vd_stream_reader *reader);

/* The next grain, inflated: 1 and the grain, 0 after the end of the stream was properly reached.
 * The bytes are valid until the next call; the last grain is clipped to the capacity. Grains come
 * in the order of the stream, which need not ascend; what does not come is zeros. A stream that
 * ends before there is evidence that it is whole (a grain directory or footer behind the grains, or
 * as many grains as tables in front point at) is VD_E_TRUNCATED after every complete grain was
 * delivered. After an error every call fails with the same code. */
VD_MUST_CHECK int vd_stream_reader_next(struct vd_stream_reader *reader, uint64_t *ret_lba_sectors,
                                        const uint8_t **ret_bytes, size_t *ret_length,
                                        struct vd_error *err);
void vd_stream_reader_free(struct vd_stream_reader *reader);
VD_DEFINE_CLEANUP(struct vd_stream_reader *, vd_stream_reader_free)

#endif
