/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/geometry.h"

#include "harness.h"

static void check_geometry(uint64_t sectors, enum vd_adapter adapter, struct vd_geometry want)
{
    struct vd_geometry got = vd_geometry_for(sectors, adapter);
    check_u64_eq(got.cylinders, want.cylinders);
    check_u64_eq(got.heads, want.heads);
    check_u64_eq(got.sectors, want.sectors);
}

#define MIB_SECTORS UINT64_C(2048)
#define GIB_SECTORS (1024 * MIB_SECTORS)

/* The values VMware products gave disks of these sizes. */
VD_TEST(scsi_as_seen_in_the_field)
{
    check_geometry(2 * MIB_SECTORS, VD_ADAPTER_LSILOGIC, (struct vd_geometry){2, 64, 32});
    check_geometry(30 * MIB_SECTORS, VD_ADAPTER_BUSLOGIC, (struct vd_geometry){30, 64, 32});
    check_geometry(100 * MIB_SECTORS, VD_ADAPTER_LSILOGIC, (struct vd_geometry){100, 64, 32});
    check_geometry(10 * GIB_SECTORS, VD_ADAPTER_LSILOGIC, (struct vd_geometry){1305, 255, 63});
    check_geometry(16 * GIB_SECTORS, VD_ADAPTER_LSILOGIC, (struct vd_geometry){2088, 255, 63});
    check_geometry(60 * GIB_SECTORS, VD_ADAPTER_LSILOGIC, (struct vd_geometry){7832, 255, 63});
}

VD_TEST(scsi_steps)
{
    check_geometry(2095104, VD_ADAPTER_LSILOGIC, (struct vd_geometry){1023, 64, 32});
    check_geometry(2095105, VD_ADAPTER_LSILOGIC, (struct vd_geometry){511, 128, 32});
    check_geometry(4190208, VD_ADAPTER_LSILOGIC, (struct vd_geometry){1023, 128, 32});
    check_geometry(4190209, VD_ADAPTER_UNKNOWN, (struct vd_geometry){260, 255, 63});
}

VD_TEST(ide)
{
    check_geometry(4194304, VD_ADAPTER_IDE, (struct vd_geometry){4161, 16, 63});
    check_geometry(18432000, VD_ADAPTER_IDE, (struct vd_geometry){16383, 16, 63});
}

VD_TEST(extremes)
{
    check_geometry(0, VD_ADAPTER_LSILOGIC, (struct vd_geometry){1, 64, 32});
    check_geometry(1, VD_ADAPTER_IDE, (struct vd_geometry){1, 16, 63});
    check_geometry(UINT64_C(1) << 54, VD_ADAPTER_LSILOGIC,
                   (struct vd_geometry){UINT32_MAX, 255, 63});
}
