/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/lease-decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vsphere/vsphere.h"

#define MAX_URL_BYTES   4096u
#define MAX_TIMEOUT_S   86400u
#define DEFAULT_PORT    443u
#define MAX_PORT_DIGITS 5u

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "reading what an export offers: out of memory");
}

/* What is behind a host: nothing, ":", or ":port". */
static bool port_parse(const char *text, size_t length, uint16_t *ret)
{
    unsigned port = 0;
    *ret = DEFAULT_PORT;
    if (length == 0)
        return true;
    if (text[0] != ':' || length > 1 + MAX_PORT_DIGITS)
        return false;
    for (size_t i = 1; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port > 0)
        *ret = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* "[v6]:port", "name:port". */
static bool authority_parse(const char *text, size_t length, struct vd_lease_url *ret)
{
    size_t v6 = length > 0 && text[0] == '[';
    const char *stop = length ? memchr(text, v6 ? ']' : ':', length) : NULL;
    if (v6 && !stop)
        return false;
    size_t host = stop ? (size_t)(stop - text) : length;
    size_t rest = host + v6; /* behind the bracket */
    if (host == v6 || !port_parse(text + rest, length - rest, &ret->port))
        return false;
    ret->host = strndup(text + v6, host - v6);
    return true;
}

/* Nothing that could end the line of a request. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static int url_parse(const char *text, struct vd_lease_url *ret, struct vd_error *err)
{
    static const char scheme[] = "https://";
    bool good = text && strlen(text) <= MAX_URL_BYTES && is_plain(text) &&
                strncasecmp(text, scheme, sizeof scheme - 1) == 0;
    const char *host = good ? text + sizeof scheme - 1 : "";
    size_t length = strcspn(host, "/?#");
    if (!good || host[length] != '/' || memchr(host, '@', length) ||
        !authority_parse(host, length, ret))
        return vd_error_set(err, VD_E_PROTOCOL,
                            "a file of an export has no usable address (https://host/path)");
    ret->path = strdup(host + length);
    return ret->host && ret->path ? VD_OK : no_memory(err);
}

static void file_done(struct vd_lease_file *file)
{
    if (file->url.path)
        explicit_bzero(file->url.path, strlen(file->url.path));
    free(file->url.path);
    free(file->url.host);
    free(file->key);
    free(file->thumbprint);
    *file = (struct vd_lease_file){.key = NULL};
}

static int file_decode(const xmlNode *device, struct vd_lease_file *file, struct vd_error *err)
{
    const char *key = vd_xml_child_text(device, "key");
    const char *thumbprint = vd_xml_child_text(device, "sslThumbprint");
    const char *pem = vd_xml_child_text(device, "sslCertificate"); /* 9.0 */
    struct vd_tls_peer peer = {.sha256 = ""};
    int r = url_parse(vd_xml_child_text(device, "url"), &file->url, err);
    vd_xml_wipe(vd_xml_child(device, "url"));
    if (r == VD_OK && pem && pem[0])
        r = vd_tls_pem_thumbprints(pem, strlen(pem), &peer, err);
    if (r == VD_OK && thumbprint && thumbprint[0])
        r = vd_tls_thumbprint_check(thumbprint, err);
    if (r < 0)
        return r;
    if (peer.sha256[0])
        thumbprint = peer.sha256;
    file->key = strdup(key ? key : "");
    file->thumbprint = strdup(thumbprint ? thumbprint : "");
    file->disk = vd_xml_true(vd_xml_child(device, "disk"));
    return file->key && file->thumbprint ? VD_OK : no_memory(err);
}

