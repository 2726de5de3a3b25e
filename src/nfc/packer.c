/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/packer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/workers.h"

/* Of one connection: what they pack is more than ten gigabits a second. */
#define THREADS_MAX 4u

enum state {
    STATE_FREE,
    STATE_TAKEN, /* by a session, to be filled */
    STATE_BUSY,  /* queued, being worked on, done */
    STATE_KEPT,  /* fetched, not given back yet */
};

struct slot {
    struct vd_task task; /* first, for `run` */
    struct vd_nfc_parcel parcel;
    struct vd_nfc_packer *packer;
    enum state state;
    uint32_t fragment_bytes;
    uint8_t *room; /* where a write has several fragments: for each, packed, at its place in it */
    size_t room_bytes;
    struct slot *next; /* packer->lock */
};

struct vd_nfc_packer {
    void (*wake)(void *data);
    void *data;
    struct vd_workers *workers;
    struct slot slots[VD_NFC_PARCELS];
    unsigned packing;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t settled;
    unsigned working;
    struct slot *done, **last_done;
};

static struct slot *slot_of(struct vd_nfc_parcel *parcel)
{
    return parcel->owner;
}

int vd_nfc_packer_new(void (*wake)(void *data), void *data, struct vd_nfc_packer **ret)
{
    struct vd_nfc_packer *packer = calloc(1, sizeof *packer);
    if (!packer || vd_workers_new(THREADS_MAX, &packer->workers, NULL) < 0) {
        free(packer);
        return VD_E_NO_MEMORY;
    }
    packer->wake = wake;
    packer->data = data;
    packer->last_done = &packer->done;
    for (size_t i = 0; i < VD_NFC_PARCELS; i++)
        packer->slots[i] = (struct slot){.packer = packer, .parcel.owner = &packer->slots[i]};
    (void)pthread_mutex_init(&packer->lock, NULL); /* cannot fail for a default one, nor the next */
    (void)pthread_cond_init(&packer->settled, NULL);
    *ret = packer;
    return VD_OK;
}

void vd_nfc_packer_free(struct vd_nfc_packer *packer)
{
    if (!packer)
        return;
    vd_workers_free(packer->workers);
    for (size_t i = 0; i < VD_NFC_PARCELS; i++) {
        vd_nfc_codec_free(packer->slots[i].parcel.codec);
        free(packer->slots[i].parcel.packed);
        free(packer->slots[i].room);
    }
    (void)pthread_cond_destroy(&packer->settled);
    (void)pthread_mutex_destroy(&packer->lock);
    free(packer);
}

/* Whose memory grew stays as it is: the next fragment is as large. */
static struct slot *take_slot(struct vd_nfc_packer *packer)
{
    struct slot *slot = packer->slots;
    while (slot < packer->slots + VD_NFC_PARCELS && slot->state != STATE_FREE)
        slot++;
    if (slot == packer->slots + VD_NFC_PARCELS ||
        (!slot->parcel.codec && vd_nfc_codec_new(&slot->parcel.codec) < 0))
        return NULL;
    slot->state = STATE_TAKEN;
    return slot;
}

static void pack_write(struct slot *self)
{
    const struct vd_nfc_op *op = self->parcel.op;
    const uint8_t *from = op->from;
    for (uint32_t done = 0, i = 0; done < op->length_bytes; done += self->fragment_bytes, i++) {
        struct vd_nfc_packed *packed = &self->parcel.packed[i];
        size_t size = VD_MIN(op->length_bytes - done, self->fragment_bytes);
        vd_nfc_pack(self->parcel.codec, op->compression, from + done, size, packed);
        if (packed->compression == VD_NFC_CODE_NONE || size == op->length_bytes)
            continue; /* lies in the caller's memory, or the codec's */
        memcpy(self->room + done, packed->bytes, packed->size);
        packed->bytes = self->room + done;
    }
}

static void unpack_read(struct slot *self)
{
    struct vd_nfc_parcel *parcel = &self->parcel;
    parcel->code = vd_nfc_unpack(parcel->codec, parcel->compression, parcel->packed_bytes,
                                 parcel->into, parcel->size);
}

