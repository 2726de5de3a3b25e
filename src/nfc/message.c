/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/message.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define DATA_MAGIC 0xABCDEFABu

static void begin(uint32_t type, uint8_t *message)
{
    memset(message, 0, VD_NFC_MESSAGE_BYTES);
    vd_le32_encode(message, type);
}

uint32_t vd_nfc_message_type(const uint8_t *message)
{
    return vd_le32_decode(message);
}

/* The sum, where each part is within its limit. */
static int sum(uint32_t a, uint32_t max_a, uint32_t b, uint32_t max_b, uint32_t *ret)
{
    if (a > max_a || b > max_b)
        return VD_E_PROTOCOL;
    *ret = a + b;
    return VD_OK;
}

int vd_nfc_tail_bytes(const uint8_t *message, uint32_t *ret)
{
    uint32_t at4 = vd_le32_decode(message + 4);
    uint32_t at8 = vd_le32_decode(message + 8);
    uint32_t at12 = vd_le32_decode(message + 12);
    switch (vd_nfc_message_type(message)) {
    case VD_NFC_FILE_PUT:
        return sum(at12, VD_NFC_PATH_MAX_BYTES, 0, 0, ret);
    case VD_NFC_FILE_GET:
        return sum(at8, VD_NFC_PATH_MAX_BYTES, 0, 0, ret);
    case VD_NFC_FILE_DATA:
        return sum(VD_NFC_DATA_HEAD_BYTES, VD_NFC_DATA_HEAD_BYTES, 0, 0, ret);
    case VD_NFC_MESSAGE_ERROR:
        return sum(at12, VD_NFC_TEXT_MAX_BYTES, 0, 0, ret);
    case VD_NFC_FSSRVR_OPEN:
        return sum(at4, VD_NFC_PATH_MAX_BYTES, 0, 0, ret);
    case VD_NFC_FILE_DELETE:
    case VD_NFC_FILE_RENAME:
    case VD_NFC_FILE_COPY:
    case VD_NFC_FILE_CREATEDIR:
        return sum(at4, VD_NFC_LIST_MAX_BYTES, 0, 0, ret);
    case VD_NFC_FILEOP_STATUS:
        return sum(at4, VD_NFC_LIST_MAX_BYTES, at8, VD_NFC_LIST_MAX_BYTES, ret);
    case VD_NFC_CONNECTION_DATA:
        return sum(at4, VD_NFC_PATH_MAX_BYTES, at8, VD_NFC_PATH_MAX_BYTES, ret);
    default:
        *ret = 0;
        return VD_OK;
    }
}

void vd_nfc_plain_encode(uint32_t type, uint8_t *message)
{
    begin(type, message);
}

void vd_nfc_tag_encode(const char *tag, uint8_t *message)
{
    begin(VD_NFC_CLIENT_RANDOM, message);
    size_t length = strlen(tag);
    memcpy(message + 4, tag, VD_MIN(length, VD_NFC_MESSAGE_BYTES - 5));
}

void vd_nfc_tag_decode(const uint8_t *message, char tag[VD_NFC_MESSAGE_BYTES])
{
    memcpy(tag, message + 4, VD_NFC_MESSAGE_BYTES - 4);
    tag[VD_NFC_MESSAGE_BYTES - 4] = '\0';
}

void vd_nfc_version_encode(uint32_t version, uint8_t *message)
{
    begin(VD_NFC_VERSION, message);
    vd_le32_encode(message + 4, version);
}

uint32_t vd_nfc_version_decode(const uint8_t *message)
{
    return vd_le32_decode(message + 4);
}

void vd_nfc_connection_encode(uint32_t name_bytes, uint32_t operation_bytes, uint8_t *message)
{
    begin(VD_NFC_CONNECTION_DATA, message);
    vd_le32_encode(message + 4, name_bytes);
    vd_le32_encode(message + 8, operation_bytes);
}

void vd_nfc_features_encode(uint32_t features, uint8_t *message)
{
    begin(VD_NFC_FEATURES, message);
    vd_le32_encode(message + 4, features);
}

void vd_nfc_status_encode(const struct vd_nfc_status *status, uint8_t *message)
{
    begin(VD_NFC_FILEOP_STATUS, message);
    vd_le32_encode(message + 4, status->error_bytes);
    vd_le32_encode(message + 8, status->extra_bytes);
    vd_le16_encode(message + 12, status->failed);
    vd_le16_encode(message + 14, status->succeeded);
    vd_le32_encode(message + 16, status->knows_version);
}

void vd_nfc_status_decode(const uint8_t *message, struct vd_nfc_status *ret)
{
    *ret = (struct vd_nfc_status){
        .error_bytes = vd_le32_decode(message + 4),
        .extra_bytes = vd_le32_decode(message + 8),
        .failed = vd_le16_decode(message + 12),
        .succeeded = vd_le16_decode(message + 14),
        .knows_version = vd_le32_decode(message + 16) != 0,
    };
}

void vd_nfc_refusal_encode(const struct vd_nfc_refusal *refusal, uint8_t *message)
{
    begin(VD_NFC_MESSAGE_ERROR, message);
    vd_le32_encode(message + 4, refusal->type);
    vd_le32_encode(message + 8, refusal->code);
    vd_le32_encode(message + 12, refusal->text_bytes);
}

