/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor of a disk that did not exist before. */
#ifndef VD_VMDK_DESCRIPTOR_NEW_H
#define VD_VMDK_DESCRIPTOR_NEW_H

#include "vmdk/descriptor.h"

#define VD_DEFAULT_HW_VERSION 13u
#define VD_DEFAULT_ADAPTER    "lsilogic"

struct vd_descriptor_recipe {
    const char *create_type;
    uint64_t capacity_sectors;        /* for the geometry; the extents are the caller's */
    const char *adapter;              /* ddb.adapterType as it is to stand there */
    uint32_t hw_version;              /* 0: VD_DEFAULT_HW_VERSION */
    struct vd_geometry geometry;      /* zeros: computed */
    struct vd_geometry bios_geometry; /* zeros: left out */
    uint32_t logical_sector_bytes;    /* 0 or 512: left out, both */
    uint32_t physical_sector_bytes;
    bool thin;               /* ddb.thinProvisioned */
    const char *parent_hint; /* NULL: a base */
    uint32_t parent_cid;     /* with a hint */
    /* ddb keys (no "ddb.") and values in turn, NULL-terminated, that replace what would be made up
     * or are added to it; or NULL. */
    const char *const *ddb;
};

/* A model without extents, with a new CID, longContentID and, but for a child, whose base has one,
 * uuid. */
VD_MUST_CHECK int vd_descriptor_new(const struct vd_descriptor_recipe *recipe,
                                    struct vd_descriptor **ret, struct vd_error *err);

/* Appends an extent of this type and file, RW, and adds its sectors to the capacity. */
VD_MUST_CHECK int vd_descriptor_add_extent(struct vd_descriptor *descriptor,
                                           enum vd_extent_type type, uint64_t sectors,
                                           const char *file, struct vd_error *err);

/* `text` as ddb.adapterType spells it, NULL as VD_DEFAULT_ADAPTER; VD_E_INVALID_ARG with a sentence
 * that lists those there are. Static. */
VD_MUST_CHECK int vd_adapter_parse(const char *text, const char **ret, struct vd_error *err);

#endif
