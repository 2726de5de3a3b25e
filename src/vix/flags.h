/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of VixDiskLib_Open. */
#ifndef VD_VIX_FLAGS_H
#define VD_VIX_FLAGS_H

#include "vix/export.h"
#include "vmdk/vmdk.h"

/* As enum vd_vmdk_flag; the compression bits belong to the network. */
static inline unsigned vd_vix_vmdk_flags(uint32 flags)
{
    unsigned result = 0;
    if (flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY)
        result |= VD_VMDK_READ_ONLY;
    if (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
        result |= VD_VMDK_SINGLE_LINK;
    if (flags & VIXDISKLIB_FLAG_OPEN_UNBUFFERED)
        result |= VD_VMDK_UNBUFFERED;
    return result;
}

#endif
