/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>

#include "tests/harness.h"

struct seen {
    enum vd_log_level level;
    char text[64];
};

static void VD_PRINTF(3, 0)
    remember(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    struct seen *seen = data;
    seen->level = level;
    (void)vsnprintf(seen->text, sizeof seen->text, fmt, args);
}

VD_TEST(reaches_the_callback)
{
    struct seen seen = {VD_LOG_ERROR, ""};
    struct vd_log log = {remember, &seen};
    vd_log(&log, VD_LOG_WARNING, "%s has %d faults", "a.vmdk", 3);
    check_int_eq(seen.level, VD_LOG_WARNING);
    check_str_eq(seen.text, "a.vmdk has 3 faults");
}

VD_TEST(nobody_listens)
{
    struct vd_log log = {NULL, NULL};
    vd_log(&log, VD_LOG_INFO, "%d", 1);
    vd_log(NULL, VD_LOG_INFO, "%d", 1);
}
