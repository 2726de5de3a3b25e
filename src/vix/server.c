/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/server.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "vix/config.h"
#include "vix/flags.h"
#include "vix/local.h"
#include "vix/report.h"

#define UNVERIFIED_NAME "vixDiskLib.vdisk.unverifiedTls"
#define LEGACY_NAME     "vixDiskLib.vdisk.legacyTls"
#define SIMULATOR_NAME  "vixDiskLib.vdisk.simulator"
#define CA_FILE_NAME    "vixDiskLib.vdisk.caFile"

#define MAX_WAIT_MS     3600000u /* no setting makes a call wait longer for one answer */
#define BUFFER_BYTES    65536u

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
    VD_FREE char *ca_file = vd_vix_config_text(CA_FILE_NAME);
    struct vd_server_options options = {.snapshot = access->snapshot, .modes = access->modes};
    options.login.log = vd_vix_log();
    options.login.server = (struct vd_http_options){
        .host = given_params->serverName,
        .port = (uint16_t)given_params->port,
        .trust = {.host_name = given_params->serverName,
                  .thumbprint = given_params->thumbPrint,
                  .ca_file = ca_file,
                  .legacy = vd_vix_config_u64(LEGACY_NAME, 0) != 0,
                  .unverified = !given(given_params->thumbPrint) &&
                                vd_vix_config_u64(UNVERIFIED_NAME, 0) != 0},
    };
    take_credentials(given_params, &options.login);
    take_spec(given_params, &options);
    return vd_server_new(&options, ret, err);
}

/* --- settings of the way there --- */

static uint32_t wait_ms(const char *name, uint32_t otherwise)
{
    return (uint32_t)VD_MIN(vd_vix_config_u64(name, otherwise), (uint64_t)MAX_WAIT_MS);
}

/* Each of BUFFER_BYTES; too many are told by who opens the disk. */
static uint32_t buffer_bytes(void)
{
    uint64_t units =
        vd_vix_config_u64("vixDiskLib.nfcAio.Session.BufSizeIn64KB",
                          vd_vix_config_u64("vixDiskLib.nfcAio.Session.BufSizeIn64K", 0));
    return (uint32_t)VD_MIN(units, (uint64_t)UINT32_MAX / BUFFER_BYTES) * BUFFER_BYTES;
}

static void take_settings(struct vd_transport_request *request)
{
    uint32_t request_ms = wait_ms("vixDiskLib.nfc.RequestTimeoutMs", 0);
    request->nfc_connect_ms = wait_ms("vixDiskLib.nfc.AcceptTimeoutMs", 0);
    request->nfc_read_ms = wait_ms("vixDiskLib.nfc.ReadTimeoutsMs", request_ms);
    request->nfc_write_ms = wait_ms("vixDiskLib.nfc.WriteTimeoutsMs", request_ms);
    request->nfc_buffer_bytes = buffer_bytes();
    request->nfc_buffer_count = (uint32_t)VD_MIN(
        vd_vix_config_u64("vixDiskLib.nfcAio.Session.BufCount", 0), (uint64_t)UINT32_MAX);
    request->legacy_tls = vd_vix_config_u64(LEGACY_NAME, 0) != 0;
    request->unverified_tls = vd_vix_config_u64(UNVERIFIED_NAME, 0) != 0;
    request->simulator = vd_vix_config_u64(SIMULATOR_NAME, 0) != 0;
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
    take_settings(&request);
    int r = take_compression(path, flags, &request.compression, err);
    if (r == VD_OK)
        r = vd_server_place(server, &place, err);
    if (r == VD_OK)
        r = vd_transport_open(&request, ret, err);
    if (r == VD_OK)
        tell_opened(*ret, (local.flags & VD_VMDK_READ_ONLY) != 0);
    return r;
}
