/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A stretch of the URL, not decoded. */
struct span {
    const char *text;
    size_t length;
};

static int broken(struct vd_error *err, const char *what, struct span where)
{
    return vd_error_set(err, VD_E_INVALID_ARG, "%s in '%.*s'", what, (int)where.length, where.text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte at `at`, percent-decoded; its length in the URL, or 0 where it is malformed. */
static size_t decode_byte(struct span span, size_t at, char *ret)
{
    int high, low;

    *ret = span.text[at];
    if (*ret != '%')
        return 1;
    if (at + 3 > span.length)
        return 0;
    high = hex_digit(span.text[at + 1]);
    low = hex_digit(span.text[at + 2]);
    if (high < 0 || low < 0)
        return 0;
    *ret = (char)(high * 16 + low);
    return 3;
}

/* NULL for an empty part. */
static int decode(struct span span, char **ret, struct vd_error *err)
{
    VD_FREE char *text = malloc(span.length + 1);
    size_t length = 0;

    if (!text)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a URL");
    for (size_t at = 0; at < span.length;) {
        size_t step = decode_byte(span, at, &text[length]);

        if (step == 0)
            return broken(err, "a '%' without two hexadecimal digits (it is written %25)", span);
        if ((unsigned char)text[length] < ' ' || text[length] == 0x7f)
            return broken(err, "a control character", span);
        at += step;
        length++;
    }
    text[length] = '\0';
    *ret = length > 0 ? VD_TAKE_PTR(text) : NULL;
    return VD_OK;
}

/* --- the authority: [USER@]HOST[:PORT] --- */

static int parse_port(struct span span, uint16_t *ret, struct vd_error *err)
{
    unsigned long port = 0;

    for (size_t i = 0; i < span.length && port <= UINT16_MAX; i++) {
        if (!isdigit((unsigned char)span.text[i]))
            return broken(err, "expected a port of 1 to 65535", span);
        port = port * 10 + (unsigned long)(span.text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return broken(err, "expected a port of 1 to 65535", span);
    *ret = (uint16_t)port;
    return VD_OK;
}

static bool is_host_byte(char c, bool address)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_' || (address && c == ':');
}

static int take_host(struct span span, bool address, char **ret, struct vd_error *err)
{
    if (span.length == 0)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the host is missing; expected vsphere://[USER@]HOST[:PORT]/VM[/DISK]");
    for (size_t i = 0; i < span.length; i++) {
        if (!is_host_byte(span.text[i], address))
            return broken(err, "a character that no host name has", span);
    }
    *ret = strndup(span.text, span.length);
    return *ret ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a URL");
}

static int parse_host(struct span span, struct vd_url *url, struct vd_error *err)
{
    bool address = span.length > 0 && span.text[0] == '[';
    const char *end = memchr(span.text, address ? ']' : ':', span.length);
    struct span host = {span.text, end ? (size_t)(end - span.text) : span.length};
    struct span rest = {span.text + host.length, span.length - host.length};
    int r;

    if (address) {
        if (!end)
            return broken(err, "a '[' without its ']'", span);
        host = (struct span){host.text + 1, host.length - 1};
        rest = (struct span){rest.text + 1, rest.length - 1};
    }
    r = take_host(host, address, &url->host, err);
    if (r < 0 || rest.length == 0)
        return r;
    if (rest.text[0] != ':')
        return broken(err, "expected ':' and a port behind the address", span);
    return parse_port((struct span){rest.text + 1, rest.length - 1}, &url->port, err);
}

/* User names of vSphere have an '@' themselves, so the last one counts. */
static int parse_authority(struct span span, struct vd_url *url, struct vd_error *err)
{
    const char *at = memrchr(span.text, '@', span.length);
    struct span user = {span.text, at ? (size_t)(at - span.text) : 0};
    int r;

    if (!at)
        return parse_host(span, url, err);
    if (memchr(user.text, ':', user.length))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a password does not belong in a URL, where others can see it; it is "
                            "asked for, or comes from --password-file, --password-fd or "
                            "VDISK_PASSWORD (a ':' of the user name is written %%3A)");
    r = decode(user, &url->user, err);
    if (r == VD_OK && !url->user)
        r = broken(err, "no user before the '@'", span);
    if (r < 0)
        return r;
    return parse_host((struct span){at + 1, span.length - user.length - 1}, url, err);
}

/* --- the path: VM and DISK --- */

/* Where the disk begins; the end where there is none. */
static size_t disk_start(struct span path)
{
    size_t last = path.length;

    for (size_t i = 0; i < path.length; i++) {
        bool segment = i == 0 || path.text[i - 1] == '/';

        if (segment && i > 0)
            last = i;
        if (segment && (path.text[i] == '[' ||
                        strncasecmp(path.text + i, "%5b", VD_MIN(path.length - i, 3u)) == 0))
            return i;
    }
    if (path.length > 0 && path.text[path.length - 1] == '/')
        return path.length;
    return last;
}

static struct span without_end_slash(struct span span)
{
    while (span.length > 0 && span.text[span.length - 1] == '/')
        span.length--;
    return span;
}

static int parse_path(struct span path, enum vd_url_kind kind, struct vd_url *url,
                      struct vd_error *err)
{
    size_t start = kind == VD_URL_DISK ? disk_start(path) : path.length;
    struct span vm = without_end_slash((struct span){path.text, start});
    int r = decode(vm, &url->vm, err);

    if (r == VD_OK)
        r = decode((struct span){path.text + start, path.length - start}, &url->disk, err);
    if (r == VD_OK && !url->vm && kind != VD_URL_HOST)
        r = vd_error_set(err, VD_E_INVALID_ARG,
                         "no virtual machine is named behind the host '%s'; expected "
                         "vsphere://%s/VM%s",
                         url->host, url->host, kind == VD_URL_DISK ? "[/DISK]" : "");
    return r;
}

/* --- the query --- */

static int set_once(char **member, const char *name, char **value, struct vd_error *err)
{
    if (*member)
        return vd_error_set(err, VD_E_INVALID_ARG, "'%s' is given twice in the URL", name);
    *member = VD_TAKE_PTR(*value);
    return VD_OK;
}

static int set_transport(struct vd_url *url, char **value, struct vd_error *err)
{
    if (strcmp(*value, "nbd") != 0 && strcmp(*value, "nbdssl") != 0)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "transport=%s in the URL, expected nbd or nbdssl", *value);
    return set_once(&url->transport, "transport", value, err);
}

static int set_compression(struct vd_url *url, const char *value, struct vd_error *err)
{
    static const char *const names[] = {
        [VD_URL_PLAIN] = "none",
        [VD_URL_ZLIB] = "zlib",
        [VD_URL_FASTLZ] = "fastlz",
        [VD_URL_SKIPZ] = "skipz",
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            url->compression = (enum vd_url_compression)i;
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "compression=%s in the URL, expected none, zlib, fastlz or skipz", value);
}

/* Nothing but "1" switches a protection off: not an empty value, not "true", not a typing error. */
static int set_only_one(bool *flag, const char *name, const char *value, struct vd_error *err)
{
    if (strcmp(value, "1") != 0)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s=%s in the URL, expected %s=1 or nothing",
                            name, value, name);
    *flag = true;
    return VD_OK;
}

