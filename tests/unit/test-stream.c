/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: both ends in this process, over a socket pair, and OpenSSL's own programs as peers. */
#include "net/stream.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"

/* What the far end does with its stream. */
typedef void (*far_end)(struct vd_stream *stream);

static const char *certificate_file, *key_file;
static struct vd_tls_peer identity_peer;

struct pair {
    struct vd_stream *near;
    struct vd_stream *far;
    far_end run;
    pthread_t thread;
};

static const struct vd_net_timeouts SHORT = {.connect_ms = 3000, .io_ms = 3000};

static void *run_far(void *data)
{
    struct pair *pair = data;
    pair->run(pair->far);
    vd_stream_free(pair->far);
    return NULL;
}

static void pair_start(struct pair *pair, far_end run, const struct vd_net_timeouts *timeouts)
{
    int fds[2];
    check_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    check_code(vd_stream_from_fd(fds[0], timeouts, &pair->near, NULL), VD_OK);
    check_code(vd_stream_from_fd(fds[1], &SHORT, &pair->far, NULL), VD_OK);
    pair->run = run;
    check_int_eq(pthread_create(&pair->thread, NULL, run_far, pair), 0);
}

static void pair_end(struct pair *pair)
{
    vd_stream_free(pair->near);
    check_int_eq(pthread_join(pair->thread, NULL), 0);
}

static void make_identity(void)
{
    struct vd_error err = VD_ERROR_INIT;
    certificate_file = test_path("c.pem");
    key_file = test_path("k.pem");
    check_code_err(vd_tls_make_identity("esx1.test", certificate_file, key_file, &err), VD_OK,
                   &err);
    check_code_err(vd_tls_file_thumbprints(certificate_file, &identity_peer, &err), VD_OK, &err);
}

static void secure(struct vd_stream *stream, bool tls12_only)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_identity identity = {certificate_file, key_file, tls12_only};
    check_code_err(vd_stream_accept_tls(stream, &identity, &err), VD_OK, &err);
}

static void say_line(struct vd_stream *stream, const char *line)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_stream_write(stream, line, strlen(line), &err), VD_OK, &err);
    check_code_err(vd_stream_write(stream, "\r\n", 2, &err), VD_OK, &err);
}

static void expect_line(struct vd_stream *stream, const char *line)
{
    struct vd_error err = VD_ERROR_INIT;
    char got[100];
    check_code_err(vd_stream_read_line(stream, got, sizeof got, &err), VD_OK, &err);
    check_str_eq(got, line);
}

static void echo_line(struct vd_stream *stream)
{
    char line[100];
    check_code(vd_stream_read_line(stream, line, sizeof line, NULL), VD_OK);
    say_line(stream, line);
}

VD_TEST(lines_go_both_ways)
{
    struct pair pair;
    pair_start(&pair, echo_line, &SHORT);
    say_line(pair.near, "hello there");
    expect_line(pair.near, "hello there");
    pair_end(&pair);
}

static void big_line(struct vd_stream *stream)
{
    char text[300];
    memset(text, 'x', sizeof text);
    check_code(vd_stream_write(stream, text, sizeof text, NULL), VD_OK);
}

