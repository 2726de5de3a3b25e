/* SPDX-License-Identifier: Apache-2.0 */
/* What the command says to people: errors, warnings, and text that came from files. */
#ifndef VD_CLI_TERMINAL_H
#define VD_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "options.h"

/* "vdisk: <sentence>" on standard error. Returns CLI_ERROR. */
enum cli_exit cli_fail(const struct vd_error *err, int code);

/* Prints with control characters made visible: a name in a descriptor must not steer a terminal. */
void cli_print(FILE *out, const char *fmt, ...) VD_PRINTF(2, 3);

/* Keeps warnings and errors for cli_warnings_end, drops the rest. */
extern const struct vd_log cli_log;

/* What was kept so far goes to standard error now: for a command that stands still because of it.
 */
void cli_warnings_tell(void);
/* When the command is done and no other thread runs: the warnings go to standard error, or away. */
void cli_warnings_end(bool show);

/* How the arguments ask to open a disk. Points into `args`. */
struct vd_source_options cli_source_options(const struct cli_args *args);

#endif
