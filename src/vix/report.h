/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program is told besides results: information through its `log` function, warnings and
 * errors through its `warn` function, or the default log file where it gave none. Nothing is told
 * before the first Init and after the last Exit. Every event is told once, on the thread where it
 * happened, with no lock held. Threads: any.
 */
#ifndef VD_VIX_REPORT_H
#define VD_VIX_REPORT_H

#include "base/error.h"
#include "base/log.h"
#include "vix/export.h"

/* Programs format a line into as few as 1000 bytes; longer ones end in "...". */
#define VD_VIX_LINE_BYTES 960

/* The latest ones that are not NULL apply. */
void vd_vix_report_use(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
                       VixDiskLibGenericLogFunc *panic);
/* Forgets the callbacks and closes the default log. */
void vd_vix_report_done(void);

void vd_vix_info(const char *fmt, ...) VD_PRINTF(1, 2);
void vd_vix_warn(const char *fmt, ...) VD_PRINTF(1, 2);
/* For the floors below. */
const struct vd_log *vd_vix_log(void);

/* Tells the failure of a public function and gives the code to return; VD_OK gives VIX_OK. A
 * library that is not initialised has nobody to tell. */
VixError vd_vix_result(const char *function, int code, const struct vd_error *err);

#endif
