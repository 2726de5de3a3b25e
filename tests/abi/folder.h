/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of disks a test works in, and commands run there. */
#ifndef VD_TESTS_ABI_FOLDER_H
#define VD_TESTS_ABI_FOLDER_H

#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static const char *folder; /* VD_DISKS, from with-disks */

/* Three are valid at a time. */
static UNUSED const char *path_of(const char *name)
{
    static char paths[3][4096];
    static unsigned next;
    char *path = paths[next++ % 3];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static UNUSED bool exists(const char *name)
{
    struct stat facts;
    return stat(path_of(name), &facts) == 0;
}

/* A command in the folder of disks; %s is for one name. */
__attribute__((format(printf, 1, 2))) static UNUSED bool run(const char *fmt, ...)
{
    char command[4096];
    char whole[8400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    snprintf(whole, sizeof whole,
             "cd '%s' && { %s; } >command.log 2>&1 || { sed 's/^/# /' "
             "command.log; false; }",
             folder, command);
    fflush(stdout);
    char *argv[] = {"sh", "-c", whole, NULL};
    pid_t shell;
    int status;
    return posix_spawn(&shell, "/bin/sh", NULL, NULL, argv, environ) == 0 &&
           waitpid(shell, &status, 0) == shell && status == 0;
}

#endif
