/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end, connections, error texts, logs and bad arguments, as programs of every generation
 * use them. Knows only the public headers. */
#include <ctype.h>
#include <glob.h>
#include <pthread.h>
#include <unistd.h>

#include "tap.h"
#include "vixDiskLib.h"

static char disk_path[4096];
static char config_path[4096];

/* What the callbacks got: printf formats and arguments, as programs format them. */
static struct {
    pthread_mutex_t lock;
    char log[32768];
    char warn[32768];
    char panic[4096];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((format(printf, 3, 0))) static void keep(char *where, size_t size, const char *fmt,
                                                       va_list args)
{
    char line[1000]; /* the smallest buffer of a known program */
    int length = vsnprintf(line, sizeof line, fmt, args);
    pthread_mutex_lock(&told.lock);
    if (length < 0 || (size_t)length >= sizeof line || length == 0 || line[length - 1] != '\n')
        abort();
    size_t used = strlen(where);
    if (used + sizeof line < size)
        memcpy(where + used, line, (size_t)length + 1);
    pthread_mutex_unlock(&told.lock);
}

__attribute__((format(printf, 1, 0))) static void on_log(const char *fmt, va_list args)
{
    keep(told.log, sizeof told.log, fmt, args);
}

__attribute__((format(printf, 1, 0))) static void on_warn(const char *fmt, va_list args)
{
    keep(told.warn, sizeof told.warn, fmt, args);
}

__attribute__((format(printf, 1, 0))) static void on_panic(const char *fmt, va_list args)
{
    keep(told.panic, sizeof told.panic, fmt, args);
}

static void forget(void)
{
    told.log[0] = told.warn[0] = told.panic[0] = '\0';
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static VixError start(uint32 major, uint32 minor)
{
    return VixDiskLib_InitEx(major, minor, on_log, on_warn, on_panic, "", config_path);
}

/* A connection that opens the disk, then is gone. */
static void works(VixDiskLibConnection connection, const char *name)
{
    VixDiskLibHandle disk = NULL;
    is(VixDiskLib_Open(connection, disk_path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), VIX_OK,
       "%s: Open", name);
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", name);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", name);
}

static void before_start(void)
{
    VixDiskLibConnection connection = (VixDiskLibConnection)8;
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    VixDiskLib_Exit();
    is_text(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd", "ListTransportModes before Init");
    char *text = VixDiskLib_GetErrorText(VIX_E_FAIL, NULL);
    is_text(text, "Unknown error", "GetErrorText before Init");
    VixDiskLib_FreeErrorText(text);
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    ok(params && params->specType == VIXDISKLIB_SPEC_VMX && !params->vmxSpec,
       "AllocateConnectParams before Init");
    is(VixDiskLib_Connect(NULL, &connection), VIX_E_DISK_NOINIT, "Connect before Init");
    ok(!connection, "Connect before Init clears the connection");
    is(VixDiskLib_Open(NULL, disk_path, 0, &disk), VIX_E_DISK_NOINIT, "Open before Init");
    ok(!disk, "Open before Init clears the handle");
    is(VixDiskLib_Close((VixDiskLibHandle)8), VIX_E_DISK_NOINIT, "Close before Init");
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_FreeConnectParams(NULL);
}

static void versions(void)
{
    static const uint32 pairs[][2] = {{1, 0}, {1, 2}, {5, 0}, {6, 0}, {6, 5},
                                      {6, 7}, {7, 0}, {8, 0}, {9, 0}, {0, 0}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        is(start(pairs[i][0], pairs[i][1]), VIX_OK, "InitEx %u.%u", pairs[i][0], pairs[i][1]);
        VixDiskLib_Exit();
    }
    is(VixDiskLib_Init(1, 0, on_log, on_warn, on_panic, NULL), VIX_OK, "Init");
    VixDiskLib_Exit();
    VixDiskLib_Exit();
}

static void counted(void)
{
    VixDiskLibConnection connection = NULL;
    forget();
    is(start(6, 5), VIX_OK, "first InitEx");
    ok(strstr(told.log, "VMware VixDiskLib (8.0.3) Release build-"), "the version line is there");
    ok(strstr(told.log, "virtual-disks"), "and who this really is");
    is_text(told.warn, "", "starting warns of nothing");
    is(VixDiskLib_InitEx(6, 7, NULL, NULL, NULL, NULL, NULL), VIX_OK, "second InitEx, all NULL");
    VixDiskLib_Exit();
    ok(strstr(told.log, "Unmatched Init calls so far: 1."), "Exit tells that an Init is left");
    is(VixDiskLib_Connect(NULL, &connection), VIX_OK, "still alive after one Exit of two");
    VixDiskLib_Exit();
    is(VixDiskLib_Disconnect(connection), VIX_E_DISK_NOINIT, "dead after the second");
    is(start(6, 5), VIX_OK, "and can be started again");
    is(VixDiskLib_Disconnect(connection), VIX_E_DISK_INVALID_CONNECTION,
       "a connection of the life before is none");
    VixDiskLib_Exit();
}

static void exit_ends_handles(void)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibHandle disk = NULL;
    uint8 sector[512];
    is(start(6, 5), VIX_OK, "InitEx");
    is(VixDiskLib_Connect(NULL, &connection), VIX_OK, "Connect");
    is(VixDiskLib_Open(connection, disk_path, 0, &disk), VIX_OK, "Open");
    VixDiskLib_Exit();
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_E_DISK_NOINIT, "Read after Exit");
    is(start(6, 5), VIX_OK, "InitEx");
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_E_INVALID_ARG, "Exit has closed the disk");
    VixDiskLib_Exit();
}

