/* SPDX-License-Identifier: Apache-2.0 */
/* A server that answers with whatever keeps or fills a client: each answer is one in one sentence,
 * in bounded time and memory. The client is a process of its own, whose peak of memory is asked of
 * the system. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "net/stream.h"
#include "vsphere/vsphere.h"

#define IO_MS         1000u
#define REQUEST_BYTES 65536u
/* Of one session, whose calls may each be tried four times. */
#define SLOWEST_S 60.0
/* What 64 MiB of an answer may become, and the program itself. The address sanitizer keeps what was
 * freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_KIB (3l << 20)
#else
#define PEAK_KIB (600l << 10)
#endif

/* --- answers --- */

static const char ENVELOPE[] =
    "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/"
    "envelope/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>";
static const char TAIL[] = "</soapenv:Body></soapenv:Envelope>";
static const char CONTENT[] =
    "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
    "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
    "<about><name>x</name><apiType>VirtualCenter</apiType><apiVersion>8.0.3.0</apiVersion></about>"
    "<sessionManager type=\"SessionManager\">sessions</sessionManager></returnval>";
static const char VERSIONS[] =
    "<?xml version=\"1.0\"?><namespaces version=\"1.0\"><namespace><name>urn:vim25</name>"
    "<version>8.0.3.0</version></namespace></namespaces>";

struct peer {
    struct vd_stream *stream;
    const char *method; /* that is answered */
    bool gone;
};

static void put(struct peer *peer, const void *bytes, size_t size)
{
    peer->gone = peer->gone || vd_stream_write(peer->stream, bytes, size, NULL) < 0;
}

static void say(struct peer *peer, const char *text)
{
    put(peer, text, strlen(text));
}

static void head(struct peer *peer, const char *fields)
{
    say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\n");
    say(peer, fields);
    say(peer, "\r\n");
}

static void whole(struct peer *peer, const void *body, size_t size)
{
    char length[64];
    (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
    head(peer, length);
    put(peer, body, size);
}

/* Envelope and response element around it. */
static void answer(struct peer *peer, const char *inside, const char *cookie)
{
    char *text = NULL;
    if (asprintf(&text, "%s<%sResponse xmlns=\"urn:vim25\">%s</%sResponse>%s", ENVELOPE,
                 peer->method, inside, peer->method, TAIL) < 0)
        abort();
    char length[256];
    (void)snprintf(length, sizeof length, "%sContent-Length: %zu\r\n", cookie, strlen(text));
    head(peer, length);
    say(peer, text);
    free(text);
}

static void begin_document(struct peer *peer, const char *fields)
{
    head(peer, fields);
    say(peer, ENVELOPE);
    say(peer, "<");
    say(peer, peer->method);
    say(peer, "Response xmlns=\"urn:vim25\">");
}

static void repeat(struct peer *peer, const char *text, unsigned long times)
{
    char *many = NULL;
    size_t length = strlen(text), fits = 65536 / length;
    many = malloc(fits * length);
    for (size_t i = 0; many && i < fits; i++)
        memcpy(many + i * length, text, length);
    for (unsigned long done = 0; many && done < times && !peer->gone; done += fits)
        put(peer, many, fits * length);
    free(many);
}

#define FOR_EVER 1000000000000ul

static void endless_elements(struct peer *peer)
{
    begin_document(peer, "");
    repeat(peer, "<returnval><more>and more</more></returnval>", FOR_EVER);
}

static void endless_text(struct peer *peer)
{
    begin_document(peer, "");
    repeat(peer, "and more", FOR_EVER);
}

static void endless_chunks(struct peer *peer)
{
    head(peer, "Transfer-Encoding: chunked\r\n");
    repeat(peer, "8\r\nand more\r\n", FOR_EVER);
}

static void endless_headers(struct peer *peer)
{
    say(peer, "HTTP/1.1 200 OK\r\n");
    repeat(peer, "X-More: and more\r\n", FOR_EVER);
}

static void endless_header(struct peer *peer)
{
    say(peer, "HTTP/1.1 200 OK\r\nX-More: ");
    repeat(peer, "and more", FOR_EVER);
}

static void endless_status(struct peer *peer)
{
    say(peer, "HTTP/1.1 200 ");
    repeat(peer, "OK OK ", FOR_EVER);
}

static void endless_continue(struct peer *peer)
{
    repeat(peer, "HTTP/1.1 100 Continue\r\n\r\n", FOR_EVER);
}

/* Three texts with a number between them, another each time. */
static void number(struct peer *peer, const char *const parts[3])
{
    static char text[65536];
    size_t length = 0;
    for (unsigned long i = 0; !peer->gone; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%lu%s%lu%s", parts[0], i,
                                   parts[1], i, parts[2]);
        if (length < sizeof text - 128)
            continue;
        put(peer, text, length);
        length = 0;
    }
}

