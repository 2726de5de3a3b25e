/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of a table, each in a process of its own: as many at a time as there are simulators, since
 * faults are a simulator's. What a case says is shown where it fails; one that crashes fails, and
 * one that does not end in time is ended. */
#ifndef VD_TESTS_MANAGED_ROWS_H
#define VD_TESTS_MANAGED_ROWS_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "server.h"

#define ROWS_SECONDS   400.0 /* of a case, under any sanitizer */
#define MAX_SIMULATORS 16u
#define MAX_ROWS       1024u
/* gcc's build without a sanitizer runs every case; with one a sample of them says as much of
 * memory. */
#if defined(__SANITIZE_THREAD__)
#define ROWS_STEP 5u
#elif defined(__SANITIZE_ADDRESS__)
#define ROWS_STEP 2u
#else
#define ROWS_STEP 1u
#endif
#define MAX_SAID_BYTES (1 << 20)

struct row_table {
    size_t count;
    const char *(*name)(size_t row);
    const char *(*server)(size_t row); /* which simulator it wants */
    bool (*run)(size_t row);           /* in the child; true: good */
    char **servers;                    /* what each simulator is, by its number */
};

struct row_child {
    pid_t pid; /* 0: none */
    size_t row;
    int said; /* a file of what it says */
    double start;
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* The child sees one simulator, under the names without a number. */
static void use_simulator(unsigned number)
{
    static const char *const names[] = {
        "DISKS",
        "HOST",
        "PORT",
        "USER",
        "PASSWORD",
        "THUMBPRINT",
        "THUMBPRINT_SHA256",
        "VM",
        "DATASTORE",
        "FCD",
        "COOKIE",
        "FAULTS",
        "ANSWERS",
        "NFC_PORT",
        "FCD_SNAPSHOT",
    };
    char from[64], to[64];
    for (size_t i = 0; number > 0 && i < sizeof names / sizeof *names; i++) {
        snprintf(from, sizeof from, "VD%u_%s", number, names[i]);
        snprintf(to, sizeof to, "VD_%s", names[i]);
        if (getenv(from))
            setenv(to, getenv(from), 1);
        else
            unsetenv(to);
    }
}

static void start_row(const struct row_table *table, struct row_child *child, size_t row,
                      unsigned simulator)
{
    *child = (struct row_child){.row = row, .start = seconds_now()};
    child->said = memfd_create("said", MFD_CLOEXEC);
    fflush(stdout);
    child->pid = child->said < 0 ? -1 : fork();
    if (child->pid < 0) {
        perror("starting a case");
        exit(1);
    }
    if (child->pid == 0) {
        dup2(child->said, STDOUT_FILENO);
        dup2(child->said, STDERR_FILENO);
        use_simulator(simulator);
        tap_count = tap_failed = 0;
        signal(SIGPIPE, SIG_IGN);
        bool good = table->run(row);
        fflush(stdout);
        exit(good ? 0 : 1); /* not _exit: leaks are looked for at exit */
    }
}

static void show_said(int said)
{
    static char text[MAX_SAID_BYTES];
    ssize_t length = pread(said, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    for (const char *line = text; *line;) {
        int bytes = (int)strcspn(line, "\n");
        printf("# %.*s\n", bytes, line);
        line += bytes + (line[bytes] == '\n');
    }
}

/* True once it has ended. */
static bool reap_row(const struct row_table *table, struct row_child *child)
{
    int status = 0;
    double seconds = seconds_now() - child->start;
    bool hangs = seconds > ROWS_SECONDS;
    if (hangs)
        kill(child->pid, SIGKILL);
    struct rusage used;
    if (wait4(child->pid, &status, hangs ? 0 : WNOHANG, &used) == 0)
        return false;
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ok(good, "%s (%.1f s, %.1f s of a processor)%s", table->name(child->row), seconds,
       seconds_of(&used.ru_utime) + seconds_of(&used.ru_stime),
       hangs                 ? ": hung"
       : WIFSIGNALED(status) ? ": crashed"
                             : "");
    if (!good || getenv("VD_VERBOSE"))
        show_said(child->said);
    close(child->said);
    child->pid = 0;
    return true;
}

/* The first row that wants this simulator and was not begun; count: none. */
static size_t next_row(const struct row_table *table, const bool *begun, unsigned simulator)
{
    size_t row = 0;
    while (row < table->count &&
           (begun[row] || strcmp(table->server(row), table->servers[simulator]) != 0))
        row++;
    return row;
}

static void run_rows(const struct row_table *table)
{
    struct row_child children[MAX_SIMULATORS] = {0};
    unsigned simulators = (unsigned)told_number("VD_SIMULATORS");
    const char *only = getenv("VD_ROWS"); /* cases whose names have it */
    static bool begun[MAX_ROWS];          /* in no memory that a case which ends seems to leak */
    unsigned running = 0;
    size_t done = 0, wanted = table->count;
    if (table->count > MAX_ROWS)
        exit(1);
    for (size_t row = 0; row < table->count; row++) {
        begun[row] = only ? !strstr(table->name(row), only) : row % ROWS_STEP != 0;
        wanted -= begun[row];
    }
    do {
        for (unsigned i = 0; i < simulators; i++) {
            if (children[i].pid && reap_row(table, &children[i]))
                running--, done++;
            size_t row = children[i].pid ? table->count : next_row(table, begun, i);
            if (row == table->count)
                continue;
            begun[row] = true;
            start_row(table, &children[i], row, i);
            running++;
        }
        usleep(5000);
    } while (running > 0);
    ok(done == wanted, "%zu of %zu cases were run", done, wanted);
}

#endif
