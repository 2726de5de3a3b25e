/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nfc-speed HOST PORT THUMBPRINT FOLDER TICKET PATH nbd|nbdssl plain|zlib|fastlz|skipz read|write
 * MIB: moves so many MiB of the disk, from its start, and before that as many through a bare stream
 * of the same kind between two threads of its own, which is what this machine's loopback and TLS
 * can do. FOLDER keeps the certificate of that stream. One line of JSON: both in MiB a second.
 *
 * nfc-speed HOST PORT THUMBPRINT FOLDER TICKET PATH nbd|nbdssl plain map: how long the whole disk's
 * allocated blocks take, open not counted.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/stream.h"
#include "nfc/client.h"

#define MIB            (1u << 20)
#define CALLERS        8u
#define CALL_BYTES     (4u * MIB)
#define ROUND_BYTES    (CALLERS * CALL_BYTES)
#define MIB_MAX        (1u << 20)
#define RUNS_AT_A_TIME 256u

static void die(const char *what, const struct vd_error *err, int r)
{
    (void)fprintf(stderr, "nfc-speed: %s: %s\n", what, vd_error_message(err, r));
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Not zeros, and the kind of thing that packs a little: words of a small set, at random. */
static uint8_t *content_new(size_t size)
{
    uint8_t *bytes = malloc(size);
    uint32_t state = 1;
    if (!bytes)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(i % 16 < 8 ? state >> 24 : 'a' + i % 8);
    }
    return bytes;
}

/* --- the bare stream --- */

struct bare {
    struct vd_stream *stream;
    struct vd_tls_identity identity;
    bool tls;
    uint64_t mib;
};

/* Both go round as much memory as the callers of a disk have. */
static uint8_t *piece(uint8_t *bytes, uint64_t number)
{
    return bytes + number % (ROUND_BYTES / MIB) * MIB;
}

static void *push(void *data)
{
    struct bare *bare = data;
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *bytes = content_new(ROUND_BYTES);
    char go;
    int r = bare->tls ? vd_stream_accept_tls(bare->stream, &bare->identity, &err) : VD_OK;
    if (r == VD_OK)
        r = vd_stream_read_all(bare->stream, &go, 1, &err);
    for (uint64_t i = 0; r == VD_OK && i < bare->mib; i++)
        r = vd_stream_write(bare->stream, piece(bytes, i), MIB, &err);
    if (r < 0)
        die("pushing", &err, r);
    free(bytes);
    return NULL;
}

static int listen_on_loopback(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
        perror("nfc-speed: listening");
        exit(EXIT_FAILURE);
    }
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static double pull(struct vd_stream *stream, uint64_t mib)
{
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *into = content_new(ROUND_BYTES);
    double start = now();
    int r = vd_stream_write(stream, "g", 1, &err);
    for (uint64_t i = 0; r == VD_OK && i < mib; i++)
        r = vd_stream_read_all(stream, piece(into, i), MIB, &err);
    if (r < 0)
        die("pulling", &err, r);
    free(into);
    return (double)mib / (now() - start);
}

static double bare_speed(const char *folder, bool tls, uint64_t mib)
{
    char certificate[4096];
    char key[4096];
    uint16_t port;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream *stream = NULL;
    pthread_t thread = 0;
    (void)snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    (void)snprintf(key, sizeof key, "%s/key.pem", folder);
    int r = access(certificate, R_OK) == 0
                ? VD_OK
                : vd_tls_make_identity("127.0.0.1", certificate, key, &err);
    struct bare bare = {
        .identity = {.certificate_file = certificate, .key_file = key}, .tls = tls, .mib = mib};
    int listening = listen_on_loopback(&port);
    if (r == VD_OK)
        r = vd_stream_connect("127.0.0.1", port, NULL, &stream, &err);
    if (r == VD_OK)
        r = vd_stream_from_fd(accept(listening, NULL, NULL), NULL, &bare.stream, &err);
    if (r < 0 || pthread_create(&thread, NULL, push, &bare) != 0)
        die("connecting", &err, r);
    if (tls)
        r = vd_stream_start_tls(stream, &(struct vd_tls_trust){.unverified = true}, NULL, &err);
    if (r < 0)
        die("securing", &err, r);
    double speed = pull(stream, mib);
    (void)pthread_join(thread, NULL); /* it is ours */
    vd_stream_free(stream);
    vd_stream_free(bare.stream);
    (void)close(listening); /* carries no data */
    return speed;
}

/* --- the disk --- */

struct target {
    const char *host, *thumbprint, *session_id;
    uint16_t port;
};

