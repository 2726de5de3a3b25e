/* SPDX-License-Identifier: Apache-2.0 */
/* `vdisk convert` onto a disk of a virtual machine: that disk exists, and is written over. */
#ifndef VD_CLI_CONVERT_ONTO_H
#define VD_CLI_CONVERT_ONTO_H

#include "options.h"

enum cli_exit cli_convert_onto(const struct cli_args *args);

#endif
