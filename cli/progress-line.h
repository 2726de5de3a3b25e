/* SPDX-License-Identifier: Apache-2.0 */
/* One line on standard error that tells how far an operation is; it also hands interruptions to the
 * operation, shown or not. */
#ifndef VD_CLI_PROGRESS_LINE_H
#define VD_CLI_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/progress.h"

struct cli_progress {
    struct vd_progress progress; /* what the operation is given */
    bool show;
    bool in_place; /* a terminal: the line is written over; otherwise a new one each time */
    bool line_open;
    uint64_t start_ms;
    uint64_t shown_ms;
    uint64_t shown_bytes;
};

/* Must not move afterwards. `forced`: -p was given. */
void cli_progress_init(struct cli_progress *line, bool forced);
/* Ends the line, so that what is printed next has its own. */
void cli_progress_done(struct cli_progress *line);

#endif
