/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers on this machine of disks of one virtual machine hold it together, under one name. Each
 * joins before it holds it, and who leaves last lets it go. Who is killed has left.
 */
#ifndef VD_NBDKIT_FELLOWS_H
#define VD_NBDKIT_FELLOWS_H

#include <stdbool.h>

/* What to leave with; -1 where no others can be known of. `key` is that of the virtual machine. */
int fellows_join(const char *key);
/* Is nobody left? Closes `fellows`. */
bool fellows_leave(int fellows, const char *key);

#endif
