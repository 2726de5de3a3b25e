/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be made, and whether it can be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/size-text.h"
#include "base/units.h"
#include "vmdk/cowd-header.h"
#include "vmdk/create-int.h"
#include "vmdk/descriptor-new.h"

/* Pieces of split disks, as older VMware products cut them: 2047 MiB, and 2047.75 MiB where the
 * piece has no tables. With its tables no file reaches 2 GiB. */
#define SPLIT_SPARSE_SECTORS 4192256u
#define SPLIT_FLAT_SECTORS   4193792u
/* Hosted readers take grains from 4 KiB; 1 MiB is the largest that all take. */
#define KDMV_MIN_GRAIN 8u
#define KDMV_MAX_GRAIN 2048u
#define NUMBER_BYTES   40 /* 20 digits and a word */

#define LARGEST        "the largest virtual disk there is (62 TiB)"

static const struct vd_create_kind kinds[] = {
    {.type = VD_DISK_MONOLITHIC_SPARSE,
     .extent_type = VD_EXTENT_SPARSE,
     .default_grain = 128,
     .min_grain = KDMV_MIN_GRAIN,
     .max_grain = KDMV_MAX_GRAIN,
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .may_have_parent = true,
     .zeroed_grains = true,
     .make = vd_create_kdmv},
    {.type = VD_DISK_SPLIT_SPARSE,
     .extent_type = VD_EXTENT_SPARSE,
     .suffix = "-s",
     .split_sectors = SPLIT_SPARSE_SECTORS,
     .default_grain = 128,
     .min_grain = KDMV_MIN_GRAIN,
     .max_grain = KDMV_MAX_GRAIN,
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .may_have_parent = true,
     .zeroed_grains = true,
     .make = vd_create_kdmv},
    {.type = VD_DISK_MONOLITHIC_FLAT,
     .extent_type = VD_EXTENT_FLAT,
     .suffix = "-flat",
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .make = vd_create_flat},
    {.type = VD_DISK_SPLIT_FLAT,
     .extent_type = VD_EXTENT_FLAT,
     .suffix = "-f",
     .split_sectors = SPLIT_FLAT_SECTORS,
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .make = vd_create_flat},
    {.type = VD_DISK_STREAM_OPTIMIZED,
     .extent_type = VD_EXTENT_SPARSE,
     .default_grain = 128,
     .min_grain = 128,
     .max_grain = 128,
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .make = vd_create_stream},
    {.type = VD_DISK_VMFS_FLAT,
     .extent_type = VD_EXTENT_VMFS,
     .suffix = "-flat",
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .make = vd_create_flat},
    {.type = VD_DISK_VMFS_THIN,
     .extent_type = VD_EXTENT_VMFS,
     .suffix = "-flat",
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .make = vd_create_flat_thin},
    {.type = VD_DISK_VMFS_SPARSE,
     .extent_type = VD_EXTENT_VMFSSPARSE,
     .suffix = "-delta",
     .default_grain = 1,
     .min_grain = 1,
     .max_grain = VD_COWD_MAX_GRAIN_SECTORS,
     .max_sectors = UINT32_MAX,
     .max_reason = "because its format counts sectors in 32 bits (2 TiB)",
     .may_have_parent = true,
     .make = vd_create_cowd},
    {.type = VD_DISK_SE_SPARSE,
     .extent_type = VD_EXTENT_SESPARSE,
     .suffix = "-sesparse",
     .default_grain = 8,
     .min_grain = 8,
     .max_grain = 8,
     .max_sectors = VD_CREATE_MAX_SECTORS,
     .max_reason = LARGEST,
     .may_have_parent = true,
     .make = vd_create_sesparse},
};

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

static const char *type_name(const struct vd_create *create)
{
    return create->params->type == VD_DISK_VMFS_THIN ? "vmfsThin"
                                                     : vd_disk_type_text(create->params->type);
}

static const struct vd_create_kind *kind_of(enum vd_disk_type type)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(kinds); i++) {
        if (kinds[i].type == type)
            return &kinds[i];
    }
    return NULL;
}

