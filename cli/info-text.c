/* SPDX-License-Identifier: Apache-2.0 */
#include "info.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/size-text.h"
#include "base/units.h"
#include "terminal.h"

/* "10 GiB (10737418240 bytes)", and plain "512 B" where the first form is exact already. */
#define SIZE_BYTES (VD_SIZE_TEXT_BYTES + 32)

static const char *size_text(uint64_t bytes, char out[SIZE_BYTES])
{
    char rounded[VD_SIZE_TEXT_BYTES];

    (void)vd_size_to_text(bytes, rounded);
    if (bytes < VD_KIB)
        (void)snprintf(out, SIZE_BYTES, "%s", rounded);
    else
        (void)snprintf(out, SIZE_BYTES, "%s (%" PRIu64 " bytes)", rounded, bytes);
    return out;
}

/* One fact of the whole disk; nothing when there is none to tell. */
static void fact(const char *name, const char *value)
{
    if (value)
        cli_print(stdout, "%-16s %s\n", name, value);
}

static void fact_size(const char *name, uint64_t bytes)
{
    char text[SIZE_BYTES];

    fact(name, size_text(bytes, text));
}

static void fact_geometry(const char *name, const struct vd_geometry *geometry)
{
    if (geometry->cylinders > 0)
        printf("%-16s %" PRIu32 " cylinders, %" PRIu32 " heads, %" PRIu32 " sectors\n", name,
               geometry->cylinders, geometry->heads, geometry->sectors);
}

static void link_fact(const char *name, const char *value)
{
    if (value)
        cli_print(stdout, "  %-15s %s\n", name, value);
}

static void extent_fact(const char *name, const char *value)
{
    if (value)
        cli_print(stdout, "    %-12s %s\n", name, value);
}

static void extent_size(const char *name, uint64_t bytes)
{
    char text[SIZE_BYTES];

    extent_fact(name, size_text(bytes, text));
}

static void print_flags(const struct vd_extent_facts *facts)
{
    const struct {
        bool set;
        const char *text;
    } flags[] = {
        {facts->compressed, "compressed"},
        {facts->markers, "markers"},
        {facts->redundant_tables, "redundant tables"},
        {facts->zeroed_grains, "zeroed grains"},
        {facts->unclean_shutdown, "not closed cleanly"},
    };
    const char *separator = ": ";

    printf("    %-12s 0x%" PRIx32, "flags", facts->flags);
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++) {
        if (!flags[i].set)
            continue;
        printf("%s%s", separator, flags[i].text);
        separator = ", ";
    }
    putchar('\n');
}

static void print_sparse_facts(const struct vd_extent_facts *facts)
{
    char text[SIZE_BYTES];

    cli_print(stdout, "    %-12s %s version %" PRIu32 "\n", "format",
              facts->format ? facts->format : "?", facts->version);
    printf("    %-12s %s, %" PRIu32 " per table, %" PRIu64 " %s\n", "grains",
           vd_size_to_text(vd_sectors_to_bytes(facts->grain_sectors), text), facts->table_entries,
           facts->num_tables, facts->num_tables == 1 ? "table" : "tables");
    extent_size("overhead", vd_sectors_to_bytes(facts->overhead_sectors));
    print_flags(facts);
}

static void print_extent_file(const struct vd_report_extent *extent)
{
    extent_fact("file", extent->path ? extent->path : extent->line->file);
    if (extent->line->has_offset && extent->line->offset_sectors > 0)
        printf("    %-12s sector %" PRIu64 " of the file\n", "starts at",
               extent->line->offset_sectors);
    if (!extent->opened || !extent->path)
        return;
    extent_size("file size", extent->file_bytes);
    extent_size("on the host", extent->file_allocated_bytes);
}

static void print_extent(size_t index, const struct vd_report_extent *extent)
{
    const struct vd_extent_line *line = extent->line;
    char text[VD_SIZE_TEXT_BYTES];

    printf("  Extent %zu: %s %s, %" PRIu64 " sectors", index, vd_extent_access_text(line->access),
           vd_extent_type_text(line->type), line->sectors);
    if (line->sectors <= VD_MAX_SECTORS)
        printf(" (%s)", vd_size_to_text(vd_sectors_to_bytes(line->sectors), text));
    putchar('\n');
    print_extent_file(extent);
    if (extent->opened && extent->facts.grain_sectors > 0)
        print_sparse_facts(&extent->facts);
    else if (extent->opened)
        extent_fact("format", extent->facts.format);
    if (extent->opened)
        extent_size("data", extent->data_bytes);
    extent_fact("PROBLEM", extent->problem);
}

static void print_descriptor(const struct vd_descriptor *descriptor)
{
    cli_print(stdout, "  %-15s %s (descriptor version %" PRIu32 ")\n", "create type",
              descriptor->create_type, descriptor->version);
    if (descriptor->has_cid)
        printf("  %-15s %08" PRIx32 "%s\n", "content ID", descriptor->cid,
               descriptor->cid == VD_CID_NEVER_WRITTEN ? " (never written)" : "");
    if (descriptor->parent_cid != VD_CID_NONE)
        printf("  %-15s %08" PRIx32 "\n", "parent ID", descriptor->parent_cid);
    link_fact("parent", descriptor->parent_hint);
    if (descriptor->native_snapshot)
        link_fact("snapshot", "native: the storage keeps it, the parent is not consulted");
    link_fact("encoding", descriptor->encoding);
    link_fact("change tracking", descriptor->change_track);
}

static void print_link(size_t depth, const struct vd_report_link *link)
{
    putchar('\n');
    cli_print(stdout, "Link %zu: %s%s\n", depth, link->path,
              link->embedded ? " (descriptor inside)" : "");
    if (link->descriptor)
        print_descriptor(link->descriptor);
    link_fact("PROBLEM", link->problem);
    for (size_t i = 0; i < link->num_extents; i++)
        print_extent(i, &link->extents[i]);
}

void cli_info_text(const char *path, const struct vd_report *report)
{
    struct info_summary summary = cli_info_summary(report);

    fact("Disk", path);
    fact("Type", summary.create_type);
    fact_size("Capacity", vd_sectors_to_bytes(report->capacity_sectors));
    if (report->complete)
        fact_size("Allocated", report->allocated_bytes);
    else
        fact("Allocated", "not known, because parts are missing or broken");
    fact("Adapter", summary.adapter);
    fact_geometry("Geometry", &summary.geometry);
    fact_geometry("BIOS geometry", &summary.bios_geometry);
    fact("UUID", summary.uuid);
    fact("Hardware version", summary.hardware_version);
    fact("Long content ID", summary.long_content_id);
    for (size_t i = 0; i < report->num_links; i++)
        print_link(i, &report->links[i]);
}

void cli_info_text_raw(const struct info_raw *raw)
{
    fact("Disk", raw->path);
    fact("Type", "raw image");
    fact_size("Capacity", raw->capacity_bytes);
    fact_size("Allocated", raw->allocated_bytes);
}
