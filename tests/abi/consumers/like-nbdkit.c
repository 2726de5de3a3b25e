/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped after nbdkit's vddk plugin (and so after virt-v2v, CDI, Forklift, migratekit, CloudStack,
 * which go through it): finds the library below libdir, all symbols at once; initialises after the
 * fork; per connection one worker thread takes commands from a queue, issues them asynchronously,
 * and is the only one to touch the handle; clients wait for their command. Flush waits first;
 * extents are asked for in chunks of 128 sectors, as many at a time as the interface allows.
 */
#include "consumer.h"

#define VIX_ASYNC         25000
#define SECTOR            512
#define MIN_CHUNK         128
#define MAX_CHUNKS        524288
#define READ_ONLY         4
#define QUEUE             64
#define CLIENTS           4
#define COMMANDS          200
#define CREATED_SECTORS   20480
#define MAX_WRITE_SECTORS 256

/* The interface as the plugin declares it. */
typedef uint64_t VixError;
struct geometry {
    uint32_t cylinders, heads, sectors;
};
struct info {
    struct geometry bios, phys;
    uint64_t capacity;
    int adapter, links;
    char *parent, *uuid;
    uint32_t logical, physical;
};
struct create_params {
    int type, adapter;
    uint16_t hardware;
    uint64_t capacity;
    uint32_t logical, physical;
};
struct block {
    uint64_t offset, length;
};
struct block_list {
    uint32_t count;
    struct block blocks[1];
};
typedef void log_function(const char *fmt, va_list args);
typedef void completion(void *data, VixError result);

static struct {
    VixError (*InitEx)(uint32_t, uint32_t, log_function *, log_function *, log_function *,
                       const char *, const char *);
    void (*Exit)(void);
    char *(*GetErrorText)(VixError, const char *);
    void (*FreeErrorText)(char *);
    void *(*AllocateConnectParams)(void);
    void (*FreeConnectParams)(void *);
    VixError (*ConnectEx)(const void *, char, const char *, const char *, Connection *);
    VixError (*Disconnect)(Connection);
    VixError (*Create)(Connection, const char *, const struct create_params *, void *, void *);
    VixError (*Open)(Connection, const char *, uint32_t, Handle *);
    VixError (*Close)(Handle);
    const char *(*GetTransportMode)(Handle);
    VixError (*GetInfo)(Handle, struct info **);
    void (*FreeInfo)(struct info *);
    VixError (*Read)(Handle, uint64_t, uint64_t, uint8_t *);
    VixError (*Write)(Handle, uint64_t, uint64_t, const uint8_t *);
    VixError (*ReadAsync)(Handle, uint64_t, uint64_t, uint8_t *, completion *, void *);
    VixError (*WriteAsync)(Handle, uint64_t, uint64_t, const uint8_t *, completion *, void *);
    VixError (*Flush)(Handle);
    VixError (*Wait)(Handle);
    VixError (*QueryAllocatedBlocks)(Handle, uint64_t, uint64_t, uint64_t, struct block_list **);
    VixError (*FreeBlockList)(struct block_list *);
    const char *(*ListTransportModes)(void);
} vix;

/* Its search: of each generation below lib64, then beside it; 9 is tried first since 1.47. */
static void *search(int newest)
{
    static const char *places[] = {"lib64/", ""};
    void *library = NULL;
    for (int generation = newest; generation >= 6 && !library; generation--) {
        for (unsigned i = 0; i < 2 && !library; i++) {
            char name[64];
            snprintf(name, sizeof name, "%slibvixDiskLib.so.%d", places[i], generation);
            library = load(kit, name, RTLD_NOW);
            if (library)
                printf("# %s\n", name);
        }
    }
    return library;
}

/* What --dump-plugin prints as vddk_dll. */
static void check_file_name(void)
{
    Dl_info where = {0};
    char *real = dladdr(*(void **)&vix.InitEx, &where) ? realpath(where.dli_fname, NULL) : NULL;
    ok(real && strstr(real, "/vmware-vix-disklib-distrib/lib64/libvixDiskLib.so.8.0.3"),
       "vddk_dll is in the kit and names the version");
    free(real);
}

