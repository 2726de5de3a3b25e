/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the library as a whole, from the first Init to the last Exit. */
#ifndef VD_VIX_LIBRARY_H
#define VD_VIX_LIBRARY_H

#include <stdbool.h>

#include "base/workers.h"

/* The threads of asynchronous requests. On disks of this machine they are as many as its CPUs;
 * `remote` ones mostly wait for an answer, and are many, so that the way there is kept full. Theirs
 * who hold a disk: Exit ends every disk before it ends the threads. */
struct vd_workers *vd_vix_workers(bool remote);

#endif
