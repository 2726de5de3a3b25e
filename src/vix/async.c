/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/async.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/workers.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/library.h"
#include "vix/report.h"

struct direction {
    const char *function;
    const char *doing; /* the head of a sentence */
    bool writes;
};

static const struct direction reading = {"VixDiskLib_ReadAsync", "reading", false};
static const struct direction writing = {"VixDiskLib_WriteAsync", "writing", true};

struct vd_vix_request {
    struct vd_task task; /* first, so that a task is its request */
    struct vd_vix_disk *disk;
    uint64_t start_sectors;
    uint64_t count_sectors;
    uint8 *read_buffer; /* one of the two */
    const uint8 *write_buffer;
    const struct direction *direction;
    VixDiskLibCompletionCB callback;
    void *callback_data;
    struct vd_vix_request *next_spare;
};

static _Thread_local const struct vd_vix_disk *calling_back;

const struct vd_vix_disk *vd_vix_async_current(void)
{
    return calling_back;
}

static void lock_requests(struct vd_vix_requests *requests)
{
    (void)pthread_mutex_lock(&requests->lock); /* initialised with the disk, never misused */
}

static void unlock_requests(struct vd_vix_requests *requests)
{
    (void)pthread_mutex_unlock(&requests->lock);
}

void vd_vix_requests_init(struct vd_vix_requests *requests)
{
    (void)pthread_mutex_init(&requests->lock, NULL); /* default attributes: cannot fail on Linux */
    (void)pthread_cond_init(&requests->drained, NULL);
    requests->pending = 0;
    requests->spare = NULL;
}

void vd_vix_requests_done(struct vd_vix_requests *requests)
{
    while (requests->spare) {
        struct vd_vix_request *next = requests->spare->next_spare;
        free(requests->spare);
        requests->spare = next;
    }
    (void)pthread_cond_destroy(&requests->drained); /* nobody waits */
    (void)pthread_mutex_destroy(&requests->lock);   /* nobody holds it */
}

/* Counted as pending from here on; NULL when out of memory. */
static struct vd_vix_request *request_begin(struct vd_vix_requests *requests)
{
    lock_requests(requests);
    struct vd_vix_request *request = requests->spare;
    if (request)
        requests->spare = request->next_spare;
    else
        request = malloc(sizeof *request);
    if (request)
        requests->pending++;
    unlock_requests(requests);
    return request;
}

static void request_end(struct vd_vix_request *request)
{
    struct vd_vix_disk *disk = request->disk;
    struct vd_vix_requests *requests = &disk->requests;
    lock_requests(requests);
    request->next_spare = requests->spare;
    requests->spare = request;
    if (--requests->pending == 0)
        (void)pthread_cond_broadcast(&requests->drained); /* cannot fail on a valid condition */
    unlock_requests(requests);
    vd_vix_put(&disk->node);
}

static int transfer(const struct vd_vix_request *request, struct vd_error *err)
{
    struct vd_disk *disk = request->disk->disk;
    if (request->direction->writes)
        return vd_disk_write(disk, request->start_sectors, request->count_sectors,
                             request->write_buffer, err);
    return vd_disk_read(disk, request->start_sectors, request->count_sectors, request->read_buffer,
                        err);
}

/* Where no thread can be had a task runs on the caller, perhaps inside another callback: what is
 * current is put back afterwards. */
static void request_run(struct vd_task *task)
{
    struct vd_vix_request *request = (struct vd_vix_request *)task;
    struct vd_error err = VD_ERROR_INIT;
    int r = transfer(request, &err);
    VixError result = vd_vix_result(request->direction->function, r, &err);

    const struct vd_vix_disk *outer = calling_back;
    calling_back = request->disk;
    request->callback(request->callback_data, result);
    calling_back = outer;
    request_end(request);
}

static bool is_read_only(const struct vd_vix_disk *disk)
{
    struct vd_disk_info info;
    vd_disk_info(disk->disk, &info);
    return info.read_only;
}

