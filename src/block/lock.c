/* SPDX-License-Identifier: Apache-2.0 */
#include "block/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "block/block-int.h"

#define FOLDER_SUFFIX ".lck"

/* Large enough for the few lines the kernel writes about an open file; locks come among the first.
 */
#define FDINFO_BYTES 4096
#define MARK_BYTES   64

/* Does this open file hold an OFD lock on the file that `mark` describes? */
static bool holds_lock(int fdinfo_folder, const char *name, const char *mark)
{
    VD_CLOSE int fd = openat(fdinfo_folder, name, O_RDONLY | O_CLOEXEC);
    char text[FDINFO_BYTES];
    ssize_t length = fd < 0 ? -1 : TEMP_FAILURE_RETRY(read(fd, text, sizeof text - 1));
    if (length <= 0)
        return false;
    text[length] = '\0';

    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        if (strncmp(line, "lock:", 5) == 0 && strstr(line, "OFDLCK") && strstr(line, mark))
            return true;
    return false;
}

static bool process_holds_lock(int proc_folder, const char *pid, const char *mark)
{
    char path[32];
    if (snprintf(path, sizeof path, "%s/fdinfo", pid) >= (int)sizeof path)
        return false;
    int fd = openat(proc_folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        vd_fd_cleanup(&fd);
        return false;
    }
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder)))
        found = isdigit((unsigned char)entry->d_name[0]) &&
                holds_lock(dirfd(folder), entry->d_name, mark);
    (void)closedir(folder); /* it was only read */
    return found;
}

/* The kernel names no process for an OFD lock, for several may share the open file; but it shows
 * each process's open files and their locks to those who may see them. 0 when there is none. */
static pid_t search_processes(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return 0;
    char mark[MARK_BYTES];
    (void)snprintf(mark, sizeof mark, " %02x:%02x:%llu ", major(status.st_dev),
                   minor(status.st_dev), (unsigned long long)status.st_ino);

    DIR *folder = opendir("/proc");
    if (!folder)
        return 0;
    pid_t found = 0;
    const struct dirent *entry;
    while (found == 0 && (entry = readdir(folder)))
        if (isdigit((unsigned char)entry->d_name[0]) &&
            process_holds_lock(dirfd(folder), entry->d_name, mark))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    (void)closedir(folder); /* it was only read */
    return found;
}

static int locked_error(int fd, struct vd_error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = 0;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        pid = lock.l_pid;
    if (pid == 0)
        pid = search_processes(fd);
    if (pid == getpid())
        return vd_error_set(err, VD_E_LOCKED, "this process has it open for writing already");
    if (pid > 0)
        return vd_error_set(err, VD_E_LOCKED, "process %ld has locked it", (long)pid);
    return vd_error_set(err, VD_E_LOCKED, "another process has locked it");
}

int vd_lock_take(int fd, bool *ret_held, struct vd_error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* from 0 to wherever it ends */
    int failed = fcntl(fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
    switch (failed) {
    case 0:
        *ret_held = true;
        return VD_OK;
    case EAGAIN:
    case EACCES:
        return locked_error(fd, err);
    case EINVAL:
    case ENOLCK: /* also a network file system whose lock service does not run */
    case ENOSYS:
    case EOPNOTSUPP:
        *ret_held = false;
        return VD_OK;
    default:
        return vd_block_reason(err, failed);
    }
}

bool vd_lock_is_foreign(const char *entry)
{
    return vd_path_has_suffix(entry, FOLDER_SUFFIX);
}

char *vd_lock_folder(const char *path)
{
    char *folder;
    return asprintf(&folder, "%s" FOLDER_SUFFIX, path) < 0 ? NULL : folder;
}

int vd_lock_foreign_error(const char *folder, const char *entry, struct vd_error *err)
{
    return vd_error_set(err, VD_E_LOCKED,
                        "the lock '%s' in the folder '%s' says that another program uses it", entry,
                        folder);
}

static int check_folder(const char *path, struct vd_error *err)
{
    VD_FREE char *name = vd_lock_folder(path);
    if (!name)
        return vd_block_reason(err, ENOMEM);
    DIR *folder = opendir(name);
    if (!folder && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG))
        return VD_OK;
    if (!folder)
        return vd_error_set_errno(err, errno, "cannot look into the lock folder '%s'", name);

    int ret = VD_OK;
    const struct dirent *entry;
    errno = 0;
    while (ret >= 0 && (entry = readdir(folder)))
        if (vd_lock_is_foreign(entry->d_name))
            ret = vd_lock_foreign_error(name, entry->d_name, err);
    if (ret >= 0 && errno != 0)
        ret = vd_error_set_errno(err, errno, "cannot look into the lock folder '%s'", name);
    (void)closedir(folder); /* it was only read */
    return ret;
}

int vd_lock_check_foreign(const char *path, struct vd_error *err)
{
    int ret = check_folder(path, err);
    if (ret < 0)
        return ret;
    VD_FREE char *real = realpath(path, NULL);
    return real && strcmp(real, path) != 0 ? check_folder(real, err) : VD_OK;
}
