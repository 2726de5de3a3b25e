/* SPDX-License-Identifier: Apache-2.0 */
/* From a URL and a secret to a session with the server. */
#ifndef VD_TRANSPORT_LOGIN_H
#define VD_TRANSPORT_LOGIN_H

#include "base/log.h"
#include "transport/secret.h"
#include "transport/url.h"
#include "vsphere/vsphere.h"

/* All of it is the caller's, during the call; `log` and `stop` as long as the session is there. */
struct vd_login {
    const struct vd_url *url;
    const char *thumbprint;         /* stated beside the URL, which counts more; or NULL */
    const char *default_thumbprint; /* where nothing else says whom to trust; or NULL */
    const struct vd_secret *secret;
    bool is_session; /* the secret is a session's cookie, not a password */
    const struct vd_log *log;
    const struct vd_net_stop *stop;
};

/* Whom the URL trusts; VD_E_INVALID_ARG for contradictions and what is no thumbprint. */
VD_MUST_CHECK int vd_login_trust(const struct vd_login *login, struct vd_tls_trust *ret,
                                 struct vd_error *err);
VD_MUST_CHECK int vd_login_run(const struct vd_login *login, struct vd_vsphere **ret,
                               struct vd_error *err);

#endif
