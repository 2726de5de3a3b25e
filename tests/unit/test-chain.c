/* SPDX-License-Identifier: Apache-2.0 */
/* Chains through the whole of vd_vmdk_open, as a disk. */
#include "vmdk/vmdk.h"

#include "block/fault.h"
#include "memory-disks.h"

struct request {
    struct vd_fs_memory *files;
    const char *path;
    unsigned flags;
    const char *const *parent_folders;
    struct kept_log *log;
};

static int try_open(const struct request *request, struct vd_disk **ret, struct vd_error *err)
{
    struct vd_vmdk_options options = {
        .fs = vd_fs_memory_fs(request->files),
        .log = request->log != NULL ? &request->log->log : NULL,
        .flags = request->flags | VD_VMDK_READ_ONLY,
        .parent_folders = request->parent_folders,
    };
    return vd_vmdk_open(request->path, &options, ret, err);
}

static struct vd_disk *open_disk(struct request request)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(try_open(&request, &disk, &err), VD_OK, &err);
    return disk;
}
#define AUTO VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *

static void check_refused(struct request request, int code, const char *const *parts)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(try_open(&request, &disk, &err), code, &err);
    for (; *parts != NULL; parts++)
        check_str_has(err.text, *parts);
    check(disk == NULL);
}
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_sector(struct vd_disk *disk, uint64_t sector, char want)
{
    struct vd_error err = VD_ERROR_INIT;
    char bytes[512];
    check_code_err(vd_disk_read(disk, sector, 1, bytes, &err), VD_OK, &err);
    check_int_eq(bytes[0], want);
    check_int_eq(bytes[511], want);
}

/* An ESX redo log of 8 sectors that holds only sector `own`, filled with `fill`. */
static void add_delta(struct vd_fs_memory *files, const char *path, uint32_t own, char fill)
{
    static uint8_t bytes[(4 + 1 + 32 + 1) * 512];
    memset(bytes, 0, sizeof bytes);
    static const uint32_t header[] = {0x44574f43, 1, 3, 8, 1, 4, 1, 38};
    memcpy(bytes, header, sizeof header);
    bytes[4 * 512] = 5;
    bytes[5 * 512 + 4 * own] = 37;
    memset(bytes + 37 * 512, fill, 512);
    check_code(vd_fs_memory_add(files, path, bytes, sizeof bytes, NULL), VD_OK);
}

static void add_base(struct vd_fs_memory *files, const char *folder)
{
    char path[100];
    (void)snprintf(path, sizeof path, "%sbase.vmdk", folder);
    add_text(files, path,
             HEAD "CID=00000001\nparentCID=ffffffff\ncreateType=\"vmfs\"\n"
                  "RW 8 VMFS \"base-flat.vmdk\"\n"
                  "ddb.adapterType = \"ide\"\nddb.geometry.cylinders = \"3\"\n"
                  "ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n"
                  "ddb.uuid = \"60 00\"\nddb.longContentID = \"base\"\n");
    (void)snprintf(path, sizeof path, "%sbase-flat.vmdk", folder);
    add_data(files, path, 8, 'b');
}

/* `name`.vmdk with `name`-delta.vmdk, which holds sector `own`. */
static void add_child(struct vd_fs_memory *files, const char *name, const char *hint, unsigned cid,
                      unsigned parent_cid, uint32_t own)
{
    char path[100];
    char text[1000];
    const char *slash = strrchr(name, '/');
    (void)snprintf(text, sizeof text,
                   HEAD "CID=%08x\nparentCID=%08x\ncreateType=\"vmfsSparse\"\n"
                        "parentFileNameHint=\"%s\"\nRW 8 VMFSSPARSE \"%s-delta.vmdk\"\n"
                        "ddb.longContentID = \"%s\"\nddb.LONGcontentid = \"again\"\n",
                   cid, parent_cid, hint, slash ? slash + 1 : name, name);
    (void)snprintf(path, sizeof path, "%s.vmdk", name);
    add_text(files, path, text);
    (void)snprintf(path, sizeof path, "%s-delta.vmdk", name);
    add_delta(files, path, own, (char)('0' + own));
}

