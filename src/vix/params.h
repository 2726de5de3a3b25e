/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect params. The structure carries no size, and grew from 72 bytes in 5.0 to 80 in 6.5 and 128
 * in 6.7: what lies past the 80th byte, and the last pointer before it, are read only in structures
 * that were allocated here.
 */
#ifndef VD_VIX_PARAMS_H
#define VD_VIX_PARAMS_H

#include <stdbool.h>

#include "base/error.h"
#include "vix/export.h"

/* vmxSpec, serverName, thumbPrint, vimApiVer, three of the credentials, three of the spec. */
#define VD_VIX_PARAMS_STRINGS 10

/* Params whose strings are their own. */
struct vd_vix_params {
    VixDiskLibConnectParams params;
    char *strings[VD_VIX_PARAMS_STRINGS]; /* those of `params` again, whatever becomes of it */
    unsigned num_strings;
};

/* Do these, which may be NULL, lead to another machine? */
bool vd_vix_params_remote(const VixDiskLibConnectParams *params);
/* Is there what a connection to another machine needs? VD_E_INVALID_ARG names what is not,
 * VD_E_NOT_SUPPORTED a kind of credentials that this library cannot use. `doing` is the head of the
 * sentence: "connecting to". */
VD_MUST_CHECK int vd_vix_params_check(const char *doing, const VixDiskLibConnectParams *params,
                                      struct vd_error *err);

/* Every string is copied; NULL gives zeros. VD_E_NO_MEMORY, and then there is nothing to end. */
VD_MUST_CHECK int vd_vix_params_copy(const VixDiskLibConnectParams *from, struct vd_vix_params *ret,
                                     struct vd_error *err);
/* Overwrites the strings, of which some are secret, and frees them. Zeros allowed. */
void vd_vix_params_done(struct vd_vix_params *params);
/* For VixDiskLib_FreeConnectParams. NULL when out of memory. */
VixDiskLibConnectParams *vd_vix_params_hand_out(const struct vd_vix_params *from);

#endif
