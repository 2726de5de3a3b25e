/* SPDX-License-Identifier: Apache-2.0 */
/* The whole client over the loopback, with hosts that are never silent and never done, or gone. */
#include "nfc/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfc/frame.h"
#include "nfc/handshake.h"
#include "nfc/message.h"
#include "tests/harness.h"

#define IO_MS      400u
#define SLOWEST_MS 20000u
#define READ_OP    4u /* the first operation behind those that open the disk */

struct host {
    int fd;
    unsigned dialled; /* how often; only the first time is it there */
    int gone_code;    /* of the others; 0: VD_E_FAIL */
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

/* Until the disk is asked for something. */
static void await_read(struct host *host)
{
    uint8_t last[VD_NFC_HEADER_BYTES] = {0};
    struct vd_nfc_header header = {0};
    while (!host->gone && (vd_nfc_header_decode(last, &header) < 0 || header.op != READ_OP)) {
        memmove(last, last + 1, sizeof last - 1);
        host->gone = recv(host->fd, last + sizeof last - 1, 1, 0) != 1;
    }
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
    await_read(host);
    vd_nfc_io_encode(
        &(struct vd_nfc_io){
            .is_read = true, .total_bytes = 65536, .fragment_bytes = 65536, .trailer_bytes = 65536},
        payload);
    put_frame(host, VD_NFC_IO, READ_OP, payload, sizeof payload);
    drip_zeros(host);
}

/* The first operation is refused; from then on the host sends what it would have sent for it. */
static void refuse_and_go_on(struct host *host, uint64_t code, void (*pause)(void))
{
    uint8_t payload[VD_NFC_IO_BYTES], error[VD_NFC_ERROR_BYTES];
    await_read(host);
    vd_nfc_error_encode(&(struct vd_nfc_error_frame){.code = code}, error);
    put_frame(host, VD_NFC_ERROR, READ_OP, error, sizeof error);
    vd_nfc_io_encode(&(struct vd_nfc_io){.total_bytes = 65536}, payload);
    while (!host->gone) {
        put_frame(host, VD_NFC_IO, READ_OP, payload, sizeof payload);
        if (pause)
            pause();
    }
}

/* For want of memory: it is asked again. */
static void send_what_nobody_waits_for(struct host *host)
{
    refuse_and_go_on(host, 5, pause_a_little);
}

static void refuse_and_flood(struct host *host)
{
    refuse_and_go_on(host, 99, NULL);
}

static void refuse_and_drip(struct host *host)
{
    refuse_and_go_on(host, 99, pause_a_little);
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

/* Of TCP: what a socket is woken for plays a part. */
static void new_pair(int pair[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 1) == 0);
    check(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(pair[1], (struct sockaddr *)&at, size) == 0);
    pair[0] = accept(fd, NULL, NULL);
    check(pair[0] >= 0);
    (void)close(fd); /* carries no data */
}

static int dial(void *data, struct vd_stream **ret, struct vd_error *err)
{
    static const struct vd_net_timeouts timeouts = {.connect_ms = IO_MS, .io_ms = IO_MS};
    struct host *host = data;
    int pair[2];
    if (host->dialled++ > 0)
        return vd_error_set(err, host->gone_code ? host->gone_code : VD_E_FAIL,
                            "there is no other connection");
    new_pair(pair);
    host->fd = pair[0];
    check_int_eq(pthread_create(&host->thread, NULL, be_host, host), 0);
    return vd_stream_from_fd(pair[1], &timeouts, ret, err);
}

static int open_at(struct host *host, const struct vd_net_stop *stop, struct vd_disk **ret,
                   struct vd_error *err)
{
    const struct vd_nfc_options options = {
        .path = "[a] b",
        .read_only = true,
        .server_version = 2,
        .first_pause_ms = 10,
        .timeouts = {.connect_ms = IO_MS, .io_ms = IO_MS, .stop = stop},
        .dial = dial,
        .dial_data = host,
    };
    return vd_nfc_open(&options, ret, err);
}

static int read_some(struct vd_disk *disk, struct vd_error *err)
{
    static uint8_t bytes[65536];
    return vd_disk_read(disk, 0, sizeof bytes / 512, bytes, err);
}

static void part_from(struct host *host)
{
    (void)shutdown(host->fd, SHUT_RDWR);
    check_int_eq(pthread_join(host->thread, NULL), 0);
    (void)close(host->fd);
}

/* Opens and reads; the first error. */
static int meet(struct host *host, struct vd_error *err)
{
    struct vd_disk *disk = NULL;
    uint64_t start = vd_clock_now_ms();
    int r = open_at(host, NULL, &disk, err);
    if (r == VD_OK) {
        r = read_some(disk, err);
        check_code(vd_disk_close(disk, NULL), VD_OK);
    }
    check(vd_clock_now_ms() - start < SLOWEST_MS);
    part_from(host);
    return r;
}

static uint64_t processor_ms(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Half a second passes, and nobody has anything to do. */
static void be_idle(void)
{
    uint64_t before = processor_ms();
    for (int i = 0; i < 10; i++)
        pause_a_little();
    check(processor_ms() - before < 50);
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

static void be_silent(struct host *host)
{
    (void)host;
}

VD_TEST(a_disk_whose_host_is_gone_for_good_uses_no_processor)
{
    struct host host = {
        .answers_handshake = true, .annoy = be_silent, .gone_code = VD_E_DISCONNECTED};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(open_at(&host, NULL, &disk, &err), VD_OK, &err);
    (void)shutdown(host.fd, SHUT_RDWR);
    check_code(read_some(disk, &err), VD_E_DISCONNECTED);
    check_u64_eq(host.dialled, 6);
    be_idle();
    check_code(vd_disk_close(disk, NULL), VD_OK);
    part_from(&host);
}

VD_TEST(an_idle_disk_that_is_cancelled_uses_no_processor)
{
    struct host host = {.answers_handshake = true, .annoy = be_silent};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    struct vd_net_stop stop;
    vd_net_stop_init(&stop);
    check_code_err(open_at(&host, &stop, &disk, &err), VD_OK, &err);
    vd_net_stop_ask(&stop);
    check_code(read_some(disk, &err), VD_E_CANCELLED);
    (void)shutdown(host.fd, SHUT_RDWR);
    be_idle();
    check_code(vd_disk_close(disk, NULL), VD_OK);
    part_from(&host);
    vd_net_stop_done(&stop);
}

VD_TEST(frames_without_end_keep_no_disk_from_closing)
{
    struct host flooding = {.answers_handshake = true, .annoy = refuse_and_flood};
    struct host dripping = {.answers_handshake = true, .annoy = refuse_and_drip};
    struct vd_error err = VD_ERROR_INIT;
    check_code(meet(&flooding, &err), VD_E_FAIL);
    check_str_has(err.text, "NFC error 99");
    check_code(meet(&dripping, &err), VD_E_FAIL);
    check_str_has(err.text, "NFC error 99");
}

/* Of a refusal whose text is told to have nine bytes, so many. */
static int read_refusal(size_t bytes, bool *is_refusal, struct vd_error *err)
{
    static const struct vd_net_timeouts timeouts = {.io_ms = IO_MS};
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_stream *stream;
    int pair[2];
    new_pair(pair);
    struct host host = {.fd = pair[0]};
    check_code(vd_stream_from_fd(pair[1], &timeouts, &stream, NULL), VD_OK);
    vd_nfc_refusal_encode(&(struct vd_nfc_refusal){.code = 5, .text_bytes = 9}, message);
    put(&host, message, sizeof message);
    put(&host, "too late", bytes);
    (void)shutdown(host.fd, SHUT_WR);
    int r = vd_nfc_message_read(stream, "esx1", VD_NFC_AIO, message, is_refusal, err);
    vd_stream_free(stream);
    (void)close(host.fd);
    return r;
}

VD_TEST(half_a_refusal_is_a_lost_connection)
{
    struct vd_error err = VD_ERROR_INIT;
    bool is_refusal;
    check_code(read_refusal(9, &is_refusal, &err), VD_E_NO_MEMORY);
    check(is_refusal);
    check_str_has(err.text, "'esx1' refuses: too late (NFC error");
    vd_error_clear(&err);
    check_code(read_refusal(4, &is_refusal, &err), VD_E_DISCONNECTED);
    check(!is_refusal);
    check_str_has(err.text, "the connection was lost");
}
