/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the consumer-shaped programs share. Each loads the library by the names and in the order
 * that the program does it is shaped after, and declares the interface for itself, as that program
 * does: nothing of ours is included. VD_KIT is the kit's folder, VD_DISKS one with disks.
 */
#ifndef VD_TESTS_ABI_CONSUMER_H
#define VD_TESTS_ABI_CONSUMER_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>

#include "folder.h"
#include "tap.h"

typedef void *Handle;
typedef void *Connection;

static const char *kit;

/* The symbol, as a claim. */
static UNUSED void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    ok(symbol, "%s is there", name);
    return symbol;
}

static UNUSED bool consumer_start(void)
{
    kit = getenv("VD_KIT");
    folder = getenv("VD_DISKS");
    if (!kit || !folder)
        puts("1..0 # SKIP run by with-kit");
    return kit && folder;
}

/* The file of a folder of libraries, opened the way the consumer opens it. */
static UNUSED void *load(const char *in, const char *name, int how)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", in, name);
    return dlopen(path, how);
}

static UNUSED uint8_t *content_of(const char *name, uint64_t bytes)
{
    uint8_t *content = calloc(1, bytes);
    FILE *file = fopen(path_of(name), "rb");
    bool whole = file && content && fread(content, 1, bytes, file) == bytes;
    if (file)
        fclose(file);
    ok(whole, "%s holds %llu bytes", name, (unsigned long long)bytes);
    return content;
}

static UNUSED bool save(const char *name, const uint8_t *content, uint64_t bytes)
{
    FILE *file = fopen(path_of(name), "wb");
    bool written = file && fwrite(content, 1, bytes, file) == bytes;
    return file && fclose(file) == 0 && written;
}

/* qemu-img finds in the disk what is in memory. */
static UNUSED void disk_holds(const char *disk, const uint8_t *content, uint64_t bytes)
{
    ok(save("content.raw", content, bytes) &&
           run("qemu-img compare -f vmdk -F raw '%s' content.raw", disk),
       "%s: qemu-img reads what was written", disk);
    unlink(path_of("content.raw"));
}

#endif
