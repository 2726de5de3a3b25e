/* SPDX-License-Identifier: Apache-2.0 */
/* <vdisk/vdisk.h> on disks of this machine, by either provider. */
#include <unistd.h>

#include "disks.h"

#define CAPACITY ((size_t)3 * 1024 * 1024 + 1536)

VD_TEST(a_new_disk_is_zeros_of_its_capacity)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    VD_FREE uint8_t *zeros = calloc(1, CAPACITY);
    check_u64_eq(vdisk_size(disk), CAPACITY);
    reads_as(disk, zeros, CAPACITY, 0);
    close_disk(disk);
}

VD_TEST(the_end_of_the_disk_is_a_short_count_then_none)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_error error;
    char bytes[2000];
    memset(bytes, 'x', sizeof bytes);
    check_int_eq(vdisk_write_at(disk, bytes, 2000, CAPACITY - 700, &error), 700);
    check_int_eq(vdisk_read_at(disk, bytes, 2000, CAPACITY - 699, &error), 699);
    check_int_eq(vdisk_read_at(disk, bytes, 2000, CAPACITY, &error), 0);
    check_int_eq(vdisk_read_at(disk, bytes, 2000, UINT64_MAX, &error), 0);
    check_u64_eq(error.code, VDISK_OK);
    check_int_eq(vdisk_write_at(disk, bytes, 1, CAPACITY, &error), -ENOSPC);
    check_u64_eq(error.code, VDISK_E_OUT_OF_RANGE);
    check_int_eq(error.sys_errno, ENOSPC);
    check_int_eq(vdisk_write_at(disk, bytes, 0, CAPACITY, &error), 0);
    check_int_eq(vdisk_write_at(disk, bytes, 1, UINT64_MAX, NULL), -ENOSPC);
    check_int_eq(vdisk_read_at(disk, bytes, 0, 0, &error), 0);
    close_disk(disk);
}

VD_TEST(sequential_calls_follow_the_offset)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_error error;
    char bytes[16];
    check_int_eq(vdisk_write(disk, "hello ", 6, &error), 6);
    check_int_eq(vdisk_write(disk, "world", 5, &error), 5);
    check_int_eq(vdisk_seek(disk, 0, SEEK_CUR, &error), 11);
    check_int_eq(vdisk_seek(disk, -10, SEEK_CUR, &error), 1);
    check_int_eq(vdisk_read(disk, bytes, 16, &error), 16);
    check_mem_eq(bytes, "ello world\0\0\0\0\0\0", 16);
    check_int_eq(vdisk_seek(disk, -4, SEEK_END, &error), (int64_t)CAPACITY - 4);
    check_int_eq(vdisk_read(disk, bytes, 16, &error), 4);
    check_int_eq(vdisk_read(disk, bytes, 16, &error), 0);
    check_int_eq(vdisk_write(disk, bytes, 16, &error), -ENOSPC);
    check_int_eq(vdisk_seek(disk, 100, SEEK_END, &error), (int64_t)CAPACITY + 100);
    check_int_eq(vdisk_read(disk, bytes, 16, &error), 0);
    check_int_eq(vdisk_seek(disk, 4, SEEK_SET, &error), 4);
    check_int_eq(vdisk_read(disk, bytes, 4, &error), 4);
    check_mem_eq(bytes, "o wo", 4);
    close_disk(disk);
}

VD_TEST(a_seek_to_no_place_moves_nothing)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_error error;
    check_int_eq(vdisk_seek(disk, 7, SEEK_SET, &error), 7);
    check_int_eq(vdisk_seek(disk, -1, SEEK_SET, &error), -EINVAL);
    check_int_eq(vdisk_seek(disk, -8, SEEK_CUR, &error), -EINVAL);
    check_int_eq(vdisk_seek(disk, INT64_MIN, SEEK_END, &error), -EINVAL);
    check_int_eq(vdisk_seek(disk, INT64_MAX, SEEK_CUR, &error), -EINVAL);
    check_int_eq(vdisk_seek(disk, 0, 77, &error), -EINVAL);
    check_str_has(error.text, "whence is 77");
    check_int_eq(vdisk_seek(disk, 0, SEEK_CUR, &error), 7);
    close_disk(disk);
}

