/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/grain-record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fault.h"
#include "block/memory.h"
#include "build-kdmv.h"
#include "tests/harness.h"

#define GRAIN_BYTES 65536u
#define LBA         1280u

/* A file with one record, and an extent as the opener leaves it. */
struct fixture {
    struct kdmv_image image;
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault;
    struct vd_extent extent;
    struct vd_record_scratch scratch;
    uint8_t plain[GRAIN_BYTES];
    uint8_t grain[GRAIN_BYTES];
    uint64_t place_bytes;
};

static struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    check(f != NULL);
    kdmv_fill(10, f->plain, GRAIN_BYTES);
    kdmv_append(&f->image, NULL, 3 * VD_SECTOR_BYTES);
    return f;
}

static void fixture_open(struct fixture *f)
{
    check_code(vd_fs_memory_new(&f->files, NULL), VD_OK);
    check_code(vd_fs_memory_add(f->files, "s.vmdk", f->image.bytes, f->image.length, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(f->files), &f->fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(f->fault), "s.vmdk", 0, &f->extent.block, NULL), VD_OK);
    vd_fs_fault_arm(f->fault, VD_FAULT_READ, 0, 0, false);
    f->extent.file_bytes = f->image.length;
    f->extent.grain_sectors = GRAIN_BYTES / VD_SECTOR_BYTES;
}

static void fixture_free(struct fixture **f)
{
    vd_record_scratch_done(&(*f)->scratch);
    vd_block_free((*f)->extent.block);
    vd_fs_fault_free((*f)->fault);
    vd_fs_memory_free((*f)->files);
    kdmv_free(&(*f)->image);
    free(*f);
}
#define FIXTURE __attribute__((cleanup(fixture_free))) struct fixture

static int read_needed(struct fixture *f, size_t needed, struct vd_error *err)
{
    return vd_grain_record_read(&f->extent, f->place_bytes, LBA, needed, &f->scratch, f->grain,
                                err);
}

static void refused(struct fixture *f, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(read_needed(f, GRAIN_BYTES, &err), code, &err);
    check_str_has(err.text, "'s.vmdk'");
    check_str_has(err.text, part);
}

static void add_record(struct fixture *f, const void *data, size_t length)
{
    f->place_bytes = (uint64_t)kdmv_record(&f->image, LBA, data, length) * VD_SECTOR_BYTES;
}

VD_TEST(full_grain)
{
    FIXTURE *f = fixture_new();

    add_record(f, f->plain, GRAIN_BYTES);
    fixture_open(f);
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
    check_u64_eq(vd_fs_fault_calls(f->fault), 2);
}

VD_TEST(small_grain_takes_one_read)
{
    FIXTURE *f = fixture_new();

    memset(f->plain, 0x5a, GRAIN_BYTES);
    add_record(f, f->plain, GRAIN_BYTES);
    fixture_open(f);
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
    check_u64_eq(vd_fs_fault_calls(f->fault), 1);
}

VD_TEST(padding_cut_off_at_the_end_of_the_file)
{
    FIXTURE *f = fixture_new();

    add_record(f, f->plain, GRAIN_BYTES);
    f->image.length = f->place_bytes + 12 + vd_le32_decode(f->image.bytes + f->place_bytes + 8);
    fixture_open(f);
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
}

VD_TEST(incompressible_grain_is_larger_than_a_grain)
{
    FIXTURE *f = fixture_new();
    struct kdmv_stream_options options = {.incompressible = true};

    kdmv_stream_fill(&options, 1, f->plain, GRAIN_BYTES);
    add_record(f, f->plain, GRAIN_BYTES);
    check(vd_le32_decode(f->image.bytes + f->place_bytes + 8) > GRAIN_BYTES);
    fixture_open(f);
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
}

