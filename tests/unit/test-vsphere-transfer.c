/* SPDX-License-Identifier: Apache-2.0 */
/* Exports, files of datastores, what VMs wait for: what is asked, and what is made of the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soap-server.h"
#include "tests/harness.h"
#include "vsphere/file-range.h"
#include "vsphere/lease-decode.h"
#include "vsphere/question.h"
#include "vsphere/soap.h"

static struct soap_server *server;
static struct vd_vsphere *session;
static struct vd_error err;

static void start(void)
{
    server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    vd_error_clear(&err);
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
}

static void end(void)
{
    vd_vsphere_free(session);
    soap_server_free(server);
}

#define VAL(name, value)            "<propSet><name>" name "</name><val>" value "</val></propSet>"
#define OBJ(type, moid, props)      "<objects><obj type=\"" type "\">" moid "</obj>" props "</objects>"
#define LEASE(props)                "<returnval>" OBJ("HttpNfcLease", "lease-1", props) "</returnval>"
#define HTTP(status, headers, body) "HTTP/1.1 " status "\r\n" headers "\r\n" body

/* --- ranges of files --- */

static struct vd_file_range range_of(uint64_t start_bytes, uint64_t length_bytes)
{
    struct vd_file_range range;
    check_code(vd_file_range_init(&range, start_bytes, length_bytes, NULL), VD_OK);
    return range;
}

static int begins(struct vd_file_range *range, int status, const char *content_range,
                  uint64_t content_bytes)
{
    vd_error_clear(&err);
    return vd_file_range_begin(range, status, content_range, content_bytes, &err);
}

VD_TEST(a_range_is_asked_for_and_taken_up_again)
{
    char header[VD_FILE_RANGE_BYTES];
    struct vd_file_range range = range_of(0, UINT64_MAX);
    check(!vd_file_range_header(&range, header));
    check_code(begins(&range, 200, NULL, 10), VD_OK);
    check(vd_file_range_advance(&range, 4) && !vd_file_range_advance(&range, 7));
    check(vd_file_range_header(&range, header));
    check_str_eq(header, "Range: bytes=4-9");
    check_u64_eq(vd_file_range_left(&range), 6);
    check_code(begins(&range, 206, "bytes 4-9/11", 6), VD_E_BUSY);
    check_str_has(err.text, "11 bytes now and had 10");
    check_code(begins(&range, 206, "bytes 4-9/10", 6), VD_OK);
    range = range_of(3, UINT64_MAX);
    check(vd_file_range_header(&range, header));
    check_str_eq(header, "Range: bytes=3-");
    check_code(begins(&range, 206, "bytes 3-9/10", 7), VD_OK);
    check_u64_eq(vd_file_range_left(&range), 7);
}

VD_TEST(another_range_than_asked_for_is_not_taken)
{
    static const char *const wrong[] = {
        NULL,
        "",
        "bytes",
        "bytes 2-4",
        "bytes 2-4/",
        "bytes 2-4/3",
        "items 2-4/9",
        "bytes 4-2/9",
        "bytes 1-4/9",
        "bytes 2-9/10",
        "bytes 2-4/9x",
        "bytes -4/9",
        "bytes 2-99999999999999999999/99999999999999999999",
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(wrong); i++) {
        struct vd_file_range range = range_of(2, 4);
        check_code(begins(&range, 206, wrong[i], 3), VD_E_PROTOCOL);
    }
    struct vd_file_range range = range_of(2, 4);
    check_code(begins(&range, 200, NULL, 10), VD_E_NOT_SUPPORTED);
    range = range_of(0, 4);
    check_code(begins(&range, 200, NULL, 10), VD_E_NOT_SUPPORTED);
    check_code(begins(&range, 200, NULL, 4), VD_OK); /* all there is */
    range = range_of(2, 4);
    check_code(begins(&range, 206, "bytes 2-4/*", 3), VD_OK);
    check_u64_eq(vd_file_range_left(&range), 4);
    range = range_of(2, UINT64_MAX);
    check_code(begins(&range, 206, "bytes 2-4/*", 3), VD_E_PROTOCOL);
    check_str_has(err.text, "the file's end is not known");
    check_code(begins(&range, 206, "bytes 2-4/9", UINT64_MAX), VD_OK);
    check(!vd_file_range_advance(&range, 4)); /* more than the answer is to hold */
    check(vd_file_range_advance(&range, 3));
    check_code(vd_file_range_init(&range, 2, 0, NULL), VD_E_INVALID_ARG);
    check_code(vd_file_range_init(&range, 2, UINT64_MAX - 1, NULL), VD_E_INVALID_ARG);
}