/* Structures of other generations end earlier; what follows them is somebody else's memory. */
static void short_params(size_t bytes)
{
    VixDiskLibConnection connection = NULL;
    unsigned char memory[256];
    memset(memory, 0xa5, sizeof memory);
    memset(memory, 0, bytes);
    VixDiskLibConnectParams *params = (VixDiskLibConnectParams *)(void *)memory;
    is(VixDiskLib_ConnectEx(params, TRUE, NULL, NULL, &connection), VIX_OK,
       "ConnectEx, %zu bytes of params and garbage behind", bytes);
    works(connection, "short params");
    VixDiskLib_FreeConnectParams(params); /* not ours: nothing happens */
    is(memory[255], 0xa5, "foreign params are left alone");
}

static void empty_strings(void)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    char *strings[6];
    for (int i = 0; i < 6; i++)
        strings[i] = strdup("");
    params->vmxSpec = strings[0];
    params->serverName = strings[1];
    params->thumbPrint = strings[2];
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = strings[3];
    params->creds.uid.password = strings[4];
    params->vimApiVer = strings[5];
    is(VixDiskLib_ConnectEx(params, 4, "", "", &connection), VIX_OK, "ConnectEx, all strings \"\"");
    for (int i = 0; i < 6; i++) {
        memset(strings[i], 'x', 1);
        free(strings[i]);
    }
    VixDiskLib_FreeConnectParams(params);
    works(connection, "empty strings, freed at once");
}

static void local_connections(void)
{
    VixDiskLibConnection connection = NULL;
    is(VixDiskLib_Connect(NULL, &connection), VIX_OK, "Connect, NULL params");
    works(connection, "NULL params");
    is(VixDiskLib_ConnectEx(NULL, FALSE, NULL, "bogus", &connection), VIX_OK,
       "ConnectEx, a transport nobody knows");
    works(connection, "bogus transport");
    short_params(72);
    short_params(80);
    short_params(128);
    empty_strings();

    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    params->specType = VIXDISKLIB_SPEC_UNKNOWN;
    params->thumbPrint = (char *)(uintptr_t) "12";
    is(VixDiskLib_ConnectEx(params, FALSE, "", NULL, &connection), VIX_OK,
       "ConnectEx, specType unknown");
    works(connection, "specType unknown");
    VixDiskLib_FreeConnectParams(params);
}

