/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "harness.h"

#define HEAD "# Disk DescriptorFile\nversion=1\n"
#define IDS  "CID=216bc064\nparentCID=ffffffff\n"
#define FLAT "RW 2048 FLAT \"d-flat.vmdk\" 0\n"

static struct vd_descriptor *parse_bytes(const char *text, size_t length)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_descriptor *descriptor = NULL;
    check_code_err(vd_descriptor_parse(text, length, "d.vmdk", &descriptor, &err), VD_OK, &err);
    return descriptor;
}

static struct vd_descriptor *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void check_refused(const char *text, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_descriptor *descriptor = NULL;
    check_code_err(vd_descriptor_parse(text, strlen(text), "d.vmdk", &descriptor, &err), code,
                   &err);
    check_str_has(err.text, "d.vmdk");
    check_str_has(err.text, part);
    check(descriptor == NULL);
}

#define AUTO VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *

static const char esx_child[] = "# Disk DescriptorFile\n"
                                "version=3\n"
                                "encoding=\"UTF-8\"\n"
                                "CID=fffffffe\n"
                                "parentCID=216bc064\n"
                                "isNativeSnapshot=\"no\"\n"
                                "createType=\"vmfsSparse\"\n"
                                "parentFileNameHint=\"disk.vmdk\"\n"
                                "# Extent description\n"
                                "RW 33554432 VMFSSPARSE \"disk-000001-delta.vmdk\"\n"
                                "\n"
                                "# Change Tracking File\n"
                                "changeTrackPath=\"disk-ctk.vmdk\"\n"
                                "\n"
                                "# The Disk Data Base \n"
                                "#DDB\n"
                                "\n"
                                "ddb.longContentID = \"3ca4d6ec709912129cf7ecb7fffffffe\"\n";

VD_TEST(a_child_as_esx_writes_it)
{
    AUTO d = parse(esx_child);
    check_u64_eq(d->version, 3);
    check_u64_eq(d->cid, VD_CID_NEVER_WRITTEN);
    check_u64_eq(d->parent_cid, 0x216bc064);
    check_str_eq(d->create_type, "vmfsSparse");
    check_str_eq(d->parent_hint, "disk.vmdk");
    check_str_eq(d->encoding, "UTF-8");
    check_str_eq(d->change_track, "disk-ctk.vmdk");
    check(!d->native_snapshot);
    check(vd_descriptor_has_parent(d));
    check_u64_eq(d->num_extents, 1);
    check_int_eq(d->extents[0].type, VD_EXTENT_VMFSSPARSE);
    check_int_eq(d->extents[0].access, VD_ACCESS_RW);
    check_str_eq(d->extents[0].file, "disk-000001-delta.vmdk");
    check(d->extents[0].file_raw == NULL);
    check(!d->extents[0].has_offset);
    check_u64_eq(d->capacity_sectors, 33554432);
    check_str_eq(vd_descriptor_ddb(d, "LONGcontentid"), "3ca4d6ec709912129cf7ecb7fffffffe");
    check_str_eq(vd_descriptor_header(d, "cid"), "fffffffe");
    check_u64_eq(d->header.count, 8);
    check_u64_eq(d->ddb.count, 1);
}

static void check_text(const struct vd_descriptor *d, const char *want)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_buf text = VD_BUF_INIT(1 << 20);
    check_code_err(vd_descriptor_to_text(d, &text, &err), VD_OK, &err);
    check_str_eq(vd_buf_text(&text), want);
    vd_buf_done(&text);
}

VD_TEST(writing_gives_the_template_back)
{
    AUTO d = parse(esx_child);
    check_text(d, esx_child);
}

