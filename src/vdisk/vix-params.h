/* SPDX-License-Identifier: Apache-2.0 */
/* Our params as the connect params of a VixDiskLib. */
#ifndef VD_VDISK_VIX_PARAMS_H
#define VD_VDISK_VIX_PARAMS_H

#include "vdisk/vix-library.h"

/* The strings stay those of `params`, which must outlive it; for vd_native_vix_params_free. */
VD_MUST_CHECK int vd_native_vix_params_new(const struct vd_native_vix *vix,
                                           const struct vdisk_params *params,
                                           VixDiskLibConnectParams **ret, struct vdisk_error *err);
void vd_native_vix_params_free(const struct vd_native_vix *vix, VixDiskLibConnectParams *params);

#endif
