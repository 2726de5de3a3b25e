/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as what a client of the simulated host sends, from its first NFC message on, with a
 * ticket for everything in a datastore of its own. */
#include <assert.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/units.h"
#include "session.h"
#include "vmdk/create.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a socket pair takes at once, surely. */
#define INPUT_MAX_BYTES (96u << 10)

static struct sim sim = {.profile = 8, .nfc_version = 11};
static char folder[] = "/tmp/fuzz-sim-XXXXXX";

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void clean_up(void)
{
    (void)nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* a temporary folder */
}

static void set_up(void)
{
    char text[64];

    if (sim.stores.count > 0)
        return;
    bool good = mkdtemp(folder) && sim_faults_init(&sim.faults) && sim_tickets_init(&sim.tickets);
    assert(good);
    (void)atexit(clean_up);
    (void)snprintf(text, sizeof text, "ds=%s", folder);
    pthread_mutex_init(&sim.lock, NULL);
    int r = sim_stores_add(&sim.stores, text, NULL);
    assert(r == VD_OK);
    r = vd_workers_new(2, &sim.readers, NULL);
    assert(r == VD_OK);
}

/* An input may have removed it, or anything else. */
static void make_disk(void)
{
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_MONOLITHIC_SPARSE,
        .capacity_sectors = 4096,
    };
    char path[96];

    (void)snprintf(path, sizeof path, "%s/a.vmdk", folder);
    if (access(path, F_OK) != 0)
        VD_DISCARD(vd_vmdk_create(path, &params, NULL, NULL, NULL)); /* then it is not there */
}

static void *swallow(void *data)
{
    static char bytes[65536];
    const int *fd = data;

    while (recv(*fd, bytes, sizeof bytes, 0) > 0)
        ;
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct vd_stream *stream = NULL;
    pthread_t swallower;

    set_up();
    make_disk();
    if (size > INPUT_MAX_BYTES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    ssize_t put = send(pair[0], data, size, MSG_NOSIGNAL);
    assert(put == (ssize_t)size);
    (void)shutdown(pair[0], SHUT_WR); /* cannot fail for a fresh pair */
    if (pthread_create(&swallower, NULL, swallow, &pair[0]) != 0)
        return 0;
    if (vd_stream_from_fd(pair[1], NULL, &stream, NULL) == VD_OK)
        sim_session_serve(&sim, stream, NULL, NULL);
    (void)pthread_join(swallower, NULL);
    (void)close(pair[0]);
    assert(!sim.opens);
    return 0;
}
