/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way to a server, at every message of a session: a call recovers, or fails
 * with the right error and a sentence, in bounded time; no wrong byte is delivered, what was
 * written is there, and no log holds a secret.
 *
 * test-faults WHAT...: what each simulator is: the version of its NFC library, or "esxi". */
#include <fcntl.h>

#include "rows.h"

#define MIB (1u << 20)
/* The end of the connection after so many bytes of any message; the first thousands are small ones.
 */
#define BY_BYTES        "drop-once"
#define BY_BYTES_PLACES 24u
#define PLACES_MAX      90u
#define WRITE_AT        2048u /* sectors of the data disk that are written */
#define WRITE_SECTORS   (3u * MIB / 512)

/* VixErrors, as the interface numbers them. */
enum {
    FAIL = 1,
    NO_MEMORY = 2,
    NOT_SUPPORTED = 6,
    LOGIN = 3014,
    PROTOCOL = 14006,
    REFUSED = 14009,
    TIMED_OUT = 14010,
    DISCONNECTED = 14011,
    HTTP_STATUS = 30022,
    TLS = 30035,
};

enum session {
    READS,
    WRITES,
    HELD = 2,   /* with PrepareForAccess and EndAccess around it */
    PACKED = 4, /* by FastLZ on the way */
};

enum outcome {
    MAY_FAIL,
    FAILS, /* wherever the fault strikes */
    RECOVERS,
    OPENS, /* may fail while the disk is opened, and recovers afterwards */
};

/* Places 0: the fault has the value alone. Else it is set for first, first + step, ... until it no
 * more strikes. */
struct row {
    const char *server;
    const char *modes;
    unsigned session;
    const char *fault, *value;
    unsigned first, step;
    enum outcome outcome;
    VixError codes[4]; /* that a call may fail with */
};

/* clang-format off */
#define EACH NULL, 1, 1

#define NFC_ROWS(server, modes, session)                                               \
    {server, modes, session, "drop-answer-once", EACH, OPENS, {DISCONNECTED}},         \
    {server, modes, session, "drop-answer", EACH, MAY_FAIL, {DISCONNECTED}},           \
    {server, modes, session, "bad-answer", EACH, MAY_FAIL, {PROTOCOL}},                \
    {server, modes, session, "refuse-request", EACH, MAY_FAIL, {FAIL, NOT_SUPPORTED}}, \
    {server, modes, session, "refuse-memory", EACH, OPENS, {NO_MEMORY}},               \
    {server, modes, session, "error-frame", EACH, MAY_FAIL, {FAIL}},                   \
    {server, modes, session, "bad-length", EACH, MAY_FAIL, {PROTOCOL}},                \
    {server, modes, session, "fragment-outside", EACH, MAY_FAIL, {PROTOCOL}},          \
    {server, modes, session, "bad-status", EACH, MAY_FAIL, {FAIL}}

/* In parts, so that they run beside each other: most of their time is waited. */
#define STALL_ROWS(server, modes, session)                                             \
    {server, modes, session, "stall-once", NULL, 0, 3, OPENS, {TIMED_OUT}},            \
    {server, modes, session, "stall-once", NULL, 1, 3, OPENS, {TIMED_OUT}},            \
    {server, modes, session, "stall-once", NULL, 2, 3, OPENS, {TIMED_OUT}},            \
    {server, modes, session, "stall", NULL, 3, 9, MAY_FAIL, {TIMED_OUT}}

#define ORDER_ROWS(server, modes, session)                                             \
    {server, modes, session, "reverse-fragments", "true", 0, 0, RECOVERS, {0}},        \
    {server, modes, session, "interleave", "true", 0, 0, RECOVERS, {0}},               \
    {server, modes, session, "odd-fragments", "true", 0, 0, RECOVERS, {0}},            \
    {server, modes, session, "memory-error", "3", 0, 0, RECOVERS, {0}},                \
    {server, modes, session, "latency-ms", "3", 0, 0, RECOVERS, {0}},                  \
    {server, modes, session, "bandwidth", "30000000", 0, 0, RECOVERS, {0}},            \
    {server, modes, session, "late-36", "true", 0, 0, RECOVERS, {0}},                  \
    {server, modes, session, "drop-once", "3000000", 0, 0, RECOVERS, {0}}

