/* SPDX-License-Identifier: Apache-2.0 */
/* Another VixDiskLib as the provider: libraries that fail at every step, lack what came later, or
 * answer oddly. test-native-provider runs with the paths of the three stubs in its environment. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vdisk/vdisk.h>

#include "stub.h"
#include "tests/harness.h"

/* A library in a folder of its own. */
struct library {
    char folder[4096];
    void *loaded; /* once more, so that what it tells outlives the last disk */
    struct stub_control *control;
};

static void copy_file(const char *from, const char *to)
{
    char piece[65536];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    check(in != NULL && out != NULL);
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, in)) > 0)
        check_u64_eq(fwrite(piece, 1, got, out), got);
    fclose(in);
    check_int_eq(fclose(out), 0);
}

/* `stub` is the name of the variable with its path, `name` the file's below the folder. */
static struct library install(const char *stub, const char *name)
{
    struct library library = {.loaded = NULL};
    char file[4200];
    const char *path = getenv(stub);
    if (!path)
        test_skip("%s does not name a stub library", stub);
    snprintf(library.folder, sizeof library.folder, "%s", test_folder());
    snprintf(file, sizeof file, "%s/lib64", library.folder);
    check(mkdir(file, 0700) == 0 || errno == EEXIST);
    snprintf(file, sizeof file, "%s/%s", library.folder, name);
    copy_file(path, file);
    library.loaded = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    check(library.loaded != NULL);
    library.control = dlsym(library.loaded, "stub_control");
    check(library.control != NULL);
    library.control->transport = "file";
    return library;
}

static struct library full(void)
{
    return install("STUB_FULL", "lib64/libvixDiskLib.so.6");
}

static void remove_library(struct library *library)
{
    dlclose(library->loaded);
}

static struct vdisk_params local(const struct library *library)
{
    struct vdisk_params params = VDISK_PARAMS_INIT;
    params.path = "/disks/a.vmdk";
    params.libdir = library->folder;
    return params;
}

static struct vdisk_params remote(const struct library *library)
{
    struct vdisk_params params = local(library);
    params.path = "[store] a/a.vmdk";
    params.server = "vc.example";
    params.user = "user";
    params.password = "secret";
    params.vmx_spec = "moref=vm-47";
    params.identity = "tests";
    return params;
}

static struct vdisk *opened(const struct vdisk_params *params)
{
    struct vdisk_error error;
    struct vdisk *disk = NULL;
    if (vdisk_open(params, &disk, &error) < 0)
        test_fail("%s", error.text);
    return disk;
}

static void closed(struct vdisk *disk)
{
    struct vdisk_error error;
    if (vdisk_close(disk, &error) < 0)
        test_fail("%s", error.text);
}

VD_TEST(a_remote_disk_is_prepared_connected_opened_and_all_of_it_undone_in_reverse)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    struct vdisk *disk = opened(&params);
    check_str_eq(library.control->calls, "InitEx PrepareForAccess ConnectEx Open GetInfo ");
    library.control->calls[0] = '\0';
    closed(disk);
    check_str_eq(library.control->calls, "Close Disconnect EndAccess FreeConnectParams Exit ");
    remove_library(&library);
}

struct failure {
    const char *at;
    uint64_t code;
    const char *calls;
};

static const struct failure failures[] = {
    {"InitEx", 16053, "InitEx "},
    {"PrepareForAccess", 3014, "InitEx PrepareForAccess EndAccess FreeConnectParams Exit "},
    {"PrepareForAccess", 20005, "InitEx PrepareForAccess FreeConnectParams Exit "},
    {"ConnectEx", 18000, "InitEx PrepareForAccess ConnectEx EndAccess FreeConnectParams Exit "},
    {"Open", 14009,
     "InitEx PrepareForAccess ConnectEx Open Disconnect EndAccess FreeConnectParams Exit "},
    {"GetInfo", 7,
     "InitEx PrepareForAccess ConnectEx Open GetInfo Close Disconnect EndAccess "
     "FreeConnectParams Exit "},
};

