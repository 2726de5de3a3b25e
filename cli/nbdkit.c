/* SPDX-License-Identifier: Apache-2.0 */
#include "nbdkit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "child.h"

#define PLUGIN      "nbdkit-vdisk-plugin.so"
#define CONFIG_ROOM 8192

/* The value of `key` in lines of key=value, as long as it fits; false where there is none. */
static bool value_of(const char *config, const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key);
    size_t length;
    const char *line = config;

    while (line && (strncmp(line, key, key_length) != 0 || line[key_length] != '=')) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return false;
    line += key_length + 1;
    length = strcspn(line, "\n");
    if (length >= size)
        return false;
    memcpy(value, line, length);
    value[length] = '\0';
    return true;
}

static bool plugin_in(const char *folder, const char *below, struct cli_nbdkit *ret)
{
    int length = snprintf(ret->plugin, sizeof ret->plugin, "%s%s/%s", folder, below, PLUGIN);

    return length > 0 && (size_t)length < sizeof ret->plugin && access(ret->plugin, R_OK) == 0;
}

/* Where it was built, beside this command: that fits it best. */
static bool plugin_in_build(struct cli_nbdkit *ret)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    VD_FREE char *folder = NULL;

    if (length <= 0)
        return false;
    self[length] = '\0';
    folder = vd_path_folder(self);
    return folder && plugin_in(folder, "/../nbdkit", ret);
}

static int find_plugin(const char *config, struct cli_nbdkit *ret, struct vd_error *err)
{
    char theirs[PATH_MAX] = "";

    if (plugin_in_build(ret))
        return VD_OK;
    if (VD_NBDKIT_FOLDER[0] && plugin_in(VD_NBDKIT_FOLDER, "", ret))
        return VD_OK;
    if (value_of(config, "plugindir", theirs, sizeof theirs) && plugin_in(theirs, "", ret))
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_FOUND,
                        "cannot serve: " PLUGIN " is neither in '%s' nor in '%s'", VD_NBDKIT_FOLDER,
                        theirs);
}

int cli_nbdkit_find(struct cli_nbdkit *ret, struct vd_error *err)
{
    static const char *const argv[] = {"nbdkit", "--dump-config", NULL};
    struct vd_error told = VD_ERROR_INIT;
    char config[CONFIG_ROOM];
    char tls[16] = "";
    int r = cli_child_capture(argv, config, sizeof config, &told);

    if (r == VD_E_NOT_FOUND)
        return vd_error_set(err, r,
                            "cannot serve: nbdkit is not installed (there is no 'nbdkit' in PATH)");
    if (r < 0)
        return vd_error_set(err, r, "%s", vd_error_message(&told, r));
    ret->tls = value_of(config, "tls", tls, sizeof tls) && strcmp(tls, "yes") == 0;
    return find_plugin(config, ret, err);
}
