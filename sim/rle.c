/* SPDX-License-Identifier: Apache-2.0 */
#include "rle.h"

#include <string.h>

#include "base/bytes.h"
#include "base/units.h"

#define DISK_MAGIC  0x87654321u
#define ENTRY_MAGIC 0xDEADBEEFu
#define RUN_MAGIC   0x12345678u
#define RUN_DATA    0x8000u
#define RUN_MAX     0x7fffu
#define HEAD_BYTES  8u
#define ENTRY_BYTES 12u

static int broken(struct vd_error *err, const char *what)
{
    return vd_error_set(err, VD_E_PROTOCOL, "a disk arrives with %s", what);
}

/* Text with its NUL inside the payload. */
static const char *text_at(const uint8_t *bytes, uint32_t length)
{
    return length > 0 && bytes[length - 1] == '\0' ? (const char *)bytes : NULL;
}

static int decode_entries(struct sim_rle_target *target, const uint8_t *at, size_t left,
                          struct vd_error *err)
{
    while (left >= ENTRY_BYTES) {
        uint32_t key_bytes = vd_le32_decode(at + 4);
        uint32_t value_bytes = vd_le32_decode(at + 8);
        if (vd_le32_decode(at) != ENTRY_MAGIC)
            break;
        if (key_bytes == 0 && value_bytes == 0)
            return VD_OK;
        at += ENTRY_BYTES;
        left -= ENTRY_BYTES;
        if (key_bytes > left || value_bytes > left - key_bytes)
            break;
        const char *key = text_at(at, key_bytes);
        const char *value = text_at(at + key_bytes, value_bytes);
        if (!key || !value)
            break;
        int r = target->entry ? target->entry(target->data, key, value, err) : VD_OK;
        if (r < 0)
            return r;
        at += key_bytes + value_bytes;
        left -= key_bytes + value_bytes;
    }
    return broken(err, "a broken database entry");
}

static int decode_runs(struct sim_rle_target *target, const uint8_t *at, size_t left,
                       struct vd_error *err)
{
    while (left > 0) {
        if (left < HEAD_BYTES || vd_le32_decode(at) != RUN_MAGIC)
            return broken(err, "a broken run of sectors");
        uint32_t word = vd_le32_decode(at + 4);
        uint64_t count = word & RUN_MAX;
        uint64_t bytes = word & RUN_DATA ? vd_sectors_to_bytes(count) : 0;
        at += HEAD_BYTES;
        left -= HEAD_BYTES;
        if (bytes > left || !vd_range_inside(target->next_sectors, count, target->capacity_sectors))
            return broken(err, "sectors behind its end");
        int r = count && target->sectors ? target->sectors(target->data, target->next_sectors,
                                                           count, bytes ? at : NULL, err)
                                         : VD_OK;
        if (r < 0)
            return r;
        target->next_sectors += count;
        at += bytes;
        left -= (size_t)bytes;
    }
    return VD_OK;
}

int sim_rle_decode(struct sim_rle_target *target, const uint8_t *payload, size_t size,
                   struct vd_error *err)
{
    if (size < HEAD_BYTES || vd_le32_decode(payload) != DISK_MAGIC)
        return broken(err, "a payload of another kind");
    if (vd_le32_decode(payload + 4) == 1)
        return decode_entries(target, payload + HEAD_BYTES, size - HEAD_BYTES, err);
    return decode_runs(target, payload + HEAD_BYTES, size - HEAD_BYTES, err);
}

static int append(struct vd_buf *payload, const void *bytes, size_t size, struct vd_error *err)
{
    int r = vd_buf_append(payload, bytes, size);

    return r < 0 ? vd_error_set(err, r, "a payload of NFC does not fit") : VD_OK;
}

static int append_words(struct vd_buf *payload, const uint32_t *words, size_t count,
                        struct vd_error *err)
{
    uint8_t bytes[ENTRY_BYTES];

    for (size_t i = 0; i < count; i++)
        vd_le32_encode(bytes + 4 * i, words[i]);
    return append(payload, bytes, 4 * count, err);
}

static int append_entry(struct vd_buf *payload, const char *key, const char *value,
                        struct vd_error *err)
{
    size_t key_bytes = key ? strlen(key) + 1 : 0;
    size_t value_bytes = value ? strlen(value) + 1 : 0;
    int r = append_words(
        payload, (uint32_t[]){ENTRY_MAGIC, (uint32_t)key_bytes, (uint32_t)value_bytes}, 3, err);

    if (r == VD_OK && key)
        r = append(payload, key, key_bytes, err);
    if (r == VD_OK && value)
        r = append(payload, value, value_bytes, err);
    return r;
}

int sim_rle_encode_entries(struct vd_disk *disk, struct vd_buf *payload, struct vd_error *err)
{
    int r = append_words(payload, (uint32_t[]){DISK_MAGIC, 1}, 2, err);
    const char *key;

    for (size_t i = 0; r == VD_OK && (key = vd_disk_meta_key(disk, i)) != NULL; i++) {
        const char *value = vd_disk_meta_get(disk, key);
        if (value)
            r = append_entry(payload, key, value, err);
    }
    return r < 0 ? r : append_entry(payload, NULL, NULL, err);
}

static int append_data(struct vd_disk *disk, uint64_t start, uint64_t count, struct vd_buf *payload,
                       struct vd_error *err)
{
    size_t bytes = (size_t)vd_sectors_to_bytes(count);
    int r = append_words(payload, (uint32_t[]){RUN_MAGIC, RUN_DATA | (uint32_t)count}, 2, err);

    if (r == VD_OK && vd_buf_reserve(payload, bytes) < 0)
        r = vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    if (r == VD_OK)
        r = vd_disk_read(disk, start, count, payload->data + payload->length, err);
    if (r == VD_OK)
        payload->length += bytes;
    return r;
}

int sim_rle_encode_sectors(struct vd_disk *disk, uint64_t *next_sectors, struct vd_buf *payload,
                           struct vd_error *err)
{
    uint64_t capacity = vd_disk_capacity(disk);
    int r = append_words(payload, (uint32_t[]){DISK_MAGIC, 0}, 2, err);

    while (r == VD_OK && *next_sectors < capacity) {
        struct vd_run run;
        size_t runs;
        size_t room = SIM_RLE_PAYLOAD_BYTES - payload->length;
        if (room < HEAD_BYTES + VD_SECTOR_BYTES)
            break;
        r = vd_disk_map(disk, *next_sectors, capacity - *next_sectors, &run, 1, &runs, err);
        if (r < 0)
            break;
        uint64_t count = VD_MIN(run.length_sectors, (uint64_t)RUN_MAX);
        if (run.kind == VD_RUN_DATA) {
            count = VD_MIN(count, (room - HEAD_BYTES) / VD_SECTOR_BYTES);
            r = append_data(disk, *next_sectors, count, payload, err);
        } else {
            r = append_words(payload, (uint32_t[]){RUN_MAGIC, (uint32_t)count}, 2, err);
        }
        *next_sectors += count;
    }
    return r;
}
