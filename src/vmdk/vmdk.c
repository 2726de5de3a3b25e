/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain as a vd_disk: requests go to the mover, questions to the descriptors.
 *
 * Before the first write is carried out the leaf gets a new content ID, durably, so that no crash
 * leaves changed data under the old one. Where the descriptor is inside the extent, both have parts
 * in one sector, the header: the extent is then marked as open for writing under the same lock, and
 * nobody writes the header later but who holds it, and the end.
 */
#include "vmdk/vmdk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/vmdk-int.h"

static int vmdk_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     void *buffer, struct vd_error *err)
{
    return vd_mover_read(vmdk_disk_of(self)->mover, start_sectors, count_sectors, buffer, err);
}

static int first_write_locked(struct vmdk_disk *disk, struct vd_error *err)
{
    if (disk->writing)
        return 0;
    int r = vd_leaf_new_content(disk->leaf, err);
    if (r >= 0 && disk->chain->links[0]->embedded)
        r = vd_mover_begin_write(disk->mover, err);
    if (r >= 0)
        atomic_store_explicit(&disk->writing, true, memory_order_release);
    return r;
}

static int first_write(struct vmdk_disk *disk, struct vd_error *err)
{
    if (atomic_load_explicit(&disk->writing, memory_order_acquire))
        return 0;
    (void)pthread_mutex_lock(&disk->change_lock);
    int r = first_write_locked(disk, err);
    (void)pthread_mutex_unlock(&disk->change_lock);
    return r;
}

static int vmdk_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                      const void *buffer, struct vd_error *err)
{
    struct vmdk_disk *disk = vmdk_disk_of(self);
    int r = first_write(disk, err);
    return r < 0 ? r : vd_mover_write(disk->mover, start_sectors, count_sectors, buffer, err);
}

static int vmdk_punch(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                      struct vd_error *err)
{
    struct vmdk_disk *disk = vmdk_disk_of(self);
    int r = first_write(disk, err);
    return r < 0 ? r : vd_mover_punch(disk->mover, start_sectors, count_sectors, err);
}

static int vmdk_flush(struct vd_disk *self, struct vd_error *err)
{
    return self->read_only ? 0 : vd_mover_flush(vmdk_disk_of(self)->mover, err);
}

static int vmdk_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                    struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    return vd_mover_map(vmdk_disk_of(self)->mover, start_sectors, count_sectors, runs, max_runs,
                        ret_runs, err);
}

/* A child often has no geometry of its own: the nearest link that states one counts. */
static struct vd_geometry disk_geometry(struct vmdk_disk *disk,
                                        struct vd_geometry (*of)(const struct vd_descriptor *))
{
    struct vd_geometry geometry = of(vd_leaf_descriptor(disk->leaf));
    for (size_t i = 1; i < disk->chain->num_links && geometry.heads == 0; i++)
        geometry = of(disk->chain->links[i]->descriptor);
    return geometry;
}

/* The leaf's newest, else the nearest parent's that has one. */
static const char *disk_ddb(struct vmdk_disk *disk, const char *key)
{
    const char *value = vd_descriptor_ddb(vd_leaf_descriptor(disk->leaf), key);
    for (size_t i = 1; value == NULL && i < disk->chain->num_links; i++)
        value = vd_descriptor_ddb(disk->chain->links[i]->descriptor, key);
    return value;
}

/* 512 unless the disk database says 4096. */
static uint32_t sector_bytes(struct vmdk_disk *disk, const char *key)
{
    const char *value = disk_ddb(disk, key);
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
    struct vmdk_disk *disk = vmdk_disk_of(self);
    const struct vd_chain *chain = disk->chain;
    const struct vd_link *leaf = chain->links[0];
    *ret = (struct vd_disk_info){
        .capacity_sectors = leaf->capacity_sectors,
        .type = vd_descriptor_disk_type(leaf->descriptor),
        .adapter = vd_descriptor_adapter(disk_ddb(disk, "adapterType")),
        .geometry = disk_geometry(disk, vd_descriptor_geometry),
        .bios_geometry = disk_geometry(disk, vd_descriptor_bios_geometry),
        .num_links = (uint32_t)chain->num_links,
        .parent_hint =
            vd_descriptor_has_parent(leaf->descriptor) ? leaf->descriptor->parent_hint : NULL,
        .uuid = disk_ddb(disk, "uuid"),
        .logical_sector_bytes = sector_bytes(disk, "logicalSectorSize"),
        .physical_sector_bytes = sector_bytes(disk, "physicalSectorSize"),
        .grain_sectors = leaf_grain_sectors(leaf),
        .transport = "file",
        .read_only = self->read_only,
    };
}

static const char *vmdk_meta_get(struct vd_disk *self, const char *key)
{
    return disk_ddb(vmdk_disk_of(self), key);
}

static const char *vmdk_meta_key(struct vd_disk *self, size_t index)
{
    return vd_leaf_key(vmdk_disk_of(self)->leaf, index);
}

static int vmdk_meta_set(struct vd_disk *self, const char *key, const char *value,
                         struct vd_error *err)
{
    struct vmdk_disk *disk = vmdk_disk_of(self);
    (void)pthread_mutex_lock(&disk->change_lock);
    int r = vd_leaf_set(disk->leaf, key, value, err);
    (void)pthread_mutex_unlock(&disk->change_lock);
    return r;
}

static void free_parts(struct vmdk_disk *disk)
{
    vd_mover_free(disk->mover);
    vd_leaf_free(disk->leaf);
    vd_chain_free(disk->chain); /* with the links of what is below, but not their tables */
    if (disk->below != NULL) {
        free(disk->below->base.path);
        free_parts(disk->below);
    }
    (void)pthread_mutex_destroy(&disk->change_lock);
    free(disk);
}

static int vmdk_close(struct vd_disk *self, struct vd_error *err)
{
    struct vmdk_disk *disk = vmdk_disk_of(self);
    int r = 0;
    if (!self->read_only) {
        r = vd_mover_finish(disk->mover, err);
        int late = vd_chain_close_leaf(disk->chain, err);
        if (r >= 0)
            r = late;
        if (r < 0)
            vd_error_prefix(err, "closing '%s'", self->path);
    }
    free_parts(disk);
    return r;
}

static const struct vd_disk_ops vmdk_ops = {
    .name = "vmdk",
    .read = vmdk_read,
    .write = vmdk_write,
    .punch = vmdk_punch,
    .flush = vmdk_flush,
    .map = vmdk_map,
    .info = vmdk_info,
    .meta_get = vmdk_meta_get,
    .meta_key = vmdk_meta_key,
    .meta_set = vmdk_meta_set,
    .close = vmdk_close,
};

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
    const struct vd_fs *fs = options->fs != NULL ? options->fs : vd_fs_host();
    r = vd_leaf_new(chain->links[0], fs, options->log, &disk->leaf, err);
    if (r >= 0)
        r = vd_mover_new(chain->links, chain->num_links, chain->missing_parent, &disk->mover, err);
    if (r < 0)
        return r;
    disk->base.path = strdup(path);
    if (disk->base.path == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", path);
    disk->base.ops = &vmdk_ops;
    disk->base.capacity_sectors = chain->links[0]->capacity_sectors;
    disk->base.read_only = (options->flags & VD_VMDK_READ_ONLY) != 0;
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
    (void)pthread_mutex_init(&disk->change_lock, NULL); /* cannot fail with default attributes */
    int r = build(disk, path, options, err);
    if (r < 0) {
        free_parts(disk);
        return r;
    }
    log_opened(disk->chain, options);
    *ret = &disk->base;
    return 0;
}
