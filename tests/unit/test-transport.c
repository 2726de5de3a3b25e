/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fake-disk.h"
#include "harness.h"
#include "transport/server.h"
#include "transport/transport-int.h"

/* What was tried, in order: a letter each; and what the log was told. */
static struct {
    char tried[8];
    char log[1024];
    int a_code; /* what "a" answers; VD_OK opens */
    int b_code;
} world;

static void hear(void *data, enum vd_log_level level, const char *fmt, va_list args)
    VD_PRINTF(3, 0);
static void hear(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    (void)data;
    check(level == VD_LOG_INFO);
    size_t length = strlen(world.log);
    (void)vsnprintf(world.log + length, sizeof world.log - length, fmt, args);
}

static const struct vd_log ear = {.emit = hear};

static bool never(const struct vd_transport_request *request, const char **ret_why)
{
    (void)request;
    *ret_why = "has no cable";
    return false;
}

static bool always(const struct vd_transport_request *request, const char **ret_why)
{
    (void)request;
    *ret_why = "cannot be";
    return true;
}

static int answer(char letter, int code, struct vd_disk **ret, struct vd_error *err)
{
    static struct fake_disk disk;
    size_t length = strlen(world.tried);
    world.tried[length] = letter;
    world.tried[length + 1] = '\0';
    if (code < 0)
        return vd_error_set(err, code, "%c says %s", letter, vd_error_name(code));
    *ret = &disk.disk;
    return VD_OK;
}

static int a_open(const struct vd_transport_request *request, struct vd_disk **ret,
                  struct vd_error *err)
{
    (void)request;
    return answer('a', world.a_code, ret, err);
}

static int b_open(const struct vd_transport_request *request, struct vd_disk **ret,
                  struct vd_error *err)
{
    (void)request;
    return answer('b', world.b_code, ret, err);
}

static const struct vd_transport nothing = {"file", never, NULL};
static const struct vd_transport a = {"nbdssl", always, a_open};
static const struct vd_transport b = {"nbd", always, b_open};
static const struct vd_transport *const all[] = {&nothing, &a, &b};
static const struct vd_transports transports = {all, VD_ARRAY_SIZE(all)};

static int open_with(const char *modes, struct vd_error *err)
{
    const struct vd_transport_place place = {.modes = modes};
    const struct vd_transport_request request = {.place = &place, .path = "[ds] d", .log = &ear};
    struct vd_disk *disk = NULL;
    world.tried[0] = world.log[0] = '\0';
    int r = vd_transport_walk(&transports, &request, &disk, err);
    check((r == VD_OK) == (disk != NULL));
    return r;
}

static void set_codes(int a_code, int b_code)
{
    world.a_code = a_code;
    world.b_code = b_code;
}

static void check_way(const char *modes, const char *tried)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(open_with(modes, &err), VD_OK, &err);
    check_str_eq(world.tried, tried);
}

VD_TEST(the_first_that_opens_wins)
{
    set_codes(VD_OK, VD_OK);
    check_way(NULL, "a");
    check_way("", "a");
    check_way("file:nbdssl:nbd", "a");
    check_way("nbd:nbdssl", "b");
    check_way("nbd", "b");
    check_way("::nbd::nbdssl:", "b");
    set_codes(VD_E_TLS, VD_OK);
    check_way("nbdssl:nbd", "ab");
    check_str_has(world.log, "nbdssl: a says TLS");
}

VD_TEST(names_that_are_not_known_are_passed_over_with_a_word)
{
    set_codes(VD_OK, VD_OK);
    check_way("san:hotadd:nbd", "b");
    check_str_has(world.log, "'san'");
    check_str_has(world.log, "'hotadd'");
    check_way("nbds:nbd", "b");
    check_way("san", "a");
    check_str_has(world.log, "none of the transports 'san'");
    check_str_has(world.log, "nbdssl is tried");
}

VD_TEST(why_each_failed_is_one_sentence_with_the_code_of_the_first)
{
    struct vd_error err = VD_ERROR_INIT;
    set_codes(VD_E_REFUSED, VD_E_TIMED_OUT);
    check_code(open_with("file:nbdssl:nbd", &err), VD_E_REFUSED);
    check_str_eq(err.text, "nbdssl: a says REFUSED; nbd: b says TIMED_OUT");
}

VD_TEST(another_way_is_not_tried_where_it_cannot_help)
{
    static const int codes[] = {VD_E_CERTIFICATE,     VD_E_NOT_FOUND,   VD_E_LOGIN,
                                VD_E_SNAPSHOT_NEEDED, VD_E_INVALID_ARG, VD_E_LOCKED};
    for (size_t i = 0; i < VD_ARRAY_SIZE(codes); i++) {
        struct vd_error err = VD_ERROR_INIT;
        set_codes(codes[i], VD_OK);
        check_code(open_with(NULL, &err), codes[i]);
        check_str_eq(world.tried, "a");
    }
}

VD_TEST(what_cannot_be_used_is_told_where_nothing_could_be_tried)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(open_with("file", &err), VD_E_NOT_SUPPORTED);
    check_str_eq(err.text, "opening '[ds] d': no transport can be used: file: has no cable");
}

VD_TEST(a_disk_of_this_machine_is_opened_whatever_the_modes)
{
    const struct vd_transport_place place = {.modes = "nbd:bogus"};
    const struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY};
    const struct vd_transport_request request = {
        .place = &place, .path = "/nowhere/there is none.vmdk", .local = &options};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code(vd_transport_open(&request, &disk, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "'/nowhere/there is none.vmdk'");
    check_str_eq(vd_transport_modes(), "file:nbdssl:nbd");
}

VD_TEST(a_server_is_asked_at_the_first_question_and_again_after_a_failure)
{
    char host[] = "127.0.0.1";
    struct vd_server_options options = {
        .login = {.server = {.host = host, .port = 1, .trust = {.host_name = host}},
                  .credential = VD_VSPHERE_PASSWORD,
                  .user = "somebody",
                  .password = "geheim"},
        .vm = "moref=vm-1",
    };
    VD_CLEANUP(vd_server_free_cleanup) struct vd_server *server = NULL;
    struct vd_transport_place place;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_server_new(&options, &server, &err), VD_OK, &err);
    memset(host, 'x', sizeof host - 1);
    check_str_eq(vd_server_host(server), "127.0.0.1");
    for (int i = 0; i < 2; i++) {
        vd_error_clear(&err);
        check_code(vd_server_place(server, &place, &err), VD_E_REFUSED);
        check_str_has(err.text, "127.0.0.1");
        check(!strstr(err.text, "geheim"));
    }
    vd_error_clear(&err);
    check_code(vd_server_prepare_access(server, "tests", &err), VD_E_REFUSED);
}

VD_TEST(where_no_machine_is_named_there_is_none_to_keep)
{
    const struct vd_server_options options = {.login = {.server = {.host = "127.0.0.1", .port = 1}},
                                              .datastore_moid = "datastore-1"};
    VD_CLEANUP(vd_server_free_cleanup) struct vd_server *server = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_server_new(&options, &server, &err), VD_OK, &err);
    check_code_err(vd_server_prepare_access(server, "tests", &err), VD_OK, &err);
    check_code_err(vd_server_end_access(server, "tests", &err), VD_OK, &err);
}