/* No frames, so no faults of frames. The first connection ends where it is clear that there are none. */
#define SYNC_ROWS(server, modes, session)                                              \
    {server, modes, session, "stall-once", NULL, 0, 3, OPENS, {TIMED_OUT}},            \
    {server, modes, session, "drop-answer-once", EACH, OPENS, {DISCONNECTED}},         \
    {server, modes, session, "drop-answer", EACH, MAY_FAIL, {DISCONNECTED}},           \
    {server, modes, session, "bad-answer", EACH, MAY_FAIL, {PROTOCOL}},                \
    {server, modes, session, "refuse-request", EACH, MAY_FAIL, {FAIL}},                \
    {server, modes, session, "refuse-memory", EACH, OPENS, {NO_MEMORY}},               \
    {server, modes, session, "memory-error", "3", 0, 0, RECOVERS, {0}},                \
    {server, modes, session, "latency-ms", "3", 0, 0, RECOVERS, {0}},                  \
    {server, modes, session, "drop-once", "1000000", 0, 0, RECOVERS, {0}}

#define AUTHD_ROWS(server, modes, session)                                             \
    {server, modes, session, "authd-drop", EACH, FAILS, {DISCONNECTED, TLS}},          \
    {server, modes, session, "authd-stall", EACH, FAILS, {TIMED_OUT, REFUSED}},        \
    {server, modes, session, "authd-refuse", EACH, FAILS, {LOGIN, TLS, PROTOCOL}},     \
    {server, modes, session, "authd-endless", EACH, FAILS, {PROTOCOL, TLS, LOGIN}},    \
    {server, modes, session, "refuse-tickets", "true", 0, 0, FAILS, {LOGIN}}

#define SOAP_ROWS(server, session)                                                     \
    {server, "nbd", session, "http-drop-once", EACH, MAY_FAIL, {DISCONNECTED}},        \
    {server, "nbd", session, "http-cut-once", EACH, MAY_FAIL, {DISCONNECTED}},         \
    {server, "nbd", session, "http-500-once", EACH, MAY_FAIL, {HTTP_STATUS}},          \
    {server, "nbd", session, "http-503-once", EACH, RECOVERS, {0}},                    \
    {server, "nbd", session, "truncated-xml-once", EACH, MAY_FAIL, {PROTOCOL}},        \
    {server, "nbd", session, "wrong-answer-once", EACH, MAY_FAIL, {PROTOCOL}},         \
    {server, "nbd", session, "empty-answer-once", EACH, MAY_FAIL, {PROTOCOL}},         \
    {server, "nbd", session, "no-session-once", EACH, MAY_FAIL, {LOGIN}},              \
    {server, "nbd", session, "http-stall-once", NULL, 1, 3, MAY_FAIL, {TIMED_OUT}},    \
    {server, "nbd", session, "http-stall-once", NULL, 2, 3, MAY_FAIL, {TIMED_OUT}},    \
    {server, "nbd", session, "http-stall-once", NULL, 3, 3, MAY_FAIL, {TIMED_OUT}}

/* Those that last are met at some calls: the client waits before it tries again. */
#define LASTING_SOAP_ROWS(server, session)                                             \
    {server, "nbd", session, "http-drop", NULL, 2, 7, MAY_FAIL, {DISCONNECTED}},       \
    {server, "nbd", session, "http-503", NULL, 1, 6, MAY_FAIL, {HTTP_STATUS}},         \
    {server, "nbd", session, "http-500", NULL, 1, 2, MAY_FAIL, {HTTP_STATUS}},         \
    {server, "nbd", session, "no-session", NULL, 1, 2, MAY_FAIL, {LOGIN}},             \
    {server, "nbd", session, "entity-bomb", NULL, 1, 2, MAY_FAIL, {PROTOCOL}},         \
    {server, "nbd", session, "endless-xml", NULL, 1, 4, MAY_FAIL, {PROTOCOL}},         \
    {server, "nbd", session, "expired-session-after", "2", 0, 0, RECOVERS, {0}},       \
    {server, "nbd", session, "wrong-certificate", "true", 0, 0, FAILS, {FAIL}}

