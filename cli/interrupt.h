/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT, SIGTERM and SIGHUP ask a long operation to stop; it then cleans up by itself. */
#ifndef VD_CLI_INTERRUPT_H
#define VD_CLI_INTERRUPT_H

#include <stdbool.h>

#include "net/stop.h"

/* From now on the signals only set a flag. Those ignored at the start stay ignored (nohup). */
void cli_interrupt_catch(void);
bool cli_interrupted(void);
/* The flag, as what waits for servers takes it. */
const struct vd_net_stop *cli_interrupt_stop(void);
/* "SIGINT", ...; valid once interrupted. */
const char *cli_interrupt_name(void);

#endif
