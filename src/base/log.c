/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stddef.h>

void vd_log(const struct vd_log *log, enum vd_log_level level, const char *fmt, ...)
{
    if (!log || !log->emit)
        return;
    va_list args;
    va_start(args, fmt);
    log->emit(log->data, level, fmt, args);
    va_end(args);
}
