/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NFC_ERROR_MEMORY 5u
#define NFC_ERROR_ACCESS 11u

static const char *describe(const struct vd_nfc_op *op, char *text, size_t size)
{
    switch (op->kind) {
    case VD_NFC_OP_OPEN:
        (void)snprintf(text, size, "opening '%s'", op->text);
        break;
    case VD_NFC_OP_READ:
    case VD_NFC_OP_WRITE:
        (void)snprintf(text, size, "%s %" PRIu32 " bytes at byte %" PRIu64,
                       op->kind == VD_NFC_OP_READ ? "reading" : "writing", op->length_bytes,
                       op->offset_bytes);
        break;
    case VD_NFC_OP_GET:
    case VD_NFC_OP_SET:
        (void)snprintf(text, size, "asking for the disk's '%s'", op->text);
        break;
    case VD_NFC_OP_QUERY:
        (void)snprintf(text, size, "asking what is allocated from byte %" PRIu64, op->offset_bytes);
        break;
    default:
        (void)snprintf(text, size, "setting up the session");
    }
    return text;
}

/* Which of our codes a host's refusal is. The numbers and texts were met by public clients. */
static int code_of(const struct vd_nfc_op *op, uint64_t host_code, const char *text)
{
    if (strstr(text, "Failed to lock") || strstr(text, "16392"))
        return VD_E_LOCKED;
    if (strstr(text, "multiwriter"))
        return VD_E_SNAPSHOT_NEEDED;
    if (host_code == NFC_ERROR_MEMORY || strstr(text, "Failed to allocate"))
        return VD_E_NO_MEMORY;
    if (host_code == NFC_ERROR_ACCESS && op->kind == VD_NFC_OP_OPEN &&
        !(op->flags & VD_NFC_OPEN_RO_BIT))
        return VD_E_READ_ONLY;
    if (host_code == NFC_ERROR_ACCESS)
        return VD_E_ACCESS;
    return VD_E_FAIL;
}

/* Words of a host are shown, but not its control characters. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

int vd_nfc_refusal(const struct vd_nfc_op *op, const char *peer, uint64_t host_code, char *text,
                   struct vd_error *err)
{
    char doing[VD_ERROR_TEXT_BYTES / 2];
    make_printable(text);
    return vd_error_set(
        err, code_of(op, host_code, text), "%s: '%s' refuses: %s (NFC error %" PRIu64 ")",
        describe(op, doing, sizeof doing), peer, text[0] ? text : "no reason given", host_code);
}
