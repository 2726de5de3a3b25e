/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct error_entry {
    int parent;
    int sys_errno;
    uint32_t vix;
    const char *name;
    const char *text;
};

static const struct error_entry table[VD_ERROR_INDEX_END_] = {
    [VD_ERROR_INDEX_OK_] = {VD_OK, 0, 0, "OK", "no error"},
#define X(name, parent, err, vix, text) \
    [VD_ERROR_INDEX_##name##_] = {VD_E_##parent, (err), (vix), #name, (text)},
    VD_ERROR_CODES(X)
#undef X
};

static const struct error_entry *entry_of(int code)
{
    if (code > 0 || code <= -VD_ERROR_INDEX_END_)
        code = VD_E_FAIL;
    return &table[-code];
}

/* Length of `text` without a UTF-8 sequence that the cut at its end left incomplete. */
static size_t whole_characters(const char *text, size_t length)
{
    size_t back = 0;
    while (back < 3 && back < length && ((unsigned char)text[length - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == length)
        return length;

    unsigned char lead = (unsigned char)text[length - 1 - back];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return back + 1 < need ? length - back - 1 : length;
}

/* A sentence that was cut says so, and does not end in half a character. */
static void mark_cut(char text[VD_ERROR_TEXT_BYTES])
{
    static const char dots[] = "...";
    size_t keep = whole_characters(text, VD_ERROR_TEXT_BYTES - sizeof dots);
    memcpy(text + keep, dots, sizeof dots);
}

/* File names come from outside: a line break or a terminal's escape code in one must not turn one
 * sentence into two, or into a command to the terminal that shows it. */
static void blunt_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static void VD_PRINTF(2, 0) fill_text(char text[VD_ERROR_TEXT_BYTES], const char *fmt, va_list args)
{
    int length = vsnprintf(text, VD_ERROR_TEXT_BYTES, fmt, args);
    if (length < 0)
        text[0] = '\0';
    else if (length >= VD_ERROR_TEXT_BYTES)
        mark_cut(text);
    blunt_controls(text);
}

/* Adds `more`, which must not be inside `text`. */
static void append_text(char text[VD_ERROR_TEXT_BYTES], const char *more)
{
    size_t length = strlen(text);
    int added = snprintf(text + length, VD_ERROR_TEXT_BYTES - length, "%s", more);
    if (added > 0 && (size_t)added >= VD_ERROR_TEXT_BYTES - length)
        mark_cut(text);
}

int vd_error_set(struct vd_error *err, int code, const char *fmt, ...)
{
    assert(code < 0);
    if (!err || err->code != 0)
        return code;

    va_list args;
    va_start(args, fmt);
    fill_text(err->text, fmt, args);
    va_end(args);
    err->code = code;
    err->sys_errno = 0;
    return code;
}

int vd_error_set_errno(struct vd_error *err, int sys_errno, const char *fmt, ...)
{
    int code = vd_error_from_errno(sys_errno);
    if (!err || err->code != 0)
        return code;

    va_list args;
    va_start(args, fmt);
    fill_text(err->text, fmt, args);
    va_end(args);

    /* Not strerror: it is neither thread-safe nor the same under every locale. */
    const char *reason = strerrordesc_np(sys_errno);
    if (err->text[0])
        append_text(err->text, ": ");
    append_text(err->text, reason ? reason : "unknown system error");
    err->code = code;
    err->sys_errno = sys_errno;
    return code;
}

void vd_error_prefix(struct vd_error *err, const char *fmt, ...)
{
    if (!err || err->code == 0)
        return;

    char before[VD_ERROR_TEXT_BYTES];
    memcpy(before, err->text, sizeof before);

    va_list args;
    va_start(args, fmt);
    fill_text(err->text, fmt, args);
    va_end(args);
    append_text(err->text, ": ");
    append_text(err->text, before);
}

int vd_error_recode(struct vd_error *err, int code)
{
    assert(code < 0);
    if (err && err->code != 0)
        err->code = code;
    return code;
}

void vd_error_clear(struct vd_error *err)
{
    if (!err)
        return;
    err->code = 0;
    err->sys_errno = 0;
    err->text[0] = '\0';
}

bool vd_error_is(int code, int class_code)
{
    for (;;) {
        if (code == class_code)
            return true;
        int parent = entry_of(code)->parent;
        if (parent == code || code >= 0)
            return false;
        code = parent;
    }
}

int vd_error_errno(int code)
{
    return entry_of(code)->sys_errno;
}

uint32_t vd_error_vix(int code)
{
    return entry_of(code)->vix;
}

const char *vd_error_text(int code)
{
    return entry_of(code)->text;
}

const char *vd_error_name(int code)
{
    return entry_of(code)->name;
}

int vd_error_from_errno(int sys_errno)
{
    static const struct {
        int sys_errno;
        int code;
    } known[] = {
        {ENOENT, VD_E_NOT_FOUND},
        {ENOTDIR, VD_E_NOT_FOUND},
        {EACCES, VD_E_ACCESS},
        {EPERM, VD_E_ACCESS},
        {EROFS, VD_E_READ_ONLY},
        {EMFILE, VD_E_TOO_MANY_FILES},
        {ENFILE, VD_E_TOO_MANY_FILES},
        {ENOSPC, VD_E_DISK_FULL},
        {EDQUOT, VD_E_DISK_FULL},
        {EFBIG, VD_E_TOO_BIG},
        {EOVERFLOW, VD_E_TOO_BIG},
        {EINVAL, VD_E_INVALID_ARG},
        {ENOMEM, VD_E_NO_MEMORY},
        {EBUSY, VD_E_BUSY},
        {ETXTBSY, VD_E_BUSY},
        {EAGAIN, VD_E_BUSY},
        {EEXIST, VD_E_EXISTS},
        {ENOTEMPTY, VD_E_EXISTS},
        {EISDIR, VD_E_FILE_TYPE},
        {ENOTBLK, VD_E_FILE_TYPE},
        {ENXIO, VD_E_FILE_TYPE},
        {ENAMETOOLONG, VD_E_NAME_TOO_LONG},
        {ELOOP, VD_E_NAME_INVALID},
        {EILSEQ, VD_E_INVALID_UTF8},
        {EOPNOTSUPP, VD_E_NOT_SUPPORTED},
        {ENOSYS, VD_E_NOT_SUPPORTED},
        {ECANCELED, VD_E_CANCELLED},
        {EIO, VD_E_IO},
        {EPIPE, VD_E_IO},
        {ESTALE, VD_E_IO},
        {ETIMEDOUT, VD_E_IO},
        {EREMOTEIO, VD_E_IO},
        {ENODATA, VD_E_IO},
        {ENODEV, VD_E_IO},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(known); i++)
        if (known[i].sys_errno == sys_errno)
            return known[i].code;
    return VD_E_FAIL;
}

const char *vd_error_message(const struct vd_error *err, int code)
{
    return err && err->code != 0 && err->text[0] ? err->text : vd_error_text(code);
}
