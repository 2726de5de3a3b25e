/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a user may name as DISK: a file, a device, or a vsphere:// URL. */
#ifndef VD_CLI_DISK_OPEN_H
#define VD_CLI_DISK_OPEN_H

#include "options.h"

/* For reading. */
VD_MUST_CHECK int cli_disk_open(const struct cli_args *args, const char *operand,
                                struct vd_disk **ret, struct vd_error *err);
/* For writing. */
VD_MUST_CHECK int cli_disk_open_writable(const struct cli_args *args, const char *operand,
                                         struct vd_disk **ret, struct vd_error *err);
/* VD_E_NOT_SUPPORTED where an operand or a parent is a URL and the command is for files. */
VD_MUST_CHECK int cli_disk_check_operands(const struct cli_args *args, struct vd_error *err);

#endif
