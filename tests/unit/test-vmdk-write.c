/* SPDX-License-Identifier: Apache-2.0 */
/* A disk opened for writing: what is refused and why, what the first write changes besides data,
 * and the disk database. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/trace.h"
#include "build-disks.h"
#include "build-image.h"
#include "build-kdmv.h"
#include "harness.h"
#include "memory-disks.h"
#include "vmdk/vmdk.h"

enum { UNCLEAN_AT = 72 };

static int try_open(struct vd_fs_memory *files, const char *path, unsigned flags,
                    struct vd_disk **ret, struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = flags};
    return vd_vmdk_open(path, &options, ret, err);
}

static struct vd_disk *open_built(struct built_disk *built)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(try_open(built->files, BUILT_DISK, 0, &disk, &err), VD_OK, &err);
    return disk;
}

static void close_disk(struct vd_disk *disk)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
}

/* Opens for reading, but not for writing. */
static void check_refused(struct vd_fs_memory *files, const char *path, int code,
                          const char *sentence)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(try_open(files, path, VD_VMDK_READ_ONLY, &disk, &err), VD_OK, &err);
    close_disk(disk);
    check_code(try_open(files, path, 0, &disk, &err), code);
    check_str_has(err.text, sentence);
}

/* A file's beginning, ending in a NUL. */
static void file_text(struct vd_fs_memory *files, const char *path, uint64_t offset, char *text,
                      size_t room)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    size_t done = 0;
    check_code(vd_fs_open(vd_fs_memory_fs(files), path, 0, &block, NULL), VD_OK);
    check_code(vd_block_read_some(block, offset, text, room - 1, &done, NULL), VD_OK);
    text[done] = '\0';
}

static void file_put(struct vd_fs_memory *files, const char *path, uint64_t offset,
                     const void *bytes, size_t length)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check_code(vd_fs_open(vd_fs_memory_fs(files), path, VD_FS_WRITE, &block, NULL), VD_OK);
    check_code(vd_block_write(block, offset, bytes, length, NULL), VD_OK);
}

static uint8_t file_byte(struct vd_fs_memory *files, const char *path, uint64_t offset)
{
    char text[2];
    file_text(files, path, offset, text, sizeof text);
    return (uint8_t)text[0];
}

/* The digits behind a key of the descriptor. */
static void digits_of(const char *text, const char *key, size_t count, char *digits)
{
    const char *at = strstr(text, key);
    check(at != NULL);
    memcpy(digits, at + strlen(key), count);
    digits[count] = '\0';
}

static void write_one(struct vd_disk *disk, uint64_t sector, uint8_t fill)
{
    uint8_t bytes[VD_SECTOR_BYTES];
    struct vd_error err = VD_ERROR_INIT;
    memset(bytes, fill, sizeof bytes);
    check_code_err(vd_disk_write(disk, sector, 1, bytes, &err), VD_OK, &err);
}

static void check_content_id(enum built_kind kind, uint64_t text_at)
{
    BUILT built;
    char before[2048], text[2048], cid[9], tail[33], second[9];
    built_make(&built, kind);
    file_text(built.files, BUILT_DISK, text_at, before, sizeof before);

    struct vd_disk *disk = open_built(&built);
    file_text(built.files, BUILT_DISK, text_at, text, sizeof text);
    check_str_eq(text, before); /* opening changes nothing */
    write_one(disk, 5, 1);
    file_text(built.files, BUILT_DISK, text_at, text, sizeof text);
    digits_of(text, "\nCID=", 8, cid);
    digits_of(text, "longContentID = \"", 32, tail);
    check(strcmp(cid, "fffffffe") != 0 && strcmp(cid, "ffffffff") != 0);
    check_str_eq(tail + 24, cid);
    check(strncmp(tail, "0123456789abcdef", 16) != 0);
    write_one(disk, 6, 2);
    file_text(built.files, BUILT_DISK, text_at, text, sizeof text);
    digits_of(text, "\nCID=", 8, second);
    check_str_eq(second, cid); /* once */
    check_int_eq((int64_t)strlen(text), (int64_t)strlen(before));
    close_disk(disk);

    disk = open_built(&built);
    write_one(disk, 5, 1);
    close_disk(disk);
    file_text(built.files, BUILT_DISK, text_at, text, sizeof text);
    digits_of(text, "\nCID=", 8, second);
    check(strcmp(second, cid) != 0); /* once per open */
}

