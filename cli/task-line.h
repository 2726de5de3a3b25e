/* SPDX-License-Identifier: Apache-2.0 */
/* How far a server's task is, on standard error, and the way to stop it. */
#ifndef VD_CLI_TASK_LINE_H
#define VD_CLI_TASK_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/progress.h"

struct cli_task_line {
    struct vd_progress progress; /* what the task is given */
    const char *what;            /* "creating the snapshot" */
    bool show;
    bool in_place; /* a terminal: the line is written over */
    bool line_open;
    bool keep_going;            /* signals do not stop it */
    uint64_t shown;             /* percent; UINT64_MAX: none yet */
    uint64_t percent, moved_ms; /* and when it last changed */
};

/* Must not move afterwards. `forced`: -p was given. */
void cli_task_line_init(struct cli_task_line *line, const char *what, bool forced);
void cli_task_line_done(struct cli_task_line *line);

#endif