VD_TEST(a_chain_reads_the_nearest_link)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_child(files, "one", "base.vmdk", 2, 1, 1);
    add_child(files, "two", "one.vmdk", 3, 2, 2);
    struct kept_log log;
    kept_log_init(&log);
    AUTO disk = open_disk((struct request){.files = files, .path = "two.vmdk", .log = &log});
    check_u64_eq(vd_disk_capacity(disk), 8);
    check_sector(disk, 0, 'b');
    check_sector(disk, 1, '1');
    check_sector(disk, 2, '2');
    check_sector(disk, 7, 'b');
    check_str_has(log.text,
                  "DISKLIB-LINK  : Opened 'two.vmdk' (0x1): vmfsSparse, 8 sectors / 0 MB.");
    check_str_has(log.text, "DISKLIB-LINK  : Opened 'base.vmdk' (0x1): vmfs, 8 sectors / ");

    struct vd_run runs[8];
    size_t count;
    check_code(vd_disk_map(disk, 0, 8, runs, 8, &count, NULL), VD_OK);
    check_u64_eq(count, 4);
    check_u64_eq(runs[0].link, 2);
    check_u64_eq(runs[1].link, 1);
    check_u64_eq(runs[2].link, 0);
    check_str_eq(runs[3].file, "base-flat.vmdk");
}

VD_TEST(info_and_metadata_come_from_the_nearest_link_that_has_them)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_child(files, "one", "base.vmdk", 2, 1, 1);
    AUTO disk = open_disk((struct request){.files = files, .path = "one.vmdk"});
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check_u64_eq(info.capacity_sectors, 8);
    check_int_eq(info.type, VD_DISK_VMFS_SPARSE);
    check_int_eq(info.adapter, VD_ADAPTER_IDE);
    check_u64_eq(info.geometry.heads, 16);
    check_u64_eq(info.bios_geometry.heads, 0);
    check_u64_eq(info.num_links, 2);
    check_str_eq(info.parent_hint, "base.vmdk");
    check_str_eq(info.uuid, "60 00");
    check_u64_eq(info.logical_sector_bytes, 512);
    check_u64_eq(info.grain_sectors, 1);
    check_str_eq(info.transport, "file");
    check(info.read_only);
    check_str_eq(vd_disk_meta_get(disk, "longContentID"), "one");
    check_str_eq(vd_disk_meta_get(disk, "ADAPTERTYPE"), "ide");
    check(vd_disk_meta_get(disk, "nothing") == NULL);
    check_str_eq(vd_disk_meta_key(disk, 0), "longContentID");
    check(vd_disk_meta_key(disk, 1) == NULL);
    check_code(vd_disk_write(disk, 0, 1, "", NULL), VD_E_READ_ONLY);
    check_str_eq(vd_disk_path(disk), "one.vmdk");
}

VD_TEST(deep_chains)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_child(files, "l1", "base.vmdk", 101, 1, 1);
    for (unsigned i = 2; i < VD_VMDK_MAX_LINKS + 2; i++) {
        char name[20], hint[20];
        (void)snprintf(name, sizeof name, "l%u", i);
        (void)snprintf(hint, sizeof hint, "l%u.vmdk", i - 1);
        add_child(files, name, hint, 100 + i, 99 + i, i % 8);
    }
    AUTO disk = open_disk((struct request){.files = files, .path = "l255.vmdk"});
    check_sector(disk, 7, '7');
    check_refused((struct request){.files = files, .path = "l256.vmdk"}, VD_E_CHAIN_TOO_LONG,
                  PARTS("'l256.vmdk'", "256 links", "'base.vmdk'"));
}