/* --- what an export offers --- */

static int decode(const char *text, struct vd_lease_info *info)
{
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    vd_error_clear(&err);
    check_code_err(vd_xml_parse(text, strlen(text), &doc, &err), VD_OK, &err);
    return vd_lease_info_decode(vd_xml_root(doc), info, &err);
}

static int decode_url(const char *url, struct vd_lease_info *info)
{
    char text[6000];
    (void)snprintf(text, sizeof text,
                   "<info><deviceUrl><key>k</key><url>%s</url><disk>true</disk></deviceUrl>"
                   "</info>",
                   url);
    return decode(text, info);
}

VD_TEST(addresses_of_an_export)
{
    static const struct {
        const char *url, *host, *path;
        uint16_t port;
    } good[] = {
        {"https://*/nfc/52/disk-0.vmdk", "*", "/nfc/52/disk-0.vmdk", 443},
        {"HTTPS://esx1:8443/nfc/5?a=b", "esx1", "/nfc/5?a=b", 8443},
        {"https://esx1:/x", "esx1", "/x", 443},
        {"https://[fe80::1]/x", "fe80::1", "/x", 443},
        {"https://[fe80::1]:444/x", "fe80::1", "/x", 444},
    };
    static const char *const bad[] = {
        "",
        "http://esx1/x",
        "https://esx1",
        "https:///x",
        "https://esx1?x/",
        "https://user@esx1/x",
        "https://esx1:66666/x",
        "https://esx1:1x/x",
        "https://esx1:444444/x",
        "https://[fe80::1/x",
        "https://[fe80::1]x/x",
        "https://[]/x",
        "https://esx1/x y",
        "https://esx1/x&#10;Cookie: a",
        "ftp://x",
    };
    struct vd_lease_info info;
    for (size_t i = 0; i < VD_ARRAY_SIZE(good); i++) {
        check_code_err(decode_url(good[i].url, &info), VD_OK, &err);
        check_u64_eq(info.count, 1);
        check_str_eq(info.files[0].url.host, good[i].host);
        check_str_eq(info.files[0].url.path, good[i].path);
        check_u64_eq(info.files[0].url.port, good[i].port);
        check(info.files[0].disk);
        vd_lease_info_done(&info);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        check_code(decode_url(bad[i], &info), VD_E_PROTOCOL);
        check_str_has(err.text, "no usable address");
        vd_lease_info_done(&info);
    }
    check_code(decode("<info><leaseTimeout>30</leaseTimeout></info>", &info), VD_OK);
    check_u64_eq(info.timeout_ms, 30000);
    vd_lease_info_done(&info);
    check_code(decode("<info><deviceUrl><url>https://a/b</url><sslThumbprint>nonsense"
                      "</sslThumbprint><disk>true</disk></deviceUrl></info>",
                      &info),
               VD_E_INVALID_ARG);
    vd_lease_info_done(&info);
}

/* Nobody asked for it. */
VD_TEST(an_unusable_file_that_is_no_disk_is_left_out)
{
    struct vd_lease_info info;
    check_code_err(decode("<info><deviceUrl><key>n</key><url>ftp://a/nvram</url><disk>false</disk>"
                          "</deviceUrl><deviceUrl><key>k</key><url>https://a/b</url>"
                          "<disk>true</disk></deviceUrl><deviceUrl><url>https://a/c</url>"
                          "<sslThumbprint>nonsense</sslThumbprint></deviceUrl></info>",
                          &info),
                   VD_OK, &err);
    check_u64_eq(info.count, 1);
    check_str_eq(info.files[0].key, "k");
    vd_lease_info_done(&info);
}

VD_TEST(the_address_of_a_file_is_wiped)
{
    static const char text[] = "<info><deviceUrl><url>https://a/s3cret/disk-of-some-length.vmdk"
                               "</url></deviceUrl></info>";
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    struct vd_lease_info info;
    check_code(vd_xml_parse(text, strlen(text), &doc, &err), VD_OK);
    check_code(vd_lease_info_decode(vd_xml_root(doc), &info, &err), VD_OK);
    check_str_eq(info.files[0].url.path, "/s3cret/disk-of-some-length.vmdk");
    const char *left = vd_xml_child_text(vd_xml_child(vd_xml_root(doc), "deviceUrl"), "url");
    check(!left || !strstr(left, "s3cret"));
    vd_lease_info_done(&info);
}

