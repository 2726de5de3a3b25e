/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VMware writes into the descriptor of a new disk (descriptors of ESXi and Workstation), as
 * far as it is known at that time: nothing about a guest's tools but that they are not managed.
 */
#include "vmdk/descriptor-new.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "vmdk/ascii.h"
#include "vmdk/geometry.h"
#include "vmdk/identity.h"

#define NUMBER_BYTES  24
#define FIRST_EXTENTS 4u

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a new descriptor");
}

static int set_text(char **field, const char *text, struct vd_error *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return no_memory(err);
    free(*field);
    *field = copy;
    return 0;
}

static int add_entry(struct vd_descriptor_entries *entries, const char *key, const char *value,
                     struct vd_error *err)
{
    struct vd_descriptor_entry *items =
        realloc(entries->items, (entries->count + 1) * sizeof *items);
    if (items == NULL)
        return no_memory(err);
    entries->items = items;
    struct vd_descriptor_entry *item = &items[entries->count];
    *item = (struct vd_descriptor_entry){strdup(key), strdup(value), true};
    if (item->key == NULL || item->value == NULL) {
        free(item->key);
        free(item->value);
        return no_memory(err);
    }
    entries->count++;
    return 0;
}

static int set_entry(struct vd_descriptor_entries *entries, const char *key, const char *value,
                     struct vd_error *err)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (vd_ascii_equal(entries->items[i].key, key))
            return set_text(&entries->items[i].value, value, err);
    }
    return add_entry(entries, key, value, err);
}

static int set_number(struct vd_descriptor *descriptor, const char *key, uint64_t number,
                      struct vd_error *err)
{
    char text[NUMBER_BYTES];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return set_entry(&descriptor->ddb, key, text, err);
}

static int put_geometry(struct vd_descriptor *descriptor, const struct vd_descriptor_recipe *recipe,
                        struct vd_error *err)
{
    struct vd_geometry usual = recipe->geometry;
    struct vd_geometry bios = recipe->bios_geometry;
    if (usual.cylinders == 0 || usual.heads == 0 || usual.sectors == 0)
        usual = vd_geometry_for(recipe->capacity_sectors, vd_descriptor_adapter(recipe->adapter));
    const struct {
        const char *key;
        uint32_t number;
    } lines[] = {
        {"geometry.biosCylinders", bios.cylinders},
        {"geometry.biosHeads", bios.heads},
        {"geometry.biosSectors", bios.sectors},
        {"geometry.cylinders", usual.cylinders},
        {"geometry.heads", usual.heads},
        {"geometry.sectors", usual.sectors},
    };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < VD_ARRAY_SIZE(lines); i++) {
        if (lines[i].number != 0)
            r = set_number(descriptor, lines[i].key, lines[i].number, err);
    }
    return r;
}

static int put_sector_sizes(struct vd_descriptor *descriptor,
                            const struct vd_descriptor_recipe *recipe, struct vd_error *err)
{
    int r = 0;
    if (recipe->logical_sector_bytes > 512)
        r = set_number(descriptor, "logicalSectorSize", recipe->logical_sector_bytes, err);
    if (r >= 0 && recipe->physical_sector_bytes > 512)
        r = set_number(descriptor, "physicalSectorSize", recipe->physical_sector_bytes, err);
    return r;
}

static int put_identity(struct vd_descriptor *descriptor, const struct vd_descriptor_recipe *recipe,
                        struct vd_error *err)
{
    char content[VD_LONG_CONTENT_ID_BYTES];
    char uuid[VD_DISK_UUID_BYTES];
    int r = vd_long_content_id_new(descriptor->cid, content, err);
    if (r >= 0)
        r = set_entry(&descriptor->ddb, "longContentID", content, err);
    if (r < 0 || recipe->parent_hint != NULL)
        return r;
    r = vd_disk_uuid_new(uuid, err);
    return r < 0 ? r : set_entry(&descriptor->ddb, "uuid", uuid, err);
}

static int put_given(struct vd_descriptor *descriptor, const char *const *ddb, struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && ddb != NULL && ddb[i] != NULL; i += 2)
        r = set_entry(&descriptor->ddb, ddb[i], ddb[i + 1], err);
    return r;
}

static int compare_keys(const void *a, const void *b)
{
    const struct vd_descriptor_entry *left = a;
    const struct vd_descriptor_entry *right = b;
    return strcmp(left->key, right->key);
}

