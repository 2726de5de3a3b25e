/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/fault.h"

#include <string.h>

/* What of a fault belongs into the sentence behind its meaning. */
enum tail { TAIL_NONE, TAIL_DETAIL, TAIL_MESSAGE };

struct meaning {
    const char *type;
    int code;
    enum tail tail;
    const char *text;
};

/* Fault types of the vim25 interface. What is not here is VD_E_FAIL with the server's words. */
static const struct meaning MEANINGS[] = {
    {"InvalidLogin", VD_E_LOGIN, TAIL_NONE,
     "the user name or the password is wrong, or the account is locked"},
    {"PasswordExpired", VD_E_LOGIN, TAIL_NONE, "the password has expired; set a new one first"},
    {"NotAuthenticated", VD_E_LOGIN, TAIL_NONE, "the session has ended; log in again"},
    {"NoClientCertificate", VD_E_LOGIN, TAIL_NONE, "the server wants a client certificate"},
    {"VslmSyncFault", VD_E_BUSY, TAIL_MESSAGE,
     "the catalogue of first-class disks and the datastore are being brought together; try again"},
    {"TaskInProgress", VD_E_BUSY, TAIL_DETAIL,
     "another task is under way on the object; try again when it has ended"},
    {"ConcurrentAccess", VD_E_BUSY, TAIL_NONE, "somebody else changes the object; try again"},
    {"InvalidPowerState", VD_E_BUSY, TAIL_MESSAGE, "not in this power state of the VM"},
    {"InvalidState", VD_E_BUSY, TAIL_MESSAGE, "not in the present state of the object"},
    {"ResourceInUse", VD_E_BUSY, TAIL_DETAIL, "it is in use"},
    {"FileNotFound", VD_E_NOT_FOUND, TAIL_DETAIL, "no such file"},
    {"FileLocked", VD_E_LOCKED, TAIL_DETAIL,
     "the file is in use; a running VM's disk needs a snapshot first"},
    {"FileAlreadyExists", VD_E_EXISTS, TAIL_DETAIL, "the file exists"},
    {"CannotAccessFile", VD_E_ACCESS, TAIL_DETAIL, "the file cannot be accessed"},
    {"CannotDeleteFile", VD_E_ACCESS, TAIL_DETAIL, "the file cannot be deleted"},
    {"NoDiskSpace", VD_E_DISK_FULL, TAIL_DETAIL, "the datastore is full"},
    {"FileNameTooLong", VD_E_NAME_TOO_LONG, TAIL_DETAIL, "the file name is too long"},
    {"FileFault", VD_E_IO, TAIL_DETAIL, "the file cannot be used"},
    {"InvalidDatastore", VD_E_NOT_FOUND, TAIL_DETAIL, "no such datastore"},
    {"InvalidDatastorePath", VD_E_NAME_INVALID, TAIL_DETAIL,
     "not a datastore path (\"[datastore] folder/file\")"},
    {"NotFound", VD_E_NOT_FOUND, TAIL_MESSAGE, "no such object"},
    {"ApplicationQuiesceFault", VD_E_FAIL, TAIL_MESSAGE,
     "the guest's applications could not be quiesced; try without, or see the guest's own log"},
    {"FilesystemQuiesceFault", VD_E_FAIL, TAIL_MESSAGE,
     "the guest's file systems could not be quiesced; try without, or see the guest's own log"},
    {"TooManySnapshotLevels", VD_E_FAIL, TAIL_NONE,
     "the VM has as many snapshots in a row as it can have; remove some"},
    {"SnapshotIncompatibleDeviceInVm", VD_E_NOT_SUPPORTED, TAIL_MESSAGE,
     "the VM has a device that cannot be in a snapshot (a shared bus, a physical disk)"},
    {"SnapshotDisabled", VD_E_NOT_SUPPORTED, TAIL_NONE, "snapshots are disabled for the VM"},
    {"SnapshotLocked", VD_E_BUSY, TAIL_NONE, "the VM's snapshots are locked"},
    {"DuplicateName", VD_E_EXISTS, TAIL_DETAIL, "the name is taken"},
    {"AlreadyExists", VD_E_EXISTS, TAIL_DETAIL, "it exists"},
    {"InvalidName", VD_E_NAME_INVALID, TAIL_DETAIL, "the name is not allowed"},
    {"RestrictedVersion", VD_E_LICENSE, TAIL_NONE,
     "the host's license (a free one) does not allow changes through its interface; use a "
     "licensed host or a vCenter"},
    {"LicenseExpired", VD_E_LICENSE, TAIL_NONE, "the host's license has expired"},
    {"NotEnoughLicenses", VD_E_LICENSE, TAIL_NONE, "the host has not enough licenses"},
    {"MethodDisabled", VD_E_DISABLED, TAIL_MESSAGE, "somebody has disabled this for the object"},
    {"MethodAlreadyDisabledFault", VD_E_DISABLED, TAIL_DETAIL,
     "somebody else holds the VM; wait until it is given back, or end that access"},
    {"HostNotConnected", VD_E_UNREACHABLE, TAIL_NONE, "the host is not connected to the vCenter"},
    {"HostNotReachable", VD_E_UNREACHABLE, TAIL_NONE, "the vCenter does not reach the host"},
    {"HostCommunication", VD_E_UNREACHABLE, TAIL_MESSAGE, "the vCenter does not reach the host"},
    {"Timedout", VD_E_TIMED_OUT, TAIL_NONE, "the server waited too long"},
    {"InvalidArgument", VD_E_INVALID_ARG, TAIL_DETAIL, "the server does not accept a value"},
    {"MethodNotFound", VD_E_NOT_SUPPORTED, TAIL_NONE, "the server does not know this call"},
    {"InvalidRequest", VD_E_NOT_SUPPORTED, TAIL_MESSAGE, "the server does not know this call"},
    {"InvalidType", VD_E_NOT_SUPPORTED, TAIL_DETAIL, "the server does not know this type"},
    {"NotSupported", VD_E_NOT_SUPPORTED, TAIL_MESSAGE, "the server does not support this"},
    {"NotImplemented", VD_E_NOT_SUPPORTED, TAIL_NONE, "the server does not support this"},
    {"RequestCanceled", VD_E_CANCELLED, TAIL_NONE, "the task was cancelled"},
    {"SSLVerifyFault", VD_E_CERTIFICATE, TAIL_DETAIL,
     "the vCenter does not trust the host's certificate"},
};

