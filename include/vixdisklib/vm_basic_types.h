/* SPDX-License-Identifier: Apache-2.0 */
/* The integer names the VixDiskLib interface is written in. */
#ifndef _VM_BASIC_TYPES_H_
#define _VM_BASIC_TYPES_H_

#include <stdint.h>

typedef unsigned char uint8;
typedef signed char int8;
typedef unsigned short uint16;
typedef short int16;
typedef unsigned int uint32;
typedef int int32;
typedef uint64_t uint64;
typedef int64_t int64;

/* Nonzero is true; callers pass values other than 0 and 1. */
typedef char Bool;

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#endif