/* Those that wait come first: others fill the time. */
static const struct row rows[] = {
    STALL_ROWS("11", "nbd", READS),
    STALL_ROWS("11", "nbdssl", WRITES),
    LASTING_SOAP_ROWS("11", HELD | WRITES),
    SOAP_ROWS("11", HELD | READS),
    AUTHD_ROWS("11", "nbdssl", READS),
    {"11", "nbdssl", READS, "wrong-second-certificate", "true", 0, 0, FAILS, {FAIL}},
    {"11", "nbd", READS, "missing-privilege", "\"VirtualMachine.Provisioning.DiskRandomRead\"", 0, 0,
     FAILS, {LOGIN}},
    {"11", "nbd", READS, BY_BYTES, NULL, 0, 131, OPENS, {DISCONNECTED}},
    NFC_ROWS("11", "nbd", READS),
    NFC_ROWS("11", "nbdssl", WRITES | PACKED),
    ORDER_ROWS("11", "nbd", READS),
    ORDER_ROWS("11", "nbdssl", WRITES),
    {"7", "nbd", WRITES, "stall-once", NULL, 0, 4, OPENS, {TIMED_OUT}},
    AUTHD_ROWS("7", "nbd", WRITES),
    NFC_ROWS("7", "nbd", WRITES),
    ORDER_ROWS("7", "nbdssl", READS | PACKED),
    NFC_ROWS("7", "nbd", READS | PACKED),
    {"2", "nbdssl", READS, "stall-once", NULL, 0, 4, OPENS, {TIMED_OUT}},
    NFC_ROWS("2", "nbdssl", READS),
    ORDER_ROWS("2", "nbd", WRITES),
    SYNC_ROWS("0", "nbd", READS),
    SYNC_ROWS("0", "nbdssl", WRITES),
    SOAP_ROWS("esxi", HELD | WRITES),
    ORDER_ROWS("esxi", "nbdssl", WRITES),
    NFC_ROWS("esxi", "nbdssl", READS),
};
/* clang-format on */

static uint8 *web, *data; /* what the disks hold; a child changes its own */
static size_t web_bytes, data_bytes;
static double slowest_seconds = 40; /* of one session: its calls may each wait, and try again */

/* What came of one session. */
struct visit {
    VixError code;  /* of the first call that failed */
    const char *at; /* which that was; NULL: none */
    bool opened;    /* before it failed */
    bool good;      /* bytes and sentences, as far as met */
    double seconds;
};

static bool went(struct visit *visit, const char *call, VixError result)
{
    if (result == VIX_OK)
        return true;
    if (!visit->at) {
        visit->at = call;
        visit->code = result;
    }
    if (!strchr(heard.warn, '\'')) {
        printf("%s failed with %llu and no sentence: %s\n", call, (unsigned long long)result,
               heard.warn);
        visit->good = false;
    }
    return false;
}

static bool same_bytes(struct visit *visit, const uint8 *got, const uint8 *want, size_t bytes)
{
    if (memcmp(got, want, bytes) == 0)
        return true;
    printf("wrong bytes were delivered\n");
    visit->good = false;
    return false;
}

static bool read_part(struct visit *visit, VixDiskLibHandle disk, const uint8 *all, size_t at,
                      size_t bytes)
{
    uint8 *got = malloc(bytes);
    memset(got, 0xcc, bytes);
    bool right = went(visit, "Read", VixDiskLib_Read(disk, at / 512, bytes / 512, got)) &&
                 same_bytes(visit, got, all + at, bytes);
    free(got);
    return right;
}

