/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsphere://[USER@]HOST[:PORT]/VM[/DISK][?OPTION=VALUE&...]: a disk of a virtual machine, in one
 * word. Parts are percent-decoded once; a '/' that belongs to a name may be written as %2F.
 *
 * The last segment is the disk, everything before it the VM (so an inventory path may stand as it
 * is); a segment that begins with '[' and all behind it is a datastore path, thus the disk. One
 * segment alone, or an empty last one, means the VM's only disk.
 */
#ifndef VD_CLI_URL_H
#define VD_CLI_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CLI_URL_SCHEME    "vsphere://"
#define CLI_URL_MAX_BYTES 8192u

enum cli_url_kind {
    CLI_URL_DISK, /* a VM, and a disk of it */
    CLI_URL_VM,   /* all of the path is the VM; the scheme may be left out */
    CLI_URL_HOST, /* as CLI_URL_VM, and the VM may be missing */
};

enum cli_url_compression { CLI_URL_PLAIN, CLI_URL_ZLIB, CLI_URL_FASTLZ, CLI_URL_SKIPZ };

/* Strings are NULL where the URL has no such part, and never empty. */
struct cli_url {
    char *user;
    char *host;    /* an IPv6 address without its brackets */
    uint16_t port; /* 0: none stated */
    char *vm;
    char *disk;
    char *snapshot;
    char *transport; /* "nbdssl" or "nbd" */
    char *thumbprint;
    char *ca;
    enum cli_url_compression compression;
    bool insecure;
    bool legacy_tls;
};

/* Does it begin with the scheme, in either case? */
bool cli_url_is(const char *text);
/* VD_E_INVALID_ARG. A password is refused, and not repeated in the sentence. To be given to
 * cli_url_done also on failure. */
VD_MUST_CHECK int cli_url_parse(const char *text, enum cli_url_kind kind, struct cli_url *ret,
                                struct vd_error *err);
void cli_url_done(struct cli_url *url);

#endif
