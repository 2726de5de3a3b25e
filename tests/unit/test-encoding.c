/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/encoding.h"

#include <string.h>

#include "harness.h"

static void check_both_ways(const char *encoding, const char *text, const char *utf8)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *converted = NULL;
    VD_FREE char *back = NULL;
    check_code_err(vd_encoding_to_utf8(encoding, text, &converted, &err), VD_OK, &err);
    check_str_eq(converted, utf8);
    check_code_err(vd_encoding_from_utf8(encoding, utf8, &back, &err), VD_OK, &err);
    check_str_eq(back, text);
}

VD_TEST(encodings_of_localized_products)
{
    check_both_ways("windows-1252",
                    "Gr\xfc\xdf"
                    "e.vmdk",
                    "Grüße.vmdk");
    check_both_ways("GBK", "\xb4\xc5\xc5\xcc.vmdk", "磁盘.vmdk");
    check_both_ways("Big5", "\xba\xcf\xba\xd0.vmdk", "磁碟.vmdk");
    check_both_ways("Shift_JIS", "\x83\x66\x83\x42\x83\x58\x83\x4e.vmdk", "ディスク.vmdk");
    check_both_ways("windows-936", "\xb4\xc5\xc5\xcc", "磁盘");
    check_both_ways("windows-1251", "\xc4\xe8\xf1\xea", "Диск");
    check_both_ways("EUC-KR", "\xb5\xf0\xbd\xba\xc5\xa9", "디스크");
    check_both_ways("windows-932", "\x83\x66", "デ");
}

VD_TEST(utf8_is_left_alone_whatever_it_is)
{
    check_both_ways(NULL, "Grüße", "Grüße");
    check_both_ways("UTF-8", "Grüße", "Grüße");
    check_both_ways("utf8", "\xff\xfe", "\xff\xfe");
    check_both_ways(NULL, "", "");
}

VD_TEST(ascii_needs_no_encoding)
{
    check_both_ways("no-such-thing", "disk-flat.vmdk", "disk-flat.vmdk");
    check_both_ways("//IGNORE", "disk", "disk");
}

static void check_refused(const char *encoding, const char *text, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *converted = NULL;
    check_code(vd_encoding_to_utf8(encoding, text, &converted, &err), VD_E_DESC_ENCODING);
    check_str_has(err.text, part);
    check(converted == NULL);
}

VD_TEST(impossible_encodings)
{
    check_refused("no-such-thing", "\xe4", "not known");
    check_refused("", "\xe4", "cannot use");
    check_refused("windows-1252//IGNORE", "\xe4", "cannot use");
    check_refused("ISO-2022-JP", "\xe4", "cannot use");
    check_refused("UTF-16LE", "\xe4", "cannot use");
    check_refused("a-name-that-is-longer-than-any-encoding-has-ever-had", "\xe4", "cannot use");
    check_refused("GBK", "\xff\xff", "is not text in");
    check_refused("Shift_JIS", "cut\x83", "is not text in");
    check_refused("windows-99999", "\xe4", "not known");
}

VD_TEST(characters_the_encoding_lacks)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *converted = NULL;
    check_code(vd_encoding_from_utf8("windows-1252", "磁盘", &converted, &err), VD_E_DESC_ENCODING);
    check_code(vd_encoding_from_utf8("windows-1252", "\xff", &converted, NULL), VD_E_DESC_ENCODING);
}