void vd_nfc_refusal_decode(const uint8_t *message, struct vd_nfc_refusal *ret)
{
    *ret = (struct vd_nfc_refusal){
        .type = vd_le32_decode(message + 4),
        .code = vd_le32_decode(message + 8),
        .text_bytes = vd_le32_decode(message + 12),
    };
}

/* FILE_PUT has the flags before the path's length, FILE_GET behind it. */
void vd_nfc_file_encode(uint32_t type, const struct vd_nfc_file *file, uint8_t *message)
{
    bool is_put = type == VD_NFC_FILE_PUT;
    begin(type, message);
    vd_le32_encode(message + 4, file->type);
    vd_le32_encode(message + 8, is_put ? file->flags : file->path_bytes);
    vd_le32_encode(message + 12, is_put ? file->path_bytes : file->flags);
    if (!is_put)
        return;
    vd_le64_encode(message + 16, file->size_bytes);
    vd_le64_encode(message + 24, file->space_bytes);
}

void vd_nfc_file_decode(const uint8_t *message, struct vd_nfc_file *ret)
{
    bool is_put = vd_nfc_message_type(message) == VD_NFC_FILE_PUT;
    *ret = (struct vd_nfc_file){
        .type = vd_le32_decode(message + 4),
        .flags = vd_le32_decode(message + (is_put ? 8 : 12)),
        .path_bytes = vd_le32_decode(message + (is_put ? 12 : 8)),
        .size_bytes = is_put ? vd_le64_decode(message + 16) : 0,
        .space_bytes = is_put ? vd_le64_decode(message + 24) : 0,
    };
}

void vd_nfc_names_encode(uint32_t type, const struct vd_nfc_names *names, uint8_t *message)
{
    begin(type, message);
    vd_le32_encode(message + 4, names->bytes);
    vd_le32_encode(message + 8, names->flags);
    vd_le16_encode(message + 12, names->count);
}

void vd_nfc_names_decode(const uint8_t *message, struct vd_nfc_names *ret)
{
    *ret = (struct vd_nfc_names){
        .bytes = vd_le32_decode(message + 4),
        .flags = vd_le32_decode(message + 8),
        .count = vd_le16_decode(message + 12),
    };
}

void vd_nfc_sync_open_encode(const struct vd_nfc_sync_open *open, uint8_t *message)
{
    begin(VD_NFC_FSSRVR_OPEN, message);
    vd_le32_encode(message + 4, open->path_bytes);
    vd_le32_encode(message + 8, open->flags);
    message[12] = open->raw;
}

void vd_nfc_sync_open_decode(const uint8_t *message, struct vd_nfc_sync_open *ret)
{
    *ret = (struct vd_nfc_sync_open){
        .path_bytes = vd_le32_decode(message + 4),
        .flags = vd_le32_decode(message + 8),
        .raw = message[12] != 0,
    };
}

void vd_nfc_sync_io_encode(const struct vd_nfc_sync_io *io, uint8_t *message)
{
    begin(VD_NFC_FSSRVR_IO, message);
    vd_le32_encode(message + 4, io->is_write);
    vd_le64_encode(message + 8, io->offset_bytes);
    vd_le32_encode(message + 16, io->length_bytes);
}

void vd_nfc_sync_io_decode(const uint8_t *message, struct vd_nfc_sync_io *ret)
{
    *ret = (struct vd_nfc_sync_io){
        .is_write = vd_le32_decode(message + 4) != 0,
        .offset_bytes = vd_le64_decode(message + 8),
        .length_bytes = vd_le32_decode(message + 16),
    };
}

void vd_nfc_geometry_encode(const struct vd_nfc_sync_geometry *geometry, uint8_t *message)
{
    begin(VD_NFC_FSSRVR_DISKGEO, message);
    vd_le64_encode(message + 4, geometry->capacity_bytes);
    vd_le32_encode(message + 12, geometry->sector_bytes);
    vd_le32_encode(message + 16, geometry->cylinders);
    vd_le32_encode(message + 20, geometry->heads);
    vd_le32_encode(message + 24, geometry->sectors);
}

void vd_nfc_geometry_decode(const uint8_t *message, struct vd_nfc_sync_geometry *ret)
{
    *ret = (struct vd_nfc_sync_geometry){
        .capacity_bytes = vd_le64_decode(message + 4),
        .sector_bytes = vd_le32_decode(message + 12),
        .cylinders = vd_le32_decode(message + 16),
        .heads = vd_le32_decode(message + 20),
        .sectors = vd_le32_decode(message + 24),
    };
}

void vd_nfc_data_encode(uint32_t payload_bytes, uint8_t *head)
{
    vd_le32_encode(head, DATA_MAGIC);
    vd_le32_encode(head + 4, payload_bytes);
}

int vd_nfc_data_decode(const uint8_t *head, uint32_t *ret_payload_bytes)
{
    uint32_t bytes = vd_le32_decode(head + 4);
    if (vd_le32_decode(head) != DATA_MAGIC || bytes > VD_NFC_DATA_MAX_BYTES)
        return VD_E_PROTOCOL;
    *ret_payload_bytes = bytes;
    return VD_OK;
}
