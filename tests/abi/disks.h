/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of writing share: disks made through the library, and what qemu-img says of them.
 * Knows only the public headers. */
#ifndef VD_TESTS_ABI_DISKS_H
#define VD_TESTS_ABI_DISKS_H

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "tap.h"
#include "vixDiskLib.h"

static VixDiskLibConnection connection;
static char warned[65536];

static void on_log(const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
}

__attribute__((format(printf, 1, 0))) static void on_warn(const char *fmt, va_list args)
{
    static _Thread_local char line[1024];
    vsnprintf(line, sizeof line, fmt, args);
    size_t used = strlen(warned);
    if (used + strlen(line) < sizeof warned)
        memcpy(warned + used, line, strlen(line) + 1); /* looked at on one thread, and cleared */
}

/* Percentages as they come. */
struct watch {
    pthread_t thread;
    int last;
    unsigned calls;
    bool right; /* never falling, on the calling thread, 0 to 100 */
};

static UNUSED void watch_init(struct watch *watch)
{
    *watch = (struct watch){.thread = pthread_self(), .last = -1, .right = true};
}

/* The result asks to stop, which is ignored. */
static UNUSED Bool on_progress(void *data, int percent)
{
    struct watch *watch = data;
    watch->right = watch->right && pthread_equal(watch->thread, pthread_self()) &&
                   percent >= watch->last && percent >= 0 && percent <= 100;
    watch->last = percent;
    watch->calls++;
    return FALSE;
}

static UNUSED void watched(const struct watch *watch, const char *what)
{
    ok(watch->right, "%s: progress rises, on this thread", what);
    is(watch->last, 100, "%s: and ends at 100", what);
}

static UNUSED VixDiskLibHandle open_on(VixDiskLibConnection on, const char *name, uint32 flags)
{
    VixDiskLibHandle disk = NULL;
    warned[0] = '\0';
    if (!is(VixDiskLib_Open(on, path_of(name), flags, &disk), VIX_OK, "%s: Open", name))
        printf("# %s", warned);
    return disk;
}

static UNUSED VixDiskLibHandle open_disk(const char *name, uint32 flags)
{
    return open_on(connection, name, flags);
}

static UNUSED void close_disk(VixDiskLibHandle disk, const char *name)
{
    warned[0] = '\0';
    if (!is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", name))
        printf("# %s", warned);
}

static UNUSED VixError create(const char *name, VixDiskLibDiskType type, uint64 sectors)
{
    VixDiskLibCreateParams params = {
        .diskType = type,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
        .hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5,
        .capacity = sectors,
    };
    warned[0] = '\0';
    return VixDiskLib_Create(connection, path_of(name), &params, NULL, NULL);
}

/* What a disk should hold. */
struct model {
    uint8 *bytes;
    uint64 sectors;
    unsigned seed;
};

static UNUSED struct model model_new(uint64 sectors, unsigned seed)
{
    return (struct model){.bytes = calloc(sectors, 512), .sectors = sectors, .seed = seed};
}

static UNUSED void fill(uint8 *bytes, uint64 sectors, unsigned *seed)
{
    for (uint64 i = 0; i < sectors * 512; i += sizeof(int)) {
        int value = rand_r(seed);
        memcpy(bytes + i, &value, sizeof value);
    }
}

static UNUSED VixError put(VixDiskLibHandle disk, struct model *model, uint64 start, uint64 count)
{
    fill(model->bytes + start * 512, count, &model->seed);
    return VixDiskLib_Write(disk, start, count, model->bytes + start * 512);
}

/* Pieces of every size, anywhere; sectors are written more than once. */
static UNUSED bool put_many(VixDiskLibHandle disk, struct model *model, unsigned pieces)
{
    VixError result = VIX_OK;
    warned[0] = '\0';
    for (unsigned i = 0; i < pieces && result == VIX_OK; i++) {
        uint64 start = (uint64)rand_r(&model->seed) % model->sectors;
        uint64 count = (uint64)rand_r(&model->seed) % 300 + 1;
        uint64 left = model->sectors - start;
        result = put(disk, model, start, count < left ? count : left);
    }
    if (result != VIX_OK)
        printf("# %s", warned);
    return result == VIX_OK;
}

static UNUSED bool reads_as(VixDiskLibHandle disk, const struct model *model)
{
    uint8 *bytes = malloc(model->sectors * 512);
    bool same = VixDiskLib_Read(disk, 0, model->sectors, bytes) == VIX_OK &&
                memcmp(bytes, model->bytes, model->sectors * 512) == 0;
    free(bytes);
    return same;
}

static UNUSED bool file_is(const char *name, const struct model *model)
{
    FILE *file = fopen(path_of(name), "wb");
    bool written = file && fwrite(model->bytes, 512, model->sectors, file) == model->sectors;
    return file && fclose(file) == 0 && written;
}

/* What qemu-img reads is the model; what it can check is whole. */
static UNUSED void qemu_agrees(const char *name, const struct model *model)
{
    ok(file_is("model.raw", model) && run("qemu-img compare -f vmdk -F raw '%s' model.raw", name),
       "%s: qemu-img reads what was written", name);
    ok(run("qemu-img check -f vmdk '%s' || [ $? -eq 63 ]", name), "%s: and finds it whole", name);
    unlink(path_of("model.raw"));
}

/* The whole of a disk, opened here for it. */
static UNUSED void disk_is(const char *name, const struct model *model)
{
    VixDiskLibHandle disk = open_disk(name, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    ok(reads_as(disk, model), "%s: reads as it should", name);
    close_disk(disk, name);
    qemu_agrees(name, model);
}

static UNUSED uint64 capacity_of(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    uint64 capacity = VixDiskLib_GetInfo(disk, &info) == VIX_OK ? info->capacity : 0;
    VixDiskLib_FreeInfo(info);
    return capacity;
}

static bool start(void)
{
    folder = getenv("VD_DISKS");
    if (!folder) {
        puts("1..0 # SKIP run by with-disks");
        return false;
    }
    is(VixDiskLib_InitEx(7, 0, on_log, on_warn, on_warn, folder, path_of("config")), VIX_OK,
       "InitEx");
    is(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &connection), VIX_OK, "ConnectEx");
    return true;
}

static UNUSED int end(void)
{
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_Exit();
    return tap_done();
}

#endif
