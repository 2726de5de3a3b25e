/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault-injection hooks of VixDiskLib, for test programs that link with them. What is set is kept
 * and can be asked for; virtual-disks itself has none of the places the numbers stand for, and
 * injects nothing.
 */
#ifndef _VDDK_FAULT_INJECTION_H_
#define _VDDK_FAULT_INJECTION_H_

#include "vm_basic_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Places, counted from 0. Their names belong to the code they are in. */
enum {
    VDDK_SAN_SERVER_CONNECT_ERROR = 0,
    VDDK_FAULT_INJECTION_LAST_ENTRY = 87 /* how many there are */
};

typedef struct vddkFaultEntry {
    Bool enabled;
    int faultErr; /* what the place returns */
} vddkFaultEntry;

/* Is the fault set? Then `faultErr`, which may be NULL, gets its error. */
typedef Bool (*IsFaultEnabled_T)(int id, int *faultErr);

/* With VDDK_FAULT_IS_EXTERN the library's variable; without it the program carries its own. */
#ifdef VDDK_FAULT_IS_EXTERN
extern IsFaultEnabled_T VixDiskLib_IsFaultEnabled;
#else
IsFaultEnabled_T VixDiskLib_IsFaultEnabled;
#endif

/* FALSE for a number that is no place. Any thread. */
Bool VixDiskLib_SetInjectedFault(int id, Bool enabled, int faultErr);

/* Accepted, and without effect. */
void Perturb_Enable(const char *fName, int enable);

#ifdef __cplusplus
}
#endif

#endif
