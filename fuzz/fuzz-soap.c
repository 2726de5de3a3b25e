/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a server's whole answer, given to everything that reads one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vsphere/changed.h"
#include "vsphere/file-range.h"
#include "vsphere/lease-decode.h"
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

/* What was read, so that there is something to hold against a manifest. */
static void read_lease(const xmlNode *value)
{
    static const char digest[VD_DIGEST_TEXT_BYTES] = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
    struct vd_lease_info info;
    const xmlNode *offer = vd_xml_at(value, "objects/propSet/val");
    VD_DISCARD(vd_lease_info_decode(offer ? offer : value, &info, NULL));
    for (size_t i = 0; i < info.count; i++) {
        info.files[i].read = info.files[i].key != NULL;
        info.files[i].bytes = 5;
        memcpy(info.files[i].sha1, digest, sizeof digest);
        memcpy(info.files[i].sha256, digest, sizeof digest);
    }
    VD_DISCARD(vd_lease_manifest_check(value, &info, NULL));
    vd_lease_info_done(&info);
}

/* Where it is no document, it is a Content-Range. */
static void read_range(const uint8_t *data, size_t size)
{
    struct vd_file_range range;
    char text[128] = "";
    memcpy(text, data, VD_MIN(size, sizeof text - 1));
    if (vd_file_range_init(&range, 7, UINT64_MAX, NULL) < 0 ||
        vd_file_range_begin(&range, 206, text, UINT64_MAX, NULL) < 0)
        return;
    if (!vd_file_range_advance(&range, 1) || range.next_bytes > range.end_bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    const struct vd_ticket_issuer issuer = {"host", ""};
    struct vd_nfc_ticket ticket;
    struct vd_changed_page page = {.capacity_bytes = 1u << 30};
    struct vd_error err = VD_ERROR_INIT;
    read_range(data, size);
    if (vd_soap_parse(NULL, (const char *)data, size, &reply, &err) < 0)
        return 0;
    if (reply.fault.type[0])
        (void)vd_fault_tell(&reply.fault, "trying", &err);
    const xmlNode *value = vd_soap_value(&reply);
    read_objects(value);
    read_lease(value);
    VD_DISCARD(vd_changed_page_take(value, &page, ignore_area, &page.capacity_bytes, NULL));
    VD_DISCARD(vd_ticket_decode(value, &issuer, &ticket, NULL));
    return 0;
}
