/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that include this name get VixDiskLib. Transports of virtual-disks are part of the
 * library, so there is no interface for plugins.
 */
#ifndef _VIXDISKLIBPLUGIN_H_
#define _VIXDISKLIBPLUGIN_H_

#include "vixDiskLib.h"

#endif
