/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/probe.h"

#include <string.h>

#include "base/bytes.h"
#include "block/memory.h"
#include "harness.h"

static enum vd_file_kind probe(const char *text)
{
    return vd_probe_bytes((const uint8_t *)text, strlen(text));
}

VD_TEST(magic_numbers)
{
    check_int_eq(probe("KDMV\1\0\0\0"), VD_FILE_KDMV);
    check_int_eq(probe("kdmv\1\0\0\0"), VD_FILE_INCOMPLETE_KDMV);
    check_int_eq(vd_probe_bytes((const uint8_t *)"\xbe\xba\xfe\xca\0\0\0\0", 8), VD_FILE_SESPARSE);
    check_int_eq(vd_probe_bytes((const uint8_t *)"\xbe\xba\xfe\xca\1\0\0\0", 8), VD_FILE_OTHER);
    check_int_eq(vd_probe_bytes((const uint8_t *)"\xbe\xba\xfe\xca", 4), VD_FILE_OTHER);
    check_int_eq(probe("\xa2\x72\x19\xf6"), VD_FILE_CTK);
    check_int_eq(probe("KDM"), VD_FILE_OTHER);
    check_int_eq(probe(""), VD_FILE_OTHER);
    check_int_eq(vd_probe_bytes(NULL, 0), VD_FILE_OTHER);
}

VD_TEST(text_descriptors)
{
    check_int_eq(probe("# Disk DescriptorFile\nversion=1\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("#Disk Descriptor File\r\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("# disk descriptorfile"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("version=1\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("\xef\xbb\xbf# Disk DescriptorFile\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("\n \n# a comment\n\n  VERSION = 3 \r\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("# Description file\nversion=1 \nCID=1\n"), VD_FILE_DESCRIPTOR);
}

VD_TEST(descriptors_with_something_before_the_version)
{
    check_int_eq(probe("encoding=\"UTF-8\"\n# Disk DescriptorFile\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("encoding=\"UTF-8\"\nversion=1\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("# no version\ncreateType=\"vmfs\"\n"), VD_FILE_DESCRIPTOR);
    check_int_eq(probe("RW 63 FLAT \"x\" 0\n"), VD_FILE_DESCRIPTOR);
}

VD_TEST(other_text)
{
    check_int_eq(probe("hello, world\nversion=1\n"), VD_FILE_OTHER);
    check_int_eq(probe("config.version = \"8\"\nvirtualHW.version = \"8\"\n"), VD_FILE_OTHER);
    check_int_eq(probe("versions=1\n"), VD_FILE_OTHER);
    check_int_eq(probe("# only\n# comments\n"), VD_FILE_OTHER);
    check_int_eq(probe("#\n"), VD_FILE_OTHER);
    check_int_eq(probe("a=1\n\x01\x02version=1\n"), VD_FILE_OTHER);
}

VD_TEST(nul_ends_the_text)
{
    static const char text[] = "a=1\n\0version=1\n";
    check_int_eq(vd_probe_bytes((const uint8_t *)text, sizeof text - 1), VD_FILE_OTHER);
    static const char padded[] = "version=1\0\0\0\0";
    check_int_eq(vd_probe_bytes((const uint8_t *)padded, sizeof padded - 1), VD_FILE_DESCRIPTOR);
}

VD_TEST(plain_disks_of_old)
{
    check_int_eq(probe("DRIVETYPE   ide\n#vm|VERSION 2\nCYLINDERS 4063\n"), VD_FILE_PLN);
    check_int_eq(probe("#vm|VERSION 2\n"), VD_FILE_PLN);
    check_int_eq(probe("# comment\ncylinders\t1\n"), VD_FILE_PLN);
}

struct cowd {
    uint32_t version;
    uint32_t flags;
    uint32_t sectors;
    uint32_t grain_sectors;
    uint32_t entries;
};

static enum vd_file_kind probe_cowd(struct cowd header)
{
    uint8_t bytes[64] = "COWD";
    vd_le32_encode(bytes + 4, header.version);
    vd_le32_encode(bytes + 8, header.flags);
    vd_le32_encode(bytes + 12, header.sectors);
    vd_le32_encode(bytes + 16, header.grain_sectors);
    vd_le32_encode(bytes + 20, 4);
    vd_le32_encode(bytes + 24, header.entries);
    return vd_probe_bytes(bytes, sizeof bytes);
}

VD_TEST(cowd_of_esx_and_of_hosted_products)
{
    check_int_eq(probe_cowd((struct cowd){1, 3, 204800, 1, 50}), VD_FILE_COWD);
    check_int_eq(probe_cowd((struct cowd){1, 0x13, 4095504, 32, 250}), VD_FILE_HOSTED_COWD);
    check_int_eq(probe_cowd((struct cowd){3, 0x12, 204800, 128, 4}), VD_FILE_HOSTED_COWD);
    check_int_eq(probe_cowd((struct cowd){1, 3, 100, 1, 1}), VD_FILE_COWD);
    check_int_eq(probe_cowd((struct cowd){1, 0x12, 100, 32, 1}), VD_FILE_HOSTED_COWD);
    check_int_eq(probe_cowd((struct cowd){1, 3, 100, 1, 77}), VD_FILE_COWD);
    check_int_eq(probe_cowd((struct cowd){1, 3, UINT32_MAX, 0, 1}), VD_FILE_COWD);
    check_int_eq(probe("COWD"), VD_FILE_COWD);
}

VD_TEST(blocks_are_probed_by_their_beginning)
{
    struct vd_error err = VD_ERROR_INIT;
    char bytes[3 * VD_PROBE_BYTES];
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes + sizeof bytes - 10, "version=1\n", 10);
    bytes[sizeof bytes - 11] = '\n';
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check_code_err(vd_block_memory_new(bytes, sizeof bytes, &block, &err), VD_OK, &err);
    enum vd_file_kind kind;
    check_code_err(vd_probe_block(block, &kind, &err), VD_OK, &err);
    check_int_eq(kind, VD_FILE_OTHER);
}

VD_TEST(every_kind_has_a_text)
{
    for (int kind = VD_FILE_DESCRIPTOR; kind <= VD_FILE_OTHER; kind++)
        check(strlen(vd_file_kind_text((enum vd_file_kind)kind)) > 5);
}
