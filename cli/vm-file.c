/* SPDX-License-Identifier: Apache-2.0 */
/* Files of datastores, there and back. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "output.h"
#include "progress-line.h"
#include "vm.h"

#define THIRD_OPERAND 4 /* behind `file get HOST PATH` */

static int connect_to(const struct cli_args *args, const char *operand, struct vd_vsphere **ret,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    int r = vd_url_parse(operand, VD_URL_HOST, &url, err);

    if (r == VD_OK && url.vm)
        r = vd_error_set(err, VD_E_INVALID_ARG, "'vm file' takes a host alone, without '/%s'",
                         url.vm);
    return r < 0 ? r : cli_connect(args, &url, ret, err);
}

/* --- get --- */

struct download {
    struct vd_vsphere *session;
    const char *path;
    struct vd_target *target;
    uint64_t done;
    struct vd_error *err;
};

static int take(void *data, const void *bytes, size_t size)
{
    struct download *download = data;
    int r = vd_target_write(download->target, download->done, bytes, size, download->err);

    download->done += size;
    return r;
}

static int get(void *data, struct vd_target *target, const struct vd_progress *progress,
               struct vd_error *err)
{
    struct download *download = data;
    const struct vd_vsphere_sink sink = {take, download};

    download->target = target;
    download->err = err;
    int r = vd_vsphere_file_get(download->session, download->path, NULL, &sink, progress, err);
    return r < 0 ? r : vd_target_set_size(target, download->done, err);
}

int cli_vm_file_get(const struct cli_args *args, const char *operand, const char *rest,
                    struct vd_error *err)
{
    struct download download = {.path = rest};
    int r = connect_to(args, operand, &download.session, err);

    if (r < 0)
        return r;
    cli_interrupt_catch();
    return cli_output_write(args, args->operands[THIRD_OPERAND], get, &download, err);
}

/* --- put --- */

struct upload {
    int fd;
    const char *path;
    struct vd_error *err;
};

static int give(void *data, uint64_t offset_bytes, void *bytes, size_t size, size_t *ret)
{
    struct upload *upload = data;
    ssize_t n = pread(upload->fd, bytes, size, (off_t)offset_bytes);

    if (n < 0)
        return vd_error_set_errno(upload->err, errno, "cannot read '%s'", upload->path);
    *ret = (size_t)n;
    return VD_OK;
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* only read from */
}

static int put(const struct cli_args *args, struct vd_vsphere *session, struct upload *upload,
               struct vd_error *err)
{
    struct stat status;
    struct cli_progress line;

    if (fstat(upload->fd, &status) < 0)
        return vd_error_set_errno(err, errno, "cannot look at '%s'", upload->path);
    if (!S_ISREG(status.st_mode))
        return vd_error_set(err, VD_E_FILE_TYPE, "'%s' is not a regular file", upload->path);
    const struct vd_vsphere_content_source source = {give, upload, (uint64_t)status.st_size};
    cli_interrupt_catch();
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    int r =
        vd_vsphere_file_put(session, args->operands[THIRD_OPERAND], &source, &line.progress, err);
    cli_progress_done(&line);
    return r;
}

int cli_vm_file_put(const struct cli_args *args, const char *operand, const char *rest,
                    struct vd_error *err)
{
    struct vd_vsphere *session;
    VD_CLEANUP(close_fd) int fd = open(rest, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct upload upload = {.fd = fd, .path = rest, .err = err};

    if (fd < 0)
        return vd_error_set_errno(err, errno, "cannot open '%s'", rest);
    int r = connect_to(args, operand, &session, err);
    return r < 0 ? r : put(args, session, &upload, err);
}
