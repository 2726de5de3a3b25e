/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/types.h"

static const struct {
    VixDiskLibDiskType number;
    enum vd_disk_type type;
} disk_types[] = {
    {VIXDISKLIB_DISK_MONOLITHIC_SPARSE, VD_DISK_MONOLITHIC_SPARSE},
    {VIXDISKLIB_DISK_MONOLITHIC_FLAT, VD_DISK_MONOLITHIC_FLAT},
    {VIXDISKLIB_DISK_SPLIT_SPARSE, VD_DISK_SPLIT_SPARSE},
    {VIXDISKLIB_DISK_SPLIT_FLAT, VD_DISK_SPLIT_FLAT},
    {VIXDISKLIB_DISK_VMFS_FLAT, VD_DISK_VMFS_FLAT},
    {VIXDISKLIB_DISK_STREAM_OPTIMIZED, VD_DISK_STREAM_OPTIMIZED},
    {VIXDISKLIB_DISK_VMFS_THIN, VD_DISK_VMFS_THIN},
    {VIXDISKLIB_DISK_VMFS_SPARSE, VD_DISK_VMFS_SPARSE},
    {VIXDISKLIB_DISK_UNKNOWN, VD_DISK_UNKNOWN},
};

static const struct {
    VixDiskLibAdapterType number;
    const char *text;
} adapters[] = {
    {VIXDISKLIB_ADAPTER_IDE, "ide"},
    {VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, "buslogic"},
    {VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, "lsilogic"},
    {VIXDISKLIB_ADAPTER_UNKNOWN, NULL},
};

int vd_vix_disk_type(const char *what, VixDiskLibDiskType type, enum vd_disk_type *ret,
                     struct vd_error *err)
{
    for (size_t i = 0; i < sizeof disk_types / sizeof disk_types[0]; i++) {
        if (disk_types[i].number != type)
            continue;
        *ret = disk_types[i].type;
        return VD_OK;
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "%s: the disk type is %u, expected 1 to 8", what,
                        (unsigned)type);
}

int vd_vix_adapter_text(const char *what, VixDiskLibAdapterType adapter, const char **ret,
                        struct vd_error *err)
{
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        if (adapters[i].number != adapter)
            continue;
        *ret = adapters[i].text;
        return VD_OK;
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "%s: the adapter type is %u, expected 1 to 3", what,
                        (unsigned)adapter);
}
