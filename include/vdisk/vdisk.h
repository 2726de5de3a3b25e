/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvdisk: open a virtual disk, read and write any bytes of it, close it.
 *
 *     struct vdisk_params params = VDISK_PARAMS_INIT;
 *     struct vdisk_error error;
 *     struct vdisk *disk;
 *
 *     params.path = "/disks/db.vmdk";
 *     params.flags = VDISK_READ_ONLY;
 *     if (vdisk_open(&params, &disk, &error) < 0)
 *         errx(1, "%s", error.text);
 *     got = vdisk_read_at(disk, buffer, sizeof buffer, offset, &error);
 *     vdisk_close(disk, &error);
 *
 * Who does the work is chosen when a disk is opened: the engine built into this library, or a
 * VixDiskLib, VMware's own for instance, in a folder the caller names (vdisk_params.libdir).
 *
 * Units: bytes, everywhere. A disk is a whole number of sectors of 512 bytes, which nobody but
 * vdisk_create need know.
 *
 * Ownership: strings and structures given to a function stay the caller's and are not looked at
 * after it returned, unless said otherwise. What a function gives is said with it.
 *
 * Threads: every function may be called from any thread at any time, but no call on a disk may be
 * under way when it is closed. No lock is held while a function of the caller's runs, except for
 * the log function, which must not call this library.
 *
 * Errors: a function that can fail returns a negative errno, and 0 or more otherwise. The last
 * parameter tells the whole story, and may be NULL.
 *
 * Structures that may grow begin with their size, which the INIT macros set; programs built with an
 * older or a newer header than the library's go on working.
 */
#ifndef VDISK_VDISK_H
#define VDISK_VDISK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Errors */

/* What went wrong. It is written by every call it is given to: code 0 is success. */
struct vdisk_error {
    uint32_t code;     /* a number of VixDiskLib's VixError, such as VDISK_E_LOCKED */
    int32_t sys_errno; /* the errno nearest to it; never 0 after a failure */
    char text[1024];   /* one sentence, UTF-8, without newline and full stop */
};

#define VDISK_ERROR_INIT \
    {                    \
        0, 0, ""         \
    }

/* The codes a program is likely to act on; any other VixError may come as well. */
enum vdisk_code {
    VDISK_OK = 0,
    VDISK_E_FAIL = 1,              /* a cause that has no code: read the sentence */
    VDISK_E_NO_MEMORY = 2,         /* ENOMEM */
    VDISK_E_INVALID_ARG = 3,       /* EINVAL */
    VDISK_E_NOT_FOUND = 4,         /* ENOENT */
    VDISK_E_BUSY = 5,              /* EBUSY */
    VDISK_E_NOT_SUPPORTED = 6,     /* ENOTSUP */
    VDISK_E_IO = 7,                /* EIO */
    VDISK_E_DISK_FULL = 8,         /* ENOSPC: no space left where the disk lives */
    VDISK_E_CANCELLED = 10,        /* ECANCELED */
    VDISK_E_READ_ONLY = 11,        /* EROFS */
    VDISK_E_EXISTS = 12,           /* EEXIST */
    VDISK_E_ACCESS = 13,           /* EACCES */
    VDISK_E_LOCKED = 15,           /* EBUSY: open elsewhere */
    VDISK_E_PARTIAL_CHAIN = 16003, /* ENXIO: needs a parent that VDISK_SINGLE_LINK left out */
    VDISK_E_DAMAGED = 16006,       /* EIO */
    VDISK_E_OUT_OF_RANGE = 16007,  /* ENOSPC: a write that starts at or past the end of the disk */
    VDISK_E_CID_MISMATCH = 16008,  /* ESTALE: a parent changed since its child was made */
    VDISK_E_PARENT = 16012,        /* ENOENT and others: a parent cannot be opened */
    VDISK_E_KEY_NOT_FOUND = 16052, /* ENOENT */
    VDISK_E_NOT_A_DISK = 16063     /* EINVAL */
};