static int get_ticket(void *data, struct vd_nfc_ticket *ret, struct vd_error *err)
{
    const struct target *target = data;
    (void)err;
    (void)snprintf(ret->host, sizeof ret->host, "%s", target->host);
    (void)snprintf(ret->service, sizeof ret->service, "nfc");
    (void)snprintf(ret->session_id, sizeof ret->session_id, "%s", target->session_id);
    (void)snprintf(ret->thumbprint, sizeof ret->thumbprint, "%s", target->thumbprint);
    ret->port = target->port;
    return VD_OK;
}

struct caller {
    pthread_t thread;
    struct vd_disk *disk;
    bool writes;
    unsigned number;
    uint64_t calls; /* of all callers */
    uint8_t *bytes;
};

/* Every CALLERS-th call is this one's. */
static void *call(void *data)
{
    struct caller *self = data;
    struct vd_error err = VD_ERROR_INIT;
    const uint64_t count = CALL_BYTES / VD_SECTOR_BYTES;
    int r = VD_OK;
    for (uint64_t i = self->number; r == VD_OK && i < self->calls; i += CALLERS)
        r = self->writes ? vd_disk_write(self->disk, i * count, count, self->bytes, &err)
                         : vd_disk_read(self->disk, i * count, count, self->bytes, &err);
    if (r < 0)
        die("moving", &err, r);
    return NULL;
}

static double disk_speed(struct vd_disk *disk, bool writes, uint64_t mib)
{
    struct caller callers[CALLERS];
    for (unsigned i = 0; i < CALLERS; i++)
        callers[i] = (struct caller){.disk = disk,
                                     .writes = writes,
                                     .number = i,
                                     .calls = mib * MIB / CALL_BYTES,
                                     .bytes = content_new(CALL_BYTES)};
    double start = now();
    for (unsigned i = 0; i < CALLERS; i++) {
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0)
            exit(EXIT_FAILURE);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        (void)pthread_join(callers[i].thread, NULL); /* it is ours */
    double speed = (double)mib / (now() - start);
    for (unsigned i = 0; i < CALLERS; i++)
        free(callers[i].bytes);
    return speed;
}

static void time_map(struct vd_disk *disk)
{
    static struct vd_run runs[RUNS_AT_A_TIME];
    struct vd_error err = VD_ERROR_INIT;
    uint64_t all = vd_disk_capacity(disk);
    uint64_t total = 0;
    double start = now();
    for (uint64_t at = 0; at < all;) {
        size_t count = 0;
        int r = vd_disk_map(disk, at, all - at, runs, RUNS_AT_A_TIME, &count, &err);
        if (r < 0)
            die("mapping", &err, r);
        total += count;
        at = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
    (void)printf("{\"ms\": %.3f, \"runs\": %llu}\n", (now() - start) * 1e3,
                 (unsigned long long)total);
}

static struct vd_disk *open_disk(const struct vd_nfc_options *options)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    int r = vd_nfc_open(options, &disk, &err);
    if (r < 0)
        die("opening", &err, r);
    return disk;
}

static enum vd_nfc_compression compression_of(const char *name)
{
    static const char *const names[] = {
        [VD_NFC_PLAIN] = "plain",
        [VD_NFC_ZLIB] = "zlib",
        [VD_NFC_FASTLZ] = "fastlz",
        [VD_NFC_SKIPZ] = "skipz",
    };
    size_t i = 0;
    while (i < VD_ARRAY_SIZE(names) && strcmp(names[i], name) != 0)
        i++;
    return (enum vd_nfc_compression)i;
}

int main(int argc, char **argv)
{
    struct vd_error err = VD_ERROR_INIT;
    bool maps = argc == 10 && strcmp(argv[9], "map") == 0;
    if (!maps && argc != 11) {
        (void)fprintf(stderr, "nfc-speed: see the head of nfc-speed.c\n");
        return EXIT_FAILURE;
    }
    struct target target = {.host = argv[1],
                            .thumbprint = argv[3],
                            .session_id = argv[5],
                            .port = (uint16_t)strtoul(argv[2], NULL, 10)};
    bool writes = strcmp(argv[9], "write") == 0;
    struct vd_nfc_options options = {.tickets = {get_ticket, &target},
                                     .server = target.host,
                                     .path = argv[6],
                                     .read_only = !writes,
                                     .ssl = strcmp(argv[7], "nbdssl") == 0,
                                     .compression = compression_of(argv[8]),
                                     .server_version = -1};
    uint64_t mib = maps ? 0 : VD_MIN(strtoull(argv[10], NULL, 10), (unsigned long long)MIB_MAX);
    double limit = maps ? 0 : bare_speed(argv[4], options.ssl, mib);
    struct vd_disk *disk = open_disk(&options);
    if (maps)
        time_map(disk);
    else
        (void)printf("{\"limit\": %.1f, \"disk\": %.1f}\n", limit, disk_speed(disk, writes, mib));
    int r = vd_disk_close(disk, &err);
    if (r < 0)
        die("closing", &err, r);
    return EXIT_SUCCESS;
}
