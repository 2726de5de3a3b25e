/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/server.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "vix/config.h"
#include "vix/flags.h"
#include "vix/local.h"
#include "vix/report.h"

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

/* --- the server --- */

static void take_credentials(const VixDiskLibConnectParams *params, struct vd_vsphere_options *ret)
{
    if (params->credType == VIXDISKLIB_CRED_SESSIONID) {
        ret->credential = VD_VSPHERE_COOKIE;
        ret->cookie = params->creds.sessionId.cookie;
        ret->user = params->creds.sessionId.userName;
        ret->password = params->creds.sessionId.key;
    } else {
        ret->credential = VD_VSPHERE_PASSWORD;
        ret->user = params->creds.uid.userName;
        ret->password = params->creds.uid.password;
    }
}

static void take_spec(const VixDiskLibConnectParams *params, struct vd_server_options *ret)
{
    if (params->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT) {
        ret->disk_id = params->spec.vStorageObjSpec.id;
        ret->datastore_moid = params->spec.vStorageObjSpec.datastoreMoRef;
        ret->snapshot = params->spec.vStorageObjSpec.ssId;
    } else if (params->specType == VIXDISKLIB_SPEC_DATASTORE) {
        ret->datastore_moid = params->spec.dsSpec.datastoreMoRef;
        ret->folder = params->spec.dsSpec.diskFolder;
    }
    if (!given(ret->datastore_moid))
        ret->vm = params->vmxSpec;
}

int vd_vix_server_new(const struct vd_vix_params *params, const struct vd_vix_access *access,
                      struct vd_server **ret, struct vd_error *err)
{
    const VixDiskLibConnectParams *given_params = &params->params;
    VD_CLEANUP(vd_settings_done) struct vd_settings settings = {0};
    struct vd_server_options options = {.snapshot = access->snapshot, .modes = access->modes};
    options.login.log = vd_vix_log();
    options.login.server = (struct vd_http_options){
        .host = given_params->serverName,
        .port = (uint16_t)given_params->port,
        .trust = {.host_name = given_params->serverName, .thumbprint = given_params->thumbPrint},
    };
    int r = vd_vix_config_copy(&settings, err);
    if (r < 0)
        return r;
    vd_settings_to_trust(&settings, &options.login.server.trust);
    vd_settings_to_timeouts(&settings, &options.login.server.timeouts);
    take_credentials(given_params, &options.login);
    take_spec(given_params, &options);
    return vd_server_new(&options, ret, err);
}

/* --- the way there --- */

static int take_settings(struct vd_transport_request *request, struct vd_error *err)
{
    VD_CLEANUP(vd_settings_done) struct vd_settings settings = {0};
    int r = vd_vix_config_copy(&settings, err);
    if (r == VD_OK)
        vd_settings_to_request(&settings, request);
    return r;
}

static int take_compression(const char *path, uint32 flags, enum vd_transport_compression *ret,
                            struct vd_error *err)
{
    switch (flags & VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK) {
    case 0:
        *ret = VD_TRANSPORT_PLAIN;
        return VD_OK;
    case VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB:
        *ret = VD_TRANSPORT_ZLIB;
        return VD_OK;
    case VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ:
        *ret = VD_TRANSPORT_FASTLZ;
        return VD_OK;
    case VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ:
        *ret = VD_TRANSPORT_SKIPZ;
        return VD_OK;
    default:
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "opening '%s': compression flags 0x%x, where one of 0x10, 0x20 and "
                            "0x40 at most is possible",
                            path ? path : "", flags & VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK);
    }
}

/* --- disks --- */

/* The words are those that programs look for; the number is the one of NFC for how it was opened.
 */
static void tell_opened(const struct vd_disk *disk, bool read_only)
{
    uint64_t sectors = vd_disk_capacity(disk);
    vd_vix_info("DISKLIB-LINK  : Opened '%s' (0x%x): custom, %" PRIu64 " sectors / %" PRIu64 " GB.",
                vd_transport_url(disk), read_only ? 0xeu : 0xau, sectors,
                vd_sectors_to_bytes(sectors) >> 30);
}

/* As the sentence has it, from these words on, up to what follows them in a longer story. */
void vd_vix_server_tell(int code, const struct vd_error *err)
{
    const char *from = code == VD_E_CERTIFICATE ? strstr(err->text, "actual thumbprint=") : NULL;
    if (!from)
        return;
    int length = (int)strcspn(from, ";,)");
    bool expected = strstr(from, "expected=") != NULL;
    vd_vix_warn("VixDiskLibVim: Failed to verify SSL certificate: %.*s%s", length, from,
                expected ? "" : " expected=");
}

int vd_vix_server_open(struct vd_server *server, const struct vd_vix_params *params,
                       const char *path, uint32 flags, struct vd_disk **ret, struct vd_error *err)
{
    struct vd_transport_place place;
    struct vd_vmdk_options local = vd_vix_local_options(vd_vix_vmdk_flags(flags));
    struct vd_transport_request request = {
        .place = &place,
        .path = path,
        .local = &local,
        .nfc_port = params->params.nfcHostPort,
        .log = vd_vix_log(),
    };
    int r = take_settings(&request, err);
    if (r == VD_OK)
        r = take_compression(path, flags, &request.compression, err);
    if (r == VD_OK)
        r = vd_server_place(server, &place, err);
    if (r == VD_OK)
        r = vd_transport_open(&request, ret, err);
    if (r == VD_OK)
        tell_opened(*ret, (local.flags & VD_VMDK_READ_ONLY) != 0);
    return r;
}
