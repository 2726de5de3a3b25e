/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of a machine that runs, with a snapshot (VD_SNAPSHOT). */
#include "server.h"

static uint8 *web; /* what the disk held when the snapshot was made */
static size_t web_bytes;

static VixDiskLibConnection connect_at(const char *snapshot, bool read_only)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibConnectParams *params = params_new();
    is(VixDiskLib_ConnectEx(params, read_only, snapshot, NULL, &connection), VIX_OK,
       "ConnectEx with snapshot '%s'", snapshot);
    VixDiskLib_FreeConnectParams(params);
    return connection;
}

static void frozen(const char *path, const char *what)
{
    VixDiskLibConnection connection = connect_at(told("VD_SNAPSHOT"), true);
    VixDiskLibHandle disk = open_disk(connection, path, RO, what);
    reads_as(disk, web, web_bytes, what);
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", what);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", what);
}

static void refused(const char *snapshot, const char *path, uint32 flags, VixError want,
                    const char *words, const char *what)
{
    VixDiskLibConnection connection = connect_at(snapshot, false);
    VixDiskLibHandle disk = NULL;
    forget();
    is(VixDiskLib_Open(connection, path, flags, &disk), want, "%s", what);
    if (!ok(strstr(heard.warn, words) != NULL, "%s: it says '%s'", what, words))
        printf("# %s\n", heard.warn);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", what);
}

/* What a machine wrote before its snapshot is told by nobody else. */
static void read_first(void)
{
    VixDiskLibConnection connection = connect_at(told("VD_SNAPSHOT"), true);
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "the first time");
    is(VixDiskLib_Read(disk, 0, web_bytes / 512, web), VIX_OK, "the first time: Read");
    is(VixDiskLib_Close(disk), VIX_OK, "the first time: Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "the first time: Disconnect");
}

/* Nothing is removed or grown under a machine that runs, nor through a snapshot. */
static void left_alone(const char *snapshot, const char *path, VixError want, const char *words)
{
    VixDiskLibConnection connection = connect_at(snapshot, false);
    forget();
    is(VixDiskLib_Unlink(connection, path), want, "Unlink of '%s'", path);
    is(VixDiskLib_Grow(connection, path, 1 << 20, FALSE, NULL, NULL), want, "Grow of it");
    if (!ok(strstr(heard.warn, words) != NULL, "it says '%s'", words))
        printf("# %s\n", heard.warn);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
}

int main(int argc, char **argv)
{
    const char *leaf = "[ds1] web/web-000001.vmdk";
    web = content_of("web", &web_bytes);
    begin("");
    if (argc > 1 && strcmp(argv[1], "working") == 0)
        read_first();
    frozen(WEB, "the path of the frozen file");
    frozen(leaf, "the path the machine has now");
    ok(strstr(heard.all, "'[ds1] web/web-000001.vmdk' at the snapshot"), "which the log tells");
    refused("", leaf, RO, VIX_E_FILE_ACCESS_ERROR, "snapshot", "what the machine writes to");
    refused("snapshot-4711", WEB, RO, VIX_E_SNAPSHOT_NOTFOUND, "snapshot-4711",
            "a snapshot that is not there");
    left_alone("", leaf, VIX_E_FILE_ALREADY_LOCKED, "in use");
    left_alone(told("VD_SNAPSHOT"), WEB, VIX_E_NOT_SUPPORTED, told("VD_SNAPSHOT"));
    frozen(WEB, "once more");
    VixDiskLib_Exit();
    nothing_secret_was_told();
    free(web);
    return tap_done();
}