VD_TEST(a_read_only_disk_takes_no_writes)
{
    const char *path = make_disk("a.vmdk", CAPACITY, 1);
    struct vdisk *disk = open_disk(path, VDISK_READ_ONLY);
    struct vdisk_info info = VDISK_INFO_INIT;
    struct vdisk_error error;
    check_int_eq(vdisk_write_at(disk, "x", 1, 0, &error), -EROFS);
    check_u64_eq(error.code, VDISK_E_READ_ONLY);
    check_int_eq(vdisk_write(disk, "x", 1, &error), -EROFS);
    check_int_eq(vdisk_meta_set(disk, "key", "value", &error), -EROFS);
    check_int_eq(vdisk_flush(disk, &error), 0);
    check_int_eq(vdisk_get_info(disk, &info, &error), 0);
    check_u64_eq(info.read_only, 1);
    close_disk(disk);
}

VD_TEST(what_was_written_is_there_when_the_disk_is_opened_again)
{
    const char *path = make_disk("a.vmdk", CAPACITY, VDISK_TYPE_SPLIT_SPARSE);
    struct vdisk *disk = open_disk(path, 0);
    struct vdisk_error error;
    write_all(disk, "bytes", 5, 100000);
    check_int_eq(vdisk_flush(disk, &error), 0);
    write_all(disk, "more", 4, 200001);
    close_disk(disk);
    disk = open_disk(path, VDISK_READ_ONLY);
    reads_as(disk, "\0bytes\0", 7, 99999);
    reads_as(disk, "more", 4, 200001);
    close_disk(disk);
}

VD_TEST(a_second_writer_is_locked_out_and_readers_are_not)
{
    const char *path = make_disk("a.vmdk", CAPACITY, 1);
    struct vdisk *disk = open_disk(path, 0);
    struct vdisk_params params = params_of(path, 0);
    struct vdisk_error error;
    struct vdisk *second;
    check_int_eq(vdisk_open(&params, &second, &error), -EBUSY);
    check_u64_eq(error.code, VDISK_E_LOCKED);
    check(second == NULL);
    close_disk(disk);
    close_disk(open_disk(path, 0));
}

VD_TEST(what_cannot_be_opened_is_told)
{
    struct vdisk_params params = params_of(test_path("none.vmdk"), 0);
    struct vdisk_error error;
    struct vdisk *disk;
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOENT);
    check_u64_eq(error.code, VDISK_E_NOT_FOUND);
    check_str_has(error.text, "none.vmdk");
    params.path = test_file("text.vmdk", "not a disk, a text of some length\n", 34);
    check_int_eq(vdisk_open(&params, &disk, &error), -EINVAL);
    check_u64_eq(error.code, VDISK_E_NOT_A_DISK);
    check_int_eq(vdisk_open(&params, &disk, NULL), -EINVAL);
}

VD_TEST(info_tells_what_a_disk_is)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_info info = VDISK_INFO_INIT;
    struct vdisk_error error;
    check_int_eq(vdisk_get_info(disk, &info, &error), 0);
    check_u64_eq(info.size, sizeof info);
    check_u64_eq(info.capacity_bytes, CAPACITY);
    check_u64_eq(info.adapter, VDISK_ADAPTER_LSILOGIC);
    check_u64_eq(info.num_links, 1);
    check_u64_eq(info.read_only, 0);
    check_u64_eq(info.logical_sector_bytes, 512);
    check(info.geometry.heads > 0);
    check_str_eq(info.parent, NULL);
    check(info.uuid != NULL);
    VD_FREE char *uuid = strdup(info.uuid);
    check_int_eq(
        vdisk_meta_set(disk, "uuid", "60 00 C2 9e 00 00 00 00-00 00 00 00 00 00 00 01", &error), 0);
    check_str_eq(info.uuid, uuid); /* lives as long as the disk */
    check_str_eq(info.transport, "file");
    if (getenv("VDISK_LIBDIR")) {
        check_u64_eq(info.type, VDISK_TYPE_UNKNOWN);
        check_str_has(info.provider, "/libvixDiskLib.so");
    } else {
        check_u64_eq(info.type, VDISK_TYPE_MONOLITHIC_SPARSE);
        check_str_eq(info.provider, "built-in");
    }
    close_disk(disk);
}

struct found {
    uint64_t start[16];
    uint64_t length[16];
    size_t count;
    int answer;
};

static int on_block(void *data, uint64_t offset, uint64_t length)
{
    struct found *found = data;
    check(found->count < 16);
    found->start[found->count] = offset;
    found->length[found->count++] = length;
    return found->answer;
}