VD_TEST(a_line_without_end_is_refused)
{
    struct pair pair;
    struct vd_error err = VD_ERROR_INIT;
    char line[100];
    pair_start(&pair, big_line, &SHORT);
    check_code(vd_stream_read_line(pair.near, line, sizeof line, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "more than 99 bytes");
    pair_end(&pair);
}

static void say_half(struct vd_stream *stream)
{
    check_code(vd_stream_write(stream, "half", 4, NULL), VD_OK);
}

VD_TEST(an_early_end_is_a_lost_connection)
{
    struct pair pair;
    struct vd_error err = VD_ERROR_INIT;
    char bytes[8];
    pair_start(&pair, say_half, &SHORT);
    check_code(vd_stream_read_all(pair.near, bytes, sizeof bytes, &err), VD_E_DISCONNECTED);
    pair_end(&pair);
}

static void wait_for_end(struct vd_stream *stream)
{
    char byte;
    size_t got;
    VD_DISCARD(vd_stream_read(stream, &byte, 1, &got, NULL)); /* however it ends */
}

VD_TEST(silence_ends_in_time)
{
    struct pair pair;
    struct vd_error err = VD_ERROR_INIT;
    char byte;
    size_t got;
    pair_start(&pair, wait_for_end, &(struct vd_net_timeouts){.io_ms = 50});
    check_code(vd_stream_read(pair.near, &byte, 1, &got, &err), VD_E_TIMED_OUT);
    check_str_has(err.text, "did not answer in time");
    pair_end(&pair);
}

static void *interrupt_soon(void *data)
{
    (void)usleep(20000);
    vd_stream_interrupt(data);
    return NULL;
}

VD_TEST(an_interrupt_ends_a_wait_and_every_later_one)
{
    struct pair pair;
    pthread_t thread;
    char byte;
    size_t got;
    pair_start(&pair, wait_for_end, &SHORT);
    check_int_eq(pthread_create(&thread, NULL, interrupt_soon, pair.near), 0);
    check_code(vd_stream_read(pair.near, &byte, 1, &got, NULL), VD_E_CANCELLED);
    check_code(vd_stream_read(pair.near, &byte, 1, &got, NULL), VD_E_CANCELLED);
    check_int_eq(pthread_join(thread, NULL), 0);
    pair_end(&pair);
}

static void wait_long(struct vd_stream *stream)
{
    char byte;
    size_t got;
    while (vd_stream_read(stream, &byte, 1, &got, NULL) == VD_E_TIMED_OUT)
        ;
}

static void *ask_soon(void *data)
{
    (void)usleep(20000);
    vd_net_stop_ask(data);
    return NULL;
}

VD_TEST(a_stop_that_is_asked_ends_waits_but_a_good_bye_has_its_grace)
{
    struct vd_net_stop stop;
    vd_net_stop_init(&stop);
    const struct vd_net_timeouts timeouts = {.connect_ms = 30000, .io_ms = 30000, .stop = &stop};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream *stream = NULL;
    struct pair pair;
    pthread_t thread;
    char byte;
    size_t got;
    uint64_t began = vd_clock_now_ms();
    pair_start(&pair, wait_long, &timeouts);
    check_int_eq(pthread_create(&thread, NULL, ask_soon, &stop), 0);
    check_code(vd_stream_read(pair.near, &byte, 1, &got, &err), VD_E_CANCELLED);
    check_code(vd_stream_read(pair.near, &byte, 1, &got, &err), VD_E_CANCELLED);
    check(vd_clock_now_ms() - began < VD_NET_GRACE_MS);
    check_code(vd_stream_connect("192.0.2.1", 902, &timeouts, &stream, NULL), VD_E_CANCELLED);
    check_code(vd_stream_connect("localhost", 902, &timeouts, &stream, NULL), VD_E_CANCELLED);
    vd_stream_settle(pair.near);
    began = vd_clock_now_ms();
    check_code(vd_stream_read(pair.near, &byte, 1, &got, NULL), VD_E_TIMED_OUT);
    check(vd_clock_now_ms() - began >= VD_NET_GRACE_MS);
    check(vd_clock_now_ms() - began < 20000);
    check_int_eq(pthread_join(thread, NULL), 0);
    pair_end(&pair);
    vd_net_stop_done(&stop);
}

VD_TEST(a_pause_ends_early_once)
{
    struct vd_net_stop stop;
    pthread_t thread;
    uint64_t began = vd_clock_now_ms();
    vd_net_stop_init(&stop);
    check_int_eq(pthread_create(&thread, NULL, ask_soon, &stop), 0);
    vd_net_stop_pause(&stop, 30000);
    check(vd_net_stop_asked(&stop));
    check(vd_clock_now_ms() - began < 20000);
    began = vd_clock_now_ms();
    vd_net_stop_pause(&stop, 50);
    vd_net_stop_pause(NULL, 50);
    check(vd_clock_now_ms() - began >= 100);
    check(vd_net_stop_wait(&stop, 30000));
    check(!vd_net_stop_wait(NULL, 1));
    check(vd_clock_now_ms() - began < 20000);
    check_int_eq(pthread_join(thread, NULL), 0);
    vd_net_stop_done(&stop);
}

static void hang_up(struct vd_stream *stream)
{
    (void)stream;
}

VD_TEST(writing_to_who_left_is_an_error_and_no_signal)
{
    struct pair pair;
    int r = VD_OK;
    pair_start(&pair, hang_up, &SHORT);
    for (int i = 0; i < 1000 && r == VD_OK; i++) {
        r = vd_stream_write(pair.near, "bytes", 5, NULL);
        (void)usleep(1000);
    }
    check_code(r, VD_E_DISCONNECTED);
    pair_end(&pair);
}

static void secure_echo(struct vd_stream *stream)
{
    secure(stream, false);
    echo_line(stream);
}

static void trusted_by(const struct vd_tls_trust *trust)
{
    struct pair pair;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_peer peer;
    pair_start(&pair, secure_echo, &SHORT);
    check_code_err(vd_stream_start_tls(pair.near, trust, &peer, &err), VD_OK, &err);
    check_str_eq(peer.sha1, identity_peer.sha1);
    check_str_eq(peer.sha256, identity_peer.sha256);
    say_line(pair.near, "secret");
    expect_line(pair.near, "secret");
    pair_end(&pair);
}

VD_TEST(trust_by_thumbprint_by_authority_or_by_word)
{
    make_identity();
    trusted_by(&(struct vd_tls_trust){.thumbprint = identity_peer.sha1});
    trusted_by(&(struct vd_tls_trust){.thumbprint = identity_peer.sha256, .host_name = "other"});
    trusted_by(&(struct vd_tls_trust){.ca_file = certificate_file, .host_name = "esx1.test"});
    trusted_by(&(struct vd_tls_trust){.ca_file = certificate_file, .host_name = "127.0.0.1"});
    trusted_by(&(struct vd_tls_trust){.unverified = true});
    trusted_by(&(struct vd_tls_trust){.thumbprint = identity_peer.sha1, .legacy = true});
}

static void secure_in_vain(struct vd_stream *stream)
{
    struct vd_tls_identity identity = {certificate_file, key_file, false};
    check(vd_stream_accept_tls(stream, &identity, NULL) < 0);
}

static void refused_by(const struct vd_tls_trust *trust, const char *said)
{
    struct pair pair;
    struct vd_error err = VD_ERROR_INIT;
    pair_start(&pair, secure_in_vain, &SHORT);
    check_code(vd_stream_start_tls(pair.near, trust, NULL, &err), VD_E_CERTIFICATE);
    check_str_has(err.text, said);
    check_str_has(err.text, identity_peer.sha1);
    check_int_eq((int64_t)vd_error_vix(err.code), 1);
    pair_end(&pair);
}

VD_TEST(who_is_not_trusted_is_refused_with_both_thumbprints)
{
    make_identity();
    static const char wrong[] = "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67";
    refused_by(&(struct vd_tls_trust){.thumbprint = wrong},
               "expected=01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67");
    refused_by(&(struct vd_tls_trust){.host_name = "esx1.test"}, "self-signed");
    refused_by(&(struct vd_tls_trust){.ca_file = certificate_file, .host_name = "esx2.test"},
               "mismatch");
}

VD_TEST(a_bad_thumbprint_is_an_argument)
{
    struct pair pair;
    make_identity();
    pair_start(&pair, secure_in_vain, &SHORT);
    check_code(
        vd_stream_start_tls(pair.near, &(struct vd_tls_trust){.thumbprint = "12"}, NULL, NULL),
        VD_E_INVALID_ARG);
    pair_end(&pair);
}

/* As a vSphere host's port 902: TLS, taken off, and put on again on the same connection. */
static void in_and_out(struct vd_stream *stream)
{
    secure(stream, true);
    echo_line(stream);
    vd_stream_drop_tls(stream);
    echo_line(stream);
    secure(stream, false);
    echo_line(stream);
}

VD_TEST(tls_comes_off_without_a_trace_and_goes_on_again)
{
    struct pair pair;
    make_identity();
    struct vd_tls_trust trust = {.thumbprint = identity_peer.sha1};
    pair_start(&pair, in_and_out, &SHORT);
    check_code(vd_stream_start_tls(pair.near, &trust, NULL, NULL), VD_OK);
    say_line(pair.near, "inside");
    expect_line(pair.near, "inside");
    vd_stream_drop_tls(pair.near);
    say_line(pair.near, "outside");
    expect_line(pair.near, "outside");
    check_code(vd_stream_start_tls(pair.near, &trust, NULL, NULL), VD_OK);
    say_line(pair.near, "inside again");
    expect_line(pair.near, "inside again");
    pair_end(&pair);
}

#define MUCH (4u << 20)

static void send_much(struct vd_stream *stream)
{
    secure(stream, false);
    char *bytes = malloc(MUCH);
    check(bytes != NULL);
    for (size_t i = 0; i < MUCH; i++)
        bytes[i] = (char)(i * 31 >> 3);
    check_code(vd_stream_write(stream, bytes, MUCH, NULL), VD_OK);
    free(bytes);
}

VD_TEST(much_arrives_whole)
{
    struct pair pair;
    make_identity();
    char *bytes = malloc(MUCH);
    check(bytes != NULL);
    pair_start(&pair, send_much, &SHORT);
    check_code(
        vd_stream_start_tls(pair.near, &(struct vd_tls_trust){.unverified = true}, NULL, NULL),
        VD_OK);
    check_code(vd_stream_read_all(pair.near, bytes, MUCH, NULL), VD_OK);
    bool same = true;
    for (size_t i = 0; i < MUCH; i++)
        same = same && bytes[i] == (char)(i * 31 >> 3);
    check(same);
    free(bytes);
    pair_end(&pair);
}

VD_TEST(who_cannot_be_reached_is_named)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream *stream;
#ifndef __SANITIZE_THREAD__ /* which does not bear the resolver's own thread */
    check_code(vd_stream_connect("no-such-host.invalid", 902, &SHORT, &stream, &err),
               VD_E_HOST_UNKNOWN);
    check_str_has(err.text, "'no-such-host.invalid' does not resolve");
    vd_error_clear(&err);
#endif
    check_code(vd_stream_connect("127.0.0.1", 1, &SHORT, &stream, &err), VD_E_REFUSED);
    check_str_has(err.text, "'127.0.0.1' port 1: refused");
    check_int_eq((int64_t)vd_error_vix(err.code), 14009);
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0);
    check_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static pid_t start_s_server(uint16_t port)
{
    char number[8];
    (void)snprintf(number, sizeof number, "%u", (unsigned)port);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        (void)execlp("openssl", "openssl", "s_server", "-quiet", "-rev", "-accept", number, "-cert",
                     certificate_file, "-key", key_file, (char *)NULL);
        _exit(127);
    }
    check(pid > 0);
    return pid;
}

static struct vd_stream *connect_soon(uint16_t port)
{
    struct vd_stream *stream = NULL;
    uint64_t deadline_ms = vd_clock_now_ms() + 10000;
    while (vd_stream_connect("127.0.0.1", port, &SHORT, &stream, NULL) < 0 &&
           vd_clock_now_ms() < deadline_ms)
        (void)usleep(20000);
    check(stream != NULL);
    return stream;
}

VD_TEST(openssl_s_server_is_understood)
{
    make_identity();
    uint16_t port = free_port();
    pid_t server = start_s_server(port);
    struct vd_stream *stream = connect_soon(port);
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_trust trust = {.thumbprint = identity_peer.sha256};
    check_code_err(vd_stream_start_tls(stream, &trust, NULL, &err), VD_OK, &err);
    check_code_err(vd_stream_write(stream, "olleh\n", 6, &err), VD_OK, &err);
    expect_line(stream, "hello");
    vd_stream_free(stream);
    check_int_eq(kill(server, SIGTERM), 0);
    check_int_eq(waitpid(server, NULL, 0), server);
}
