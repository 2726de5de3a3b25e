/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/privilege.h"

#include <string.h>

#include "vsphere/props.h"
#include "vsphere/vsphere-int.h"

static void take_answer(const xmlNode *answer, const char *const *privileges, size_t count,
                        bool *granted)
{
    const char *id = vd_xml_child_text(answer, "privId");

    for (size_t i = 0; id && i < count; i++) {
        if (strcmp(privileges[i], id) == 0)
            granted[i] = vd_xml_true(vd_xml_child(answer, "isGranted"));
    }
}

static int ask(struct vd_vsphere *session, struct vd_soap_call *call, const char *const *privileges,
               size_t count, bool *granted, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    int r;

    for (size_t i = 0; i < count; i++)
        vd_xml_leaf(&call->body, "privId", privileges[i]);
    vd_soap_what(call, "asking what the user may do");
    r = vd_soap_run(session, call, &reply, err);
    if (r < 0)
        return r;
    memset(granted, 0, count * sizeof *granted);
    const xmlNode *answer = vd_xml_child(vd_soap_value(&reply), "privAvailability");
    for (; answer; answer = vd_xml_next(answer))
        take_answer(answer, privileges, count, granted);
    return VD_OK;
}

int vd_vsphere_privileges(struct vd_vsphere *session, const char *vm_moid,
                          const char *const *privileges, size_t count, bool *granted,
                          struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    const struct vd_vsphere_content *content = &session->content;
    char key[VD_MOID_BYTES];
    int r = vd_props_one(session, "SessionManager", content->session_manager, "currentSession.key",
                         key, err);

    if (r < 0)
        return r;
    vd_soap_begin(&call, "HasPrivilegeOnEntities", "AuthorizationManager",
                  content->authorization_manager);
    if (vm_moid)
        vd_xml_ref(&call.body, "entity", "VirtualMachine", vm_moid);
    else
        vd_xml_ref(&call.body, "entity", "Folder", content->root_folder);
    vd_xml_leaf(&call.body, "sessionId", key);
    explicit_bzero(key, sizeof key);
    return ask(session, &call, privileges, count, granted, err);
}
