/* SPDX-License-Identifier: Apache-2.0 */
/* What the packer's threads do is what the session would do itself, and there is only so much of it
 * at a time. */
#include "nfc/packer.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

#define PART  65536u
#define PARTS 5u

static void wake(void *data)
{
    (void)sem_post(data);
}

static struct vd_nfc_packer *new_packer(sem_t *woken)
{
    struct vd_nfc_packer *packer;
    check(sem_init(woken, 0, 0) == 0);
    check_code(vd_nfc_packer_new(wake, woken, &packer), VD_OK);
    return packer;
}

/* Every other part is noise, which cannot be packed. */
static uint8_t *content(size_t size)
{
    uint8_t *bytes = malloc(size);
    uint32_t state = 1;
    check(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = i / PART % 2 ? (uint8_t)(state >> 24) : (uint8_t)(i / 100);
    }
    return bytes;
}

/* What a session would send for it is unpacked again by the threads. */
static void round_trip(uint32_t code, uint32_t length)
{
    sem_t woken;
    struct vd_nfc_packer *packer = new_packer(&woken);
    struct vd_nfc_unpacker unpacker = vd_nfc_packer_unpacker(packer);
    uint8_t *want = content(length), *got = calloc(1, length);
    struct vd_nfc_op write = {
        .kind = VD_NFC_OP_WRITE, .compression = code, .from = want, .length_bytes = length};
    struct vd_nfc_op read = {.kind = VD_NFC_OP_READ};
    check(vd_nfc_packer_pack(packer, &write, PART));
    check_u64_eq(vd_nfc_packer_packing(packer), 1);
    check(sem_wait(&woken) == 0);
    struct vd_nfc_parcel *packed = vd_nfc_packer_next(packer);
    check(packed && packed == write.parcel && packed->op == &write);
    check_u64_eq(vd_nfc_packer_packing(packer), 0);
    for (uint32_t done = 0, i = 0; done < length; done += PART, i++) {
        uint32_t size = VD_MIN(length - done, PART);
        check_u64_eq(packed->packed[i].compression, i % 2 ? VD_NFC_CODE_NONE : code);
        if (packed->packed[i].compression == VD_NFC_CODE_NONE) {
            check(packed->packed[i].bytes == want + done && packed->packed[i].size == size);
            memcpy(got + done, want + done, size);
            continue;
        }
        struct vd_nfc_parcel *parcel = unpacker.get(unpacker.data);
        void *room = vd_nfc_codec_room(parcel->codec, packed->packed[i].size);
        memcpy(room, packed->packed[i].bytes, packed->packed[i].size);
        parcel->op = &read;
        parcel->compression = code;
        parcel->packed_bytes = packed->packed[i].size;
        parcel->into = got + done;
        parcel->size = size;
        unpacker.put(unpacker.data, parcel);
        check(sem_wait(&woken) == 0);
        check(vd_nfc_packer_next(packer) == parcel);
        check_code(parcel->code, VD_OK);
        vd_nfc_packer_give_back(packer, parcel);
    }
    check_mem_eq(got, want, length);
    vd_nfc_packer_give_back(packer, packed);
    check(vd_nfc_packer_next(packer) == NULL);
    vd_nfc_packer_free(packer);
    free(want);
    free(got);
}

VD_TEST(what_is_packed_is_unpacked)
{
    for (uint32_t code = VD_NFC_CODE_ZLIB; code <= VD_NFC_CODE_SKIPZ; code++) {
        round_trip(code, PARTS * PART);
        round_trip(code, 3 * PART - 512);
        round_trip(code, PART);
    }
}

VD_TEST(there_are_only_so_many_parcels)
{
    sem_t woken;
    struct vd_nfc_packer *packer = new_packer(&woken);
    struct vd_nfc_unpacker unpacker = vd_nfc_packer_unpacker(packer);
    struct vd_nfc_op ops[VD_NFC_PARCELS + 1];
    uint8_t *bytes = content(2 * PART);
    for (unsigned i = 0; i <= VD_NFC_PARCELS; i++) {
        ops[i] = (struct vd_nfc_op){.kind = VD_NFC_OP_WRITE,
                                    .compression = VD_NFC_CODE_FASTLZ,
                                    .from = bytes,
                                    .length_bytes = 2 * PART};
        check(vd_nfc_packer_pack(packer, &ops[i], PART) == (i < VD_NFC_PARCELS));
    }
    check(unpacker.get(unpacker.data) == NULL);
    vd_nfc_packer_settle(packer);
    for (unsigned i = 0; i < VD_NFC_PARCELS; i++)
        vd_nfc_packer_give_back(packer, vd_nfc_packer_next(packer));
    check(vd_nfc_packer_next(packer) == NULL);
    for (unsigned i = 0; i < VD_NFC_PARCELS; i++)
        check(unpacker.get(unpacker.data) != NULL);
    check(unpacker.get(unpacker.data) == NULL);
    vd_nfc_packer_settle(packer); /* as when a connection is lost while they are received */
    check(unpacker.get(unpacker.data) != NULL);
    vd_nfc_packer_free(packer);
    free(bytes);
}
