/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of a virtual machine, opened over the network by its URL. */
#ifndef VD_CLI_MACHINE_DISK_H
#define VD_CLI_MACHINE_DISK_H

#include "options.h"

/* To be closed before cli_connections_end. */
VD_MUST_CHECK int cli_machine_disk_open(const struct cli_args *args, const char *url,
                                        bool read_only, struct vd_disk **ret, struct vd_error *err);
/* Frees what opened disks refer to; they must be closed. */
void cli_machine_disks_end(void);

#endif
