/* SPDX-License-Identifier: Apache-2.0 */
/* What a server tells of an export: the files it offers and what they are to be. For this floor and
 * its tests. */
#ifndef VD_VSPHERE_LEASE_DECODE_H
#define VD_VSPHERE_LEASE_DECODE_H

#include "net/digest.h"
#include "vsphere/xml.h"

#define VD_LEASE_MAX_FILES 2048u /* a VM has a few hundred disks at most, and its NVRAM */

/* "https://host:port/path": where a file is. */
struct vd_lease_url {
    char *host; /* "*": the server that was asked */
    uint16_t port;
    char *path; /* with its query; secret, since it is all that is needed */
};

struct vd_lease_file {
    char *key, *thumbprint; /* the latter "" where it is not told */
    struct vd_lease_url url;
    bool disk;
    /* Of what was read: */
    bool read, verified;
    uint64_t bytes;
    char sha1[VD_DIGEST_TEXT_BYTES], sha256[VD_DIGEST_TEXT_BYTES];
};

struct vd_lease_info {
    struct vd_lease_file *files;
    size_t count;
    uint32_t timeout_ms; /* without a word of ours; 0: not told */
};

/* An HttpNfcLeaseInfo; its URLs, which are secret, are overwritten there. A file that is no disk is
 * left out where its address is none. To be given to vd_lease_info_done also on failure. */
VD_MUST_CHECK int vd_lease_info_decode(const xmlNode *info, struct vd_lease_info *ret,
                                       struct vd_error *err);
void vd_lease_info_done(struct vd_lease_info *info);
/* Holds what was read against the entries of a manifest (the first one and its siblings):
 * VD_E_DAMAGED. */
VD_MUST_CHECK int vd_lease_manifest_check(const xmlNode *entry, struct vd_lease_info *info,
                                          struct vd_error *err);

#endif
