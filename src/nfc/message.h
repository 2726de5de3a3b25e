/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic messages of NFC: 264 bytes, of which the first four are the type, followed by
 * variable parts whose lengths are fields. Both directions, for client and simulator.
 * Little-endian, packed.
 *
 * Sources (PROVENANCE.md): VMware's photon-controller and its Python NFC client for 1 to 50, two
 * independent public clients for 51 to 55. What follows a message on the stream is told by
 * vd_nfc_tail_bytes. A decoder is given whole messages and checks what it can; lengths it returns
 * are bounded by the limits below, or it refuses.
 *
 * A real host reads one message per TLS record: each must be one write.
 */
#ifndef VD_NFC_MESSAGE_H
#define VD_NFC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define VD_NFC_MESSAGE_BYTES 264u

enum vd_nfc_message_type {
    VD_NFC_FILE_PUT = 1,
    VD_NFC_FILE_GET = 2,
    VD_NFC_SESSION_COMPLETE = 4, /* also a host's refusal, in place of what was expected */
    VD_NFC_FILE_DATA = 7,
    VD_NFC_PING = 8, /* no reply */
    VD_NFC_MESSAGE_ERROR = 20,
    VD_NFC_FSSRVR_OPEN = 21,
    VD_NFC_FSSRVR_DISKGEO = 22,
    VD_NFC_FSSRVR_IO = 23,
    VD_NFC_FSSRVR_CLOSE = 24,
    VD_NFC_PUTFILE_DONE = 27,
    VD_NFC_FILE_DELETE = 31,
    VD_NFC_FILE_RENAME = 32,
    VD_NFC_FILE_COPY = 33, /* empty: does the host know message 51? */
    VD_NFC_FILE_CREATEDIR = 34,
    VD_NFC_FILEOP_STATUS = 36,
    VD_NFC_CLIENT_RANDOM = 43,
    VD_NFC_VERSION = 51,
    VD_NFC_AIO = 52,
    VD_NFC_CONNECTION_DATA = 54,
    VD_NFC_FEATURES = 55,
};

/* Names, texts, lists. */
#define VD_NFC_PATH_MAX_BYTES 4096u
#define VD_NFC_TEXT_MAX_BYTES 65536u
#define VD_NFC_LIST_MAX_BYTES (1u << 20)
/* Of a FILE_DATA; both known clients send 256 KiB at most. */
#define VD_NFC_DATA_MAX_BYTES (1u << 20)
/* Of a synchronous request; larger ones fail on hosts at once. */
#define VD_NFC_SYNC_MAX_BYTES (23u << 20)

enum vd_nfc_file_type { VD_NFC_RAW, VD_NFC_TEXT, VD_NFC_DISK, VD_NFC_DELTA_DISK };

/* Conversion flags. */
#define VD_NFC_CREATE_OVERWRITE (1u << 4)
#define VD_NFC_FORCE_LSILOGIC   (1u << 8)
#define VD_NFC_ADAPTER_IDE      (1u << 13)
#define VD_NFC_SESPARSE         (1u << 14)
/* File-management flags. */
#define VD_NFC_FORCE            (1u << 0)
#define VD_NFC_CREATE_HIERARCHY (1u << 1)

/* Every string length of FILE_PUT and FILE_GET counts its NUL. */
struct vd_nfc_file {
    uint32_t type;  /* vd_nfc_file_type */
    uint32_t flags; /* conversion */
    uint32_t path_bytes;
    uint64_t size_bytes;  /* FILE_PUT; of a disk: its capacity */
    uint64_t space_bytes; /* FILE_PUT */
};

struct vd_nfc_names {
    uint32_t bytes; /* that follow */
    uint32_t flags; /* file management */
    uint16_t count;
};

struct vd_nfc_status {
    uint32_t
        error_bytes; /* that follow: u16 indices of failed names, and one u16 more; 0: success */
    uint32_t extra_bytes; /* that follow behind them */
    uint16_t failed, succeeded;
    bool knows_version; /* in answer to an empty FILE_COPY: message 51 may be sent */
};

