/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk on an ESXi host, over NFC (transports nbd and nbdssl), as a vd_disk. One TCP connection
 * per open disk; many requests in flight on it; large reads and writes split and overlapped;
 * fragments placed straight into the caller's memory.
 */
#ifndef VD_NFC_CLIENT_H
#define VD_NFC_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "disk/disk.h"
#include "net/stream.h"

enum vd_nfc_compression { VD_NFC_PLAIN, VD_NFC_ZLIB, VD_NFC_FASTLZ, VD_NFC_SKIPZ };

/* One use each. Fixed buffers, so that a ticket is wiped with its struct. */
struct vd_nfc_ticket {
    char host[256]; /* where to dial */
    uint16_t port;
    char service[64];     /* "vpxa-nfc", "nfc", ... without or with "ssl" */
    char session_id[256]; /* secret */
    char thumbprint[96];  /* of the host's certificate; "" where the issuer gave none */
};

/* Gets a fresh ticket: at open, after a lost connection, after a handshake the host refused. */
struct vd_nfc_tickets {
    int (*get)(void *data, struct vd_nfc_ticket *ret, struct vd_error *err);
    void *data;
};

/* Defaults (zeros) are the fast ones. Copied, strings too, but what `tickets.data`, `log`,
 * `timeouts.stop` and `dial_data` point to lives as long as the disk. */
struct vd_nfc_options {
    struct vd_nfc_tickets tickets;
    const struct vd_log *log;
    const char *server; /* whose memory the buffers are counted against; NULL: all of one budget */
    const char *path;   /* "[datastore] folder/disk.vmdk" */
    bool read_only;
    bool ssl; /* nbdssl */
    enum vd_nfc_compression compression;
    int server_version;          /* NfcGetServerNfcLibVersion; -1: unknown */
    uint32_t buffer_bytes;       /* of the session, 64 KiB steps, at most 2 MiB; 0: ours */
    uint32_t buffer_count;       /* 0: ours; times size at most 16 MiB */
    uint32_t requests_in_flight; /* 0: ours */
    uint32_t first_pause_ms;     /* before trying again, each time twice as long; 0: 50 */
    uint64_t capacity_bytes;     /* from the inventory, for hosts that do not tell; 0: unknown */
    struct vd_net_timeouts timeouts; /* whose stop ends requests under way too */
    bool legacy_tls;
    bool unverified_tls; /* only where the ticket has no thumbprint and the caller insists */
    bool simulator; /* the peer is ours: conventions that are no facts of the wire may be used */
    /* NULL, or gives a stream where NFC begins, in place of ticket, dialling and daemon: for tests.
     */
    int (*dial)(void *data, struct vd_stream **ret, struct vd_error *err);
    void *dial_data;
};

VD_MUST_CHECK int vd_nfc_open(const struct vd_nfc_options *options, struct vd_disk **ret,
                              struct vd_error *err);

/* The host's answer to an allocated-block query: bit i of `bitmap` (1: allocated) is the chunk at
 * (start + i) * chunk; whole 32-bit words are written. VD_E_NOT_SUPPORTED on hosts without.
 * vd_disk_map of such a disk uses it. */
VD_MUST_CHECK int vd_nfc_query_allocated(struct vd_disk *disk, uint64_t start_bytes,
                                         uint64_t chunk_bytes, uint64_t chunks, uint8_t *bitmap,
                                         struct vd_error *err);

#endif