static void remote_connections(void)
{
    const VixDiskLibCreateParams create = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                                           .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                           .capacity = 2048};
    VixDiskLibConnection connection = (VixDiskLibConnection)8;
    static char server[] = "127.0.0.1";
    static char text[] = "text";
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    forget();
    params->serverName = server;
    params->port = 1; /* where nobody listens */
    params->credType = VIXDISKLIB_CRED_UID;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "remote without user");
    ok(!connection, "a failed Connect clears the connection");
    ok(strstr(told.warn, "a user name"), "and says what is missing");
    params->creds.uid.userName = text;
    params->creds.uid.password = text;
    forget();
    is(VixDiskLib_ConnectEx(params, FALSE, "snapshot-1", "nbdssl", &connection), VIX_OK,
       "remote: nothing is asked yet");
    is(lines_of(told.warn), 0, "and nothing to warn of");
    is(VixDiskLib_Open(connection, "[ds] a/a.vmdk", 0, &disk), VIX_E_HOST_NETWORK_CONN_REFUSED,
       "Open finds that nobody is there");
    ok(!disk, "and clears the handle");
    ok(strstr(told.warn, "127.0.0.1"), "and the server is named");
    is(lines_of(told.warn), 1, "in one line");
    is(VixDiskLib_Open(
           connection, "[ds] a/a.vmdk",
           VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB | VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ, &disk),
       VIX_E_INVALID_ARG, "Open with two compressions");
    is(VixDiskLib_Create(connection, "[ds] a/b.vmdk", NULL, NULL, NULL), VIX_E_INVALID_ARG,
       "Create there, of nothing");
    is(VixDiskLib_Create(connection, "[ds] a/b.vmdk", &create, NULL, NULL), VIX_E_NOT_SUPPORTED,
       "Create there, of a type that is made here alone");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    params->credType = VIXDISKLIB_CRED_TICKETID;
    is(VixDiskLib_Connect(params, &connection), VIX_E_NOT_SUPPORTED, "a ticket of VMware's own");
    params->credType = VIXDISKLIB_CRED_UID;
    params->port = 65536;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "no such port");
    params->port = 1;
    params->serverName = NULL;
    params->vmxSpec = text;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "a machine without server");
    params->vmxSpec = NULL;
    params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "an object without server");
    params->serverName = server;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "an object without id");
    params->spec.vStorageObjSpec.id = text;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "an object without datastore");
    params->credType = VIXDISKLIB_CRED_SESSIONID;
    params->creds.sessionId.cookie = NULL;
    is(VixDiskLib_Connect(params, &connection), VIX_E_INVALID_ARG, "a session without cookie");
    VixDiskLib_FreeConnectParams(params);
}

static void null_arguments(void)
{
    VixDiskLibInfo *info = (VixDiskLibInfo *)8;
    VixDiskLibBlockList *list = (VixDiskLibBlockList *)8;
    size_t length = 77;
    uint8 sector[512];
    is(VixDiskLib_Connect(NULL, NULL), VIX_E_INVALID_ARG, "Connect into NULL");
    is(VixDiskLib_ConnectEx(NULL, 0, NULL, NULL, NULL), VIX_E_INVALID_ARG, "ConnectEx into NULL");
    is(VixDiskLib_Disconnect(NULL), VIX_E_DISK_INVALID_CONNECTION, "Disconnect NULL");
    is(VixDiskLib_Close(NULL), VIX_E_INVALID_ARG, "Close NULL");
    is(VixDiskLib_GetInfo(NULL, &info), VIX_E_INVALID_ARG, "GetInfo NULL");
    ok(!info, "and the info is NULL");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_Read(NULL, 0, 1, sector), VIX_E_INVALID_ARG, "Read NULL");
    is(VixDiskLib_ReadAsync(NULL, 0, 1, sector, NULL, NULL), VIX_E_INVALID_ARG, "ReadAsync NULL");
    is(VixDiskLib_Wait(NULL), VIX_E_INVALID_ARG, "Wait NULL");
    ok(VixDiskLib_GetTransportMode(NULL), "GetTransportMode of NULL is not NULL");
    is(VixDiskLib_QueryAllocatedBlocks(NULL, 0, 128, 128, &list), VIX_E_INVALID_ARG,
       "QueryAllocatedBlocks NULL");
    ok(!list, "and the list is NULL");
    is(VixDiskLib_FreeBlockList(list), VIX_OK, "FreeBlockList NULL");
    is(VixDiskLib_ReadMetadata(NULL, "uuid", NULL, 0, &length), VIX_E_INVALID_ARG,
       "ReadMetadata NULL");
    is(length, 0, "and the length is 0");
    is(VixDiskLib_GetMetadataKeys(NULL, NULL, 0, &length), VIX_E_INVALID_ARG,
       "GetMetadataKeys NULL");
    VixDiskLib_FreeErrorText(NULL);
}

