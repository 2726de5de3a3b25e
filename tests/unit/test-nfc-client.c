/* SPDX-License-Identifier: Apache-2.0 */
/* The whole client over a socket pair, with a host that is never silent and never done. */
#include "nfc/client.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfc/frame.h"
#include "nfc/message.h"
#include "tests/harness.h"

#define IO_MS      400u
#define SLOWEST_MS 20000u
#define READ_OP    4u /* the first operation behind those that open the disk */

struct host {
    int fd;
    bool dialled;
    bool answers_handshake;
    void (*annoy)(struct host *host);
    pthread_t thread;
    bool gone;
};

static void put(struct host *host, const void *bytes, size_t size)
{
    for (size_t done = 0; !host->gone && done < size;) {
        ssize_t n = send(host->fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        host->gone = n < 0;
        done += n < 0 ? 0 : (size_t)n;
    }
}

static void put_frame(struct host *host, uint32_t type, uint32_t op, const void *payload,
                      uint32_t payload_bytes)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES];
    vd_nfc_header_encode(&(struct vd_nfc_header){type, payload_bytes, op}, frame);
    memcpy(frame + VD_NFC_HEADER_BYTES, payload, payload_bytes);
    put(host, frame, VD_NFC_HEADER_BYTES + payload_bytes);
}

static void shake_hands(struct host *host)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    vd_nfc_status_encode(&(struct vd_nfc_status){.knows_version = true}, message);
    put(host, message, sizeof message);
    vd_nfc_version_encode(2, message);
    put(host, message, sizeof message);
    vd_nfc_plain_encode(VD_NFC_AIO, message);
    put(host, message, sizeof message);
}

static void open_disk(struct host *host)
{
    static const uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES];
    uint8_t payload[VD_NFC_OPEN_FILE_BYTES];
    put_frame(host, VD_NFC_OPEN_SESSION, 0, zeros, VD_NFC_OPEN_SESSION_BYTES);
    put_frame(host, VD_NFC_SET_SOCK_OPTS, 1, zeros, VD_NFC_SOCK_OPTS_BYTES);
    put_frame(host, VD_NFC_SET_RES_POOL, 2, zeros, VD_NFC_RES_POOL_BYTES);
    vd_nfc_opened_encode(
        &(struct vd_nfc_opened){.handle = 1, .file_type = 2, .capacity_bytes = 1 << 20}, payload);
    put_frame(host, VD_NFC_OPEN_FILE, 3, payload, sizeof payload);
}

static void pause_a_little(void)
{
    struct timespec pause = {0, 50000000};
    (void)nanosleep(&pause, NULL);
}

static void drip_zeros(struct host *host)
{
    while (!host->gone) {
        put(host, "", 1);
        pause_a_little();
    }
}

static void drip_data(struct host *host)
{
    uint8_t payload[VD_NFC_IO_BYTES];
    vd_nfc_io_encode(
        &(struct vd_nfc_io){
            .is_read = true, .total_bytes = 65536, .fragment_bytes = 65536, .trailer_bytes = 65536},
        payload);
    put_frame(host, VD_NFC_IO, READ_OP, payload, sizeof payload);
    drip_zeros(host);
}

/* The first operation is refused; from then on the host sends what it would have sent for it. */
static void send_what_nobody_waits_for(struct host *host)
{
    uint8_t payload[VD_NFC_IO_BYTES], error[VD_NFC_ERROR_BYTES];
    vd_nfc_error_encode(&(struct vd_nfc_error_frame){.code = 5}, error);
    put_frame(host, VD_NFC_ERROR, READ_OP, error, sizeof error);
    vd_nfc_io_encode(&(struct vd_nfc_io){.total_bytes = 65536}, payload);
    while (!host->gone)
        put_frame(host, VD_NFC_IO, READ_OP, payload, sizeof payload);
}

static void *be_host(void *data)
{
    struct host *host = data;
    if (host->answers_handshake) {
        shake_hands(host);
        open_disk(host);
    }
    host->annoy(host);
    return NULL;
}

static int dial(void *data, struct vd_stream **ret, struct vd_error *err)
{
    static const struct vd_net_timeouts timeouts = {.connect_ms = IO_MS, .io_ms = IO_MS};
    struct host *host = data;
    int pair[2];
    if (host->dialled)
        return vd_error_set(err, VD_E_FAIL, "there is no other connection");
    host->dialled = true;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    host->fd = pair[0];
    check_int_eq(pthread_create(&host->thread, NULL, be_host, host), 0);
    return vd_stream_from_fd(pair[1], &timeouts, ret, err);
}

/* Opens and reads; the first error. */
static int meet(struct host *host, struct vd_error *err)
{
    static uint8_t bytes[65536];
    struct vd_disk *disk = NULL;
    const struct vd_nfc_options options = {
        .path = "[a] b",
        .read_only = true,
        .server_version = 2,
        .timeouts = {.connect_ms = IO_MS, .io_ms = IO_MS},
        .dial = dial,
        .dial_data = host,
    };
    uint64_t start = vd_clock_now_ms();
    int r = vd_nfc_open(&options, &disk, err);
    if (r == VD_OK) {
        r = vd_disk_read(disk, 0, sizeof bytes / 512, bytes, err);
        check_code(vd_disk_close(disk, NULL), VD_OK);
    }
    check(vd_clock_now_ms() - start < SLOWEST_MS);
    (void)shutdown(host->fd, SHUT_RDWR);
    check_int_eq(pthread_join(host->thread, NULL), 0);
    (void)close(host->fd);
    return r;
}

/* What comes of it is that of the connection that is tried afterwards, and is not there. */
VD_TEST(data_in_drops_is_not_waited_for)
{
    struct host host = {.answers_handshake = true, .annoy = drip_data};
    struct vd_error err = VD_ERROR_INIT;
    check_code(meet(&host, &err), VD_E_FAIL);
    check_str_has(err.text, "no other connection");
}

VD_TEST(a_handshake_in_drops_is_not_waited_for)
{
    struct host host = {.annoy = drip_zeros};
    struct vd_error err = VD_ERROR_INIT;
    check_code(meet(&host, &err), VD_E_TIMED_OUT);
}

VD_TEST(answers_that_nobody_waits_for_are_no_progress)
{
    struct host host = {.answers_handshake = true, .annoy = send_what_nobody_waits_for};
    struct vd_error err = VD_ERROR_INIT;
    check_code(meet(&host, &err), VD_E_FAIL);
    check_str_has(err.text, "no other connection");
}
