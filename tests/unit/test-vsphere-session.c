/* SPDX-License-Identifier: Apache-2.0 */
/* Into a session, along a session, out of it; faults; hostile answers. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soap-server.h"
#include "tests/harness.h"
#include "vsphere/soap.h"

static const char NOT_AUTHENTICATED[] = SOAP_FAULT(
    "NotAuthenticated", "<object type=\"Folder\">group-d1</object><privilegeId>System.View"
                        "</privilegeId>");

static struct vd_vsphere *connect_to(struct soap_server *server)
{
    struct vd_vsphere *session = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere_options options = soap_server_options(server);
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
    return session;
}

static int try_connect(const struct vd_vsphere_options *options, struct vd_error *err)
{
    struct vd_vsphere *session = NULL;
    vd_error_clear(err);
    int r = vd_vsphere_connect(options, &session, err);
    vd_vsphere_free(session);
    return r;
}

/* Any call within a session will do. */
static int ask(struct vd_vsphere *session, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_error_clear(err);
    vd_soap_begin(&call, "QuerySomething", "VirtualMachine", "vm-1");
    vd_soap_what(&call, "asking the VM 'vm-1'");
    return vd_soap_run(session, &call, &reply, err);
}

VD_TEST(a_session_by_password)
{
    struct soap_server *server = soap_server_new();
    struct vd_vsphere *session = connect_to(server);
    check(vd_vsphere_is_vcenter(session));
    check_str_eq(vd_vsphere_api_version(session), "8.0.3.0");
    check_str_eq(vd_vsphere_host(session), "127.0.0.1");
    check_str_eq(soap_server_asked(server, "Login"),
                 "<Login xmlns=\"urn:vim25\"><_this type=\"SessionManager\">sessions</_this>"
                 "<userName>user</userName><password>secret&amp;&lt;</password>"
                 "<locale>en_US</locale></Login>");
    check(!strstr(soap_server_headers(server, "Login"), "Cookie:"));
    check_str_has(soap_server_headers(server, "Login"), "SOAPAction: \"urn:vim25/8.0.3.0\"");
    vd_vsphere_free(session);
    check_u64_eq(soap_server_count(server, "Logout"), 1);
    check_str_has(soap_server_headers(server, "Logout"), "Cookie: vmware_soap_session=\"c00k1e\"");
    soap_server_free(server);
}

static const char *const COOKIES[] = {"vmware_soap_session=\"c00k1e\"",
                                      "vmware_soap_session=c00k1e", "c00k1e", "\"c00k1e\"",
                                      "vmware_soap_session=\"c00k1e\"; Path=/; HttpOnly; Secure;"};
static const char *const HEADERS[] = {
    "Cookie: vmware_soap_session=\"c00k1e\"\r\n", "Cookie: vmware_soap_session=c00k1e\r\n",
    "Cookie: vmware_soap_session=c00k1e\r\n", "Cookie: vmware_soap_session=\"c00k1e\"\r\n",
    "Cookie: vmware_soap_session=\"c00k1e\"\r\n"};

VD_TEST(a_session_by_cookie_in_every_form_is_the_callers)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    for (size_t i = 0; i < VD_ARRAY_SIZE(COOKIES); i++) {
        struct vd_vsphere_options options = soap_server_options(server);
        options.credential = VD_VSPHERE_COOKIE;
        options.cookie = COOKIES[i];
        check_code_err(try_connect(&options, &err), VD_OK, &err);
        check_str_has(soap_server_headers(server, "CurrentTime"), HEADERS[i]);
    }
    check_u64_eq(soap_server_count(server, "Login"), 0);
    check_u64_eq(soap_server_count(server, "Logout"), 0);
    soap_server_free(server);
}

VD_TEST(a_dead_cookie_is_told_and_replaced_only_by_a_password)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    soap_server_forget(server, "CurrentTime");
    soap_server_on(server, "CurrentTime", NOT_AUTHENTICATED);
    options.credential = VD_VSPHERE_COOKIE;
    options.cookie = "c0ffee";
    check_code_err(try_connect(&options, &err), VD_OK, &err);
    check_u64_eq(soap_server_count(server, "Login"), 1);
    check_u64_eq(soap_server_count(server, "Logout"), 1);
    options.password = NULL;
    check_code(try_connect(&options, &err), VD_E_LOGIN);
    check_str_has(err.text, "the session has ended");
    check(!strstr(err.text, "c0ffee"));
    soap_server_free(server);
}