static void bind_all(void *library)
{
#define BIND(name) *(void **)&vix.name = find(library, "VixDiskLib_" #name)
    BIND(InitEx);
    BIND(Exit);
    BIND(GetErrorText);
    BIND(FreeErrorText);
    BIND(AllocateConnectParams);
    BIND(FreeConnectParams);
    BIND(ConnectEx);
    BIND(Disconnect);
    BIND(Create);
    BIND(Open);
    BIND(Close);
    BIND(GetTransportMode);
    BIND(GetInfo);
    BIND(FreeInfo);
    BIND(Read);
    BIND(Write);
    BIND(ReadAsync);
    BIND(WriteAsync);
    BIND(Flush);
    BIND(Wait);
    BIND(QueryAllocatedBlocks);
    BIND(FreeBlockList);
    BIND(ListTransportModes);
#undef BIND
}

static unsigned user_errors;

__attribute__((format(printf, 1, 0))) static void debug_line(const char *fmt, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, fmt, args);
    if (strstr(line, "cannot open shared object file"))
        user_errors++;
}

__attribute__((format(printf, 1, 0))) static void error_line(const char *fmt, va_list args)
{
    printf("# ");
    vprintf(fmt, args);
    user_errors++;
}

/* Commands and their worker */

enum verb { READ, WRITE, FLUSH, STOP };

struct command {
    enum verb verb;
    uint8_t *bytes;
    uint64_t start, count;
    pthread_mutex_t lock;
    pthread_cond_t done;
    int result; /* 0 while it runs, then 1 or -1 */
};

struct served {
    void *params;
    Connection connection;
    Handle disk;
    uint64_t capacity;
    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct command *queue[QUEUE];
    unsigned queued;
    uint8_t *model;
};

static void complete(void *data, VixError result)
{
    struct command *command = data;
    pthread_mutex_lock(&command->lock);
    command->result = result == 0 ? 1 : -1;
    pthread_cond_signal(&command->done);
    pthread_mutex_unlock(&command->lock);
}

static int order(struct served *served, struct command *command)
{
    pthread_mutex_init(&command->lock, NULL);
    pthread_cond_init(&command->done, NULL);
    command->result = 0;
    pthread_mutex_lock(&served->lock);
    served->queue[served->queued++] = command;
    pthread_cond_signal(&served->changed);
    pthread_mutex_unlock(&served->lock);
    pthread_mutex_lock(&command->lock);
    while (command->result == 0)
        pthread_cond_wait(&command->done, &command->lock);
    pthread_mutex_unlock(&command->lock);
    pthread_mutex_destroy(&command->lock);
    pthread_cond_destroy(&command->done);
    return command->result;
}

static struct command *next_command(struct served *served)
{
    pthread_mutex_lock(&served->lock);
    while (served->queued == 0)
        pthread_cond_wait(&served->changed, &served->lock);
    struct command *command = served->queue[0];
    served->queued--;
    memmove(served->queue, served->queue + 1, served->queued * sizeof *served->queue);
    pthread_mutex_unlock(&served->lock);
    return command;
}

/* Only the exact VIX_ASYNC means that the callback will come. */
static void issue(struct served *served, struct command *command)
{
    VixError result = 0;
    bool later = false;
    if (command->verb == READ) {
        result = vix.ReadAsync(served->disk, command->start, command->count, command->bytes,
                               complete, command);
        later = result == VIX_ASYNC;
    } else if (command->verb == WRITE) {
        result = vix.WriteAsync(served->disk, command->start, command->count, command->bytes,
                                complete, command);
        later = result == VIX_ASYNC;
    } else {
        result = vix.Wait(served->disk);
        if (result == 0 && command->verb == FLUSH)
            result = vix.Flush(served->disk);
    }
    if (!later)
        complete(command, result);
}

static void *work(void *data)
{
    struct served *served = data;
    bool stop = false;
    while (!stop) {
        struct command *command = next_command(served);
        stop = command->verb == STOP;
        issue(served, command);
    }
    return NULL;
}

