/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/url.h"

#include <stdio.h>
#include <string.h>

#include "tests/harness.h"

static void parse_fine(const char *text, enum vd_url_kind kind, struct vd_url *ret)
{
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(vd_url_parse(text, kind, ret, &err), VD_OK, &err);
}

static void refuses(const char *text, enum vd_url_kind kind, const char *sentence)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    struct vd_error err = VD_ERROR_INIT;

    check_code(vd_url_parse(text, kind, &url, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, sentence);
}

VD_TEST(authority)
{
    static const struct {
        const char *text, *user, *host;
        uint16_t port;
    } cases[] = {
        {"vsphere://vc/web", NULL, "vc", 0},
        {"VSphere://root@esx1.example.org:8443/web", "root", "esx1.example.org", 8443},
        {"vsphere://administrator@vsphere.local@10.0.0.1/web", "administrator@vsphere.local",
         "10.0.0.1", 0},
        {"vsphere://DOM%5Cjoe%3a1@vc:1/web", "DOM\\joe:1", "vc", 1},
        {"vsphere://[fe80::1]:65535/web", NULL, "fe80::1", 65535},
        {"vsphere://u@[::1]/web", "u", "::1", 0},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_CLEANUP(vd_url_done) struct vd_url url;

        parse_fine(cases[i].text, VD_URL_DISK, &url);
        check_str_eq(url.user, cases[i].user);
        check_str_eq(url.host, cases[i].host);
        check_u64_eq(url.port, cases[i].port);
        check_str_eq(url.vm, "web");
        check_str_eq(url.disk, NULL);
    }
}

VD_TEST(vm_and_disk)
{
    static const struct {
        const char *text, *vm, *disk;
    } cases[] = {
        {"web", "web", NULL},
        {"web/", "web", NULL},
        {"web/1", "web", "1"},
        {"web/Hard%20disk%201", "web", "Hard disk 1"},
        {"web/Hard disk 1", "web", "Hard disk 1"},
        {"DC/vm/folder/web/2", "DC/vm/folder/web", "2"},
        {"DC/vm/folder/web/", "DC/vm/folder/web", NULL},
        {"DC%2Fvm%2fweb", "DC/vm/web", NULL},
        {"vm-66/[ds1] web/web.vmdk", "vm-66", "[ds1] web/web.vmdk"},
        {"DC/vm/web/%5Bds1%5D%20web/web_1.vmdk", "DC/vm/web", "[ds1] web/web_1.vmdk"},
        {"a%252fb/1", "a%2fb", "1"},
        {"a+b/1", "a+b", "1"},
        {"\xc3\xa4%C3%A4", "\xc3\xa4\xc3\xa4", NULL},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_CLEANUP(vd_url_done) struct vd_url url;
        char text[256];

        (void)snprintf(text, sizeof text, "vsphere://h/%s", cases[i].text);
        parse_fine(text, VD_URL_DISK, &url);
        check_str_eq(url.vm, cases[i].vm);
        check_str_eq(url.disk, cases[i].disk);
    }
}

VD_TEST(query)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;

    parse_fine("vsphere://h/web/1?snapshot=before%20%26%20after&transport=nbd&compression=fastlz&"
               "thumbprint=AA:bb&ca=/etc/ca.pem&legacy-tls=1",
               VD_URL_DISK, &url);
    check_str_eq(url.snapshot, "before & after");
    check_str_eq(url.transport, "nbd");
    check_int_eq(url.compression, VD_URL_FASTLZ);
    check_str_eq(url.thumbprint, "AA:bb");
    check_str_eq(url.ca, "/etc/ca.pem");
    check(url.legacy_tls);
    check(!url.insecure);
}

VD_TEST(insecure_only_in_so_many_words)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;

    parse_fine("vsphere://h/web?insecure=1", VD_URL_DISK, &url);
    check(url.insecure);
    refuses("vsphere://h/web?insecure", VD_URL_DISK, "expected NAME=VALUE");
    refuses("vsphere://h/web?insecure=", VD_URL_DISK, "expected NAME=VALUE");
    refuses("vsphere://h/web?insecure=0", VD_URL_DISK, "expected insecure=1");
    refuses("vsphere://h/web?insecure=true", VD_URL_DISK, "expected insecure=1");
    refuses("vsphere://h/web?Insecure=1", VD_URL_DISK, "unknown option 'Insecure'");
    refuses("vsphere://h/web?insecure=1&ca=x", VD_URL_DISK, "either");
}

