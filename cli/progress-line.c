/* SPDX-License-Identifier: Apache-2.0 */
#include "progress-line.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size-text.h"
#include "interrupt.h"

#define REPAINT_MS  100u
#define NEW_LINE_MS 1000u

static void print_time_left(uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
    double left_ms = (double)elapsed_ms * (double)(total - done) / (double)done;
    uint64_t seconds = (uint64_t)(left_ms / 1000.0 + 0.5);

    if (seconds >= 3600)
        fprintf(stderr, ", %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", seconds / 3600,
                seconds / 60 % 60, seconds % 60);
    else
        fprintf(stderr, ", %" PRIu64 ":%02" PRIu64 " left", seconds / 60, seconds % 60);
}

static void paint(struct cli_progress *line, uint64_t done, uint64_t total, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - line->start_ms;
    char done_text[VD_SIZE_TEXT_BYTES];
    char total_text[VD_SIZE_TEXT_BYTES];
    char rate_text[VD_SIZE_TEXT_BYTES];
    double rate = elapsed_ms > 0 ? (double)done * 1000.0 / (double)elapsed_ms : 0;

    if (line->in_place)
        fputs("\r\033[K", stderr);
    if (total > 0)
        fprintf(stderr, "%5.1f%%  %s of %s", 100.0 * (double)done / (double)total,
                vd_size_to_text(done, done_text), vd_size_to_text(total, total_text));
    else
        fputs(vd_size_to_text(done, done_text), stderr);
    fprintf(stderr, ", %s/s", vd_size_to_text((uint64_t)rate, rate_text));
    if (done > 0 && done < total)
        print_time_left(done, total, elapsed_ms);
    if (!line->in_place)
        fputc('\n', stderr);
    (void)fflush(stderr); /* a progress line that is lost is no loss */
    line->line_open = line->in_place;
    line->shown_ms = now_ms;
    line->shown_bytes = done;
}

static bool report(void *data, uint64_t done, uint64_t total)
{
    struct cli_progress *line = data;

    if (line->show) {
        uint64_t now_ms = vd_clock_now_ms();
        uint64_t pause_ms = line->in_place ? REPAINT_MS : NEW_LINE_MS;

        bool last = done == total && done > 0 && done != line->shown_bytes;

        if (now_ms - line->shown_ms >= pause_ms || last)
            paint(line, done, total, now_ms);
    }
    return !cli_interrupted();
}

void cli_progress_init(struct cli_progress *line, bool forced)
{
    uint64_t now_ms = vd_clock_now_ms();

    *line = (struct cli_progress){
        .progress = {report, line},
        .in_place = isatty(STDERR_FILENO),
        .start_ms = now_ms,
        .shown_ms = now_ms,
    };
    line->show = forced || line->in_place;
}

void cli_progress_done(struct cli_progress *line)
{
    if (line->line_open)
        fputc('\n', stderr);
    line->line_open = false;
}
