/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that moves a disk's bytes. Callers hand in batches of operations and wait; the thread
 * keeps a window of them in flight, and mends what can be mended without them: a connection that is
 * lost is made again with a fresh ticket and goes on where it was (reads, and writes not answered
 * yet, are asked again), and a host short of memory is asked again, more slowly.
 */
#ifndef VD_NFC_PUMP_H
#define VD_NFC_PUMP_H

#include "nfc/client.h"
#include "nfc/session.h"

struct vd_nfc_pump;

/* An operation of a batch: the caller fills in op's request. */
struct vd_nfc_job {
    struct vd_nfc_op op;
    struct vd_nfc_batch *batch; /* the pump's, as what follows */
    unsigned retries;
};

/* Options are copied. VD_NFC_SYNC_ONLY, positive, on a host without AIO. */
VD_MUST_CHECK int vd_nfc_pump_new(const struct vd_nfc_options *options, struct vd_nfc_pump **ret,
                                  struct vd_error *err);
/* Says good-bye and frees; no call may be under way. NULL allowed. */
void vd_nfc_pump_free(struct vd_nfc_pump *pump);

/* Runs them all, many at a time, and waits; the first error in their order. From any thread. */
VD_MUST_CHECK int vd_nfc_pump_run(struct vd_nfc_pump *pump, struct vd_nfc_job *jobs, size_t count,
                                  struct vd_error *err);

const struct vd_nfc_opened *vd_nfc_pump_opened(const struct vd_nfc_pump *pump);

#endif
