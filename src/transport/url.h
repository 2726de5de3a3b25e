/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsphere://[USER@]HOST[:PORT]/VM[/DISK][?OPTION=VALUE&...]: a disk of a virtual machine, in one
 * word. Parts are percent-decoded once; a '/' that belongs to a name may be written as %2F.
 *
 * The last segment is the disk, everything before it the VM (so an inventory path may stand as it
 * is); a segment that begins with '[' and all behind it is a datastore path, thus the disk. One
 * segment alone, or an empty last one, means the VM's only disk.
 */
#ifndef VD_TRANSPORT_URL_H
#define VD_TRANSPORT_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define VD_URL_SCHEME    "vsphere://"
#define VD_URL_MAX_BYTES 8192u

enum vd_url_kind {
    VD_URL_DISK, /* a VM, and a disk of it */
    VD_URL_VM,   /* all of the path is the VM; the scheme may be left out */
    VD_URL_HOST, /* as VD_URL_VM, and the VM may be missing */
};

enum vd_url_compression { VD_URL_PLAIN, VD_URL_ZLIB, VD_URL_FASTLZ, VD_URL_SKIPZ };

/* Strings are NULL where the URL has no such part, and never empty. */
struct vd_url {
    char *user;
    char *host;    /* an IPv6 address without its brackets */
    uint16_t port; /* 0: none stated */
    char *vm;
    char *disk;
    char *snapshot;
    char *transport; /* "nbdssl" or "nbd" */
    char *thumbprint;
    char *ca;
    enum vd_url_compression compression;
    bool insecure;
    bool legacy_tls;
};

/* Does it begin with the scheme, in either case? */
bool vd_url_is(const char *text);
/* VD_E_INVALID_ARG. A password is refused, and not repeated in the sentence. To be given to
 * vd_url_done also on failure. */
VD_MUST_CHECK int vd_url_parse(const char *text, enum vd_url_kind kind, struct vd_url *ret,
                               struct vd_error *err);
void vd_url_done(struct vd_url *url);

#endif