void vd_fault_clean(const char *text, char *ret, size_t size)
{
    size_t length = text ? strnlen(text, size - 1) : 0;
    while (length > 0 && ((unsigned char)text[length] & 0xc0u) == 0x80u)
        length--; /* no half characters */
    if (length > 0)
        memcpy(ret, text, length);
    ret[length] = '\0';
    for (char *c = ret; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    while (length > 0 && ret[length - 1] == ' ')
        ret[--length] = '\0';
}

static void take_object(const xmlNode *reference, struct vd_fault *ret)
{
    vd_fault_clean(vd_xml_ref_type(reference), ret->object_type, sizeof ret->object_type);
    vd_fault_clean(vd_xml_text(reference), ret->object, sizeof ret->object);
}

/* Members that say more, by the fault types that have them. The order decides. */
static void take_detail(const xmlNode *fault, struct vd_fault *ret)
{
    static const char *const members[] = {"file",   "sourceId",        "datastorePath",
                                          "reason", "invalidProperty", "thumbprint",
                                          "task",   "argument",        "name"};
    const xmlNode *found = NULL;
    for (size_t i = 0; i < VD_ARRAY_SIZE(members) && !found; i++)
        found = vd_xml_child(fault, members[i]);
    vd_fault_clean(vd_xml_text(found), ret->detail, sizeof ret->detail);
}

/* `fault`: the typed element itself. */
static void take_fault(const xmlNode *fault, struct vd_fault *ret)
{
    static const char suffix[] = "Fault";
    vd_fault_clean(vd_xml_type(fault), ret->type, sizeof ret->type);
    if (ret->type[0] == '\0' && fault) {
        vd_fault_clean((const char *)fault->name, ret->type, sizeof ret->type);
        size_t length = strlen(ret->type);
        if (length > sizeof suffix - 1 &&
            strcmp(ret->type + length - (sizeof suffix - 1), suffix) == 0)
            ret->type[length - (sizeof suffix - 1)] = '\0';
    }
    const xmlNode *missing = vd_xml_child(fault, "missingPrivileges");
    const xmlNode *privilege = vd_xml_child(fault, "privilegeId");
    if (!privilege)
        privilege = vd_xml_child(missing, "privilegeIds");
    vd_fault_clean(vd_xml_text(privilege), ret->privilege, sizeof ret->privilege);
    const xmlNode *object = vd_xml_child(fault, "obj");
    if (!object)
        object = vd_xml_child(fault, "object");
    take_object(object ? object : vd_xml_child(missing, "entity"), ret);
    take_detail(fault, ret);
    vd_fault_clean(vd_xml_type(vd_xml_at(fault, "faultCause/fault")), ret->cause,
                   sizeof ret->cause);
}

void vd_fault_from_reply(const xmlNode *fault, struct vd_fault *ret)
{
    *ret = (struct vd_fault){.type = ""};
    take_fault(vd_xml_first(vd_xml_child(fault, "detail")), ret);
    vd_fault_clean(vd_xml_child_text(fault, "faultstring"), ret->message, sizeof ret->message);
    if (ret->type[0] == '\0')
        vd_fault_clean("SystemError", ret->type, sizeof ret->type);
}

void vd_fault_from_localized(const xmlNode *error, struct vd_fault *ret)
{
    *ret = (struct vd_fault){.type = ""};
    const xmlNode *fault = vd_xml_child(error, "fault");
    take_fault(fault, ret);
    vd_fault_clean(vd_xml_child_text(error, "localizedMessage"), ret->message, sizeof ret->message);
    if (vd_xml_type(fault)[0] == '\0')
        vd_fault_clean("SystemError", ret->type, sizeof ret->type);
}

bool vd_fault_is(const struct vd_fault *fault, const char *type)
{
    return strcmp(fault->type, type) == 0;
}

static int tell_gone(const struct vd_fault *fault, const char *what, struct vd_error *err)
{
    if (strcmp(fault->object_type, "VirtualMachineSnapshot") == 0)
        return vd_error_set(err, VD_E_SNAPSHOT_GONE, "%s: there is no snapshot '%s' (any more)",
                            what, fault->object);
    bool vm = strcmp(fault->object_type, "VirtualMachine") == 0;
    return vd_error_set(err, vm ? VD_E_VM_NOT_FOUND : VD_E_NOT_FOUND,
                        "%s: the server has no %s '%s' (any more)", what,
                        fault->object_type[0] ? fault->object_type : "object", fault->object);
}

static int tell_permission(const struct vd_fault *fault, const char *what, struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_PERMISSION,
                        "%s: the user lacks the privilege '%s' on the %s '%s'; give the user a "
                        "role that has it there",
                        what, fault->privilege[0] ? fault->privilege : "(not named)",
                        fault->object_type[0] ? fault->object_type : "object",
                        fault->object[0] ? fault->object : "(not named)");
}