static void endless_attributes(struct peer *peer)
{
    begin_document(peer, "");
    say(peer, "<returnval");
    number(peer, (const char *const[3]){" a", "=\"", "\""});
}

static void endless_namespaces(struct peer *peer)
{
    begin_document(peer, "");
    number(peer, (const char *const[3]){"<a xmlns:n", "=\"u", "\"/>"});
}

static void deep_nesting(struct peer *peer)
{
    begin_document(peer, "Connection: close\r\n");
    repeat(peer, "<a>", 1000000);
    peer->gone = true;
}

/* As many elements as are taken at most. */
static void many_elements(struct peer *peer)
{
    begin_document(peer, "Connection: close\r\n");
    repeat(peer, "<a/>", 2000000);
    say(peer, "</");
    say(peer, peer->method);
    say(peer, "Response>");
    say(peer, TAIL);
    peer->gone = true;
}

static void many_cookies(struct peer *peer)
{
    say(peer, "HTTP/1.1 200 OK\r\n");
    repeat(peer, "Set-Cookie: vmware_soap_session=a; Path=/\r\n", 15000);
    say(peer, "Content-Length: 2\r\n\r\n{}");
}

static void drip(struct peer *peer, const char *text, size_t text_bytes)
{
    struct timespec pause = {0, 100000000};
    for (size_t i = 0; !peer->gone; i++) {
        put(peer, i < text_bytes ? text + i : "a", 1);
        (void)nanosleep(&pause, NULL);
    }
}

static void dripping_body(struct peer *peer)
{
    begin_document(peer, "Content-Length: 1000000\r\n");
    drip(peer, "", 0);
}

static void dripping_header(struct peer *peer)
{
    static const char start[] = "HTTP/1.1 200 OK\r\nX: ";
    drip(peer, start, sizeof start - 1);
}

static void silence(struct peer *peer)
{
    char byte;
    size_t got = 1;
    while (got > 0 && vd_stream_read(peer->stream, &byte, 1, &got, NULL) == VD_OK)
        continue;
    peer->gone = true;
}

static void bomb(struct peer *peer)
{
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "<?xml version=\"1.0\"?><!DOCTYPE b [<!ENTITY a0 \"haha\">");
    for (char c = 'b'; c <= 'j'; c++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "<!ENTITY %c0 \"", c);
        for (int i = 0; i < 10; i++)
            length += (size_t)snprintf(text + length, sizeof text - length, "&%c0;", c - 1);
        length += (size_t)snprintf(text + length, sizeof text - length, "\">");
    }
    length += (size_t)snprintf(text + length, sizeof text - length, "]><b>&j0;</b>");
    whole(peer, text, length);
}

static void outside_entity(struct peer *peer)
{
    static const char text[] = "<?xml version=\"1.0\"?><!DOCTYPE b [<!ENTITY a SYSTEM "
                               "\"file:///etc/passwd\">]><b>&a;</b>";
    whole(peer, text, sizeof text - 1);
}

static void unknown_entity(struct peer *peer)
{
    answer(peer, "<returnval>&unknown;</returnval>", "");
}

/* A gigabyte of blanks that is a megabyte. */
static void packed_bomb(struct peer *peer)
{
    static uint8_t blanks[65536], out[65536];
    z_stream z = {.zalloc = NULL};
    memset(blanks, ' ', sizeof blanks);
    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    head(peer, "Content-Encoding: gzip\r\nConnection: close\r\n");
    for (unsigned i = 0; i < 16384 && !peer->gone; i++) {
        z.next_in = blanks;
        z.avail_in = sizeof blanks;
        while (z.avail_in > 0 && !peer->gone) {
            z.next_out = out;
            z.avail_out = sizeof out;
            (void)deflate(&z, Z_NO_FLUSH);
            put(peer, out, sizeof out - z.avail_out);
        }
    }
    (void)deflateEnd(&z);
    peer->gone = true;
}

