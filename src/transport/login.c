/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/login.h"

int vd_login_trust(const struct vd_login *login, struct vd_tls_trust *ret, struct vd_error *err)
{
    const struct vd_url *url = login->url;
    const char *thumbprint = url->thumbprint ? url->thumbprint : login->thumbprint;

    if (url->insecure && thumbprint)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "insecure=1 in the URL beside a thumbprint that is given otherwise: "
                            "either the server's certificate is verified or it is not");
    if (!thumbprint && !url->ca && !url->insecure)
        thumbprint = login->default_thumbprint;
    *ret = (struct vd_tls_trust){
        .host_name = url->host,
        .thumbprint = thumbprint,
        .ca_file = url->ca,
        .unverified = url->insecure,
        .legacy = url->legacy_tls,
    };
    return thumbprint && thumbprint[0] ? vd_tls_thumbprint_check(thumbprint, err) : VD_OK;
}

int vd_login_run(const struct vd_login *login, struct vd_vsphere **ret, struct vd_error *err)
{
    struct vd_vsphere_options options = {
        .server = {.host = login->url->host,
                   .port = login->url->port,
                   .timeouts = {.stop = login->stop}},
        .credential = login->is_session ? VD_VSPHERE_COOKIE : VD_VSPHERE_PASSWORD,
        .user = login->url->user,
        .password = login->is_session ? NULL : login->secret->text,
        .cookie = login->is_session ? login->secret->text : NULL,
        .log = login->log,
    };
    int r = vd_login_trust(login, &options.server.trust, err);

    return r < 0 ? r : vd_vsphere_connect(&options, ret, err);
}