VD_TEST(a_session_by_clone_ticket)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    options.credential = VD_VSPHERE_CLONE_TICKET;
    options.ticket = "cst-t1ck3t";
    soap_server_on(server, "CloneSession", "<returnval><key>k</key></returnval>");
    soap_server_on(server, "CloneSession", SOAP_FAULT("InvalidLogin", ""));
    check_code_err(try_connect(&options, &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "CloneSession"),
                 "<CloneSession xmlns=\"urn:vim25\"><_this type=\"SessionManager\">sessions"
                 "</_this><cloneTicket>cst-t1ck3t</cloneTicket></CloneSession>");
    check_code(try_connect(&options, &err), VD_E_LOGIN);
    check_str_has(err.text, "good for one login");
    check(!strstr(err.text, "t1ck3t"));
    soap_server_free(server);
}

VD_TEST(wrong_credentials_and_missing_ones)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    soap_server_forget(server, "Login");
    soap_server_on(server, "Login", SOAP_FAULT("InvalidLogin", ""));
    check_code(try_connect(&options, &err), VD_E_LOGIN);
    check_str_has(err.text, "logging in to '127.0.0.1' as 'user'");
    check(!strstr(err.text, "secret"));
    options.password = "bell\a";
    check_code(try_connect(&options, &err), VD_E_INVALID_ARG);
    options.password = NULL;
    check_code(try_connect(&options, &err), VD_E_INVALID_ARG);
    options = soap_server_options(server);
    options.server.trust.thumbprint = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33";
    check_code(try_connect(&options, &err), VD_E_CERTIFICATE);
    check_str_has(err.text, "expected=00:11");
    soap_server_free(server);
}

static const struct {
    const char *document, *action; /* NULL action: refused */
} VERSIONS[] = {
    {"<version>6.5</version><priorVersions><version>6.0</version><version>5.5</version>"
     "</priorVersions>",
     "urn:vim25/6.5\""},
    {"<version>5.5</version>", "urn:vim25/5.5\""},
    {"<version>9.0.0.0</version><priorVersions><version>8.0.3.0</version><version>8.0.10.0"
     "</version></priorVersions>",
     "urn:vim25/8.0.3.0\""},
    {"<version>7.0.3.2</version><priorVersions><version>7.0.3.10</version></priorVersions>",
     "urn:vim25/7.0.3.10\""},
    {"<version>5.1</version><priorVersions><version>2.5</version></priorVersions>", NULL},
    {"<version>9.1.0.0</version>", NULL},
    {"", NULL},
};

VD_TEST(versions_are_negotiated)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(VERSIONS); i++) {
        struct vd_error err = VD_ERROR_INIT;
        struct soap_server *server = soap_server_new();
        struct vd_vsphere_options options = soap_server_options(server);
        char document[600];
        (void)snprintf(document, sizeof document,
                       "<?xml version=\"1.0\"?><n:namespaces xmlns:n=\"x\"><n:namespace>"
                       "<n:name>urn:vim25</n:name>%s</n:namespace></n:namespaces>",
                       VERSIONS[i].document);
        soap_server_forget(server, "GET");
        soap_server_on(server, "GET", document);
        int refusal = VERSIONS[i].document[0] ? VD_E_VERSION : VD_E_PROTOCOL;
        check_code_err(try_connect(&options, &err), VERSIONS[i].action ? VD_OK : refusal, &err);
        if (VERSIONS[i].action)
            check_str_has(soap_server_headers(server, "Login"), VERSIONS[i].action);
        soap_server_free(server);
    }
}

VD_TEST(a_session_that_ended_is_renewed_once_per_call)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    struct vd_vsphere *session = connect_to(server);
    soap_server_on(server, "QuerySomething", NOT_AUTHENTICATED);
    soap_server_on(server, "QuerySomething", "");
    check_code_err(ask(session, &err), VD_OK, &err);
    check_u64_eq(soap_server_count(server, "Login"), 2);
    check_u64_eq(soap_server_count(server, "QuerySomething"), 2);
    soap_server_forget(server, "QuerySomething");
    soap_server_on(server, "QuerySomething", NOT_AUTHENTICATED);
    check_code(ask(session, &err), VD_E_LOGIN);
    check_u64_eq(soap_server_count(server, "Login"), 3);
    vd_vsphere_free(session);
    soap_server_free(server);
}