VD_TEST(moved_parents_are_found)
{
    static const char *const hints[] = {"/old/place/base.vmdk", "../elsewhere/base.vmdk",
                                        "C:\\VMs\\base.vmdk", "[ds1] vm/base.vmdk", "BASE.vmdk"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(hints); i++) {
        AUTO_FILES files = new_files();
        add_base(files, "/vm/");
        add_child(files, "/vm/one", hints[i], 2, 1, 1);
        AUTO disk = open_disk((struct request){.files = files, .path = "/vm/one.vmdk"});
        check_sector(disk, 0, 'b');
    }
}

VD_TEST(linked_clones_moved_together)
{
    AUTO_FILES files = new_files();
    add_base(files, "/new/gold/");
    add_child(files, "/new/clone/one", "/old/gold/base.vmdk", 2, 1, 1);
    struct request request = {.files = files, .path = "/new/clone/one.vmdk"};
    check_refused(request, VD_E_OUTSIDE_FOLDER,
                  PARTS("'/old/gold/base.vmdk'", "'/new/clone/one.vmdk'", "'/new/clone'"));
    request.flags = VD_VMDK_ALLOW_OUTSIDE;
    AUTO disk = open_disk(request);
    check_sector(disk, 0, 'b');
    request.flags = 0;
    request.parent_folders = PARTS("/new/gold");
    AUTO again = open_disk(request);
    check_sector(again, 0, 'b');
}

VD_TEST(a_child_named_like_its_parent_elsewhere_is_not_taken_for_it)
{
    AUTO_FILES files = new_files();
    add_base(files, "/gold/");
    add_child(files, "/clone/base", "/gold/base.vmdk", 2, 1, 1);
    struct request request = {.files = files, .path = "/clone/base.vmdk"};
    check_refused(request, VD_E_OUTSIDE_FOLDER, PARTS("'/gold/base.vmdk'", "'/clone'"));
    request.flags = VD_VMDK_ALLOW_OUTSIDE;
    AUTO disk = open_disk(request);
    check_sector(disk, 0, 'b');
}

VD_TEST(a_parent_in_a_folder_below_may_name_one_above)
{
    AUTO_FILES files = new_files();
    add_base(files, "/vm/");
    add_child(files, "/vm/snap/one", "../base.vmdk", 2, 1, 1);
    add_child(files, "/vm/two", "snap/one.vmdk", 3, 2, 2);
    AUTO disk = open_disk((struct request){.files = files, .path = "/vm/two.vmdk"});
    check_sector(disk, 0, 'b');
    check_sector(disk, 1, '1');
}

VD_TEST(the_place_with_the_right_cid_wins)
{
    AUTO_FILES files = new_files();
    add_base(files, "/vm/");
    add_child(files, "/vm/sub/base", "x.vmdk", 77, 5, 1);
    add_child(files, "/vm/one", "sub/base.vmdk", 2, 1, 1);
    AUTO disk = open_disk((struct request){.files = files, .path = "/vm/one.vmdk"});
    check_sector(disk, 0, 'b');
}

VD_TEST(a_parent_that_changed)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_child(files, "one", "base.vmdk", 2, 0xabc, 1);
    struct kept_log log;
    kept_log_init(&log);
    struct request request = {.files = files, .path = "one.vmdk", .log = &log};
    check_refused(request, VD_E_CID_MISMATCH,
                  PARTS("'base.vmdk'", "00000001", "'one.vmdk'", "00000abc"));
    request.flags = VD_VMDK_IGNORE_CID;
    AUTO disk = open_disk(request);
    check_sector(disk, 0, 'b');
    check_str_has(log.text, "00000abc");
}

VD_TEST(parents_without_a_cid)
{
    AUTO_FILES files = new_files();
    add_text(files, "base.vmdk", HEAD "RW 8 ZERO\n");
    add_child(files, "one", "base.vmdk", 2, 0, 1);
    check_refused((struct request){.files = files, .path = "one.vmdk"}, VD_E_CID_MISMATCH,
                  PARTS("'base.vmdk' has no CID", "00000000"));
}

