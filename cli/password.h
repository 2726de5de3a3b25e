/* SPDX-License-Identifier: Apache-2.0 */
/* The password of a server: where it comes from. */
#ifndef VD_CLI_PASSWORD_H
#define VD_CLI_PASSWORD_H

#include "options.h"
#include "transport/secret.h"

/* From --password-fd, --password-file, VDISK_PASSWORD, or asked for at the terminal, in this order;
 * a file and a descriptor give one line, without its end. VD_E_LOGIN where there is none of them.
 */
VD_MUST_CHECK int cli_password_get(const struct cli_args *args, const char *user, const char *host,
                                   struct vd_secret *ret, struct vd_error *err);
/* Wipes VDISK_PASSWORD, once no further login can come. */
void cli_password_wipe_environment(void);

#endif
