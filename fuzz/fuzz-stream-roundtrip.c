/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes as a disk and the way it is written to a stream; the stream read from front to back
 * must give the same disk. Input: u16 grains, u8 sectors cut off the last one, u8 level, then
 * writes of u8 grains left out, u8 grains written, u8 content of each grain.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/stream-reader.h"
#include "vmdk/stream-writer.h"

#define GRAIN      128u
#define MAX_GRAINS 1024u
#define MAX_RUN    8u
#define FRONT      4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1024 incompressible grains are 66 MiB. */
struct stream {
    uint8_t *bytes;
    size_t length;
    size_t allocated;
    size_t at;
};

struct input {
    const uint8_t *bytes;
    size_t left;
};

struct model {
    uint8_t content[MAX_GRAINS];
    uint64_t capacity;
};

static uint8_t next(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->bytes++;
}

static int append(void *data, const void *bytes, size_t length, struct vd_error *err)
{
    struct stream *stream = data;
    (void)err;
    if (length > stream->allocated - stream->length) {
        stream->allocated = (stream->length + length) * 2;
        stream->bytes = realloc(stream->bytes, stream->allocated);
        if (stream->bytes == NULL)
            abort();
    }
    memcpy(stream->bytes + stream->length, bytes, length);
    stream->length += length;
    return 0;
}

static int feed(void *data, void *buffer, size_t length, size_t *ret_done, struct vd_error *err)
{
    struct stream *stream = data;
    (void)err;
    *ret_done = VD_MIN(length, stream->length - stream->at);
    memcpy(buffer, stream->bytes + stream->at, *ret_done);
    stream->at += *ret_done;
    return 0;
}

/* 0 is zeros; odd ones do not compress. */
static void fill(uint8_t content, uint8_t *bytes, size_t length)
{
    uint64_t state = content;
    memset(bytes, content, length);
    for (size_t i = 0; content % 2 && i + 8 <= length; i += 8) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        vd_le64_encode(bytes + i, state ^ state >> 29);
    }
}

static size_t bytes_of_grain(const struct model *model, uint64_t grain)
{
    return vd_sectors_to_bytes(VD_MIN(model->capacity - grain * GRAIN, (uint64_t)GRAIN));
}

static void write_run(struct vd_stream_writer *writer, struct model *model, uint64_t first,
                      uint64_t count, struct input *input)
{
    static uint8_t bytes[MAX_RUN * GRAIN * VD_SECTOR_BYTES];
    size_t length = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t here = bytes_of_grain(model, first + i);
        model->content[first + i] = next(input);
        fill(model->content[first + i], bytes + length, here);
        length += here;
    }
    if (vd_stream_writer_write(writer, first * GRAIN, length / VD_SECTOR_BYTES, bytes, NULL) < 0)
        abort();
}

static void write_disk(struct vd_stream_writer *writer, struct model *model, struct input *input)
{
    uint64_t grains = vd_div_up(model->capacity, GRAIN);
    uint64_t at = 0;
    while (input->left > 0 && at < grains) {
        at += next(input);
        if (at >= grains)
            break;
        uint64_t count = VD_MIN((uint64_t)next(input) % (MAX_RUN + 1), grains - at);
        write_run(writer, model, at, count, input);
        at += count;
    }
    if (vd_stream_writer_finish(writer, NULL) < 0)
        abort();
}

static void check_grain(const struct model *model, uint64_t grain, const uint8_t *bytes,
                        size_t length)
{
    static uint8_t wanted[GRAIN * VD_SECTOR_BYTES];
    fill(model->content[grain], wanted, sizeof wanted);
    if (length != bytes_of_grain(model, grain) || memcmp(bytes, wanted, length) != 0)
        abort();
}

static void read_back(struct stream *stream, const struct model *model)
{
    struct vd_stream_source source = {feed, stream, "stream"};
    struct vd_stream_reader *reader = NULL;
    uint64_t grains = vd_div_up(model->capacity, GRAIN);
    const uint8_t *bytes;
    size_t length;
    uint64_t lba;
    uint64_t seen = 0; /* grains before it were judged */
    int r;
    if (vd_stream_reader_open(&source, NULL, &reader, NULL) < 0 ||
        vd_stream_reader_capacity(reader) != model->capacity)
        abort();
    while ((r = vd_stream_reader_next(reader, &lba, &bytes, &length, NULL)) > 0) {
        for (; seen < lba / GRAIN; seen++)
            if (model->content[seen] != 0)
                abort();
        check_grain(model, lba / GRAIN, bytes, length);
        seen = lba / GRAIN + 1;
    }
    for (; seen < grains; seen++)
        if (model->content[seen] != 0)
            abort();
    vd_stream_reader_free(reader);
    if (r < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model;
    struct input input = {0};
    struct stream stream = {0};
    struct vd_stream_sink sink = {append, &stream, "stream"};
    struct vd_stream_writer_params params = {0};
    struct vd_stream_writer *writer = NULL;
    if (size < FRONT)
        return 0;
    input = (struct input){data + FRONT, size - FRONT};
    memset(&model, 0, sizeof model);
    model.capacity = (vd_le16_decode(data) % MAX_GRAINS + 1) * (uint64_t)GRAIN - data[2] % GRAIN;
    params.capacity_sectors = model.capacity;
    params.level = data[3] % 13;
    if (vd_stream_writer_open(&sink, &params, &writer, NULL) < 0)
        abort();
    write_disk(writer, &model, &input);
    if (vd_stream_writer_bytes(writer) != stream.length)
        abort();
    vd_stream_writer_free(writer);
    read_back(&stream, &model);
    free(stream.bytes);
    return 0;
}
