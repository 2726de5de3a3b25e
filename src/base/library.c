/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"

#include <assert.h>
#include <dlfcn.h>
#include <string.h>

static_assert(sizeof(void *) == sizeof(void (*)(void)), "what dlsym finds may be a function");

static int load_failed(const struct vd_library *library, struct vd_error *err)
{
    const char *reason = dlerror();
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "loading '%s', which %s needs: %s (on Debian it is in the package %s)",
                        library->file, library->purpose, reason ? reason : "no reason given",
                        library->package);
}

int vd_library_load(const struct vd_library *library, struct vd_error *err)
{
    void *loaded = dlopen(library->file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!loaded)
        return load_failed(library, err);
    for (size_t i = 0; i < library->symbol_count; i++)
        if (!dlsym(loaded, library->symbols[i].name))
            return load_failed(library, err);
    for (size_t i = 0; i < library->symbol_count; i++) {
        void *found = dlsym(loaded, library->symbols[i].name);
        memcpy(library->symbols[i].pointer, &found, sizeof found);
    }
    return VD_OK;
}
