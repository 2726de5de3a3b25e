/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a configuration, and what is made of them. */
#include "transport/settings.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

struct told {
    char text[4096];
};

static void hear(void *data, const char *sentence)
{
    struct told *told = data;
    size_t used = strlen(told->text);
    (void)snprintf(told->text + used, sizeof told->text - used, "%s\n", sentence);
}

static void parse(struct vd_settings *settings, const char *text, bool every_line,
                  struct told *told)
{
    const struct vd_settings_reader reader = {
        .problem = hear, .data = told, .every_line = every_line};
    struct vd_error err = VD_ERROR_INIT;
    told->text[0] = '\0';
    check_code_err(vd_settings_parse(settings, "text", text, strlen(text), &reader, &err), VD_OK,
                   &err);
}

#define SETTINGS VD_CLEANUP(vd_settings_done) struct vd_settings

VD_TEST(settings_are_read_in_every_form)
{
    SETTINGS settings = {0};
    struct told told;
    parse(&settings,
          "# a comment = 1\n\n  VIXDISKLIB.nfc.readTimeoutsMs =  \"250\"  # why\r\n"
          "vixDiskLib.nfcAio.Session.BufSizeIn64K=3\ntmpDirectory = /a b/c # there\n"
          "vixDiskLib.nfcFssrvr.anything = 7\nlog.fileLevel=5\nvixDiskLib.vdisk.simulator=0\n"
          "vixDiskLib.vdisk.simulator=1",
          true, &told);
    check_str_eq(told.text, "");
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_READ_MS, 1), 250);
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_BUFFER_UNITS, 1), 3);
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_SIMULATOR, 0), 1);
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_WRITE_MS, 17), 17);
    check_str_eq(vd_settings_text(&settings, VD_SETTING_TMP_DIRECTORY), "/a b/c");
    check(vd_settings_text(&settings, VD_SETTING_LOG_FILE) == NULL);
    parse(&settings, "tmpDirectory = \"\"\n", true, &told);
    check(vd_settings_text(&settings, VD_SETTING_TMP_DIRECTORY) == NULL);
}

VD_TEST(what_is_wrong_with_a_line_is_told_and_the_line_not_used)
{
    static const struct {
        const char *line, *sentence;
    } wrong[] = {
        {"vixDiskLib.nfc.ReadTimeoutsMs = soon",
         "text, line 2: vixDiskLib.nfc.ReadTimeoutsMs is 'soon', expected a number\n"},
        {"vixDiskLib.nfc.ReadTimeoutsMs = -1",
         "text, line 2: vixDiskLib.nfc.ReadTimeoutsMs is '-1', expected a number\n"},
        {"vixDiskLib.nfc.ReadTimeoutsMs = 99999999999999999999",
         "text, line 2: vixDiskLib.nfc.ReadTimeoutsMs is '99999999999999999999', expected a "
         "number\n"},
        {"vixDiskLib.vdisk.legacyTls = 2",
         "text, line 2: vixDiskLib.vdisk.legacyTls is '2', expected 0 or 1\n"},
        {"vixDiskLib.nfc.ReadTimeoutMs = 1",
         "text, line 2: no setting is called 'vixDiskLib.nfc.ReadTimeoutMs'\n"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(wrong); i++) {
        SETTINGS settings = {0};
        struct told told;
        char text[256];
        (void)snprintf(text, sizeof text, "\n%s\n", wrong[i].line);
        for (int every = 0; every < 2; every++) {
            parse(&settings, text, every, &told);
            check_str_eq(told.text, wrong[i].sentence);
        }
        for (size_t j = 0; j < VD_NUM_SETTINGS; j++)
            check(vd_settings_text(&settings, (enum vd_setting)j) == NULL);
    }
}

VD_TEST(a_bad_line_leaves_an_earlier_good_one)
{
    SETTINGS settings = {0};
    struct told told;
    parse(&settings, "vixDiskLib.nfc.ReadTimeoutsMs = 5\nvixDiskLib.nfc.ReadTimeoutsMs = soon\n",
          true, &told);
    check_str_eq(told.text,
                 "text, line 2: vixDiskLib.nfc.ReadTimeoutsMs is 'soon', expected a number\n");
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_READ_MS, 1), 5);
}

VD_TEST(lines_of_other_products_are_passed_over_unless_every_line_counts)
{
    SETTINGS settings = {0};
    struct told told;
    parse(&settings, "libdir = /usr\nno sign\n", false, &told);
    check_str_eq(told.text, "");
    parse(&settings, "libdir = /usr\nno sign\n", true, &told);
    check_str_eq(told.text, "text, line 1: no setting is called 'libdir'\n"
                            "text, line 2: 'no sign' is no setting, expected name = value\n");
}

VD_TEST(long_lines_stay_short_in_sentences)
{
    SETTINGS settings = {0};
    struct told told;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[1500] = '=';
    parse(&settings, text, true, &told);
    check(strlen(told.text) < 200);
}

VD_TEST(settings_of_the_way_there)
{
    SETTINGS settings = {0};
    SETTINGS copy = {0};
    struct vd_transport_request request = {0};
    struct vd_tls_trust trust = {0};
    struct told told;
    parse(&settings,
          "vixDiskLib.nfc.RequestTimeoutMs = 99999999999\nvixDiskLib.nfc.WriteTimeoutsMs = 5\n"
          "vixDiskLib.nfcAio.Session.BufSizeIn64KB = 2\nvixDiskLib.nfcAio.Session.BufCount = 3\n"
          "vixDiskLib.vdisk.unverifiedTls = 1\nvixDiskLib.vdisk.caFile = /ca.pem\n",
          true, &told);
    check_code(vd_settings_copy(&settings, &copy, NULL), VD_OK);
    vd_settings_to_request(&copy, &request);
    check_u64_eq(request.nfc_read_ms, 3600000);
    check_u64_eq(request.nfc_write_ms, 5);
    check_u64_eq(request.nfc_connect_ms, 0);
    check_u64_eq(request.nfc_buffer_bytes, 131072);
    check_u64_eq(request.nfc_buffer_count, 3);
    check(request.unverified_tls && !request.legacy_tls && !request.simulator);
    vd_settings_to_trust(&copy, &trust);
    check_str_eq(trust.ca_file, "/ca.pem");
    check(trust.unverified);
    trust.thumbprint = "00:11";
    vd_settings_to_trust(&copy, &trust);
    check(!trust.unverified);
}

VD_TEST(a_file_of_settings)
{
    SETTINGS settings = {0};
    const struct vd_settings_reader reader = {0};
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_settings_read(&settings, test_path("none"), &reader, &err), VD_E_NOT_FOUND);
    FILE *file = fopen(test_path("conf"), "w");
    check(file && fputs("vixDiskLib.nfc.AcceptTimeoutMs = 12\nvixDiskLib.x=1\n", file) >= 0 &&
          fclose(file) == 0);
    check_code(vd_settings_read(&settings, test_path("conf"), &reader, NULL), VD_OK);
    check_u64_eq(vd_settings_number(&settings, VD_SETTING_CONNECT_MS, 0), 12);
}