static void *ask_often(void *session)
{
    for (int i = 0; i < 10; i++) {
        struct vd_error err = VD_ERROR_INIT;
        check_code_err(ask(session, &err), VD_OK, &err);
    }
    return NULL;
}

VD_TEST(threads_share_a_session_and_its_renewal)
{
    struct soap_server *server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere *session = NULL;
    pthread_t threads[4];
    options.keep_alive_ms = 5;
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
    soap_server_on(server, "QuerySomething", "");
    soap_server_on(server, "QuerySomething", NOT_AUTHENTICATED);
    soap_server_on(server, "QuerySomething", "");
    for (size_t i = 0; i < VD_ARRAY_SIZE(threads); i++)
        check_int_eq(pthread_create(&threads[i], NULL, ask_often, session), 0);
    for (size_t i = 0; i < VD_ARRAY_SIZE(threads); i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    check_u64_eq(soap_server_count(server, "Login"), 2);
    check_u64_eq(soap_server_count(server, "QuerySomething"), 41);
    vd_vsphere_free(session);
    soap_server_free(server);
}

VD_TEST(a_session_is_kept_alive)
{
    struct soap_server *server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere *session = NULL;
    options.keep_alive_ms = 10;
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
    for (int i = 0; i < 500 && soap_server_count(server, "CurrentTime") < 3; i++)
        (void)usleep(10000);
    check(soap_server_count(server, "CurrentTime") >= 3);
    vd_vsphere_free(session);
    soap_server_free(server);
}

VD_TEST(a_server_that_restarts_is_waited_for)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    struct vd_vsphere *session = connect_to(server);
    soap_server_on_status(server, "QuerySomething", 503);
    soap_server_on(server, "QuerySomething", "");
    check_code_err(ask(session, &err), VD_OK, &err);
    soap_server_forget(server, "QuerySomething");
    soap_server_on_status(server, "QuerySomething", 404);
    check_code(ask(session, &err), VD_E_HTTP_STATUS);
    check_str_has(err.text, "HTTP status 404");
    soap_server_forget(server, "QuerySomething");
    soap_server_on_status(server, "QuerySomething", 302);
    check_code(ask(session, &err), VD_E_HTTP_STATUS);
    check_str_has(err.text, "not followed");
    vd_vsphere_free(session);
    soap_server_free(server);
}

static void VD_PRINTF(3, 0)
    keep_line(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    char line[1200];
    (void)level;
    (void)vsnprintf(line, sizeof line, fmt, args);
    check_code(vd_buf_printf(data, "%s\n", line), VD_OK);
}

VD_TEST(no_secret_is_in_the_log)
{
    struct vd_error err = VD_ERROR_INIT;
    struct soap_server *server = soap_server_new();
    VD_CLEANUP(vd_buf_done) struct vd_buf lines = VD_BUF_INIT(1u << 20);
    const struct vd_log log = {keep_line, &lines};
    struct vd_vsphere_options options = soap_server_options(server);
    struct vd_vsphere *session = NULL;
    options.log = &log;
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
    soap_server_on(server, "QuerySomething", NOT_AUTHENTICATED);
    soap_server_on(server, "QuerySomething", "");
    check_code_err(ask(session, &err), VD_OK, &err);
    vd_vsphere_free(session);
    check_str_has(vd_buf_text(&lines), "logged in again");
    check(!strstr(vd_buf_text(&lines), "secret"));
    check(!strstr(vd_buf_text(&lines), "c00k1e"));
    soap_server_free(server);
}

