/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/path.h"
#include "base/units.h"
#include "vmdk/ascii.h"
#include "vmdk/check-int.h"
#include "vmdk/descriptor-change.h"
#include "vmdk/descriptor-store.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/repair.h"

#define MAX_HEADS   255u
#define MAX_SECTORS 63u

static void check_cid(struct vd_check_file *file, const struct vd_descriptor *descriptor)
{
    if (!descriptor->has_cid)
        vd_check_fault(file, "cid-missing", VD_CHECK_NOWHERE, false,
                       "'%s': the descriptor has no CID; add the one its children expect as "
                       "parentCID, or any",
                       file->path);
    else if (descriptor->cid == VD_CID_NONE)
        vd_check_fault(file, "cid-none", VD_CHECK_NOWHERE, false,
                       "'%s': the descriptor's CID is ffffffff, which means none; give it another "
                       "one, and its children the same as parentCID",
                       file->path);
    if (descriptor->parent_hint != NULL && descriptor->parent_cid == VD_CID_NONE)
        vd_check_info(file, "parent-hint", VD_CHECK_NOWHERE, false,
                      "'%s': the descriptor names the parent '%s', although its parentCID "
                      "ffffffff says that there is none; qemu opens it all the same",
                      file->path, descriptor->parent_hint);
}

static void check_duplicates(struct vd_check_file *file, const struct vd_descriptor *descriptor)
{
    static const char *const keys[] = {"CID", "parentCID", "createType"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(keys); i++) {
        unsigned count = 0;
        for (size_t j = 0; j < descriptor->header.count; j++)
            count += vd_ascii_equal(descriptor->header.items[j].key, keys[i]);
        if (count > 1)
            vd_check_fault(file, "key-duplicate", VD_CHECK_NOWHERE, false,
                           "'%s': the descriptor has %u lines of '%s', of which programs take "
                           "different ones; remove all but the right one",
                           file->path, count, keys[i]);
    }
}

/* What is no type of ours, but a type. */
static bool is_other_type(const char *name)
{
    static const char *const others[] = {
        "custom",   "fullDevice",       "partitionedDevice",           "vmfsRaw",    "vmfsRDM",
        "vmfsRDMP", "vmfsRawDeviceMap", "vmfsPassthroughRawDeviceMap", "vsanSparse",
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(others); i++) {
        if (vd_ascii_equal(name, others[i]))
            return true;
    }
    return false;
}

static void check_type(struct vd_check_file *file, const struct vd_descriptor *descriptor)
{
    if (vd_descriptor_disk_type(descriptor) == VD_DISK_UNKNOWN &&
        !is_other_type(descriptor->create_type))
        vd_check_info(file, "create-type", VD_CHECK_NOWHERE, false,
                      "'%s': the descriptor's createType '%s' is not known here", file->path,
                      descriptor->create_type);
    if (descriptor->version > 3)
        vd_check_info(file, "descriptor-version", VD_CHECK_NOWHERE, false,
                      "'%s': the descriptor has version %" PRIu32 ", expected 1 to 3", file->path,
                      descriptor->version);
}

static void check_geometry(struct vd_check_file *file, const struct vd_descriptor *descriptor)
{
    struct vd_geometry geometry = vd_descriptor_geometry(descriptor);
    uint64_t sectors = (uint64_t)geometry.cylinders * geometry.heads * geometry.sectors;
    if (geometry.heads == 0 && geometry.cylinders == 0)
        return;
    if (geometry.heads > MAX_HEADS || geometry.sectors > MAX_SECTORS ||
        sectors > descriptor->capacity_sectors)
        vd_check_info(file, "geometry", VD_CHECK_NOWHERE, false,
                      "'%s': the geometry of %" PRIu32 " cylinders, %" PRIu32 " heads, %" PRIu32
                      " sectors does not fit a disk of %" PRIu64 " sectors",
                      file->path, geometry.cylinders, geometry.heads, geometry.sectors,
                      descriptor->capacity_sectors);
}

/* The last 8 digits of the long content ID are the CID. */
static void check_content_id(struct vd_check_file *file, const struct vd_descriptor *descriptor)
{
    const char *id = vd_descriptor_ddb(descriptor, "longContentID");
    size_t length = id != NULL ? strlen(id) : 0;
    char cid[9];
    if (!descriptor->has_cid || length < 8)
        return;
    (void)snprintf(cid, sizeof cid, "%08" PRIx32, descriptor->cid);
    if (!vd_ascii_equal(id + length - 8, cid))
        vd_check_info(file, "long-content-id", VD_CHECK_NOWHERE, false,
                      "'%s': the long content ID '%s' does not end in the CID %s", file->path, id,
                      cid);
}