VD_TEST(what_was_done_before_a_failing_step_is_undone_in_reverse_each_once)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    for (size_t i = 0; i < VD_ARRAY_SIZE(failures); i++) {
        struct vdisk_error error;
        struct vdisk *disk = (struct vdisk *)&error;
        library.control->calls[0] = '\0';
        library.control->fail_at = failures[i].at;
        library.control->fail_code = failures[i].code;
        int r = vdisk_open(&params, &disk, &error);
        check(r < 0 && disk == NULL);
        check_int_eq(-r, error.sys_errno);
        check_u64_eq(error.code, failures[i].code);
        check_str_has(error.text, "story");
        check_str_eq(library.control->calls, failures[i].calls);
    }
    library.control->fail_at = NULL;
    closed(opened(&params));
    remove_library(&library);
}

VD_TEST(the_first_failure_is_the_one_told_when_undoing_fails_too)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    struct vdisk_error error;
    struct vdisk *disk;
    library.control->nothing_from = "GetInfo";
    library.control->fail_at = "Disconnect";
    library.control->fail_code = 1;
    check(vdisk_open(&params, &disk, &error) < 0);
    check_str_has(error.text, "gives no answer");
    check_str_has(library.control->calls, "Close Disconnect EndAccess FreeConnectParams Exit ");
    library.control->nothing_from = NULL;
    disk = opened(&params);
    library.control->calls[0] = '\0';
    check_int_eq(vdisk_close(disk, &error), -EIO);
    check_str_has(error.text, "disconnecting from '[store] a/a.vmdk': story 1");
    check_str_eq(library.control->calls, "Close Disconnect EndAccess FreeConnectParams Exit ");
    remove_library(&library);
}

VD_TEST(a_success_that_gives_nothing_is_a_failure)
{
    static const char *const functions[] = {"ConnectEx", "Open", "GetInfo"};
    struct library library = full();
    struct vdisk_params params = local(&library);
    for (size_t i = 0; i < VD_ARRAY_SIZE(functions); i++) {
        struct vdisk_error error;
        struct vdisk *disk;
        library.control->nothing_from = functions[i];
        check_int_eq(vdisk_open(&params, &disk, &error), -EIO);
        check_str_has(error.text, "says it is done, but gives no");
    }
    remove_library(&library);
}

VD_TEST(a_late_write_error_of_close_is_told_and_the_rest_is_undone)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    struct vdisk_error error;
    library.control->calls[0] = '\0';
    library.control->fail_at = "Close";
    library.control->fail_code = VDISK_E_DISK_FULL;
    check_int_eq(vdisk_close(disk, &error), -ENOSPC);
    check_u64_eq(error.code, VDISK_E_DISK_FULL);
    check_str_eq(library.control->calls, "Close Disconnect FreeConnectParams Exit ");
    remove_library(&library);
}

VD_TEST(local_disks_are_not_prepared_and_connect_with_nothing)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    params.identity = "tests";
    params.flags = VDISK_READ_ONLY | VDISK_ALLOW_OUTSIDE;
    struct vdisk *disk = opened(&params);
    check_str_eq(library.control->calls, "InitEx ConnectEx Open GetInfo ");
    check_str_eq(library.control->strings, "- - - 0 - - - 0 0 0 - - - ro=1 - -");
    check_u64_eq(library.control->open_flags, VDISK_READ_ONLY);
    closed(disk);
    remove_library(&library);
}

VD_TEST(the_connection_is_told_everything)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    params.password = NULL;
    params.cookie = "cookie";
    params.session_key = "key";
    params.thumbprint = "AA:BB";
    params.port = 8443;
    params.nfc_port = 9902;
    params.snapshot = "snapshot-48";
    params.transports = "nbdssl:nbd";
    params.flags = VDISK_READ_ONLY | VDISK_FASTLZ;
    closed(opened(&params));
    check_str_eq(library.control->strings,
                 "vc.example moref=vm-47 AA:BB 2 cookie user key 8443 9902 0 - - - ro=1 "
                 "snapshot-48 nbdssl:nbd");
    check_u64_eq(library.control->open_flags, VDISK_READ_ONLY | VDISK_FASTLZ);
    remove_library(&library);
}

