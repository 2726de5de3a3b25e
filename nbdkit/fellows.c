/* SPDX-License-Identifier: Apache-2.0 */
#include "fellows.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A file that all have, and may read: the program they run in. Its bytes are not looked at; a lock
 * lies on one far behind them, which the key chooses. */
#define FILE_OF_ALL "/proc/self/exe"
#define FIRST_BYTE  (INT64_C(1) << 61)

static int64_t byte_of(const char *key)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    for (const char *c = key; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
    return FIRST_BYTE + (int64_t)(hash >> 3);
}

static struct flock lock_of(const char *key, int type)
{
    return (struct flock){
        .l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte_of(key), .l_len = 1};
}

int fellows_join(const char *key)
{
    VD_CLOSE int fd = open(FILE_OF_ALL, O_RDONLY | O_CLOEXEC);
    struct flock lock = lock_of(key, F_RDLCK);
    int joined;

    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return -1;
    joined = fd;
    fd = -1;
    return joined;
}

/* Whoever leaves first, and asks then: two at once are not to rely on each other. */
bool fellows_leave(int fellows, const char *key)
{
    VD_CLOSE int fd = fellows;
    struct flock mine = lock_of(key, F_UNLCK);
    struct flock others = lock_of(key, F_WRLCK);

    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &mine) < 0)
        return true;
    return fcntl(fd, F_OFD_GETLK, &others) < 0 || others.l_type == F_UNLCK;
}
