/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor.h"

#include <string.h>

#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"

void vd_entries_done(struct vd_descriptor_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->items[i].key);
        free(entries->items[i].value);
    }
    free(entries->items);
}

void vd_descriptor_free(struct vd_descriptor *descriptor)
{
    if (descriptor == NULL)
        return;
    for (size_t i = 0; i < descriptor->num_extents; i++)
        vd_extent_line_done(&descriptor->extents[i]);
    free(descriptor->extents);
    vd_entries_done(&descriptor->header);
    vd_entries_done(&descriptor->ddb);
    free(descriptor->create_type);
    free(descriptor->parent_hint);
    free(descriptor->parent_hint_raw);
    free(descriptor->encoding);
    free(descriptor->change_track);
    free(descriptor);
}

const char *vd_entries_find(const struct vd_descriptor_entries *entries, const char *key)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (vd_ascii_equal(entries->items[i].key, key))
            return entries->items[i].value;
    }
    return NULL;
}

const char *vd_descriptor_ddb(const struct vd_descriptor *descriptor, const char *key)
{
    return vd_entries_find(&descriptor->ddb, key);
}

const char *vd_descriptor_header(const struct vd_descriptor *descriptor, const char *key)
{
    return vd_entries_find(&descriptor->header, key);
}

bool vd_descriptor_has_parent(const struct vd_descriptor *descriptor)
{
    if (descriptor->native_snapshot)
        return false;
    if (descriptor->has_parent_cid)
        return descriptor->parent_cid != VD_CID_NONE;
    return descriptor->parent_hint != NULL;
}

bool vd_descriptor_is_virtualbox_child(const struct vd_descriptor *descriptor)
{
    const char *uuid = vd_descriptor_ddb(descriptor, "uuid.parent");
    return uuid != NULL && uuid[strspn(uuid, "0-{} ")] != '\0' &&
           !vd_descriptor_has_parent(descriptor);
}

/* Spellings: the Virtual Disk Format 5.0, and files of VMware products where they differ. The first
 * of a type is the one to write. */
static const struct {
    const char *text;
    enum vd_disk_type type;
} create_types[] = {
    {"monolithicSparse", VD_DISK_MONOLITHIC_SPARSE},
    {"monolithicFlat", VD_DISK_MONOLITHIC_FLAT},
    {"twoGbMaxExtentSparse", VD_DISK_SPLIT_SPARSE},
    {"2GbMaxExtentSparse", VD_DISK_SPLIT_SPARSE},
    {"twoGbMaxExtentFlat", VD_DISK_SPLIT_FLAT},
    {"2GbMaxExtentFlat", VD_DISK_SPLIT_FLAT},
    {"streamOptimized", VD_DISK_STREAM_OPTIMIZED},
    {"vmfs", VD_DISK_VMFS_FLAT},
    {"vmfsPreallocated", VD_DISK_VMFS_FLAT},
    {"vmfsThick", VD_DISK_VMFS_FLAT},
    {"vmfsEagerZeroedThick", VD_DISK_VMFS_FLAT},
    {"vmfsThin", VD_DISK_VMFS_THIN},
    {"vmfsSparse", VD_DISK_VMFS_SPARSE},
    {"seSparse", VD_DISK_SE_SPARSE},
    {"vmfsSeSparse", VD_DISK_SE_SPARSE},
    {"fullDevice", VD_DISK_DEVICE},
    {"partitionedDevice", VD_DISK_DEVICE},
    {"vmfsRaw", VD_DISK_DEVICE},
    {"vmfsRawDeviceMap", VD_DISK_DEVICE},
    {"vmfsRDM", VD_DISK_DEVICE},
    {"vmfsPassthroughRawDeviceMap", VD_DISK_DEVICE},
    {"vmfsRDMP", VD_DISK_DEVICE},
};

enum vd_disk_type vd_disk_type_parse(const char *text)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(create_types); i++) {
        if (vd_ascii_equal(create_types[i].text, text))
            return create_types[i].type;
    }
    return VD_DISK_UNKNOWN;
}

const char *vd_disk_type_text(enum vd_disk_type type)
{
    if (type == VD_DISK_VMFS_THIN) /* the difference is a line of the data base */
        type = VD_DISK_VMFS_FLAT;
    for (size_t i = 0; i < VD_ARRAY_SIZE(create_types); i++) {
        if (create_types[i].type == type)
            return create_types[i].text;
    }
    return type == VD_DISK_RAW ? "raw" : "unknown";
}

enum vd_disk_type vd_descriptor_disk_type(const struct vd_descriptor *descriptor)
{
    enum vd_disk_type type = vd_disk_type_parse(descriptor->create_type);
    const char *thin = vd_descriptor_ddb(descriptor, "thinProvisioned");
    if (type == VD_DISK_VMFS_FLAT && thin != NULL && strcmp(thin, "1") == 0)
        return VD_DISK_VMFS_THIN;
    return type;
}

enum vd_adapter vd_descriptor_adapter(const char *ddb_value)
{
    static const struct {
        const char *text;
        enum vd_adapter adapter;
    } adapters[] = {
        {"ide", VD_ADAPTER_IDE},           {"buslogic", VD_ADAPTER_BUSLOGIC},
        {"lsilogic", VD_ADAPTER_LSILOGIC}, {"lsisas1068", VD_ADAPTER_LSILOGIC},
        {"pvscsi", VD_ADAPTER_LSILOGIC},   {"legacyESX", VD_ADAPTER_LSILOGIC},
    };
    for (size_t i = 0; ddb_value != NULL && i < VD_ARRAY_SIZE(adapters); i++) {
        if (vd_ascii_equal(adapters[i].text, ddb_value))
            return adapters[i].adapter;
    }
    return VD_ADAPTER_UNKNOWN;
}

static uint32_t ddb_u32(const struct vd_descriptor *descriptor, const char *key)
{
    const char *value = vd_descriptor_ddb(descriptor, key);
    if (value == NULL)
        return 0;
    struct vd_span span = vd_span_trim((struct vd_span){value, strlen(value)});
    uint64_t number;
    return vd_span_u64(&span, &number) && number <= UINT32_MAX ? (uint32_t)number : 0;
}

struct vd_geometry vd_descriptor_geometry(const struct vd_descriptor *descriptor)
{
    return (struct vd_geometry){ddb_u32(descriptor, "geometry.cylinders"),
                                ddb_u32(descriptor, "geometry.heads"),
                                ddb_u32(descriptor, "geometry.sectors")};
}

struct vd_geometry vd_descriptor_bios_geometry(const struct vd_descriptor *descriptor)
{
    return (struct vd_geometry){ddb_u32(descriptor, "geometry.biosCylinders"),
                                ddb_u32(descriptor, "geometry.biosHeads"),
                                ddb_u32(descriptor, "geometry.biosSectors")};
}
