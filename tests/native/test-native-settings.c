/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the built-in engine, as far as they can be seen on disks of this machine. */
#include <sys/stat.h>

#include "disks.h"

#define ALLOW "vixDiskLib.disklib.AllowOutsideFolder"

static struct {
    char text[65536];
    bool debug;
} heard;

static void hear(void *data, int level, const char *line)
{
    size_t used = strlen(heard.text);
    (void)data;
    heard.debug = heard.debug || level >= VDISK_LOG_DEBUG;
    snprintf(heard.text + used, sizeof heard.text - used, "%s\n", line);
}

static const char *put(const char *name, const char *text)
{
    FILE *file = fopen(test_path(name), "w");
    check(file && fputs(text, file) >= 0 && fclose(file) == 0);
    return test_path(name);
}

/* A disk with an extent outside its folder. */
static const char *outside(void)
{
    put("a-flat.vmdk", "");
    check_int_eq(truncate(test_path("a-flat.vmdk"), 8 * 512), 0);
    check(mkdir(test_path("inner"), 0700) == 0 || errno == EEXIST);
    return put("inner/a.vmdk", "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
                               "createType=\"monolithicFlat\"\nRW 8 FLAT \"../a-flat.vmdk\" 0\n");
}

static int open_with(const char *config_file, const char *settings, struct vdisk_error *error)
{
    struct vdisk_params params = VDISK_PARAMS_INIT;
    struct vdisk *disk;
    params.path = outside();
    params.flags = VDISK_READ_ONLY;
    params.config_file = config_file;
    params.settings = settings;
    heard.text[0] = '\0';
    heard.debug = false;
    int r = vdisk_open(&params, &disk, error);
    if (r >= 0)
        close_disk(disk);
    return r;
}

VD_TEST(settings_come_from_a_file_and_from_the_params)
{
    struct vdisk_error error;
    VD_FREE char *file = strdup(put("conf", ALLOW " = 1\n"));
    check_int_eq(open_with(NULL, NULL, &error), -EACCES);
    check_int_eq(open_with(file, NULL, &error), 0);
    check_int_eq(open_with(NULL, ALLOW "=1", &error), 0);
    check_int_eq(open_with(file, ALLOW "=0", &error), -EACCES);
    check_int_eq(open_with(file, ALLOW "=", &error), -EACCES);
    check_int_eq(open_with(file, "", &error), 0);
}

VD_TEST(a_setting_that_is_none_is_an_error_with_a_sentence)
{
    struct vdisk_error error;
    check_int_eq(open_with(NULL, "\n" ALLOW "=yes", &error), -EINVAL);
    check_u64_eq(error.code, VDISK_E_INVALID_ARG);
    check_str_has(error.text, "its settings, line 2: " ALLOW " is 'yes', expected 0 or 1");
    check_int_eq(open_with(NULL, "nfc.timeout=1\nbogus", &error), -EINVAL);
    check_str_has(error.text, "line 1: no setting is called 'nfc.timeout'");
    check_int_eq(open_with(NULL, ALLOW, &error), -EINVAL);
    check_str_has(error.text, "expected name = value");
}

VD_TEST(what_is_wrong_in_a_file_is_a_warning)
{
    struct vdisk_error error;
    VD_FREE char *file = strdup(put("conf", "vixDiskLib.bogus = 1\nother = 2\n" ALLOW " = 1\n"));
    vdisk_set_log(hear, NULL);
    check_int_eq(open_with(file, NULL, &error), 0);
    check_str_has(heard.text, "conf', line 1: no setting is called 'vixDiskLib.bogus'");
    check(!strstr(heard.text, "other"));
    check_int_eq(open_with("/no/such/file", ALLOW "=1", &error), 0);
    check_str_has(heard.text, "/no/such/file");
    vdisk_set_log(NULL, NULL);
}

VD_TEST(the_log_level_leaves_out_debugging)
{
    struct vdisk_error error;
    vdisk_set_log(hear, NULL);
    check_int_eq(open_with(NULL, ALLOW "=1\nvixDiskLib.transport.LogLevel=3", &error), 0);
    check(!heard.debug);
    vdisk_set_log(NULL, NULL);
}

VD_TEST(settings_are_not_for_a_library)
{
    struct vdisk_params params = params_of("a.vmdk", 0);
    struct vdisk_error error;
    struct vdisk *disk;
    params.libdir = "/nowhere";
    params.settings = ALLOW "=1";
    check_int_eq(vdisk_open(&params, &disk, &error), -ENOTSUP);
    check_str_has(error.text, "config_file");
}
