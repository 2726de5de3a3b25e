/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the library as a whole, from the first Init to the last Exit. */
#ifndef VD_VIX_LIBRARY_H
#define VD_VIX_LIBRARY_H

#include "base/workers.h"

/* What VixDiskLib_ListTransportModes gives. */
#define VD_VIX_TRANSPORT_MODES "file"

/* The threads of asynchronous requests. Theirs who hold a disk: Exit ends every disk before it ends
 * the threads. */
struct vd_workers *vd_vix_workers(void);

#endif