static void foreign_handles(void)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibHandle disk = NULL;
    char memory[64] = {0};
    uint8 sector[512];
    is(VixDiskLib_Connect(NULL, &connection), VIX_OK, "Connect");
    is(VixDiskLib_Open((VixDiskLibConnection)(void *)memory, disk_path, 0, &disk),
       VIX_E_DISK_INVALID_CONNECTION, "Open on a foreign connection");
    is(VixDiskLib_Close((VixDiskLibHandle)(void *)memory), VIX_E_INVALID_ARG, "a foreign handle");
    is(VixDiskLib_Close((VixDiskLibHandle)(void *)connection), VIX_E_INVALID_ARG,
       "a connection is not a disk");
    forget();
    is(VixDiskLib_Open(connection, disk_path, 0, &disk), VIX_OK, "Open");
    ok(strstr(told.log, "DISKLIB-LINK  : Opened '") && strstr(told.log, ": monolithicSparse, "),
       "which the log tells in the words programs look for");
    is_text(told.warn, "", "without a warning");
    is(VixDiskLib_Disconnect((VixDiskLibConnection)(void *)disk), VIX_E_DISK_INVALID_CONNECTION,
       "a disk is not a connection");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect before Close");
    is(VixDiskLib_Disconnect(connection), VIX_E_DISK_INVALID_CONNECTION, "Disconnect twice");
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_OK, "the disk still reads");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    forget();
    is(VixDiskLib_Close(disk), VIX_E_INVALID_ARG, "Close twice");
    is(lines_of(told.warn), 1, "is told once");
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_E_INVALID_ARG, "a closed handle");
}

