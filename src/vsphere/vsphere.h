/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a vCenter or an ESXi host (vSphere Web Services, 5.5 to 9). Thread-safe; kept
 * alive while it is open; a call that finds the session expired logs in again, once, and is
 * repeated. Faults become sentences with what the user can do about them. Passwords, cookies and
 * tickets never reach a log and are wiped.
 */
#ifndef VD_VSPHERE_VSPHERE_H
#define VD_VSPHERE_VSPHERE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/progress.h"
#include "net/http.h"

struct vd_vsphere;

enum vd_vsphere_credential {
    VD_VSPHERE_PASSWORD,     /* user, password */
    VD_VSPHERE_COOKIE,       /* a session of the caller's: never logged out, not renewed by login
                                unless user and password are there too. "vmware_soap_session=..."
                                or the bare value, quoted or not, attributes behind it or not */
    VD_VSPHERE_CLONE_TICKET, /* ticket; renewed only where user and password are there too */
};

/* Copied. The stop of the server's timeouts ends questions, and pauses between them; what changes
 * something at the server is carried on, as long as the server answers: a login, a task, a logout.
 */
struct vd_vsphere_options {
    struct vd_http_options server;
    enum vd_vsphere_credential credential;
    const char *user, *password, *cookie, *ticket;
    const struct vd_log *log;
    uint32_t keep_alive_ms; /* 0: five minutes */
};

/* Content, version, login. VD_E_LOGIN, VD_E_CERTIFICATE, the errors of vd_stream_connect. */
VD_MUST_CHECK int vd_vsphere_connect(const struct vd_vsphere_options *options,
                                     struct vd_vsphere **ret, struct vd_error *err);
/* Logs out what it logged in. */
void vd_vsphere_free(struct vd_vsphere *session);
VD_DEFINE_CLEANUP(struct vd_vsphere *, vd_vsphere_free)

bool vd_vsphere_is_vcenter(const struct vd_vsphere *session);
const char *vd_vsphere_api_version(const struct vd_vsphere *session); /* "8.0.2.0" */
const char *vd_vsphere_host(const struct vd_vsphere *session);

/* --- inventory (inventory.c, vm.c) --- */

/* A managed object's id: opaque text, e.g. "vm-66". */
#define VD_MOID_BYTES 192

/* `spec`: any form of VixDiskLib's vmxSpec ("moref=vm-1", "dir/vm.vmx?dcPath=..&dsName=.."), a
 * name, an inventory path, a BIOS or instance UUID, "[ds] dir/vm.vmx". VD_E_NOT_FOUND;
 * VD_E_INVALID_ARG where a name fits several (the sentence lists them). */
VD_MUST_CHECK int vd_vsphere_find_vm(struct vd_vsphere *session, const char *spec,
                                     char moid[VD_MOID_BYTES], struct vd_error *err);

struct vd_vsphere_disk {
    int32_t key;  /* VirtualDisk.key */
    char *label;  /* "Hard disk 1" */
    char **chain; /* datastore paths, leaf first, NULL-terminated */
    uint64_t capacity_bytes;
    char *change_id;  /* NULL: not tracked */
    char *uuid;       /* or NULL */
    char *mode;       /* "persistent", "independent_persistent", ... */
    char *controller; /* "scsi0:1" */
    bool thin;
    bool snapshottable; /* not independent, not physical RDM */
};

struct vd_vsphere_snapshot {
    char *moid, *name, *description, *created;
    int32_t parent; /* index, -1: a root */
    bool current;
};

struct vd_vsphere_vm {
    char *moid, *name, *inventory_path, *uuid, *instance_uuid, *host, *vmx_path, *guest_id;
    bool powered_on, template, connected, change_tracking, change_tracking_supported;
    bool consolidation_needed;
    char *question;          /* what it waits to be answered, in a person's words; NULL: nothing */
    char **disabled_methods; /* NULL-terminated */
    struct vd_vsphere_disk *disks;
    size_t disk_count;
    struct vd_vsphere_snapshot *snapshots; /* parents before children */
    size_t snapshot_count;
};

/* One round trip. `snapshot` (moid or NULL): the hardware as it was frozen then. */
VD_MUST_CHECK int vd_vsphere_vm_get(struct vd_vsphere *session, const char *vm_moid,
                                    const char *snapshot, struct vd_vsphere_vm **ret,
                                    struct vd_error *err);
/* The file `path` as the disk's chain has it; NULL: it has none such. */
const char *vd_vsphere_disk_file(const struct vd_vsphere_disk *disk, const char *path);
/* The disk that has the file `path` ("[ds] dir/x.vmdk") in its chain; NULL: none. */
const struct vd_vsphere_disk *vd_vsphere_vm_disk(const struct vd_vsphere_vm *vm, const char *path);
void vd_vsphere_vm_free(struct vd_vsphere_vm *vm);
VD_DEFINE_CLEANUP(struct vd_vsphere_vm *, vd_vsphere_vm_free)
/* Every VM, short form (no disks, no snapshots), paged; `each` may end the walk with a negative
 * code. */
