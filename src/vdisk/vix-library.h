/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VixDiskLib in a shared library, loaded and initialised once for all disks that are open through
 * the same folder; the last one ends it and unloads it. Its functions are found by name. Those
 * every known version has are required; the others came later, or are needed for little, and may be
 * NULL.
 *
 * Locks: the list of libraries has one, in vix-library.c, held while a library is loaded and
 * unloaded. `opening` is held while connections and disks come and go, which VMware documents as
 * nothing for two threads at once; reading and writing need no lock.
 */
#ifndef VD_VDISK_VIX_LIBRARY_H
#define VD_VDISK_VIX_LIBRARY_H

#include <pthread.h>
#include <stdbool.h>
#include <vixdisklib/vixDiskLib.h>

#include "base/cleanup.h"
#include "vdisk/export.h"

/* clang-format off */
#define VD_NATIVE_VIX_REQUIRED(X)                                                                  \
    X(InitEx) X(Exit) X(GetErrorText) X(FreeErrorText) X(ConnectEx) X(Disconnect) X(Open) X(Close) \
    X(GetInfo) X(FreeInfo) X(Read) X(Write)

#define VD_NATIVE_VIX_OPTIONAL(X)                                                                  \
    X(AllocateConnectParams) X(FreeConnectParams) X(GetTransportMode) X(Flush)                     \
    X(QueryAllocatedBlocks) X(FreeBlockList) X(ReadMetadata) X(WriteMetadata) X(GetMetadataKeys)   \
    X(Create) X(Clone) X(Grow) X(Unlink)
/* clang-format on */

typedef VixError vd_native_vix_access(const VixDiskLibConnectParams *params, const char *identity);

/* Fixed once it is loaded, but for `users` and `next`. */
struct vd_native_vix {
    char *libdir; /* without symbolic links */
    char *config_file;
    char *path;     /* of the library, as found */
    unsigned major; /* of its file name; 0 where that has no number */
    void *loaded;
    pthread_mutex_t opening;
    unsigned users;
    struct vd_native_vix *next;
#define X(name) __typeof__(VixDiskLib_##name) *name;
    VD_NATIVE_VIX_REQUIRED(X)
    VD_NATIVE_VIX_OPTIONAL(X)
#undef X
    vd_native_vix_access *PrepareForAccess; /* optional, both or none */
    vd_native_vix_access *EndAccess;
};

/* The one in params->libdir; for vd_native_vix_put. VD_E_NOT_FOUND where there is none, VD_E_BUSY
 * where it runs with another configuration file. */
VD_MUST_CHECK int vd_native_vix_get(const struct vdisk_params *params, struct vd_native_vix **ret,
                                    struct vdisk_error *err);
void vd_native_vix_put(struct vd_native_vix *vix);

/* 0 for VIX_OK; any other code is told, with the sentence that it has in the library. `doing` is
 * the head of the sentence: "opening". */
VD_MUST_CHECK int vd_native_vix_result(const struct vd_native_vix *vix, VixError result,
                                       const char *doing, const char *name,
                                       struct vdisk_error *err);
/* For a function that the library does not have. */
int vd_native_vix_lacks(const struct vd_native_vix *vix, const char *function, const char *doing,
                        const char *name, struct vdisk_error *err);

#endif