/* Only disks are judged: what else there is, an NVRAM for one, nobody needs. */
static int file_add(const xmlNode *device, struct vd_lease_info *info, struct vd_error *err)
{
    struct vd_lease_file *file = &info->files[info->count];
    struct vd_error why = VD_ERROR_INIT;
    int r = file_decode(device, file, &why);
    if (r == VD_OK)
        info->count++;
    else
        file_done(file);
    if (r == VD_OK || (r != VD_E_NO_MEMORY && !vd_xml_true(vd_xml_child(device, "disk"))))
        return VD_OK;
    return vd_error_set(err, r, "%s", vd_error_message(&why, r));
}

int vd_lease_info_decode(const xmlNode *info, struct vd_lease_info *ret, struct vd_error *err)
{
    size_t count = 0;
    int32_t seconds = 0;
    const xmlNode *device = vd_xml_child(info, "deviceUrl");
    *ret = (struct vd_lease_info){.files = NULL};
    for (const xmlNode *d = device; d; d = vd_xml_next(d))
        count++;
    if (count > VD_LEASE_MAX_FILES)
        return vd_error_set(err, VD_E_PROTOCOL, "an export has %zu files, expected at most %u",
                            count, VD_LEASE_MAX_FILES);
    if (vd_xml_i32(vd_xml_child(info, "leaseTimeout"), &seconds) && seconds > 0)
        ret->timeout_ms = VD_MIN((uint32_t)seconds, MAX_TIMEOUT_S) * 1000u;
    ret->files = calloc(count + 1, sizeof *ret->files);
    if (!ret->files)
        return no_memory(err);
    for (; device; device = vd_xml_next(device)) {
        int r = file_add(device, ret, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

void vd_lease_info_done(struct vd_lease_info *info)
{
    for (size_t i = 0; i < info->count; i++)
        file_done(&info->files[i]);
    free(info->files);
    *info = (struct vd_lease_info){.files = NULL};
}

/* --- the manifest --- */

static struct vd_lease_file *file_of(struct vd_lease_info *info, const char *key)
{
    for (size_t i = 0; key && i < info->count; i++)
        if (info->files[i].read && strcmp(info->files[i].key, key) == 0)
            return &info->files[i];
    return NULL;
}

static int digest_check(const struct vd_lease_file *file, const char *kind, const char *want,
                        const char *got, struct vd_error *err)
{
    if (strcasecmp(want, got) == 0)
        return VD_OK;
    return vd_error_set(err, VD_E_DAMAGED,
                        "the file '%s' of the export has the %s '%s', and the server's manifest "
                        "says '%.80s'; it was damaged on the way",
                        file->key, kind, got, want);
}

static int entry_check(const xmlNode *entry, struct vd_lease_file *file, struct vd_error *err)
{
    const char *sha1 = vd_xml_child_text(entry, "sha1");
    const char *other = vd_xml_child_text(entry, "checksum");
    const char *kind = vd_xml_child_text(entry, "checksumType");
    uint64_t size;
    bool has_sha1 = sha1 && sha1[0];
    bool has_sha256 = other && other[0] && kind && strcasecmp(kind, "sha256") == 0;
    int r = VD_OK;
    if (vd_xml_u64(vd_xml_child(entry, "size"), &size) && size != file->bytes)
        return vd_error_set(err, VD_E_DAMAGED,
                            "the file '%s' of the export has %" PRIu64
                            " bytes, and the server's manifest says %" PRIu64,
                            file->key, file->bytes, size);
    if (has_sha1)
        r = digest_check(file, "SHA-1", sha1, file->sha1, err);
    if (r == VD_OK && has_sha256)
        r = digest_check(file, "SHA-256", other, file->sha256, err);
    file->verified = r == VD_OK && (has_sha1 || has_sha256);
    return r;
}

int vd_lease_manifest_check(const xmlNode *entry, struct vd_lease_info *info, struct vd_error *err)
{
    int r = VD_OK;
    for (; entry && r == VD_OK; entry = vd_xml_next(entry)) {
        struct vd_lease_file *file = file_of(info, vd_xml_child_text(entry, "key"));
        if (file)
            r = entry_check(entry, file, err);
    }
    return r;
}
