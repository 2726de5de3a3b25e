/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: an envelope written, sent, answered and taken apart. For this floor and its tests.
 *
 *     struct vd_soap_call call VD_CLEANUP(vd_soap_call_done) = VD_SOAP_CALL_INIT;
 *     struct vd_soap_reply reply VD_CLEANUP(vd_soap_reply_done) = VD_SOAP_REPLY_INIT;
 *     vd_soap_begin(&call, "PowerOnVM_Task", "VirtualMachine", moid);
 *     vd_soap_what(&call, "starting the VM '%s'", moid);
 *     int r = vd_soap_run(session, &call, &reply, err);
 */
#ifndef VD_VSPHERE_SOAP_H
#define VD_VSPHERE_SOAP_H

#include "vsphere/fault.h"
#include "vsphere/vsphere.h"
#include "vsphere/xml.h"

/* A password or a name is escaped to six times its length at most. */
#define VD_SOAP_MAX_REQUEST_BYTES (1u << 20)

struct vd_soap_call {
    const char *method;
    char what[256]; /* what is tried, for sentences */
    bool catalogue; /* of the service urn:vslm, which takes the session from the envelope */
    bool sessionless;
    uint32_t io_ms; /* 0: the connection's */
    bool settles;   /* a question that goes on when the session's stop is asked */
    bool closed;
    struct vd_xml_writer body; /* the whole envelope */
};
#define VD_SOAP_CALL_INIT                                                            \
    {                                                                                \
        .body = {.buf = VD_BUF_INIT_SECRET(VD_SOAP_MAX_REQUEST_BYTES), .result = 0 } \
    }

struct vd_soap_reply {
    xmlDoc *doc;
    const xmlNode *response; /* the element "<method>Response" */
    size_t bytes;
    struct vd_fault fault; /* what the call ended with, where it was a fault */
};
#define VD_SOAP_REPLY_INIT \
    {                      \
        .doc = NULL        \
    }

/* Starts the envelope; parameters are then written to call->body in the order of the WSDL. */
void vd_soap_begin(struct vd_soap_call *call, const char *method, const char *type,
                   const char *moid);
/* As vd_soap_begin, in the namespace urn:internalvim25. */
void vd_soap_begin_internal(struct vd_soap_call *call, const char *method, const char *type,
                            const char *moid);
/* As vd_soap_begin, to the global catalogue of first-class disks. */
void vd_soap_begin_catalogue(struct vd_soap_call *call, const char *method, const char *type,
                             const char *moid);
void vd_soap_what(struct vd_soap_call *call, const char *fmt, ...) VD_PRINTF(2, 3);
/* Wipes the request. */
void vd_soap_call_done(struct vd_soap_call *call);

/* Sends the call, again after a login where the session was over. May be run several times. On a
 * fault the error says what it means and reply->fault holds it. */
VD_MUST_CHECK int vd_soap_run(struct vd_vsphere *session, struct vd_soap_call *call,
                              struct vd_soap_reply *reply, struct vd_error *err);
/* Takes an answer apart; a fault is a success with reply->fault.type. `method` NULL: any. */
VD_MUST_CHECK int vd_soap_parse(const char *method, const char *bytes, size_t size,
                                struct vd_soap_reply *reply, struct vd_error *err);
/* The reply's one value; NULL where there is none. */
const xmlNode *vd_soap_value(const struct vd_soap_reply *reply);
/* As text: a moid or the like, of at most VD_MOID_BYTES. VD_E_PROTOCOL where there is none. */
VD_MUST_CHECK int vd_soap_moid(const struct vd_soap_call *call, const xmlNode *value,
                               char ret[VD_MOID_BYTES], struct vd_error *err);
/* VD_E_PROTOCOL: "<what>: the server's answer ..." */
int vd_soap_broken(const struct vd_soap_call *call, const char *why, struct vd_error *err);
void vd_soap_reply_done(struct vd_soap_reply *reply);

#endif
