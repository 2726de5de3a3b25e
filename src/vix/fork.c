/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/fork.h"

#include <pthread.h>
#include <stdbool.h>

static void before(void)
{
    vd_vix_library_fork(VD_VIX_FORK_BEFORE);
    vd_vix_report_fork(VD_VIX_FORK_BEFORE);
    vd_vix_default_log_fork(VD_VIX_FORK_BEFORE);
    vd_vix_config_fork(VD_VIX_FORK_BEFORE);
    vd_vix_registry_fork(VD_VIX_FORK_BEFORE);
}

static void after(enum vd_vix_fork when)
{
    vd_vix_registry_fork(when);
    vd_vix_config_fork(when);
    vd_vix_default_log_fork(when);
    vd_vix_report_fork(when);
    vd_vix_library_fork(when);
}

static void after_in_parent(void)
{
    after(VD_VIX_FORK_PARENT);
}

static void after_in_child(void)
{
    after(VD_VIX_FORK_CHILD);
}

void vd_vix_fork_watch(void)
{
    static bool watching;
    if (!watching)
        watching = pthread_atfork(before, after_in_parent, after_in_child) == 0;
}