VD_TEST(a_first_class_disk_has_no_path)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    params.path = params.vmx_spec = NULL;
    params.fcd_id = "fcd";
    params.fcd_datastore = "datastore-1";
    params.fcd_snapshot = "";
    closed(opened(&params));
    check_str_eq(library.control->strings,
                 "vc.example - - 1 user secret - 0 0 1 fcd datastore-1 - ro=0 - -");
    remove_library(&library);
}

struct lines {
    char text[4096];
};

static void keep_line(void *data, int level, const char *line)
{
    struct lines *lines = data;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%d:%s\n", level, line);
}

VD_TEST(one_library_serves_all_disks_of_a_folder_and_tells_the_log)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct lines lines = {""};
    char folder[4300];
    struct vdisk_error error;
    struct vdisk *none;
    vdisk_set_log(keep_line, &lines);
    params.config_file = "/etc/one";
    struct vdisk *first = opened(&params);
    snprintf(folder, sizeof folder, "%s/lib64/..", library.folder);
    params.libdir = folder;
    struct vdisk *second = opened(&params);
    check_str_eq(library.control->calls, "InitEx ConnectEx Open GetInfo ConnectEx Open GetInfo ");
    params.config_file = "/etc/other";
    check_int_eq(vdisk_open(&params, &none, &error), -EBUSY);
    check_str_has(error.text, "with the configuration file '/etc/one', not '/etc/other'");
    library.control->calls[0] = '\0';
    closed(first);
    check(strstr(library.control->calls, "Exit") == NULL);
    closed(second);
    check_str_has(library.control->calls, "Exit ");
    closed(opened(&params));
    vdisk_set_log(NULL, NULL);
    check_str_has(lines.text, "2:version 6.5 of '");
    check_str_has(lines.text, "' with '/etc/one'\n");
    check_str_has(lines.text, "' with '/etc/other'\n");
    remove_library(&library);
}

static void put(struct vdisk *disk, const void *bytes, size_t length, uint64_t offset)
{
    struct vdisk_error error;
    ssize_t done = vdisk_write_at(disk, bytes, length, offset, &error);
    if (done != (ssize_t)length)
        test_fail("%zd: %s", done, error.text);
}

static void expect(struct vdisk *disk, const void *want, size_t length, uint64_t offset)
{
    struct vdisk_error error;
    VD_FREE uint8_t *got = malloc(length);
    check(got != NULL);
    check_int_eq(vdisk_read_at(disk, got, length, offset, &error), (int64_t)length);
    check_mem_eq(got, want, length);
}

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = malloc(length);
    check(bytes != NULL);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 512);
    return bytes;
}

VD_TEST(any_buffer_reaches_a_device_aligned)
{
    static const char *const transports[] = {"san", "hotadd", "file"};
    struct library library = full();
    struct vdisk_params params = local(&library);
    VD_FREE uint8_t *bytes = pattern(200000);
    params.flags = VDISK_UNBUFFERED;
    for (size_t i = 0; i < VD_ARRAY_SIZE(transports); i++) {
        library.control->transport = transports[i];
        struct vdisk *disk = opened(&params);
        put(disk, bytes + 1, 150001, 1000);
        put(disk, bytes, 512, 512);
        expect(disk, bytes + 25, 150001 - 24, 1024);
        closed(disk);
        check(!library.control->misaligned);
        params.flags = 0;
        if (i == 1)
            params.flags = VDISK_UNBUFFERED;
    }
    remove_library(&library);
}

VD_TEST(transfers_to_a_server_stay_small)
{
    struct library library = full();
    struct vdisk_params params = remote(&library);
    VD_FREE uint8_t *bytes = malloc(8u << 20);
    struct vdisk_error error;
    check(bytes != NULL);
    memset(bytes, 1, 8u << 20);
    library.control->capacity = 100000;
    struct vdisk *disk = opened(&params);
    check_int_eq(vdisk_write_at(disk, bytes, 8u << 20, 0, &error), -ERANGE);
    check_u64_eq(error.code, VDISK_E_OUT_OF_RANGE);
    check_u64_eq(library.control->largest, 4096);
    closed(disk);
    remove_library(&library);
}

struct found {
    char text[1024];
    unsigned calls;
    unsigned stop_after;
};

static int on_block(void *data, uint64_t offset, uint64_t length)
{
    struct found *found = data;
    size_t used = strlen(found->text);
    snprintf(found->text + used, sizeof found->text - used, "%llu+%llu ",
             (unsigned long long)offset, (unsigned long long)length);
    return ++found->calls == found->stop_after ? 42 : 0;
}

