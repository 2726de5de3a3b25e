/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

/* The linker puts these in front of the C library's. */
void __wrap_free(void *memory);
void __real_free(void *memory);
void *__wrap_realloc(void *memory, size_t size);
void *__real_realloc(void *memory, size_t size);

static const char SECRET[] = "the password";
static bool watching;
static unsigned left_behind;

static void look_at(const void *memory)
{
    if (watching && memory &&
        memmem(memory, malloc_usable_size((void *)(uintptr_t)memory), SECRET, strlen(SECRET)))
        left_behind++;
}

void __wrap_free(void *memory)
{
    look_at(memory);
    __real_free(memory);
}

/* Might move. */
void *__wrap_realloc(void *memory, size_t size)
{
    look_at(memory);
    return __real_realloc(memory, size);
}

VD_TEST(starts_empty)
{
    struct vd_buf buf = VD_BUF_INIT(10);
    check_str_eq(vd_buf_text(&buf), "");
    check(buf.data == NULL);
    VD_FREE char *text = vd_buf_steal(&buf);
    check_str_eq(text, "");
    vd_buf_done(&buf);
}

VD_TEST(grows_to_its_maximum_and_no_further)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf buf = VD_BUF_INIT(1000);
    for (int i = 0; i < 100; i++)
        check_code(vd_buf_append(&buf, "0123456789", 10), VD_OK);
    check_u64_eq(buf.length, 1000);
    check(buf.allocated <= 1001);
    check_u64_eq(strlen(vd_buf_text(&buf)), 1000);

    check_code(vd_buf_append(&buf, "x", 1), VD_E_TOO_BIG);
    check_code(vd_buf_printf(&buf, "%d", 1), VD_E_TOO_BIG);
    check_code(vd_buf_reserve(&buf, SIZE_MAX), VD_E_TOO_BIG);
    check_code(vd_buf_append(&buf, "", 0), VD_OK);
    check_u64_eq(buf.length, 1000);
    check_u64_eq(strlen(vd_buf_text(&buf)), 1000);
}

VD_TEST(refused_whole_or_taken_whole)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf buf = VD_BUF_INIT(5);
    check_code(vd_buf_append(&buf, "abc", 3), VD_OK);
    check_code(vd_buf_append(&buf, "def", 3), VD_E_TOO_BIG);
    check_code(vd_buf_printf(&buf, "%s", "def"), VD_E_TOO_BIG);
    check_str_eq(vd_buf_text(&buf), "abc");
}

VD_TEST(prints)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf buf = VD_BUF_INIT(200);
    check_code(vd_buf_printf(&buf, "%s=%d", "key", 5), VD_OK);
    check_code(vd_buf_printf(&buf, "%100s", "x"), VD_OK);
    check_u64_eq(buf.length, 105);
    check_int_eq(strncmp(vd_buf_text(&buf), "key=5   ", 8), 0);
}

VD_TEST(reserve_then_write)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf buf = VD_BUF_INIT(100);
    check_code(vd_buf_reserve(&buf, 50), VD_OK);
    check_str_eq(vd_buf_text(&buf), "");
    memset(buf.data + buf.length, 'y', 50);
    buf.length += 50;
    check_u64_eq(strlen(vd_buf_text(&buf)), 50);
}

VD_TEST(steals)
{
    struct vd_buf buf = VD_BUF_INIT(100);
    check_code(vd_buf_append(&buf, "mine", 4), VD_OK);
    VD_FREE char *text = vd_buf_steal(&buf);
    check_str_eq(text, "mine");
    check_u64_eq(buf.length, 0);
    check_code(vd_buf_append(&buf, "next", 4), VD_OK);
    check_str_eq(vd_buf_text(&buf), "next");
    vd_buf_done(&buf);
    vd_buf_done(&buf);
}

static unsigned left_by(struct vd_buf buf)
{
    left_behind = 0;
    watching = true;
    for (int i = 0; i < 100; i++) {
        check_code(vd_buf_append(&buf, SECRET, strlen(SECRET)), VD_OK);
        check_code(vd_buf_printf(&buf, "%d", i), VD_OK);
    }
    check_int_eq(strncmp(vd_buf_text(&buf), "the password0the password1", 26), 0);
    check_u64_eq(buf.length, 100 * strlen(SECRET) + 190);
    vd_buf_done(&buf);
    watching = false;
    check(buf.data == NULL);
    return left_behind;
}

VD_TEST(a_secret_leaves_nothing_behind)
{
    check(left_by((struct vd_buf)VD_BUF_INIT(5000)) > 0); /* so the look is a look */
    check_u64_eq(left_by((struct vd_buf)VD_BUF_INIT_SECRET(5000)), 0);
}