VD_TEST(hosts_and_vms_without_the_scheme)
{
    VD_CLEANUP(vd_url_done) struct vd_url host;
    VD_CLEANUP(vd_url_done) struct vd_url vm;

    parse_fine("root@esx:444", VD_URL_HOST, &host);
    check_str_eq(host.user, "root");
    check_str_eq(host.host, "esx");
    check_u64_eq(host.port, 444);
    check_str_eq(host.vm, NULL);
    parse_fine("esx/DC/vm/web?snapshot=s", VD_URL_VM, &vm);
    check_str_eq(vm.vm, "DC/vm/web");
    check_str_eq(vm.disk, NULL);
    check_str_eq(vm.snapshot, "s");
    refuses("esx/", VD_URL_VM, "no virtual machine is named behind the host 'esx'");
    refuses("esx/web?transport=nbd", VD_URL_VM, "for a disk's URL");
    refuses("https://esx/web", VD_URL_HOST, "'https' is no vsphere:// URL");
}

VD_TEST(passwords_are_refused_and_not_repeated)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    struct vd_error err = VD_ERROR_INIT;

    check_code(vd_url_parse("vsphere://root:s3cret@h/web", VD_URL_DISK, &url, &err),
               VD_E_INVALID_ARG);
    check_str_has(err.text, "a password does not belong in a URL");
    check(!strstr(err.text, "s3cret"));
}

VD_TEST(malformed)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"vsphere://", "the host is missing"},
        {"vsphere:///web", "the host is missing"},
        {"vsphere://@h/web", "no user before the '@'"},
        {"vsphere://h", "no virtual machine is named"},
        {"vsphere://h/", "no virtual machine is named"},
        {"vsphere://h//", "no virtual machine is named"},
        {"vsphere://h/[ds] a.vmdk", "no virtual machine is named"},
        {"vsphere://h:/web", "expected a port"},
        {"vsphere://h:0/web", "expected a port"},
        {"vsphere://h:65536/web", "expected a port"},
        {"vsphere://h:99999999999999999999/web", "expected a port"},
        {"vsphere://h:44x/web", "expected a port"},
        {"vsphere://h:-1/web", "expected a port"},
        {"vsphere://h%41/web", "no host name has"},
        {"vsphere://h h/web", "no host name has"},
        {"vsphere://[::1/web", "a '[' without its ']'"},
        {"vsphere://[::1]x/web", "expected ':'"},
        {"vsphere://h/we%b", "a '%' without two hexadecimal digits"},
        {"vsphere://h/we%zz", "a '%' without two hexadecimal digits"},
        {"vsphere://h/we%4", "a '%' without two hexadecimal digits"},
        {"vsphere://h/we%00b", "a control character"},
        {"vsphere://h/we%0Ab", "a control character"},
        {"vsphere://h/we\tb", "a control character"},
        {"vsphere://h/web#1", "a '#' in the URL"},
        {"vsphere://h/web?", "expected NAME=VALUE"},
        {"vsphere://h/web?snapshot", "expected NAME=VALUE"},
        {"vsphere://h/web?snapshot=a&", "expected NAME=VALUE"},
        {"vsphere://h/web?snapshot=a&snapshot=b", "'snapshot' is given twice"},
        {"vsphere://h/web?snap=a", "unknown option 'snap'"},
        {"vsphere://h/web?transport=san", "expected nbd or nbdssl"},
        {"vsphere://h/web?compression=lz4", "expected none, zlib, fastlz or skipz"},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++)
        refuses(cases[i].text, VD_URL_DISK, cases[i].sentence);
}

VD_TEST(too_long)
{
    static char text[VD_URL_MAX_BYTES + 64] = "vsphere://h/";

    memset(text + strlen(text), 'a', VD_URL_MAX_BYTES);
    refuses(text, VD_URL_DISK, "expected at most 8192");
}
