/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of this floor that exports something begins with: names leave the library only
 * where they are marked. */
#ifndef VD_VDISK_EXPORT_H
#define VD_VDISK_EXPORT_H

#include <vdisk/vdisk.h>

#define VD_NATIVE_EXPORT __attribute__((visibility("default")))

#endif
