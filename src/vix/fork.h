/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fork does to the library. Threads do not go along, and what they had in hand would be
 * waited for without end; so a child finds the library as if it had never been started, and can
 * start it. Its parent's disks are left to the parent.
 *
 * Every lock of this floor is held over the fork, in this order, so that none is found taken and
 * nothing half done: library, report, default log, configuration, registry.
 */
#ifndef VD_VIX_FORK_H
#define VD_VIX_FORK_H

/* When the library is started; the first call counts. Needs the library's lock. */
void vd_vix_fork_watch(void);

/* The part of each: before the fork, and after it in the parent and in the child, which must not
 * allocate or free. */
enum vd_vix_fork { VD_VIX_FORK_BEFORE, VD_VIX_FORK_PARENT, VD_VIX_FORK_CHILD };

void vd_vix_library_fork(enum vd_vix_fork when);
void vd_vix_report_fork(enum vd_vix_fork when);
void vd_vix_default_log_fork(enum vd_vix_fork when);
void vd_vix_config_fork(enum vd_vix_fork when);
void vd_vix_registry_fork(enum vd_vix_fork when);

#endif
