/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a server's whole answer, given to everything that reads one. */
#include <stdint.h>

#include "vsphere/changed.h"
#include "vsphere/soap.h"
#include "vsphere/ticket-decode.h"
#include "vsphere/vm-decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ignore_area(void *data, uint64_t start_bytes, uint64_t length_bytes)
{
    (void)data;
    return start_bytes + length_bytes > *(uint64_t *)data ? VD_E_FAIL : VD_OK;
}

static void read_objects(const xmlNode *value)
{
    const xmlNode *object = vd_xml_child(value, "objects");
    for (; object; object = vd_xml_next(object)) {
        struct vd_vsphere_vm *vm = NULL;
        if (vd_vm_decode(object, &vm, NULL) == VD_OK)
            (void)vd_vsphere_vm_disk(vm, "[ds] a/a.vmdk");
        vd_vsphere_vm_free(vm);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    const struct vd_ticket_issuer issuer = {"host", ""};
    struct vd_nfc_ticket ticket;
    struct vd_changed_page page = {.capacity_bytes = 1u << 30};
    struct vd_error err = VD_ERROR_INIT;
    if (vd_soap_parse(NULL, (const char *)data, size, &reply, &err) < 0)
        return 0;
    if (reply.fault.type[0])
        (void)vd_fault_tell(&reply.fault, "trying", &err);
    const xmlNode *value = vd_soap_value(&reply);
    read_objects(value);
    VD_DISCARD(vd_changed_page_take(value, &page, ignore_area, &page.capacity_bytes, NULL));
    VD_DISCARD(vd_ticket_decode(value, &issuer, &ticket, NULL));
    return 0;
}
