/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe-source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "output.h"

/* A signal that comes between the look at its flag and the wait is seen this much later. */
#define WAIT_MS 250

bool cli_is_pipe(const char *path)
{
    struct stat st;

    if (cli_is_stdio(path))
        return true;
    return stat(path, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
}

static int stopped(const struct cli_pipe *pipe, struct vd_error *err)
{
    return vd_error_set(err, VD_E_CANCELLED, "stopped while waiting for '%s'", pipe->source.name);
}

static int pipe_read(void *data, void *buffer, size_t length, size_t *ret_done,
                     struct vd_error *err)
{
    const struct cli_pipe *pipe = data;

    while (!cli_interrupted()) {
        struct pollfd wait = {.fd = pipe->fd, .events = POLLIN};
        ssize_t n;

        /* Nothing yet, or a signal: its flag is looked at before anything that blocks. Any other
         * failure of poll is told by read. */
        int ready = poll(&wait, 1, WAIT_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        n = read(pipe->fd, buffer, length);
        if (n >= 0) {
            *ret_done = (size_t)n;
            return VD_OK;
        }
        if (errno != EINTR && errno != EAGAIN)
            return vd_error_set_errno(err, errno, "cannot read from '%s'", pipe->source.name);
    }
    return stopped(pipe, err);
}

/* Standard input may be a file. */
static uint64_t rest_of_file(int fd)
{
    struct stat st;
    off_t here = lseek(fd, 0, SEEK_CUR);

    if (here < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= here)
        return 0;
    return (uint64_t)(st.st_size - here);
}

int cli_pipe_open(struct cli_pipe *pipe, const char *path, struct vd_error *err)
{
    bool is_stdin = cli_is_stdio(path);

    *pipe = (struct cli_pipe){
        .source = {pipe_read, pipe, is_stdin ? "standard input" : path},
        .fd = STDIN_FILENO,
    };
    pipe->size_bytes = is_stdin ? rest_of_file(STDIN_FILENO) : 0;
    if (is_stdin)
        return VD_OK;
    while ((pipe->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
        if (errno != EINTR)
            return vd_error_set_errno(err, errno, "cannot open '%s'", path);
        if (cli_interrupted())
            return stopped(pipe, err);
    }
    return VD_OK;
}

bool cli_pipe_is_raw(const struct cli_args *args)
{
    return args->format == VD_SOURCE_RAW || cli_given(args, OPT_SIZE);
}

void cli_pipe_done(struct cli_pipe *pipe)
{
    if (pipe->fd > STDIN_FILENO)
        (void)close(pipe->fd); /* only read from */
}