uint64_t vd_vmdk_max_sectors(enum vd_disk_type type)
{
    const struct vd_create_kind *kind = kind_of(type);

    return kind != NULL ? kind->max_sectors : VD_MAX_SECTORS;
}

static int find_kind(struct vd_create *create, struct vd_error *err)
{
    create->kind = kind_of(create->params->type);
    if (create->kind != NULL)
        return 0;
    return vd_error_set(err, VD_E_NOT_SUPPORTED, "disks of type %s are not made",
                        type_name(create));
}

static int check_grain(struct vd_create *create, struct vd_error *err)
{
    const struct vd_create_kind *kind = create->kind;
    uint64_t grain = create->params->grain_sectors;
    if (grain == 0)
        grain = kind->default_grain;
    else if (kind->default_grain == 0)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a grain of %" PRIu64 " sectors was asked for, a %s disk has no grains",
                            grain, type_name(create));
    else if (!vd_is_power_of_two(grain) || grain < kind->min_grain || grain > kind->max_grain)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a grain of %" PRIu64 " sectors was asked for, expected a power of two "
                            "from %" PRIu64 " to %" PRIu64 " in a %s disk",
                            grain, kind->min_grain, kind->max_grain, type_name(create));
    create->grain_sectors = grain;
    return 0;
}

static int check_sector_size(const char *which, uint32_t bytes, struct vd_error *err)
{
    if (bytes == 0 || bytes == 512 || bytes == 4096)
        return 0;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "a %s sector of %" PRIu32 " bytes was asked for, expected 512 or 4096",
                        which, bytes);
}

static int check_options(struct vd_create *create, struct vd_error *err)
{
    const struct vd_vmdk_create_params *params = create->params;
    if (params->zeroed_grains && !create->kind->zeroed_grains)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "zeroed grains were asked for, which only hosted sparse disks can have "
                            "or not, not %s",
                            type_name(create));
    if (params->parent_path != NULL && !create->kind->may_have_parent)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a child of '%s' was asked for, a %s disk holds everything itself and "
                            "has no parent",
                            params->parent_path, type_name(create));
    int r = check_sector_size("logical", params->logical_sector_bytes, err);
    if (r >= 0)
        r = check_sector_size("physical", params->physical_sector_bytes, err);
    return r < 0 ? r : check_grain(create, err);
}

static int check_capacity(const struct vd_create *create, struct vd_error *err)
{
    char size[VD_SIZE_TEXT_BYTES];
    uint64_t sectors = create->capacity_sectors;
    if (sectors == 0)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a capacity of 0 was asked for, expected at least 1 sector");
    if (sectors <= create->kind->max_sectors)
        return 0;
    if (sectors > VD_MAX_SECTORS)
        (void)snprintf(size, sizeof size, "%" PRIu64 " sectors", sectors);
    else
        (void)vd_size_to_text(vd_sectors_to_bytes(sectors), size);
    return vd_error_set(
        err, VD_E_TOO_BIG,
        "a capacity of %s was asked for, a %s disk has at most %" PRIu64 " sectors, %s", size,
        type_name(create), create->kind->max_sectors, create->kind->max_reason);
}

static int settle_capacity(struct vd_create *create, const struct vd_create_parent *parent,
                           struct vd_error *err)
{
    uint64_t wanted = create->params->capacity_sectors;
    if (create->params->parent_path == NULL) {
        create->capacity_sectors = wanted;
        return check_capacity(create, err);
    }
    if (wanted != 0 && wanted != parent->capacity_sectors)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a capacity of %" PRIu64 " sectors was asked for, expected the %" PRIu64
                            " of its parent '%s'",
                            wanted, parent->capacity_sectors, create->params->parent_path);
    create->capacity_sectors = parent->capacity_sectors;
    return check_capacity(create, err);
}