/* Where a disk is and how to open it */

enum vdisk_flag {
    VDISK_UNBUFFERED = 1 << 0,    /* past the host's page cache */
    VDISK_SINGLE_LINK = 1 << 1,   /* this link alone, without its parents */
    VDISK_READ_ONLY = 1 << 2,     /* nothing is locked */
    VDISK_ZLIB = 1 << 4,          /* compression on the network (nbdssl), one of three */
    VDISK_FASTLZ = 1 << 5,        /* the same */
    VDISK_SKIPZ = 1 << 6,         /* the same: zeros alone are left out */
    VDISK_ALLOW_OUTSIDE = 1 << 16 /* built-in engine: extents and parents outside the disk's folder
                                     tree, which the others always follow */
};

/* A string that is NULL or "" is not given. Which of them are needed:
 *
 *   a disk on this machine  path
 *   of a virtual machine    server, credentials, vmx_spec, path ("[datastore] folder/name.vmdk")
 *   a first-class disk      server, credentials, fcd_id, fcd_datastore
 *
 * Credentials are user and password, or cookie, or ticket. They are kept until the disk is closed,
 * because ending the access asks for them again, never logged, and wiped then.
 *
 * Settings are lines of vixdisklib.conf(5), "vixDiskLib.nfc.ReadTimeoutsMs = 5000" for one: how
 * long to wait (milliseconds), buffers of a host, certificates, which lines the log gets. The
 * built-in engine takes them for this disk alone, from the config_file, which is read completely
 * when the disk is opened, and from `settings`, which count where both have one. What is wrong with
 * a line of the file is a warning in the log, and the line is not used, and so is a file that
 * cannot be read; what is wrong with one of `settings`, an unknown name or a bad value, is
 * VDISK_E_INVALID_ARG.
 *
 * The built-in engine takes a password or a cookie. It trusts a server by its thumbprint, or by the
 * authorities this machine trusts where none is given. Of transports it has "nbdssl" and "nbd".
 */
struct vdisk_params {
    size_t size;       /* of this structure, which VDISK_PARAMS_INIT sets */
    const char *path;  /* of the descriptor or only file; UTF-8 */
    uint32_t flags;    /* enum vdisk_flag */
    uint32_t reserved; /* 0 */

    /* Who does the work */
    const char *libdir;      /* folder with a VixDiskLib, in it or in its lib64; NULL: built in */
    const char *config_file; /* settings; NULL: none. That library reads it when it is loaded, and
                                it must be the same for all disks that are open through one libdir:
                                VDISK_E_BUSY */

    /* The server, and who asks */
    const char *server;     /* host name or address; NULL: this machine */
    const char *thumbprint; /* of its certificate */
    const char *user;
    const char *password;
    const char *cookie;      /* of a session, instead of the password */
    const char *session_key; /* beside the cookie, where one is needed */
    void *ticket;      /* struct VixDiskLibTicketIdCreds; must live until the disk is closed */
    uint32_t port;     /* 0: 443 */
    uint32_t nfc_port; /* 0: 902 */

    /* The disk there */
    const char *vmx_spec;      /* the virtual machine, "moref=vm-47" */
    const char *snapshot;      /* "snapshot-48" */
    const char *transports;    /* to try, in this order: "san:hotadd:nbdssl:nbd"; NULL: all */
    const char *identity;      /* names the program while the server is told that the virtual
                                  machine is in use; NULL: it is not told */
    const char *fcd_id;        /* a first-class disk, */
    const char *fcd_datastore; /* its datastore */
    const char *fcd_snapshot;  /* and its snapshot */

    const char *settings; /* built-in engine: lines "name = value", or NULL */
};

#define VDISK_PARAMS_INIT                                                                        \
    {                                                                                            \
        sizeof(struct vdisk_params), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
            0, 0                                                                                 \
    }

/* An open disk */
struct vdisk;

