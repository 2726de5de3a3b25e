/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file beside the file. Order: write, fsync the file (finish), rename, fsync the folder. A
 * crash before the rename leaves the old state and one .partial file; after it the new state.
 */
#include "ops/target-int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/path.h"

#define TEMP_ATTEMPTS 100
/* ".", ".XXXXXX" and ".partial" around the name */
#define TEMP_EXTRA_CHARS (1 + 7 + 8)

/* ".NAME.XXXXXX.partial" in the target's folder; a long NAME is cut so that the whole still fits.
 */
static char *temp_path_new(const char *path)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
    VD_FREE char *folder = vd_path_folder(path);
    VD_FREE char *name = NULL;
    uint8_t random[6] = {0};
    char suffix[7] = "";

    /* A short read of randomness only makes a collision likelier, and those are handled. */
    (void)!getrandom(random, sizeof random, 0);
    for (size_t i = 0; i < sizeof random; i++)
        suffix[i] = digits[random[i] % 32];
    if (!folder || asprintf(&name, ".%.*s.%s.partial", NAME_MAX - TEMP_EXTRA_CHARS,
                            vd_path_name(path), suffix) < 0) {
        name = NULL;
        return NULL;
    }
    return vd_path_join(folder, name);
}

/* The replaced file's permissions live on; a new file gets what the umask leaves. */
static void keep_mode(const struct vd_target *target)
{
    struct stat st;

    if (stat(target->path, &st) == 0)
        (void)fchmod(target->fd, st.st_mode & 0777); /* not worth failing for */
}

int vd_target_temp_create(struct vd_target *target, struct vd_error *err)
{
    for (int attempt = 0; attempt < TEMP_ATTEMPTS; attempt++) {
        VD_FREE char *temp = temp_path_new(target->path);

        if (!temp)
            return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
        target->fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (target->fd >= 0) {
            target->owns_fd = true;
            target->temp_path = VD_TAKE_PTR(temp);
            keep_mode(target);
            return VD_OK;
        }
        if (errno != EEXIST)
            break;
    }
    return vd_error_set_errno(err, errno, "cannot create '%s'", target->path);
}

/* For file systems that cannot rename without replacing: link() refuses an existing name too. */
static int rename_by_link(const struct vd_target *target)
{
    if (link(target->temp_path, target->path) < 0)
        return -1;
    return unlink(target->temp_path);
}

static int rename_into_place(const struct vd_target *target)
{
    if (target->options.overwrite)
        return rename(target->temp_path, target->path);
    if (renameat2(AT_FDCWD, target->temp_path, AT_FDCWD, target->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (rename_by_link(target) == 0)
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    if (access(target->path, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(target->temp_path, target->path);
}

static int sync_folder(const char *path, struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(path);
    VD_CLOSE int fd = -1;

    if (!folder)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system whose folders cannot be flushed and need not be. EACCES: a folder that
     * may be written but not read. */
    if (fd < 0 && errno == EACCES)
        return VD_OK;
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
        return vd_error_set_errno(err, errno, "cannot flush the folder '%s' of '%s'", folder, path);
    return VD_OK;
}

int vd_target_temp_publish(struct vd_target *target, struct vd_error *err)
{
    target->owns_fd = false;
    if (close(target->fd) < 0)
        return vd_error_set_errno(err, errno, "cannot write '%s'", target->path);
    if (rename_into_place(target) < 0)
        return vd_error_set_errno(err, errno, "cannot give '%s' its name", target->path);
    free(target->temp_path);
    target->temp_path = NULL;
    return sync_folder(target->path, err);
}
