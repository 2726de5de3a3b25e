/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and session cookies: read from where a person keeps them, and wiped. */
#ifndef VD_TRANSPORT_SECRET_H
#define VD_TRANSPORT_SECRET_H

#include "base/error.h"
#include "base/log.h"
#include "net/stop.h"

#define VD_SECRET_BYTES 4096u /* with the NUL; a session cookie is the longest */

struct vd_secret {
    char text[VD_SECRET_BYTES];
};

/* The first line of a file, without its end; a warning where others may read the file. VD_E_LOGIN
 * where there is no line that fits. */
VD_MUST_CHECK int vd_secret_from_file(const char *path, const struct vd_log *log,
                                      const struct vd_net_stop *stop, struct vd_secret *ret,
                                      struct vd_error *err);
/* The next line of a descriptor; what is behind it is left there. `name` is for sentences. */
VD_MUST_CHECK int vd_secret_from_fd(int fd, const char *name, const struct vd_net_stop *stop,
                                    struct vd_secret *ret, struct vd_error *err);
/* Of the environment. */
VD_MUST_CHECK int vd_secret_from_value(const char *variable, const char *value,
                                       struct vd_secret *ret, struct vd_error *err);
void vd_secret_wipe(struct vd_secret *secret);

#endif
