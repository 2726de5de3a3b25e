/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with vCenters and hosts. One per user, host, port and trust, shared by all that the
 * command opens there, kept until the command ends. For the main thread. */
#ifndef VD_CLI_CONNECTION_H
#define VD_CLI_CONNECTION_H

#include "options.h"
#include "transport/machine.h"

/* The user's wishes for TLS: of the URL, the options, then VDISK_THUMBPRINT. Strings are theirs. */
VD_MUST_CHECK int cli_connection_trust(const struct cli_args *args, const struct vd_url *url,
                                       struct vd_tls_trust *ret, struct vd_error *err);
/* The session belongs to the list. From here on signals only set the flag of interrupt.h. */
VD_MUST_CHECK int cli_connect(const struct cli_args *args, const struct vd_url *url,
                              struct vd_vsphere **ret, struct vd_error *err);
VD_MUST_CHECK int cli_machine_find(const struct cli_args *args, const struct vd_url *url,
                                   struct vd_machine *ret, struct vd_error *err);
/* A pipe's end to read the password from that was used, or the cookie of the caller's session, one
 * line, for another program that is to inherit it. The session must be there. */
VD_MUST_CHECK int cli_connection_hand_on(const struct vd_url *url, int *ret_fd,
                                         struct vd_error *err);
/* Logs out. What was opened through the sessions must be closed. */
void cli_connections_end(void);

#endif