/* Grains and chunks are 64 KiB; what a library cannot tell of the disk's end is allocated. */
VD_TEST(blocks_are_what_was_written_inside_the_range)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct found found = {.count = 0};
    struct vdisk_error error;
    write_all(disk, "x", 1, 70000);
    write_all(disk, "x", 1, 131072);
    write_all(disk, "x", 1, 1000000);
    check_int_eq(vdisk_blocks(disk, 0, 2 << 20, on_block, &found, &error), 0);
    check_u64_eq(found.count, 2);
    check_u64_eq(found.start[0], 65536);
    check_u64_eq(found.length[0], 131072);
    check_u64_eq(found.start[1], 983040);
    check_u64_eq(found.length[1], 65536);
    found.count = 0;
    check_int_eq(vdisk_blocks(disk, 131073, 2, on_block, &found, &error), 0);
    check_u64_eq(found.count, 1);
    check_u64_eq(found.start[0], 131073);
    check_u64_eq(found.length[0], 2);
    found.count = 0;
    found.answer = 5;
    check_int_eq(vdisk_blocks(disk, 0, UINT64_MAX, on_block, &found, &error), 5);
    check_u64_eq(found.count, 1);
    check_int_eq(vdisk_blocks(disk, CAPACITY, 1, on_block, &found, &error), 0);
    check_int_eq(vdisk_blocks(disk, 0, 0, on_block, &found, &error), 0);
    check_u64_eq(found.count, 1);
    check_int_eq(vdisk_blocks(disk, 0, 1, NULL, NULL, &error), -EINVAL);
    close_disk(disk);
}

static int on_key(void *data, const char *key, const char *value)
{
    struct found *found = data;
    found->count++;
    if (strcmp(key, "mine") == 0 && strcmp(value, "a value") == 0)
        found->start[0] = 1;
    return found->answer;
}

VD_TEST(the_disk_database_is_read_and_written)
{
    const char *path = make_disk("a.vmdk", CAPACITY, 1);
    struct vdisk *disk = open_disk(path, 0);
    struct found found = {.count = 0};
    struct vdisk_error error;
    char *value;
    check_int_eq(vdisk_meta_get(disk, "adapterType", &value, &error), 0);
    check_str_eq(value, "lsilogic");
    vdisk_free(value);
    check_int_eq(vdisk_meta_get(disk, "mine", &value, &error), -ENOENT);
    check_u64_eq(error.code, VDISK_E_KEY_NOT_FOUND);
    check(value == NULL);
    check_int_eq(vdisk_meta_set(disk, "mine", "a value", &error), 0);
    close_disk(disk);
    disk = open_disk(path, VDISK_READ_ONLY);
    check_int_eq(vdisk_meta_get(disk, "mine", &value, &error), 0);
    check_str_eq(value, "a value");
    vdisk_free(value);
    check_int_eq(vdisk_meta_list(disk, on_key, &found, &error), 0);
    check(found.count > 3 && found.start[0] == 1);
    found = (struct found){.answer = 9};
    check_int_eq(vdisk_meta_list(disk, on_key, &found, &error), 9);
    check_u64_eq(found.count, 1);
    check_int_eq(vdisk_meta_get(disk, "", &value, &error), -EINVAL);
    check_int_eq(vdisk_meta_get(disk, NULL, &value, &error), -EINVAL);
    check_int_eq(vdisk_meta_get(disk, "mine", NULL, &error), -EINVAL);
    check_int_eq(vdisk_meta_list(disk, NULL, NULL, &error), -EINVAL);
    close_disk(disk);
}

struct watch {
    int last;
    bool right;
};

static int on_progress(void *data, int percent)
{
    struct watch *watch = data;
    watch->right = watch->right && percent > watch->last && percent <= 100;
    watch->last = percent;
    return 1;
}

VD_TEST(whole_disks_are_cloned_grown_and_removed)
{
    const char *path = make_disk("a.vmdk", CAPACITY, 1);
    struct vdisk_params params = params_of(path, 0);
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct watch watch = {-1, true};
    struct vdisk_error error;
    struct vdisk *disk = open_disk(path, 0);
    write_all(disk, "content", 7, 1234567);
    close_disk(disk);
    create.type = VDISK_TYPE_STREAM_OPTIMIZED;
    create.progress = on_progress;
    create.progress_data = &watch;
    const char *clone = test_path("clone.vmdk");
    check_int_eq(vdisk_clone(&params, clone, &create, &error), 0);
    check(watch.right && watch.last == 100);
    check_int_eq(vdisk_clone(&params, clone, &create, &error), -EEXIST);
    check_int_eq(vdisk_clone(&params, test_path("same.vmdk"), NULL, &error), 0);
    disk = open_disk(clone, VDISK_READ_ONLY);
    reads_as(disk, "content", 7, 1234567);
    close_disk(disk);
    check_int_eq(vdisk_grow(&params, CAPACITY + 512, &error), 0);
    check_int_eq(vdisk_grow(&params, CAPACITY + 513, &error), -EINVAL);
    disk = open_disk(path, VDISK_READ_ONLY);
    check_u64_eq(vdisk_size(disk), CAPACITY + 512);
    reads_as(disk, "content", 7, 1234567);
    close_disk(disk);
    check_int_eq(vdisk_unlink(&params, &error), 0);
    check(access(path, F_OK) != 0);
    check_int_eq(vdisk_unlink(&params, &error), -ENOENT);
}