static void question_is(const char *text, const char *want)
{
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    char got[VD_QUESTION_BYTES];
    check_code(vd_xml_parse(text, strlen(text), &doc, &err), VD_OK);
    vd_question_decode(vd_xml_root(doc), got);
    check_str_eq(got, want);
}

VD_TEST(questions_in_a_persons_words)
{
    question_is("<q/>", "");
    question_is("<q><id>1</id><text>Go&#10;on?</text></q>", "'Go on?'");
    question_is("<q><text>Copied?</text><choice><choiceInfo><label>Moved</label><key>0</key>"
                "</choiceInfo><choiceInfo><label>Copied</label></choiceInfo></choice></q>",
                "'Copied?' (possible answers: 'Moved', 'Copied')");
}

/* --- an export --- */

#define READY(url, more)                                                                       \
    LEASE(VAL("state", "ready")                                                                \
              VAL("info", "<leaseTimeout>300</leaseTimeout><deviceUrl><key>/vm-66/a0:0</key>"  \
                          "<url>" url "</url><sslThumbprint></sslThumbprint><disk>true</disk>" \
                          "</deviceUrl>" more))
#define HELLO_SHA1        "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
#define HELLO_SHA256      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define MANIFEST(members) "<returnval><key>/vm-66/a0:0</key>" members "</returnval>"

struct got {
    char text[64];
    size_t length;
    int refuse;
};

static int take(void *data, const void *bytes, size_t size)
{
    struct got *got = data;
    if (got->refuse < 0)
        return vd_error_set(&err, got->refuse, "the file cannot be written");
    check(got->length + size < sizeof got->text);
    memcpy(got->text + got->length, bytes, size);
    got->length += size;
    return VD_OK;
}

static void offer(const char *ready)
{
    soap_server_on(server, "ExportVm", "<returnval type=\"HttpNfcLease\">lease-1</returnval>");
    soap_server_on(server, "RetrievePropertiesEx",
                   LEASE(VAL("state", "initializing") VAL("initializeProgress", "40")));
    soap_server_on(server, "RetrievePropertiesEx", ready);
    soap_server_on(server, "HttpNfcLeaseProgress", "");
    soap_server_on(server, "HttpNfcLeaseComplete", "");
    soap_server_on(server, "HttpNfcLeaseAbort", "");
}

static void offer_hello(void)
{
    offer(READY("https://*/nfc/52/disk-0.vmdk", ""));
    soap_server_on(server, "GET /nfc", HTTP("200 OK", "Content-Length: 5\r\n", "hello"));
}

static bool note_total(void *data, uint64_t done, uint64_t total)
{
    if (done > 0)
        check_u64_eq(total, 5);
    *(uint64_t *)data = total;
    return true;
}

static int export_all(struct got *got)
{
    VD_CLEANUP(vd_vsphere_lease_free_cleanup) struct vd_vsphere_lease *lease = NULL;
    const struct vd_vsphere_sink sink = {take, got};
    vd_error_clear(&err);
    int r = vd_vsphere_lease_open(session, "vm-66", NULL, NULL, &lease, &err);
    if (r < 0)
        return r;
    check_u64_eq(vd_vsphere_lease_count(lease), 1);
    check_str_eq(vd_vsphere_lease_file(lease, 0).key, "/vm-66/a0:0");
    uint64_t total = 0;
    const struct vd_progress progress = {note_total, &total};
    r = vd_vsphere_lease_read(lease, 0, &sink, &progress, &err);
    if (r == VD_OK)
        check_u64_eq(total, 5);
    if (r == VD_OK)
        r = vd_vsphere_lease_complete(lease, &err);
    if (r == VD_OK)
        check_str_eq(vd_vsphere_lease_sha256(lease, 0), HELLO_SHA256);
    return r;
}

static void ended(const char *how)
{
    check_u64_eq(soap_server_count(server, "HttpNfcLeaseComplete"), strcmp(how, "well") == 0);
    check_u64_eq(soap_server_count(server, "HttpNfcLeaseAbort"), strcmp(how, "badly") == 0);
}

VD_TEST(an_export_that_goes_well)
{
    struct got got = {.length = 0};
    start();
    offer_hello();
    soap_server_on(server, "HttpNfcLeaseGetManifest",
                   MANIFEST("<sha1>" HELLO_SHA1 "</sha1><size>5</size>"));
    check_code_err(export_all(&got), VD_OK, &err);
    check_str_eq(got.text, "hello");
    ended("well");
    check_str_eq(soap_server_asked(server, "ExportVm"),
                 "<ExportVm xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">vm-66</_this>"
                 "</ExportVm>");
    check_str_eq(soap_server_asked(server, "HttpNfcLeaseComplete"),
                 "<HttpNfcLeaseComplete xmlns=\"urn:vim25\"><_this type=\"HttpNfcLease\">lease-1"
                 "</_this></HttpNfcLeaseComplete>");
    check_str_has(soap_server_headers(server, "GET /nfc"), "Cookie: vmware_soap_session=");
    end();
}