VD_TEST(first_write_changes_the_content_id)
{
    check_content_id(BUILT_SPLIT, 0);
    check_content_id(BUILT_FLAT, 0);
    check_content_id(BUILT_MONOLITHIC, VD_SECTOR_BYTES);
}

VD_TEST(marked_unclean_from_first_write_to_close)
{
    BUILT built;
    built_make(&built, BUILT_SPLIT);
    struct vd_disk *disk = open_built(&built);
    check_int_eq(file_byte(built.files, "d-s001.vmdk", UNCLEAN_AT), 0);
    write_one(disk, 5, 1);
    check_int_eq(file_byte(built.files, "d-s001.vmdk", UNCLEAN_AT), 1);
    check_int_eq(file_byte(built.files, "d-s002.vmdk", UNCLEAN_AT), 0); /* not written */
    check_code(vd_disk_flush(disk, NULL), VD_OK);
    check_int_eq(file_byte(built.files, "d-s001.vmdk", UNCLEAN_AT), 1);
    close_disk(disk);
    check_int_eq(file_byte(built.files, "d-s001.vmdk", UNCLEAN_AT), 0);
}

VD_TEST(unclean_disk_in_order_is_written)
{
    BUILT built;
    built_make(&built, BUILT_MONOLITHIC);
    struct vd_disk *disk = open_built(&built);
    write_one(disk, 5, 1);
    close_disk(disk);
    file_put(built.files, BUILT_DISK, UNCLEAN_AT, "\1", 1);
    disk = open_built(&built);
    write_one(disk, 900, 1);
    close_disk(disk);
    check_int_eq(file_byte(built.files, BUILT_DISK, UNCLEAN_AT), 0);
}

VD_TEST(unclean_disk_with_unlike_tables_is_refused)
{
    BUILT built;
    uint8_t sector[VD_SECTOR_BYTES], entry[4];
    built_make(&built, BUILT_MONOLITHIC);
    file_put(built.files, BUILT_DISK, UNCLEAN_AT, "\1", 1);
    file_text(built.files, BUILT_DISK, 0, (char *)sector, sizeof sector);
    uint64_t gd = vd_le64_decode(sector + 56);
    vd_le32_encode(entry, 1);
    file_put(built.files, BUILT_DISK, (gd + 1) * VD_SECTOR_BYTES, entry, sizeof entry);
    check_refused(built.files, BUILT_DISK, VD_E_DAMAGED, "vdisk check --repair");
}

VD_TEST(streams_are_refused)
{
    AUTO_FILES files = new_files();
    KDMV_IMAGE image;
    const struct kdmv_stream_options options = {.style = KDMV_VMWARE, .capacity_sectors = 512};
    kdmv_stream(&image, &options);
    check_code(vd_fs_memory_add(files, "s.vmdk", image.bytes, image.length, NULL), VD_OK);
    check_refused(files, "s.vmdk", VD_E_NOT_SUPPORTED, "only written as a whole");
}

VD_TEST(unknown_compatible_flags_are_refused)
{
    BUILT built;
    uint8_t flags[4];
    built_make(&built, BUILT_MONOLITHIC);
    vd_le32_encode(flags, 0x13);
    file_put(built.files, BUILT_DISK, 8, flags, sizeof flags);
    check_refused(built.files, BUILT_DISK, VD_E_NOT_SUPPORTED, "0x10 are not known here");
}

