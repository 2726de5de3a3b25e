/* SPDX-License-Identifier: Apache-2.0 */
#include "task-line.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "interrupt.h"
#include "terminal.h"

#define STILL_MS 3000u /* it stands still, and what was warned of may be the reason */

static void paint(struct cli_task_line *line, uint64_t percent)
{
    fprintf(stderr, "%s%s: %" PRIu64 "%%%s", line->in_place ? "\r\033[K" : "", line->what, percent,
            line->in_place ? "" : "\n");
    (void)fflush(stderr); /* a progress line that is lost is no loss */
    line->line_open = line->in_place;
    line->shown = percent;
}

static bool report(void *data, uint64_t done, uint64_t total)
{
    struct cli_task_line *line = data;
    uint64_t percent = total > 0 ? done * 100 / total : 0;
    uint64_t now_ms = vd_clock_now_ms();

    if (percent != line->percent)
        line->moved_ms = now_ms;
    line->percent = percent;
    if (line->show && percent != line->shown)
        paint(line, percent);
    if (now_ms - line->moved_ms > STILL_MS)
        cli_warnings_tell();
    return line->keep_going || !cli_interrupted();
}

void cli_task_line_init(struct cli_task_line *line, const char *what, bool forced)
{
    *line = (struct cli_task_line){
        .progress = {report, line},
        .what = what,
        .in_place = isatty(STDERR_FILENO),
        .moved_ms = vd_clock_now_ms(),
        .shown = UINT64_MAX,
    };
    line->show = forced || line->in_place;
}

void cli_task_line_done(struct cli_task_line *line)
{
    if (line->line_open)
        fputc('\n', stderr);
    line->line_open = false;
}