VD_TEST(what_cannot_be_created_is_refused)
{
    struct vdisk_params params = params_of(make_disk("a.vmdk", 512, 1), 0);
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct vdisk_error error;
    create.capacity_bytes = 1024;
    check_int_eq(vdisk_create(&params, &create, &error), -EEXIST);
    check_u64_eq(error.code, VDISK_E_EXISTS);
    params.path = test_path("b.vmdk");
    create.type = 99;
    check_int_eq(vdisk_create(&params, &create, &error), -EINVAL);
    create.type = VDISK_TYPE_UNKNOWN;
    check(vdisk_create(&params, &create, &error) < 0);
    create.type = 1;
    create.adapter = 0;
    check_int_eq(vdisk_create(&params, &create, &error), -EINVAL);
    create.adapter = 1;
    create.capacity_bytes = 1000;
    check_int_eq(vdisk_create(&params, &create, &error), -EINVAL);
    create.capacity_bytes = 0;
    check_int_eq(vdisk_create(&params, &create, &error), -EINVAL);
    check_int_eq(vdisk_create(&params, NULL, &error), -EINVAL);
    create.capacity_bytes = 512;
    create.size = 8;
    check_int_eq(vdisk_create(&params, &create, &error), -EINVAL);
    check(access(params.path, F_OK) != 0);
}

VD_TEST(bad_arguments_are_told_and_follow_nothing)
{
    struct vdisk_info info = VDISK_INFO_INIT;
    struct vdisk_error error;
    char byte = 0;
    struct vdisk *disk = (struct vdisk *)(void *)&info;
    check_int_eq(vdisk_open(NULL, &disk, &error), -EINVAL);
    check(disk == NULL);
    check_int_eq(vdisk_read_at(NULL, &byte, 1, 0, &error), -EINVAL);
    check_int_eq(vdisk_write_at(NULL, &byte, 1, 0, &error), -EINVAL);
    check_int_eq(vdisk_read(NULL, &byte, 1, NULL), -EINVAL);
    check_int_eq(vdisk_write(NULL, &byte, 1, NULL), -EINVAL);
    check_int_eq(vdisk_seek(NULL, 0, SEEK_SET, &error), -EINVAL);
    check_int_eq(vdisk_flush(NULL, &error), -EINVAL);
    check_int_eq(vdisk_get_info(NULL, &info, &error), -EINVAL);
    check_int_eq(vdisk_blocks(NULL, 0, 1, on_block, NULL, &error), -EINVAL);
    check_int_eq(vdisk_meta_set(NULL, "a", "b", &error), -EINVAL);
    check_int_eq(vdisk_close(NULL, &error), 0);
    check_u64_eq(vdisk_size(NULL), 0);
    vdisk_free(NULL);
}

VD_TEST(buffers_that_cannot_be_are_refused)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_error error;
    char byte = 0;
    check_int_eq(vdisk_read_at(disk, NULL, 1, 0, &error), -EINVAL);
    check_int_eq(vdisk_write_at(disk, NULL, 1, 0, &error), -EINVAL);
    check_int_eq(vdisk_read_at(disk, NULL, 0, 0, &error), 0);
    check_int_eq(vdisk_read_at(disk, &byte, SIZE_MAX, 0, &error), -EINVAL);
    check_int_eq(vdisk_read(disk, &byte, (size_t)1 << 63, &error), -EINVAL);
    check_int_eq(vdisk_get_info(disk, NULL, &error), -EINVAL);
    close_disk(disk);
}

/* A program built with an older header, with garbage behind its structures, and one built with a
 * newer header. */