VD_TEST(writing_a_base)
{
    static const char base[] = HEAD "CID=000bc064\nparentCID=ffffffff\ncreateType=\"custom\"\n"
                                    "someKey=some value\n"
                                    "\n# Extent description\n"
                                    "RW 63 FLAT \"a b-pt.vmdk\" 0\n"
                                    "RDONLY 100 FLAT \"/dev/sda\" 63 partitionUUID x \"y\"\n"
                                    "NOACCESS 4096 ZERO\n"
                                    "\n# The Disk Data Base \n#DDB\n\n"
                                    "ddb.adapterType = \"ide\"\n"
                                    "ddb.bare = 4\n";
    AUTO d = parse(base);
    check_text(d, base);
    check_u64_eq(d->num_extents, 3);
    check_str_eq(d->extents[1].rest, "partitionUUID x \"y\"");
    check_u64_eq(d->extents[1].offset_sectors, 63);
    check(d->extents[2].file == NULL);
    check_int_eq(d->extents[2].access, VD_ACCESS_NOACCESS);
    check_u64_eq(d->capacity_sectors, 63 + 100 + 4096);
}

VD_TEST(writing_brings_order)
{
    AUTO d = parse("ddb.x = \"1\"\n" FLAT "ParentCid = FFFFFFFF\nother=\"q\"\ncid=\"1\"\n"
                   "createtype=vmfs\nVersion = 1\nversion=2\n");
    check_text(d, HEAD "CID=00000001\nparentCID=ffffffff\ncreateType=\"vmfs\"\nother=\"q\"\n"
                       "\n# Extent description\n" FLAT "\n# The Disk Data Base \n#DDB\n\n"
                       "ddb.x = \"1\"\n");
}

VD_TEST(fields_win_over_lines_when_writing)
{
    AUTO d = parse(HEAD IDS FLAT);
    d->cid = 0xabc;
    d->version = 3;
    free(d->create_type);
    d->create_type = strdup("monolithicFlat");
    check_text(d, "# Disk DescriptorFile\nversion=3\nCID=00000abc\nparentCID=ffffffff\n"
                  "createType=\"monolithicFlat\"\n\n# Extent description\n" FLAT
                  "\n# The Disk Data Base \n#DDB\n\n");
}

VD_TEST(names_that_cannot_be_written)
{
    static const char *const names[] = {"a\"b", "a\nb", "a\rb"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(names); i++) {
        AUTO d = parse(HEAD FLAT);
        free(d->extents[0].file);
        d->extents[0].file = strdup(names[i]);
        struct vd_error err = VD_ERROR_INIT;
        struct vd_buf text = VD_BUF_INIT(1 << 20);
        check_code(vd_descriptor_to_text(d, &text, &err), VD_E_NAME_INVALID);
        vd_buf_done(&text);
    }
}

VD_TEST(writing_past_the_buffer)
{
    AUTO d = parse(esx_child);
    struct vd_error err = VD_ERROR_INIT;
    struct vd_buf text = VD_BUF_INIT(100);
    check_code(vd_descriptor_to_text(d, &text, &err), VD_E_TOO_BIG);
    check_str_has(err.text, "100");
    vd_buf_done(&text);
}

VD_TEST(odd_spacing_and_case)
{
    AUTO d =
        parse("\xef\xbb\xbf  # disk descriptorfile\r\n\r\n  VERSION = 1 \r\n"
              "\tcid\t=\ta454774a \r\nParentCID= FFFFFFFF\r\ncreateType=\"streamOptimized\" \r\n"
              "  rw \t 2048   flat\t\"D-Flat.vmdk\"  16 \r\n"
              "DDB.AdapterType=\"ide\"   \r\n  ddb.uuid   =   \"60 00\"\r\n");
    check_u64_eq(d->cid, 0xa454774a);
    check_str_eq(d->create_type, "streamOptimized");
    check_str_eq(d->extents[0].file, "D-Flat.vmdk");
    check_u64_eq(d->extents[0].offset_sectors, 16);
    check(d->extents[0].has_offset);
    check_str_eq(vd_descriptor_ddb(d, "adaptertype"), "ide");
    check_str_eq(vd_descriptor_ddb(d, "uuid"), "60 00");
}

VD_TEST(the_text_ends_at_a_nul)
{
    static const char text[] = HEAD FLAT "\0RW nonsense";
    AUTO d = parse_bytes(text, sizeof text - 1);
    check_u64_eq(d->num_extents, 1);
    AUTO unfinished = parse(HEAD "RW 1 ZERO");
    check_u64_eq(unfinished->capacity_sectors, 1);
}