static void length_beyond_numbers(struct peer *peer)
{
    head(peer, "Content-Length: 99999999999999999999999999\r\n");
    say(peer, "<a/>");
    peer->gone = true;
}

static void length_of_a_petabyte(struct peer *peer)
{
    head(peer, "Content-Length: 1125899906842624\r\n");
    say(peer, "<a/>");
    peer->gone = true;
}

static void length_below_zero(struct peer *peer)
{
    head(peer, "Content-Length: -1\r\n");
    say(peer, "<a/>");
    peer->gone = true;
}

static void length_too_short(struct peer *peer)
{
    begin_document(peer, "Content-Length: 20\r\n");
    peer->gone = true;
}

static void length_too_long(struct peer *peer)
{
    begin_document(peer, "Content-Length: 100000\r\n");
    peer->gone = true;
}

static void two_lengths(struct peer *peer)
{
    begin_document(peer, "Content-Length: 5\r\nContent-Length: 100000\r\n");
    peer->gone = true;
}

static void huge_chunk(struct peer *peer)
{
    head(peer, "Transfer-Encoding: chunked\r\n");
    say(peer, "FFFFFFFFFFFFFFFFFF\r\n<a/>");
    peer->gone = true;
}

static void no_chunk(struct peer *peer)
{
    head(peer, "Transfer-Encoding: chunked\r\n");
    say(peer, "hello\r\n");
    peer->gone = true;
}

static void utf16(struct peer *peer)
{
    static const char text[] =
        "<\0?\0x\0m\0l\0 \0v\0e\0r\0s\0i\0o\0n\0=\0\"\0001\0.\0000\0\"\0?\0>\0<\0a\0/\0>\0";
    whole(peer, text, sizeof text - 1);
}