static bool is_zero(const uint8 *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Blocks left out must be zeros. */
static bool map(struct visit *visit, VixDiskLibHandle disk, const uint8 *all, size_t bytes)
{
    VixDiskLibBlockList *list = NULL;
    uint64_t at = 0, sectors = bytes / 512 / 128 * 128;
    bool right = true;
    if (!went(visit, "QueryAllocatedBlocks",
              VixDiskLib_QueryAllocatedBlocks(disk, 0, sectors, 128, &list)))
        return false;
    for (uint32 i = 0; i <= list->numBlocks; i++) {
        uint64_t start = i < list->numBlocks ? list->blocks[i].offset : sectors;
        right = right && (start <= at || is_zero(all + at * 512, (start - at) * 512));
        at = i < list->numBlocks ? start + list->blocks[i].length : at;
    }
    VixDiskLib_FreeBlockList(list);
    if (!right)
        printf("a block with data was left out\n");
    visit->good = visit->good && right;
    return right;
}

static bool read_everything_once(struct visit *visit, VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    if (!went(visit, "GetInfo", VixDiskLib_GetInfo(disk, &info)))
        return false;
    VixDiskLib_FreeInfo(info);
    return map(visit, disk, web, web_bytes) && read_part(visit, disk, web, 0, 100 * 1024) &&
           read_part(visit, disk, web, 5 * MIB, 4 * MIB) &&
           read_part(visit, disk, web, web_bytes - 512, 512);
}

/* What a write that failed left behind is old or new, sector by sector; what one that succeeded
 * wrote is there. */
static void settle(struct visit *visit, const uint8 *now, const uint8 *old, const uint8 *new_bytes,
                   bool written)
{
    for (size_t at = 0; at < (size_t)WRITE_SECTORS * 512; at += 512) {
        bool is_new = memcmp(now + at, new_bytes + at, 512) == 0;
        if (is_new || (!written && memcmp(now + at, old + at, 512) == 0))
            continue;
        printf("sector %zu is neither old nor new after a write that %s\n", WRITE_AT + at / 512,
               written ? "succeeded" : "failed");
        visit->good = false;
        return;
    }
}

static void fill(uint8 *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8)((i >> 9) * 31 + i + seed * 7);
}

static bool write_and_read(struct visit *visit, VixDiskLibHandle disk, const uint8 *new_bytes,
                           bool *ret_written)
{
    char name[64];
    snprintf(name, sizeof name, "%08x", new_bytes[0]);
    *ret_written = went(visit, "Write", VixDiskLib_Write(disk, WRITE_AT, WRITE_SECTORS, new_bytes));
    if (!*ret_written || !went(visit, "Flush", VixDiskLib_Flush(disk)))
        return false;
    VixError set = VixDiskLib_WriteMetadata(disk, "uuid", name);
    if (set != VIX_E_NOT_SUPPORTED && !went(visit, "WriteMetadata", set))
        return false;
    memcpy(data + WRITE_AT * 512, new_bytes, (size_t)WRITE_SECTORS * 512);
    return read_part(visit, disk, data, MIB / 2, 4 * MIB);
}

static VixDiskLibHandle open_it(struct visit *visit, VixDiskLibConnection connection,
                                const char *path, uint32 flags)
{
    VixDiskLibHandle disk = NULL;
    visit->opened = went(visit, "Open", VixDiskLib_Open(connection, path, flags, &disk));
    return disk;
}

/* A host takes a moment to notice that who had the disk is gone; and who waits for short times only
 * may have to do so again on a busy machine. */
static VixDiskLibHandle open_when_free(struct visit *visit, VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = NULL;
    double until = seconds_now() + 20;
    VixError result;
    do {
        result = VixDiskLib_Open(connection, DATA, RO, &disk);
        if (result != VIX_E_FILE_ALREADY_LOCKED && result != TIMED_OUT)
            break;
        usleep(50000);
    } while (seconds_now() < until);
    went(visit, "Open", result);
    return disk;
}

/* The disk as the next session finds it, by one without a fault. `new_bytes` NULL: as it is. */
static void look_again(const struct row *row, struct visit *visit, const uint8 *old,
                       const uint8 *new_bytes, bool written)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = NULL;
    struct visit later = {.good = true};
    uint8 *now = malloc((size_t)WRITE_SECTORS * 512);
    VixDiskLibHandle disk = NULL;
    if (went(&later, "ConnectEx",
             VixDiskLib_ConnectEx(params, TRUE, NULL, row->modes, &connection)))
        disk = open_when_free(&later, connection);
    if (disk && went(&later, "Read", VixDiskLib_Read(disk, WRITE_AT, WRITE_SECTORS, now))) {
        if (new_bytes)
            settle(visit, now, old, new_bytes, written);
        memcpy(data + WRITE_AT * 512, now, (size_t)WRITE_SECTORS * 512);
    }
    if (later.at) {
        printf("afterwards %s failed with %llu: %s\n", later.at, (unsigned long long)later.code,
               heard.warn);
        visit->good = false;
    }
    VixDiskLib_Close(disk);
    VixDiskLib_Disconnect(connection);
    VixDiskLib_FreeConnectParams(params);
    free(now);
}