VD_TEST(the_first_of_two_counts)
{
    AUTO d = parse(HEAD "CID=1\nCID=2\nddb.a = \"x\"\nddb.A = \"y\"\n" FLAT);
    check_u64_eq(d->cid, 1);
    check_str_eq(vd_descriptor_ddb(d, "a"), "x");
    check_u64_eq(d->ddb.count, 2);
}

VD_TEST(values_are_what_stands_there)
{
    AUTO d =
        parse(HEAD FLAT "a=\"x\" trailing\nb=one two\nc=\nx=\"\"\ne=\"never closed\nf = a=b\n");
    check_str_eq(vd_descriptor_header(d, "a"), "x");
    check_str_eq(vd_descriptor_header(d, "b"), "one two");
    check_str_eq(vd_descriptor_header(d, "c"), "");
    check_str_eq(vd_descriptor_header(d, "x"), "");
    check_str_eq(vd_descriptor_header(d, "e"), "never closed");
    check_str_eq(vd_descriptor_header(d, "f"), "a=b");
    check(vd_descriptor_header(d, "g") == NULL);
}

static uint32_t cid_of(const char *text)
{
    char all[200];
    (void)snprintf(all, sizeof all, HEAD "CID=%s\n" FLAT, text);
    AUTO d = parse(all);
    check(d->has_cid);
    return d->cid;
}

VD_TEST(cid_forms)
{
    check_u64_eq(cid_of("216bc064"), 0x216bc064);
    check_u64_eq(cid_of("e6872c3"), 0xe6872c3);
    check_u64_eq(cid_of("00000000"), 0);
    check_u64_eq(cid_of("0"), 0);
    check_u64_eq(cid_of("4294967295"), UINT32_MAX);
    check_u64_eq(cid_of("2166572391"), 2166572391u);
    check_u64_eq(cid_of("\"ABCDEF01\""), 0xabcdef01);
    check_u64_eq(cid_of("0x12"), 0x12);
    check_u64_eq(cid_of("0000000012ab"), 0x12ab);
    check_refused(HEAD "CID=xyz\n" FLAT, VD_E_DESC_SYNTAX, "xyz");
    check_refused(HEAD "CID=\n" FLAT, VD_E_DESC_SYNTAX, "8 hex digits");
    check_refused(HEAD "parentCID=123456789a\n" FLAT, VD_E_DESC_SYNTAX, "parentCID");
}

VD_TEST(who_has_a_parent)
{
    AUTO base = parse(HEAD IDS FLAT);
    check(!vd_descriptor_has_parent(base));
    AUTO without_ids = parse(HEAD FLAT);
    check(!without_ids->has_cid);
    check(!vd_descriptor_has_parent(without_ids));
    check_u64_eq(without_ids->parent_cid, VD_CID_NONE);
    AUTO hint_only = parse(HEAD "parentFileNameHint=\"p.vmdk\"\n" FLAT);
    check(vd_descriptor_has_parent(hint_only));
    AUTO hint_denied = parse(HEAD IDS "parentFileNameHint=\"p.vmdk\"\n" FLAT);
    check(!vd_descriptor_has_parent(hint_denied));
    AUTO empty_hint = parse(HEAD "parentFileNameHint=\"\"\n" FLAT);
    check(!vd_descriptor_has_parent(empty_hint));
    AUTO native = parse(HEAD "parentCID=1\nisNativeSnapshot=\"YES\"\n" FLAT);
    check(native->native_snapshot);
    check(!vd_descriptor_has_parent(native));
}

VD_TEST(virtualbox_children)
{
    AUTO child = parse(HEAD IDS FLAT "ddb.uuid.parent=\"2af0e2cb-92ea-4ae7-9d7c-ad3e9ac4b9e7\"\n");
    check(vd_descriptor_is_virtualbox_child(child));
    AUTO base = parse(HEAD IDS FLAT "ddb.uuid.parent=\"00000000-0000-0000-0000-000000000000\"\n");
    check(!vd_descriptor_is_virtualbox_child(base));
    AUTO other = parse(HEAD IDS FLAT);
    check(!vd_descriptor_is_virtualbox_child(other));
}