VD_TEST(sesparse_of_esxi_is_refused)
{
    BUILT built;
    uint8_t header[VD_SECTOR_BYTES];
    built_make(&built, BUILT_SESPARSE);
    file_text(built.files, "d-sesparse.vmdk", 0, (char *)header, sizeof header);
    uint64_t bitmap = vd_le64_decode(header + 160);
    file_put(built.files, "d-sesparse.vmdk", bitmap * VD_SECTOR_BYTES, "\1", 1);
    check_refused(built.files, BUILT_DISK, VD_E_NOT_SUPPORTED, "its free bitmap is in use");
}

VD_TEST(chains_of_unequal_capacity_are_refused)
{
    AUTO_FILES files = new_files();
    add_text(files, "p.vmdk",
             HEAD "CID=11111111\nparentCID=ffffffff\n"
                  "RW 8 FLAT \"p-flat.vmdk\" 0\n");
    add_data(files, "p-flat.vmdk", 8, 'p');
    add_text(files, "c.vmdk",
             HEAD "CID=22222222\nparentCID=11111111\n"
                  "parentFileNameHint=\"p.vmdk\"\nRW 9 FLAT \"c-flat.vmdk\" 0\n");
    add_data(files, "c-flat.vmdk", 9, 'c');
    check_refused(files, "c.vmdk", VD_E_NOT_SUPPORTED, "expected the same in every link");
}

VD_TEST(child_that_shares_a_file_with_its_parent_is_refused)
{
    AUTO_FILES files = new_files();
    add_text(files, "p.vmdk",
             HEAD "CID=11111111\nparentCID=ffffffff\n"
                  "RW 8 FLAT \"p-flat.vmdk\" 0\n");
    add_data(files, "p-flat.vmdk", 8, 'p');
    add_text(files, "c.vmdk",
             HEAD "CID=22222222\nparentCID=11111111\n"
                  "parentFileNameHint=\"p.vmdk\"\nRW 8 FLAT \"p-flat.vmdk\" 0\n");
    check_refused(files, "c.vmdk", VD_E_DESC_EXTENT, "is also one of its parent");
}

VD_TEST(extents_that_may_not_be_written)
{
    AUTO_FILES files = new_files();
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    uint8_t bytes[4 * VD_SECTOR_BYTES] = {1};
    add_text(files, "m.vmdk",
             HEAD "CID=11111111\nparentCID=ffffffff\n"
                  "RW 8 FLAT \"a.raw\" 0\nRDONLY 8 FLAT \"b.raw\" 0\n"
                  "RW 8 ZERO\n");
    add_data(files, "a.raw", 8, 'a');
    add_data(files, "b.raw", 8, 'b');
    check_code_err(try_open(files, "m.vmdk", 0, &disk, &err), VD_OK, &err);
    check_code(vd_disk_write(disk, 6, 4, bytes, &err), VD_E_READ_ONLY);
    check_str_has(err.text, "'b.raw', is RDONLY in the descriptor");
    check_int_eq(file_byte(files, "a.raw", 6 * VD_SECTOR_BYTES), 'a'); /* nothing changed */
    vd_error_clear(&err);
    check_code(vd_disk_write(disk, 17, 1, bytes, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "extent 3 is ZERO");
    check_code(vd_disk_write(disk, 0, 4, bytes, NULL), VD_OK);
    close_disk(disk);

    add_text(files, "r.vmdk",
             HEAD "CID=11111111\nparentCID=ffffffff\n"
                  "RDONLY 8 FLAT \"b.raw\" 0\n");
    check_refused(files, "r.vmdk", VD_E_READ_ONLY, "none of its extents can be written");
}

VD_TEST(short_flat_file_is_not_written)
{
    AUTO_FILES files = new_files();
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    add_text(files, "s.vmdk", HEAD "CID=11111111\nRW 9 FLAT \"s.raw\" 0\n");
    add_data(files, "s.raw", 8, 's');
    check_code(try_open(files, "s.vmdk", VD_VMDK_FILL_SHORT, &disk, &err), VD_E_TRUNCATED);
    check_code(try_open(files, "s.vmdk", VD_VMDK_FILL_SHORT | VD_VMDK_READ_ONLY, &disk, NULL),
               VD_OK);
    close_disk(disk);
}

VD_TEST(one_writer_and_any_readers)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++) {
        BUILT built;
        struct vd_error err = VD_ERROR_INIT;
        struct vd_disk *second = NULL;
        built_make(&built, kind);
        struct vd_disk *disk = open_built(&built);
        check_code(try_open(built.files, BUILT_DISK, 0, &second, &err), VD_E_LOCKED);
        check_code(try_open(built.files, BUILT_DISK, VD_VMDK_READ_ONLY, &second, NULL), VD_OK);
        close_disk(second);
        write_one(disk, 3, 3); /* the descriptor is a new file now */
        check_code(try_open(built.files, BUILT_DISK, 0, &second, NULL), VD_E_LOCKED);
        close_disk(disk);
        close_disk(open_built(&built));
    }
}