/* Opens a disk: loads the provider, tells the server that the disk is about to be used (where there
 * are a server and an identity), connects, opens. When a step fails, those before it are undone in
 * reverse order and *ret is NULL. *ret is the caller's, for vdisk_close. */
int vdisk_open(const struct vdisk_params *params, struct vdisk **ret, struct vdisk_error *error);

/* Makes what was written durable and undoes the steps of vdisk_open, in reverse order. All of it is
 * gone whatever the result; a failure is the first one, a late write error for instance. NULL is
 * allowed. */
int vdisk_close(struct vdisk *disk, struct vdisk_error *error);

/* Reading and writing */

/* Any range of bytes. The result is the number of bytes transferred: less than asked for only at
 * the end of the disk, and 0 for a read that starts there or behind it. The four calls with an
 * offset run in parallel, and so do calls of the other kind on other disks. */
ssize_t vdisk_read_at(struct vdisk *disk, void *buffer, size_t bytes, uint64_t offset,
                      struct vdisk_error *error);

/* A write that starts at the end of the disk or behind it fails (VDISK_E_OUT_OF_RANGE, ENOSPC).
 * Sectors that are covered in part keep their other bytes, also when other threads write those at
 * the same time; writes that touch the same sector are done one after the other, others in
 * parallel. After a failure any part of the range may hold the new bytes. */
ssize_t vdisk_write_at(struct vdisk *disk, const void *buffer, size_t bytes, uint64_t offset,
                       struct vdisk_error *error);

/* The same at the disk's one offset, which moves behind the bytes transferred, and not at all after
 * a failure. Calls are done one after the other, so that each gets its own part of the disk. */
ssize_t vdisk_read(struct vdisk *disk, void *buffer, size_t bytes, struct vdisk_error *error);
ssize_t vdisk_write(struct vdisk *disk, const void *buffer, size_t bytes,
                    struct vdisk_error *error);

/* Moves that offset; `whence` is SEEK_SET, SEEK_CUR or SEEK_END. Gives the new offset, which may
 * lie behind the end of the disk, or a negative errno. */
int64_t vdisk_seek(struct vdisk *disk, int64_t offset, int whence, struct vdisk_error *error);

/* Makes durable what calls that returned have written. Allowed on a disk that is read-only. */
int vdisk_flush(struct vdisk *disk, struct vdisk_error *error);

/* Capacity in bytes. */
uint64_t vdisk_size(const struct vdisk *disk);

/* Gets ascending, separate ranges. Anything but 0 ends the query, which returns it: a positive
 * number is told from an error. */
typedef int vdisk_block_fn(void *data, uint64_t offset, uint64_t length);

/* Calls `found` for each part of the range that may hold something else than zeros, on this thread;
 * what no call names reads as zeros. With VDISK_SINGLE_LINK it is what this link alone holds. The
 * range may end behind the disk (UINT64_MAX: the rest of it). How fine the answer is depends on the
 * provider: one that cannot tell at all names the whole range. */
int vdisk_blocks(struct vdisk *disk, uint64_t offset, uint64_t length, vdisk_block_fn *found,
                 void *data, struct vdisk_error *error);

/* Calls `found` for each part of the disk that changed since `change_id`, ascending, on this
 * thread: until the snapshot it was opened with, or until now where the virtual machine is off. "*"
 * names what is allocated instead. The server tells, which tracks changes (vdisk_vm_track_changes);
 * where it does not know, because tracking was off or began anew since, the call fails with ESTALE,
 * and all of the disk has to be read. Built-in engine: with a VixDiskLib, and of a disk on this
 * machine, VDISK_E_NOT_SUPPORTED. Since 1.1. */
int vdisk_changed(struct vdisk *disk, const char *change_id, vdisk_block_fn *found, void *data,
                  struct vdisk_error *error);

/* What a disk is */