static int set_option(struct vd_url *url, const char *name, char **value, struct vd_error *err)
{
    if (strcmp(name, "snapshot") == 0)
        return set_once(&url->snapshot, name, value, err);
    if (strcmp(name, "transport") == 0)
        return set_transport(url, value, err);
    if (strcmp(name, "compression") == 0)
        return set_compression(url, *value, err);
    if (strcmp(name, "thumbprint") == 0)
        return set_once(&url->thumbprint, name, value, err);
    if (strcmp(name, "ca") == 0)
        return set_once(&url->ca, name, value, err);
    if (strcmp(name, "insecure") == 0)
        return set_only_one(&url->insecure, name, *value, err);
    if (strcmp(name, "legacy-tls") == 0)
        return set_only_one(&url->legacy_tls, name, *value, err);
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "unknown option '%s' in the URL; there are: snapshot transport compression "
                        "thumbprint ca insecure legacy-tls",
                        name);
}

static int parse_option(struct span span, struct vd_url *url, struct vd_error *err)
{
    VD_FREE char *name = NULL;
    VD_FREE char *value = NULL;
    const char *equals = memchr(span.text, '=', span.length);
    size_t name_length = equals ? (size_t)(equals - span.text) : 0;
    int r;

    if (!equals)
        return broken(err, "expected NAME=VALUE behind the '?'", span);
    r = decode((struct span){span.text, name_length}, &name, err);
    if (r == VD_OK)
        r = decode((struct span){equals + 1, span.length - name_length - 1}, &value, err);
    if (r == VD_OK && (!name || !value))
        r = broken(err, "expected NAME=VALUE behind the '?'", span);
    return r < 0 ? r : set_option(url, name, &value, err);
}

