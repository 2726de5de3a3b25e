/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk on a host without AIO, over FSSRVR messages: one request at a time, each waited for. How
 * such hosts answer a read is not public: what is spoken here is the convention of our own
 * simulator, so the option `simulator` must be set, and real hosts are refused in one sentence.
 */
#ifndef VD_NFC_SYNC_H
#define VD_NFC_SYNC_H

#include "nfc/client.h"

VD_MUST_CHECK int vd_nfc_sync_open(const struct vd_nfc_options *options, struct vd_disk **ret,
                                   struct vd_error *err);

#endif