VD_TEST(locks_of_other_products_are_honoured)
{
    BUILT built;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    built_make(&built, BUILT_SPLIT);
    add_text(built.files, "d.vmdk.lck/M12345.lck", "x");
    check_code(try_open(built.files, BUILT_DISK, 0, &disk, &err), VD_E_LOCKED);
    check_str_has(err.text, "d.vmdk.lck");
    check_code(try_open(built.files, BUILT_DISK, VD_VMDK_READ_ONLY, &disk, NULL), VD_OK);
    close_disk(disk);
}

VD_TEST(change_tracking_ends_with_the_first_write)
{
    AUTO_FILES files = new_files();
    struct kept_log log;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    char text[1024];
    kept_log_init(&log);
    add_text(files, "t.vmdk",
             "# Disk DescriptorFile\nversion=3\nCID=11111111\nparentCID=ffffffff\n"
             "createType=\"vmfs\"\n\n# Extent description\nRW 8 VMFS \"t-flat.vmdk\"\n\n"
             "# Change Tracking File\nchangeTrackPath=\"t-ctk.vmdk\"\n\n#DDB\n"
             "ddb.adapterType = \"lsilogic\"\n");
    add_data(files, "t-flat.vmdk", 8, 't');
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .log = &log.log};
    check_code_err(vd_vmdk_open("t.vmdk", &options, &disk, &err), VD_OK, &err);
    file_text(files, "t.vmdk", 0, text, sizeof text);
    check_str_has(text, "changeTrackPath");
    write_one(disk, 0, 1);
    close_disk(disk);
    file_text(files, "t.vmdk", 0, text, sizeof text);
    check(strstr(text, "changeTrackPath") == NULL && strstr(text, "# Change Tracking") == NULL);
    check_str_has(text, "version=1\n");
    check_str_has(text, "# Extent description\nRW 8 VMFS");
    check_str_has(log.text, "change tracking ends here");
}

static void set_key(struct vd_disk *disk, const char *key, const char *value)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_disk_meta_set(disk, key, value, &err), VD_OK, &err);
    check_str_eq(vd_disk_meta_get(disk, key), value);
}

