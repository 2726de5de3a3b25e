/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped after the Ruby gem ffi-vix_disk_lib: asks the loader for the library by its full version,
 * the newest first, and takes from the name which structures it may pass and what it tells InitEx.
 * They are those of old generations: connect params of 72 bytes (before 6.5) or 80, create params
 * of 24, of info the first 56 bytes; what follows them in memory is noise.
 */
#include "consumer.h"

#define NOISE         0xa5
#define READ_ONLY     4
#define TOO_SMALL     24
#define SPARSE        1
#define LSILOGIC      3
#define NEW_SECTORS   4096
#define HARDWARE_ESX4 7

typedef uint64_t VixError;

static const char *const versions[] = {
    "8.0.3", "8.0.2", "8.0.1", "8.0.0", "7.0.3", "7.0.2", "7.0.1",
    "7.0.0", "6.7.3", "6.7.2", "6.7.1", "6.7.0", "6.5.4", "6.5.3",
    "6.5.2", "6.5.1", "6.5.0", "6.0.3", "6.0.2", "6.0.1", "6.0.0",
};

/* Before 6.5 the structure ends with the port, and with padding where the second port came. */
struct params {
    char *vmx, *server, *thumbprint;
    long private;
    int kind;
    char *user, *password, *key;
    uint32_t port, nfc_port;
    char *api;
};

struct create_params {
    int type, adapter;
    uint16_t hardware;
    uint64_t capacity;
};

struct info {
    uint32_t bios[3], phys[3];
    uint64_t capacity;
    int adapter, links;
    char *parent, *uuid;
};

typedef void log_function(const char *fmt, void *args);

static struct {
    VixError (*InitEx)(uint32_t, uint32_t, log_function *, log_function *, log_function *,
                       const char *, const char *);
    void (*Exit)(void);
    VixError (*Connect)(const struct params *, Connection *);
    VixError (*ConnectEx)(const struct params *, char, const char *, const char *, Connection *);
    VixError (*Disconnect)(Connection);
    VixError (*PrepareForAccess)(const struct params *, const char *);
    VixError (*EndAccess)(const struct params *, const char *);
    VixError (*GetConnectParams)(Connection, struct params **);
    void (*FreeConnectParams)(struct params *);
    VixError (*Create)(Connection, const char *, const struct create_params *, void *, void *);
    VixError (*Open)(Connection, const char *, uint32_t, Handle *);
    VixError (*Close)(Handle);
    VixError (*GetInfo)(Handle, struct info **);
    const char *(*GetTransportMode)(Handle);
    VixError (*Read)(Handle, uint64_t, uint64_t, uint8_t *);
    VixError (*ReadMetadata)(Handle, const char *, char *, uint64_t, uint64_t *);
    VixError (*GetMetadataKeys)(Handle, char *, uint64_t, uint64_t *);
    VixError (*SpaceNeededForClone)(Handle, int, uint64_t *);
    VixError (*CheckRepair)(Connection, const char *, char);
    VixError (*Rename)(const char *, const char *);
    VixError (*Unlink)(Connection, const char *);
    VixError (*Cleanup)(const struct params *, uint32_t *, uint32_t *);
    char *(*GetErrorText)(VixError, const char *);
    void (*FreeErrorText)(char *);
    void (*FreeInfo)(struct info *);
} vix;

static void bind_all(void *library)
{
#define BIND(name) *(void **)&vix.name = find(library, "VixDiskLib_" #name)
    BIND(InitEx);
    BIND(Exit);
    BIND(Connect);
    BIND(ConnectEx);
    BIND(Disconnect);
    BIND(PrepareForAccess);
    BIND(EndAccess);
    BIND(GetConnectParams);
    BIND(FreeConnectParams);
    BIND(Create);
    BIND(Open);
    BIND(Close);
    BIND(GetInfo);
    BIND(GetTransportMode);
    BIND(Read);
    BIND(ReadMetadata);
    BIND(GetMetadataKeys);
    BIND(SpaceNeededForClone);
    BIND(CheckRepair);
    BIND(Rename);
    BIND(Unlink);
    BIND(Cleanup);
    BIND(GetErrorText);
    BIND(FreeErrorText);
    BIND(FreeInfo);
#undef BIND
}

/* A va_list arrives as a pointer; the gem formats with it into 1024 bytes. */
static void log_line(const char *fmt, void *args)
{
    (void)args;
    if (strlen(fmt) >= 1024)
        abort();
}

/* As an old program lays it out: the structure, then whatever its stack held. */
struct noisy {
    struct params params;
    uint8_t behind[128];
};

static struct params *local_params(struct noisy *noisy, bool short_form)
{
    memset(noisy, NOISE, sizeof *noisy);
    memset(&noisy->params, 0, sizeof noisy->params);
    if (short_form) {
        noisy->params.nfc_port = 0xa5a5a5a5;
        memset(&noisy->params.api, NOISE, sizeof noisy->params.api);
    }
    noisy->params.kind = 1;
    return &noisy->params;
}

/* Keys and values: asked for the size, then read into exactly that, without a place for the size.
 */
static void read_all_metadata(Handle disk)
{
    uint64_t size = 0;
    is(vix.GetMetadataKeys(disk, NULL, 0, &size), TOO_SMALL, "the size of the keys");
    char *keys = malloc(size);
    is(vix.GetMetadataKeys(disk, keys, size, NULL), 0, "the keys");
    unsigned count = 0;
    unsigned wrong = 0;
    for (const char *key = keys; *key; key += strlen(key) + 1, count++) {
        uint64_t needed = 0;
        wrong += vix.ReadMetadata(disk, key, NULL, 0, &needed) != TOO_SMALL;
        char *value = malloc(needed);
        wrong += vix.ReadMetadata(disk, key, value, needed, NULL) != 0;
        wrong += strlen(value) + 1 != needed;
        free(value);
    }
    ok(count > 3, "there are several");
    is(wrong, 0, "and every value is read in two steps");
    free(keys);
}