VD_TEST(a_manifest_is_held_against_what_came)
{
    static const char *const wrong[] = {
        MANIFEST("<sha1>aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434e</sha1><size>5</size>"),
        MANIFEST("<sha1>" HELLO_SHA1 "</sha1><size>6</size>"),
        MANIFEST("<sha1></sha1><checksum>00</checksum><checksumType>sha256</checksumType>"),
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(wrong); i++) {
        struct got got = {.length = 0};
        start();
        offer_hello();
        soap_server_on(server, "HttpNfcLeaseGetManifest", wrong[i]);
        check_code(export_all(&got), VD_E_DAMAGED);
        check_str_has(err.text, "the server's manifest says");
        ended("badly");
        end();
    }
    static const char *const right[] = {
        MANIFEST("<checksum>" HELLO_SHA256 "</checksum><checksumType>SHA256</checksumType>"),
        MANIFEST("<checksum>x</checksum><checksumType>sha512</checksumType><size>5</size>"),
        "<returnval><key>another</key><sha1>x</sha1></returnval>",
        SOAP_FAULT("NotSupported", ""),
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(right); i++) {
        struct got got = {.length = 0};
        start();
        offer_hello();
        soap_server_on(server, "HttpNfcLeaseGetManifest", right[i]);
        check_code_err(export_all(&got), VD_OK, &err);
        ended("well");
        end();
    }
}

static void goes_badly(const char *answer, int code, const char *words)
{
    struct got got = {.length = 0};
    start();
    offer(READY("https://*/nfc/52/disk-0.vmdk", ""));
    soap_server_on(server, "GET /nfc", answer);
    check_code(export_all(&got), code);
    check_str_has(err.text, words);
    check_u64_eq(got.length, 0);
    ended("badly");
    end();
}

VD_TEST(an_error_page_is_no_disk)
{
    goes_badly(HTTP("404 No", "Content-Length: 5\r\n", "<htm>"), VD_E_HTTP_STATUS,
               "HTTP status 404 instead of the disk; the lease may have ended");
    goes_badly(HTTP("206 Part", "Content-Length: 0\r\n", ""), VD_E_HTTP_STATUS, "206");
}

VD_TEST(an_export_that_this_side_ends)
{
    struct got got = {.refuse = VD_E_DISK_FULL};
    start();
    offer_hello();
    check_code(export_all(&got), VD_E_DISK_FULL);
    check_str_eq(err.text, "the file cannot be written");
    ended("badly");
    end();
}

VD_TEST(a_lease_that_the_server_gives_up)
{
    struct got got = {.length = 0};
    start();
    offer(LEASE(VAL("state", "error")
                    VAL("error", "<fault xsi:type=\"NoDiskSpace\"><file>[ds] x</file></fault>"
                                 "<localizedMessage>words</localizedMessage>")));
    check_code(export_all(&got), VD_E_DISK_FULL);
    check_str_has(err.text, "exporting the VM 'vm-66': the datastore is full: '[ds] x'");
    ended("badly");
    soap_server_forget(server, "RetrievePropertiesEx");
    soap_server_on(server, "RetrievePropertiesEx", LEASE(VAL("state", "done")));
    check_code(export_all(&got), VD_E_FAIL);
    check_str_has(err.text, "the server has ended the lease");
    soap_server_forget(server, "ExportVm");
    soap_server_on(server, "ExportVm", SOAP_FAULT("InvalidPowerState", ""));
    check_code(export_all(&got), VD_E_BUSY);
    check_str_has(err.text, "make a snapshot and export that");
    end();
}

/* An answer that lists it twice, and what nobody asked for. */
VD_TEST(a_lease_that_is_told_twice)
{
#define INFO \
    "<deviceUrl><key>/vm-66/a0:0</key><url>https://*/nfc/1</url><disk>true</disk></deviceUrl>"
#define TOLD OBJ("HttpNfcLease", "lease-1", VAL("state", "ready") VAL("info", INFO))
    struct got got = {.length = 0};
    start();
    offer("<returnval>" OBJ("HttpNfcLease", "lease-2", VAL("state", "error")) TOLD TOLD
          "</returnval>");
    soap_server_on(server, "GET /nfc", HTTP("200 OK", "Content-Length: 5\r\n", "hello"));
    check_code_err(export_all(&got), VD_OK, &err);
    end();
}

