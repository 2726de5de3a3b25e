/* SPDX-License-Identifier: Apache-2.0 */
/* Plain streams over the loopback: pieces of memory, and what wakes whoever polls. */
#include "net/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness.h"

static void new_pair(struct vd_stream **ret_here, struct vd_stream **ret_there)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 1) == 0);
    check(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    check_code(vd_stream_connect("127.0.0.1", ntohs(at.sin_port), NULL, ret_here, NULL), VD_OK);
    check_code(vd_stream_from_fd(accept(fd, NULL, NULL), NULL, ret_there, NULL), VD_OK);
    (void)close(fd); /* carries no data */
}

static bool is_readable(struct vd_stream *stream, int ms)
{
    struct pollfd fd = {vd_stream_fd(stream), vd_stream_events(stream, true, false), 0};
    return poll(&fd, 1, ms) == 1;
}

VD_TEST(pieces_of_memory)
{
    struct vd_stream *here, *there;
    char head[5] = "", body[20] = "";
    size_t moved;
    const struct iovec out[] = {{(char[]){"head"}, 4}, {(char[]){"and body"}, 8}};
    const struct iovec in[] = {{head, 4}, {body, sizeof body - 1}};
    new_pair(&here, &there);
    check(!vd_stream_is_secured(here));
    check(vd_stream_try_readv(there, in, 2, &moved, NULL) == VD_STREAM_WAIT);
    check_u64_eq(moved, 0);
    check_code(vd_stream_try_writev(here, out, 2, &moved, NULL), VD_OK);
    check_u64_eq(moved, 12);
    check(is_readable(there, 5000));
    check_code(vd_stream_try_readv(there, in, 2, &moved, NULL), VD_OK);
    check_u64_eq(moved, 12);
    check_str_eq(head, "head");
    check_str_eq(body, "and body");
    vd_stream_free(here);
    check(is_readable(there, 5000));
    check_code(vd_stream_try_readv(there, in, 2, &moved, NULL), VD_OK);
    check_u64_eq(moved, 0);
    vd_stream_free(there);
}

VD_TEST(a_few_of_many_bytes_wake_nobody)
{
    struct vd_stream *here, *there;
    static char bytes[100000];
    size_t moved;
    new_pair(&here, &there);
    vd_stream_owed(there, sizeof bytes);
    check_code(vd_stream_write(here, bytes, 1000, NULL), VD_OK);
    check(!is_readable(there, 50));
    check_code(vd_stream_try_read(there, bytes, 400, &moved, NULL), VD_OK); /* there they are */
    check_u64_eq(moved, 400);
    check_code(vd_stream_write(here, bytes, sizeof bytes - 600, NULL), VD_OK);
    check(is_readable(there, 5000));
    check_code(vd_stream_read_all(there, bytes, sizeof bytes, NULL), VD_OK);
    vd_stream_owed(there, sizeof bytes);
    vd_stream_free(here);
    check(is_readable(there, 5000)); /* the end wakes */
    vd_stream_free(there);
}

VD_TEST(who_waits_for_any_byte_is_woken_by_one)
{
    struct vd_stream *here, *there;
    char byte;
    size_t moved;
    new_pair(&here, &there);
    vd_stream_owed(there, 100000);
    check_code(vd_stream_write(here, "x", 1, NULL), VD_OK);
    check_code(vd_stream_read(there, &byte, 1, &moved, NULL), VD_OK);
    vd_stream_owed(there, 100000);
    check_code(vd_stream_write(here, "y", 1, NULL), VD_OK);
    check_code(vd_stream_read_all(there, &byte, 1, NULL), VD_OK);
    check(byte == 'y');
    vd_stream_free(here);
    vd_stream_free(there);
}