static void must(struct visit *visit, const char *call, VixError result)
{
    if (result == VIX_OK)
        return;
    printf("%s failed with %llu\n", call, (unsigned long long)result);
    visit->good = false;
}

static void use_disk(const struct row *row, struct visit *visit, VixDiskLibConnection connection,
                     const uint8 *new_bytes, bool *ret_written)
{
    bool writes = (row->session & WRITES) != 0;
    uint32 flags = writes ? 0 : RO;
    if (row->session & PACKED)
        flags |= VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ;
    VixDiskLibHandle disk = open_it(visit, connection, writes ? DATA : WEB, flags);
    if (!disk)
        return;
    if (writes ? write_and_read(visit, disk, new_bytes, ret_written)
               : read_everything_once(visit, disk)) {
        char value[64];
        VixError got = VixDiskLib_ReadMetadata(disk, "adapterType", value, sizeof value, NULL);
        if (got != VIX_E_DISK_KEY_NOTFOUND) /* nobody knows why it is not told */
            went(visit, "ReadMetadata", got);
    }
    must(visit, "Close", VixDiskLib_Close(disk));
}

/* One session, from first to last call. */
static void do_session(const struct row *row, struct visit *visit, const uint8 *new_bytes,
                       bool *ret_written)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = NULL;
    bool held = (row->session & HELD) != 0;
    double start = seconds_now();
    if (!held || went(visit, "PrepareForAccess", VixDiskLib_PrepareForAccess(params, "tests"))) {
        must(visit, "ConnectEx",
             VixDiskLib_ConnectEx(params, !(row->session & WRITES), NULL, row->modes, &connection));
        use_disk(row, visit, connection, new_bytes, ret_written);
        must(visit, "Disconnect", VixDiskLib_Disconnect(connection));
    }
    if (held && !visit->at)
        went(visit, "EndAccess", VixDiskLib_EndAccess(params, "tests"));
    VixDiskLib_FreeConnectParams(params);
    visit->seconds = seconds_now() - start;
}

static bool is_expected(const struct row *row, const struct visit *visit, bool struck)
{
    bool known = !visit->at;
    for (size_t i = 0; i < sizeof row->codes / sizeof *row->codes; i++)
        known = known || (visit->code && visit->code == row->codes[i]);
    switch (row->outcome) {
    case RECOVERS:
        return !visit->at;
    case FAILS:
        return known && (visit->at || !struck);
    case OPENS:
        return known && (!visit->at || !visit->opened);
    default:
        return known;
    }
}

static void judge(const struct row *row, struct visit *visit, const char *value, bool struck)
{
    const char *secret = secret_in(heard.all);
    if (!is_expected(row, visit, struck))
        visit->good = false;
    if (secret || visit->seconds > slowest_seconds)
        visit->good = false;
    if (visit->good && !getenv("VD_VERBOSE"))
        return;
    printf("%s %s: %s with %llu after %.1f s%s%s\n%s\n", row->fault, value,
           visit->at ? visit->at : "no call failed", (unsigned long long)visit->code,
           visit->seconds, secret ? ", and the log holds " : "", secret ? secret : "", heard.warn);
}

/* Sets the fault, lives through it, and looks. False at the last place. */
static bool meet(const struct row *row, const char *value, bool *good)
{
    struct visit visit = {.good = true};
    uint8 *old = malloc((size_t)WRITE_SECTORS * 512),
          *new_bytes = malloc((size_t)WRITE_SECTORS * 512);
    static unsigned seed;
    bool written = false;
    memcpy(old, data + WRITE_AT * 512, (size_t)WRITE_SECTORS * 512);
    fill(new_bytes, (size_t)WRITE_SECTORS * 512, ++seed);
    heard.all[0] = heard.warn[0] = '\0';
    if (set_fault(row->fault, value) < 0) {
        printf("the simulator does not know the fault %s\n", row->fault);
        visit.good = false;
    }
    do_session(row, &visit, new_bytes, &written);
    bool struck = set_fault(row->fault, "null") > 0;
    judge(row, &visit, value, struck || row->step == 0);
    if (row->session & WRITES)
        look_again(row, &visit, old, new_bytes, written);
    *good = *good && visit.good;
    free(old);
    free(new_bytes);
    return struck;
}

