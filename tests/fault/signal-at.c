/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be loaded before a program (LD_PRELOAD): the calls that change files are counted, and before
 * the n-th the program sends itself a signal, so that it is stopped in the middle of whatever it
 * does, at the same place each time.
 *
 *     VD_SIGNAL      the signal's number
 *     VD_SIGNAL_AT   n, from 1; 0 or not set: never
 *     VD_SIGNAL_LOG  a file that is told the number of calls at the end
 *     VD_SIGNAL_ZEROS  when set, the file system allocates nothing, so that zeros must be written
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

static atomic_ulong calls;

static unsigned long setting(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

static void count(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 == setting("VD_SIGNAL_AT"))
        (void)kill(getpid(), (int)setting("VD_SIGNAL"));
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("VD_SIGNAL_LOG");
    FILE *log = path ? fopen(path, "we") : NULL;
    if (!log)
        return;
    (void)fprintf(log, "%lu\n", atomic_load(&calls));
    (void)fclose(log);
}

/* The function that would have been called. A pointer to data is no pointer to a function in C, so
 * its bytes are copied. */
#define NEXT(name, pointer)                       \
    do {                                          \
        void *next_ = dlsym(RTLD_NEXT, name);     \
        if (!next_)                               \
            abort();                              \
        memcpy(&(pointer), &next_, sizeof next_); \
    } while (0)

#define COUNTED(type, name, parameters, arguments) \
    SEEN type name parameters;                     \
    SEEN type name parameters                      \
    {                                              \
        static type(*next) parameters;             \
        if (!next)                                 \
            NEXT(#name, next);                     \
        count();                                   \
        return next arguments;                     \
    }

COUNTED(ssize_t, pwrite64, (int fd, const void *bytes, size_t length, off64_t offset),
        (fd, bytes, length, offset))
COUNTED(int, ftruncate64, (int fd, off64_t length), (fd, length))
COUNTED(int, fsync, (int fd), (fd))
COUNTED(int, fdatasync, (int fd), (fd))
COUNTED(int, rename, (const char *from, const char *to), (from, to))
COUNTED(int, renameat2,
        (int from_folder, const char *from, int to_folder, const char *to, unsigned flags),
        (from_folder, from, to_folder, to, flags))
COUNTED(int, link, (const char *from, const char *to), (from, to))
COUNTED(int, unlink, (const char *path), (path))

SEEN int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    static int (*next)(int fd, int mode, off64_t offset, off64_t length);
    if (!next)
        NEXT("fallocate64", next);
    count();
    if (!getenv("VD_SIGNAL_ZEROS"))
        return next(fd, mode, offset, length);
    errno = EOPNOTSUPP;
    return -1;
}

/* What is said on standard error changes no file. */
SEEN ssize_t write(int fd, const void *bytes, size_t length)
{
    static ssize_t (*next)(int fd, const void *bytes, size_t length);
    if (!next)
        NEXT("write", next);
    if (fd != STDERR_FILENO)
        count();
    return next(fd, bytes, length);
}