static int name_files(struct vd_create *create, struct vd_error *err)
{
    const char *path = create->path;
    size_t length = strlen(path);
    if (vd_path_name(path)[0] == '\0')
        return vd_error_set(err, VD_E_NAME_INVALID, "this is no name of a file");
    if (vd_path_has_suffix(path, ".vmdk"))
        length -= strlen(".vmdk");
    create->folder = vd_path_folder(path);
    create->stem = strndup(path, length);
    if (create->folder == NULL || create->stem == NULL)
        return no_memory(err);
    uint64_t split = create->kind->split_sectors;
    if (create->kind->suffix == NULL)
        create->num_extents = 0;
    else
        create->num_extents = split == 0 ? 1 : vd_div_up(create->capacity_sectors, split);
    return 0;
}

char *vd_create_extent_path(const struct vd_create *create, uint64_t index)
{
    char number[NUMBER_BYTES] = "";
    char *path = NULL;
    if (create->kind->split_sectors != 0)
        (void)snprintf(number, sizeof number, "%03" PRIu64, index + 1);
    return asprintf(&path, "%s%s%s.vmdk", create->stem, create->kind->suffix, number) < 0 ? NULL
                                                                                          : path;
}

uint64_t vd_create_extent_sectors(const struct vd_create *create, uint64_t index)
{
    uint64_t split = create->kind->split_sectors;
    if (split == 0)
        return create->capacity_sectors;
    return VD_MIN(create->capacity_sectors - index * split, split);
}

static int add_extents(const struct vd_create *create, struct vd_descriptor *descriptor,
                       struct vd_error *err)
{
    enum vd_extent_type type = create->kind->extent_type;
    if (create->num_extents == 0)
        return vd_descriptor_add_extent(descriptor, type, create->capacity_sectors,
                                        vd_path_name(create->path), err);
    for (uint64_t i = 0; i < create->num_extents; i++) {
        VD_FREE char *path = vd_create_extent_path(create, i);
        if (path == NULL)
            return no_memory(err);
        int r = vd_descriptor_add_extent(descriptor, type, vd_create_extent_sectors(create, i),
                                         vd_path_name(path), err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The parent's adapter goes with the geometry that was computed for it. */
static int settle_adapter(const struct vd_create *create, const struct vd_create_parent *parent,
                          struct vd_descriptor_recipe *recipe, struct vd_error *err)
{
    if (create->params->adapter != NULL || parent->adapter == NULL)
        return vd_adapter_parse(create->params->adapter, &recipe->adapter, err);
    recipe->adapter = parent->adapter;
    recipe->geometry = parent->geometry;
    return 0;
}

static int write_text(struct vd_create *create, const struct vd_create_parent *parent,
                      struct vd_error *err)
{
    const struct vd_vmdk_create_params *params = create->params;
    struct vd_descriptor_recipe recipe = {
        .create_type = vd_disk_type_text(params->type),
        .capacity_sectors = create->capacity_sectors,
        .hw_version = params->hw_version != 0 ? params->hw_version : parent->hw_version,
        .logical_sector_bytes = params->logical_sector_bytes,
        .physical_sector_bytes = params->physical_sector_bytes,
        .thin = params->type == VD_DISK_VMFS_THIN,
        .parent_hint = parent->hint,
        .parent_cid = parent->cid,
    };
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    int r = settle_adapter(create, parent, &recipe, err);
    if (r >= 0)
        r = vd_descriptor_new(&recipe, &descriptor, err);
    if (r >= 0)
        r = add_extents(create, descriptor, err);
    return r < 0 ? r : vd_descriptor_to_text(descriptor, &create->text, err);
}

int vd_create_plan(struct vd_create *create, struct vd_error *err)
{
    struct vd_create_parent parent = {0};
    int r = find_kind(create, err);
    if (r >= 0)
        r = check_options(create, err);
    if (r >= 0 && create->params->parent_path != NULL)
        r = vd_create_parent_read(create, &parent, err);
    if (r >= 0)
        r = settle_capacity(create, &parent, err);
    if (r >= 0)
        r = name_files(create, err);
    if (r >= 0)
        r = write_text(create, &parent, err);
    vd_create_parent_done(&parent);
    return r;
}
