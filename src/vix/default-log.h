/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where messages go that no callback takes: the file named by `log.fileName`, or
 * <tmpDirectory>/vmware-<user>/vixDiskLib-<pid>.log, made at the first message. Where it cannot be
 * made, messages are dropped: a log is never a reason to fail. Threads: any.
 */
#ifndef VD_VIX_DEFAULT_LOG_H
#define VD_VIX_DEFAULT_LOG_H

/* `line` without newline; the time is put before it. */
void vd_vix_default_log_write(const char *line);
/* Closes the file; the next message looks for its place again. */
void vd_vix_default_log_done(void);

#endif