/* --- change tracking --- */

/* Keeps the text that is there, and puts `text` in its place. */
static int replace_text(const struct vd_check_file *file, const struct vd_descriptor_place *place,
                        const struct vd_buf *text, struct vd_error *err)
{
    struct vd_buf old = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = vd_descriptor_fetch(place, &old, err);
    if (r >= 0)
        r = vd_repair_keep_text(place->fs, file->path, vd_buf_text(&old), old.length, err);
    if (r >= 0)
        r = vd_descriptor_store(place, text, false, err);
    vd_buf_done(&old);
    return r;
}

/* The descriptor without change tracking. 1 when it has its place on the disk (and, where repairs
 * are made, is there), 0 when there is no room for a change that a crash could not tear. */
static int drop_tracking(const struct vd_check_file *file, const struct vd_link *link,
                         struct vd_error *err)
{
    const struct vd_descriptor_place place = {
        .fs = file->run->fs,
        .path = file->path,
        .container = link->embedded ? link->extents[0].block : NULL,
    };
    struct vd_descriptor_place writable = place;
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    if (file->repair != NULL)
        writable.container = vd_repair_block(file->repair);
    int r = vd_descriptor_set_change_track(link->descriptor, NULL, err);
    if (r >= 0)
        r = vd_descriptor_to_text(link->descriptor, &text, err);
    if (r >= 0)
        r = vd_descriptor_store_check(&place, &text, err);
    if (r >= 0 && file->repairing)
        r = replace_text(file, &writable, &text, err);
    vd_buf_done(&text);
    return r == VD_E_TOO_BIG ? 0 : r < 0 ? r : 1;
}

static int check_tracking(struct vd_check_file *file, const struct vd_link *link,
                          struct vd_error *err)
{
    const char *name = link->descriptor->change_track;
    struct vd_fs_stat status;
    if (name == NULL)
        return 0;
    VD_FREE char *folder = vd_path_folder(link->path);
    VD_FREE char *path = folder != NULL ? vd_path_join(folder, name) : NULL;
    if (path == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", file->path);
    /* Where it cannot be looked, nothing is said. */
    if (vd_fs_stat(file->run->fs, path, &status, NULL) < 0 || status.kind != VD_FS_NOTHING)
        return 0;
    int dropped = drop_tracking(file, link, err);
    if (dropped < 0)
        return dropped;
    vd_check_fault(file, "change-track-missing", VD_CHECK_NOWHERE, dropped > 0,
                   "'%s': the change tracking file '%s' is not there%s", file->path, path,
                   dropped > 0 ? ""
                               : "; the area of the descriptor has no room to remove its line so "
                                 "that a crash could not tear it, convert the disk");
    return 0;
}

/* --- embedded --- */

static int check_padding(struct vd_check_file *file, const struct vd_link *link,
                         struct vd_error *err)
{
    struct vd_kdmv_header header;
    if (!link->embedded || vd_kdmv_header_read(link->extents[0].block, &header, NULL) < 0)
        return 0;
    uint64_t start = vd_sectors_to_bytes(header.descriptor_offset_sectors);
    size_t length = (size_t)VD_MIN(vd_sectors_to_bytes(header.descriptor_sectors),
                                   (uint64_t)VD_DESCRIPTOR_MAX_BYTES);
    VD_FREE char *area = malloc(length + 1);
    size_t done;
    if (area == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", file->path);
    int r = vd_block_read_some(link->extents[0].block, start, area, length, &done, err);
    if (r < 0)
        return r;
    area[done] = '\0';
    size_t text = strlen(area);
    if (text < done && !vd_bytes_all_zero(area + text, done - text))
        vd_check_info(file, "descriptor-padding", start + text, false,
                      "'%s': the embedded descriptor is not followed by zeros up to the end of its "
                      "area",
                      file->path);
    return 0;
}

int vd_check_descriptor(struct vd_check_file *file, const struct vd_link *link,
                        struct vd_error *err)
{
    const struct vd_descriptor *descriptor = link->descriptor;
    check_cid(file, descriptor);
    check_duplicates(file, descriptor);
    check_type(file, descriptor);
    check_geometry(file, descriptor);
    check_content_id(file, descriptor);
    int r = check_padding(file, link, err);
    return r < 0 ? r : check_tracking(file, link, err);
}
