/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor: text parsed to a model, and written from the model. Unknown keys survive.
 * Grammar, tolerance and templates: Virtual Disk Format 5.0 section "Descriptor"; deviations of
 * other writers as noted in descriptor.c.
 */
#ifndef VD_VMDK_DESCRIPTOR_H
#define VD_VMDK_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "disk/disk.h"

#define VD_CID_NONE          0xffffffffu /* as parentCID: no parent */
#define VD_CID_NEVER_WRITTEN 0xfffffffeu

/* Text larger than this is not a descriptor: 4 MiB holds 62 TiB in 2 GiB extents (31,744 lines of
 * 60 bytes) twice over. */
#define VD_DESCRIPTOR_MAX_BYTES (4u << 20)
/* 256 TiB in extents of 2 GiB, four times what VMware allows; about what fits the text. */
#define VD_DESCRIPTOR_MAX_EXTENTS (1u << 17)
/* Header and ddb lines of each kind; real ones have about 20. */
#define VD_DESCRIPTOR_MAX_ENTRIES 4096u

enum vd_extent_access { VD_ACCESS_RW, VD_ACCESS_RDONLY, VD_ACCESS_NOACCESS };

enum vd_extent_type {
    VD_EXTENT_FLAT,
    VD_EXTENT_VMFS,
    VD_EXTENT_VMFSTHIN,
    VD_EXTENT_ZERO,
    VD_EXTENT_SPARSE,
    VD_EXTENT_VMFSSPARSE,
    VD_EXTENT_SESPARSE,
    VD_EXTENT_VMFSRDM,
    VD_EXTENT_VMFSRAW,
    VD_EXTENT_VSANSPARSE,
};

struct vd_extent_line {
    enum vd_extent_access access;
    enum vd_extent_type type;
    uint64_t sectors;
    char *file;              /* owned; NULL for ZERO; UTF-8 after conversion from `encoding` */
    char *file_raw;          /* the bytes as written where they differ; owned; else NULL */
    bool undecoded;          /* `file` is those bytes: they do not fit the encoding */
    uint64_t offset_sectors; /* in the file */
    bool has_offset;
    char *rest; /* owned; what followed the offset, kept verbatim; NULL when nothing */
};

/* One `key = value` line, header or ddb (then without "ddb."). Both owned. */
struct vd_descriptor_entry {
    char *key;
    char *value;
    bool quoted;
};

struct vd_descriptor_entries {
    struct vd_descriptor_entry *items;
    size_t count;
};

struct vd_descriptor {
    uint32_t version; /* 1..4 */
    uint32_t cid;
    uint32_t parent_cid;                 /* VD_CID_NONE in a base */
    bool has_cid;                        /* a CID line was there */
    bool has_parent_cid;                 /* a parentCID line was there */
    char *create_type;                   /* as written; "" when absent; owned */
    char *parent_hint;                   /* NULL in a base; owned; UTF-8 */
    char *parent_hint_raw;               /* the bytes as written where they differ; owned */
    bool parent_hint_undecoded;          /* as in an extent line */
    char *encoding;                      /* NULL = UTF-8; owned */
    char *change_track;                  /* changeTrackPath as written, or NULL; owned */
    struct vd_descriptor_entries header; /* every header line in order, the known ones too */
    struct vd_descriptor_entries ddb;    /* every ddb line in order */
    struct vd_extent_line *extents;
    size_t num_extents;
    uint64_t capacity_sectors; /* sum of extents, at most VD_MAX_SECTORS */
    bool native_snapshot;      /* isNativeSnapshot="yes": the parent is not consulted */
};

/* Every owned part is from malloc, so that a caller may build or change a model.
 *
 * `text` ends at `length` or its first NUL. `where` names the file in messages; errors give the
 * line number. VD_E_DESC_* but _ENCODING, VD_E_VERSION, VD_E_ENCRYPTED, VD_E_NO_MEMORY. */
VD_MUST_CHECK int vd_descriptor_parse(const char *text, size_t length, const char *where,
                                      struct vd_descriptor **ret, struct vd_error *err);
void vd_descriptor_free(struct vd_descriptor *descriptor);
VD_DEFINE_CLEANUP(struct vd_descriptor *, vd_descriptor_free)

/* Appends the model as VMware's template orders it; parsing the result gives the same model. The
 * fields of the struct are what is written for the keys they stand for, whatever `header` says.
 * VD_E_NAME_INVALID for names the format cannot hold, VD_E_DESC_ENCODING, VD_E_TOO_BIG. */
VD_MUST_CHECK int vd_descriptor_to_text(const struct vd_descriptor *descriptor, struct vd_buf *out,
                                        struct vd_error *err);

/* Value of a ddb key (no "ddb."), compared without case; the first one where it stands twice. */
const char *vd_descriptor_ddb(const struct vd_descriptor *descriptor, const char *key);
const char *vd_descriptor_header(const struct vd_descriptor *descriptor, const char *key);

/* Must a parent be consulted? Not for a base, nor for a native (array side) snapshot. */
bool vd_descriptor_has_parent(const struct vd_descriptor *descriptor);
/* A VirtualBox differencing disk: it names its parent by a UUID alone, so what it does not hold
 * cannot be found, and nothing else tells it from a base. */
bool vd_descriptor_is_virtualbox_child(const struct vd_descriptor *descriptor);

/* "monolithicSparse", ... in any case and every known spelling; VD_DISK_UNKNOWN. */
enum vd_disk_type vd_disk_type_parse(const char *create_type);
/* The createType to write: "vmfs" for both VMFS kinds of flat disk. "raw", "unknown" where there is
 * none. */
const char *vd_disk_type_text(enum vd_disk_type type);
enum vd_disk_type vd_descriptor_disk_type(const struct vd_descriptor *descriptor);
enum vd_adapter vd_descriptor_adapter(const char *ddb_value); /* NULL allowed */
struct vd_geometry vd_descriptor_geometry(const struct vd_descriptor *descriptor);
struct vd_geometry vd_descriptor_bios_geometry(const struct vd_descriptor *descriptor);
const char *vd_extent_type_text(enum vd_extent_type type); /* "VMFSSPARSE" */
const char *vd_extent_access_text(enum vd_extent_access access);
/* FLAT, VMFS, VMFSTHIN, VMFSRDM, VMFSRAW: the file's bytes are the disk's. */
bool vd_extent_type_is_raw(enum vd_extent_type type);

#endif
