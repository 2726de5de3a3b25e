/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>

void sim_say(const struct sim *sim, const char *fmt, ...)
{
    char line[1200];
    va_list args;

    if (!sim->verbose)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "vsphere-sim: %s\n", line);
}