VD_MUST_CHECK int vd_vsphere_vm_list(struct vd_vsphere *session,
                                     int (*each)(void *data, const struct vd_vsphere_vm *vm),
                                     void *data, struct vd_error *err);

/* --- snapshots and tracking (snapshot.c, tracking.c, changed.c). `progress` may be NULL; it is
 * told percent of 100, and its false asks the server to cancel: VD_E_CANCELLED, unless the server
 * finished all the same, which is success. --- */
struct vd_vsphere_snapshot_request {
    const char *vm_moid, *name;
    const char *description; /* or NULL */
    bool quiesce; /* where the guest fails to, once more without, with a warning logged */
};
VD_MUST_CHECK int vd_vsphere_snapshot_create(struct vd_vsphere *session,
                                             const struct vd_vsphere_snapshot_request *request,
                                             const struct vd_progress *progress,
                                             char moid[VD_MOID_BYTES], struct vd_error *err);
/* VD_E_SNAPSHOT_GONE where there is none: to who cleans up, as good as success. */
VD_MUST_CHECK int vd_vsphere_snapshot_remove(struct vd_vsphere *session, const char *moid,
                                             const struct vd_progress *progress,
                                             struct vd_error *err);
/* Folds disks together that removed snapshots left behind (vd_vsphere_vm.consolidation_needed);
 * nothing to do is success. */
VD_MUST_CHECK int vd_vsphere_consolidate(struct vd_vsphere *session, const char *vm_moid,
                                         const struct vd_progress *progress, struct vd_error *err);
/* On: VD_E_NOT_SUPPORTED where the VM cannot, VD_E_BUSY while it has snapshots. A running VM's
 * tracking starts and ends with a snapshot, so one is made and removed. */
VD_MUST_CHECK int vd_vsphere_track_changes(struct vd_vsphere *session, const char *vm_moid, bool on,
                                           struct vd_error *err);

/* What changed on which disk since when. */
struct vd_vsphere_changes {
    const char *vm_moid; /* with disk_key; or NULL for a first-class disk */
    int32_t disk_key;
    const char *datastore_moid, *disk_id; /* a first-class disk */
    const char *snapshot;                 /* NULL: now, of a VM that is off */
    const char *change_id;                /* of an earlier snapshot; "*": allocated areas */
    /* As the answers come: ascending, disjoint, inside the disk. Negative ends the walk. */
    int (*each)(void *data, uint64_t start_bytes, uint64_t length_bytes);
    void *data;
};
/* Asks until the whole disk is described. What `each` was told before a failure is not the whole
 * story. VD_E_CHANGE_ID where tracking was reset or is off: a full backup is needed. */
VD_MUST_CHECK int vd_vsphere_changed_areas(struct vd_vsphere *session,
                                           const struct vd_vsphere_changes *question,
                                           struct vd_error *err);

/* --- access (access.c) --- */
/* Keeps vCenter from moving the VM: DisableMethods / EnableMethods of RelocateVM_Task. `identity`
 * names the holder; who holds already succeeds again. VD_E_DISABLED where somebody else holds it.
 * On a host without a vCenter nothing moves: done at once. */
VD_MUST_CHECK int vd_vsphere_prepare_access(struct vd_vsphere *session, const char *vm_moid,
                                            const char *identity, struct vd_error *err);
VD_MUST_CHECK int vd_vsphere_end_access(struct vd_vsphere *session, const char *vm_moid,
                                        const char *identity, struct vd_error *err);

/* --- NFC tickets (ticket.c) --- */
struct vd_nfc_ticket;
/* For reading (NfcGetVmFiles) or writing (NfcRandomAccessOpenDisk, which needs the disk's key). */
VD_MUST_CHECK int vd_vsphere_ticket(struct vd_vsphere *session, const char *vm_moid,
                                    int32_t disk_key, bool writable, struct vd_nfc_ticket *ret,
                                    struct vd_error *err);
/* NfcFileManagement, for a first-class disk or a datastore's files. */
VD_MUST_CHECK int vd_vsphere_file_ticket(struct vd_vsphere *session, const char *datastore_moid,
                                         struct vd_nfc_ticket *ret, struct vd_error *err);
/* NfcGetServerNfcLibVersion of the host the VM runs on; 0 where the host does not know the
 * question. */
VD_MUST_CHECK int vd_vsphere_nfc_version(struct vd_vsphere *session, const char *vm_moid, int *ret,
                                         struct vd_error *err);