/* What can be judged now is refused now, without a callback. */
static int request_check(struct vd_vix_disk *disk, const struct vd_vix_request *wanted,
                         struct vd_error *err)
{
    const struct direction *direction = wanted->direction;
    const char *path = vd_disk_path(disk->disk);
    uint64_t capacity = vd_disk_capacity(disk->disk);
    if (!wanted->read_buffer && !wanted->write_buffer)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s '%s': the buffer is NULL", direction->doing,
                            path);
    if (!wanted->callback)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s '%s': the callback is NULL",
                            direction->doing, path);
    if (direction->writes && is_read_only(disk))
        return vd_error_set(err, VD_E_READ_ONLY, "writing '%s': it is open for reading only", path);
    if (!vd_range_inside(wanted->start_sectors, wanted->count_sectors, capacity))
        return vd_error_set(
            err, VD_E_OUT_OF_RANGE,
            "%s '%s': %" PRIu64 " sectors from sector %" PRIu64 ", but the disk has %" PRIu64,
            direction->doing, path, wanted->count_sectors, wanted->start_sectors, capacity);
    return VD_OK;
}

/* Hands the disk's reference to the request on success. */
static int request_submit(struct vd_vix_disk *disk, const struct vd_vix_request *wanted,
                          struct vd_error *err)
{
    int r = request_check(disk, wanted, err);
    if (r < 0)
        return r;
    struct vd_vix_request *request = request_begin(&disk->requests);
    if (!request)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s '%s': out of memory", wanted->direction->doing,
                            vd_disk_path(disk->disk));
    *request = *wanted;
    request->disk = disk;
    request->task.run = request_run;
    vd_workers_submit(vd_vix_workers(disk->remote), &request->task);
    return VD_OK;
}

static int submit(VixDiskLibHandle handle, const struct vd_vix_request *wanted,
                  struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    r = request_submit(disk, wanted, err);
    if (r < 0)
        vd_vix_put(&disk->node);
    return r;
}

static VixError submit_result(VixDiskLibHandle handle, const struct vd_vix_request *wanted)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = submit(handle, wanted, &err);
    return r < 0 ? vd_vix_result(wanted->direction->function, r, &err) : VIX_ASYNC;
}

VD_VIX_EXPORT VixError VixDiskLib_ReadAsync(VixDiskLibHandle diskHandle,
                                            VixDiskLibSectorType startSector,
                                            VixDiskLibSectorType numSectors, uint8 *readBuffer,
                                            VixDiskLibCompletionCB callback, void *cbData)
{
    const struct vd_vix_request wanted = {
        .start_sectors = startSector,
        .count_sectors = numSectors,
        .read_buffer = readBuffer,
        .direction = &reading,
        .callback = callback,
        .callback_data = cbData,
    };
    return submit_result(diskHandle, &wanted);
}

VD_VIX_EXPORT VixError VixDiskLib_WriteAsync(VixDiskLibHandle diskHandle,
                                             VixDiskLibSectorType startSector,
                                             VixDiskLibSectorType numSectors,
                                             const uint8 *writeBuffer,
                                             VixDiskLibCompletionCB callback, void *cbData)
{
    const struct vd_vix_request wanted = {
        .start_sectors = startSector,
        .count_sectors = numSectors,
        .write_buffer = writeBuffer,
        .direction = &writing,
        .callback = callback,
        .callback_data = cbData,
    };
    return submit_result(diskHandle, &wanted);
}

static int wait_drained(VixDiskLibHandle handle, struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    if (calling_back == disk) {
        r = vd_error_set(err, VD_E_BUSY,
                         "waiting for '%s': called from a completion callback of the same disk, "
                         "which would wait for itself",
                         vd_disk_path(disk->disk));
    } else {
        lock_requests(&disk->requests);
        while (disk->requests.pending > 0)
            (void)pthread_cond_wait(&disk->requests.drained, &disk->requests.lock);
        unlock_requests(&disk->requests);
    }
    vd_vix_put(&disk->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_Wait(VixDiskLibHandle diskHandle)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = wait_drained(diskHandle, &err);
    return vd_vix_result("VixDiskLib_Wait", r, &err);
}
