/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries of the network: not there before somebody needs them, and loaded once by whoever
 * comes first. Nothing before the threads needs them. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http.h"
#include "net/tls.h"
#include "tests/harness.h"
#include "vsphere/xml.h"

#define THREADS 16u

static const char *const LIBRARIES[] = {"/libcurl.so.4", "/libssl.so.", "/libcrypto.so.",
                                        "/libxml2.so."};

/* How many of them this process has. */
static unsigned loaded(void)
{
    char line[4096];
    unsigned found = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    check(maps != NULL);
    while (fgets(line, sizeof line, maps))
        for (unsigned i = 0; i < VD_ARRAY_SIZE(LIBRARIES); i++)
            found |= strstr(line, LIBRARIES[i]) ? 1u << i : 0;
    (void)fclose(maps); /* only read */
    return (unsigned)__builtin_popcount(found);
}

static atomic_uint waiting = THREADS;

static void use_http(void)
{
    struct vd_http_options options = {.host = "host.test"};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http *http = NULL;
    check_code_err(vd_http_new(&options, &http, &err), VD_OK, &err);
    vd_http_free(http);
}

static void use_tls(void)
{
    static const char text[] = "no certificate";
    struct vd_tls_peer peer;
    check_code(vd_tls_pem_thumbprints(text, strlen(text), &peer, NULL), VD_E_FILE_TYPE);
}

static void use_xml(void)
{
    static const char text[] = "<a><b>7</b></a>";
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    check_code_err(vd_xml_parse(text, strlen(text), &doc, &err), VD_OK, &err);
    check_str_eq(vd_xml_child_text(vd_xml_root(doc), "b"), "7");
}

static void use_writer(void)
{
    struct vd_xml_writer writer = {.buf = VD_BUF_INIT(100)};
    vd_xml_leaf(&writer, "a", "ü");
    check_str_eq(vd_buf_text(&writer.buf), "<a>ü</a>");
    vd_xml_leaf(&writer, "a", "\xff");
    check_code(writer.result, VD_E_INVALID_UTF8);
    vd_buf_done(&writer.buf);
}

static void *use(void *data)
{
    static void (*const ways[])(void) = {use_http, use_tls, use_xml, use_writer};
    unsigned number = *(unsigned *)data;
    atomic_fetch_sub(&waiting, 1);
    while (atomic_load(&waiting) > 0) /* all at once */
        continue;
    ways[number % VD_ARRAY_SIZE(ways)]();
    return NULL;
}

VD_TEST(a_plain_stream_needs_none)
{
    int ends[2];
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream *stream = NULL;
    check_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    check_code_err(vd_stream_from_fd(ends[0], NULL, &stream, &err), VD_OK, &err);
    check_code_err(vd_stream_write(stream, "x", 1, &err), VD_OK, &err);
    vd_stream_drop_tls(stream);
    vd_stream_free(stream);
    (void)close(ends[1]);
    check_int_eq(loaded(), 0);
}

VD_TEST(many_threads_at_once_are_the_first)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    check_int_eq(loaded(), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        check_int_eq(pthread_create(&threads[i], NULL, use, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    check_int_eq(loaded(), VD_ARRAY_SIZE(LIBRARIES));
}
