/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to a descriptor's model, before it is stored. On failure the model is as it was. */
#ifndef VD_VMDK_DESCRIPTOR_CHANGE_H
#define VD_VMDK_DESCRIPTOR_CHANGE_H

#include "vmdk/descriptor.h"

/* Sets a ddb key (without "ddb."), in its place where it stands already (its later doubles go), at
 * the end otherwise; NULL removes it. VD_E_INVALID_ARG for a key or value that a descriptor line
 * cannot hold, VD_E_TOO_BIG past VD_DESCRIPTOR_MAX_ENTRIES. */
VD_MUST_CHECK int vd_descriptor_set_ddb(struct vd_descriptor *descriptor, const char *key,
                                        const char *value, struct vd_error *err);
/* ddb.geometry.cylinders, heads and sectors. */
VD_MUST_CHECK int vd_descriptor_set_geometry(struct vd_descriptor *descriptor,
                                             struct vd_geometry geometry, struct vd_error *err);
/* Replaces parent_hint (UTF-8; NULL: none). */
VD_MUST_CHECK int vd_descriptor_set_parent_hint(struct vd_descriptor *descriptor, const char *hint,
                                                struct vd_error *err);
/* Replaces changeTrackPath; NULL removes it, and version 3, which stands for it, becomes 1. */
VD_MUST_CHECK int vd_descriptor_set_change_track(struct vd_descriptor *descriptor, const char *path,
                                                 struct vd_error *err);
/* Replaces the file name of an extent line. */
VD_MUST_CHECK int vd_extent_line_set_file(struct vd_extent_line *line, const char *file,
                                          struct vd_error *err);
/* Appends a line; `file` NULL for ZERO. */
VD_MUST_CHECK int vd_descriptor_append_like(struct vd_descriptor *descriptor,
                                            const struct vd_extent_line *like, const char *file,
                                            uint64_t sectors, struct vd_error *err);
/* A new random CID, never one of the reserved ones nor the present one, and a longContentID, where
 * there is one, that ends with it. */
VD_MUST_CHECK int vd_descriptor_new_content_id(struct vd_descriptor *descriptor,
                                               struct vd_error *err);

#endif