/* What was lost is the stream; that nobody could be asked about the lease is not the reason. */
VD_TEST(a_look_that_fails_on_the_way_is_no_reason)
{
    struct got got = {.length = 0};
    start();
    offer(READY("https://*/nfc/52/disk-0.vmdk", ""));
    soap_server_on_status(server, "RetrievePropertiesEx", 404);
    soap_server_on(server, "GET /nfc",
                   HTTP("200 OK", "Content-Length: 5\r\nConnection: close\r\n", "he"));
    check_code(export_all(&got), VD_E_DISCONNECTED);
    check_str_has(err.text, "such a stream cannot be taken up again");
    end();
}

/* The session is the server's that was asked, and of nobody else's business. */
VD_TEST(a_host_of_its_own_name_gets_no_cookie)
{
    struct got got = {.length = 0};
    char url[200], ready[1000];
    start();
    struct vd_vsphere_options options = soap_server_options(server);
    (void)snprintf(url, sizeof url, "https://localhost:%u/nfc/1", options.server.port);
    (void)snprintf(
        ready, sizeof ready,
        LEASE(VAL("state", "ready") VAL("info", "<deviceUrl><key>/vm-66/a0:0</key><url>%s</url>"
                                                "<sslThumbprint>%s</sslThumbprint></deviceUrl>")),
        url, options.server.trust.thumbprint);
    offer(ready);
    soap_server_on(server, "GET /nfc", HTTP("200 OK", "Content-Length: 5\r\n", "hello"));
    check_code_err(export_all(&got), VD_OK, &err);
    check_str_eq(got.text, "hello");
    check(!strstr(soap_server_headers(server, "GET /nfc"), "Cookie:"));
    (void)snprintf(
        ready, sizeof ready,
        LEASE(VAL("state", "ready") VAL("info", "<deviceUrl><key>/vm-66/a0:0</key><url>%s</url>"
                                                "</deviceUrl>")),
        url);
    soap_server_forget(server, "RetrievePropertiesEx");
    soap_server_on(server, "RetrievePropertiesEx", ready);
    got.length = 0;
    check_code(export_all(&got), VD_E_CERTIFICATE);
    end();
}

/* --- files --- */

static const char STORES[] = "<returnval>" OBJ("Datacenter", "datacenter-2",
                                               VAL("name", "D C") VAL("parent", "group-d1"))
    OBJ("Folder", "group-s4", VAL("name", "datastore") VAL("parent", "datacenter-2"))
        OBJ("Datastore", "datastore-3", VAL("name", "ds") VAL("parent", "group-s4")) "</returnval>";

static void start_with_stores(void)
{
    start();
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v</returnval>");
    soap_server_on(server, "DestroyView", "");
    soap_server_on(server, "RetrievePropertiesEx", STORES);
}

static int get(const struct vd_vsphere_range *range, struct got *got)
{
    const struct vd_vsphere_sink sink = {take, got};
    vd_error_clear(&err);
    return vd_vsphere_file_get(session, "[ds] a b/c.vmx", range, &sink, NULL, &err);
}

VD_TEST(a_file_is_read)
{
    struct got got = {.length = 0};
    const struct vd_vsphere_range range = {1, 3};
    start_with_stores();
    soap_server_on(server, "GET /folder", HTTP("401 Who", "Content-Length: 2\r\n", "no"));
    soap_server_on(server, "GET /folder", HTTP("200 OK", "Content-Length: 5\r\n", "hello"));
    check_code_err(get(NULL, &got), VD_OK, &err);
    check_str_eq(got.text, "hello");
    check_u64_eq(soap_server_count(server, "Login"), 2);
    check_str_has(soap_server_headers(server, "GET /folder"),
                  "GET /folder/a%20b/c.vmx?dcPath=D%20C&dsName=ds HTTP/1.1");
    check_str_has(soap_server_headers(server, "GET /folder"), "Cookie: vmware_soap_session=");
    check(!strstr(soap_server_headers(server, "GET /folder"), "Range:"));
    soap_server_forget(server, "GET /folder");
    soap_server_on(server, "GET /folder",
                   HTTP("206 Part", "Content-Length: 3\r\nContent-Range: bytes 1-3/5\r\n", "ell"));
    got = (struct got){.length = 0};
    check_code_err(get(&range, &got), VD_OK, &err);
    check_str_eq(got.text, "ell");
    check_str_has(soap_server_headers(server, "GET /folder"), "Range: bytes=1-3\r\n");
    end();
}

