/* SPDX-License-Identifier: Apache-2.0 */
/* NFC's messages and frames, byte by byte: each is decoded from, and encoded to, bytes written down
 * from the public descriptions of the layouts. */
#include <string.h>

#include "nfc/frame.h"
#include "nfc/message.h"
#include "tests/harness.h"

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "2b 00 ..." to bytes; the rest of `size` is zero. Returns how many were given. */
static size_t from_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t count = 0;
    memset(bytes, 0, size);
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        check(count < size && text[1]);
        bytes[count++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text++;
    }
    return count;
}

static void message_is(const uint8_t *message, const char *hex)
{
    uint8_t wanted[VD_NFC_MESSAGE_BYTES];
    (void)from_hex(hex, wanted, sizeof wanted);
    check_mem_eq(message, wanted, sizeof wanted);
}

static uint32_t tail_of(const uint8_t *message)
{
    uint32_t bytes = 0;
    check_code(vd_nfc_tail_bytes(message, &bytes), VD_OK);
    return bytes;
}

VD_TEST(the_handshake)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    char tag[VD_NFC_MESSAGE_BYTES];
    vd_nfc_tag_encode("PlainText", message);
    message_is(message, "2b000000 50 6c 61 69 6e 54 65 78 74");
    vd_nfc_tag_decode(message, tag);
    check_str_eq(tag, "PlainText");
    vd_nfc_plain_encode(VD_NFC_FILE_COPY, message);
    message_is(message, "21000000");
    vd_nfc_status_encode(&(struct vd_nfc_status){.knows_version = true}, message);
    message_is(message, "24000000 00000000 00000000 0000 0000 01000000");
    vd_nfc_version_encode(11, message);
    message_is(message, "33000000 0b000000");
    check_u64_eq(vd_nfc_version_decode(message), 11);
    vd_nfc_connection_encode(4, 7, message);
    message_is(message, "36000000 04000000 07000000");
    check_u64_eq(tail_of(message), 11);
    vd_nfc_features_encode(3, message);
    message_is(message, "37000000 03000000");
}

VD_TEST(file_messages)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_file file = {.flags = VD_NFC_CREATE_OVERWRITE,
                               .path_bytes = 14,
                               .size_bytes = 1u << 20,
                               .space_bytes = 1u << 20};
    struct vd_nfc_file back;
    vd_nfc_file_encode(VD_NFC_FILE_PUT, &file, message);
    message_is(message, "01000000 00000000 10000000 0e000000 0000100000000000 0000100000000000");
    check_u64_eq(tail_of(message), 14);
    vd_nfc_file_decode(message, &back);
    check_mem_eq(&back, &file, sizeof file);
    vd_nfc_file_encode(VD_NFC_FILE_GET, &(struct vd_nfc_file){.path_bytes = 14}, message);
    message_is(message, "02000000 00000000 0e000000 00000000");
    check_u64_eq(tail_of(message), 14);
    vd_nfc_file_decode(message, &back);
    check_u64_eq(back.path_bytes, 14);

    uint8_t head[VD_NFC_DATA_HEAD_BYTES];
    uint32_t bytes;
    vd_nfc_data_encode(5, head);
    check_mem_eq(head, "\xab\xef\xcd\xab\x05\0\0\0", 8);
    check_code(vd_nfc_data_decode(head, &bytes), VD_OK);
    check_u64_eq(bytes, 5);
    head[0] = 0;
    check_code(vd_nfc_data_decode(head, &bytes), VD_E_PROTOCOL);
    vd_nfc_data_encode(VD_NFC_DATA_MAX_BYTES + 1, head);
    check_code(vd_nfc_data_decode(head, &bytes), VD_E_PROTOCOL);
}

