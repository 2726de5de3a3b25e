/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/params.h"

#include <stdlib.h>
#include <string.h>

#include "vdisk/failure.h"

/* No structure of this interface will be that large; a size that is was never set. */
#define MAX_STRUCT_BYTES 4096

#define KNOWN_FLAGS                                                                       \
    (VDISK_UNBUFFERED | VDISK_SINGLE_LINK | VDISK_READ_ONLY | VDISK_ZLIB | VDISK_FASTLZ | \
     VDISK_SKIPZ | VDISK_ALLOW_OUTSIDE)

/* A structure of the caller's, whose first member is its size, and ours. */
struct sized {
    const char *what;
    size_t least; /* what its first version had */
    size_t known; /* what it has now */
};

static bool all_zero(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* What an older caller does not have is zero; what a newer one has besides must be, because nobody
 * here would do it. */
static int sized_take(const struct sized *sized, const void *from, void *ret,
                      struct vdisk_error *err)
{
    size_t size;
    if (!from)
        return vd_native_fail(err, VD_E_INVALID_ARG, "no %s given: the pointer is NULL",
                              sized->what);
    memcpy(&size, from, sizeof size);
    if (size < sized->least || size > MAX_STRUCT_BYTES)
        return vd_native_fail(
            err, VD_E_INVALID_ARG,
            "the size in the %s is %zu, expected %zu or more: its INIT macro sets "
            "it",
            sized->what, size, sized->known);
    if (size > sized->known && !all_zero((const char *)from + sized->known, size - sized->known))
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "the %s ask for something that this version of the library does not "
                              "know: they have %zu bytes, it knows %zu",
                              sized->what, size, sized->known);
    memset(ret, 0, sized->known);
    memcpy(ret, from, VD_MIN(size, sized->known));
    memcpy(ret, &sized->known, sizeof sized->known);
    return 0;
}

static const size_t strings[] = {
    offsetof(struct vdisk_params, path),          offsetof(struct vdisk_params, libdir),
    offsetof(struct vdisk_params, config_file),   offsetof(struct vdisk_params, server),
    offsetof(struct vdisk_params, thumbprint),    offsetof(struct vdisk_params, user),
    offsetof(struct vdisk_params, password),      offsetof(struct vdisk_params, cookie),
    offsetof(struct vdisk_params, session_key),   offsetof(struct vdisk_params, vmx_spec),
    offsetof(struct vdisk_params, snapshot),      offsetof(struct vdisk_params, transports),
    offsetof(struct vdisk_params, identity),      offsetof(struct vdisk_params, fcd_id),
    offsetof(struct vdisk_params, fcd_datastore), offsetof(struct vdisk_params, fcd_snapshot),
    offsetof(struct vdisk_params, settings),
};

static char **string_at(struct vdisk_params *params, size_t i)
{
    return (char **)(void *)((char *)params + strings[i]);
}

void vd_native_params_done(struct vdisk_params *params)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(strings); i++) {
        char *string = *string_at(params, i);
        if (string)
            explicit_bzero(string, strlen(string));
        free(string);
        *string_at(params, i) = NULL;
    }
}

/* Every string becomes a copy, or NULL: also those behind one there was no memory for. */
static bool own_strings(struct vdisk_params *params)
{
    bool complete = true;
    for (size_t i = 0; i < VD_ARRAY_SIZE(strings); i++) {
        char **string = string_at(params, i);
        bool given = *string && **string != '\0';
        *string = given && complete ? strdup(*string) : NULL;
        complete = complete && (!given || *string);
    }
    return complete;
}

bool vd_native_params_remote(const struct vdisk_params *params)
{
    return params->server || params->vmx_spec || params->fcd_id;
}

const char *vd_native_params_name(const struct vdisk_params *params)
{
    if (params->path)
        return params->path;
    if (params->fcd_id)
        return params->fcd_id;
    return params->vmx_spec ? params->vmx_spec : "";
}

static const char *credential_fault(const struct vdisk_params *params)
{
    int kinds = (params->password != NULL) + (params->cookie != NULL) + (params->ticket != NULL);
    if (kinds > 1)
        return "more than one of password, cookie and ticket is given, expected one";
    if (kinds == 0)
        return "none of password, cookie and ticket is given";
    return params->password && !params->user ? "a password is given without a user" : NULL;
}

static const char *params_fault(const struct vdisk_params *params, bool of_machine)
{
    if (!params->path && !params->fcd_id && !(of_machine && params->vmx_spec))
        return "no path is given";
    if (!vd_native_params_remote(params))
        return NULL;
    if (!params->server)
        return "a virtual machine or a first-class disk is named, but no server";
    if (params->fcd_id && params->vmx_spec)
        return "both a virtual machine and a first-class disk are named";
    if (params->fcd_id && !params->fcd_datastore)
        return "a first-class disk is named, but not its datastore";
    return credential_fault(params);
}

static int check(const struct vdisk_params *params, bool of_machine, struct vdisk_error *err)
{
    if (params->reserved != 0 || params->flags & ~(uint32_t)KNOWN_FLAGS)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "opening '%s': flags are 0x%x and reserved is %u, expected flags "
                              "inside 0x%x and 0",
                              vd_native_params_name(params), params->flags, params->reserved,
                              (unsigned)KNOWN_FLAGS);
    if (params->libdir && params->settings)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "opening '%s': settings are for the built-in engine; a VixDiskLib in "
                              "'libdir' reads them from a config_file",
                              vd_native_params_name(params));
    const char *fault = params_fault(params, of_machine);
    if (fault)
        return vd_native_fail(err, VD_E_INVALID_ARG, "opening '%s': %s",
                              vd_native_params_name(params), fault);
    return 0;
}

int vd_native_params_take(const struct vdisk_params *from, bool of_machine,
                          struct vdisk_params *ret, struct vdisk_error *err)
{
    static const struct sized sized = {
        .what = "params",
        .least = offsetof(struct vdisk_params, libdir),
        .known = sizeof(struct vdisk_params),
    };
    int r = sized_take(&sized, from, ret, err);
    if (r < 0)
        return r;
    if (own_strings(ret))
        r = check(ret, of_machine, err);
    else
        r = vd_native_fail(err, VD_E_NO_MEMORY, "copying the params: out of memory");
    if (r < 0)
        vd_native_params_done(ret);
    return r;
}

int vd_native_create_params_take(const struct vdisk_create_params *from,
                                 struct vdisk_create_params *ret, struct vdisk_error *err)
{
    static const struct sized sized = {
        .what = "create params",
        .least = sizeof(struct vdisk_create_params),
        .known = sizeof(struct vdisk_create_params),
    };
    return sized_take(&sized, from, ret, err);
}
