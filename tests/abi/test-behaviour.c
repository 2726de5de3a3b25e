/* SPDX-License-Identifier: Apache-2.0 */
/* How the library behaves besides doing what it is asked: what it tells, what it owns, what it
 * makes of its configuration, which code says what. README.md in this folder says what the numbers
 * are. Knows only the public headers. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

#define VDDK_FAULT_IS_EXTERN
#include "disks.h"
#include "vddkFaultInjection.h"

#define SECTORS 20483
#define OPEN_RO VIXDISKLIB_FLAG_OPEN_READ_ONLY

/* What was told, and where. */
struct told {
    char text[65536];
    pthread_t thread;
    unsigned calls;
};
static struct told info_told;
static struct told warn_told;
static bool ask_back;

static void hear(struct told *told, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void hear(struct told *told, const char *fmt, va_list args)
{
    size_t used = strlen(told->text);
    vsnprintf(told->text + used, sizeof told->text - used, fmt, args);
    told->thread = pthread_self();
    told->calls++;
}

__attribute__((format(printf, 1, 0))) static void hear_info(const char *fmt, va_list args)
{
    hear(&info_told, fmt, args);
}

/* No lock is held: whatever may be called from here may call the library. */
__attribute__((format(printf, 1, 0))) static void hear_warning(const char *fmt, va_list args)
{
    VixDiskLibHandle disk = NULL;
    hear(&warn_told, fmt, args);
    if (!ask_back)
        return;
    ask_back = false;
    VixDiskLib_FreeErrorText(VixDiskLib_GetErrorText(1, NULL));
    if (VixDiskLib_Open(connection, path_of("sparse.vmdk"), OPEN_RO, &disk) == VIX_OK)
        VixDiskLib_Close(disk);
}

static void forget(void)
{
    memset(&info_told, 0, sizeof info_told);
    memset(&warn_told, 0, sizeof warn_told);
}

static void callbacks(void)
{
    VixDiskLibHandle disk = NULL;
    forget();
    ask_back = true;
    is(VixDiskLib_Open(connection, path_of("nothing.vmdk"), 0, &disk), VIX_E_FILE_NOT_FOUND,
       "5.2 a failing call");
    is(warn_told.calls, 1, "5.2 an error is told once");
    ok(pthread_equal(warn_told.thread, pthread_self()), "5.2 on the caller's thread");
    size_t length = strlen(warn_told.text);
    ok(length > 0 && length < 1000 && warn_told.text[length - 1] == '\n',
       "5.2 in a line, newline at its end");
    ok(!ask_back, "5.2 and the callback may call the library");

    forget();
    disk = open_disk("sparse.vmdk", 0);
    close_disk(disk, "sparse.vmdk");
    ok(info_told.calls > 0, "5.2 opening is told as information");
    is(warn_told.calls, 0, "5.2 which is no warning");
}

/* A copy of the params holds when everything it was made from is gone. */
static void params_copied(void)
{
    VixDiskLibConnection local = NULL;
    VixDiskLibConnectParams *copy = NULL;
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    char *thumb = strdup("12:34");
    char *user = strdup("root");
    char *key = strdup("pass");
    params->thumbPrint = thumb;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = user;
    params->creds.uid.password = key;
    params->port = 443;
    is(VixDiskLib_Connect(params, &local), VIX_OK, "5.3 Connect");
    free(thumb); /* first, without clearing the pointers */
    free(user);
    free(key);
    VixDiskLib_FreeConnectParams(params);
    is(VixDiskLib_GetConnectParams(local, &copy), VIX_OK, "6.3 GetConnectParams");
    is_text(copy->thumbPrint, "12:34", "6.3 has the thumbprint");
    is_text(copy->creds.uid.userName, "root", "6.3 the user");
    is_text(copy->creds.uid.password, "pass", "6.3 the password");
    is_text(copy->vmxSpec, NULL, "6.3 and NULL where there was none");
    is(copy->port, 443, "6.3 the port");
    is(VixDiskLib_Disconnect(local), VIX_OK, "6.3 Disconnect");
    is_text(copy->thumbPrint, "12:34", "6.3 and outlives the connection");
    is(VixDiskLib_Connect(copy, &local), VIX_OK, "6.3 a copy connects");
    is(VixDiskLib_Disconnect(local), VIX_OK, "6.3 Disconnect");
    copy->thumbPrint = NULL; /* the library knows its own */
    VixDiskLib_FreeConnectParams(copy);
    copy = (VixDiskLibConnectParams *)8;
    is(VixDiskLib_GetConnectParams(local, &copy), VIX_E_DISK_INVALID_CONNECTION,
       "6.3 GetConnectParams of a connection that is gone");
    ok(!copy, "5.4 leaves NULL");

    /* 80 bytes: no more is looked at, nor the version behind the ports. */
    struct {
        VixDiskLibConnectParams params;
    } old;
    memset(&old, 0x5a, sizeof old);
    memset(&old, 0, offsetof(VixDiskLibConnectParams, vimApiVer));
    is(VixDiskLib_Connect(&old.params, &local), VIX_OK, "5.3 Connect, old params");
    is(VixDiskLib_GetConnectParams(local, &copy), VIX_OK, "6.3 GetConnectParams");
    ok(!copy->vimApiVer && !copy->spec.vStorageObjSpec.id && copy->specType == VIXDISKLIB_SPEC_VMX,
       "5.3 what may not be there is not copied");
    VixDiskLib_FreeConnectParams(copy);
    is(VixDiskLib_Disconnect(local), VIX_OK, "5.3 Disconnect");
}

static void access_calls(void)
{
    static char server[] = "127.0.0.1";
    static char machine[] = "moref=vm-1";
    static char word[] = "word";
    uint32 cleaned = 7;
    uint32 remaining = 7;
    is(VixDiskLib_PrepareForAccess(NULL, "test"), VIX_OK, "6.3 PrepareForAccess, local");
    is(VixDiskLib_EndAccess(NULL, "test"), VIX_OK, "6.3 EndAccess, local");
    is(VixDiskLib_EndAccess(NULL, NULL), VIX_OK, "6.3 EndAccess again, without a name");
    is(VixDiskLib_Cleanup(NULL, &cleaned, &remaining), VIX_OK, "6.2 Cleanup, local");
    is(cleaned + remaining, 0, "6.2 has nothing to do");
    is(VixDiskLib_Cleanup(NULL, NULL, NULL), VIX_OK, "6.2 Cleanup without counters");

    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    params->serverName = server;
    params->port = 1; /* where nobody listens */
    params->vmxSpec = machine;
    params->credType = VIXDISKLIB_CRED_UID;
    is(VixDiskLib_PrepareForAccess(params, "test"), VIX_E_INVALID_ARG,
       "6.3 PrepareForAccess without a user");
    params->creds.uid.userName = word;
    params->creds.uid.password = word;
    forget();
    is(VixDiskLib_PrepareForAccess(params, "test"), VIX_E_HOST_NETWORK_CONN_REFUSED,
       "6.3 PrepareForAccess on a server that is not there");
    ok(warn_told.calls == 1 && strstr(warn_told.text, "127.0.0.1"), "6.3 in one sentence");
    is(VixDiskLib_EndAccess(params, "test"), VIX_E_HOST_NETWORK_CONN_REFUSED,
       "6.3 EndAccess all the same");
    cleaned = remaining = 7;
    is(VixDiskLib_Cleanup(params, &cleaned, &remaining), VIX_OK, "6.2 Cleanup there");
    is(cleaned + remaining, 0, "6.2 sets both counters");
    VixDiskLib_FreeConnectParams(params);
}

static void null_outputs(void)
{
    VixDiskLibHandle disk = open_disk("sparse.vmdk", OPEN_RO);
    is(VixDiskLib_Connect(NULL, NULL), VIX_E_INVALID_ARG, "5.4 Connect");
    is(VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, NULL), VIX_E_INVALID_ARG, "5.4 ConnectEx");
    is(VixDiskLib_GetConnectParams(connection, NULL), VIX_E_INVALID_ARG, "5.4 GetConnectParams");
    is(VixDiskLib_Open(connection, path_of("sparse.vmdk"), 0, NULL), VIX_E_INVALID_ARG, "5.4 Open");
    is(VixDiskLib_GetInfo(disk, NULL), VIX_E_INVALID_ARG, "5.4 GetInfo");
    is(VixDiskLib_SpaceNeededForClone(disk, VIXDISKLIB_DISK_UNKNOWN, NULL), VIX_E_INVALID_ARG,
       "5.4 SpaceNeededForClone");
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 128, 128, NULL), VIX_E_INVALID_ARG,
       "5.4 QueryAllocatedBlocks");
    VixDiskLib_FreeConnectParams(NULL);
    VixDiskLib_FreeInfo(NULL);
    VixDiskLib_FreeErrorText(NULL);
    is(VixDiskLib_FreeBlockList(NULL), VIX_OK, "5.4 every Free takes NULL");
    close_disk(disk, "5.4 sparse.vmdk");
}

