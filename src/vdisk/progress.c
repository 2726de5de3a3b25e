/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/progress.h"

#include <stddef.h>

bool vd_native_progress_tell(struct vd_native_progress *progress, int percent)
{
    if (!progress->function || percent <= progress->told || percent >= 100)
        return true;
    progress->told = percent;
    return progress->function(progress->data, percent) != 0;
}

/* Not done * 100 / total, which could overflow. */
static bool report(void *data, uint64_t done, uint64_t total)
{
    uint64_t step = total / 100;
    uint64_t percent = step > 0 ? done / step : 0;
    return vd_native_progress_tell(data, percent < 99 ? (int)percent : 99);
}

void vd_native_progress_init(struct vd_native_progress *progress,
                             const struct vdisk_create_params *create)
{
    *progress = (struct vd_native_progress){.told = -1};
    progress->progress.report = report;
    progress->progress.data = progress;
    if (create) {
        progress->function = create->progress;
        progress->data = create->progress_data;
    }
}

int vd_native_progress_end(struct vd_native_progress *progress, int result)
{
    if (result >= 0 && progress->function)
        (void)progress->function(progress->data, 100); /* there is nothing left to stop */
    return result;
}