VD_TEST(broken_text)
{
    check_refused("", VD_E_DESC_NO_VERSION, "version");
    check_refused("createType=\"vmfs\"\n" FLAT, VD_E_DESC_NO_VERSION, "version");
    check_refused("version=0\n" FLAT, VD_E_VERSION, "'0'");
    check_refused("version=5\n" FLAT, VD_E_VERSION, "1 to 4");
    check_refused("version=x\n" FLAT, VD_E_VERSION, "'x'");
    check_refused("version=99999999999999999999\n" FLAT, VD_E_VERSION, "expected");
    check_refused(HEAD, VD_E_DESC_NO_EXTENT, "no extent");
    check_refused(HEAD "nonsense\n" FLAT, VD_E_DESC_SYNTAX, "line 3: 'nonsense'");
    check_refused(HEAD "=1\n" FLAT, VD_E_DESC_SYNTAX, "line 3");
    check_refused(HEAD "ddb.=1\n" FLAT, VD_E_DESC_SYNTAX, "no key");
}

VD_TEST(broken_extents)
{
    check_refused(HEAD "RW\n", VD_E_DESC_EXTENT, "line 3: no number of sectors");
    check_refused(HEAD "RW x FLAT \"a\" 0\n", VD_E_DESC_EXTENT, "no number of sectors");
    check_refused(HEAD "RW -1 FLAT \"a\" 0\n", VD_E_DESC_EXTENT, "no number of sectors");
    check_refused(HEAD "RW 18446744073709551616 ZERO\n", VD_E_DESC_EXTENT, "number of sectors");
    check_refused(HEAD "RW 18014398509481985 ZERO\n", VD_E_DESC_CAPACITY, "18014398509481984");
    check_refused(HEAD "RW 1\n", VD_E_DESC_EXTENT, "no extent type");
    check_refused(HEAD "RW 1 HOLLOW \"a\"\n", VD_E_DESC_EXTENT_TYPE, "'HOLLOW'");
    check_refused(HEAD "RW 1 FLAT\n", VD_E_DESC_EXTENT, "no file name");
    check_refused(HEAD "RW 1 FLAT a 0\n", VD_E_DESC_EXTENT, "no quoted file name");
    check_refused(HEAD "RW 1 FLAT \"a\n", VD_E_DESC_EXTENT, "no quoted file name");
    check_refused(HEAD "RW 1 SPARSE \"a\" 1\n", VD_E_DESC_EXTENT, "an offset, which must be 0");
    check_refused(HEAD "RW 1 FLAT \"a\" 18014398509481984\n", VD_E_DESC_EXTENT, "offset");
    check_refused(HEAD "RW 18014398509481984 ZERO\nRW 1 ZERO\n", VD_E_DESC_CAPACITY, "in all");
}

VD_TEST(tolerated_extents)
{
    AUTO d = parse(HEAD "RW 1 SPARSE \"a\" 0\nRW 2 FLAT \"b\"\nRW 3 VMFS \"c\" 7\n"
                        "RW 4 FLAT \"d\" partitionUUID 12\nRW 5 ZERO \nRW 0 FLAT \"\" 0\n");
    check_u64_eq(d->num_extents, 6);
    check(!d->extents[1].has_offset);
    check_u64_eq(d->extents[2].offset_sectors, 7);
    check_str_eq(d->extents[3].rest, "partitionUUID 12");
    check_u64_eq(d->capacity_sectors, 15);
}

VD_TEST(encrypted_disks)
{
    check_refused(HEAD "encryptionKeys=\"vmware:key/list/x\"\n#@$%\n", VD_E_ENCRYPTED, "encrypted");
    check_refused("encryption.keySafe = \"vmware:key\"\n", VD_E_ENCRYPTED, "line 1");
}

