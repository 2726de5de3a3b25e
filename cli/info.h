/* SPDX-License-Identifier: Apache-2.0 */
/* The two forms in which `vdisk info` tells a report. */
#ifndef VD_CLI_INFO_H
#define VD_CLI_INFO_H

#include "disk/disk.h"
#include "options.h"
#include "vmdk/report.h"

/* Facts of the whole disk: of the leaf, or of the nearest parent that states them. Strings belong
 * to the report. */
struct info_summary {
    const char *create_type; /* NULL where the leaf cannot be read */
    const char *adapter;     /* as written; NULL where no link states it */
    const char *uuid;
    const char *hardware_version;
    const char *long_content_id; /* the leaf's own */
    struct vd_geometry geometry; /* zeros where no link states it */
    struct vd_geometry bios_geometry;
};

struct info_summary cli_info_summary(const struct vd_report *report);

/* The whole of `vdisk info` for a vsphere:// URL. */
enum cli_exit cli_info_remote(const struct cli_args *args);

/* A raw image has no report, only this. */
struct info_raw {
    const char *path;
    uint64_t capacity_bytes;
    uint64_t allocated_bytes;
};

void cli_info_text(const char *path, const struct vd_report *report);
void cli_info_text_raw(const struct info_raw *raw);
/* By the map: how many bytes are stored. */
VD_MUST_CHECK int cli_info_count_data(struct vd_disk *disk, uint64_t *ret_bytes,
                                      struct vd_error *err);
VD_MUST_CHECK int cli_info_json(const char *path, const struct vd_report *report,
                                struct vd_error *err);
VD_MUST_CHECK int cli_info_json_raw(const struct info_raw *raw, struct vd_error *err);

#endif
