/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_VIX_PARAMS_H
#define VD_VIX_PARAMS_H

#include <stdbool.h>

#include "base/error.h"
#include "vix/export.h"

/* Do these, which may be NULL and end after 80 bytes, lead to another machine? */
bool vd_vix_params_remote(const VixDiskLibConnectParams *params);
/* For remote ones: is there what a connection needs? VD_E_INVALID_ARG names what is missing. */
VD_MUST_CHECK int vd_vix_params_check(const VixDiskLibConnectParams *params, struct vd_error *err);

#endif