struct vd_nfc_refusal { /* MESSAGE_ERROR */
    uint32_t type, code;
    uint32_t text_bytes; /* that follow, NUL included */
};

struct vd_nfc_sync_open {
    uint32_t path_bytes; /* that follow, NUL included */
    uint32_t flags;
    bool raw;
};

struct vd_nfc_sync_io {
    bool is_write; /* 1 on the wire, unlike AIO */
    uint64_t offset_bytes;
    uint32_t length_bytes; /* of a write: that follow */
};

/* The layout of FSSRVR_DISKGEO is not public; this one is our simulator's convention. */
struct vd_nfc_sync_geometry {
    uint64_t capacity_bytes;
    uint32_t sector_bytes, cylinders, heads, sectors;
};

/* What `message` is, and how many bytes belong to it on the stream behind its 264. VD_E_PROTOCOL
 * for a length beyond its limit. FILE_DATA: the 8 bytes of its own head, then as vd_nfc_data_decode
 * says. */
uint32_t vd_nfc_message_type(const uint8_t *message);
VD_MUST_CHECK int vd_nfc_tail_bytes(const uint8_t *message, uint32_t *ret);

/* Each fills all 264 bytes. */
void vd_nfc_plain_encode(uint32_t type, uint8_t *message); /* nothing but a type */
void vd_nfc_tag_encode(const char *tag, uint8_t *message); /* cut at what fits, 259 bytes */
void vd_nfc_tag_decode(const uint8_t *message, char tag[VD_NFC_MESSAGE_BYTES]);
void vd_nfc_version_encode(uint32_t version, uint8_t *message);
uint32_t vd_nfc_version_decode(const uint8_t *message);
void vd_nfc_connection_encode(uint32_t name_bytes, uint32_t operation_bytes, uint8_t *message);
void vd_nfc_features_encode(uint32_t features, uint8_t *message);
void vd_nfc_status_encode(const struct vd_nfc_status *status, uint8_t *message);
void vd_nfc_status_decode(const uint8_t *message, struct vd_nfc_status *ret);
void vd_nfc_refusal_encode(const struct vd_nfc_refusal *refusal, uint8_t *message);
void vd_nfc_refusal_decode(const uint8_t *message, struct vd_nfc_refusal *ret);
void vd_nfc_file_encode(uint32_t type, const struct vd_nfc_file *file, uint8_t *message);
void vd_nfc_file_decode(const uint8_t *message, struct vd_nfc_file *ret); /* PUT or GET */
void vd_nfc_names_encode(uint32_t type, const struct vd_nfc_names *names, uint8_t *message);
void vd_nfc_names_decode(const uint8_t *message, struct vd_nfc_names *ret);
void vd_nfc_sync_open_encode(const struct vd_nfc_sync_open *open, uint8_t *message);
void vd_nfc_sync_open_decode(const uint8_t *message, struct vd_nfc_sync_open *ret);
void vd_nfc_sync_io_encode(const struct vd_nfc_sync_io *io, uint8_t *message);
void vd_nfc_sync_io_decode(const uint8_t *message, struct vd_nfc_sync_io *ret);
void vd_nfc_geometry_encode(const struct vd_nfc_sync_geometry *geometry, uint8_t *message);
void vd_nfc_geometry_decode(const uint8_t *message, struct vd_nfc_sync_geometry *ret);

/* The 8 bytes between a FILE_DATA and its payload; 0 bytes of payload: the end. */
#define VD_NFC_DATA_HEAD_BYTES 8u
void vd_nfc_data_encode(uint32_t payload_bytes, uint8_t *head);
/* VD_E_PROTOCOL for another magic number or more than VD_NFC_DATA_MAX_BYTES. */
VD_MUST_CHECK int vd_nfc_data_decode(const uint8_t *head, uint32_t *ret_payload_bytes);

#endif
