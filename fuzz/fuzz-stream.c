/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a stream read from front to back, in pieces of a size taken from their length. */
#include <stdlib.h>
#include <string.h>

#include "vmdk/stream-reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *data;
    size_t left;
    size_t piece;
};

static int read_bytes(void *data, void *buffer, size_t length, size_t *ret_done,
                      struct vd_error *err)
{
    struct bytes *bytes = data;
    size_t n = VD_MIN(VD_MIN(length, bytes->left), bytes->piece);

    (void)err;
    memcpy(buffer, bytes->data, n);
    bytes->data += n;
    bytes->left -= n;
    *ret_done = n;
    return 0;
}

/* Every record takes a sector at least, so that the input bounds the loop. */
static void drain(struct vd_stream_reader *reader, size_t size)
{
    uint64_t capacity = vd_stream_reader_capacity(reader);
    volatile uint8_t seen = 0;

    for (size_t records = 0;; records++) {
        struct vd_error err = VD_ERROR_INIT;
        const uint8_t *bytes;
        size_t length;
        uint64_t lba;
        int r = vd_stream_reader_next(reader, &lba, &bytes, &length, &err);
        if (r < 0 && err.text[0] == '\0')
            abort(); /* a refusal without a sentence */
        if (r <= 0)
            return;
        if (length == 0 || lba >= capacity || records > size / 512)
            abort();
        seen = (uint8_t)(seen ^ bytes[0] ^ bytes[length - 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size, size % 2 ? 4096 : 700};
    struct vd_stream_source source = {read_bytes, &bytes, "input"};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream_reader *reader = NULL;

    if (vd_stream_reader_open(&source, NULL, &reader, &err) >= 0)
        drain(reader, size);
    else if (err.text[0] == '\0')
        abort();
    vd_stream_reader_free(reader);
    return 0;
}
