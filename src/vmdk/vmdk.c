/* SPDX-License-Identifier: Apache-2.0 */
/* A chain as a vd_disk: requests go to the mover, questions to the descriptors. */
#include "vmdk/vmdk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/ascii.h"
#include "vmdk/chain.h"
#include "vmdk/mover.h"

struct vmdk_disk {
    struct vd_disk base;
    struct vd_chain *chain;
    struct vd_mover *mover;
    const char **keys; /* of the leaf's disk database, each once, in its order */
    size_t num_keys;
};

static struct vmdk_disk *disk_of(struct vd_disk *self)
{
    return (struct vmdk_disk *)self;
}

static int vmdk_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     void *buffer, struct vd_error *err)
{
    return vd_mover_read(disk_of(self)->mover, start_sectors, count_sectors, buffer, err);
}

static int vmdk_flush(struct vd_disk *self, struct vd_error *err)
{
    (void)self; /* nothing is ever written */
    (void)err;
    return 0;
}

static int vmdk_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                    struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    return vd_mover_map(disk_of(self)->mover, start_sectors, count_sectors, runs, max_runs,
                        ret_runs, err);
}

/* A child often has no geometry of its own: the nearest link that states one counts. */
static struct vd_geometry chain_geometry(const struct vd_chain *chain,
                                         struct vd_geometry (*of)(const struct vd_descriptor *))
{
    struct vd_geometry geometry = {0};
    for (size_t i = 0; i < chain->num_links && geometry.heads == 0; i++)
        geometry = of(chain->links[i]->descriptor);
    return geometry;
}

/* 512 unless the disk database says 4096. */
static uint32_t sector_bytes(const struct vd_chain *chain, const char *key)
{
    const char *value = vd_chain_ddb(chain, key);
    return value != NULL && strcmp(value, "4096") == 0 ? 4096 : VD_SECTOR_BYTES;
}

static uint32_t leaf_grain_sectors(const struct vd_link *leaf)
{
    for (size_t i = 0; i < leaf->num_extents; i++) {
        uint64_t grain_sectors = leaf->extents[i].extent->grain_sectors;
        if (grain_sectors != 0)
            return (uint32_t)VD_MIN(grain_sectors, (uint64_t)UINT32_MAX);
    }
    return 0;
}

static void vmdk_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    const struct vd_chain *chain = disk_of(self)->chain;
    const struct vd_link *leaf = chain->links[0];
    *ret = (struct vd_disk_info){
        .capacity_sectors = leaf->capacity_sectors,
        .type = vd_descriptor_disk_type(leaf->descriptor),
        .adapter = vd_descriptor_adapter(vd_chain_ddb(chain, "adapterType")),
        .geometry = chain_geometry(chain, vd_descriptor_geometry),
        .bios_geometry = chain_geometry(chain, vd_descriptor_bios_geometry),
        .num_links = (uint32_t)chain->num_links,
        .parent_hint =
            vd_descriptor_has_parent(leaf->descriptor) ? leaf->descriptor->parent_hint : NULL,
        .uuid = vd_chain_ddb(chain, "uuid"),
        .logical_sector_bytes = sector_bytes(chain, "logicalSectorSize"),
        .physical_sector_bytes = sector_bytes(chain, "physicalSectorSize"),
        .grain_sectors = leaf_grain_sectors(leaf),
        .transport = "file",
        .read_only = true,
    };
}

static const char *vmdk_meta_get(struct vd_disk *self, const char *key)
{
    return vd_chain_ddb(disk_of(self)->chain, key);
}

static const char *vmdk_meta_key(struct vd_disk *self, size_t index)
{
    const struct vmdk_disk *disk = disk_of(self);
    return index < disk->num_keys ? disk->keys[index] : NULL;
}

static void free_parts(struct vmdk_disk *disk)
{
    vd_mover_free(disk->mover);
    vd_chain_free(disk->chain);
    free(disk->keys);
    free(disk);
}

static int vmdk_close(struct vd_disk *self, struct vd_error *err)
{
    (void)err; /* nothing was written */
    free_parts(disk_of(self));
    return 0;
}

static const struct vd_disk_ops vmdk_ops = {
    .name = "vmdk",
    .read = vmdk_read,
    .flush = vmdk_flush,
    .map = vmdk_map,
    .info = vmdk_info,
    .meta_get = vmdk_meta_get,
    .meta_key = vmdk_meta_key,
    .close = vmdk_close,
};

static bool has_key(const struct vmdk_disk *disk, const char *key)
{
    for (size_t i = 0; i < disk->num_keys; i++) {
        if (vd_ascii_equal(disk->keys[i], key))
            return true;
    }
    return false;
}

/* At most VD_DESCRIPTOR_MAX_ENTRIES, so that comparing each with each stays cheap. */
static int list_keys(struct vmdk_disk *disk, struct vd_error *err)
{
    const struct vd_descriptor_entries *ddb = &disk->chain->links[0]->descriptor->ddb;
    disk->keys = calloc(ddb->count + 1, sizeof *disk->keys);
    if (disk->keys == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'",
                            disk->chain->links[0]->path);
    for (size_t i = 0; i < ddb->count; i++) {
        if (!has_key(disk, ddb->items[i].key))
            disk->keys[disk->num_keys++] = ddb->items[i].key;
    }
    return 0;
}

/* In the form of VMware's own log, which programs search. No floating point: its text would depend
 * on the program's locale. */
static void log_opened(const struct vd_chain *chain, const struct vd_vmdk_options *options)
{
    for (size_t i = 0; i < chain->num_links; i++) {
        const struct vd_link *link = chain->links[i];
        uint64_t bytes = vd_sectors_to_bytes(link->capacity_sectors);
        bool large = bytes >= VD_GIB;
        vd_log(options->log, VD_LOG_INFO,
               "DISKLIB-LINK  : Opened '%s' (0x%x): %s, %" PRIu64 " sectors / %" PRIu64 " %s.",
               link->path, options->flags, link->descriptor->create_type, link->capacity_sectors,
               bytes / (large ? VD_GIB : VD_MIB), large ? "GB" : "MB");
    }
}

static int build(struct vmdk_disk *disk, const char *path, const struct vd_vmdk_options *options,
                 struct vd_error *err)
{
    int r = vd_chain_open(path, options, &disk->chain, err);
    if (r < 0)
        return r;
    const struct vd_chain *chain = disk->chain;
    r = list_keys(disk, err);
    if (r >= 0)
        r = vd_mover_new(chain->links, chain->num_links, chain->missing_parent, &disk->mover, err);
    if (r < 0)
        return r;
    disk->base.path = strdup(path);
    if (disk->base.path == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", path);
    disk->base.ops = &vmdk_ops;
    disk->base.capacity_sectors = chain->links[0]->capacity_sectors;
    disk->base.read_only = true;
    return 0;
}

int vd_vmdk_open(const char *path, const struct vd_vmdk_options *options, struct vd_disk **ret,
                 struct vd_error *err)
{
    static const struct vd_vmdk_options defaults = {0};
    if (options == NULL)
        options = &defaults;
    struct vmdk_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", path);
    int r = build(disk, path, options, err);
    if (r < 0) {
        free_parts(disk);
        return r;
    }
    log_opened(disk->chain, options);
    *ret = &disk->base;
    return 0;
}