/* A server that sends less each time than it was asked for is asked for the rest. */
VD_TEST(a_file_in_pieces)
{
    struct got got = {.length = 0};
    start_with_stores();
    soap_server_on(server, "GET /folder",
                   HTTP("206 Part", "Content-Length: 2\r\nContent-Range: bytes 0-1/5\r\n", "he"));
    soap_server_on(server, "GET /folder",
                   HTTP("206 Part", "Content-Length: 3\r\nContent-Range: bytes 2-4/5\r\n", "llo"));
    check_code_err(get(NULL, &got), VD_OK, &err);
    check_str_eq(got.text, "hello");
    end();
}

/* What comes behind a lost connection is of the same file, or nothing. */
VD_TEST(a_file_that_changes_between_two_attempts)
{
#define LOST(headers) HTTP("200 OK", "Content-Length: 5\r\nConnection: close\r\n" headers, "he")
#define REST(size, headers) \
    HTTP("206 Part", "Content-Length: 3\r\nContent-Range: bytes 2-4/" size "\r\n" headers, "llo")
    static const struct {
        const char *first, *second;
        int code;
    } cases[] = {
        {LOST(""), REST("5", ""), VD_OK},
        {LOST(""), REST("6", ""), VD_E_BUSY},
        {LOST("ETag: \"a\"\r\n"), REST("5", "ETag: \"a\"\r\n"), VD_OK},
        {LOST("ETag: \"a\"\r\n"), REST("5", "ETag: \"b\"\r\n"), VD_E_BUSY},
        {LOST("Last-Modified: x\r\n"), REST("5", "Last-Modified: y\r\n"), VD_E_BUSY},
        {LOST("ETag: \"a\"\r\n"), REST("5", ""), VD_OK},
        {LOST(""), HTTP("200 OK", "Content-Length: 5\r\n", "HELLO"), VD_E_NOT_SUPPORTED},
    };
    start_with_stores();
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        struct got got = {.length = 0};
        soap_server_forget(server, "GET /folder");
        soap_server_on(server, "GET /folder", cases[i].first);
        soap_server_on(server, "GET /folder", cases[i].second);
        check_code(get(NULL, &got), cases[i].code);
        check_str_eq(got.text, cases[i].code == VD_OK ? "hello" : "he");
        check_str_has(soap_server_headers(server, "GET /folder"), "Range: bytes=2-4\r\n");
    }
    end();
}

VD_TEST(a_part_from_the_beginning_may_be_the_whole)
{
    struct got got = {.length = 0};
    const struct vd_vsphere_range range = {0, 9};
    start_with_stores();
    soap_server_on(server, "GET /folder", HTTP("200 OK", "Content-Length: 5\r\n", "hello"));
    check_code_err(get(&range, &got), VD_OK, &err);
    check_str_eq(got.text, "hello");
    end();
}

VD_TEST(what_a_server_says_of_a_file)
{
    static const struct {
        const char *status;
        int code;
        const char *words;
    } cases[] = {
        {"404 No", VD_E_NOT_FOUND, "reading the file '[ds] a b/c.vmx': there is no such file"},
        {"403 No", VD_E_NO_PERMISSION, "Datastore.Browse"},
        {"416 No", VD_E_OUT_OF_RANGE, "ends before that"},
        {"500 No", VD_E_LOCKED, "cannot open the file"},
        {"401 No", VD_E_LOGIN, "does not accept the session"},
        {"418 No", VD_E_HTTP_STATUS, "HTTP status 418"},
    };
    start_with_stores();
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        char answer[200];
        struct got got = {.length = 0};
        (void)snprintf(answer, sizeof answer, HTTP("%s", "Content-Length: 2\r\n", "no"),
                       cases[i].status);
        soap_server_forget(server, "GET /folder");
        soap_server_on(server, "GET /folder", answer);
        check_code(get(NULL, &got), cases[i].code);
        check_str_has(err.text, cases[i].words);
        check_u64_eq(got.length, 0);
    }
    end();
}

static bool source_fails;

static int give(void *data, uint64_t offset_bytes, void *bytes, size_t size, size_t *ret)
{
    if (source_fails)
        return vd_error_set(&err, VD_E_IO, "cannot read it");
    const char *text = data;
    size_t left = strlen(text) - (size_t)offset_bytes;
    *ret = VD_MIN(left, size);
    memcpy(bytes, text + offset_bytes, *ret);
    return VD_OK;
}