static void other_encoding(struct peer *peer)
{
    static const char text[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>\xff\xfe\x80</a>";
    whole(peer, text, sizeof text - 1);
}

static void bytes_that_are_no_text(struct peer *peer)
{
    answer(peer, "<returnval>\xff\xfe\xc0\x80\x01</returnval>", "");
}

static void zero_bytes(struct peer *peer)
{
    static const char zeros[4096];
    whole(peer, zeros, sizeof zeros);
}

static void no_http(struct peer *peer)
{
    say(peer, "SSH-2.0-OpenSSH_9.2\r\n");
    peer->gone = true;
}

static void unknown_status(struct peer *peer)
{
    say(peer, "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n");
}

static void elsewhere(struct peer *peer)
{
    say(peer, "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
}

static void long_texts(struct peer *peer)
{
    size_t size = 8u << 20;
    char *text = malloc(size + 128);
    size_t length = (size_t)snprintf(text, size, "<returnval><about><apiType>");
    memset(text + length, 'x', size);
    (void)snprintf(text + length + size, 128 - length, "</apiType></about></returnval>");
    answer(peer, text, "Set-Cookie: vmware_soap_session=a\r\n");
    free(text);
}

static void huge_numbers(struct peer *peer)
{
    answer(
        peer,
        "<returnval><objects><obj type=\"VirtualMachine\">vm-1</obj><propSet><name>config.hardware."
        "device</name><val xsi:type=\"ArrayOfVirtualDevice\"><VirtualDevice "
        "xsi:type=\"VirtualDisk\">"
        "<key>99999999999999999999999</key><capacityInKB>18446744073709551615</capacityInKB>"
        "<capacityInBytes>-1</capacityInBytes></VirtualDevice></val></propSet></objects></"
        "returnval>",
        "Set-Cookie: vmware_soap_session=a\r\n");
}

/* --- the table --- */

static const struct {
    const char *name;
    void (*answer)(struct peer *peer);
} hostilities[] = {
    {"elements without end", endless_elements},
    {"text without end", endless_text},
    {"chunks without end", endless_chunks},
    {"headers without end", endless_headers},
    {"a header without end", endless_header},
    {"a status without end", endless_status},
    {"continue, without end", endless_continue},
    {"attributes without end", endless_attributes},
    {"namespaces without end", endless_namespaces},
    {"a million elements within each other", deep_nesting},
    {"two million elements", many_elements},
    {"15000 cookies", many_cookies},
    {"a body in drops", dripping_body},
    {"a header in drops", dripping_header},
    {"silence", silence},
    {"an entity bomb", bomb},
    {"a file as an entity", outside_entity},
    {"an entity nobody knows", unknown_entity},
    {"a gigabyte packed into one", packed_bomb},
    {"a length beyond all numbers", length_beyond_numbers},
    {"a length of a petabyte", length_of_a_petabyte},
    {"a length below zero", length_below_zero},
    {"a length that is too short", length_too_short},
    {"a length that is too long", length_too_long},
    {"two lengths", two_lengths},
    {"a chunk beyond all numbers", huge_chunk},
    {"chunks that are none", no_chunk},
    {"UTF-16", utf16},
    {"another encoding than it says", other_encoding},
    {"bytes that are no text", bytes_that_are_no_text},
    {"zeros", zero_bytes},
    {"no HTTP", no_http},
    {"a status nobody knows", unknown_status},
    {"another place", elsewhere},
    {"texts of megabytes", long_texts},
    {"huge numbers", huge_numbers},
};

/* Which call it strikes. */
static const char *const places[] = {"GET", "RetrieveServiceContent", "Login",
                                     "RetrievePropertiesEx"};

/* --- the server --- */

struct server {
    int listener;
    uint16_t port;
    char certificate[64], key[64];
    struct vd_tls_peer peer;
};

/* False at the end. */
static bool take_request(struct vd_stream *stream, char *text, char method[64])
{
    size_t length = 0, got;
    text[0] = '\0';
    while (!strstr(text, "\r\n\r\n")) {
        if (length + 1 >= REQUEST_BYTES ||
            vd_stream_read(stream, text + length, 1, &got, NULL) < 0 || got == 0)
            return false;
        text[++length] = '\0';
    }
    const char *stated = strstr(text, "Content-Length: ");
    size_t body = stated ? strtoul(stated + 16, NULL, 10) : 0;
    if (strncmp(text, "GET ", 4) == 0)
        (void)snprintf(method, 64, "GET");
    if (length + body >= REQUEST_BYTES || vd_stream_read_all(stream, text + length, body, NULL) < 0)
        return false;
    text[length + body] = '\0';
    const char *start = strstr(text, "Body><");
    if (start)
        (void)snprintf(method, 64, "%.*s", (int)strcspn(start + 6, " >"), start + 6);
    return true;
}

static void answer_well(struct peer *peer)
{
    if (strcmp(peer->method, "GET") == 0)
        whole(peer, VERSIONS, sizeof VERSIONS - 1);
    else if (strcmp(peer->method, "RetrieveServiceContent") == 0)
        answer(peer, CONTENT, "");
    else if (strcmp(peer->method, "Login") == 0)
        answer(peer, "<returnval><key>k</key></returnval>",
               "Set-Cookie: vmware_soap_session=\"c00k1e\"; Path=/\r\n");
    else
        answer(peer, "", "");
}

static void serve(const struct server *server, int fd, const char *place,
                  void (*hostile)(struct peer *peer))
{
    static char text[REQUEST_BYTES];
    static const struct vd_net_timeouts patient = {.connect_ms = 20000, .io_ms = 120000};
    struct vd_tls_identity identity = {server->certificate, server->key, false};
    char method[64] = "";
    struct peer peer = {.method = method};
    if (vd_stream_from_fd(fd, &patient, &peer.stream, NULL) < 0 ||
        vd_stream_accept_tls(peer.stream, &identity, NULL) < 0)
        return;
    while (!peer.gone && take_request(peer.stream, text, method)) {
        if (strcmp(method, place) == 0)
            hostile(&peer);
        else
            answer_well(&peer);
    }
    vd_stream_free(peer.stream);
}

/* A process per connection, until it is ended. */
static void serve_all(const struct server *server, const char *place,
                      void (*hostile)(struct peer *peer))
{
    int fd;
    (void)signal(SIGCHLD, SIG_IGN);
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (fork() == 0) {
            serve(server, fd, place, hostile);
            _exit(0);
        }
        (void)close(fd);
    }
    _exit(0);
}

static void start_listening(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, length) < 0 ||
        listen(server->listener, 32) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) < 0)
        abort();
    server->port = ntohs(address.sin_port);
}

/* --- the client --- */

struct told {
    int code;
    bool has_secret;
    char text[VD_ERROR_TEXT_BYTES];
};