static bool sweep(const struct row *row)
{
    bool good = true, struck = true;
    unsigned places = 0, most = strcmp(row->fault, BY_BYTES) == 0 ? BY_BYTES_PLACES : PLACES_MAX;
    for (; struck && places < most; places++) {
        char value[32];
        snprintf(value, sizeof value, "%u", row->first + places * row->step);
        struck = meet(row, value, &good);
    }
    if (places < 2 || (struck && most == PLACES_MAX)) {
        printf("%u places, %s\n", places, struck ? "and no end" : "none of which it struck");
        good = false;
    }
    return good;
}

/* NAME.raw; what is written there stays in this process. */
static uint8 *mapped(const char *name, size_t *ret_bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.raw", told("VD_DISKS"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    void *bytes = size <= 0 ? MAP_FAILED
                            : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    close(fd);
    *ret_bytes = (size_t)size;
    return bytes;
}

/* Silence is waited for in vain often: not for long, and longer than a session takes on a machine
 * as busy as this one is now. */
static void be_impatient(const struct row *row)
{
    struct visit visit = {.good = true};
    struct row reading = *row;
    char config[512];
    bool written = false;
    reading.session &= ~(unsigned)WRITES;
    do_session(&reading, &visit, NULL, &written);
    double ms = visit.seconds * 4000;
    unsigned wait_ms = ms < 500 ? 500 : ms > 6000 ? 6000 : (unsigned)ms;
    slowest_seconds += wait_ms * 0.015;
    VixDiskLib_Exit();
    snprintf(config, sizeof config,
             "vixDiskLib.nfc.RequestTimeoutMs = %u\nvixDiskLib.nfc.AcceptTimeoutMs = %u\n"
             "vixDiskLib.vdisk.serverTimeoutMs = %u\nvixDiskLib.vdisk.simulator = 1\n",
             wait_ms, wait_ms, wait_ms);
    begin(config);
}

static bool run_row(size_t number)
{
    const struct row *row = &rows[number];
    bool good = true;
    struct visit before = {.good = true};
    web = mapped("web", &web_bytes);
    data = mapped("data", &data_bytes);
    begin("vixDiskLib.vdisk.simulator = 1\n");
    if (strstr(row->fault, "stall"))
        be_impatient(row);
    if (row->session & WRITES)
        look_again(row, &before, NULL, NULL, false);
    if (row->step)
        good = sweep(row) && before.good;
    else
        (void)meet(row, row->value, &good);
    VixDiskLib_Exit();
    munmap(web, web_bytes);
    munmap(data, data_bytes);
    return good && tap_failed == 0;
}

static const char *row_name(size_t number)
{
    static char name[256];
    const struct row *row = &rows[number];
    char places[64] = "";
    if (row->step)
        snprintf(places, sizeof places, " at every place from %u on, by %u", row->first, row->step);
    snprintf(name, sizeof name, "%s, %s, %s%s%s: %s%s%s%s", row->server, row->modes,
             row->session & WRITES ? "writing" : "reading", row->session & HELD ? ", held" : "",
             row->session & PACKED ? ", packed" : "", row->fault, row->value ? " " : "",
             row->value ? row->value : "", places);
    return name;
}

static const char *row_server(size_t number)
{
    return rows[number].server;
}

int main(int argc, char **argv)
{
    const struct row_table table = {.count = sizeof rows / sizeof *rows,
                                    .name = row_name,
                                    .server = row_server,
                                    .run = run_row,
                                    .servers = argv + 1};
    if ((unsigned long)argc - 1 != told_number("VD_SIMULATORS"))
        return 1;
    run_rows(&table);
    return tap_done();
}