static int put(uint64_t size_bytes)
{
    const struct vd_vsphere_content_source source = {give, (char *)(uintptr_t) "hello", size_bytes};
    vd_error_clear(&err);
    return vd_vsphere_file_put(session, "[ds] x.bin", &source, NULL, &err);
}

VD_TEST(a_file_is_written)
{
    start_with_stores();
    soap_server_on(server, "PUT /folder", HTTP("201 OK", "Content-Length: 0\r\n", ""));
    check_code_err(put(5), VD_OK, &err);
    check_str_eq(soap_server_envelope(server, "PUT /folder"), "hello");
    check_str_has(soap_server_headers(server, "PUT /folder"), "Content-Length: 5\r\n");
    soap_server_forget(server, "PUT /folder");
    soap_server_on(server, "PUT /folder", HTTP("403 No", "Content-Length: 0\r\n", ""));
    check_code(put(5), VD_E_NO_PERMISSION);
    check_str_has(err.text, "Datastore.FileManagement");
    check_str_has(err.text, "what is at the server now is not known: writing the file");
    check_code(put(6), VD_E_TRUNCATED);
    check_str_has(err.text, "only 5 bytes of 6 to send");
    check_str_has(err.text, "what is at the server now is not known: writing the file");
    source_fails = true;
    check_code(put(5), VD_E_IO);
    check_str_eq(err.text, "cannot read it"); /* nothing was sent */
    source_fails = false;
    end();
}

/* --- tasks that stand still --- */

VD_TEST(disks_are_consolidated)
{
    start();
    soap_server_on(server, "ConsolidateVMDisks_Task",
                   "<returnval type=\"Task\">task-1</returnval>");
    soap_server_on(
        server, "RetrievePropertiesEx",
        "<returnval>" OBJ("Task", "task-1", VAL("info", "<state>success</state>")) "</returnval>");
    check_code_err(vd_vsphere_consolidate(session, "vm-66", NULL, &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "ConsolidateVMDisks_Task"),
                 "<ConsolidateVMDisks_Task xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">"
                 "vm-66</_this></ConsolidateVMDisks_Task>");
    end();
}

/* --- first-class disks --- */

static void again(const char *method, const char *answer)
{
    soap_server_forget(server, method);
    soap_server_on(server, method, answer);
    vd_error_clear(&err);
}

#define TASK_ENDED(members)             \
    "<returnval>" OBJ("Task", "task-9", \
                      VAL("info", "<state>success</state>" members)) "</returnval>"
#define SNAPSHOT_TASK "<returnval type=\"Task\">task-9</returnval>"
#define FCD_CALL(method, members)                                                                 \
    "<" method " xmlns=\"urn:vim25\"><_this type=\"VcenterVStorageObjectManager\">fcds"           \
    "</_this><id><id>5e43</id></id><datastore type=\"Datastore\">datastore-3</datastore>" members \
    "</" method ">"

static int join_snapshot(void *data, const struct vd_vsphere_fcd_snapshot_info *snapshot)
{
    char *text = data;
    (void)snprintf(text + strlen(text), 200 - strlen(text), "%s|%s|%s;", snapshot->id,
                   snapshot->created, snapshot->description);
    return VD_OK;
}

VD_TEST(snapshots_of_first_class_disks)
{
    char id[VD_MOID_BYTES], text[200] = "";
    const struct vd_vsphere_fcd_snapshot_request request = {"datastore-3", "5e43", "a & b"};
    start();
    soap_server_on(server, "VStorageObjectCreateSnapshot_Task", SNAPSHOT_TASK);
    soap_server_on(server, "RetrievePropertiesEx",
                   TASK_ENDED("<result xsi:type=\"ID\"><id>6056</id></result>"));
    check_code_err(vd_vsphere_fcd_snapshot_create(session, &request, NULL, id, &err), VD_OK, &err);
    check_str_eq(id, "6056");
    check_str_eq(
        soap_server_asked(server, "VStorageObjectCreateSnapshot_Task"),
        FCD_CALL("VStorageObjectCreateSnapshot_Task", "<description>a &amp; b</description>"));
    soap_server_on(server, "RetrieveSnapshotInfo",
                   "<returnval><snapshots><id><id>6056</id></id><createTime>2026</createTime>"
                   "<description>d</description></snapshots><snapshots><createTime>2027"
                   "</createTime></snapshots><snapshots><id><id>6057</id></id></snapshots>"
                   "</returnval>");
    check_code_err(
        vd_vsphere_fcd_snapshot_list(session, "datastore-3", "5e43", join_snapshot, text, &err),
        VD_OK, &err);
    check_str_eq(text, "6056|2026|d;6057||;");
    soap_server_on(server, "DeleteSnapshot_Task", SNAPSHOT_TASK);
    again("RetrievePropertiesEx", TASK_ENDED(""));
    check_code_err(
        vd_vsphere_fcd_snapshot_delete(session, "datastore-3", "5e43", "6056", NULL, &err), VD_OK,
        &err);
    check_str_eq(soap_server_asked(server, "DeleteSnapshot_Task"),
                 FCD_CALL("DeleteSnapshot_Task", "<snapshotId><id>6056</id></snapshotId>"));
    again("DeleteSnapshot_Task", SOAP_FAULT("NotFound", ""));
    check_code(vd_vsphere_fcd_snapshot_delete(session, "datastore-3", "5e43", "6056", NULL, &err),
               VD_E_SNAPSHOT_GONE);
    end();
}

