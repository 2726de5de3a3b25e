/* SPDX-License-Identifier: Apache-2.0 */
/* What it means that a host refuses an operation: which of our codes it is, in which words. */
#ifndef VD_NFC_REFUSAL_H
#define VD_NFC_REFUSAL_H

#include "nfc/session.h"

/* The code, with its sentence in `err`. `host_code`, `text`: the host's; the text is made
 * printable. */
int vd_nfc_refusal(const struct vd_nfc_op *op, const char *peer, uint64_t host_code, char *text,
                   struct vd_error *err);

#endif