static int blocks(struct vdisk *disk, uint64_t offset, uint64_t length, struct found *ret)
{
    struct vdisk_error error;
    unsigned stop_after = ret->stop_after;
    *ret = (struct found){.stop_after = stop_after};
    int r = vdisk_blocks(disk, offset, length, on_block, ret, &error);
    if (r < 0)
        snprintf(ret->text, sizeof ret->text, "%s", error.text);
    return r;
}

/* Chunks 0, 2, 4 and 6 of 64 KiB, and what is behind the last whole chunk (896 sectors). */
VD_TEST(blocks_of_any_range_are_asked_for_in_whole_chunks)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    struct found found = {.calls = 0};
    check_int_eq(blocks(disk, 0, UINT64_MAX, &found), 0);
    check_str_eq(found.text, "0+65536 131072+65536 262144+65536 393216+118784 ");
    check_int_eq(blocks(disk, 65535, 65538, &found), 0);
    check_str_eq(found.text, "65535+1 131072+1 ");
    check_int_eq(blocks(disk, 511999, 100, &found), 0);
    check_str_eq(found.text, "511999+1 ");
    check_int_eq(blocks(disk, 512000, 1, &found), 0);
    check_str_eq(found.text, "");
    found.stop_after = 2;
    check_int_eq(blocks(disk, 0, UINT64_MAX, &found), 42);
    check_str_eq(found.text, "0+65536 131072+65536 ");
    closed(disk);
    remove_library(&library);
}

VD_TEST(a_huge_disk_is_asked_for_in_parts)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct found found = {.calls = 0};
    library.control->capacity = UINT64_C(3) * 524288 * 128 + 77;
    struct vdisk *disk = opened(&params);
    check_int_eq(blocks(disk, 0, UINT64_MAX, &found), 0);
    check_u64_eq(library.control->largest_query, 524288);
    check_u64_eq(found.calls, 3 * 16 + 1);
    closed(disk);
    remove_library(&library);
}

VD_TEST(blocks_that_cannot_be_told_are_all_allocated_and_odd_ones_are_refused)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    struct found found = {.calls = 0};
    library.control->fail_at = "QueryAllocatedBlocks";
    library.control->fail_code = VDISK_E_NOT_SUPPORTED;
    check_int_eq(blocks(disk, 1000, UINT64_MAX, &found), 0);
    check_str_eq(found.text, "1000+511000 ");
    library.control->fail_code = VDISK_E_INVALID_ARG;
    check_int_eq(blocks(disk, 0, UINT64_MAX, &found), -EINVAL);
    library.control->fail_at = NULL;
    library.control->backwards = true;
    check_int_eq(blocks(disk, 0, UINT64_MAX, &found), -EIO);
    check_str_has(found.text, "names 128 sectors from sector 0, expected ascending ones");
    closed(disk);
    remove_library(&library);
}

VD_TEST(odd_codes_are_told_as_they_are)
{
    static const struct {
        uint64_t code;
        uint32_t want;
        int want_errno;
    } codes[] = {
        {25000, 25000, EIO},
        {54321, 54321, EIO},
        {UINT64_C(0xffff000000000004), 4, ENOENT},
        {UINT64_C(0x0001000000000000), 1, EIO},
        {16007, 16007, ERANGE},
    };
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    library.control->fail_at = "Read";
    for (size_t i = 0; i < VD_ARRAY_SIZE(codes); i++) {
        struct vdisk_error error;
        char byte;
        library.control->fail_code = codes[i].code;
        library.control->no_text = i == 1;
        check_int_eq(vdisk_read_at(disk, &byte, 1, 77, &error), -codes[i].want_errno);
        check_u64_eq(error.code, codes[i].want);
        check_str_has(error.text, i == 1 ? "no reason is given" : "story");
    }
    library.control->no_text = false;
    closed(disk);
    remove_library(&library);
}

static int on_key(void *data, const char *key, const char *value)
{
    return on_block(data, key[0] == 'k', strlen(value));
}