VD_TEST(short_last_grain)
{
    FIXTURE *f = fixture_new();
    static const uint8_t zeros[GRAIN_BYTES];

    add_record(f, f->plain, 1536);
    fixture_open(f);
    memset(f->grain, 0xff, GRAIN_BYTES);
    check_code(read_needed(f, 1536, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, 1536);
    check_mem_eq(f->grain + 1536, zeros, GRAIN_BYTES - 1536);
    check_code(read_needed(f, 1024, NULL), VD_OK);
    check_code(read_needed(f, 1537, NULL), VD_E_GRAIN_INFLATE);
    refused(f, VD_E_GRAIN_INFLATE, "inflates to 1536 bytes, expected 65536");
}

VD_TEST(size_before_the_data_only)
{
    FIXTURE *f = fixture_new();
    uint8_t size[4] = {0};
    size_t length;

    f->place_bytes = f->image.length;
    kdmv_append(&f->image, size, sizeof size);
    length = kdmv_append_zlib(&f->image, f->plain, GRAIN_BYTES);
    vd_le32_encode(f->image.bytes + f->place_bytes, (uint32_t)length);
    fixture_open(f);
    f->extent.record_form = VD_RECORD_SIZE_ONLY;
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
}

VD_TEST(another_grains_record)
{
    FIXTURE *f = fixture_new();

    add_record(f, f->plain, GRAIN_BYTES);
    vd_le64_encode(f->image.bytes + f->place_bytes, 128);
    fixture_open(f);
    refused(f, VD_E_GRAIN_RECORD, "says it is that of sector 128");
}

VD_TEST(impossible_sizes)
{
    FIXTURE *f = fixture_new();
    struct vd_block *block;
    const uint32_t sizes[] = {0, 3 * GRAIN_BYTES + 1, UINT32_MAX};

    add_record(f, f->plain, GRAIN_BYTES);
    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        vd_le32_encode(f->image.bytes + f->place_bytes + 8, sizes[i]);
        check_code(vd_block_memory_new(f->image.bytes, f->image.length, &block, NULL), VD_OK);
        f->extent =
            (struct vd_extent){.block = block, .file_bytes = f->image.length, .grain_sectors = 128};
        check_code(read_needed(f, GRAIN_BYTES, NULL), VD_E_GRAIN_RECORD);
        check(f->scratch.allocated <= 4096);
        vd_block_free(block);
        f->extent.block = NULL;
    }
}

VD_TEST(record_beyond_the_end_of_the_file)
{
    FIXTURE *f = fixture_new();
    uint32_t size;

    add_record(f, f->plain, GRAIN_BYTES);
    size = vd_le32_decode(f->image.bytes + f->place_bytes + 8);
    f->image.length = f->place_bytes + 12 + size - 1;
    fixture_open(f);
    refused(f, VD_E_GRAIN_RECORD, "but the file ends after");
    f->place_bytes = f->image.length - 11;
    refused(f, VD_E_GRAIN_RECORD, "cut off by the end of the file");
    f->place_bytes = UINT64_MAX - 3;
    refused(f, VD_E_GRAIN_RECORD, "cut off by the end of the file");
}

VD_TEST(damaged_data)
{
    FIXTURE *f = fixture_new();

    add_record(f, f->plain, GRAIN_BYTES);
    f->image.bytes[f->place_bytes + 12 + 1000] ^= 0x10;
    fixture_open(f);
    refused(f, VD_E_GRAIN_INFLATE, "no zlib stream of at most 65536 bytes");
}

VD_TEST(bomb)
{
    FIXTURE *f = fixture_new();
    uint8_t VD_FREE *zeros = calloc(1, 16u << 20);

    check(zeros != NULL);
    add_record(f, zeros, 16u << 20);
    fixture_open(f);
    refused(f, VD_E_GRAIN_INFLATE, "at most 65536 bytes");
    check(f->scratch.allocated <= 3 * GRAIN_BYTES + 12);
}

VD_TEST(each_failing_read_is_told)
{
    FIXTURE *f = fixture_new();

    add_record(f, f->plain, GRAIN_BYTES);
    fixture_open(f);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        vd_fs_fault_arm(f->fault, VD_FAULT_READ, nth, EIO, false);
        refused(f, VD_E_IO, "s.vmdk");
    }
    vd_fs_fault_arm(f->fault, VD_FAULT_READ, 0, 0, false);
    check_code(read_needed(f, GRAIN_BYTES, NULL), VD_OK);
    check_mem_eq(f->grain, f->plain, GRAIN_BYTES);
}
