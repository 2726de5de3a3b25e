/* SPDX-License-Identifier: Apache-2.0 */
/* What a public function needs: the interface, and the mark that lets it out of the library. */
#ifndef VD_VIX_EXPORT_H
#define VD_VIX_EXPORT_H

#include "vixDiskLib.h"

#define VD_VIX_EXPORT __attribute__((visibility("default")))

#endif
