/* SPDX-License-Identifier: Apache-2.0 */
/* The process's log function, and what leads to it. Threads: any. */
#ifndef VD_VDISK_LOG_H
#define VD_VDISK_LOG_H

#include "base/log.h"
#include "vdisk/export.h"

/* For the floors below, and for everything told here. */
const struct vd_log *vd_native_log(void);
/* The same without VD_LOG_DEBUG. */
const struct vd_log *vd_native_log_brief(void);

#endif
