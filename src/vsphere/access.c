/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vsphere/vsphere-int.h"

#define METHOD "RelocateVM_Task"

static int check_able(const struct vd_vsphere *session, const char *identity, struct vd_error *err)
{
    if (!identity || identity[0] == '\0')
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "holding a VM for access needs an identity: the program's name");
    if (session->content.authorization_manager[0] == '\0')
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' has no authorization manager",
                            session->host);
    return VD_OK;
}

int vd_vsphere_prepare_access(struct vd_vsphere *session, const char *vm_moid, const char *identity,
                              struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    if (!session->content.vcenter)
        return VD_OK;
    int r = check_able(session, identity, err);
    if (r < 0)
        return r;
    vd_soap_begin_internal(&call, "DisableMethods", "AuthorizationManager",
                           session->content.authorization_manager);
    vd_soap_what(&call, "holding the VM '%s' for '%s'", vm_moid, identity);
    vd_xml_ref(&call.body, "entity", "VirtualMachine", vm_moid);
    vd_xml_begin(&call.body, "method");
    vd_xml_leaf(&call.body, "method", METHOD);
    vd_xml_leaf(&call.body, "reasonId", identity);
    vd_xml_end(&call.body, "method");
    vd_xml_leaf(&call.body, "sourceId", identity);
    r = vd_soap_run(session, &call, &reply, &why);
    if (r < 0 && vd_fault_is(&reply.fault, "MethodAlreadyDisabledFault") &&
        strcmp(reply.fault.detail, identity) == 0)
        return VD_OK; /* ours, perhaps of a run that was cut off */
    return r < 0 ? vd_error_set(err, r, "%s", why.text) : VD_OK;
}

int vd_vsphere_end_access(struct vd_vsphere *session, const char *vm_moid, const char *identity,
                          struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    if (!session->content.vcenter)
        return VD_OK;
    int r = check_able(session, identity, err);
    if (r < 0)
        return r;
    vd_soap_begin_internal(&call, "EnableMethods", "AuthorizationManager",
                           session->content.authorization_manager);
    vd_soap_what(&call, "giving back the VM '%s' held for '%s'", vm_moid, identity);
    vd_xml_ref(&call.body, "entity", "VirtualMachine", vm_moid);
    vd_xml_leaf(&call.body, "method", METHOD);
    vd_xml_leaf(&call.body, "sourceId", identity);
    return vd_soap_run(session, &call, &reply, err);
}
