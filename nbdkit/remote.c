/* SPDX-License-Identifier: Apache-2.0 */
#include "remote.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fellows.h"

int remote_init(struct remote *remote, const char *url, const struct vd_log *log,
                struct vd_error *err)
{
    VD_FREE char *ca = NULL;
    int r;

    remote->log = log;
    vd_net_stop_init(&remote->stop);
    r = vd_url_parse(url, VD_URL_DISK, &remote->url, err);
    if (r < 0 || !remote->url.ca)
        return r;
    ca = realpath(remote->url.ca, NULL); /* in the background the current folder is another */
    if (!ca)
        return vd_error_set_errno(err, errno, "cannot use the authorities of '%s'", remote->url.ca);
    free(remote->url.ca);
    remote->url.ca = VD_TAKE_PTR(ca);
    return VD_OK;
}

static int log_in(struct remote *remote, struct vd_error *err)
{
    const struct vd_login login = {
        .url = &remote->url,
        .thumbprint = remote->thumbprint,
        .default_thumbprint = getenv("VDISK_THUMBPRINT"),
        .secret = &remote->secret,
        .is_session = remote->is_session,
        .log = remote->log,
        .stop = &remote->stop,
    };

    return vd_login_run(&login, &remote->session, err);
}

/* The server may have done what it does not tell the end of. */
static bool may_hold(int r)
{
    return r == VD_OK || vd_error_is(r, VD_E_DISCONNECTED) || vd_error_is(r, VD_E_TIMED_OUT) ||
           vd_error_is(r, VD_E_CANCELLED);
}

/* Is nobody left who holds the machine? */
static bool leave(struct remote *remote)
{
    bool alone = fellows_leave(remote->fellows, remote->key);

    remote->fellows = -1;
    return alone;
}

/* The name is that of this machine alone: a server that was killed, started again, finds itself the
 * holder, and several hold together. Who else holds it keeps it in its place too. */
static void hold(struct remote *remote, const char *moid)
{
    struct vd_error err = VD_ERROR_INIT;
    char holder[sizeof remote->holder];
    char machine[256] = "";
    int r;

    (void)gethostname(machine, sizeof machine - 1); /* it is "" then */
    (void)snprintf(holder, sizeof holder, "virtual-disks on %s", machine);
    (void)snprintf(remote->key, sizeof remote->key, "%s %.400s:%u", moid, remote->url.host,
                   remote->url.port);
    remote->fellows = fellows_join(remote->key);
    r = vd_vsphere_prepare_access(remote->session, moid, holder, &err);
    if (may_hold(r))
        memcpy(remote->holder, holder, sizeof holder);
    else
        (void)leave(remote); /* who does not hold it cannot let it go */
    if (r < 0 && !vd_error_is(r, VD_E_DISABLED) && !vd_error_is(r, VD_E_CANCELLED))
        vd_log(remote->log, VD_LOG_WARNING,
               "a vCenter may move the virtual machine while its disk is served: %s",
               vd_error_message(&err, r));
}

static void let_go(struct remote *remote)
{
    struct vd_error err = VD_ERROR_INIT;
    bool alone = leave(remote);
    int r = VD_OK;

    if (alone && remote->holder[0])
        r = vd_vsphere_end_access(remote->session, remote->place.moid, remote->holder, &err);
    if (r < 0)
        vd_log(remote->log, VD_LOG_WARNING,
               "'%s' may still hold the virtual machine, so that no vCenter moves it: %s",
               remote->holder, vd_error_message(&err, r));
    remote->holder[0] = '\0';
}

int remote_open(struct remote *remote, const struct vd_vmdk_options *local, struct vd_disk **ret,
                struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine = {0};
    int r = log_in(remote, err);

    if (r == VD_OK)
        r = vd_machine_find(remote->session, &remote->url, &machine, err);
    if (r == VD_OK) {
        memcpy(remote->place.moid, machine.moid, sizeof machine.moid);
        hold(remote, machine.moid);
        r = vd_machine_disk_open(&machine, &remote->url, local, &remote->stop, &remote->place, ret,
                                 err);
    }
    if (r < 0)
        remote_close(remote);
    return r;
}

void remote_close(struct remote *remote)
{
    if (remote->session)
        let_go(remote);
    vd_vsphere_free(VD_TAKE_PTR(remote->session));
    vd_secret_wipe(&remote->secret);
    vd_url_done(&remote->url);
    free(VD_TAKE_PTR(remote->thumbprint));
}