/* The numbers are those of VixDiskLib. */
enum vdisk_type {
    VDISK_TYPE_MONOLITHIC_SPARSE = 1,
    VDISK_TYPE_MONOLITHIC_FLAT = 2,
    VDISK_TYPE_SPLIT_SPARSE = 3,
    VDISK_TYPE_SPLIT_FLAT = 4,
    VDISK_TYPE_VMFS_FLAT = 5,
    VDISK_TYPE_STREAM_OPTIMIZED = 6,
    VDISK_TYPE_VMFS_THIN = 7,
    VDISK_TYPE_VMFS_SPARSE = 8,
    VDISK_TYPE_UNKNOWN = 256
};

enum vdisk_adapter {
    VDISK_ADAPTER_IDE = 1,
    VDISK_ADAPTER_BUSLOGIC = 2,
    VDISK_ADAPTER_LSILOGIC = 3,
    VDISK_ADAPTER_UNKNOWN = 256
};

struct vdisk_geometry {
    uint32_t cylinders;
    uint32_t heads;
    uint32_t sectors; /* per track */
};

/* Strings belong to the disk and live until it is closed. */
struct vdisk_info {
    size_t size; /* of this structure, which VDISK_INFO_INIT sets */
    uint64_t capacity_bytes;
    uint32_t type;      /* enum vdisk_type; VDISK_TYPE_UNKNOWN where the provider does not tell */
    uint32_t adapter;   /* enum vdisk_adapter */
    uint32_t num_links; /* that are open: the disk and its parents */
    uint32_t read_only; /* 0 or 1 */
    uint32_t logical_sector_bytes;
    uint32_t physical_sector_bytes;
    struct vdisk_geometry geometry; /* zeros where unknown, as the next */
    struct vdisk_geometry bios_geometry;
    const char *parent;    /* as the disk names it; NULL without parent */
    const char *uuid;      /* as it was in the disk database at open; NULL when unknown */
    const char *transport; /* "file", "nbd", "nbdssl", "san", "hotadd" */
    const char *provider;  /* "built-in", or the path of the library */
};

#define VDISK_INFO_INIT                                                                  \
    {                                                                                    \
        sizeof(struct vdisk_info), 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0}, 0, 0, 0, 0 \
    }

int vdisk_get_info(struct vdisk *disk, struct vdisk_info *info, struct vdisk_error *error);

/* The disk database of the top link; keys go without "ddb." */

/* *ret_value is the caller's, for vdisk_free. */
int vdisk_meta_get(struct vdisk *disk, const char *key, char **ret_value,
                   struct vdisk_error *error);
/* Creates or replaces; durable, at the latest, when the disk is closed. */
int vdisk_meta_set(struct vdisk *disk, const char *key, const char *value,
                   struct vdisk_error *error);

/* Anything but 0 ends the list, which returns it. */
typedef int vdisk_meta_fn(void *data, const char *key, const char *value);

/* Every key and its value, as they are when the call starts. `found` may read and write the
 * database. */
int vdisk_meta_list(struct vdisk *disk, vdisk_meta_fn *found, void *data,
                    struct vdisk_error *error);

/* NULL is allowed. */
void vdisk_free(void *memory);

/* New disks, and whole ones */

/* Percentages that rise; 100 after success only. 0: stop, which the built-in engine does with
 * VDISK_E_CANCELLED and a VixDiskLib ignores. Called on the calling thread. */
typedef int vdisk_progress_fn(void *data, int percent);

struct vdisk_create_params {
    size_t size;                 /* of this structure, which VDISK_CREATE_PARAMS_INIT sets */
    uint64_t capacity_bytes;     /* a multiple of 512 */
    uint32_t type;               /* enum vdisk_type */
    uint32_t adapter;            /* enum vdisk_adapter */
    uint32_t hw_version;         /* of the virtual hardware it is for; 0: 13 */
    uint32_t overwrite;          /* vdisk_clone: 1 replaces a disk of that name */
    vdisk_progress_fn *progress; /* NULL: nobody watches */
    void *progress_data;
};

#define VDISK_CREATE_PARAMS_INIT                                             \
    {                                                                        \
        sizeof(struct vdisk_create_params), 0, VDISK_TYPE_MONOLITHIC_SPARSE, \
            VDISK_ADAPTER_LSILOGIC, 0, 0, 0, 0                               \
    }