static void check_keys(enum built_kind kind)
{
    BUILT built;
    struct vd_error err = VD_ERROR_INIT;
    bool listed = false;
    built_make(&built, kind);
    struct vd_disk *disk = open_built(&built);
    const char *before = vd_disk_meta_get(disk, "toolsVersion");
    set_key(disk, "toolsVersion", "12345");
    check_str_eq(before, "0"); /* what was told stays */
    set_key(disk, "ADAPTERtype", "ide");
    set_key(disk, "comment", "a text with blanks = and # signs");
    check_code(vd_disk_meta_set(disk, "comment", "two\nlines", &err), VD_E_INVALID_ARG);
    check_code(vd_disk_meta_set(disk, "a key", "x", NULL), VD_E_INVALID_ARG);
    check_code(vd_disk_meta_set(disk, "", "x", NULL), VD_E_INVALID_ARG);
    close_disk(disk);

    check_code(try_open(built.files, BUILT_DISK, VD_VMDK_READ_ONLY, &disk, NULL), VD_OK);
    check_str_eq(vd_disk_meta_get(disk, "toolsVersion"), "12345");
    check_str_eq(vd_disk_meta_get(disk, "adapterType"), "ide");
    check_str_eq(vd_disk_meta_get(disk, "comment"), "a text with blanks = and # signs");
    for (size_t i = 0; vd_disk_meta_key(disk, i) != NULL; i++)
        listed |= strcmp(vd_disk_meta_key(disk, i), "comment") == 0;
    check(listed);
    check_code(vd_disk_meta_set(disk, "x", "y", &err), VD_E_READ_ONLY);
    close_disk(disk);
}

VD_TEST(keys_of_the_database)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++)
        check_keys(kind);
}

VD_TEST(descriptor_area_is_never_overrun)
{
    BUILT built;
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *value = calloc(1, 11000);
    built_make(&built, BUILT_MONOLITHIC);
    check(value != NULL);
    memset(value, 'x', 10900);
    struct vd_disk *disk = open_built(&built);
    check_code(vd_disk_meta_set(disk, "comment", value, &err), VD_E_TOO_BIG);
    check_str_has(err.text, "has room for 10240 bytes");
    value[6000] = '\0';
    check_code(vd_disk_meta_set(disk, "comment", value, NULL), VD_E_TOO_BIG); /* no safe way */
    value[3000] = '\0';
    set_key(disk, "comment", value);
    close_disk(disk);
    close_disk(open_built(&built));
}

VD_TEST(zeros_take_no_room_where_nothing_is)
{
    for (enum built_kind kind = BUILT_MONOLITHIC; kind <= BUILT_SPLIT; kind++) {
        BUILT built;
        struct vd_fs_stat before, after;
        const char *file = kind == BUILT_SPLIT ? "d-s001.vmdk" : BUILT_DISK;
        built_make(&built, kind);
        const struct vd_fs *fs = vd_fs_memory_fs(built.files);
        VD_FREE uint8_t *zeros = calloc(1000, VD_SECTOR_BYTES);
        check(zeros != NULL);
        check_code(vd_fs_stat(fs, file, &before, NULL), VD_OK);
        struct vd_disk *disk = open_built(&built);
        check_code(vd_disk_write(disk, 3, 1000, zeros, NULL), VD_OK);
        close_disk(disk);
        check_code(vd_fs_stat(fs, file, &after, NULL), VD_OK);
        check_u64_eq(after.size_bytes, before.size_bytes);
    }
}

VD_TEST(zeros_in_a_child_hide_the_parent)
{
    static const enum built_kind kinds[] = {BUILT_ZERO_CHILD, BUILT_SPARSE_CHILD, BUILT_COWD,
                                            BUILT_SESPARSE};
    for (size_t i = 0; i < VD_ARRAY_SIZE(kinds); i++) {
        BUILT built;
        struct vd_run run;
        size_t num_runs;
        uint8_t zeros[8 * VD_SECTOR_BYTES] = {0}, bytes[sizeof zeros];
        built_make(&built, kinds[i]);
        struct vd_disk *disk = open_built(&built);
        check_code(vd_disk_write(disk, 800, 8, zeros, NULL), VD_OK);
        check_code(vd_disk_read(disk, 800, 8, bytes, NULL), VD_OK);
        check_mem_eq(bytes, zeros, sizeof bytes);
        check_code(vd_disk_map(disk, 800, 8, &run, 1, &num_runs, NULL), VD_OK);
        check_int_eq(run.kind, kinds[i] == BUILT_SPARSE_CHILD ? VD_RUN_DATA : VD_RUN_ZERO);
        check_int_eq(run.link, 0);
        close_disk(disk);
    }
}

