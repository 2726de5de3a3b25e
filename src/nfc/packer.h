/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs and unpacks fragments on threads of its own, so that the thread that moves a connection's
 * bytes need not, and several processors share the work. Everything here is for that one thread to
 * call, which hears of what is done through `wake`, and fetches it.
 *
 * Memory is bounded: VD_NFC_PARCELS at a time, each of one fragment of a read, or one write; where
 * none is free the caller does the work itself.
 */
#ifndef VD_NFC_PACKER_H
#define VD_NFC_PACKER_H

#include "nfc/session.h"

/* Four for each thread. Each keeps what it once needed: to receive a fragment, to pack one, and for
 * a write of several; as a disk's operations have 1 MiB at most, 16 times 3 MiB, and zlib's own. */
#define VD_NFC_PARCELS 16u

struct vd_nfc_packer;

/* `wake` is called from any thread. */
VD_MUST_CHECK int vd_nfc_packer_new(void (*wake)(void *data), void *data,
                                    struct vd_nfc_packer **ret);
/* Nothing may be under way. NULL allowed. */
void vd_nfc_packer_free(struct vd_nfc_packer *packer);

/* For a session: what it hands out is unpacked, and comes back from vd_nfc_packer_next. */
struct vd_nfc_unpacker vd_nfc_packer_unpacker(struct vd_nfc_packer *packer);
/* Packs what the operation, a write, is to send, in fragments of so many bytes, and sets its
 * `packed`. False: not now, nothing has begun. */
VD_MUST_CHECK bool vd_nfc_packer_pack(struct vd_nfc_packer *packer, struct vd_nfc_op *op,
                                      uint32_t fragment_bytes);
/* Writes that are being packed or were not fetched yet. */
unsigned vd_nfc_packer_packing(const struct vd_nfc_packer *packer);

/* What is done: NULL, nothing more now. A read's fragment has to be given back once the session
 * knows; a write's, once the write is over, for its packed data lives in it. */
struct vd_nfc_parcel *vd_nfc_packer_next(struct vd_nfc_packer *packer);
void vd_nfc_packer_give_back(struct vd_nfc_packer *packer, struct vd_nfc_parcel *parcel);
/* Until all that has begun is done; and what a session took and did not hand out is free again. */
void vd_nfc_packer_settle(struct vd_nfc_packer *packer);

#endif
