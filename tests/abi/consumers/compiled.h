/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs that are compiled against the header and linked: every function they link with,
 * looked up in the kit's library.
 */
#ifndef VD_TESTS_ABI_COMPILED_H
#define VD_TESTS_ABI_COMPILED_H

#include "consumer.h"
#include "vixDiskLib.h"

/* clang-format off */
#define FUNCTIONS(X)                                                                               \
    X(Init) X(InitEx) X(Exit) X(ListTransportModes) X(AllocateConnectParams)                       \
    X(FreeConnectParams) X(GetConnectParams) X(Connect) X(ConnectEx) X(PrepareForAccess)           \
    X(EndAccess) X(Disconnect) X(Cleanup) X(Create) X(CreateChild) X(Open) X(Close) X(GetInfo)     \
    X(FreeInfo) X(GetTransportMode) X(Read) X(Write) X(ReadAsync) X(WriteAsync) X(Flush) X(Wait)   \
    X(QueryAllocatedBlocks) X(FreeBlockList) X(ReadMetadata) X(WriteMetadata) X(GetMetadataKeys)   \
    X(Unlink) X(Grow) X(Shrink) X(Defragment) X(Rename) X(Clone) X(SpaceNeededForClone)            \
    X(CheckRepair) X(Attach) X(IsAttachPossible) X(GetErrorText) X(FreeErrorText)
/* clang-format on */

#define X(name) __typeof__(&VixDiskLib_##name) name;
static struct {
    FUNCTIONS(X)
} vix;
#undef X

/* False when a function is missing, which the program would have been refused for. */
static bool bind_kit(void)
{
    void *library = load(kit, "lib64/libvixDiskLib.so", RTLD_NOW | RTLD_GLOBAL);
    if (!ok(library, "the name a linker is given loads"))
        return false;
#define X(name) *(void **)&vix.name = find(library, "VixDiskLib_" #name);
    FUNCTIONS(X)
#undef X
    return tap_failed == 0;
}

#endif
