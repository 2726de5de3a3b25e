/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way to a server: a call recovers or fails with a sentence, in bounded
 * time, and never delivers a wrong byte. */
#include <time.h>

#include "server.h"

#define SLOWEST_SECONDS 60.0

static uint8 *web;
static size_t web_bytes;

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
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    VixDiskLibHandle disk = NULL;
    double start = now();
    forget();
    fault(name, value);
    VixError result = VixDiskLib_Open(connection, WEB, RO, &disk);
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
    sessions_end();
    works_again();
    VixDiskLib_Exit();
    nothing_secret_was_told();
    free(web);
    return tap_done();
}
