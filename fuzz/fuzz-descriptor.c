/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is refused with a sentence, or gives a model that is written and read back the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vmdk/descriptor.h"
#include "vmdk/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL where the model holds what the format cannot say. */
static char *written(const struct vd_descriptor *descriptor)
{
    struct vd_buf text = VD_BUF_INIT(2u * VD_DESCRIPTOR_MAX_BYTES);
    char *result = NULL;
    if (vd_descriptor_to_text(descriptor, &text, NULL) >= 0) {
        result = vd_buf_steal(&text);
        assert(result != NULL);
    }
    vd_buf_done(&text);
    return result;
}

static void ask_everything(const struct vd_descriptor *descriptor)
{
    (void)vd_descriptor_disk_type(descriptor);
    (void)vd_descriptor_adapter(vd_descriptor_ddb(descriptor, "adapterType"));
    (void)vd_descriptor_geometry(descriptor);
    (void)vd_descriptor_bios_geometry(descriptor);
    (void)vd_descriptor_has_parent(descriptor);
    (void)vd_descriptor_is_virtualbox_child(descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *first = NULL;
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *second = NULL;
    (void)vd_probe_bytes(data, size < VD_PROBE_BYTES ? size : VD_PROBE_BYTES);
    if (vd_descriptor_parse((const char *)data, size, "fuzz", &first, &err) < 0) {
        assert(err.code < 0 && err.text[0] != '\0');
        return 0;
    }
    ask_everything(first);
    VD_FREE char *text = written(first);
    if (text == NULL)
        return 0;
    int r = vd_descriptor_parse(text, strlen(text), "fuzz", &second, &err);
    assert(r >= 0);
    assert(second->num_extents == first->num_extents && second->cid == first->cid);
    VD_FREE char *again = written(second);
    assert(again != NULL && strcmp(text, again) == 0);
    return 0;
}