VD_TEST(names_in_other_encodings)
{
    AUTO d = parse(HEAD "encoding=\"windows-1252\"\nparentCID=1\n"
                        "parentFileNameHint=\"gr\xfcn.vmdk\"\n"
                        "RW 1 FLAT \"b\xf6se.vmdk\" 0\nddb.comment = \"\xe4\"\n");
    check_str_eq(d->extents[0].file, "böse.vmdk");
    check_str_eq(d->extents[0].file_raw, "b\xf6se.vmdk");
    check_str_eq(d->parent_hint, "grün.vmdk");
    check_str_eq(d->parent_hint_raw, "gr\xfcn.vmdk");
    check_str_eq(vd_descriptor_ddb(d, "comment"), "ä");
    check_text(d, HEAD "encoding=\"windows-1252\"\nparentCID=00000001\n"
                       "parentFileNameHint=\"gr\xfcn.vmdk\"\n# Extent description\n"
                       "RW 1 FLAT \"b\xf6se.vmdk\" 0\n\n# The Disk Data Base \n#DDB\n\n"
                       "ddb.comment = \"\xe4\"\n");
}

VD_TEST(the_encoding_among_the_ddb_keys)
{
    AUTO d = parse(HEAD "RW 1 FLAT \"\xb4\xc5\" 0\nddb.encoding = \"GBK\"\n");
    check_str_eq(d->extents[0].file, "磁");
}

VD_TEST(an_empty_encoding_is_none)
{
    AUTO d = parse(HEAD "encoding=\"\"\nRW 1 FLAT \"\xb4\xc5\" 0\nddb.encoding = \"GBK\"\n");
    check_str_eq(d->encoding, "GBK");
    AUTO none = parse(HEAD "encoding=\"\"\nRW 1 ZERO\n");
    check_str_eq(none->encoding, NULL);
}

VD_TEST(unusable_encodings_keep_the_bytes)
{
    static const char text[] = HEAD "encoding=\"klingon\"\nparentCID=00000001\n"
                                    "parentFileNameHint=\"\xf6\"\n# Extent description\n"
                                    "RW 1 FLAT \"\xe4\" 0\nRW 1 FLAT \"a\" 0\n"
                                    "\n# Change Tracking File\nchangeTrackPath=\"\xe4-ctk\"\n"
                                    "\n# The Disk Data Base \n#DDB\n\n"
                                    "ddb.comment = \"\xe4\"\n";
    AUTO d = parse(text);
    check_str_eq(d->extents[0].file, "\xe4");
    check(d->extents[0].undecoded);
    check(d->extents[0].file_raw == NULL);
    check(!d->extents[1].undecoded);
    check(d->parent_hint_undecoded);
    check_str_eq(vd_descriptor_ddb(d, "comment"), "\xe4");
    check_text(d, text);
    AUTO raw = parse(HEAD "RW 1 FLAT \"\xe4\" 0\n");
    check_str_eq(raw->extents[0].file, "\xe4");
    check(!raw->extents[0].undecoded);
}

VD_TEST(names_the_encoding_cannot_hold)
{
    AUTO d = parse(HEAD "encoding=\"windows-1252\"\n" FLAT);
    free(d->extents[0].file);
    d->extents[0].file = strdup("磁盘.vmdk");
    struct vd_error err = VD_ERROR_INIT;
    struct vd_buf text = VD_BUF_INIT(1 << 20);
    check_code(vd_descriptor_to_text(d, &text, &err), VD_E_DESC_ENCODING);
    vd_buf_done(&text);
}

static void check_type(const char *text, enum vd_disk_type type)
{
    char all[300];
    (void)snprintf(all, sizeof all, HEAD "createType=\"%s\"\n" FLAT, text);
    AUTO d = parse(all);
    check_int_eq(vd_descriptor_disk_type(d), type);
}

