/* SPDX-License-Identifier: Apache-2.0 */
/* The frame around an operation that writes raw bytes somewhere: guards, target, signals, progress,
 * completion. */
#ifndef VD_CLI_OUTPUT_H
#define VD_CLI_OUTPUT_H

#include "base/progress.h"
#include "ops/target.h"
#include "options.h"

/* Writes all there is to `target`. */
typedef int (*cli_output_fn)(void *data, struct vd_target *target,
                             const struct vd_progress *progress, struct vd_error *err);

/* Opens `path` ("-" is standard output), runs `write`, and completes the target, or removes it and
 * tells why. */
enum cli_exit cli_output_run(const struct cli_args *args, const char *path, cli_output_fn write,
                             void *data);

/* The same for who tells of signals and failures itself. */
VD_MUST_CHECK int cli_output_write(const struct cli_args *args, const char *path,
                                   cli_output_fn write, void *data, struct vd_error *err);

/* VD_E_INVALID_ARG when the target is one of the files the source lives in. */
VD_MUST_CHECK int cli_output_check(const struct cli_args *args, const char *source,
                                   const char *path, struct vd_error *err);

static inline bool cli_is_stdio(const char *path)
{
    return path[0] == '-' && path[1] == '\0';
}

#endif