VD_TEST(children_without_a_parent_cid)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_text(files, "c.vmdk", HEAD "parentFileNameHint=\"base.vmdk\"\nRW 8 VMFSSPARSE \"d\"\n");
    add_delta(files, "d", 3, 'd');
    AUTO disk = open_disk((struct request){.files = files, .path = "c.vmdk"});
    check_sector(disk, 0, 'b');
    check_sector(disk, 3, 'd');
}

VD_TEST(missing_parents)
{
    AUTO_FILES files = new_files();
    add_child(files, "/vm/one", "/old/dir/base.vmdk", 2, 1, 1);
    check_refused((struct request){.files = files, .path = "/vm/one.vmdk"}, VD_E_PARENT_MISSING,
                  PARTS("'/old/dir/base.vmdk'", "'/vm/base.vmdk'", "'/vm/../dir/base.vmdk'"));
    add_text(files, "/vm/odd.vmdk",
             HEAD "encoding=\"GBK\"\nparentCID=1\nparentFileNameHint=\"\xff\"\nRW 8 ZERO\n");
    check_refused((struct request){.files = files, .path = "/vm/odd.vmdk"}, VD_E_DESC_ENCODING,
                  PARTS("'/vm/odd.vmdk'", "encoding"));
    add_text(files, "/vm/nameless.vmdk", HEAD "parentCID=1\nRW 8 ZERO\n");
    check_refused((struct request){.files = files, .path = "/vm/nameless.vmdk"},
                  VD_E_PARENT_MISSING, PARTS("00000001", "does not name"));
}

VD_TEST(broken_parents)
{
    AUTO_FILES files = new_files();
    add_child(files, "one", "base.vmdk", 2, 1, 1);
    struct request request = {.files = files, .path = "one.vmdk"};
    add_text(files, "base.vmdk", "hello");
    check_refused(request, VD_E_PARENT_OPEN, PARTS("'one.vmdk'", "no virtual disk"));
    add_text(files, "base.vmdk", HEAD "CID=1\nencryptionKeys=\"x\"\n");
    check_refused(request, VD_E_PARENT_OPEN, PARTS("'one.vmdk'", "encrypted"));
    add_text(files, "base.vmdk", HEAD "CID=1\nRW 8 FLAT \"gone\" 0\n");
    check_refused(request, VD_E_PARENT_OPEN, PARTS("'one.vmdk'", "'gone' of 'base.vmdk'"));
}

VD_TEST(circles)
{
    AUTO_FILES files = new_files();
    add_child(files, "self", "self.vmdk", 1, 1, 1);
    check_refused((struct request){.files = files, .path = "self.vmdk"}, VD_E_CHAIN_LOOP,
                  PARTS("circle", "'self.vmdk'"));
    add_child(files, "a", "b.vmdk", 1, 2, 1);
    add_child(files, "b", "./a.vmdk", 2, 1, 1);
    check_refused((struct request){.files = files, .path = "a.vmdk"}, VD_E_CHAIN_LOOP,
                  PARTS("'b.vmdk'", "'./a.vmdk'", "'a.vmdk' again"));
}

VD_TEST(links_of_different_sizes)
{
    AUTO_FILES files = new_files();
    add_text(files, "base.vmdk", HEAD "CID=1\nRW 3 FLAT \"base-flat.vmdk\" 0\n");
    add_data(files, "base-flat.vmdk", 3, 'b');
    add_child(files, "one", "base.vmdk", 2, 1, 5);
    struct kept_log log;
    kept_log_init(&log);
    AUTO disk = open_disk((struct request){.files = files, .path = "one.vmdk", .log = &log});
    check_sector(disk, 2, 'b');
    check_sector(disk, 3, 0);
    check_sector(disk, 5, '5');
    check_sector(disk, 7, 0);
    check_str_has(log.text, "has 8 sectors, its parent 'base.vmdk' has 3");
}