/* Makes the disk params->path, which reads as zeros. Nothing is overwritten (VDISK_E_EXISTS), and a
 * failure leaves no files behind. On a server, where the built-in engine has the server do it (also
 * grow and remove a disk), it is of the type VDISK_TYPE_VMFS_THIN or VDISK_TYPE_VMFS_FLAT and of
 * whole KiB; it belongs to no virtual machine, and where params->vmx_spec names one, that has no
 * part in it. */
int vdisk_create(const struct vdisk_params *params, const struct vdisk_create_params *create,
                 struct vdisk_error *error);

/* Copies the disk params->path, with what it has from its parents, to a new one at `path` on this
 * machine. It has the capacity of the source, whatever `create` says; a NULL `create` keeps its
 * type as well. */
int vdisk_clone(const struct vdisk_params *params, const char *path,
                const struct vdisk_create_params *create, struct vdisk_error *error);

/* Gives the disk params->path, which nobody has open, a larger capacity, in bytes, a multiple of
 * 512; what is added reads as zeros. */
int vdisk_grow(const struct vdisk_params *params, uint64_t capacity_bytes,
               struct vdisk_error *error);

/* Removes the files of the disk params->path, which nobody has open; its parents stay. */
int vdisk_unlink(const struct vdisk_params *params, struct vdisk_error *error);

/* Virtual machines, for who reads all of one: the machine params->vmx_spec on a server; a path is
 * not needed. Built-in engine, else VDISK_E_NOT_SUPPORTED. Since 1.1. */

/* Strings live until the call they are given to returns. */
struct vdisk_vm_disk {
    size_t size;       /* of this structure, as the library has it */
    const char *path;  /* for vdisk_params */
    const char *label; /* "Hard disk 1"; NULL where unknown, as the next */
    const char *uuid;
    const char *change_id; /* for a later vdisk_changed: of the moment that the disk is of; NULL
                              where changes are not tracked */
    uint64_t capacity_bytes;
    uint32_t in_snapshots; /* 0: a snapshot leaves it out, and it goes on changing */
    uint32_t reserved;
};

/* Anything but 0 ends the list, which returns it. */
typedef int vdisk_vm_disk_fn(void *data, const struct vdisk_vm_disk *disk);

/* Its disks, as they are, or as the snapshot of the params froze them. */
int vdisk_vm_disks(const struct vdisk_params *params, vdisk_vm_disk_fn *found, void *data,
                   struct vdisk_error *error);
/* Freezes all its disks. *ret_snapshot, for the params, is the caller's, for vdisk_free; it may be
 * set when the call fails, and then the snapshot is there. */
int vdisk_vm_snapshot(const struct vdisk_params *params, const char *name, char **ret_snapshot,
                      struct vdisk_error *error);
/* Removes the snapshot of the params, when no disk is open with it. */
int vdisk_vm_remove_snapshot(const struct vdisk_params *params, struct vdisk_error *error);
/* Change tracking on or off; what is so already stays so. It begins with the next snapshot, and
 * cannot be turned on while there is one (EBUSY). */
int vdisk_vm_track_changes(const struct vdisk_params *params, int on, struct vdisk_error *error);

/* The process */

enum vdisk_log_level { VDISK_LOG_ERROR, VDISK_LOG_WARNING, VDISK_LOG_INFO, VDISK_LOG_DEBUG };

/* `line` is UTF-8 without newline. Any thread; it must not call this library. */
typedef void vdisk_log_fn(void *data, int level, const char *line);

/* One for the process, because a VixDiskLib tells its messages to the process too. NULL, as at the
 * start: silence. The one before it may still be running on another thread when the call returns.
 */
void vdisk_set_log(vdisk_log_fn *log, void *data);

/* "1.1.0", of the library. */
const char *vdisk_version(void);

#ifdef __cplusplus
}
#endif

#endif
