/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/vix-library.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "vdisk/failure.h"
#include "vdisk/log.h"

/* Every version since 6.5 accepts this one, VMware's newest too (what nbdkit asks for). */
#define INTERFACE_MAJOR 6
#define INTERFACE_MINOR 5

/* Guards the list, and every member's `users` and `next`. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct vd_native_vix *libraries;

/* What it tells */

static void VD_PRINTF(2, 0) on_message(enum vd_log_level level, const char *fmt, va_list args)
{
    const struct vd_log *log = vd_native_log();
    log->emit(log->data, level, fmt, args);
}

static void VD_PRINTF(1, 0) on_log(const char *fmt, va_list args)
{
    on_message(VD_LOG_INFO, fmt, args);
}

static void VD_PRINTF(1, 0) on_warn(const char *fmt, va_list args)
{
    on_message(VD_LOG_WARNING, fmt, args);
}

static void VD_PRINTF(1, 0) on_panic(const char *fmt, va_list args)
{
    on_message(VD_LOG_ERROR, fmt, args);
}

/* Its functions */

static const struct symbol {
    const char *name;
    size_t offset;
    bool required;
} symbols[] = {
#define X(name) {"VixDiskLib_" #name, offsetof(struct vd_native_vix, name), true},
    VD_NATIVE_VIX_REQUIRED(X)
#undef X
#define X(name) {"VixDiskLib_" #name, offsetof(struct vd_native_vix, name), false},
        VD_NATIVE_VIX_OPTIONAL(X) X(PrepareForAccess) X(EndAccess)
#undef X
};

static_assert(sizeof(void *) == sizeof(void (*)(void)), "what dlsym finds may be a function");

static int find_symbols(struct vd_native_vix *vix, struct vdisk_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(symbols); i++) {
        void *found = dlsym(vix->loaded, symbols[i].name);
        if (!found && symbols[i].required)
            return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                                  "loading '%s': it has no %s, which every VixDiskLib has",
                                  vix->path, symbols[i].name);
        memcpy((char *)vix + symbols[i].offset, &found, sizeof found);
    }
    if (!vix->FreeBlockList)
        vix->QueryAllocatedBlocks = NULL;
    if (!vix->FreeConnectParams)
        vix->AllocateConnectParams = NULL;
    if (!vix->EndAccess)
        vix->PrepareForAccess = NULL;
    return 0;
}

/* Where it is */

/* "libvixDiskLib.so.8.0.3" -> 8; the links that lead to the file do not tell. */
static unsigned major_of(const char *path)
{
    static const char before[] = ".so.";
    VD_FREE char *real = realpath(path, NULL);
    const char *found = real ? strstr(vd_path_name(real), before) : NULL;
    unsigned long number = found ? strtoul(found + strlen(before), NULL, 10) : 0;
    return number <= UINT_MAX ? (unsigned)number : 0;
}

/* *ret is true when there is such a file. The numbers are those VMware has used. */
static int try_file(struct vd_native_vix *vix, const char *folder, const char *suffix, bool *ret,
                    struct vdisk_error *err)
{
    VD_FREE char *path = NULL;
    if (asprintf(&path, "%s/%slibvixDiskLib.so%s", vix->libdir, folder, suffix) < 0) {
        path = NULL; /* which asprintf does not promise */
        return vd_native_fail(err, VD_E_NO_MEMORY, "loading a VixDiskLib: out of memory");
    }
    *ret = access(path, F_OK) == 0;
    if (!*ret)
        return 0;
    vix->loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!vix->loaded)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "loading '%s': %s (LD_LIBRARY_PATH must name the folder of what it "
                              "needs)",
                              path, dlerror());
    vix->major = major_of(path);
    vix->path = VD_TAKE_PTR(path);
    return 0;
}

static int load_file(struct vd_native_vix *vix, struct vdisk_error *err)
{
    static const char *const suffixes[] = {".9", ".8", ".7", ".6", ".5", ""};
    static const char *const folders[] = {"lib64/", ""};
    bool found = false;
    int r = 0;
    for (size_t i = 0; r >= 0 && !found && i < VD_ARRAY_SIZE(suffixes); i++)
        for (size_t j = 0; r >= 0 && !found && j < VD_ARRAY_SIZE(folders); j++)
            r = try_file(vix, folders[j], suffixes[i], &found, err);
    if (r < 0 || found)
        return r;
    return vd_native_fail(err, VD_E_NOT_FOUND,
                          "loading a VixDiskLib: neither '%s/lib64' nor '%s' has a "
                          "libvixDiskLib.so, .so.9 to .so.5",
                          vix->libdir, vix->libdir);
}

/* Coming and going */

