/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures as the caller of the public interface learns of them. The functions return the negative
 * errno to return, and record nothing where a failure is told already: the first one counts. Inside
 * this floor an error is never NULL.
 */
#ifndef VD_VDISK_FAILURE_H
#define VD_VDISK_FAILURE_H

#include "base/error.h"
#include "vdisk/export.h"

/* What a public function begins with: clears the caller's error, or `own` where he gave none, and
 * gives the one to use. */
struct vdisk_error *vd_native_error(struct vdisk_error *error, struct vdisk_error *own);

/* `code` is a VD_E_*. */
int vd_native_fail(struct vdisk_error *err, int code, const char *fmt, ...) VD_PRINTF(3, 4);
/* What a floor below told. */
int vd_native_fail_from(struct vdisk_error *err, int code, const struct vd_error *from);
/* `code` is a VixError of another library, of any kind; VIX_OK is told as VIX_E_FAIL. */
int vd_native_fail_vix(struct vdisk_error *err, uint64_t code, const char *fmt, ...)
    VD_PRINTF(3, 4);

#endif
