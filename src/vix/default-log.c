/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/default-log.h"

#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vix/config.h"
#include "vix/fork.h"

#define USER_ENTRY_BYTES 4096 /* a line of the user database */

/* `lock` guards all and is held while a line is written; nothing is called back under it. */
static struct {
    pthread_mutex_t lock;
    bool tried;
    int fd; /* -1: none */
} place = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* "<tmpDirectory>/vmware-<user>", malloc'd. */
static char *folder_path(void)
{
    VD_FREE char *temporary = vd_vix_config_text(VD_SETTING_TMP_DIRECTORY);
    const char *base = temporary ? temporary : "/tmp";
    VD_FREE char *entry = malloc(USER_ENTRY_BYTES);
    if (!entry)
        return NULL;

    struct passwd user;
    struct passwd *found = NULL;
    char *path = NULL;
    int length;
    if (getpwuid_r(geteuid(), &user, entry, USER_ENTRY_BYTES, &found) == 0 && found)
        length = asprintf(&path, "%s/vmware-%s", base, user.pw_name);
    else
        length = asprintf(&path, "%s/vmware-%u", base, (unsigned)geteuid());
    return length < 0 ? NULL : path;
}

static int open_for_append(int folder, const char *name)
{
    int fd = openat(folder, name,
                    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat facts;
    if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))) {
        (void)close(fd); /* nothing was written */
        return -1;
    }
    return fd;
}

/* The temporary directory is everybody's: a folder that is not this user's own, or a link in its
 * place, is somebody else's trap. */
static int open_private_folder(const char *path)
{
    if (mkdir(path, 0700) != 0 && access(path, F_OK) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat facts;
    if (fd >= 0 && (fstat(fd, &facts) != 0 || facts.st_uid != geteuid())) {
        (void)close(fd); /* only looked at */
        return -1;
    }
    return fd;
}

static int open_default(void)
{
    VD_FREE char *path = folder_path();
    if (!path)
        return -1;
    VD_CLOSE int folder = open_private_folder(path);
    if (folder < 0)
        return -1;
    char name[sizeof "vixDiskLib-.log" + 3 * sizeof(long)];
    (void)snprintf(name, sizeof name, "vixDiskLib-%ld.log", (long)getpid()); /* sized for it */
    return open_for_append(folder, name);
}

static void open_once_locked(void)
{
    if (place.tried)
        return;
    place.tried = true;
    VD_FREE char *named = vd_vix_config_text(VD_SETTING_LOG_FILE);
    place.fd = named ? open_for_append(AT_FDCWD, named) : open_default();
}

void vd_vix_default_log_write(const char *line)
{
    char when[32];
    struct tm now;
    time_t seconds = time(NULL);
    if (!gmtime_r(&seconds, &now) || strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &now) == 0)
        when[0] = '\0';

    (void)pthread_mutex_lock(&place.lock); /* a static mutex, never misused */
    open_once_locked();
    if (place.fd >= 0)
        (void)dprintf(place.fd, "%s %s\n", when, line); /* a full disk loses the line, no more */
    (void)pthread_mutex_unlock(&place.lock);
}

void vd_vix_default_log_done(void)
{
    (void)pthread_mutex_lock(&place.lock); /* a static mutex, never misused */
    if (place.fd >= 0)
        (void)close(place.fd); /* every line was written by itself */
    place.fd = -1;
    place.tried = false;
    (void)pthread_mutex_unlock(&place.lock);
}

/* A child's messages go to a file of its own. */
void vd_vix_default_log_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE) {
        (void)pthread_mutex_lock(&place.lock); /* a static mutex, never misused */
        return;
    }
    if (when == VD_VIX_FORK_CHILD) {
        if (place.fd >= 0)
            (void)close(place.fd); /* nothing was written here */
        place.fd = -1;
        place.tried = false;
    }
    (void)pthread_mutex_unlock(&place.lock);
}
