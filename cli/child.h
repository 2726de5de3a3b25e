/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs, run by the command. Each is looked for in PATH. */
#ifndef VD_CLI_CHILD_H
#define VD_CLI_CHILD_H

#include "base/error.h"

/* Runs `argv` to its end and keeps its standard output, at most `size` - 1 bytes, as text.
 * VD_E_NOT_FOUND where there is no such program, VD_E_FAIL where it fails. */
VD_MUST_CHECK int cli_child_capture(const char *const *argv, char *text, size_t size,
                                    struct vd_error *err);

/* Runs `argv` until it and all it has left running have ended. SIGINT, SIGTERM and SIGHUP meanwhile
 * are passed on as SIGTERM, and close `*end_fd`. `ret_status` is its status as wait(2) tells it. */
VD_MUST_CHECK int cli_child_run(const char *const *argv, int *end_fd, int *ret_status,
                                struct vd_error *err);

#endif