static const struct {
    const char *fault;
    int code;
    const char *sentence;
} FAULTS[] = {
    {SOAP_FAULT("NoPermission", "<object type=\"VirtualMachine\">vm-66</object>"
                                "<privilegeId>VirtualMachine.State.CreateSnapshot</privilegeId>"),
     VD_E_NO_PERMISSION, "'VirtualMachine.State.CreateSnapshot' on the VirtualMachine 'vm-66'"},
    {SOAP_FAULT("NoPermission",
                "<missingPrivileges><entity type=\"Folder\">group-v3</entity>"
                "<privilegeIds>Global.DisableMethods</privilegeIds></missingPrivileges>"),
     VD_E_NO_PERMISSION, "'Global.DisableMethods' on the Folder 'group-v3'"},
    {SOAP_FAULT("ManagedObjectNotFound", "<obj type=\"VirtualMachine\">vm-9</obj>"),
     VD_E_VM_NOT_FOUND, "no VirtualMachine 'vm-9'"},
    {SOAP_FAULT("ManagedObjectNotFound", "<obj type=\"VirtualMachineSnapshot\">s-9</obj>"),
     VD_E_SNAPSHOT_GONE, "no snapshot 's-9'"},
    {SOAP_FAULT("ManagedObjectNotFound", "<obj type=\"Task\">task-9</obj>"), VD_E_NOT_FOUND,
     "no Task 'task-9'"},
    {SOAP_FAULT("TaskInProgress", "<task type=\"Task\">task-3</task>"), VD_E_BUSY, "task-3"},
    {SOAP_FAULT("ConcurrentAccess", ""), VD_E_BUSY, "try again"},
    {SOAP_FAULT("InvalidPowerState", "<existingState>poweredOn</existingState>"), VD_E_BUSY,
     "power state"},
    {SOAP_FAULT("InvalidState", ""), VD_E_BUSY, "present state"},
    {SOAP_FAULT("FileNotFound", "<file>[ds] a.vmdk</file>"), VD_E_NOT_FOUND, "'[ds] a.vmdk'"},
    {SOAP_FAULT("FileLocked", "<file>[ds] a.vmdk</file>"), VD_E_LOCKED, "snapshot first"},
    {SOAP_FAULT("FileAlreadyExists", "<file>[ds] a.vmdk</file>"), VD_E_EXISTS, "exists"},
    {SOAP_FAULT("CannotAccessFile", "<file>[ds] a.vmdk</file>"), VD_E_ACCESS, "accessed"},
    {SOAP_FAULT("NoDiskSpace", "<file>[ds] a</file>"), VD_E_DISK_FULL, "datastore is full"},
    {SOAP_FAULT("InvalidDatastore", "<name>ds9</name>"), VD_E_NOT_FOUND, "'ds9'"},
    {SOAP_FAULT("NotFound", ""), VD_E_NOT_FOUND, "no such object"},
    {SOAP_FAULT("TooManySnapshotLevels", ""), VD_E_FAIL, "remove some"},
    {SOAP_FAULT("DuplicateName", "<name>n</name>"), VD_E_EXISTS, "'n'"},
    {SOAP_FAULT("InvalidName", "<name>n</name>"), VD_E_NAME_INVALID, "'n'"},
    {SOAP_FAULT("RestrictedVersion", ""), VD_E_LICENSE, "licensed host"},
    {SOAP_FAULT("LicenseExpired", ""), VD_E_LICENSE, "expired"},
    {SOAP_FAULT("MethodDisabled", ""), VD_E_DISABLED, "disabled"},
    {SOAP_FAULT("HostNotConnected", ""), VD_E_UNREACHABLE, "not connected"},
    {SOAP_FAULT("InvalidArgument", "<invalidProperty>spec.x</invalidProperty>"), VD_E_INVALID_ARG,
     "'spec.x'"},
    {SOAP_FAULT("MethodNotFound", ""), VD_E_NOT_SUPPORTED, "does not know this call"},
    {SOAP_FAULT("NotSupported", ""), VD_E_NOT_SUPPORTED, "does not support"},
    {SOAP_FAULT("Timedout", ""), VD_E_TIMED_OUT, "too long"},
    {SOAP_FAULT("RequestCanceled", ""), VD_E_CANCELLED, "cancelled"},
    {SOAP_FAULT("SystemError", "<reason>r</reason>"), VD_E_FAIL, "words of the server"},
    {SOAP_FAULT("NobodyKnowsThis", "<faultCause><fault xsi:type=\"x:DiskFull\"/></faultCause>"),
     VD_E_FAIL, "'NobodyKnowsThis' because of 'DiskFull': words of the server"},
    {"<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>two\nlines</faultstring>"
     "</soapenv:Fault>",
     VD_E_FAIL, "'SystemError': two lines"},
    {"<soapenv:Fault><faultstring>x</faultstring><detail><v:NoPermissionFault "
     "xmlns:v=\"urn:vim25\"><v:privilegeId>P</v:privilegeId></v:NoPermissionFault></detail>"
     "</soapenv:Fault>",
     VD_E_NO_PERMISSION, "'P'"},
};

