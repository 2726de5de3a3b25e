/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the native interface share. VDISK_LIBDIR in the environment names the provider;
 * without it the built-in engine does the work. */
#ifndef VD_TESTS_NATIVE_DISKS_H
#define VD_TESTS_NATIVE_DISKS_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vdisk/vdisk.h>

#include "tests/harness.h"

#define UNUSED __attribute__((unused))

static struct vdisk_params params_of(const char *path, uint32_t flags)
{
    struct vdisk_params params = VDISK_PARAMS_INIT;
    params.path = path;
    params.flags = flags;
    params.libdir = getenv("VDISK_LIBDIR");
    return params;
}

static UNUSED const char *make_disk(const char *name, uint64_t capacity_bytes, uint32_t type)
{
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct vdisk_params params = params_of(test_path(name), 0);
    struct vdisk_error error;
    create.capacity_bytes = capacity_bytes;
    create.type = type;
    if (vdisk_create(&params, &create, &error) < 0)
        test_fail("%s", error.text);
    return params.path;
}

static UNUSED struct vdisk *open_disk(const char *path, uint32_t flags)
{
    struct vdisk_params params = params_of(path, flags);
    struct vdisk_error error;
    struct vdisk *disk = NULL;
    if (vdisk_open(&params, &disk, &error) < 0)
        test_fail("%s", error.text);
    check_u64_eq(error.code, VDISK_OK);
    return disk;
}

static UNUSED void close_disk(struct vdisk *disk)
{
    struct vdisk_error error;
    if (vdisk_close(disk, &error) < 0)
        test_fail("%s", error.text);
}

static UNUSED void write_all(struct vdisk *disk, const void *bytes, size_t length, uint64_t offset)
{
    struct vdisk_error error;
    ssize_t done = vdisk_write_at(disk, bytes, length, offset, &error);
    if (done != (ssize_t)length)
        test_fail("%zu bytes at %llu: %zd, %s", length, (unsigned long long)offset, done,
                  error.text);
}

static UNUSED void reads_as(struct vdisk *disk, const void *want, size_t length, uint64_t offset)
{
    struct vdisk_error error;
    VD_FREE uint8_t *got = malloc(length + 1);
    check(got != NULL);
    ssize_t done = vdisk_read_at(disk, got, length, offset, &error);
    if (done != (ssize_t)length)
        test_fail("%zu bytes at %llu: %zd, %s", length, (unsigned long long)offset, done,
                  error.text);
    check_mem_eq(got, want, length);
}

#endif
