/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes as what a hostile host sends to the whole client: handshake, session, the thread that
 * connects again, and the disk on top of it; or the synchronous way. Byte 0 says how the disk is
 * opened; then each connection has two bytes for the length of what it is sent, and that. Every
 * buffer is exactly as long as asked for, so that the sanitizer sees a byte beside it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nfc/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a socket pair takes at once, surely. */
#define CONNECTION_MAX_BYTES 65535u
#define SECTORS              24u
#define CHUNKS               40u
#define CHUNKS_BYTES         8u /* whole words of 32 */
#define CONNECTIONS_MAX      16u

struct host {
    const uint8_t *data;
    size_t size;
    pthread_t listeners[CONNECTIONS_MAX];
    int fds[CONNECTIONS_MAX];
    size_t count;
};

/* What the client says is not answered, but taken. */
static void *listen_only(void *data)
{
    char bytes[4096];
    const int *fd = data;
    while (recv(*fd, bytes, sizeof bytes, 0) > 0)
        continue;
    return NULL;
}

/* The next connection, with all that will ever come of it; none is no reason to try again. */
static int dial(void *data, struct vd_stream **ret, struct vd_error *err)
{
    static const struct vd_net_timeouts timeouts = {.connect_ms = 5000, .io_ms = 5000};
    struct host *host = data;
    int pair[2];
    if (host->size < 2 || host->count == CONNECTIONS_MAX ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return vd_error_set(err, VD_E_FAIL, "there is no other connection");
    size_t length = VD_MIN(host->data[0] + 256u * host->data[1], host->size - 2);
    ssize_t put = send(pair[0], host->data + 2, length, MSG_NOSIGNAL);
    (void)shutdown(pair[0], SHUT_WR); /* cannot fail for a fresh pair */
    host->data += 2 + length;
    host->size -= 2 + length;
    int *fd = &host->fds[host->count];
    *fd = pair[0];
    if (put != (ssize_t)length ||
        pthread_create(&host->listeners[host->count], NULL, listen_only, fd) != 0)
        abort();
    host->count++;
    return vd_stream_from_fd(pair[1], &timeouts, ret, err);
}

static void use(struct vd_disk *disk, bool read_only)
{
    uint64_t sectors = VD_MIN(vd_disk_capacity(disk), (uint64_t)SECTORS);
    uint8_t *bytes = calloc(SECTORS, 512);
    uint8_t *bitmap = malloc(CHUNKS_BYTES);
    struct vd_disk_info info;
    struct vd_run runs[4];
    size_t count;
    if (!bytes || !bitmap)
        abort();
    vd_disk_info(disk, &info);
    (void)vd_disk_meta_get(disk, "uuid");
    VD_DISCARD(vd_nfc_query_allocated(disk, 0, 65536, CHUNKS, bitmap, NULL));
    if (sectors)
        VD_DISCARD(vd_disk_map(disk, 0, sectors, runs, VD_ARRAY_SIZE(runs), &count, NULL));
    if (sectors && !read_only)
        VD_DISCARD(vd_disk_write(disk, 0, sectors, bytes, NULL));
    free(bytes);
    bytes = malloc(sectors * 512 + 1);
    if (bytes && sectors)
        VD_DISCARD(vd_disk_read(disk, 0, sectors, bytes, NULL));
    free(bytes);
    free(bitmap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int versions[] = {-1, 0, 2, 11};
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    if (size < 1)
        return 0;
    struct host host = {.data = data + 1, .size = size - 1};
    const struct vd_nfc_options options = {
        .path = "[a] b",
        .read_only = data[0] & 1,
        .compression = data[0] >> 1 & 3,
        .server_version = versions[data[0] >> 3 & 3],
        .simulator = true,
        .first_pause_ms = 1,
        .dial = dial,
        .dial_data = &host,
    };
    if (vd_nfc_open(&options, &disk, &err) == VD_OK) {
        use(disk, options.read_only);
        VD_DISCARD(vd_disk_close(disk, NULL));
    }
    for (size_t i = 0; i < host.count; i++) {
        (void)pthread_join(host.listeners[i], NULL);
        (void)close(host.fds[i]);
    }
    return 0;
}
