/* SPDX-License-Identifier: Apache-2.0 */
/* nbdkit as it is installed here. */
#ifndef VD_CLI_NBDKIT_H
#define VD_CLI_NBDKIT_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"

struct cli_nbdkit {
    bool tls;
    char plugin[PATH_MAX]; /* where our plugin is; with a slash, so nbdkit does not search */
};

/* VD_E_NOT_FOUND, told so that people know what to install, where nbdkit or the plugin is not. */
VD_MUST_CHECK int cli_nbdkit_find(struct cli_nbdkit *ret, struct vd_error *err);

#endif