/* --- first-class disks (fcd.c, fcd-snapshot.c). `datastore_moid` NULL: a vCenter's global
 * catalogue (urn:vslm, 6.7.2 and later) finds the disk. Where a server cannot: VD_E_NOT_SUPPORTED.
 * --- */
struct vd_vsphere_fcd {
    char *id, *name;
    char *path; /* "[ds] fcd/x.vmdk" */
    uint64_t capacity_bytes;
    bool change_tracking;
    char **consumers; /* ids of who has it attached, NULL-terminated */
};
VD_MUST_CHECK int vd_vsphere_fcd_get(struct vd_vsphere *session, const char *datastore_moid,
                                     const char *disk_id, struct vd_vsphere_fcd **ret,
                                     struct vd_error *err);
void vd_vsphere_fcd_free(struct vd_vsphere_fcd *disk);
VD_DEFINE_CLEANUP(struct vd_vsphere_fcd *, vd_vsphere_fcd_free)
/* Of one datastore, which is to be named. */
VD_MUST_CHECK int vd_vsphere_fcd_list(struct vd_vsphere *session, const char *datastore_moid,
                                      int (*each)(void *data, const char *disk_id), void *data,
                                      struct vd_error *err);
/* A snapshot's file and change id; both malloc'd, *ret_change_id may be NULL. Not on a host without
 * a vCenter: VD_E_NOT_SUPPORTED. */
VD_MUST_CHECK int vd_vsphere_fcd_snapshot(struct vd_vsphere *session, const char *datastore_moid,
                                          const char *disk_id, const char *snapshot_id,
                                          char **ret_path, char **ret_change_id,
                                          struct vd_error *err);
struct vd_vsphere_fcd_snapshot_info {
    const char *id, *created, *description; /* the last two "" where they are not told */
};
VD_MUST_CHECK int vd_vsphere_fcd_snapshot_list(
    struct vd_vsphere *session, const char *datastore_moid, const char *disk_id,
    int (*each)(void *data, const struct vd_vsphere_fcd_snapshot_info *snapshot), void *data,
    struct vd_error *err);

/* Which disk, and what its snapshot is for. */
struct vd_vsphere_fcd_snapshot_request {
    const char *datastore_moid, *disk_id, *description; /* the last "" or NULL for none */
};
/* `id` is the new snapshot's. Progress and cancelling as for snapshots of VMs. */
VD_MUST_CHECK int vd_vsphere_fcd_snapshot_create(
    struct vd_vsphere *session, const struct vd_vsphere_fcd_snapshot_request *request,
    const struct vd_progress *progress, char id[VD_MOID_BYTES], struct vd_error *err);
/* VD_E_SNAPSHOT_GONE where there is none: to who cleans up, as good as success. */
VD_MUST_CHECK int vd_vsphere_fcd_snapshot_delete(struct vd_vsphere *session,
                                                 const char *datastore_moid, const char *disk_id,
                                                 const char *snapshot_id,
                                                 const struct vd_progress *progress,
                                                 struct vd_error *err);

/* --- datastores and their disks (datastore.c, disk-manager.c) --- */
struct vd_vsphere_datastore {
    const char *moid, *name, *type; /* "VMFS", "NFS", ... */
    const char *datacenter_path;    /* "Folder/DC" */
    uint64_t capacity_bytes, free_bytes;
    bool accessible;
};
VD_MUST_CHECK int vd_vsphere_datastore_list(
    struct vd_vsphere *session,
    int (*each)(void *data, const struct vd_vsphere_datastore *datastore), void *data,
    struct vd_error *err);
/* "/folder/dir/x.vmdk?dcPath=..&dsName=.." of "[ds] dir/x.vmdk"; malloc'd. VD_E_INVALID_ARG where
 * several datacenters have such a datastore. */
VD_MUST_CHECK int vd_vsphere_file_url(struct vd_vsphere *session, const char *path, char **ret,
                                      struct vd_error *err);

enum vd_vsphere_disk_verb {
    VD_VSPHERE_DISK_CREATE,
    VD_VSPHERE_DISK_COPY,
    VD_VSPHERE_DISK_MOVE,
    VD_VSPHERE_DISK_DELETE,
    VD_VSPHERE_DISK_EXTEND,
    VD_VSPHERE_DISK_SHRINK,
    VD_VSPHERE_DISK_DEFRAGMENT,
    VD_VSPHERE_DISK_INFLATE,
};