static void vix_free(struct vd_native_vix *vix)
{
    if (vix->loaded)
        (void)dlclose(vix->loaded); /* nothing here could do anything about a failure */
    pthread_mutex_destroy(&vix->opening);
    free(vix->libdir);
    free(vix->config_file);
    free(vix->path);
    free(vix);
}

static int vix_start(struct vd_native_vix *vix, struct vdisk_error *err)
{
    int r = load_file(vix, err);
    if (r >= 0)
        r = find_symbols(vix, err);
    if (r < 0)
        return r;
    VixError result = vix->InitEx(INTERFACE_MAJOR, INTERFACE_MINOR, on_log, on_warn, on_panic,
                                  vix->libdir, vix->config_file);
    return vd_native_vix_result(vix, result, "initialising", vix->path, err);
}

/* Takes the string; NULL with the failure told. */
static struct vd_native_vix *vix_new(char *libdir, const char *config_file, struct vdisk_error *err)
{
    struct vd_native_vix *vix = calloc(1, sizeof *vix);
    if (!vix) {
        free(libdir);
        (void)vd_native_fail(err, VD_E_NO_MEMORY, "loading a VixDiskLib: out of memory");
        return NULL;
    }
    pthread_mutex_init(&vix->opening, NULL);
    vix->libdir = libdir;
    int r = 0;
    if (config_file && !(vix->config_file = strdup(config_file)))
        r = vd_native_fail(err, VD_E_NO_MEMORY, "loading a VixDiskLib: out of memory");
    if (r >= 0)
        r = vix_start(vix, err);
    if (r >= 0)
        return vix;
    vix_free(vix);
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int find_locked(const char *libdir, const char *config_file, struct vd_native_vix **ret,
                       struct vdisk_error *err)
{
    struct vd_native_vix *vix = libraries;
    while (vix && strcmp(vix->libdir, libdir) != 0)
        vix = vix->next;
    if (vix && !same_text(vix->config_file, config_file))
        return vd_native_fail(err, VD_E_BUSY,
                              "loading '%s': it is running for other disks, with the configuration "
                              "file '%s', not '%s'",
                              vix->path, vix->config_file ? vix->config_file : "",
                              config_file ? config_file : "");
    *ret = vix;
    return 0;
}

/* Takes the string. */
static int get_locked(char *libdir, const char *config_file, struct vd_native_vix **ret,
                      struct vdisk_error *err)
{
    struct vd_native_vix *vix = NULL;
    int r = find_locked(libdir, config_file, &vix, err);
    if (r < 0 || vix) {
        free(libdir);
    } else {
        vix = vix_new(libdir, config_file, err);
        if (vix) {
            vix->next = libraries;
            libraries = vix;
        }
    }
    if (!vix)
        return -err->sys_errno;
    vix->users++;
    *ret = vix;
    return 0;
}

int vd_native_vix_get(const struct vdisk_params *params, struct vd_native_vix **ret,
                      struct vdisk_error *err)
{
    char *libdir = realpath(params->libdir, NULL);
    if (!libdir)
        return vd_native_fail(err, vd_error_from_errno(errno), "loading a VixDiskLib from '%s': %s",
                              params->libdir, strerrordesc_np(errno));
    pthread_mutex_lock(&mutex);
    int r = get_locked(libdir, params->config_file, ret, err);
    pthread_mutex_unlock(&mutex);
    return r;
}

static void unlink_locked(const struct vd_native_vix *vix)
{
    struct vd_native_vix **link = &libraries;
    while (*link != vix)
        link = &(*link)->next;
    *link = vix->next;
}

void vd_native_vix_put(struct vd_native_vix *vix)
{
    pthread_mutex_lock(&mutex);
    if (--vix->users == 0) {
        unlink_locked(vix);
        vix->Exit();
        vix_free(vix);
    }
    pthread_mutex_unlock(&mutex);
}

/* What it answers */

int vd_native_vix_result(const struct vd_native_vix *vix, VixError result, const char *doing,
                         const char *name, struct vdisk_error *err)
{
    if (result == VIX_OK)
        return 0;
    char *text = vix->GetErrorText(result, NULL);
    int r = vd_native_fail_vix(err, result, "%s '%s': %s (error %llu of '%s')", doing, name,
                               text ? text : "no reason is given", (unsigned long long)result,
                               vix->path);
    if (text)
        vix->FreeErrorText(text);
    return r;
}

int vd_native_vix_lacks(const struct vd_native_vix *vix, const char *function, const char *doing,
                        const char *name, struct vdisk_error *err)
{
    return vd_native_fail(err, VD_E_NOT_SUPPORTED, "%s '%s': '%s' has no VixDiskLib_%s", doing,
                          name, vix->path, function);
}
