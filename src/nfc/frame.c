/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/frame.h"

#include <string.h>

#include "base/bytes.h"

#define MAGIC 0xA100DA7Au

void vd_nfc_header_encode(const struct vd_nfc_header *header, uint8_t *bytes)
{
    vd_le32_encode(bytes, MAGIC);
    vd_le32_encode(bytes + 4, header->type);
    vd_le32_encode(bytes + 8, header->payload_bytes);
    vd_le32_encode(bytes + 12, header->op);
}

int vd_nfc_header_decode(const uint8_t *bytes, struct vd_nfc_header *ret)
{
    if (vd_le32_decode(bytes) != MAGIC)
        return VD_E_PROTOCOL;
    ret->type = vd_le32_decode(bytes + 4);
    ret->payload_bytes = vd_le32_decode(bytes + 8);
    ret->op = vd_le32_decode(bytes + 12);
    return VD_OK;
}

void vd_nfc_error_encode(const struct vd_nfc_error_frame *error, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_ERROR_BYTES);
    vd_le64_encode(payload, error->code);
    vd_le32_encode(payload + 12, error->text_bytes);
}

void vd_nfc_error_decode(const uint8_t *payload, struct vd_nfc_error_frame *ret)
{
    ret->code = vd_le64_decode(payload);
    ret->text_bytes = vd_le32_decode(payload + 12);
}

void vd_nfc_open_session_encode(uint32_t buffer_bytes, uint32_t buffer_count, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_OPEN_SESSION_BYTES);
    vd_le32_encode(payload + 4, buffer_bytes);
    vd_le32_encode(payload + 8, buffer_count);
}

void vd_nfc_open_session_decode(const uint8_t *payload, uint32_t *ret_buffer_bytes,
                                uint32_t *ret_buffer_count)
{
    *ret_buffer_bytes = vd_le32_decode(payload + 4);
    *ret_buffer_count = vd_le32_decode(payload + 8);
}

void vd_nfc_open_file_encode(const struct vd_nfc_open_file *open, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_OPEN_FILE_BYTES);
    vd_le32_encode(payload, open->path_bytes);
    vd_le32_encode(payload + 16, open->file_type);
    vd_le32_encode(payload + 20, open->flags);
}

void vd_nfc_open_file_decode(const uint8_t *payload, struct vd_nfc_open_file *ret)
{
    ret->path_bytes = vd_le32_decode(payload);
    ret->file_type = vd_le32_decode(payload + 16);
    ret->flags = vd_le32_decode(payload + 20);
}

void vd_nfc_opened_encode(const struct vd_nfc_opened *opened, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_OPEN_FILE_BYTES);
    vd_le64_encode(payload, opened->status);
    vd_le64_encode(payload + 8, opened->handle);
    vd_le32_encode(payload + 16, opened->file_type);
    vd_le32_encode(payload + 20, opened->flags);
    vd_le64_encode(payload + 28, opened->capacity_bytes);
    vd_le32_encode(payload + 36, opened->sector_bytes);
    vd_le32_encode(payload + 40, opened->cylinders);
    vd_le32_encode(payload + 44, opened->heads);
    vd_le32_encode(payload + 48, opened->sectors);
}

void vd_nfc_opened_decode(const uint8_t *payload, struct vd_nfc_opened *ret)
{
    *ret = (struct vd_nfc_opened){
        .status = vd_le64_decode(payload),
        .handle = vd_le64_decode(payload + 8),
        .file_type = vd_le32_decode(payload + 16),
        .flags = vd_le32_decode(payload + 20),
        .capacity_bytes = vd_le64_decode(payload + 28),
        .sector_bytes = vd_le32_decode(payload + 36),
        .cylinders = vd_le32_decode(payload + 40),
        .heads = vd_le32_decode(payload + 44),
        .sectors = vd_le32_decode(payload + 48),
    };
}

void vd_nfc_io_encode(const struct vd_nfc_io *io, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_IO_BYTES);
    vd_le64_encode(payload, io->handle);
    vd_le32_encode(payload + 8, io->is_read);
    vd_le32_encode(payload + 12, io->compression);
    vd_le64_encode(payload + 16, io->offset_bytes);
    vd_le32_encode(payload + 24, io->total_bytes);
    vd_le32_encode(payload + 28, io->fragment_offset_bytes);
    vd_le32_encode(payload + 32, io->fragment_bytes);
    vd_le32_encode(payload + 36, io->trailer_bytes);
}

void vd_nfc_io_decode(const uint8_t *payload, struct vd_nfc_io *ret)
{
    *ret = (struct vd_nfc_io){
        .handle = vd_le64_decode(payload),
        .is_read = (vd_le32_decode(payload + 8) & 1) != 0,
        .compression = vd_le32_decode(payload + 12),
        .offset_bytes = vd_le64_decode(payload + 16),
        .total_bytes = vd_le32_decode(payload + 24),
        .fragment_offset_bytes = vd_le32_decode(payload + 28),
        .fragment_bytes = vd_le32_decode(payload + 32),
        .trailer_bytes = vd_le32_decode(payload + 36),
    };
}

void vd_nfc_ddb_encode(uint64_t handle, uint32_t key_bytes, uint32_t value_bytes, uint8_t *payload)
{
    vd_le64_encode(payload, handle);
    vd_le32_encode(payload + 8, key_bytes);
    vd_le32_encode(payload + 12, value_bytes);
}

void vd_nfc_ddb_decode(const uint8_t *payload, uint64_t *ret_handle, uint32_t *ret_key_bytes,
                       uint32_t *ret_value_bytes)
{
    *ret_handle = vd_le64_decode(payload);
    *ret_key_bytes = vd_le32_decode(payload + 8);
    *ret_value_bytes = vd_le32_decode(payload + 12);
}

void vd_nfc_query_encode(const struct vd_nfc_query *query, uint8_t *payload)
{
    memset(payload, 0, VD_NFC_QUERY_BYTES);
    vd_le64_encode(payload, query->handle);
    vd_le64_encode(payload + 16, query->chunk_bytes);
    vd_le64_encode(payload + 24, query->start_bytes);
    vd_le64_encode(payload + 32, query->chunks);
}

void vd_nfc_query_decode(const uint8_t *payload, struct vd_nfc_query *ret)
{
    *ret = (struct vd_nfc_query){
        .handle = vd_le64_decode(payload),
        .chunk_bytes = vd_le64_decode(payload + 16),
        .start_bytes = vd_le64_decode(payload + 24),
        .chunks = vd_le64_decode(payload + 32),
    };
}