VD_TEST(structures_of_other_sizes_are_understood)
{
    union {
        struct vdisk_params params;
        unsigned char bytes[sizeof(struct vdisk_params) + 64];
    } old, newer;
    const char *path = make_disk("a.vmdk", CAPACITY, 1);
    struct vdisk_error error;
    struct vdisk *disk;
    memset(&old, 0xee, sizeof old);
    old.params.size = offsetof(struct vdisk_params, libdir);
    old.params.path = path;
    old.params.flags = old.params.reserved = 0;
    check_int_eq(vdisk_open(&old.params, &disk, &error), 0);
    close_disk(disk);
    old.params.size--;
    check_int_eq(vdisk_open(&old.params, &disk, &error), -EINVAL);
    old.params.size = SIZE_MAX;
    check_int_eq(vdisk_open(&old.params, &disk, &error), -EINVAL);
    check_str_has(error.text, "its INIT macro sets it");
    memset(&newer, 0, sizeof newer);
    newer.params = params_of(path, 0);
    newer.params.size = sizeof newer;
    check_int_eq(vdisk_open(&newer.params, &disk, &error), 0);
    close_disk(disk);
    newer.bytes[sizeof newer - 1] = 1;
    check_int_eq(vdisk_open(&newer.params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "does not know");
}

VD_TEST(info_fills_as_much_as_there_is_room_for)
{
    union {
        struct vdisk_info info;
        unsigned char bytes[sizeof(struct vdisk_info) + 8];
    } room;
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    struct vdisk_error error;
    memset(&room, 0xee, sizeof room);
    room.info.size = 16;
    check_int_eq(vdisk_get_info(disk, &room.info, &error), 0);
    check_u64_eq(room.info.size, 16);
    check_u64_eq(room.info.capacity_bytes, CAPACITY);
    check_u64_eq(room.bytes[16], 0xee);
    room.info.size = sizeof room;
    check_int_eq(vdisk_get_info(disk, &room.info, &error), 0);
    check_u64_eq(room.bytes[sizeof room - 1], 0);
    room.info.size = 15;
    check_int_eq(vdisk_get_info(disk, &room.info, &error), -EINVAL);
    close_disk(disk);
}

struct fault {
    struct vdisk_params params;
    const char *sentence;
};

VD_TEST(params_that_make_no_sense_are_refused)
{
#define PARAMS(...)                                      \
    {                                                    \
        .size = sizeof(struct vdisk_params), __VA_ARGS__ \
    }
    static const struct fault faults[] = {
        {PARAMS(.path = ""), "no path is given"},
        {PARAMS(.server = "s", .user = "u", .password = "p", .vmx_spec = "m"), "no path is given"},
        {PARAMS(.path = "a", .flags = 8), "flags are 0x8"},
        {PARAMS(.path = "a", .reserved = 1), "reserved is 1"},
        {PARAMS(.path = "a", .vmx_spec = "moref=vm-1"), "but no server"},
        {PARAMS(.path = "a", .server = "s"), "none of password, cookie and ticket"},
        {PARAMS(.path = "a", .server = "s", .password = "p"), "a password is given without a user"},
        {PARAMS(.path = "a", .server = "s", .user = "u", .password = "p", .cookie = "c"),
         "more than one of password"},
        {PARAMS(.server = "s", .user = "u", .password = "p", .fcd_id = "f"),
         "but not its datastore"},
        {PARAMS(.server = "s", .user = "u", .password = "p", .fcd_id = "f", .fcd_datastore = "d",
                .vmx_spec = "m"),
         "both a virtual machine and a first-class disk"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(faults); i++) {
        struct vdisk_error error;
        struct vdisk *disk;
        check_int_eq(vdisk_open(&faults[i].params, &disk, &error), -EINVAL);
        check_u64_eq(error.code, VDISK_E_INVALID_ARG);
        check_str_has(error.text, faults[i].sentence);
    }
}

VD_TEST(the_built_in_engine_says_that_a_server_is_not_there)
{
    struct vdisk_params params = VDISK_PARAMS_INIT;
    struct vdisk_error error;
    struct vdisk *disk;
    params.path = "[store] a/a.vmdk";
    params.server = "127.0.0.1";
    params.port = 1; /* where nobody listens */
    params.user = "user";
    params.password = "geheim";
    params.identity = "tests";
    params.vmx_spec = "moref=vm-47";
    check_int_eq(vdisk_open(&params, &disk, &error), -ECONNREFUSED);
    check_str_has(error.text, "127.0.0.1");
    check(strstr(error.text, "geheim") == NULL);
}

VD_TEST(the_version_is_that_of_the_file_name)
{
    check_str_eq(vdisk_version(), "1.1.0");
}