static int tell_meaning(const struct vd_fault *fault, const struct meaning *meaning,
                        const char *what, struct vd_error *err)
{
    const char *more = meaning->tail == TAIL_DETAIL    ? fault->detail
                       : meaning->tail == TAIL_MESSAGE ? fault->message
                                                       : "";
    return vd_error_set(err, meaning->code, "%s: %s%s%s%s", what, meaning->text,
                        more[0] ? ": '" : "", more, more[0] ? "'" : "");
}

int vd_fault_tell(const struct vd_fault *fault, const char *what, struct vd_error *err)
{
    if (vd_fault_is(fault, "ManagedObjectNotFound"))
        return tell_gone(fault, what, err);
    if (vd_fault_is(fault, "NoPermission"))
        return tell_permission(fault, what, err);
    for (size_t i = 0; i < VD_ARRAY_SIZE(MEANINGS); i++)
        if (vd_fault_is(fault, MEANINGS[i].type))
            return tell_meaning(fault, &MEANINGS[i], what, err);
    return vd_error_set(err, VD_E_FAIL, "%s: the server answers '%s'%s%s%s: %s", what, fault->type,
                        fault->cause[0] ? " because of '" : "", fault->cause,
                        fault->cause[0] ? "'" : "",
                        fault->message[0]  ? fault->message
                        : fault->detail[0] ? fault->detail
                                           : "no reason given");
}
