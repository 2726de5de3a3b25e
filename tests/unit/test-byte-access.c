/* SPDX-License-Identifier: Apache-2.0 */
#include "disk/byte-access.h"

#include <string.h>

#include "base/units.h"
#include "block/memory.h"
#include "disk/raw.h"
#include "tests/harness.h"

enum { SECTORS = 40, LENGTH = SECTORS * VD_SECTOR_BYTES };

/* A disk in memory, and what it reads as. */
struct opened {
    struct vd_fs_memory *files;
    struct vd_disk *disk;
    struct vd_byte_access access;
    uint8_t model[LENGTH];
};

static void opened_init(struct opened *opened, unsigned flags)
{
    struct vd_error err = VD_ERROR_INIT;

    for (size_t i = 0; i < LENGTH; i++)
        opened->model[i] = (uint8_t)(i * 13 + i / 509);
    check_code(vd_fs_memory_new(&opened->files, NULL), VD_OK);
    check_code(vd_fs_memory_add(opened->files, "d", opened->model, LENGTH, NULL), VD_OK);
    check_code_err(vd_raw_open(vd_fs_memory_fs(opened->files), "d", flags, &opened->disk, &err),
                   VD_OK, &err);
    vd_byte_access_init(&opened->access, opened->disk);
}

static void opened_done(struct opened *opened)
{
    vd_byte_access_done(&opened->access);
    vd_disk_free(opened->disk);
    vd_fs_memory_free(opened->files);
}
#define OPENED VD_CLEANUP(opened_done) struct opened

static void check_all(struct opened *opened)
{
    uint8_t got[LENGTH];
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(vd_byte_access_read(&opened->access, 0, LENGTH, got, &err), VD_OK, &err);
    check_mem_eq(got, opened->model, LENGTH);
}

/* Every way a range can lie among sectors. */
VD_TEST(any_range_is_read_written_and_zeroed)
{
    static const uint64_t edges[] = {0, 1, 511, 512, 513, 1023, 1024, 1025, 2560, LENGTH - 1};
    OPENED opened;
    uint8_t bytes[LENGTH];
    unsigned stamp = 1;

    opened_init(&opened, VD_FS_WRITE);
    check_u64_eq(vd_byte_access_size(&opened.access), LENGTH);
    for (size_t i = 0; i < VD_ARRAY_SIZE(edges); i++) {
        for (size_t j = i; j < VD_ARRAY_SIZE(edges); j++, stamp++) {
            size_t length = (size_t)(edges[j] - edges[i]);
            uint8_t *model = opened.model + edges[i];

            check_code(vd_byte_access_read(&opened.access, edges[i], length, bytes, NULL), VD_OK);
            check_mem_eq(bytes, model, length);
            memset(bytes, (int)stamp, length);
            memset(model, (int)stamp, length);
            check_code(vd_byte_access_write(&opened.access, edges[i], length, bytes, NULL), VD_OK);
            check_all(&opened);
            if (length < 4)
                continue;
            memset(model + 1, 0, length - 2);
            check_code(vd_byte_access_zero(&opened.access, edges[i] + 1, length - 2, NULL), VD_OK);
            check_all(&opened);
        }
    }
}

VD_TEST(ranges_past_the_end_are_refused_whole)
{
    static const uint64_t ranges[][2] = {{LENGTH, 1},     {LENGTH + 1, 0}, {0, LENGTH + 1},
                                         {1, UINT64_MAX}, {UINT64_MAX, 1}, {UINT64_MAX, UINT64_MAX},
                                         {LENGTH - 3, 4}, {700, LENGTH}};
    OPENED opened;
    uint8_t byte = 0;

    opened_init(&opened, VD_FS_WRITE);
    for (size_t i = 0; i < VD_ARRAY_SIZE(ranges); i++) {
        struct vd_byte_access *access = &opened.access;
        uint64_t offset = ranges[i][0], length = ranges[i][1];
        struct vd_error err = VD_ERROR_INIT;

        check_code(vd_byte_access_read(access, offset, length, &byte, &err), VD_E_OUT_OF_RANGE);
        check_str_has(err.text, "the disk has 20480 bytes");
        check_code(vd_byte_access_write(access, offset, length, &byte, NULL), VD_E_OUT_OF_RANGE);
        check_code(vd_byte_access_zero(access, offset, length, NULL), VD_E_OUT_OF_RANGE);
    }
    check_code(vd_byte_access_write(&opened.access, LENGTH, 0, NULL, NULL), VD_OK);
    check_all(&opened);
}

VD_TEST(a_read_only_disk_is_not_written)
{
    OPENED opened;
    uint8_t bytes[600] = {0};

    opened_init(&opened, 0);
    check_code(vd_byte_access_write(&opened.access, 0, 512, bytes, NULL), VD_E_READ_ONLY);
    check_code(vd_byte_access_write(&opened.access, 1, 3, bytes, NULL), VD_E_READ_ONLY);
    check_code(vd_byte_access_zero(&opened.access, 0, 512, NULL), VD_E_READ_ONLY);
    check_all(&opened);
}

struct writer {
    struct vd_byte_access *access;
    unsigned number;
};

enum { WRITERS = 4, ROUNDS = 60, SHARED = 64 * WRITERS };

/* Every WRITERS-th byte of the same sectors, and whole sectors beside them. */
static void *write_own_bytes(void *data)
{
    const struct writer *writer = data;
    uint8_t sector[VD_SECTOR_BYTES];

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t value = (uint8_t)(writer->number * ROUNDS + round);

        memset(sector, value, sizeof sector);
        check_code(vd_byte_access_write(writer->access, (8 + writer->number) * VD_SECTOR_BYTES,
                                        sizeof sector, sector, NULL),
                   VD_OK);
        for (unsigned at = writer->number; at < SHARED; at += WRITERS)
            check_code(vd_byte_access_write(writer->access, 400 + at, 1, &value, NULL), VD_OK);
    }
    return NULL;
}

VD_TEST(bytes_of_one_sector_written_at_once_all_stay)
{
    OPENED opened;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];

    opened_init(&opened, VD_FS_WRITE);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&opened.access, i};
        check_int_eq(pthread_create(&threads[i], NULL, write_own_bytes, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    for (unsigned at = 0; at < SHARED; at++)
        opened.model[400 + at] = (uint8_t)(at % WRITERS * ROUNDS + ROUNDS - 1);
    for (unsigned i = 0; i < WRITERS; i++)
        memset(opened.model + (size_t)(8 + i) * VD_SECTOR_BYTES, (int)(i * ROUNDS + ROUNDS - 1),
               VD_SECTOR_BYTES);
    check_all(&opened);
}