VD_TEST(disk_types)
{
    check_type("monolithicSparse", VD_DISK_MONOLITHIC_SPARSE);
    check_type("MONOLITHICFLAT", VD_DISK_MONOLITHIC_FLAT);
    check_type("twoGbMaxExtentSparse", VD_DISK_SPLIT_SPARSE);
    check_type("2GbMaxExtentFlat", VD_DISK_SPLIT_FLAT);
    check_type("streamOptimized", VD_DISK_STREAM_OPTIMIZED);
    check_type("vmfs", VD_DISK_VMFS_FLAT);
    check_type("vmfs\"\nddb.thinProvisioned=\"1", VD_DISK_VMFS_THIN);
    check_type("vmfsThin", VD_DISK_VMFS_THIN);
    check_type("vmfsEagerZeroedThick", VD_DISK_VMFS_FLAT);
    check_type("vmfsSparse", VD_DISK_VMFS_SPARSE);
    check_type("seSparse", VD_DISK_SE_SPARSE);
    check_type("partitionedDevice", VD_DISK_DEVICE);
    check_type("vmfsPassthroughRawDeviceMap", VD_DISK_DEVICE);
    check_type("custom", VD_DISK_UNKNOWN);
    check_type("", VD_DISK_UNKNOWN);
}

VD_TEST(adapters)
{
    check_int_eq(vd_descriptor_adapter("IDE"), VD_ADAPTER_IDE);
    check_int_eq(vd_descriptor_adapter("buslogic"), VD_ADAPTER_BUSLOGIC);
    check_int_eq(vd_descriptor_adapter("lsilogic"), VD_ADAPTER_LSILOGIC);
    check_int_eq(vd_descriptor_adapter("lsisas1068"), VD_ADAPTER_LSILOGIC);
    check_int_eq(vd_descriptor_adapter("pvscsi"), VD_ADAPTER_LSILOGIC);
    check_int_eq(vd_descriptor_adapter("legacyESX"), VD_ADAPTER_LSILOGIC);
    check_int_eq(vd_descriptor_adapter("nvme"), VD_ADAPTER_UNKNOWN);
    check_int_eq(vd_descriptor_adapter(NULL), VD_ADAPTER_UNKNOWN);
}

VD_TEST(geometry_of_the_ddb)
{
    AUTO d = parse(HEAD FLAT "ddb.geometry.cylinders = \"2088\"\nddb.geometry.heads = \"255\"\n"
                             "ddb.geometry.sectors = \" 63 \"\nddb.geometry.biosHeads = \"x\"\n"
                             "ddb.geometry.biosCylinders = \"99999999999\"\n");
    struct vd_geometry geometry = vd_descriptor_geometry(d);
    check_u64_eq(geometry.cylinders, 2088);
    check_u64_eq(geometry.heads, 255);
    check_u64_eq(geometry.sectors, 63);
    struct vd_geometry bios = vd_descriptor_bios_geometry(d);
    check_u64_eq(bios.cylinders, 0);
    check_u64_eq(bios.heads, 0);
}

static void check_many(const char *line, size_t count, int code)
{
    struct vd_buf text = VD_BUF_INIT(8u << 20);
    check_code(vd_buf_append(&text, HEAD, strlen(HEAD)), VD_OK);
    for (size_t i = 0; i < count; i++)
        check_code(vd_buf_append(&text, line, strlen(line)), VD_OK);
    struct vd_error err = VD_ERROR_INIT;
    AUTO d = NULL;
    check_code_err(vd_descriptor_parse(vd_buf_text(&text), text.length, "d.vmdk", &d, &err), code,
                   &err);
    if (code == VD_OK)
        check_u64_eq(d->num_extents, count);
    vd_buf_done(&text);
}

VD_TEST(limits)
{
    check_many("RW 2 ZERO\n", 40000, VD_OK);
    check_many("RW 2 ZERO\n", VD_DESCRIPTOR_MAX_EXTENTS + 1, VD_E_DESC_TOO_LARGE);
    check_many("a=1\n", VD_DESCRIPTOR_MAX_ENTRIES + 1, VD_E_DESC_TOO_LARGE);
    check_many("ddb.a=1\n", VD_DESCRIPTOR_MAX_ENTRIES + 1, VD_E_DESC_TOO_LARGE);
    check_many("# a long comment of 32 characters\n", 125000, VD_E_DESC_TOO_LARGE);
}