/* The built disk's file, said to be larger than it is. */
static void stretch(struct built_disk *built, const char *path, uint64_t size_bytes)
{
    struct vd_fs_stat stat;
    check_code(vd_fs_stat(vd_fs_memory_fs(built->files), path, &stat, NULL), VD_OK);
    size_t length = (size_t)stat.size_bytes;
    VD_FREE uint8_t *bytes = malloc(length);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check(bytes != NULL);
    check_code(vd_fs_open(vd_fs_memory_fs(built->files), path, 0, &block, NULL), VD_OK);
    check_code(vd_block_read(block, 0, bytes, length, NULL), VD_OK);
    check_code(vd_fs_memory_add_sparse(built->files, path, bytes, length, size_bytes, NULL), VD_OK);
}

VD_TEST(files_end_where_sector_numbers_do)
{
    static const struct {
        enum built_kind kind;
        const char *file;
    } cases[] = {{BUILT_MONOLITHIC, BUILT_DISK}, {BUILT_COWD, "d-delta.vmdk"}};
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        BUILT built;
        struct vd_error err = VD_ERROR_INIT;
        uint8_t bytes[8 * VD_SECTOR_BYTES] = {1};
        struct vd_run run;
        size_t num_runs;
        built_make(&built, cases[i].kind);
        stretch(&built, cases[i].file, 2 * VD_TIB - 512);
        struct vd_disk *disk = open_built(&built);
        check_code(vd_disk_write(disk, 800, 8, bytes, &err), VD_E_TOO_BIG);
        check_str_has(err.text, "sector numbers end at 2199023255552");
        check_code(vd_disk_map(disk, 800, 8, &run, 1, &num_runs, NULL), VD_OK);
        check(run.kind == VD_RUN_ABSENT || run.link != 0);
        close_disk(disk);
    }
}

VD_TEST(neighbouring_grains_are_one_write)
{
    static const enum built_kind kinds[] = {BUILT_MONOLITHIC, BUILT_COWD, BUILT_SESPARSE};
    for (size_t i = 0; i < VD_ARRAY_SIZE(kinds); i++) {
        BUILT built;
        struct vd_fs_trace *trace = NULL;
        struct vd_disk *disk = NULL;
        bool seen = false;
        built_make(&built, kinds[i]);
        VD_FREE uint8_t *bytes = malloc(240 * VD_SECTOR_BYTES);
        check(bytes != NULL);
        memset(bytes, 9, 240 * VD_SECTOR_BYTES);
        check_code(vd_fs_trace_new(vd_fs_memory_fs(built.files), &trace, NULL), VD_OK);
        const struct vd_vmdk_options options = {.fs = vd_fs_trace_fs(trace)};
        check_code(vd_vmdk_open(BUILT_DISK, &options, &disk, NULL), VD_OK);
        check_code(vd_disk_write(disk, 800, 240, bytes, NULL), VD_OK);
        for (size_t event = 0; event < vd_fs_trace_count(trace); event++)
            seen |= vd_fs_trace_event(trace, event)->kind == VD_TRACE_WRITE &&
                    vd_fs_trace_event(trace, event)->length == UINT64_C(240) * VD_SECTOR_BYTES;
        check(seen);
        close_disk(disk);
        vd_fs_trace_free(trace);
    }
}

VD_TEST(single_link_needs_the_parent_for_parts_of_grains)
{
    BUILT built;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    uint8_t bytes[8 * VD_SECTOR_BYTES] = {1};
    built_make(&built, BUILT_SPARSE_CHILD);
    check_code(try_open(built.files, BUILT_DISK, VD_VMDK_SINGLE_LINK, &disk, NULL), VD_OK);
    check_code(vd_disk_write(disk, 803, 1, bytes, &err), VD_E_PARTIAL_CHAIN);
    check_code(vd_disk_write(disk, 800, 8, bytes, NULL), VD_OK);
    check_code(vd_disk_write(disk, 803, 1, bytes, NULL), VD_OK);
    close_disk(disk);
}