static void read_disk(Connection connection, const char *name, const char *raw)
{
    Handle disk = NULL;
    struct info *info = NULL;
    uint64_t space = 0;
    is(vix.Open(connection, path_of(name), READ_ONLY, &disk), 0, "%s: Open", name);
    is(vix.GetInfo(disk, &info), 0, "GetInfo");
    is_text(vix.GetTransportMode(disk), "file", "transport mode");
    uint8_t *want = content_of(raw, info->capacity * 512);
    uint8_t *got = malloc(info->capacity * 512);
    is(vix.Read(disk, 0, info->capacity, got), 0, "Read");
    ok(memcmp(got, want, info->capacity * 512) == 0, "gives what the disk holds");
    is(vix.SpaceNeededForClone(disk, 2, &space), 0, "SpaceNeededForClone");
    ok(space >= info->capacity * 512, "is the capacity at least");
    read_all_metadata(disk);
    vix.FreeInfo(info);
    is(vix.Close(disk), 0, "Close");
    free(got);
    free(want);
}

/* 24 bytes, and noise behind them where newer programs have the sizes of sectors. */
static void create_disk(Connection connection)
{
    struct {
        struct create_params params;
        uint8_t behind[64];
    } noisy;
    Handle disk = NULL;
    struct info *info = NULL;
    memset(&noisy, NOISE, sizeof noisy);
    noisy.params.type = SPARSE;
    noisy.params.adapter = LSILOGIC;
    noisy.params.hardware = HARDWARE_ESX4;
    noisy.params.capacity = NEW_SECTORS;
    is(vix.Create(connection, path_of("ruby.vmdk"), &noisy.params, NULL, NULL), 0,
       "Create with 24 bytes of params");
    is(vix.Open(connection, path_of("ruby.vmdk"), 0, &disk), 0, "Open");
    is(vix.GetInfo(disk, &info), 0, "GetInfo");
    is(info->capacity, NEW_SECTORS, "capacity");
    vix.FreeInfo(info);
    is(vix.Close(disk), 0, "Close");
    is(vix.CheckRepair(connection, path_of("ruby.vmdk"), 0), 0, "CheckRepair");
    is(vix.Rename(path_of("ruby.vmdk"), path_of("renamed.vmdk")), 0, "Rename");
    is(vix.Unlink(connection, path_of("renamed.vmdk")), 0, "Unlink");
    ok(!exists("ruby.vmdk") && !exists("renamed.vmdk"), "nothing is left of it");
}

static void copy_of_params(Connection connection)
{
    struct params *copy = NULL;
    is(vix.GetConnectParams(connection, &copy), 0, "GetConnectParams");
    ok(copy && (!copy->server || !*copy->server), "names no server");
    vix.FreeConnectParams(copy);
}

static void session(const char *version)
{
    struct noisy noisy;
    bool short_form = strcmp(version, "6.5") < 0;
    struct params *params = local_params(&noisy, short_form);
    Connection connection = NULL;
    uint32_t cleaned = 7;
    printf("# as with %s\n", version);
    is(vix.InitEx((uint32_t)(version[0] - '0'), (uint32_t)(version[2] - '0'), log_line, log_line,
                  log_line, NULL, path_of("config")),
       0, "InitEx as of %s", version);
    is(vix.PrepareForAccess(params, "gem"), 0, "PrepareForAccess");
    is(vix.Connect(params, &connection), 0, "Connect");
    read_disk(connection, "sparse.vmdk", "sparse.raw");
    is(vix.Disconnect(connection), 0, "Disconnect");
    is(vix.ConnectEx(params, 0, NULL, NULL, &connection), 0, "ConnectEx");
    copy_of_params(connection);
    read_disk(connection, "grandchild.vmdk", "grandchild.raw");
    create_disk(connection);
    is(vix.Disconnect(connection), 0, "Disconnect");
    is(vix.EndAccess(params, "gem"), 0, "EndAccess");
    is(vix.Cleanup(params, &cleaned, NULL), 0, "Cleanup without a place for what is left");
    is(cleaned, 0, "nothing to clean up");
    char *text = vix.GetErrorText(TOO_SMALL, NULL);
    ok(text && *text && text[strlen(text) - 1] != '.', "text of an error, without a full stop");
    vix.FreeErrorText(text);
    vix.Exit();
}

/* The gem has no path: the loader must know the folder, which it learns when a program starts. */
static bool loader_knows_the_folder(char **argv)
{
    char lib64[4096];
    const char *known = getenv("LD_LIBRARY_PATH");
    snprintf(lib64, sizeof lib64, "%s/lib64", kit);
    if (known && strcmp(known, lib64) == 0)
        return true;
    setenv("LD_LIBRARY_PATH", lib64, 1);
    execv("/proc/self/exe", argv);
    return false;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!consumer_start())
        return 0;
    if (!loader_knows_the_folder(argv))
        return 1;
    unsetenv("LD_LIBRARY_PATH"); /* not for qemu-img */
    void *library = NULL;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char name[64];
        snprintf(name, sizeof name, "libvixDiskLib.so.%s", versions[i]);
        library = dlopen(name, RTLD_LAZY);
        ok(library, "%s is found by its name alone", name);
    }
    if (!library)
        return tap_done();
    bind_all(library);
    if (tap_failed > 0)
        return tap_done();
    session("8.0.3");
    session("6.7.0");
    session("6.0.0");
    return tap_done();
}
