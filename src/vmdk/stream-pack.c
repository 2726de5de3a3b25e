/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lock` guards `done` of every job and the list of idle compressors; a job's other fields are its
 * task's until `done`, then the caller's. There are never more compressors than tasks that ran at
 * once.
 */
#include "vmdk/stream-pack.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "codec/deflate.h"
#include "vmdk/stream-marker.h"

struct job {
    struct vd_task task; /* first */
    struct vd_packer *packer;
    uint64_t lba_sectors;
    const uint8_t *grain;
    uint8_t *record; /* room for packer->room bytes; from the first use on */
    size_t record_bytes;
    int code;
    bool done;
};

struct vd_packer {
    struct vd_workers *workers;
    int level;
    size_t grain_bytes;
    size_t room; /* of a record */
    pthread_mutex_t lock;
    pthread_cond_t finished;
    struct vd_deflate *idle[VD_PACK_MAX_WINDOW];
    unsigned num_idle;
    unsigned window;
    unsigned oldest;
    unsigned under_way;
    struct job jobs[VD_PACK_MAX_WINDOW];
};

static int borrow_compressor(struct vd_packer *packer, struct vd_deflate **ret)
{
    struct vd_deflate *deflate = NULL;
    pthread_mutex_lock(&packer->lock);
    if (packer->num_idle > 0)
        deflate = packer->idle[--packer->num_idle];
    pthread_mutex_unlock(&packer->lock);
    if (deflate == NULL)
        return vd_deflate_new(packer->level, ret, NULL);
    *ret = deflate;
    return 0;
}

static void give_back(struct vd_packer *packer, struct vd_deflate *deflate)
{
    pthread_mutex_lock(&packer->lock);
    bool keep = packer->num_idle < VD_PACK_MAX_WINDOW;
    if (keep)
        packer->idle[packer->num_idle++] = deflate;
    pthread_mutex_unlock(&packer->lock);
    if (!keep)
        vd_deflate_free(deflate);
}

static int compress_grain(const struct vd_packer *packer, struct vd_deflate *deflate,
                          uint64_t lba_sectors, const uint8_t *grain, uint8_t *record,
                          size_t *ret_bytes)
{
    size_t length = 0;
    int r = vd_deflate_zlib(deflate, grain, packer->grain_bytes, record + VD_RECORD_HEADER_BYTES,
                            packer->room - VD_RECORD_HEADER_BYTES, &length);
    if (r < 0)
        return r;
    struct vd_stream_marker header = {.value = lba_sectors, .size_bytes = (uint32_t)length};
    vd_stream_marker_encode(&header, record);
    size_t used = VD_RECORD_HEADER_BYTES + length;
    *ret_bytes = vd_bytes_to_sectors_up(used) * VD_SECTOR_BYTES;
    memset(record + used, 0, *ret_bytes - used);
    return 0;
}

static int pack(struct vd_packer *packer, uint64_t lba_sectors, const uint8_t *grain,
                uint8_t *record, size_t *ret_bytes)
{
    struct vd_deflate *deflate;
    int r = borrow_compressor(packer, &deflate);
    if (r < 0)
        return r;
    r = compress_grain(packer, deflate, lba_sectors, grain, record, ret_bytes);
    give_back(packer, deflate);
    return r;
}

static int make_record(struct job *job)
{
    struct vd_packer *packer = job->packer;
    job->record_bytes = 0;
    if (vd_bytes_all_zero(job->grain, packer->grain_bytes))
        return 0;
    if (job->record == NULL)
        job->record = malloc(packer->room);
    if (job->record == NULL)
        return VD_E_NO_MEMORY;
    return pack(packer, job->lba_sectors, job->grain, job->record, &job->record_bytes);
}

static void run_job(struct vd_task *task)
{
    struct job *job = (struct job *)task;
    struct vd_packer *packer = job->packer;
    job->code = make_record(job);
    pthread_mutex_lock(&packer->lock);
    job->done = true;
    pthread_cond_signal(&packer->finished); /* only the caller ever waits */
    pthread_mutex_unlock(&packer->lock);
}

int vd_packer_new(struct vd_workers *workers, int level, size_t grain_bytes, struct vd_packer **ret,
                  struct vd_error *err)
{
    struct vd_deflate *first;
    int r = vd_deflate_new(level, &first, err);
    if (r < 0)
        return r;
    struct vd_packer *packer = calloc(1, sizeof *packer);
    if (packer == NULL) {
        vd_deflate_free(first);
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for compressing");
    }
    size_t bound = VD_RECORD_HEADER_BYTES + vd_deflate_bound(first, grain_bytes);
    packer->workers = workers;
    packer->level = level;
    packer->grain_bytes = grain_bytes;
    packer->room = vd_bytes_to_sectors_up(bound) * VD_SECTOR_BYTES;
    packer->idle[packer->num_idle++] = first;
    packer->window = workers == NULL ? 1 : 2 * vd_workers_count(workers);
    assert(packer->window <= VD_PACK_MAX_WINDOW);
    assert(packer->room <= grain_bytes + VD_RECORD_EXTRA_BYTES);
    pthread_mutex_init(&packer->lock, NULL);    /* cannot fail without attributes on Linux */
    pthread_cond_init(&packer->finished, NULL); /* likewise */
    *ret = packer;
    return 0;
}

bool vd_packer_is_full(const struct vd_packer *packer)
{
    return packer->under_way == packer->window;
}

bool vd_packer_is_empty(const struct vd_packer *packer)
{
    return packer->under_way == 0;
}

void vd_packer_put(struct vd_packer *packer, uint64_t lba_sectors, const uint8_t *grain)
{
    assert(!vd_packer_is_full(packer));
    struct job *job = &packer->jobs[(packer->oldest + packer->under_way++) % packer->window];
    job->task.run = run_job;
    job->packer = packer;
    job->lba_sectors = lba_sectors;
    job->grain = grain;
    job->done = false;
    if (packer->workers != NULL)
        vd_workers_submit(packer->workers, &job->task);
    else
        run_job(&job->task);
}

static struct job *wait_for_oldest(struct vd_packer *packer)
{
    struct job *job = &packer->jobs[packer->oldest];
    pthread_mutex_lock(&packer->lock);
    while (!job->done)
        pthread_cond_wait(&packer->finished, &packer->lock);
    pthread_mutex_unlock(&packer->lock);
    packer->oldest = (packer->oldest + 1) % packer->window;
    packer->under_way--;
    return job;
}

static int refuse(int code, uint64_t lba_sectors, struct vd_error *err)
{
    return vd_error_set(err, code, "out of memory compressing the grain at sector %llu",
                        (unsigned long long)lba_sectors);
}

int vd_packer_pack(struct vd_packer *packer, uint64_t lba_sectors, const uint8_t *grain,
                   uint8_t *record, size_t *ret_bytes, struct vd_error *err)
{
    *ret_bytes = 0;
    if (vd_bytes_all_zero(grain, packer->grain_bytes))
        return 0;
    int r = pack(packer, lba_sectors, grain, record, ret_bytes);
    return r < 0 ? refuse(r, lba_sectors, err) : 0;
}

int vd_packer_take(struct vd_packer *packer, struct vd_packed *ret, struct vd_error *err)
{
    assert(!vd_packer_is_empty(packer));
    const struct job *job = wait_for_oldest(packer);
    if (job->code < 0)
        return refuse(job->code, job->lba_sectors, err);
    *ret = (struct vd_packed){job->lba_sectors, job->record, job->record_bytes};
    return 0;
}

void vd_packer_free(struct vd_packer *packer)
{
    if (packer == NULL)
        return;
    while (!vd_packer_is_empty(packer))
        (void)wait_for_oldest(packer);
    for (unsigned i = 0; i < packer->window; i++)
        free(packer->jobs[i].record);
    for (unsigned i = 0; i < packer->num_idle; i++)
        vd_deflate_free(packer->idle[i]);
    pthread_mutex_destroy(&packer->lock);
    pthread_cond_destroy(&packer->finished);
    free(packer);
}
