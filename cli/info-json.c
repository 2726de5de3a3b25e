/* SPDX-License-Identifier: Apache-2.0 */
#include "info.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/units.h"

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

static void json_cid(struct vd_json *json, const char *key, uint32_t cid)
{
    char text[9];

    (void)snprintf(text, sizeof text, "%08" PRIx32, cid);
    vd_json_string(json, key, text);
}

static void json_optional_u64(struct vd_json *json, const char *key, bool known, uint64_t value)
{
    if (known)
        vd_json_u64(json, key, value);
    else
        vd_json_null(json, key);
}

/* What only an extent with grains has. */
static void json_sparse_facts(struct vd_json *json, const struct vd_extent_facts *facts)
{
    vd_json_u64(json, "version", facts->version);
    vd_json_u64(json, "flags", facts->flags);
    vd_json_u64(json, "grainSize", vd_sectors_to_bytes(facts->grain_sectors));
    vd_json_u64(json, "tableEntries", facts->table_entries);
    vd_json_u64(json, "tables", facts->num_tables);
    vd_json_u64(json, "overhead", vd_sectors_to_bytes(facts->overhead_sectors));
    vd_json_bool(json, "compressed", facts->compressed);
    vd_json_bool(json, "markers", facts->markers);
    vd_json_bool(json, "redundantTables", facts->redundant_tables);
    vd_json_bool(json, "zeroedGrains", facts->zeroed_grains);
    vd_json_bool(json, "uncleanShutdown", facts->unclean_shutdown);
}

static void json_extent(struct vd_json *json, size_t index, const struct vd_report_extent *extent)
{
    const struct vd_extent_line *line = extent->line;

    vd_json_object(json, NULL);
    vd_json_u64(json, "index", index);
    vd_json_string(json, "access", vd_extent_access_text(line->access));
    vd_json_string(json, "type", vd_extent_type_text(line->type));
    vd_json_u64(json, "sectors", line->sectors);
    json_optional_u64(json, "offset", line->has_offset, line->offset_sectors);
    vd_json_string(json, "file", line->file);
    vd_json_string(json, "path", extent->path);
    vd_json_string(json, "format", extent->opened ? extent->facts.format : NULL);
    json_optional_u64(json, "fileSize", extent->opened && extent->path, extent->file_bytes);
    json_optional_u64(json, "allocatedOnHost", extent->opened && extent->path,
                      extent->file_allocated_bytes);
    json_optional_u64(json, "data", extent->opened, extent->data_bytes);
    if (extent->opened && extent->facts.grain_sectors > 0)
        json_sparse_facts(json, &extent->facts);
    vd_json_string(json, "problem", extent->problem);
    vd_json_end(json, '}');
}

static void json_descriptor(struct vd_json *json, const struct vd_descriptor *descriptor)
{
    vd_json_u64(json, "version", descriptor->version);
    vd_json_string(json, "encoding", descriptor->encoding);
    vd_json_string(json, "createType", descriptor->create_type);
    if (descriptor->has_cid)
        json_cid(json, "cid", descriptor->cid);
    else
        vd_json_null(json, "cid");
    json_cid(json, "parentCid", descriptor->parent_cid);
    vd_json_string(json, "parentHint", descriptor->parent_hint);
    vd_json_string(json, "changeTracking", descriptor->change_track);
    vd_json_object(json, "ddb");
    for (size_t i = 0; i < descriptor->ddb.count; i++)
        vd_json_string(json, descriptor->ddb.items[i].key, descriptor->ddb.items[i].value);
    vd_json_end(json, '}');
}

static void json_link(struct vd_json *json, size_t depth, const struct vd_report_link *link)
{
    vd_json_object(json, NULL);
    vd_json_u64(json, "depth", depth);
    vd_json_string(json, "path", link->path);
    vd_json_bool(json, "embedded", link->embedded);
    if (link->descriptor)
        json_descriptor(json, link->descriptor);
    vd_json_array(json, "extents");
    for (size_t i = 0; i < link->num_extents; i++)
        json_extent(json, i, &link->extents[i]);
    vd_json_end(json, ']');
    vd_json_string(json, "problem", link->problem);
    vd_json_end(json, '}');
}

int cli_info_json(const char *path, const struct vd_report *report, struct vd_error *err)
{
    struct info_summary summary = cli_info_summary(report);
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", path);
    vd_json_string(&json, "format", "vmdk");
    vd_json_string(&json, "createType", summary.create_type);
    vd_json_u64(&json, "capacity", vd_sectors_to_bytes(report->capacity_sectors));
    json_optional_u64(&json, "allocated", report->complete, report->allocated_bytes);
    vd_json_string(&json, "adapter", summary.adapter);
    json_geometry(&json, "geometry", &summary.geometry);
    json_geometry(&json, "biosGeometry", &summary.bios_geometry);
    vd_json_string(&json, "uuid", summary.uuid);
    vd_json_string(&json, "hardwareVersion", summary.hardware_version);
    vd_json_string(&json, "longContentId", summary.long_content_id);
    vd_json_array(&json, "links");
    for (size_t i = 0; i < report->num_links; i++)
        json_link(&json, i, &report->links[i]);
    vd_json_end(&json, ']');
    vd_json_string(&json, "problem", report->problem);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

int cli_info_json_raw(const struct info_raw *raw, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", raw->path);
    vd_json_string(&json, "format", "raw");
    vd_json_null(&json, "createType");
    vd_json_u64(&json, "capacity", raw->capacity_bytes);
    vd_json_u64(&json, "allocated", raw->allocated_bytes);
    vd_json_null(&json, "adapter");
    vd_json_null(&json, "geometry");
    vd_json_null(&json, "biosGeometry");
    vd_json_null(&json, "uuid");
    vd_json_null(&json, "hardwareVersion");
    vd_json_null(&json, "longContentId");
    vd_json_array(&json, "links");
    vd_json_end(&json, ']');
    vd_json_null(&json, "problem");
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}