VD_TEST(name_lists_and_their_answer)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_names names = {8, VD_NFC_CREATE_HIERARCHY, 1}, names_back;
    struct vd_nfc_status status;
    vd_nfc_names_encode(VD_NFC_FILE_CREATEDIR, &names, message);
    message_is(message, "22000000 08000000 02000000 0100");
    check_u64_eq(tail_of(message), 8);
    vd_nfc_names_decode(message, &names_back);
    check_u64_eq(names_back.bytes, 8);
    check_u64_eq(names_back.count, 1);
    (void)from_hex("24000000 04000000 00000000 0100 0100", message, sizeof message);
    check_u64_eq(tail_of(message), 4);
    vd_nfc_status_decode(message, &status);
    check_u64_eq(status.error_bytes, 4);
    check_u64_eq(status.failed, 1);
    check_u64_eq(status.succeeded, 1);
    check(!status.knows_version);
}

VD_TEST(refusals)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_refusal refusal;
    vd_nfc_refusal_encode(&(struct vd_nfc_refusal){1, 4, 15}, message);
    message_is(message, "14000000 01000000 04000000 0f000000");
    check_u64_eq(tail_of(message), 15);
    vd_nfc_refusal_decode(message, &refusal);
    check_u64_eq(refusal.code, 4);
    check_u64_eq(refusal.text_bytes, 15);
}

VD_TEST(the_synchronous_path)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_sync_io io = {true, 512000, 512}, io_back;
    struct vd_nfc_sync_geometry geometry = {1u << 30, 512, 130, 255, 63}, geometry_back;
    vd_nfc_sync_open_encode(&(struct vd_nfc_sync_open){17, 10, false}, message);
    message_is(message, "15000000 11000000 0a000000 00");
    check_u64_eq(tail_of(message), 17);
    vd_nfc_sync_io_encode(&io, message);
    message_is(message, "17000000 01000000 00d0070000000000 00020000");
    check_u64_eq(tail_of(message), 0);
    vd_nfc_sync_io_decode(message, &io_back);
    check(io_back.is_write && io_back.offset_bytes == 512000 && io_back.length_bytes == 512);
    vd_nfc_geometry_encode(&geometry, message);
    vd_nfc_geometry_decode(message, &geometry_back);
    check_u64_eq(geometry_back.capacity_bytes, 1u << 30);
    check_u64_eq(geometry_back.heads, 255);
}

VD_TEST(lengths_beyond_their_limits_are_refused)
{
    static const char *const messages[] = {"01000000 00000000 00000000 01100000",
                                           "02000000 00000000 01100000",
                                           "14000000 00000000 00000000 01000100",
                                           "15000000 01100000",
                                           "1f000000 01001000",
                                           "20000000 ffffffff",
                                           "24000000 ffffffff 01000000",
                                           "24000000 00000000 ffffffff",
                                           "36000000 ffffffff ffffffff"};
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    uint32_t bytes;
    for (size_t i = 0; i < VD_ARRAY_SIZE(messages); i++) {
        (void)from_hex(messages[i], message, sizeof message);
        check_code(vd_nfc_tail_bytes(message, &bytes), VD_E_PROTOCOL);
    }
}

/* A frame whose payload was encoded at bytes + 16. */
static void frame_is(uint8_t *bytes, struct vd_nfc_header header, const char *hex)
{
    uint8_t wanted[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES];
    struct vd_nfc_header back;
    (void)from_hex(hex, wanted, sizeof wanted);
    vd_nfc_header_encode(&header, bytes);
    check_mem_eq(bytes, wanted, VD_NFC_HEADER_BYTES + header.payload_bytes);
    check_code(vd_nfc_header_decode(bytes, &back), VD_OK);
    check_mem_eq(&back, &header, sizeof back);
}

#define HANDLE 0xFFFFFFFF80002A1FULL

VD_TEST(the_prologue)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    uint8_t *payload = frame + VD_NFC_HEADER_BYTES;
    uint32_t bytes, count;
    vd_nfc_open_session_encode(65536, 4, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_OPEN_SESSION, 16, 0},
             "7ada00a1 02000000 10000000 00000000 00000000 00000100 04000000 00000000");
    vd_nfc_open_session_decode(payload, &bytes, &count);
    check_u64_eq(bytes, 65536);
    check_u64_eq(count, 4);
    vd_nfc_open_file_encode(&(struct vd_nfc_open_file){16, 2, VD_NFC_OPEN_READ_ONLY}, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_OPEN_FILE, 60, 3},
             "7ada00a1 04000000 3c000000 03000000 10000000 00000000 00000000 00000000"
             "02000000 1e000000");
    frame[0] = 0;
    check_code(vd_nfc_header_decode(frame, &(struct vd_nfc_header){0, 0, 0}), VD_E_PROTOCOL);
}

