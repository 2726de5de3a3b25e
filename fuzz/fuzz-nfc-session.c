/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as what a hostile host sends to a session with operations of every kind under way.
 * Every buffer is exactly as long as asked for, so that the sanitizer sees a byte beside it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nfc/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define READ_BYTES  2048u
#define VALUE_BYTES 32u
#define CHUNKS      40u
#define OPS         7u

static void op_finished(struct vd_nfc_op *op)
{
    (void)op;
}

static void submit_all(struct vd_nfc_session *session, struct vd_nfc_op *ops)
{
    static const uint8_t zeros[READ_BYTES];
    ops[0] =
        (struct vd_nfc_op){.kind = VD_NFC_OP_OPEN, .text = "[a] b", .flags = VD_NFC_OPEN_READ_ONLY};
    for (unsigned i = 1; i < 4; i++)
        ops[i] = (struct vd_nfc_op){.kind = VD_NFC_OP_READ,
                                    .compression = i,
                                    .offset_bytes = i * READ_BYTES,
                                    .length_bytes = READ_BYTES,
                                    .into = malloc(READ_BYTES)};
    ops[4] = (struct vd_nfc_op){.kind = VD_NFC_OP_GET,
                                .text = "uuid",
                                .into = malloc(VALUE_BYTES),
                                .into_bytes = VALUE_BYTES};
    ops[5] = (struct vd_nfc_op){.kind = VD_NFC_OP_QUERY,
                                .chunk_bytes = 65536,
                                .chunks = CHUNKS,
                                .into = malloc(vd_nfc_bitmap_bytes(CHUNKS))};
    ops[6] = (struct vd_nfc_op){
        .kind = VD_NFC_OP_WRITE, .length_bytes = READ_BYTES, .from = zeros, .compression = 2};
    for (unsigned i = 0; i < OPS; i++) {
        ops[i].finished = op_finished;
        vd_nfc_session_submit(session, &ops[i]);
    }
}

/* As many bytes as the input's first says are sent before anything is taken. */
static void send_some(struct vd_nfc_session *session, size_t frames)
{
    struct iovec pieces[VD_NFC_PIECES];
    while (frames-- && vd_nfc_session_output(session, pieces) > 0)
        vd_nfc_session_sent(session, pieces[0].iov_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vd_nfc_session *session;
    struct vd_nfc_op ops[OPS];
    struct vd_error err = VD_ERROR_INIT;
    if (size < 1 || vd_nfc_session_new("host", READ_BYTES, &session, &err) < 0)
        return 0;
    submit_all(session, ops);
    send_some(session, data[0]);
    int r = VD_OK;
    for (size_t at = 1; r == VD_OK && at < size;) {
        struct iovec pieces[VD_NFC_PIECES];
        unsigned count = vd_nfc_session_want(session, pieces);
        size_t got = 0;
        for (unsigned i = 0; i < (data[0] % 2 ? 1 : count); i++) {
            size_t step = VD_MIN(pieces[i].iov_len, size - at);
            memcpy(pieces[i].iov_base, data + at, step);
            at += step;
            got += step;
        }
        r = vd_nfc_session_got(session, got, &err);
    }
    for (struct vd_nfc_op *op = vd_nfc_session_take_all(session); op; op = op->next)
        vd_nfc_ranges_done(&op->arrived);
    vd_nfc_session_free(session);
    for (unsigned i = 0; i < OPS; i++)
        free(ops[i].into);
    return 0;
}
