/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int interrupted(const char *name, struct vd_error *err)
{
    return vd_error_set(err, VD_E_CANCELLED, "stopped while waiting for %s", name);
}

/* One byte, 0 at the end. */
static int read_byte(int fd, const char *name, const struct vd_net_stop *stop, char *ret,
                     struct vd_error *err)
{
    for (;;) {
        struct pollfd fds[] = {{fd, POLLIN, 0}, {vd_net_stop_fd(stop), POLLIN, 0}};
        int ready = poll(fds, VD_ARRAY_SIZE(fds), -1); /* a failure is told by read */

        if (vd_net_stop_asked(stop))
            return interrupted(name, err);
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = read(fd, ret, 1);
        if (n >= 0)
            return (int)n;
        if (errno != EINTR && errno != EAGAIN)
            return vd_error_set_errno(err, errno, "cannot read from %s", name);
    }
}

/* Read byte by byte: what is behind the line belongs to whoever reads next. */
int vd_secret_from_fd(int fd, const char *name, const struct vd_net_stop *stop,
                      struct vd_secret *ret, struct vd_error *err)
{
    size_t length = 0;
    char c = '\0';
    int n;

    while ((n = read_byte(fd, name, stop, &c, err)) > 0 && c != '\n') {
        if (c == '\0' || length == sizeof ret->text - 1)
            return vd_error_set(err, VD_E_LOGIN, "%s holds no line of at most %zu characters", name,
                                sizeof ret->text - 1);
        ret->text[length++] = c;
    }
    if (n < 0)
        return n;
    if (n == 0 && length == 0)
        return vd_error_set(err, VD_E_LOGIN, "%s is empty", name);
    if (length > 0 && ret->text[length - 1] == '\r')
        length--;
    ret->text[length] = '\0';
    return VD_OK;
}

/* Opening a FIFO waits for who writes to it. */
static int open_file(const char *path, const char *name, const struct vd_net_stop *stop,
                     int *ret_fd, struct vd_error *err)
{
    while ((*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
        if (errno != EINTR)
            return vd_error_set_errno(err, errno, "cannot open %s", name);
        if (vd_net_stop_asked(stop))
            return interrupted(name, err);
    }
    return VD_OK;
}

int vd_secret_from_file(const char *path, const struct vd_log *log, const struct vd_net_stop *stop,
                        struct vd_secret *ret, struct vd_error *err)
{
    VD_CLOSE int fd = -1;
    VD_FREE char *name = NULL;
    struct stat st;
    int r;

    if (asprintf(&name, "'%s'", path) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    r = open_file(path, name, stop, &fd, err);
    if (r < 0)
        return r;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)))
        vd_log(log, VD_LOG_WARNING,
               "'%s' holds a secret and can be read by others (mode %03o); 'chmod 600' helps", path,
               (unsigned)(st.st_mode & 0777));
    return vd_secret_from_fd(fd, name, stop, ret, err);
}

int vd_secret_from_value(const char *variable, const char *value, struct vd_secret *ret,
                         struct vd_error *err)
{
    size_t length = strlen(value);

    if (length >= sizeof ret->text)
        return vd_error_set(err, VD_E_LOGIN, "%s has %zu characters, expected fewer", variable,
                            length);
    memcpy(ret->text, value, length + 1);
    return VD_OK;
}

void vd_secret_wipe(struct vd_secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}