VD_TEST(every_fault_is_a_sentence_with_its_code)
{
    struct soap_server *server = soap_server_new();
    struct vd_vsphere *session = connect_to(server);
    for (size_t i = 0; i < VD_ARRAY_SIZE(FAULTS); i++) {
        struct vd_error err = VD_ERROR_INIT;
        soap_server_forget(server, "QuerySomething");
        soap_server_on(server, "QuerySomething", FAULTS[i].fault);
        check_code_err(ask(session, &err), FAULTS[i].code, &err);
        check_str_has(err.text, "asking the VM 'vm-1': ");
        check_str_has(err.text, FAULTS[i].sentence);
        check(!strchr(err.text, '\n'));
    }
    vd_vsphere_free(session);
    soap_server_free(server);
}

#define OPEN                              \
    "<?xml version=\"1.0\"?><e:Envelope " \
    "xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>"
#define CLOSE "</e:Body></e:Envelope>"

static const struct {
    const char *document, *sentence;
} HOSTILE[] = {
    {"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;"
     "</a>",
     "document type"},
    {"<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "document type"},
    {OPEN "<QuerySomethingResponse>&nobody;</QuerySomethingResponse>" CLOSE, "line 1"},
    {OPEN "<QuerySomethingResponse><returnval>", "line 1"},
    {"<?xml version=\"1.0\"?>", "line 1"},
    {"<?xml version=\"1.0\"?><html/>", "not a SOAP envelope"},
    {"<?xml version=\"1.0\"?><Envelope><Body><QuerySomethingResponse/></Body></Envelope>",
     "not a SOAP envelope"},
    {OPEN CLOSE, "not a SOAP envelope"},
    {OPEN "<LoginResponse/>" CLOSE, "holds 'LoginResponse', expected 'QuerySomethingResponse'"},
    {OPEN "<QuerySomethingRespons/>" CLOSE, "expected 'QuerySomethingResponse'"},
};

VD_TEST(hostile_answers_are_refused)
{
    struct soap_server *server = soap_server_new();
    struct vd_vsphere *session = connect_to(server);
    struct vd_error err = VD_ERROR_INIT;
    for (size_t i = 0; i < VD_ARRAY_SIZE(HOSTILE); i++) {
        soap_server_forget(server, "QuerySomething");
        soap_server_on(server, "QuerySomething", HOSTILE[i].document);
        check_code_err(ask(session, &err), VD_E_PROTOCOL, &err);
        check_str_has(err.text, HOSTILE[i].sentence);
    }
    soap_server_forget(server, "QuerySomething");
    soap_server_on(server, "QuerySomething",
                   OPEN "<x:QuerySomethingResponse xmlns:x=\"y\"/>" CLOSE);
    check_code_err(ask(session, &err), VD_OK, &err);
    vd_vsphere_free(session);
    soap_server_free(server);
}

static int parse_repeated(const char *start, const char *part, size_t count, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    VD_CLEANUP(vd_buf_done) struct vd_buf text = VD_BUF_INIT(64u << 20);
    check_code(vd_buf_append(&text, start, strlen(start)), VD_OK);
    for (size_t i = 0; i < count; i++)
        check_code(vd_buf_append(&text, part, strlen(part)), VD_OK);
    return vd_soap_parse("X", text.data, text.length, &reply, err);
}

VD_TEST(depth_and_numbers_of_elements_are_bounded)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(parse_repeated(OPEN, "<a>", 100000, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "depth");
    vd_error_clear(&err);
    check_code(parse_repeated(OPEN, "<a/>", VD_XML_MAX_MARKS + 1, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "more elements");
}
