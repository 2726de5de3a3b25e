/* SPDX-License-Identifier: Apache-2.0 */
/* A pipe to read a disk from, forward only. */
#ifndef VD_CLI_PIPE_SOURCE_H
#define VD_CLI_PIPE_SOURCE_H

#include <stdbool.h>

#include "options.h"
#include "vmdk/stream-reader.h"

struct cli_pipe {
    struct vd_stream_source source; /* what readers are given */
    int fd;
    uint64_t size_bytes; /* of what is to come, where that is a file's rest; 0: not known */
};

/* "-", a FIFO, a character device or a socket. */
bool cli_is_pipe(const char *path);
/* Opening a FIFO waits for its writer. Must not move afterwards. */
VD_MUST_CHECK int cli_pipe_open(struct cli_pipe *pipe, const char *path, struct vd_error *err);
/* Is a raw image to be read from it? A size makes it one: a stream brings its own. The content is
 * not asked, because it would let a guest decide how its disk is read. */
bool cli_pipe_is_raw(const struct cli_args *args);
void cli_pipe_done(struct cli_pipe *pipe);

#endif
