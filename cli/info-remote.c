/* SPDX-License-Identifier: Apache-2.0 */
/* What can be told of a disk on another machine: what its host says, not how its files look. */
#include <inttypes.h>

#include "base/json.h"
#include "base/size-text.h"
#include "base/units.h"
#include "disk-open.h"
#include "info.h"
#include "terminal.h"

struct remote {
    const char *url;
    struct vd_disk *disk;
    struct vd_disk_info info;
    uint64_t allocated_bytes;
};

static void fact(const char *name, const char *value)
{
    if (value)
        cli_print(stdout, "%-16s %s\n", name, value);
}

static void fact_size(const char *name, uint64_t bytes)
{
    char text[VD_SIZE_TEXT_BYTES];

    printf("%-16s %s (%" PRIu64 " bytes)\n", name, vd_size_to_text(bytes, text), bytes);
}

static void print_text(const struct remote *remote)
{
    const struct vd_geometry *geometry = &remote->info.geometry;

    fact("Disk", remote->url);
    fact("File", vd_disk_path(remote->disk));
    fact("Transport", remote->info.transport);
    fact_size("Capacity", vd_sectors_to_bytes(remote->info.capacity_sectors));
    fact_size("Allocated", remote->allocated_bytes);
    fact("Adapter", vd_disk_meta_get(remote->disk, "adapterType"));
    if (geometry->cylinders > 0)
        printf("%-16s %" PRIu32 " cylinders, %" PRIu32 " heads, %" PRIu32 " sectors\n", "Geometry",
               geometry->cylinders, geometry->heads, geometry->sectors);
    fact("UUID", vd_disk_meta_get(remote->disk, "uuid"));
    fact("Hardware version", vd_disk_meta_get(remote->disk, "virtualHWVersion"));
    fact("Long content ID", vd_disk_meta_get(remote->disk, "longContentID"));
    if (remote->info.num_links > 0)
        printf("%-16s %" PRIu32 "\n", "Links", remote->info.num_links);
}

static void json_geometry(struct vd_json *json, const char *key, const struct vd_geometry *geometry)
{
    if (geometry->cylinders == 0) {
        vd_json_null(json, key);
        return;
    }
    vd_json_object(json, key);
    vd_json_u64(json, "cylinders", geometry->cylinders);
    vd_json_u64(json, "heads", geometry->heads);
    vd_json_u64(json, "sectors", geometry->sectors);
    vd_json_end(json, '}');
}

/* The members of a local disk's answer that can be known, and three more. */
static int print_json(const struct remote *remote, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", remote->url);
    vd_json_string(&json, "format", "vmdk");
    vd_json_null(&json, "createType");
    vd_json_u64(&json, "capacity", vd_sectors_to_bytes(remote->info.capacity_sectors));
    vd_json_u64(&json, "allocated", remote->allocated_bytes);
    vd_json_string(&json, "adapter", vd_disk_meta_get(remote->disk, "adapterType"));
    json_geometry(&json, "geometry", &remote->info.geometry);
    json_geometry(&json, "biosGeometry", &remote->info.bios_geometry);
    vd_json_string(&json, "uuid", vd_disk_meta_get(remote->disk, "uuid"));
    vd_json_string(&json, "hardwareVersion", vd_disk_meta_get(remote->disk, "virtualHWVersion"));
    vd_json_string(&json, "longContentId", vd_disk_meta_get(remote->disk, "longContentID"));
    vd_json_string(&json, "file", vd_disk_path(remote->disk));
    vd_json_string(&json, "transport", remote->info.transport);
    vd_json_u64(&json, "numLinks", remote->info.num_links);
    vd_json_array(&json, "links");
    vd_json_end(&json, ']');
    vd_json_null(&json, "problem");
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

enum cli_exit cli_info_remote(const struct cli_args *args)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct remote remote = {.url = args->operands[0]};
    int r = cli_disk_open(args, remote.url, &disk, &err);

    if (r < 0)
        return cli_fail(&err, r);
    remote.disk = disk;
    vd_disk_info(disk, &remote.info);
    r = cli_info_count_data(disk, &remote.allocated_bytes, &err);
    if (r == VD_OK && cli_given(args, OPT_JSON))
        r = print_json(&remote, &err);
    else if (r == VD_OK)
        print_text(&remote);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}
