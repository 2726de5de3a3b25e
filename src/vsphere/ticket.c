/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets for the NFC port of the host that has the disk. */
#include <string.h>

#include "vsphere/props.h"
#include "vsphere/ticket-decode.h"
#include "vsphere/vsphere-int.h"

static int ask_service(struct vd_vsphere *session, char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, "RetrieveInternalContent", "ServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "asking '%s' for its NFC service", session->host);
    int r = vd_soap_run(session, &call, &reply, err);
    const xmlNode *service = vd_xml_child(vd_soap_value(&reply), "nfcService");
    return r < 0 ? r : vd_soap_moid(&call, service, moid, err);
}

/* Asked once per session. */
static int nfc_service(struct vd_vsphere *session, char moid[VD_MOID_BYTES], struct vd_error *err)
{
    (void)pthread_mutex_lock(&session->lock);
    memcpy(moid, session->nfc_service, VD_MOID_BYTES);
    (void)pthread_mutex_unlock(&session->lock);
    if (moid[0])
        return VD_OK;
    int r = ask_service(session, moid, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&session->lock);
    memcpy(session->nfc_service, moid, VD_MOID_BYTES);
    (void)pthread_mutex_unlock(&session->lock);
    return VD_OK;
}

static int take_ticket(struct vd_vsphere *session, struct vd_soap_call *call,
                       struct vd_nfc_ticket *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    int r = vd_soap_run(session, call, &reply, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&session->lock);
    struct vd_tls_peer peer = session->peer;
    (void)pthread_mutex_unlock(&session->lock);
    /* Only a host's own certificate is also that of its NFC port. */
    const struct vd_ticket_issuer issuer = {session->host,
                                            session->content.vcenter ? "" : peer.sha256};
    r = vd_ticket_decode(vd_soap_value(&reply), &issuer, ret, &why);
    return r < 0 ? vd_error_set(err, r, "%s: %s", call->what, why.text) : VD_OK;
}

static int host_of(struct vd_vsphere *session, const char *vm_moid, char host[VD_MOID_BYTES],
                   struct vd_error *err)
{
    int r = vd_props_one(session, "VirtualMachine", vm_moid, "runtime.host", host, err);
    if (r == VD_OK && host[0] == '\0')
        return vd_error_set(err, VD_E_UNREACHABLE, "the VM '%s' is on no host", vm_moid);
    return r;
}

static int write_question(struct vd_vsphere *session, struct vd_soap_call *call,
                          const char *vm_moid, int32_t disk_key, struct vd_error *err)
{
    char host[VD_MOID_BYTES];
    int r = host_of(session, vm_moid, host, err);
    if (r < 0)
        return r;
    vd_xml_leaf_i64(&call->body, "diskDeviceKey", disk_key);
    vd_xml_ref(&call->body, "hostForAccess", "HostSystem", host);
    return VD_OK;
}

int vd_vsphere_ticket(struct vd_vsphere *session, const char *vm_moid, int32_t disk_key,
                      bool writable, struct vd_nfc_ticket *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    char service[VD_MOID_BYTES];
    int r = nfc_service(session, service, err);
    if (r < 0)
        return r;
    vd_soap_begin(&call, writable ? "NfcRandomAccessOpenDisk" : "NfcGetVmFiles", "NfcService",
                  service);
    vd_soap_what(&call, "getting leave to %s disks of the VM '%s'", writable ? "write" : "read",
                 vm_moid);
    vd_xml_ref(&call.body, "vm", "VirtualMachine", vm_moid);
    if (writable)
        r = write_question(session, &call, vm_moid, disk_key, err);
    return r < 0 ? r : take_ticket(session, &call, ret, err);
}

int vd_vsphere_file_ticket(struct vd_vsphere *session, const char *datastore_moid,
                           struct vd_nfc_ticket *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    char service[VD_MOID_BYTES];
    int r = nfc_service(session, service, err);
    if (r < 0)
        return r;
    vd_soap_begin(&call, "NfcFileManagement", "NfcService", service);
    vd_soap_what(&call, "getting leave to use files of the datastore '%s'", datastore_moid);
    vd_xml_ref(&call.body, "ds", "Datastore", datastore_moid);
    return take_ticket(session, &call, ret, err);
}

int vd_vsphere_nfc_version(struct vd_vsphere *session, const char *vm_moid, int *ret,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    char service[VD_MOID_BYTES], host[VD_MOID_BYTES];
    int32_t version;
    int r = nfc_service(session, service, err);
    if (r == VD_OK)
        r = host_of(session, vm_moid, host, err);
    if (r < 0)
        return r;
    vd_soap_begin(&call, "NfcGetServerNfcLibVersion", "NfcService", service);
    vd_soap_what(&call, "asking the host '%s' for its NFC version", host);
    vd_xml_ref(&call.body, "hostForAccess", "HostSystem", host);
    r = vd_soap_run(session, &call, &reply, &why);
    if (r == VD_E_NOT_SUPPORTED) {
        *ret = 0; /* older than the question */
        return VD_OK;
    }
    if (r < 0)
        return vd_error_set(err, r, "%s", why.text);
    if (!vd_xml_i32(vd_soap_value(&reply), &version) || version < 0)
        return vd_soap_broken(&call, "is no version", err);
    *ret = version;
    return VD_OK;
}
