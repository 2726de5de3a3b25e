/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/progress.h"

#include "base/checked.h"

static void tell(struct vd_vix_progress *progress, int percent)
{
    if (!progress->function || percent <= progress->told)
        return;
    progress->told = percent;
    (void)progress->function(progress->data, percent); /* documented as ignored */
}

/* Below 100: an operation may have work left when its last byte is done. */
static bool report(void *data, uint64_t done, uint64_t total)
{
    uint64_t hundredth = total / 100;
    uint64_t percent = hundredth > 0 ? done / hundredth : total > 0 ? done * 100 / total : 0;
    tell(data, (int)VD_MIN(percent, (uint64_t)99));
    return true;
}

void vd_vix_progress_init(struct vd_vix_progress *progress, VixDiskLibProgressFunc function,
                          void *data)
{
    *progress = (struct vd_vix_progress){
        .progress = {.report = report, .data = progress},
        .function = function,
        .data = data,
        .told = -1,
    };
}

int vd_vix_progress_end(struct vd_vix_progress *progress, int code)
{
    if (code >= 0)
        tell(progress, 100);
    return code;
}