/* A handle that was closed stays dead although another disk was opened since. */
static void stale_handles(void)
{
    VixDiskLibConnection connection = NULL;
    VixDiskLibHandle old = NULL;
    VixDiskLibHandle new = NULL;
    (void)VixDiskLib_Connect(NULL, &connection);
    is(VixDiskLib_Open(connection, disk_path, 0, &old), VIX_OK, "Open");
    is(VixDiskLib_Close(old), VIX_OK, "Close");
    is(VixDiskLib_Open(connection, disk_path, 0, &new), VIX_OK, "Open another");
    ok(new != old, "which has another address");
    is(VixDiskLib_Close(old), VIX_E_INVALID_ARG, "the old handle does not close it");
    is(VixDiskLib_Close(new), VIX_OK, "Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
}

static void error_texts(void)
{
    unsigned bad = 0;
    unsigned texts = 0;
    for (unsigned code = 0; code < 65536; code++) {
        char *text = VixDiskLib_GetErrorText(code, NULL);
        size_t length = text ? strlen(text) : 0;
        if (length == 0 || text[length - 1] == '.' || !isupper((unsigned char)text[0]))
            bad++;
        texts += text && (code == 1 || strcmp(text, "Unknown error") != 0);
        VixDiskLib_FreeErrorText(text);
    }
    is(bad, 0, "every code has a text without full stop");
    is(texts, 268, "and the defined ones have their own");
    static const struct {
        VixError code;
        const char *text;
    } samples[] = {
        {VIX_OK, "The operation was successful"},
        {VIX_E_INVALID_ARG, "One of the parameters was invalid"},
        {VIX_E_FILE_ACCESS_ERROR, "You do not have access rights to this file"},
        {VIX_E_HOST_NETWORK_CONN_REFUSED, "The server refused connection"},
        {VIX_E_DISK_ATTACH_ROOTLINK, "Both parent and child virtual disks are root links"},
        {UINT64_C(0x1234567800000004), "A file was not found"},
        {12345, "Unknown error"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char *text = VixDiskLib_GetErrorText(samples[i].code, i % 2 ? "fr_FR" : NULL);
        is_text(text, samples[i].text, "text of %llu", (unsigned long long)samples[i].code);
        VixDiskLib_FreeErrorText(text);
    }
}

/* Does FOLDER/vmware-<user>/NAME have a line with both the call's name and `text`? */
static bool log_tells(const char *folder, const char *name, const char *text)
{
    char pattern[4600];
    char line[1024];
    glob_t found;
    bool told_it = false;
    snprintf(pattern, sizeof pattern, "%s/vmware-*/%s", folder, name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    FILE *log = fopen(found.gl_pathv[0], "re");
    while (log && !told_it && fgets(line, sizeof line, log))
        told_it = strstr(line, "VixDiskLib_Disconnect") && strstr(line, text);
    if (log)
        fclose(log);
    globfree(&found);
    return told_it;
}

/* A line that means nothing costs its setting, and is told. */
static void bad_lines(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/bad-config", folder);
    FILE *file = fopen(path, "w");
    if (!file ||
        fputs("other.product = 1\nvixDiskLib.nfc.ReadTimeoutsMs = soon\n"
              "vixDiskLib.nfc.ReadTimeout = 1\n",
              file) < 0 ||
        fclose(file) != 0)
        abort();
    is(VixDiskLib_InitEx(6, 5, on_log, on_warn, NULL, NULL, path), VIX_OK,
       "InitEx, a configuration with bad lines");
    ok(strstr(told.warn, "line 2: vixDiskLib.nfc.ReadTimeoutsMs is 'soon', expected a number"),
       "a bad value is told in a warning");
    ok(strstr(told.warn, "line 3: no setting is called 'vixDiskLib.nfc.ReadTimeout'"),
       "and so is a name that is none");
    ok(!strstr(told.warn, "other.product"), "but not what others use");
    VixDiskLib_Exit();
}

/* The file named in the configuration gets what no callback takes. */
static void default_log(const char *folder)
{
    char name[64];
    VixDiskLibConnection connection = NULL;
    is(VixDiskLib_InitEx(6, 5, NULL, NULL, NULL, NULL, config_path), VIX_OK,
       "InitEx, no callbacks");
    is(VixDiskLib_Disconnect(connection), VIX_E_DISK_INVALID_CONNECTION, "something to tell");
    VixDiskLib_Exit();
    snprintf(name, sizeof name, "vixDiskLib-%ld.log", (long)getpid());
    ok(log_tells(folder, name, "Error 16054"), "is told in the default log");
    forget();
    is(VixDiskLib_InitEx(6, 5, on_log, on_warn, NULL, NULL, "/no/such/config"), VIX_OK,
       "InitEx, a configuration that is not there");
    ok(strstr(told.warn, "/no/such/config"), "it is named in a warning");
    VixDiskLib_Exit();
    forget();
    bad_lines(folder);
}

int main(void)
{
    const char *folder = getenv("VD_DISKS");
    if (!folder) {
        puts("1..0 # SKIP run by with-disks");
        return 0;
    }
    snprintf(disk_path, sizeof disk_path, "%s/sparse.vmdk", folder);
    snprintf(config_path, sizeof config_path, "%s/config", folder);
    before_start();
    versions();
    counted();
    exit_ends_handles();
    default_log(folder);

    is(start(6, 5), VIX_OK, "InitEx");
    local_connections();
    remote_connections();
    null_arguments();
    foreign_handles();
    stale_handles();
    error_texts();
    is_text(told.panic, "", "nothing panicked");
    VixDiskLib_Exit();
    return tap_done();
}