VD_TEST(a_single_link)
{
    AUTO_FILES files = new_files();
    add_child(files, "one", "gone.vmdk", 2, 1, 5);
    AUTO disk = open_disk(
        (struct request){.files = files, .path = "one.vmdk", .flags = VD_VMDK_SINGLE_LINK});
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check_u64_eq(info.num_links, 1);
    check_sector(disk, 5, '5');
    struct vd_error err = VD_ERROR_INIT;
    char bytes[512];
    check_code_err(vd_disk_read(disk, 0, 1, bytes, &err), VD_E_PARTIAL_CHAIN, &err);
}

VD_TEST(native_snapshots_are_whole)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             HEAD "parentCID=1\nparentFileNameHint=\"gone\"\nisNativeSnapshot=\"yes\"\n"
                  "RW 2 FLAT \"f\" 0\n");
    add_data(files, "f", 2, 'n');
    AUTO disk = open_disk((struct request){.files = files, .path = "d.vmdk"});
    check_sector(disk, 1, 'n');
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check(info.parent_hint == NULL);
}

VD_TEST(virtualbox_differencing_disks)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             HEAD "CID=1\nparentCID=ffffffff\nRW 8 VMFSSPARSE \"x\"\n"
                  "ddb.uuid.parent=\"2af0e2cb-92ea-4ae7-9d7c-ad3e9ac4b9e7\"\n");
    add_delta(files, "x", 1, 'x');
    struct request request = {.files = files, .path = "d.vmdk"};
    check_refused(request, VD_E_DISK_FEATURE, PARTS("VirtualBox differencing", "2af0e2cb-92ea"));
    request.flags = VD_VMDK_SINGLE_LINK;
    AUTO disk = open_disk(request);
    check_sector(disk, 1, 'x');
}

VD_TEST(an_empty_disk)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 0 FLAT \"f\" 0\n");
    AUTO disk = open_disk((struct request){.files = files, .path = "d.vmdk"});
    check_u64_eq(vd_disk_capacity(disk), 0);
    check_code(vd_disk_read(disk, 0, 0, NULL, NULL), VD_OK);
}

VD_TEST(sector_sizes)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             HEAD "RW 8 ZERO\nddb.logicalSectorSize = \"512\"\nddb.physicalSectorSize=\"4096\"\n");
    AUTO disk = open_disk((struct request){.files = files, .path = "d.vmdk"});
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check_u64_eq(info.logical_sector_bytes, 512);
    check_u64_eq(info.physical_sector_bytes, 4096);
}

VD_TEST(no_options_at_all)
{
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_vmdk_open("/no/such/disk.vmdk", NULL, &disk, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot open '/no/such/disk.vmdk'");
}

/* Every call of the file system below fails once, in turn: what is then refused is told, what opens
 * reads right, and nothing leaks. */
VD_TEST(faults_anywhere_while_opening)
{
    AUTO_FILES files = new_files();
    add_base(files, "");
    add_child(files, "one", "base.vmdk", 2, 1, 1);
    add_child(files, "two", "/moved/one.vmdk", 3, 2, 2);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
    struct vd_vmdk_options options = {.fs = vd_fs_fault_fs(fault), .flags = VD_VMDK_READ_ONLY};

    bool fired = true;
    unsigned refused = 0;
    for (uint64_t nth = 1; fired; nth++) {
        vd_fs_fault_arm(fault, VD_FAULT_ANY, nth, EIO, false);
        struct vd_error err = VD_ERROR_INIT;
        AUTO disk = NULL;
        int r = vd_vmdk_open("two.vmdk", &options, &disk, &err);
        fired = vd_fs_fault_fired(fault);
        check_int_eq(r < 0, err.code < 0);
        check(r >= 0 || err.text[0] != '\0');
        refused += r < 0;
        if (r >= 0) {
            vd_fs_fault_arm(fault, VD_FAULT_ANY, 0, 0, false);
            check_sector(disk, 2, '2');
            check_sector(disk, 3, 'b');
        }
    }
    check(refused > 20);
}
