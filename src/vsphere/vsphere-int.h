/* SPDX-License-Identifier: Apache-2.0 */
/* The session itself. */
#ifndef VD_VSPHERE_VSPHERE_INT_H
#define VD_VSPHERE_VSPHERE_INT_H

#include <pthread.h>

#include "vsphere/soap.h"
#include "vsphere/vsphere.h"

/* The service's entry points; "" for those a server lacks. */
struct vd_vsphere_content {
    char root_folder[VD_MOID_BYTES];
    char property_collector[VD_MOID_BYTES];
    char view_manager[VD_MOID_BYTES];
    char session_manager[VD_MOID_BYTES];
    char authorization_manager[VD_MOID_BYTES];
    char search_index[VD_MOID_BYTES];
    char disk_manager[VD_MOID_BYTES];
    char storage_objects[VD_MOID_BYTES];
    char api_version[32];
    bool vcenter;
};

struct vd_vsphere {
    /* Not changed after connecting. */
    struct vd_http *http;
    const struct vd_log *log;
    const struct vd_net_stop *wish; /* that waits end; or NULL */
    char *host;
    enum vd_vsphere_credential credential;
    char *user, *password;
    char action[64]; /* the SOAPAction header */
    char catalogue_action[64];
    struct vd_vsphere_content content;
    uint32_t keep_alive_ms;
    pthread_t keeper;
    bool keeper_runs;

    pthread_mutex_t login_lock; /* held by the one thread that logs in; before `lock` */
    pthread_mutex_t lock;       /* guards the rest */
    pthread_cond_t stopping;    /* with `stop`; on the monotonic clock */
    bool stop;
    char *cookie;                    /* secret; NULL: not logged in */
    uint64_t generation;             /* counts logins */
    bool ours;                       /* we logged in, so we log out */
    char nfc_service[VD_MOID_BYTES]; /* "": not asked yet */
    char catalogue[VD_MOID_BYTES];   /* likewise: urn:vslm's manager of first-class disks */
    struct vd_tls_peer peer;         /* who answers */
};

/* connect.c */
void vd_secret_free(char *secret); /* wipes it; NULL allowed */
VD_DEFINE_CLEANUP(char *, vd_secret_free)
/* A copy of the cookie and the number of the login it is from; NULL without a session or memory. */
char *vd_session_cookie(struct vd_vsphere *session, uint64_t *ret_generation);
uint64_t vd_session_generation(struct vd_vsphere *session);

/* version.c: sets session->action. */
VD_MUST_CHECK int vd_session_negotiate(struct vd_vsphere *session, struct vd_error *err);
/* content.c */
VD_MUST_CHECK int vd_session_read_content(struct vd_vsphere *session, struct vd_error *err);

/* login.c */
VD_MUST_CHECK int vd_session_login(struct vd_vsphere *session,
                                   const struct vd_vsphere_options *options, struct vd_error *err);
/* After a call of login number `generation` found its session over. */
VD_MUST_CHECK int vd_session_renew(struct vd_vsphere *session, uint64_t generation,
                                   struct vd_error *err);
void vd_session_logout(struct vd_vsphere *session);

/* keep-alive.c */
void vd_session_keep(struct vd_vsphere *session);
void vd_session_stop_keeping(struct vd_vsphere *session);

/* soap.c: as vd_soap_run, with this cookie, once; `ret_cookie` (or NULL) is the one the server
 * sets. A fault is a success with reply->fault.type. */
VD_MUST_CHECK int vd_soap_exchange(struct vd_vsphere *session, struct vd_soap_call *call,
                                   const char *cookie, struct vd_soap_reply *reply,
                                   char **ret_cookie, struct vd_error *err);

#endif
