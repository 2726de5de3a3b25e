/* SPDX-License-Identifier: Apache-2.0 */
/* What the service offers, and under which names. */
#include <stddef.h>
#include <string.h>

#include "vsphere/vsphere-int.h"

struct entry {
    const char *member;
    size_t offset;
    bool needed;
};

#define ENTRY(member, field, needed)                               \
    {                                                              \
        member, offsetof(struct vd_vsphere_content, field), needed \
    }

static const struct entry ENTRIES[] = {
    ENTRY("rootFolder", root_folder, true),
    ENTRY("propertyCollector", property_collector, true),
    ENTRY("viewManager", view_manager, false),
    ENTRY("sessionManager", session_manager, true),
    ENTRY("authorizationManager", authorization_manager, false),
    ENTRY("searchIndex", search_index, false),
    ENTRY("virtualDiskManager", disk_manager, false),
    ENTRY("vStorageObjectManager", storage_objects, false),
};

static int take_entries(struct vd_vsphere *session, const struct vd_soap_call *call,
                        const xmlNode *value, struct vd_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(ENTRIES); i++) {
        char *field = (char *)&session->content + ENTRIES[i].offset;
        const xmlNode *node = vd_xml_child(value, ENTRIES[i].member);
        if (!node && !ENTRIES[i].needed)
            continue;
        int r = vd_soap_moid(call, node, field, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

int vd_session_read_content(struct vd_vsphere *session, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, "RetrieveServiceContent", "ServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "asking '%s' what it is", session->host);
    call.sessionless = true;
    int r = vd_soap_run(session, &call, &reply, err);
    const xmlNode *value = vd_soap_value(&reply);
    if (r == VD_OK)
        r = take_entries(session, &call, value, err);
    if (r < 0)
        return r;
    const char *kind = vd_xml_text(vd_xml_at(value, "about/apiType"));
    const char *version = vd_xml_text(vd_xml_at(value, "about/apiVersion"));
    if (!kind || !version || strlen(version) >= sizeof session->content.api_version)
        return vd_soap_broken(&call, "does not say what it is", err);
    session->content.vcenter = strcmp(kind, "VirtualCenter") == 0;
    memcpy(session->content.api_version, version, strlen(version) + 1);
    return VD_OK;
}
