/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <string.h>

#include "tests/harness.h"

static const int all_codes[] = {
#define X(name, parent, err, vix, text) VD_E_##name,
    VD_ERROR_CODES(X)
#undef X
};

VD_TEST(first_story_wins)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_error_set(&err, VD_E_GTE, "cannot read '%s': entry %d", "a.vmdk", 7), VD_E_GTE);
    check_code(vd_error_set(&err, VD_E_IO, "later"), VD_E_IO);
    check_code(err.code, VD_E_GTE);
    check_str_eq(err.text, "cannot read 'a.vmdk': entry 7");
    check_int_eq(err.sys_errno, 0);
}

VD_TEST(null_error_is_allowed)
{
    check_code(vd_error_set(NULL, VD_E_IO, "x"), VD_E_IO);
    check_code(vd_error_set_errno(NULL, ENOENT, "x"), VD_E_NOT_FOUND);
    check_code(vd_error_recode(NULL, VD_E_BUSY), VD_E_BUSY);
    vd_error_prefix(NULL, "x");
    vd_error_clear(NULL);
    check_str_eq(vd_error_message(NULL, VD_E_NO_MEMORY), "out of memory");
}

VD_TEST(errno_brings_its_reason)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_error_set_errno(&err, ENOENT, "cannot open '%s'", "x"), VD_E_NOT_FOUND);
    check_str_eq(err.text, "cannot open 'x': No such file or directory");
    check_int_eq(err.sys_errno, ENOENT);
    check_code(vd_error_set_errno(&err, EIO, "later"), VD_E_IO);
    check_int_eq(err.sys_errno, ENOENT);
}

VD_TEST(unknown_errno)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_error_set_errno(&err, 123456, "cannot do"), VD_E_FAIL);
    check_str_eq(err.text, "cannot do: unknown system error");
}

VD_TEST(prefix_recode_clear)
{
    struct vd_error err = VD_ERROR_INIT;
    vd_error_prefix(&err, "nothing failed, nothing to prefix");
    check_str_eq(err.text, "");
    check_code(vd_error_recode(&err, VD_E_BUSY), VD_E_BUSY);
    check_int_eq(err.code, 0);

    (void)vd_error_set_errno(&err, ENOENT, "cannot open 'p.vmdk'");
    vd_error_prefix(&err, "cannot open the parent of '%s'", "c.vmdk");
    check_str_eq(err.text,
                 "cannot open the parent of 'c.vmdk': cannot open 'p.vmdk': No such file or "
                 "directory");
    check_code(vd_error_recode(&err, VD_E_PARENT_MISSING), VD_E_PARENT_MISSING);
    check_code(err.code, VD_E_PARENT_MISSING);
    check_int_eq(err.sys_errno, ENOENT);

    vd_error_clear(&err);
    check_int_eq(err.code, 0);
    check_int_eq(err.sys_errno, 0);
    check_str_eq(vd_error_message(&err, VD_E_BUSY), "object is busy");
}

VD_TEST(long_text_is_cut_and_says_so)
{
    char name[2 * VD_ERROR_TEXT_BYTES];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';

    struct vd_error err = VD_ERROR_INIT;
    (void)vd_error_set(&err, VD_E_IO, "cannot read '%s'", name);
    check_u64_eq(strlen(err.text), VD_ERROR_TEXT_BYTES - 1);
    check_str_eq(err.text + VD_ERROR_TEXT_BYTES - 6, "nn...");
    vd_error_prefix(&err, "on behalf of '%s'", "x");
    check_u64_eq(strlen(err.text), VD_ERROR_TEXT_BYTES - 1);
    check_str_has(err.text, "on behalf of 'x': cannot read 'nnn");
    check_str_eq(err.text + VD_ERROR_TEXT_BYTES - 4, "...");

    struct vd_error other = VD_ERROR_INIT;
    (void)vd_error_set_errno(&other, EIO, "cannot read '%s'", name);
    check_u64_eq(strlen(other.text), VD_ERROR_TEXT_BYTES - 1);
    check_int_eq(other.sys_errno, EIO);
}

VD_TEST(cut_never_leaves_half_a_character)
{
    /* Euro signs of three bytes, shifted so that the cut falls on each of their bytes. */
    for (size_t shift = 0; shift < 3; shift++) {
        char name[VD_ERROR_TEXT_BYTES + 300];
        memset(name, 'n', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xe2\x82\xac", 4);

        struct vd_error err = VD_ERROR_INIT;
        (void)vd_error_set(&err, VD_E_IO, "%s", name);
        size_t length = strlen(err.text);
        check(length > VD_ERROR_TEXT_BYTES - 6);
        check_str_eq(err.text + length - 6, "\xe2\x82\xac...");
    }
}

VD_TEST(control_characters_are_blunted)
{
    struct vd_error err = VD_ERROR_INIT;
    (void)vd_error_set(&err, VD_E_IO, "cannot open '%s'", "a\nb\x1b[2Jc\x7f");
    check_str_eq(err.text, "cannot open 'a?b?[2Jc?'");
}

VD_TEST(classes)
{
    check(vd_error_is(VD_E_TRUNCATED, VD_E_TRUNCATED));
    check(vd_error_is(VD_E_TRUNCATED, VD_E_DAMAGED));
    check(vd_error_is(VD_E_DISK_FULL, VD_E_IO));
    check(!vd_error_is(VD_E_DAMAGED, VD_E_TRUNCATED));
    check(!vd_error_is(VD_E_IO, VD_E_DAMAGED));
    check(vd_error_is(VD_OK, VD_OK));
    check(!vd_error_is(VD_OK, VD_E_FAIL));
    check(!vd_error_is(VD_E_FAIL, VD_OK));
    check(vd_error_is(-999999, VD_E_FAIL));
}

VD_TEST(every_code_is_complete)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(all_codes); i++) {
        int code = all_codes[i];
        check(code < 0);
        check(vd_error_errno(code) > 0);
        check(vd_error_vix(code) > 0);
        check(*vd_error_text(code) != '\0');
        check(*vd_error_name(code) != '\0');
        check(!vd_error_is(code, VD_OK)); /* also: its parents come to an end */
    }
}

VD_TEST(surfaces)
{
    check_str_eq(vd_error_name(VD_E_NOT_FOUND), "NOT_FOUND");
    check_u64_eq(vd_error_vix(VD_E_NOT_FOUND), 4);
    check_int_eq(vd_error_errno(VD_E_NOT_FOUND), ENOENT);
    check_str_eq(vd_error_name(VD_OK), "OK");
    check_u64_eq(vd_error_vix(VD_OK), 0);
    check_str_eq(vd_error_name(-999999), "FAIL");
    check_str_eq(vd_error_name(5), "FAIL");
    check_u64_eq(vd_error_vix(-999999), 1);
}

VD_TEST(errno_to_code)
{
    check_code(vd_error_from_errno(EACCES), VD_E_ACCESS);
    check_code(vd_error_from_errno(EROFS), VD_E_READ_ONLY);
    check_code(vd_error_from_errno(EMFILE), VD_E_TOO_MANY_FILES);
    check_code(vd_error_from_errno(ENOSPC), VD_E_DISK_FULL);
    check_code(vd_error_from_errno(ENOMEM), VD_E_NO_MEMORY);
    check_code(vd_error_from_errno(EISDIR), VD_E_FILE_TYPE);
    check_code(vd_error_from_errno(0), VD_E_FAIL);
}