VD_TEST(an_open_file)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES];
    struct vd_nfc_opened opened;
    (void)from_hex("7ada00a1 04000000 3c000000 03000000 0000000000000000 1f2a0080ffffffff"
                   "02000000 1e000000 00000000 0000000004000000 00020000 28080000 ff000000"
                   "3f000000",
                   frame, sizeof frame);
    vd_nfc_opened_decode(frame + VD_NFC_HEADER_BYTES, &opened);
    check_u64_eq(opened.handle, HANDLE);
    check_u64_eq(opened.capacity_bytes, 0x400000000ULL);
    check_u64_eq(opened.sector_bytes, 512);
    check_u64_eq(opened.cylinders, 2088);
    check_u64_eq(opened.heads, 255);
    check_u64_eq(opened.sectors, 63);
    uint8_t payload[VD_NFC_OPEN_FILE_BYTES];
    vd_nfc_opened_encode(&opened, payload);
    check_mem_eq(payload, frame + VD_NFC_HEADER_BYTES, sizeof payload);
}

VD_TEST(reads_and_writes)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    uint8_t *payload = frame + VD_NFC_HEADER_BYTES;
    struct vd_nfc_io io = {HANDLE, true, 0, 512000, 66048, 0, 66048, 66048}, back;
    vd_nfc_io_encode(&io, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_IO, 44, 4},
             "7ada00a1 07000000 2c000000 04000000 1f2a0080ffffffff 01000000 00000000"
             "00d0070000000000 00020100 00000000 00020100 00020100 00000000");
    io = (struct vd_nfc_io){HANDLE, false, 0, 512000, 66048, 65536, 512, 512};
    vd_nfc_io_encode(&io, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_IO, 44, 5},
             "7ada00a1 07000000 2c000000 05000000 1f2a0080ffffffff 00000000 00000000"
             "00d0070000000000 00020100 00000100 00020000 00020000 00000000");
    vd_nfc_io_decode(payload, &back);
    check_u64_eq(back.handle, io.handle);
    check(!back.is_read);
    check_u64_eq(back.offset_bytes, 512000);
    check_u64_eq(back.fragment_offset_bytes, 65536);
    check_u64_eq(back.fragment_bytes, 512);
    check_u64_eq(back.trailer_bytes, 512);
}

VD_TEST(the_database_and_allocation)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    uint8_t *payload = frame + VD_NFC_HEADER_BYTES;
    vd_nfc_ddb_encode(HANDLE, 11, 0, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_DDB_GET, 16, 6},
             "7ada00a1 0b000000 10000000 06000000 1f2a0080ffffffff 0b000000 00000000");
    struct vd_nfc_query query = {HANDLE, 65536, 1u << 20, 16}, back;
    vd_nfc_query_encode(&query, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_QUERY_ALLOCATED, 48, 7},
             "7ada00a1 0d000000 30000000 07000000 1f2a0080ffffffff 0000000000000000"
             "0000010000000000 0000100000000000 1000000000000000 0000000000000000");
    vd_nfc_query_decode(payload, &back);
    check_mem_eq(&back, &query, sizeof back);
    check_u64_eq(vd_nfc_bitmap_bytes(16), 4);
    check_u64_eq(vd_nfc_bitmap_bytes(33), 8);
    vd_nfc_error_encode(&(struct vd_nfc_error_frame){11, 23}, payload);
    frame_is(frame, (struct vd_nfc_header){VD_NFC_ERROR, 16, 3},
             "7ada00a1 01000000 10000000 03000000 0b00000000000000 00000000 17000000");
}