static void run(struct vd_task *task)
{
    struct slot *self = (struct slot *)task;
    struct vd_nfc_packer *packer = self->packer;
    if (self->parcel.op->kind == VD_NFC_OP_WRITE)
        pack_write(self);
    else
        unpack_read(self);
    (void)pthread_mutex_lock(&packer->lock);
    self->next = NULL;
    *packer->last_done = self;
    packer->last_done = &self->next;
    packer->wake(packer->data);
    if (--packer->working == 0)
        (void)pthread_cond_signal(&packer->settled); /* the packer may be gone once the lock is */
    (void)pthread_mutex_unlock(&packer->lock);
}

static void start(struct slot *slot)
{
    struct vd_nfc_packer *packer = slot->packer;
    slot->state = STATE_BUSY;
    slot->task.run = run;
    (void)pthread_mutex_lock(&packer->lock);
    packer->working++;
    (void)pthread_mutex_unlock(&packer->lock);
    vd_workers_submit(packer->workers, &slot->task);
}

static struct vd_nfc_parcel *get_empty(void *data)
{
    struct slot *slot = take_slot(data);
    return slot ? &slot->parcel : NULL;
}

static void put_full(void *data, struct vd_nfc_parcel *parcel)
{
    (void)data;
    start(slot_of(parcel));
}

struct vd_nfc_unpacker vd_nfc_packer_unpacker(struct vd_nfc_packer *packer)
{
    return (struct vd_nfc_unpacker){get_empty, put_full, packer};
}

static bool make_room(struct slot *slot, size_t size, uint32_t fragments)
{
    struct vd_nfc_packed *packed =
        realloc(slot->parcel.packed, fragments * sizeof *slot->parcel.packed);
    if (!packed)
        return false;
    slot->parcel.packed = packed;
    if (fragments == 1 || slot->room_bytes >= size)
        return true;
    uint8_t *room = realloc(slot->room, size);
    if (!room)
        return false;
    slot->room = room;
    slot->room_bytes = size;
    return true;
}

bool vd_nfc_packer_pack(struct vd_nfc_packer *packer, struct vd_nfc_op *op, uint32_t fragment_bytes)
{
    struct slot *slot = take_slot(packer);
    if (!slot)
        return false;
    uint32_t fragments = (op->length_bytes - 1) / fragment_bytes + 1;
    if (!make_room(slot, op->length_bytes, fragments)) {
        slot->state = STATE_FREE;
        return false;
    }
    slot->parcel.op = op;
    slot->fragment_bytes = fragment_bytes;
    op->parcel = &slot->parcel;
    packer->packing++;
    start(slot);
    return true;
}

unsigned vd_nfc_packer_packing(const struct vd_nfc_packer *packer)
{
    return packer->packing;
}

struct vd_nfc_parcel *vd_nfc_packer_next(struct vd_nfc_packer *packer)
{
    (void)pthread_mutex_lock(&packer->lock);
    struct slot *slot = packer->done;
    if (slot)
        packer->done = slot->next;
    if (!packer->done)
        packer->last_done = &packer->done;
    (void)pthread_mutex_unlock(&packer->lock);
    if (!slot)
        return NULL;
    slot->state = STATE_KEPT;
    packer->packing -= slot->parcel.op->kind == VD_NFC_OP_WRITE;
    return &slot->parcel;
}

void vd_nfc_packer_give_back(struct vd_nfc_packer *packer, struct vd_nfc_parcel *parcel)
{
    (void)packer;
    slot_of(parcel)->state = STATE_FREE;
}

void vd_nfc_packer_settle(struct vd_nfc_packer *packer)
{
    (void)pthread_mutex_lock(&packer->lock);
    while (packer->working > 0)
        (void)pthread_cond_wait(&packer->settled, &packer->lock);
    (void)pthread_mutex_unlock(&packer->lock);
    for (size_t i = 0; i < VD_NFC_PARCELS; i++)
        if (packer->slots[i].state == STATE_TAKEN)
            packer->slots[i].state = STATE_FREE;
}
