/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and session cookies: where they come from, and that they are wiped. */
#ifndef VD_CLI_SECRET_H
#define VD_CLI_SECRET_H

#include "options.h"

#define CLI_SECRET_BYTES 4096u /* with the NUL; a session cookie is the longest */

struct cli_secret {
    char text[CLI_SECRET_BYTES];
};

/* From --password-fd, --password-file, VDISK_PASSWORD, or asked for at the terminal, in this order;
 * a file and a descriptor give one line, without its end. VD_E_LOGIN where there is none of them.
 */
VD_MUST_CHECK int cli_password_get(const struct cli_args *args, const char *user, const char *host,
                                   struct cli_secret *ret, struct vd_error *err);
/* The first line of a file; a warning where others may read it. */
VD_MUST_CHECK int cli_secret_from_file(const char *path, struct cli_secret *ret,
                                       struct vd_error *err);
void cli_secret_wipe(struct cli_secret *secret);
/* VDISK_PASSWORD, once no further login can come. */
void cli_secret_wipe_environment(void);

#endif