/* A task of the server's own virtual disk manager, on disks no VM has open. */
struct vd_vsphere_disk_task {
    enum vd_vsphere_disk_verb verb;
    const char *path;        /* "[ds] dir/x.vmdk" */
    const char *to;          /* copy, move */
    bool force;              /* copy, move: over what is there */
    bool eager_zero;         /* extend */
    uint64_t capacity_bytes; /* create, extend: whole KiB */
    const char *type;        /* create: "thin" (NULL), "preallocated", "eagerZeroedThick", ... */
    const char *adapter;     /* create: "lsiLogic" (NULL), "busLogic", "ide" */
};
VD_MUST_CHECK int vd_vsphere_disk_run(struct vd_vsphere *session,
                                      const struct vd_vsphere_disk_task *task,
                                      const struct vd_progress *progress, struct vd_error *err);

/* --- files of datastores over HTTP (file.c). The server's management path: for configuration files
 * and the like; the data of a disk goes faster over NFC. `progress` in bytes; false ends it with
 * VD_E_CANCELLED. --- */

/* Takes what comes, in order; a negative code ends it with that, and `err` is then left to whoever
 * gave the function. */
struct vd_vsphere_sink {
    int (*take)(void *data, const void *bytes, size_t size);
    void *data;
};
struct vd_vsphere_range {
    uint64_t start_bytes, length_bytes; /* UINT64_MAX: to the end */
};
/* `range` NULL: all of it. A connection that is lost is taken up again where it was, as often as it
 * helps; a file whose size changes meanwhile is VD_E_BUSY. VD_E_NOT_FOUND, VD_E_NO_PERMISSION,
 * VD_E_LOCKED, VD_E_OUT_OF_RANGE. */
VD_MUST_CHECK int vd_vsphere_file_get(struct vd_vsphere *session, const char *path,
                                      const struct vd_vsphere_range *range,
                                      const struct vd_vsphere_sink *sink,
                                      const struct vd_progress *progress, struct vd_error *err);
/* Gives the bytes from `offset` on: fills up to `size`, none = the end came too early. */
struct vd_vsphere_content_source {
    int (*give)(void *data, uint64_t offset_bytes, void *bytes, size_t size, size_t *ret);
    void *data;
    uint64_t size_bytes;
};
/* Makes the file, or replaces it whole. Not the data of a disk that is to be used: what is put as
 * "x.vmdk" is a file of that name and nothing more. */
VD_MUST_CHECK int vd_vsphere_file_put(struct vd_vsphere *session, const char *path,
                                      const struct vd_vsphere_content_source *source,
                                      const struct vd_progress *progress, struct vd_error *err);

/* --- exports (lease.c, lease-read.c): the disks of a VM that is off, or of a snapshot, as
 * streamOptimized VMDKs the server makes, by a lease (HttpNfcLease) that is kept alive meanwhile.
 * One file is read at a time. --- */
struct vd_vsphere_lease;
struct vd_vsphere_lease_file {
    const char *key; /* as the server calls it: ".../VirtualLsiLogicController0:1" */
    bool disk;
};

/* Waits until the server is ready, which `progress` is told in percent. `snapshot` NULL: the VM as
 * it is, VD_E_BUSY where it runs. */
VD_MUST_CHECK int vd_vsphere_lease_open(struct vd_vsphere *session, const char *vm_moid,
                                        const char *snapshot, const struct vd_progress *progress,
                                        struct vd_vsphere_lease **ret, struct vd_error *err);
size_t vd_vsphere_lease_count(const struct vd_vsphere_lease *lease);
struct vd_vsphere_lease_file vd_vsphere_lease_file(const struct vd_vsphere_lease *lease,
                                                   size_t index);
/* Reads a file once, whole. `progress` in bytes of `total_bytes`, which the server tells (0: it
 * does not). Such a stream cannot be taken up again where it broke off. */
VD_MUST_CHECK int vd_vsphere_lease_read(struct vd_vsphere_lease *lease, size_t index,
                                        const struct vd_vsphere_sink *sink,
                                        const struct vd_progress *progress, struct vd_error *err);
/* When everything that is wanted was read: compares the size and the digests of every file that was
 * with the server's manifest, where it gives one, VD_E_DAMAGED; then ends the lease well. What is
 * not told there: whether the server took notice of that; such a lease ends by itself. */
VD_MUST_CHECK int vd_vsphere_lease_complete(struct vd_vsphere_lease *lease, struct vd_error *err);
/* After completing: the digest of a file that was read, in hex, and whether the manifest had one to
 * compare with. "" where it was not read. */
const char *vd_vsphere_lease_sha256(const struct vd_vsphere_lease *lease, size_t index);
bool vd_vsphere_lease_verified(const struct vd_vsphere_lease *lease, size_t index);
/* Aborts the lease, unless it was completed. */
void vd_vsphere_lease_free(struct vd_vsphere_lease *lease);
VD_DEFINE_CLEANUP(struct vd_vsphere_lease *, vd_vsphere_lease_free)

#endif
