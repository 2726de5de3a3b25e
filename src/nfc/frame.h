/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AIO frames of NFC: a header of 16 bytes, a fixed payload whose size the header tells, and a
 * trailer (path, key, data, bitmap, text) whose length stands in the payload. Replies repeat type
 * and opId. Both directions, for client and simulator.
 *
 * Source: two independent public clients of ESXi 7 and 8 (PROVENANCE.md).
 */
#ifndef VD_NFC_FRAME_H
#define VD_NFC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define VD_NFC_HEADER_BYTES 16u

enum vd_nfc_frame_type {
    VD_NFC_ERROR = 1,
    VD_NFC_OPEN_SESSION = 2,
    VD_NFC_CLOSE_SESSION = 3,
    VD_NFC_OPEN_FILE = 4,
    VD_NFC_CLOSE_FILE = 5,
    VD_NFC_IO = 7,
    VD_NFC_SET_SOCK_OPTS = 9,
    VD_NFC_FILE_INFO = 10,
    VD_NFC_DDB_GET = 11,
    VD_NFC_DDB_SET = 12, /* a convention of our simulator; no host is known to take it */
    VD_NFC_QUERY_ALLOCATED = 13,
    VD_NFC_SET_RES_POOL = 22,
};

/* Payload sizes, of request and reply alike where nothing else is said. */
#define VD_NFC_ERROR_BYTES         16u
#define VD_NFC_OPEN_SESSION_BYTES  16u
#define VD_NFC_CLOSE_SESSION_BYTES 4u /* 16 from others */
#define VD_NFC_OPEN_FILE_BYTES     60u
#define VD_NFC_OPENED_MIN_BYTES    52u /* a reply may leave out its last fields */
#define VD_NFC_CLOSE_FILE_BYTES    8u  /* 16 from others */
#define VD_NFC_IO_BYTES            44u
#define VD_NFC_SOCK_OPTS_BYTES     12u
#define VD_NFC_DDB_BYTES           16u
#define VD_NFC_QUERY_BYTES         48u
#define VD_NFC_RES_POOL_BYTES      4u
#define VD_NFC_PAYLOAD_MAX_BYTES   64u /* of frames this library takes part in */

/* Trailers. */
#define VD_NFC_ERROR_TEXT_MAX_BYTES (1u << 20)
#define VD_NFC_VALUE_MAX_BYTES      65536u
#define VD_NFC_BUFFER_MAX_BYTES     (2u << 20)  /* of one fragment */
#define VD_NFC_SESSION_MAX_BYTES    (16u << 20) /* buffer size times count */

struct vd_nfc_header {
    uint32_t type;
    uint32_t payload_bytes; /* trailers not counted */
    uint32_t op;
};

struct vd_nfc_error_frame {
    uint64_t code;
    uint32_t text_bytes;
};

struct vd_nfc_open_file {
    uint32_t path_bytes;
    uint32_t file_type; /* 2: disk */
    uint32_t flags;
};
#define VD_NFC_OPEN_READ_ONLY 0x1eu
#define VD_NFC_OPEN_WRITABLE  0x1au
#define VD_NFC_OPEN_RO_BIT    0x04u

struct vd_nfc_opened {
    uint64_t status; /* 0: good */
    uint64_t handle;
    uint32_t file_type;
    uint32_t flags;
    uint64_t capacity_bytes;
    uint32_t sector_bytes; /* 0: 512 */
    uint32_t cylinders, heads, sectors;
};

/* One layout for requests, fragments and replies. */
struct vd_nfc_io {
    uint64_t handle; /* replies: status, 0 is good */
    bool is_read;
    uint32_t compression;  /* wanted, or this fragment's */
    uint64_t offset_bytes; /* on the disk, of the whole request */
    uint32_t total_bytes;
    uint32_t fragment_offset_bytes; /* within the request */
    uint32_t fragment_bytes;        /* before compression */
    uint32_t trailer_bytes;         /* a reply to a write has none, whatever stands here */
};

struct vd_nfc_query {
    uint64_t handle;
    uint64_t chunk_bytes, start_bytes, chunks;
};
#define VD_NFC_QUERY_MAX_CHUNKS (512u * 1024u)
/* Of the reply's bitmap. */
static inline uint32_t vd_nfc_bitmap_bytes(uint64_t chunks)
{
    return (uint32_t)(4 * ((chunks + 31) / 32));
}

void vd_nfc_header_encode(const struct vd_nfc_header *header, uint8_t *bytes);
/* VD_E_PROTOCOL for another magic number. */
VD_MUST_CHECK int vd_nfc_header_decode(const uint8_t *bytes, struct vd_nfc_header *ret);

void vd_nfc_error_encode(const struct vd_nfc_error_frame *error, uint8_t *payload);
void vd_nfc_error_decode(const uint8_t *payload, struct vd_nfc_error_frame *ret);
void vd_nfc_open_session_encode(uint32_t buffer_bytes, uint32_t buffer_count, uint8_t *payload);
void vd_nfc_open_session_decode(const uint8_t *payload, uint32_t *ret_buffer_bytes,
                                uint32_t *ret_buffer_count);
void vd_nfc_open_file_encode(const struct vd_nfc_open_file *open, uint8_t *payload);
void vd_nfc_open_file_decode(const uint8_t *payload, struct vd_nfc_open_file *ret);
void vd_nfc_opened_encode(const struct vd_nfc_opened *opened, uint8_t *payload);
/* Of at least VD_NFC_OPENED_MIN_BYTES. */
void vd_nfc_opened_decode(const uint8_t *payload, struct vd_nfc_opened *ret);
void vd_nfc_io_encode(const struct vd_nfc_io *io, uint8_t *payload);
void vd_nfc_io_decode(const uint8_t *payload, struct vd_nfc_io *ret);
/* A request's: handle and the key's length (and the value's, for DDB_SET). A DDB_GET reply's: the
 * value's length, in `value_bytes`. */
void vd_nfc_ddb_encode(uint64_t handle, uint32_t key_bytes, uint32_t value_bytes, uint8_t *payload);
void vd_nfc_ddb_decode(const uint8_t *payload, uint64_t *ret_handle, uint32_t *ret_key_bytes,
                       uint32_t *ret_value_bytes);
void vd_nfc_query_encode(const struct vd_nfc_query *query, uint8_t *payload);
void vd_nfc_query_decode(const uint8_t *payload, struct vd_nfc_query *ret);

#endif