/* Opening and closing, in the plugin's order */

static void open_served(struct served *served, const char *name, bool read_only,
                        const struct create_params *create)
{
    struct info *info = NULL;
    *served =
        (struct served){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    served->params = vix.AllocateConnectParams();
    ok(served->params, "AllocateConnectParams");
    is(vix.ConnectEx(served->params, read_only, NULL, NULL, &served->connection), 0, "ConnectEx");
    if (create)
        is(vix.Create(served->connection, path_of(name), create, NULL, NULL), 0, "Create");
    is(vix.Open(served->connection, path_of(name), read_only ? READ_ONLY : 0, &served->disk), 0,
       "%s: Open", name);
    is_text(vix.GetTransportMode(served->disk), "file", "transport mode");
    is(vix.GetInfo(served->disk, &info), 0, "GetInfo");
    served->capacity = info->capacity;
    is(info->logical, SECTOR, "logical sectors, as a library of 7 and later tells them");
    vix.FreeInfo(info);
    if (pthread_create(&served->worker, NULL, work, served) != 0)
        abort();
}

static void close_served(struct served *served)
{
    struct command stop = {.verb = STOP};
    is(order(served, &stop), 1, "stop");
    pthread_join(served->worker, NULL);
    is(vix.Close(served->disk), 0, "Close");
    is(vix.Disconnect(served->connection), 0, "Disconnect");
    vix.FreeConnectParams(served->params);
    free(served->model);
}

/* Clients, each in its own stretch of the disk */

struct client {
    struct served *served;
    pthread_t thread;
    uint64_t first, sectors;
    unsigned seed;
    unsigned refused, wrong;
};

static void client_write(struct client *client, uint64_t start, uint64_t count)
{
    uint8_t *at = client->served->model + start * SECTOR;
    for (uint64_t i = 0; i < count * SECTOR; i++)
        at[i] = (uint8_t)rand_r(&client->seed);
    struct command write = {.verb = WRITE, .bytes = at, .start = start, .count = count};
    client->refused += order(client->served, &write) != 1;
}

static void client_read(struct client *client, uint64_t start, uint64_t count)
{
    uint8_t *bytes = malloc(count * SECTOR);
    struct command read = {.verb = READ, .bytes = bytes, .start = start, .count = count};
    client->refused += order(client->served, &read) != 1;
    client->wrong += memcmp(bytes, client->served->model + start * SECTOR, count * SECTOR) != 0;
    free(bytes);
}

static void *client_run(void *data)
{
    struct client *client = data;
    for (unsigned i = 0; i < COMMANDS; i++) {
        uint64_t start = client->first + (uint64_t)rand_r(&client->seed) % client->sectors;
        uint64_t left = client->first + client->sectors - start;
        uint64_t count = (uint64_t)rand_r(&client->seed) % MAX_WRITE_SECTORS + 1;
        count = count < left ? count : left;
        if (i % 2 == 0)
            client_write(client, start, count);
        else
            client_read(client, start, count);
        if (i % 50 == 49) {
            struct command flush = {.verb = FLUSH};
            client->refused += order(client->served, &flush) != 1;
        }
    }
    return NULL;
}

static void run_clients(struct served *served)
{
    struct client clients[CLIENTS];
    unsigned refused = 0;
    unsigned wrong = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        uint64_t each = served->capacity / CLIENTS;
        clients[i] =
            (struct client){.served = served, .first = i * each, .sectors = each, .seed = i + 1};
        if (pthread_create(&clients[i].thread, NULL, client_run, &clients[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        refused += clients[i].refused;
        wrong += clients[i].wrong;
    }
    is(refused, 0, "every command succeeds");
    is(wrong, 0, "every read gives what was written last");
}

/* What no block covers must be zeros, up to the end of the disk rounded up. */
static void walk_extents(struct served *served)
{
    struct block_list *list = NULL;
    is(vix.QueryAllocatedBlocks(served->disk, 0, MIN_CHUNK, MIN_CHUNK, &list), 0,
       "probe for extents");
    vix.FreeBlockList(list);
    uint64_t position = 0;
    bool zeros = true;
    bool ascending = true;
    for (uint64_t start = 0; start < served->capacity;) {
        uint64_t chunks = (served->capacity - start + MIN_CHUNK - 1) / MIN_CHUNK;
        uint64_t sectors = (chunks < MAX_CHUNKS ? chunks : MAX_CHUNKS) * MIN_CHUNK;
        if (!is(vix.QueryAllocatedBlocks(served->disk, start, sectors, MIN_CHUNK, &list), 0,
                "extents"))
            return;
        for (uint32_t i = 0; i < list->count; i++) {
            ascending = ascending && list->blocks[i].offset >= position;
            for (; position < list->blocks[i].offset; position++)
                for (unsigned byte = 0; byte < SECTOR; byte++)
                    zeros = zeros && served->model[position * SECTOR + byte] == 0;
            position = list->blocks[i].offset + list->blocks[i].length;
        }
        vix.FreeBlockList(list);
        start += sectors;
    }
    ok(ascending, "extents ascend");
    ok(zeros, "and between them are zeros");
}

static void serve_existing(const char *name, const char *raw)
{
    struct served served;
    open_served(&served, name, false, NULL);
    served.model = content_of(raw, served.capacity * SECTOR);
    walk_extents(&served);
    run_clients(&served);
    walk_extents(&served);
    uint8_t *model = served.model;
    served.model = NULL;
    uint64_t bytes = served.capacity * SECTOR;
    close_served(&served);
    disk_holds(name, model, bytes);
    free(model);
}

/* create=true with the plugin's defaults: monolithic sparse, BusLogic, hardware version 4. */
static void serve_created(void)
{
    struct create_params params = {
        .type = 1, .adapter = 2, .hardware = 4, .capacity = CREATED_SECTORS};
    struct served served;
    open_served(&served, "made.vmdk", false, &params);
    is(served.capacity, CREATED_SECTORS, "capacity");
    served.model = calloc(CREATED_SECTORS, SECTOR);
    walk_extents(&served);
    run_clients(&served);
    close_served(&served);
    ok(run("[ \"$(head -c 4 made.vmdk)\" = KDMV ]"), "what was made begins as VMware's does");
}

static void serve_read_only(void)
{
    struct served served;
    struct command write = {.verb = WRITE, .count = 1};
    uint8_t sector[SECTOR] = {1};
    open_served(&served, "stream.vmdk", true, NULL);
    served.model = content_of("stream.raw", served.capacity * SECTOR);
    walk_extents(&served);
    unsigned errors = user_errors;
    write.bytes = sector;
    is(order(&served, &write), -1, "a write on a read-only connection fails");
    is(user_errors, errors + 1, "and is told once");
    user_errors = errors;
    close_served(&served);
}

static int serve(void)
{
    is(vix.InitEx(6, 5, debug_line, error_line, error_line, kit, NULL), 0, "InitEx after the fork");
    serve_existing("sparse.vmdk", "sparse.raw");
    serve_existing("flat.vmdk", "flat.raw");
    serve_existing("split.vmdk", "split.raw");
    serve_existing("grandchild.vmdk", "grandchild.raw");
    serve_created();
    serve_read_only();
    char *text = vix.GetErrorText(1, NULL);
    is_text(text, "Unknown error", "the text it prints for error 1");
    vix.FreeErrorText(text);
    vix.Exit();
    is(user_errors, 0, "nothing else was told as an error");
    return tap_done();
}

int main(void)
{
    if (!consumer_start())
        return 0;
    ok(search(9), "the library is found as 1.47 looks for it");
    void *library = search(8);
    if (!ok(library, "and as 2023's plugin does"))
        return tap_done();
    bind_all(library);
    if (tap_failed > 0)
        return tap_done();
    check_file_name();
    ok(strncmp(vix.ListTransportModes(), "file", 4) == 0, "transport modes, before InitEx");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(serve());
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
