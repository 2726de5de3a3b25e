/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"

/* `output`: what becomes its standard output, or -1; `mask`: its signal mask, or NULL for ours. */
static int spawn(const char *const *argv, int output, const sigset_t *mask, pid_t *ret,
                 struct vd_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = 0;

    /* Only memory can be missing here, and spawning would fail for the same reason. */
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    if (output >= 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (mask) {
        (void)posix_spawnattr_setsigmask(&attributes, mask);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    }
    /* The words are not changed; the type is older than const. */
    if (r == 0)
        r = posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                         environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? VD_OK : vd_error_set_errno(err, r, "cannot run '%s'", argv[0]);
}

/* To its end, although only the beginning is kept: who is not read to the end waits or fails. */
static void read_all(int fd, char *text, size_t size)
{
    char rest[512];
    size_t length = 0;

    while (true) {
        bool room = length < size - 1;
        ssize_t n = room ? read(fd, text + length, size - 1 - length) : read(fd, rest, sizeof rest);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += room ? (size_t)n : 0;
    }
    text[length] = '\0';
}

int cli_child_capture(const char *const *argv, char *text, size_t size, struct vd_error *err)
{
    int status = 0;
    int fds[2];
    pid_t pid;
    int r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return vd_error_set_errno(err, errno, "cannot run '%s'", argv[0]);
    r = spawn(argv, fds[1], NULL, &pid, err);
    (void)close(fds[1]); /* ours; nothing was written to it */
    if (r == VD_OK)
        read_all(fds[0], text, size);
    (void)close(fds[0]); /* only read */
    if (r < 0)
        return r;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return vd_error_set(err, VD_E_FAIL, "'%s %s' failed", argv[0], argv[1]);
    return VD_OK;
}

/* False when no child is left. */
static bool reap(pid_t child, int *status)
{
    while (true) {
        int other;
        pid_t pid = waitpid(-1, &other, WNOHANG);

        if (pid <= 0)
            return pid == 0;
        if (pid == child)
            *status = other;
    }
}

/* Signals are blocked and waited for, so none can come at a wrong moment. */
int cli_child_run(const char *const *argv, int *end_fd, int *ret_status, struct vd_error *err)
{
    sigset_t waited, before;
    pid_t child;
    int r;

    (void)sigemptyset(&waited);
    (void)sigaddset(&waited, SIGINT);
    (void)sigaddset(&waited, SIGTERM);
    (void)sigaddset(&waited, SIGHUP);
    (void)sigaddset(&waited, SIGCHLD);
    (void)signal(SIGCHLD, SIG_DFL); /* ignored, children would vanish without a status */
    (void)sigprocmask(SIG_BLOCK, &waited, &before);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what it leaves running becomes our child */
    if (cli_interrupted())
        r = vd_error_set(err, VD_E_CANCELLED, "'%s' was not run", argv[0]);
    else
        r = spawn(argv, -1, &before, &child, err);
    while (r == VD_OK) {
        int number = sigwaitinfo(&waited, NULL);

        if (number == SIGCHLD && !reap(child, ret_status))
            break;
        if (number <= 0 || number == SIGCHLD)
            continue;
        (void)kill(child, SIGTERM); /* one that has ended needs it no more */
        vd_fd_cleanup(end_fd);
        *end_fd = -1;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}
