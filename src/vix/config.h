/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the library (transport/settings.h), and the files they come from. Threads: any.
 */
#ifndef VD_VIX_CONFIG_H
#define VD_VIX_CONFIG_H

#include "transport/settings.h"

/* Replaces the settings by this file's; it is read completely, and on failure the settings stay as
 * they were. What is wrong with a line is told in a warning. */
VD_MUST_CHECK int vd_vix_config_load(const char *path, struct vd_error *err);
/* Replaces them by those of the files at the default places, system before user; missing ones are
 * no error. */
VD_MUST_CHECK int vd_vix_config_load_default(struct vd_error *err);
void vd_vix_config_clear(void);

/* All of them as they are now; the caller's to end. VD_E_NO_MEMORY. */
VD_MUST_CHECK int vd_vix_config_copy(struct vd_settings *ret, struct vd_error *err);
/* malloc'd; NULL when it is not given, or memory is out. */
char *vd_vix_config_text(enum vd_setting setting);
uint64_t vd_vix_config_number(enum vd_setting setting, uint64_t otherwise);

#endif
