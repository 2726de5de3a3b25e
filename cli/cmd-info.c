/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "commands.h"
#include "info.h"
#include "ops/runs.h"
#include "terminal.h"
#include "transport/url.h"

static const char *find_ddb(const struct vd_report *report, const char *key)
{
    for (size_t i = 0; i < report->num_links; i++) {
        const struct vd_descriptor *descriptor = report->links[i].descriptor;
        const char *value = descriptor ? vd_descriptor_ddb(descriptor, key) : NULL;

        if (value)
            return value;
    }
    return NULL;
}

struct info_summary cli_info_summary(const struct vd_report *report)
{
    const struct vd_descriptor *leaf = report->links[0].descriptor;
    struct info_summary summary = {
        .create_type = leaf ? leaf->create_type : NULL,
        .adapter = find_ddb(report, "adapterType"),
        .uuid = find_ddb(report, "uuid"),
        .hardware_version = find_ddb(report, "virtualHWVersion"),
        .long_content_id = leaf ? vd_descriptor_ddb(leaf, "longContentID") : NULL,
    };

    for (size_t i = 0; i < report->num_links; i++) {
        const struct vd_descriptor *descriptor = report->links[i].descriptor;

        if (descriptor && summary.geometry.cylinders == 0)
            summary.geometry = vd_descriptor_geometry(descriptor);
        if (descriptor && summary.bios_geometry.cylinders == 0)
            summary.bios_geometry = vd_descriptor_bios_geometry(descriptor);
    }
    return summary;
}

static enum cli_exit info_vmdk(const struct cli_args *args, const struct vd_vmdk_options *options)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_error err = VD_ERROR_INIT;
    const char *path = args->operands[0];
    int r = vd_report_new(path, options, true, &report, &err);

    if (r < 0)
        return cli_fail(&err, r);
    if (cli_given(args, OPT_JSON))
        r = cli_info_json(path, report, &err);
    else
        cli_info_text(path, report);
    if (r == VD_OK && report->problem)
        r = vd_error_set(&err, VD_E_DAMAGED, "%s", report->problem);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

int cli_info_count_data(struct vd_disk *disk, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_runs runs;
    struct vd_run run;
    uint64_t total_sectors = 0;
    int r;

    vd_runs_init(&runs, disk, 0, vd_disk_capacity(disk));
    while ((r = vd_runs_next(&runs, &run, err)) > 0) {
        if (run.kind == VD_RUN_DATA)
            total_sectors += run.length_sectors;
    }
    *ret_bytes = vd_sectors_to_bytes(total_sectors);
    return r;
}

static enum cli_exit info_raw(const struct cli_args *args, const struct vd_source_options *options)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct info_raw raw = {.path = args->operands[0]};
    int r = vd_source_open(raw.path, options, &disk, &err);

    if (r < 0)
        return cli_fail(&err, r);
    raw.capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk));
    r = cli_info_count_data(disk, &raw.allocated_bytes, &err);
    if (r == VD_OK && cli_given(args, OPT_JSON))
        r = cli_info_json_raw(&raw, &err);
    else if (r == VD_OK)
        cli_info_text_raw(&raw);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

enum cli_exit cmd_info(const struct cli_args *args)
{
    struct vd_source_options options = cli_source_options(args);
    struct vd_error err = VD_ERROR_INIT;
    enum vd_source_format format;
    int r;

    if (vd_url_is(args->operands[0]))
        return cli_info_remote(args);
    r = vd_source_detect(args->operands[0], &options, &format, &err);

    if (r < 0)
        return cli_fail(&err, r);
    options.format = format;
    return format == VD_SOURCE_RAW ? info_raw(args, &options) : info_vmdk(args, &options.vmdk);
}