static int parse_query(const char *text, struct vd_url *url, struct vd_error *err)
{
    for (;;) {
        size_t length = strcspn(text, "&");
        int r = parse_option((struct span){text, length}, url, err);

        if (r < 0 || text[length] == '\0')
            return r;
        text += length + 1;
    }
}

static int check_options(const struct vd_url *url, enum vd_url_kind kind, struct vd_error *err)
{
    bool of_disk = url->transport || url->compression != VD_URL_PLAIN;

    if (url->insecure && (url->thumbprint || url->ca))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "insecure=1 in the URL beside a thumbprint or a ca: either the "
                            "server's certificate is verified or it is not");
    if (kind != VD_URL_DISK && of_disk)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "transport and compression are for a disk's URL, and '%s' is none",
                            url->vm ? url->vm : url->host);
    return VD_OK;
}

bool vd_url_is(const char *text)
{
    return strncasecmp(text, VD_URL_SCHEME, strlen(VD_URL_SCHEME)) == 0;
}

static int parse(const char *text, enum vd_url_kind kind, struct vd_url *url, struct vd_error *err)
{
    size_t authority = strcspn(text, "/?#");
    const char *path = text + authority + (text[authority] == '/');
    size_t path_length = strcspn(path, "?#");
    int r = parse_authority((struct span){text, authority}, url, err);

    if (r == VD_OK && strchr(text, '#'))
        r = vd_error_set(err, VD_E_INVALID_ARG, "a '#' in the URL; in a name it is written %%23");
    if (r == VD_OK)
        r = parse_path((struct span){path, path_length}, kind, url, err);
    if (r == VD_OK && path[path_length] == '?')
        r = parse_query(path + path_length + 1, url, err);
    return r < 0 ? r : check_options(url, kind, err);
}

int vd_url_parse(const char *text, enum vd_url_kind kind, struct vd_url *ret, struct vd_error *err)
{
    *ret = (struct vd_url){0};
    if (vd_url_is(text))
        text += strlen(VD_URL_SCHEME);
    else if (kind == VD_URL_DISK || strstr(text, "://"))
        return vd_error_set(err, VD_E_INVALID_ARG, "'%.*s' is no " VD_URL_SCHEME " URL",
                            (int)strcspn(text, ":/"), text);
    if (strlen(text) > VD_URL_MAX_BYTES)
        return vd_error_set(err, VD_E_INVALID_ARG, "a URL of %zu bytes, expected at most %u",
                            strlen(text), VD_URL_MAX_BYTES);
    return parse(text, kind, ret, err);
}

void vd_url_done(struct vd_url *url)
{
    free(url->user);
    free(url->host);
    free(url->vm);
    free(url->disk);
    free(url->snapshot);
    free(url->transport);
    free(url->thumbprint);
    free(url->ca);
    *url = (struct vd_url){0};
}
