/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/engine-types.h"

static const struct {
    uint32_t number;
    enum vd_disk_type type;
} types[] = {
    {VDISK_TYPE_MONOLITHIC_SPARSE, VD_DISK_MONOLITHIC_SPARSE},
    {VDISK_TYPE_MONOLITHIC_FLAT, VD_DISK_MONOLITHIC_FLAT},
    {VDISK_TYPE_SPLIT_SPARSE, VD_DISK_SPLIT_SPARSE},
    {VDISK_TYPE_SPLIT_FLAT, VD_DISK_SPLIT_FLAT},
    {VDISK_TYPE_VMFS_FLAT, VD_DISK_VMFS_FLAT},
    {VDISK_TYPE_STREAM_OPTIMIZED, VD_DISK_STREAM_OPTIMIZED},
    {VDISK_TYPE_VMFS_THIN, VD_DISK_VMFS_THIN},
    {VDISK_TYPE_VMFS_SPARSE, VD_DISK_VMFS_SPARSE},
    {VDISK_TYPE_UNKNOWN, VD_DISK_UNKNOWN},
};

static const struct {
    uint32_t number;
    enum vd_adapter adapter;
    const char *text;
} adapters[] = {
    {VDISK_ADAPTER_IDE, VD_ADAPTER_IDE, "ide"},
    {VDISK_ADAPTER_BUSLOGIC, VD_ADAPTER_BUSLOGIC, "buslogic"},
    {VDISK_ADAPTER_LSILOGIC, VD_ADAPTER_LSILOGIC, "lsilogic"},
    {VDISK_ADAPTER_UNKNOWN, VD_ADAPTER_UNKNOWN, NULL},
};

uint32_t vd_native_type_number(enum vd_disk_type type)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++)
        if (types[i].type == type)
            return types[i].number;
    return VDISK_TYPE_UNKNOWN;
}

uint32_t vd_native_adapter_number(enum vd_adapter adapter)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(adapters); i++)
        if (adapters[i].adapter == adapter)
            return adapters[i].number;
    return VDISK_ADAPTER_UNKNOWN;
}

int vd_native_type_of(const char *path, const struct vdisk_create_params *create,
                      enum vd_disk_type *ret, struct vd_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        if (types[i].number != create->type)
            continue;
        *ret = types[i].type;
        return VD_OK;
    }
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "creating '%s': the disk type is %u, expected 1 to 8", path, create->type);
}

int vd_native_adapter_of(const char *path, const struct vdisk_create_params *create,
                         const char **ret, struct vd_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(adapters); i++) {
        if (adapters[i].number != create->adapter)
            continue;
        *ret = adapters[i].text;
        return VD_OK;
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "creating '%s': the adapter is %u, expected 1 to 3",
                        path, create->adapter);
}