static void visit(const struct server *server, struct told *told)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere *session = NULL;
    struct vd_vsphere_vm *vm = NULL;
    const struct vd_vsphere_options options = {
        .server = {.host = "127.0.0.1",
                   .port = server->port,
                   .trust = {.thumbprint = server->peer.sha1},
                   .timeouts = {.connect_ms = 20000, .io_ms = IO_MS}},
        .credential = VD_VSPHERE_PASSWORD,
        .user = "user",
        .password = "geheim",
    };
    told->code = vd_vsphere_connect(&options, &session, &err);
    if (told->code == VD_OK)
        told->code = vd_vsphere_vm_get(session, "vm-1", NULL, &vm, &err);
    (void)snprintf(told->text, sizeof told->text, "%s", err.text);
    told->has_secret = strstr(err.text, "geheim") || strstr(err.text, "c00k1e");
    vd_vsphere_vm_free(vm);
    vd_vsphere_free(session);
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct attempt {
    pid_t server, client;
    size_t hostility, place;
    struct told *told; /* shared with the client */
    double start;
};

static void start_attempt(struct server *server, struct attempt *attempt)
{
    attempt->told = mmap(NULL, sizeof *attempt->told, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    attempt->start = seconds_now();
    start_listening(server);
    (void)fflush(stdout);
    attempt->server = fork();
    if (attempt->server == 0) {
        (void)setpgid(0, 0);
        serve_all(server, places[attempt->place], hostilities[attempt->hostility].answer);
    }
    (void)setpgid(attempt->server, attempt->server); /* whoever is first */
    (void)close(server->listener);
    attempt->client = fork();
    if (attempt->client == 0) {
        visit(server, attempt->told);
        exit(0);
    }
}

static unsigned count, failed;

static void claim(bool good, const struct attempt *attempt, double seconds, long kib)
{
    count++;
    failed += !good;
    printf("%sok %u - %s, to %s (%.1f s, %ld MiB)\n", good ? "" : "not ", count,
           hostilities[attempt->hostility].name, places[attempt->place], seconds, kib >> 10);
    if (!good)
        printf("# %s: %s\n", vd_error_name(attempt->told->code), attempt->told->text);
}

/* True once the client has ended. */
static bool end_attempt(struct attempt *attempt)
{
    struct rusage used;
    int status = 0;
    double seconds = seconds_now() - attempt->start;
    bool hangs = seconds > 2 * SLOWEST_S;
    if (hangs)
        (void)kill(attempt->client, SIGKILL);
    if (wait4(attempt->client, &status, hangs ? 0 : WNOHANG, &used) == 0)
        return false;
    (void)kill(-attempt->server, SIGKILL); /* our own group of processes */
    (void)waitpid(attempt->server, NULL, 0);
    const struct told *told = attempt->told;
    /* Some answers to some questions are fine, if odd; no failure is without a sentence. */
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && seconds < SLOWEST_S &&
                used.ru_maxrss < PEAK_KIB && (told->code == VD_OK || told->text[0]) &&
                !told->has_secret && told->code != VD_E_NO_MEMORY;
    claim(good, attempt, seconds, used.ru_maxrss);
    (void)munmap(attempt->told, sizeof *attempt->told);
    attempt->client = 0;
    return true;
}

int main(void)
{
    enum { AT_ONCE = 6 };
    char folder[] = "/tmp/hostile-XXXXXX";
    struct server server;
    struct attempt attempts[AT_ONCE] = {{0}};
    const size_t all = VD_ARRAY_SIZE(hostilities) * VD_ARRAY_SIZE(places);
    size_t next = 0, running = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(server.certificate, sizeof server.certificate, "%s/c.pem", folder);
    (void)snprintf(server.key, sizeof server.key, "%s/k.pem", folder);
    if (vd_tls_make_identity("localhost", server.certificate, server.key, NULL) < 0 ||
        vd_tls_file_thumbprints(server.certificate, &server.peer, NULL) < 0)
        return 1;
    do {
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (attempts[i].client && end_attempt(&attempts[i]))
                running--;
            if (attempts[i].client || next == all)
                continue;
            attempts[i].hostility = next / VD_ARRAY_SIZE(places);
            attempts[i].place = next++ % VD_ARRAY_SIZE(places);
            start_attempt(&server, &attempts[i]);
            running++;
        }
        (void)usleep(5000);
    } while (running > 0);
    (void)unlink(server.certificate);
    (void)unlink(server.key);
    (void)rmdir(folder);
    printf("1..%u\n", count);
    return failed ? 1 : 0;
}