VD_TEST(the_disk_database_is_asked_twice)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    struct found found = {.calls = 0};
    char *value;
    check_int_eq(vdisk_meta_list(disk, on_key, &found, NULL), 0);
    check_str_eq(found.text, "");
    check_int_eq(vdisk_meta_get(disk, "key", &value, NULL), -ENOENT);
    library.control->metadata = "value";
    check_int_eq(vdisk_meta_get(disk, "key", &value, NULL), 0);
    check_str_eq(value, "value");
    vdisk_free(value);
    check_int_eq(vdisk_meta_list(disk, on_key, &found, NULL), 0);
    check_str_eq(found.text, "1+5 ");
    check_int_eq(vdisk_meta_set(disk, "key", "x", NULL), -ENOTSUP);
    closed(disk);
    remove_library(&library);
}

VD_TEST(an_old_library_without_what_came_later_reads_and_writes)
{
    struct library library = install("STUB_OLD", "libvixDiskLib.so.5");
    struct vdisk_params params = local(&library);
    struct vdisk *disk = opened(&params);
    struct found found = {.calls = 0};
    struct vdisk_info info = VDISK_INFO_INIT;
    struct vdisk_error error;
    char *value;
    put(disk, "bytes", 5, 1022);
    expect(disk, "\0bytes\0", 7, 1021);
    check_int_eq(blocks(disk, 1000, 5000, &found), 0);
    check_str_eq(found.text, "1000+5000 ");
    check_int_eq(vdisk_flush(disk, &error), -ENOTSUP);
    check_str_has(error.text, "has no VixDiskLib_Flush");
    check_int_eq(vdisk_meta_get(disk, "key", &value, &error), -ENOTSUP);
    check_int_eq(vdisk_get_info(disk, &info, &error), 0);
    check_u64_eq(info.logical_sector_bytes, 512);
    check_str_eq(info.transport, "");
    closed(disk);
    check_str_eq(library.control->calls, "InitEx ConnectEx Open GetInfo Close Disconnect Exit ");
    params = remote(&library);
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "has no VixDiskLib_PrepareForAccess");
    params.identity = NULL;
    closed(opened(&params));
    params.fcd_id = "fcd";
    params.fcd_datastore = "datastore-1";
    params.vmx_spec = NULL;
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "has no VixDiskLib_AllocateConnectParams");
    remove_library(&library);
}

VD_TEST(what_the_library_lacks_of_whole_disks_is_told)
{
    struct library library = install("STUB_OLD", "libvixDiskLib.so");
    struct vdisk_params params = local(&library);
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct vdisk_error error;
    create.capacity_bytes = 512;
    check_int_eq(vdisk_create(&params, &create, &error), -ENOTSUP);
    check_str_has(error.text, "has no VixDiskLib_Create");
    check_int_eq(vdisk_clone(&params, "/b.vmdk", NULL, &error), -ENOTSUP);
    check_int_eq(vdisk_grow(&params, 1024, &error), -ENOTSUP);
    check_int_eq(vdisk_unlink(&params, &error), -ENOTSUP);
    check_str_has(library.control->calls, "InitEx ConnectEx Disconnect Exit ");
    remove_library(&library);
}

VD_TEST(what_is_no_library_is_refused)
{
    struct library library = install("STUB_BROKEN", "lib64/libvixDiskLib.so.7");
    struct vdisk_params params = local(&library);
    struct vdisk_error error;
    struct vdisk *disk;
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "it has no VixDiskLib_Read, which every VixDiskLib has");
    check_str_eq(library.control->calls, "");
    remove_library(&library);
    (void)test_file("libvixDiskLib.so.9", "not a library", 13);
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "LD_LIBRARY_PATH");
    params.libdir = "/no/such/folder";
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOENT);
    check_str_has(error.text, "'/no/such/folder'");
    params.libdir = "/";
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOENT);
    check_str_has(error.text, "has a libvixDiskLib.so");
}

VD_TEST(an_impossible_capacity_is_refused)
{
    struct library library = full();
    struct vdisk_params params = local(&library);
    struct vdisk_error error;
    struct vdisk *disk;
    library.control->capacity = UINT64_MAX / 512;
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(library.control->calls, "Close Disconnect FreeConnectParams Exit ");
    remove_library(&library);
}