/* The session goes along in the envelope; tasks are asked about there. */
VD_TEST(the_global_catalogue_of_first_class_disks)
{
    char id[VD_MOID_BYTES];
    const struct vd_vsphere_fcd_snapshot_request request = {NULL, "5e43", NULL};
    start();
    soap_server_on(server, "RetrieveContent",
                   "<returnval><vStorageObjectManager type=\"VslmVStorageObjectManager\">global"
                   "</vStorageObjectManager></returnval>");
    soap_server_on(server, "VslmCreateSnapshot_Task",
                   "<returnval type=\"VslmTask\">task-7</returnval>");
    soap_server_on(server, "VslmQueryInfo", "<returnval><state>running</state></returnval>");
    soap_server_on(server, "VslmQueryInfo", "<returnval><state>success</state></returnval>");
    soap_server_on(server, "VslmQueryTaskResult",
                   "<returnval xsi:type=\"ID\"><id>6056</id></returnval>");
    check_code_err(vd_vsphere_fcd_snapshot_create(session, &request, NULL, id, &err), VD_OK, &err);
    check_str_eq(id, "6056");
    check_str_eq(soap_server_asked(server, "VslmCreateSnapshot_Task"),
                 "<VslmCreateSnapshot_Task xmlns=\"urn:vslm\"><_this "
                 "type=\"VslmVStorageObjectManager\">global</_this><id><id>5e43</id></id>"
                 "<description></description></VslmCreateSnapshot_Task>");
    const char *headers = soap_server_headers(server, "VslmCreateSnapshot_Task");
    check_str_has(headers, "POST /vslm/sdk HTTP/1.1");
    check_str_has(headers, "SOAPAction: \"urn:vslm/8.0.3.0\"");
    check(!strstr(headers, "Cookie:"));
    check_str_has(soap_server_envelope(server, "VslmCreateSnapshot_Task"),
                  "<soapenv:Header><vcSessionCookie>c00k1e</vcSessionCookie>"
                  "</soapenv:Header><soapenv:Body>");
    check_u64_eq(soap_server_count(server, "RetrieveContent"), 1);
    again("VslmRetrieveSnapshotDetails", SOAP_FAULT("NotFound", ""));
    char *path = NULL, *change_id = NULL;
    check_code(vd_vsphere_fcd_snapshot(session, NULL, "5e43", "6", &path, &change_id, &err),
               VD_E_NOT_FOUND);
    again("VslmRetrieveSnapshotDetails", SOAP_FAULT("NotAuthenticated", ""));
    check_code(vd_vsphere_fcd_snapshot(session, NULL, "5e43", "6", &path, &change_id, &err),
               VD_E_LOGIN);
    check_u64_eq(soap_server_count(server, "Login"), 1); /* for the session lives */
    again("CurrentTime", SOAP_FAULT("NotAuthenticated", ""));
    check_code(vd_vsphere_fcd_snapshot(session, NULL, "5e43", "6", &path, &change_id, &err),
               VD_E_LOGIN);
    check_u64_eq(soap_server_count(server, "Login"), 2);
    check_u64_eq(soap_server_count(server, "RetrieveContent"), 1);
    soap_server_forget(server, "VslmRetrieveSnapshotDetails");
    soap_server_on_status(server, "VslmRetrieveSnapshotDetails", 404);
    vd_error_clear(&err);
    check_code(vd_vsphere_fcd_snapshot(session, NULL, "5e43", "6", &path, &change_id, &err),
               VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "no global catalogue");
    end();
}