/* VMware's are sorted. */
static int put_ddb(struct vd_descriptor *descriptor, const struct vd_descriptor_recipe *recipe,
                   struct vd_error *err)
{
    uint32_t hw_version = recipe->hw_version != 0 ? recipe->hw_version : VD_DEFAULT_HW_VERSION;
    int r = set_entry(&descriptor->ddb, "adapterType", recipe->adapter, err);
    if (r >= 0)
        r = put_geometry(descriptor, recipe, err);
    if (r >= 0)
        r = put_sector_sizes(descriptor, recipe, err);
    if (r >= 0)
        r = put_identity(descriptor, recipe, err);
    if (r >= 0 && recipe->thin)
        r = set_entry(&descriptor->ddb, "thinProvisioned", "1", err);
    if (r >= 0 && recipe->parent_hint == NULL)
        r = set_entry(&descriptor->ddb, "toolsVersion", "2147483647", err);
    if (r >= 0)
        r = set_number(descriptor, "virtualHWVersion", hw_version, err);
    if (r >= 0)
        r = put_given(descriptor, recipe->ddb, err);
    if (r >= 0)
        qsort(descriptor->ddb.items, descriptor->ddb.count, sizeof *descriptor->ddb.items,
              compare_keys);
    return r;
}

static int put_header(struct vd_descriptor *descriptor, const struct vd_descriptor_recipe *recipe,
                      struct vd_error *err)
{
    int r = vd_cid_new(&descriptor->cid, err);
    if (r >= 0)
        r = set_text(&descriptor->encoding, "UTF-8", err);
    if (r >= 0)
        r = set_text(&descriptor->create_type, recipe->create_type, err);
    if (r >= 0)
        r = add_entry(&descriptor->header, "isNativeSnapshot", "no", err);
    if (r >= 0 && recipe->parent_hint != NULL) {
        descriptor->parent_cid = recipe->parent_cid;
        r = set_text(&descriptor->parent_hint, recipe->parent_hint, err);
    }
    return r;
}

int vd_descriptor_new(const struct vd_descriptor_recipe *recipe, struct vd_descriptor **ret,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_descriptor_free_cleanup)
    struct vd_descriptor *descriptor = calloc(1, sizeof *descriptor);
    if (descriptor == NULL)
        return no_memory(err);
    descriptor->version = 1;
    descriptor->parent_cid = VD_CID_NONE;
    descriptor->has_cid = true;
    descriptor->has_parent_cid = true;
    int r = put_header(descriptor, recipe, err);
    if (r >= 0)
        r = put_ddb(descriptor, recipe, err);
    if (r >= 0)
        *ret = VD_TAKE_PTR(descriptor);
    return r;
}

/* Grows at 4, 8, 16, ... */
static bool has_room(const struct vd_descriptor *descriptor)
{
    size_t count = descriptor->num_extents;
    return count != 0 && (count < FIRST_EXTENTS || !vd_is_power_of_two(count));
}

static int make_room(struct vd_descriptor *descriptor, struct vd_error *err)
{
    if (has_room(descriptor))
        return 0;
    size_t wanted = VD_MAX(descriptor->num_extents * 2, FIRST_EXTENTS);
    struct vd_extent_line *extents = realloc(descriptor->extents, wanted * sizeof *extents);
    if (extents == NULL)
        return no_memory(err);
    descriptor->extents = extents;
    return 0;
}

int vd_descriptor_add_extent(struct vd_descriptor *descriptor, enum vd_extent_type type,
                             uint64_t sectors, const char *file, struct vd_error *err)
{
    int r = make_room(descriptor, err);
    if (r < 0)
        return r;
    char *copy = strdup(file);
    if (copy == NULL)
        return no_memory(err);
    /* qemu wants an offset of FLAT, and none of any other type. */
    descriptor->extents[descriptor->num_extents++] =
        (struct vd_extent_line){.access = VD_ACCESS_RW,
                                .type = type,
                                .sectors = sectors,
                                .file = copy,
                                .has_offset = type == VD_EXTENT_FLAT};
    descriptor->capacity_sectors += sectors;
    return 0;
}

int vd_adapter_parse(const char *text, const char **ret, struct vd_error *err)
{
    static const char *const adapters[] = {VD_DEFAULT_ADAPTER, "ide",    "buslogic",
                                           "lsisas1068",       "pvscsi", "legacyESX"};
    if (text == NULL) {
        *ret = VD_DEFAULT_ADAPTER;
        return 0;
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(adapters); i++) {
        if (vd_ascii_equal(adapters[i], text)) {
            *ret = adapters[i];
            return 0;
        }
    }
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "there is no adapter '%s', expected ide, buslogic, lsilogic, lsisas1068, "
                        "pvscsi or legacyESX",
                        text);
}
