/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-turns NEEDED: 200 times Connect, Open, GetInfo, Close and Disconnect leave nothing behind,
 * and take at most four round trips more than the NEEDED ones (docs/benchmarks-nfc.md counts them).
 * The program's own socket, send, poll and recv are what the library, and its TLS and HTTP below,
 * use: so it sees each time somebody waits for an answer.
 */
#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "server.h"

#define DISKS        200
#define WARM_UP      150 /* caches, threads that stay, and the graves of dead handles are full */
#define MORE_ALLOWED 4
#define FDS          4096
#define SEEN         __attribute__((visibility("default")))
/* Of memory in use, not per disk: what grows with every disk by 328 bytes is above it. */
#define GROWTH_BYTES 16384

enum state { ANSWERED, ASKED, WAITED };

static atomic_int states[FDS];
static atomic_uint turns;

int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t bytes);

SEEN int socket(int domain, int type, int protocol)
{
    int fd = (int)syscall(SYS_socket, domain, type, protocol);
    if ((domain == AF_INET || domain == AF_INET6) && fd >= 0 && fd < FDS) {
        turns++; /* it is to be connected */
        states[fd] = ANSWERED;
    }
    return fd;
}

SEEN ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    ssize_t put = syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
    if (put > 0 && fd < FDS)
        states[fd] = ASKED;
    return put;
}

SEEN int poll(struct pollfd *fds, nfds_t count, int ms)
{
    for (nfds_t i = 0; i < count; i++) {
        int asked = ASKED;
        if (fds[i].fd >= 0 && fds[i].fd < FDS && (fds[i].events & POLLIN) && ms != 0)
            atomic_compare_exchange_strong(&states[fds[i].fd], &asked, WAITED);
    }
    return (int)syscall(SYS_poll, fds, count, ms);
}

/* What programs built with _FORTIFY_SOURCE call. */
SEEN int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t bytes)
{
    (void)bytes;
    return poll(fds, count, ms);
}

SEEN ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    int waited = WAITED;
    ssize_t got = syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
    if (got > 0 && fd < FDS && atomic_compare_exchange_strong(&states[fd], &waited, ANSWERED))
        turns++;
    return got;
}

static unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* Every step went well. */
static bool once(VixDiskLibConnectParams *params)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibHandle disk = NULL;
    VixDiskLibInfo *info = NULL;
    bool good = VixDiskLib_ConnectEx(params, true, NULL, "nbdssl", &connection) == VIX_OK &&
                VixDiskLib_Open(connection, DATA, RO, &disk) == VIX_OK &&
                VixDiskLib_GetInfo(disk, &info) == VIX_OK && info->capacity == 10487296 / 512;
    VixDiskLib_FreeInfo(info);
    return good && VixDiskLib_Close(disk) == VIX_OK && VixDiskLib_Disconnect(connection) == VIX_OK;
}

int main(int argc, char **argv)
{
    unsigned good = 0, fds = 0, threads = 0, first = 0, most = 0;
    size_t used = 0;
    unsigned needed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    begin("");
    VixDiskLibConnectParams *params = params_new();
    for (unsigned i = 0; i < DISKS; i++) {
        turns = 0;
        good += once(params);
        first = i == 0 ? turns : first;
        most = turns > most ? turns : most;
        if (i + 1 == WARM_UP) {
            fds = entries("/proc/self/fd");
            threads = entries("/proc/self/task");
            used = mallinfo2().uordblks;
        }
    }
    is(good, DISKS, "disks that could be opened");
    is(entries("/proc/self/fd"), fds, "descriptors after the last");
    is(entries("/proc/self/task"), threads, "threads after the last");
    printf("# bytes in use: %zu after %d disks, %zu after %d\n", used, WARM_UP,
           mallinfo2().uordblks, DISKS);
    ok(mallinfo2().uordblks < used + GROWTH_BYTES, "memory does not grow");
    printf("# round trips: %u the first time, %u at most; %u needed\n", first, most, needed);
    ok(most > needed / 2, "the round trips are seen");
    ok(most <= needed + MORE_ALLOWED, "not many more than needed");
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_Exit();
    nothing_secret_was_told();
    return tap_done();
}
