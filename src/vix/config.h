/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: `name = value` lines, values quoted or not, `#` comments. Names are
 * compared without case, the last one of a name applies, unknown names are ignored. Threads: any.
 */
#ifndef VD_VIX_CONFIG_H
#define VD_VIX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A configuration is a few KiB; one of a MiB is something else. */
#define VD_VIX_CONFIG_MAX_BYTES (1u << 20)

/* Replaces the configuration by this file's; it is read completely, and on failure the
 * configuration stays as it was. */
VD_MUST_CHECK int vd_vix_config_load(const char *path, struct vd_error *err);
/* Replaces it by the files at the default places, system before user; missing ones are no error. */
VD_MUST_CHECK int vd_vix_config_load_default(struct vd_error *err);
void vd_vix_config_clear(void);

/* malloc'd; NULL when the name is not there, its value is empty, or memory is out. */
char *vd_vix_config_text(const char *name);
/* `otherwise` when the name is not there or its value is not a number. */
uint64_t vd_vix_config_u64(const char *name, uint64_t otherwise);

#endif
