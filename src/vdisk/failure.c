/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/failure.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static_assert(sizeof((struct vdisk_error *)0)->text == VD_ERROR_TEXT_BYTES, "a sentence fits");

struct vdisk_error *vd_native_error(struct vdisk_error *error, struct vdisk_error *own)
{
    struct vdisk_error *used = error ? error : own;
    used->code = VDISK_OK;
    used->sys_errno = 0;
    used->text[0] = '\0';
    return used;
}

static int tell(struct vdisk_error *err, uint32_t code, int sys_errno, const char *text)
{
    if (err->code == VDISK_OK) {
        struct vd_error tidy = VD_ERROR_INIT;
        vd_error_set(&tidy, VD_E_FAIL, "%s", text); /* no control characters */
        err->code = code;
        err->sys_errno = sys_errno;
        memcpy(err->text, tidy.text, sizeof tidy.text);
    }
    return -err->sys_errno;
}

int vd_native_fail(struct vdisk_error *err, int code, const char *fmt, ...)
{
    char text[VD_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); /* a long path may be cut short */
    va_end(args);
    return tell(err, vd_error_vix(code), vd_error_errno(code), text);
}

int vd_native_fail_from(struct vdisk_error *err, int code, const struct vd_error *from)
{
    int sys_errno = from->sys_errno != 0 ? from->sys_errno : vd_error_errno(code);
    return tell(err, vd_error_vix(code), sys_errno, vd_error_message(from, code));
}

/* Of the network and the server, which the table of the floors below does not know. */
static const struct {
    uint32_t code;
    int sys_errno;
} remote_codes[] = {
    {26, ENOTCONN},      {34, EHOSTDOWN},    {35, EACCES},          {36, ECONNRESET},
    {3014, EPERM},       {14006, EPROTO},    {14008, EHOSTUNREACH}, {14009, ECONNREFUSED},
    {14011, ECONNRESET}, {14014, ESHUTDOWN}, {14015, EHOSTDOWN},    {18000, EHOSTUNREACH},
    {20005, EBUSY},
};

static int errno_of(uint32_t code)
{
#define X(name, parent, err, vix, text) \
    if (code == (vix))                  \
        return (err);
    VD_ERROR_CODES(X)
#undef X
    for (size_t i = 0; i < VD_ARRAY_SIZE(remote_codes); i++)
        if (code == remote_codes[i].code)
            return remote_codes[i].sys_errno;
    return EIO;
}

/* The upper 48 bits of a VixError may carry a detail; the code alone is told. */
int vd_native_fail_vix(struct vdisk_error *err, uint64_t code, const char *fmt, ...)
{
    char text[VD_ERROR_TEXT_BYTES];
    uint32_t low = (uint32_t)(code & 0xffff);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); /* may be cut short */
    va_end(args);
    if (low == VDISK_OK)
        low = VDISK_E_FAIL;
    return tell(err, low, errno_of(low), text);
}
