/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way to a server: a call recovers or fails with a sentence, in bounded
 * time, and never delivers a wrong byte. */
#include <time.h>

#include "server.h"

#define SLOWEST_SECONDS 60.0

static uint8 *web;
static size_t web_bytes;
static const char *modes; /* of the connections made; NULL: nbdssl */
static uint32 open_flags = RO;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum outcome { RECOVERS, MAY_FAIL, FAILS };

static bool right_as_far_as_read(VixDiskLibHandle disk, VixError *ret)
{
    uint8 *got = malloc(web_bytes);
    memset(got, 0xcc, web_bytes);
    *ret = VixDiskLib_Read(disk, 0, web_bytes / 512, got);
    bool right = *ret != VIX_OK || memcmp(got, web, web_bytes) == 0;
    free(got);
    return right;
}

static void judge(const char *name, VixError result, enum outcome want)
{
    if (want == RECOVERS && !is(result, VIX_OK, "%s: it recovers", name))
        printf("# %s\n", heard.warn);
    if (want == FAILS)
        ok(result != VIX_OK, "%s: it fails with %llu", name, (unsigned long long)result);
    if (result != VIX_OK)
        ok(strchr(heard.warn, '\'') != NULL, "%s: and says why", name);
}

static void meet(const char *name, const char *value, enum outcome want)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, modes);
    VixDiskLibHandle disk = NULL;
    double start = now();
    forget();
    fault(name, value);
    VixError result = VixDiskLib_Open(connection, WEB, open_flags, &disk);
    if (disk) {
        ok(right_as_far_as_read(disk, &result), "%s: no wrong byte", name);
        is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", name);
    }
    judge(name, result, want);
    ok(now() - start < SLOWEST_SECONDS, "%s: in bounded time", name);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", name);
    VixDiskLib_FreeConnectParams(params);
    fault(name, "null");
}

/* One fault at every place of a session in turn: after `first` bytes or frames, then `step` further
 * on. Each time a disk is opened and read. */
static void sweep(const char *name, unsigned first, unsigned last, unsigned step)
{
    unsigned right = 0, told = 0, opened = 0, places = 0;
    double slowest = 0;
    for (unsigned place = first; place <= last; place += step, places++) {
        VixDiskLibConnectParams *params = params_new();
        VixDiskLibConnection connection = connect_to(params, true, NULL);
        VixDiskLibHandle disk = NULL;
        char value[16];
        (void)snprintf(value, sizeof value, "%u", place);
        double start = now();
        forget();
        fault(name, value);
        VixError result = VixDiskLib_Open(connection, WEB, RO, &disk);
        right += !disk || right_as_far_as_read(disk, &result);
        if (disk)
            (void)VixDiskLib_Close(disk);
        opened += disk != NULL;
        told += result == VIX_OK || strchr(heard.warn, '\'') != NULL;
        slowest = now() - start > slowest ? now() - start : slowest;
        (void)VixDiskLib_Disconnect(connection);
        VixDiskLib_FreeConnectParams(params);
        fault(name, "null");
    }
    ok(right == places, "%s at %u places: no wrong byte", name, places);
    ok(told == places, "%s at %u places: every failure has its sentence", name, places);
    ok(slowest < SLOWEST_SECONDS, "%s at %u places: %.1f s at most", name, places, slowest);
    printf("# %s: the disk was opened at %u of %u places\n", name, opened, places);
}

/* After everything a server still works as before. */
static void works_again(void)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "without a fault");
    reads_as(disk, web, web_bytes, "without a fault");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
}

/* One login serves many disks; when its session ends under it, it logs in again. */
static void sessions_end(void)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    fault("expired-session-after", "5");
    for (int i = 0; i < 8; i++) {
        VixDiskLibHandle disk = open_disk(connection, WEB, RO, "with sessions that end");
        is(VixDiskLib_Close(disk), VIX_OK, "Close");
    }
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
    fault("expired-session-after", "null");
}

/* What is not a matter of TLS, on another way. */
static void meet_all(const char *way, uint32 flags)
{
    modes = way;
    open_flags = RO | flags;
    printf("# over %s, flags %u\n", way, (unsigned)flags);
    meet("reverse-fragments", "true", RECOVERS);
    meet("interleave", "true", RECOVERS);
    meet("odd-fragments", "true", RECOVERS);
    meet("bandwidth", "100000000", RECOVERS);
    meet("drop-once", "5000000", RECOVERS);
    meet("memory-error", "3", RECOVERS);
    meet("drop-after", "1000000", MAY_FAIL);
    meet("error-frame", "3", MAY_FAIL);
    meet("bad-length", "true", FAILS);
    modes = NULL;
    open_flags = RO;
}

/* A connection that is cut between the answers to writes. */
static void writes_go_on(const char *way, uint32 flags)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, false, way);
    size_t bytes;
    uint8 *data = content_of("data", &bytes);
    for (size_t i = 0; i < bytes; i += 3)
        data[i] ^= (uint8)(flags + 1);
    fault("drop-once", "1200");
    VixDiskLibHandle disk = open_disk(connection, DATA, flags, "to be written");
    is(VixDiskLib_Write(disk, 0, bytes / 512, data), VIX_OK, "%s, flags %u: Write recovers", way,
       (unsigned)flags);
    reads_as(disk, data, bytes, "what was written");
    is(VixDiskLib_Write(disk, 0, bytes / 512, data), VIX_OK, "Write again");
    reads_as(disk, data, bytes, "what was written again");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
    fault("drop-once", "null");
    free(data);
}

int main(void)
{
    web = content_of("web", &web_bytes);
    begin("vixDiskLib.nfc.ReadTimeoutsMs = 3000\n");
    meet("latency-ms", "4", RECOVERS);
    meet("reverse-fragments", "true", RECOVERS);
    meet("interleave", "true", RECOVERS);
    meet("odd-fragments", "true", RECOVERS);
    meet("drop-once", "5000000", RECOVERS);
    meet("memory-error", "3", RECOVERS);
    meet("late-36", "true", RECOVERS);
    meet("drop-after", "1000000", MAY_FAIL);
    meet("error-frame", "3", MAY_FAIL);
    meet("stall", "5", MAY_FAIL);
    meet("refuse-tickets", "true", FAILS);
    meet("bad-magic", "true", FAILS);
    meet("bad-length", "true", FAILS);
    meet("fragment-outside", "true", FAILS);
    meet("wrong-second-certificate", "true", FAILS);
    meet("missing-privilege", "\"VirtualMachine.Provisioning.DiskRandomRead\"", FAILS);
    meet("http-503-once", "true", MAY_FAIL);
    meet("endless-xml", "true", FAILS);
    meet("entity-bomb", "true", FAILS);
    sweep("drop-once", 0, 6000, 263); /* a handshake message has 264 bytes */
    sweep("drop-once", 8000, 3000000, 999983);
    sweep("drop-after", 0, 4000, 797);
    sweep("error-frame", 1, 12, 2);
    sweep("stall", 1, 3, 2);
    meet_all("nbd", 0);
    meet_all("nbd", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ);
    writes_go_on("nbd", 0);
    writes_go_on("nbd", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ);
    writes_go_on("nbdssl", VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB);
    sessions_end();
    works_again();
    VixDiskLib_Exit();
    nothing_secret_was_told();
    free(web);
    return tap_done();
}
