/* SPDX-License-Identifier: Apache-2.0 */
/* The frame around an operation on a disk's files: signals, progress, the sentence when it fails.
 */
#ifndef VD_CLI_OPERATION_H
#define VD_CLI_OPERATION_H

#include "base/progress.h"
#include "options.h"

typedef int (*cli_operation_fn)(const struct cli_args *args, const struct vd_vmdk_options *options,
                                const struct vd_progress *progress, struct vd_error *err);

enum cli_exit cli_operation_run(const struct cli_args *args, cli_operation_fn operation);

#endif