static void uuid_and_geometry(void)
{
    VixDiskLibInfo *info = NULL;
    is(create("made.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, SECTORS), VIX_OK, "6.4 Create");
    VixDiskLibHandle disk = open_disk("made.vmdk", OPEN_RO);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "6.5 GetInfo");
    bool formed = info->uuid && strlen(info->uuid) == 47;
    for (size_t i = 0; formed && i < 47; i++)
        formed = i % 3 != 2 ? strchr("0123456789abcdefABCDEF", info->uuid[i]) != NULL
                            : info->uuid[i] == (i == 23 ? '-' : ' ');
    ok(formed, "6.5 the uuid is 16 pairs, a hyphen in the middle");
    is(info->physGeo.cylinders, SECTORS / (info->physGeo.heads * info->physGeo.sectors),
       "10.10 cylinders go with heads and sectors");
    ok(memcmp(&info->biosGeo, &info->physGeo, sizeof info->physGeo) == 0,
       "6.5 without BIOS geometry the physical one");
    VixDiskLib_FreeInfo(info);
    is_text(VixDiskLib_GetTransportMode(disk), "file", "10.3 transport mode");
    close_disk(disk, "6.5 made.vmdk");
    ok(create("sector.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 1) == VIX_OK, "6.4 one sector");
    ok(exists("sector-flat.vmdk"), "10.9 NAME-flat.vmdk");
    ok(create("parts.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, SECTORS) == VIX_OK &&
           exists("parts-s001.vmdk"),
       "10.9 NAME-s001.vmdk");
    ok(create("pieces.vmdk", VIXDISKLIB_DISK_SPLIT_FLAT, SECTORS) == VIX_OK &&
           exists("pieces-f001.vmdk"),
       "10.9 NAME-f001.vmdk");
}

static void content_id(char text[16])
{
    run("grep -a -m1 ^CID= sector.vmdk >cid");
    FILE *file = fopen(path_of("cid"), "r");
    if (!file || !fgets(text, 16, file))
        abort();
    fclose(file);
}

static void first_write(void)
{
    char before[16];
    char after[16];
    uint8 bytes[512] = {1};
    content_id(before);
    VixDiskLibHandle disk = open_disk("sector.vmdk", 0);
    is(VixDiskLib_Read(disk, 0, 1, bytes), VIX_OK, "6.6 Read");
    content_id(after);
    is_text(after, before, "10.8 reading leaves the content ID");
    is(VixDiskLib_Write(disk, 0, 1, bytes), VIX_OK, "6.6 Write");
    close_disk(disk, "6.6 sector.vmdk");
    content_id(after);
    ok(strcmp(before, after) != 0, "10.8 the first write changes it");
}

/* As large as one request of an NBD client can be. */
static void large_requests(void)
{
    const uint64 sectors = UINT64_C(64) << 11;
    uint8 *out = malloc(sectors * 512);
    uint8 *in = malloc(sectors * 512);
    unsigned seed = 1;
    fill(out, sectors, &seed);
    is(create("large.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, sectors + 100), VIX_OK, "Create");
    VixDiskLibHandle disk = open_disk("large.vmdk", 0);
    is(VixDiskLib_Write(disk, 50, sectors, out), VIX_OK, "6.6 Write of 64 MiB");
    is(VixDiskLib_Read(disk, 50, sectors, in), VIX_OK, "6.6 Read of 64 MiB");
    ok(memcmp(in, out, sectors * 512) == 0, "6.6 gives it back");
    close_disk(disk, "6.6 large.vmdk");
    unlink(path_of("large.vmdk"));
    free(out);
    free(in);
}

static void change_tracking(void)
{
    ok(run("cp sparse.vmdk tracked.vmdk") &&
           create("tracked-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 100) == VIX_OK &&
           run("sed -i 's/^version=1$/version=3/; $ a changeTrackPath=\"tracked-flat-ctk.vmdk\"' "
               "tracked-flat.vmdk && echo x >tracked-flat-ctk.vmdk"),
       "6.9 a disk with change tracking");
    is(VixDiskLib_Unlink(connection, path_of("tracked-flat.vmdk")), VIX_OK, "6.9 Unlink");
    ok(!exists("tracked-flat-ctk.vmdk") && !exists("tracked-flat-flat.vmdk"),
       "6.9 takes the -ctk.vmdk and the data along");
}

static void hooks(void)
{
    int error = 0;
    is(VixDiskLib_IsFaultEnabled(3, &error), FALSE, "7 no fault is set");
    is(VixDiskLib_SetInjectedFault(3, TRUE, 13), TRUE, "7 SetInjectedFault");
    is(VixDiskLib_IsFaultEnabled(3, &error), TRUE, "7 is kept");
    is(error, 13, "7 with its error");
    is(VixDiskLib_SetInjectedFault(3, FALSE, 0), TRUE, "7 taken back");
    is(VixDiskLib_IsFaultEnabled(3, NULL), FALSE, "7 and gone");
    is(VixDiskLib_SetInjectedFault(VDDK_FAULT_INJECTION_LAST_ENTRY - 1, TRUE, 1), TRUE,
       "7 the last");
    is(VixDiskLib_SetInjectedFault(VDDK_FAULT_INJECTION_LAST_ENTRY, TRUE, 1), FALSE, "7 no more");
    is(VixDiskLib_SetInjectedFault(-1, TRUE, 1), FALSE, "7 and none below 0");
    is(VixDiskLib_IsFaultEnabled(INT_MAX, &error), FALSE, "7 nor asked for");
    Perturb_Enable("f", 1);
    Perturb_Enable(NULL, 0);
}

static void start_lines(void)
{
    VixDiskLib_Exit();
    forget();
    is(VixDiskLib_InitEx(8, 0, hear_info, hear_warning, hear_warning, "/wrong/place", NULL), VIX_OK,
       "6.1 InitEx, libDir of nothing");
    ok(strstr(info_told.text, "VMware VixDiskLib (8.0.3) Release build-"), "10.1 the version");
    ok(strstr(info_told.text, "Advanced transport module not loaded."), "10.1 no plugin");
    ok(!strstr(info_told.text, "cannot open shared object file"), "10.1 without a loader's words");
    is(warn_told.calls, 0, "10.1 start is no warning");
    VixDiskLib_Exit();
    is(VixDiskLib_Cleanup(NULL, NULL, NULL), VIX_E_DISK_NOINIT, "10.12 Cleanup before Init");
    is(VixDiskLib_PrepareForAccess(NULL, "t"), VIX_E_DISK_NOINIT, "10.12 PrepareForAccess too");
    is_text(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd",
            "6.2 ListTransportModes before Init");
}

/* Does the file take effect? AllowOutsideFolder is what can be seen of it. */
static bool configured(const char *text)
{
    VixDiskLibConnection local = NULL;
    VixDiskLibHandle disk = NULL;
    FILE *file = fopen(path_of("conf"), "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    bool opened = VixDiskLib_InitEx(7, 0, on_log, on_log, on_log, "", path_of("conf")) == VIX_OK &&
                  unlink(path_of("conf")) == 0 && VixDiskLib_Connect(NULL, &local) == VIX_OK &&
                  VixDiskLib_Open(local, path_of("inner/outside.vmdk"), OPEN_RO, &disk) == VIX_OK;
    VixDiskLib_Exit();
    return opened;
}

#define ALLOW "vixDiskLib.disklib.AllowOutsideFolder"

static void configuration(void)
{
    ok(!configured(""), "10.2 an empty file");
    ok(configured(ALLOW "=1"), "10.2 name=value, the file removed at once");
    ok(configured(ALLOW "=1\r\n"), "10.2 lines of another system");
    ok(configured("  VIXdisklib.DISKLIB.allowoutsideFOLDER =  \"1\"  # why not\n"),
       "10.2 any case, spaces, quotes, a comment");
    ok(configured("# " ALLOW "=0\nno.such.key=5\nwithout a sign\n=\n" ALLOW "=1\n"),
       "10.2 comments, unknown keys and other lines");
    ok(!configured("# " ALLOW "=1\n"), "10.2 a comment sets nothing");
    ok(configured(ALLOW "=0\n" ALLOW "=1\n"), "10.2 the last one of a name applies");
    ok(!configured(ALLOW "=\"1\n" ALLOW "=\n"), "10.2 a value that is not closed, or empty");
    ok(!configured(ALLOW "=99999999999999999999999\n"), "10.2 a number beyond all");
    char *large = malloc(3 << 20);
    memset(large, '\n', 3 << 20);
    memcpy(large, ALLOW "=1", sizeof ALLOW + 1);
    large[(3 << 20) - 1] = '\0';
    ok(!configured(large), "10.2 a file of 3 MiB is none");
    free(large);
    is(VixDiskLib_InitEx(7, 0, on_log, on_log, on_log, "", path_of("inner")), VIX_OK,
       "6.1 InitEx, a folder as configuration");
    VixDiskLib_Exit();
}

static VixError open_result(const char *path)
{
    VixDiskLibHandle disk = NULL;
    VixError result = VixDiskLib_Open(connection, path, 0, &disk);
    if (disk)
        VixDiskLib_Close(disk);
    return result;
}

/* With the limit lowered for the time of a call. */
static VixError open_without_files(void)
{
    struct rlimit before;
    struct rlimit none = {3, 0};
    getrlimit(RLIMIT_NOFILE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    VixError result = open_result(path_of("made.vmdk"));
    setrlimit(RLIMIT_NOFILE, &before);
    return result;
}

static VixError create_too_big(void)
{
    struct rlimit before;
    struct rlimit small = {65536, 0};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    VixError result = create("big.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, SECTORS);
    setrlimit(RLIMIT_FSIZE, &before);
    return result;
}

static void codes(void)
{
    char name[400];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    is(open_result(path_of(name)), VIX_E_FILE_NAME_TOO_LONG, "10.12 a name too long: 20004");
    is(open_without_files(), VIX_E_DISK_TOOMANYOPENFILES, "10.12 too many open files: 16027");
    is(create_too_big(), VIX_E_FILE_TOO_BIG, "10.12 too big for the file system: 21");
    ok(run("! ls | grep ^big"), "6.4 and nothing is left of it");
    ok(create("half.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 99) == VIX_OK &&
           run("rm half-flat.vmdk"),
       "10.12 a disk without its data");
    is(open_result(path_of("half.vmdk")), VIX_E_FILE_NOT_FOUND, "10.12 is code 4");
    ok(run("cp made.vmdk newer.vmdk && printf '\\011' | dd of=newer.vmdk bs=1 seek=4 conv=notrunc"),
       "10.12 a disk of version 9");
    is(open_result(path_of("newer.vmdk")), VIX_E_DISK_UNSUPPORTEDDISKVERSION,
       "10.12 is code 16011");
    VixDiskLibHandle disk = open_disk("made.vmdk", 0);
    forget();
    is(open_result(path_of("made.vmdk")), VIX_E_FILE_ALREADY_LOCKED, "10.12 a lock held: 15");
    ok(strstr(warn_told.text, "DiskLib error 16392") &&
           strstr(warn_told.text, "Failed to lock the file"),
       "10.1 in the words programs look for");
    close_disk(disk, "10.12 made.vmdk");
    is(open_result(path_of("inner")) != VIX_OK, true, "10.12 a folder does not open");
    is(open_result("/dev/null") != VIX_OK, true, "10.12 nor a device");
    is(create("nowhere/x.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1), VIX_E_FILE_NOT_FOUND,
       "10.12 ENOENT: 4");
}

static void texts(void)
{
    static const VixError unknown[] = {17, 18, 19, 28, 33, 37, 38, 39, 40, 42, 43, 999, 65535};
    char *text = VixDiskLib_GetErrorText(VIX_E_DISK_OUTOFRANGE | UINT64_C(0x7700000000), "de_DE");
    is_text(text, "You have requested access to an area of the virtual disk that is out of bounds",
            "8 a text is chosen by the low 16 bits, whatever the locale");
    VixDiskLib_FreeErrorText(text);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        text = VixDiskLib_GetErrorText(unknown[i], NULL);
        is_text(text, "Unknown error", "8 code %llu does not exist",
                (unsigned long long)unknown[i]);
        VixDiskLib_FreeErrorText(text);
    }
}

int main(void)
{
    if (!start())
        return 0;
    is(VixDiskLib_InitEx(7, 0, hear_info, hear_warning, hear_warning, NULL, NULL), VIX_OK,
       "6.1 InitEx once more: the latest callbacks apply");
    callbacks();
    params_copied();
    access_calls();
    null_outputs();
    uuid_and_geometry();
    first_write();
    large_requests();
    change_tracking();
    hooks();
    codes();
    texts();
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_Exit();
    start_lines();
    configuration();
    return tap_done();
}
