/* SPDX-License-Identifier: Apache-2.0 */
/* Small disks of literal text in memory, for tests of links and chains. */
#ifndef VD_TESTS_MEMORY_DISKS_H
#define VD_TESTS_MEMORY_DISKS_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "block/memory.h"
#include "harness.h"

#define HEAD "# Disk DescriptorFile\nversion=1\n"

static inline struct vd_fs_memory *new_files(void)
{
    struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    return files;
}
#define AUTO_FILES VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *

static inline void add_text(struct vd_fs_memory *files, const char *path, const char *text)
{
    check_code(vd_fs_memory_add(files, path, text, strlen(text), NULL), VD_OK);
}

/* A file of `sectors`, each filled with `fill`. */
static inline void add_data(struct vd_fs_memory *files, const char *path, size_t sectors, char fill)
{
    VD_FREE char *bytes = malloc(sectors * VD_SECTOR_BYTES);
    check(bytes != NULL);
    memset(bytes, fill, sectors * VD_SECTOR_BYTES);
    check_code(vd_fs_memory_add(files, path, bytes, sectors * VD_SECTOR_BYTES, NULL), VD_OK);
}

/* The messages of a log, one per line. */
struct kept_log {
    struct vd_log log;
    char text[4096];
};

static inline void VD_PRINTF(3, 0)
    keep_log(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    struct kept_log *kept = data;
    size_t length = strlen(kept->text);
    size_t room = sizeof kept->text - length;
    if (level == VD_LOG_DEBUG)
        return;
    int added = vsnprintf(kept->text + length, room, fmt, args);
    if (added > 0 && (size_t)added + 1 < room)
        memcpy(kept->text + length + added, "\n", 2);
}

static inline void kept_log_init(struct kept_log *kept)
{
    *kept = (struct kept_log){.log = {keep_log, kept}};
}

#endif
