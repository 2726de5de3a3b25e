/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a path becomes a vd_disk. The transports of a list are tried left to right: the first usable
 * one that opens the disk wins; why each other one did not is kept in the error's sentence.
 */
#ifndef VD_TRANSPORT_TRANSPORT_H
#define VD_TRANSPORT_TRANSPORT_H

#include <stdbool.h>

#include "base/log.h"
#include "disk/disk.h"
#include "vmdk/vmdk.h"

struct vd_net_stop;
struct vd_vsphere;

enum vd_transport_compression {
    VD_TRANSPORT_PLAIN,
    VD_TRANSPORT_ZLIB,
    VD_TRANSPORT_FASTLZ,
    VD_TRANSPORT_SKIPZ
};

/* Where disks are; session NULL: this machine. Outlives the disk. What a disk is found by:
 *
 *   vm_moid                   a path of any link of a disk of that VM
 *   datastore_moid, disk_id   a first-class disk; the path is ignored
 *   datastore_moid            a path on that datastore, whole or below `folder`
 *   none of them              a whole path, its datastore found by name */
struct vd_transport_place {
    struct vd_vsphere *session;
    const char *vm_moid;
    const char *snapshot; /* moid of the VM's, or id of the first-class disk's; NULL: none */
    const char *datastore_moid;
    const char *disk_id;
    const char *modes;  /* "file:nbdssl:nbd"; NULL or "": the default order */
    const char *folder; /* or NULL */
};

struct vd_transport_request {
    const struct vd_transport_place *place;
    const char *path;                    /* local, or "[datastore] folder/disk.vmdk" */
    const struct vd_vmdk_options *local; /* flags for this machine's disks; READ_ONLY, SINGLE_LINK
                                            and UNBUFFERED hold for every transport */
    enum vd_transport_compression compression;
    uint32_t nfc_buffer_bytes, nfc_buffer_count, nfc_port; /* 0: defaults */
    uint32_t nfc_read_ms, nfc_write_ms, nfc_connect_ms;
    const struct vd_net_stop *stop; /* or NULL; outlives the disk */
    const struct vd_log *log;
    bool legacy_tls;     /* of hosts, as vd_tls_trust has it */
    bool unverified_tls; /* hosts whose thumbprint the server does not tell are trusted */
    bool simulator;      /* the peer is this project's own */
};

/* A place that is this machine is opened with "file", whatever its modes say. On another one names
 * that are not known here are passed over, with a word in the log; where none is left, "nbdssl" is
 * tried. What the list has behind a failure is tried where another way may do better: not after
 * VD_E_CERTIFICATE, and not where the disk itself is the trouble. */
VD_MUST_CHECK int vd_transport_open(const struct vd_transport_request *request,
                                    struct vd_disk **ret, struct vd_error *err);
/* "file:nbdssl:nbd": what this build has, in the default order. */
const char *vd_transport_modes(void);

/* Of an open disk: "vpxa-nfcssl://[ds] vm/vm.vmdk@esx:902", as programs look for it in logs; NULL
 * for one of this machine. The disk's. */
const char *vd_transport_url(const struct vd_disk *disk);
/* As vd_nfc_query_allocated. VD_E_NOT_SUPPORTED, and then vd_disk_map answers, where the way there
 * has no such question or not with chunks of this size. */
VD_MUST_CHECK int vd_transport_query_allocated(struct vd_disk *disk, uint64_t start_bytes,
                                               uint64_t chunk_bytes, uint64_t chunks,
                                               uint8_t *bitmap, struct vd_error *err);
/* Chunks one query may ask for. */
#define VD_TRANSPORT_QUERY_MAX_CHUNKS 524288u

#endif
