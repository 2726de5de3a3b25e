/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/clone.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/path.h"
#include "base/units.h"
#include "ops/clone-int.h"
#include "ops/disk-files.h"
#include "ops/rename.h"
#include "ops/spool.h"
#include "ops/temp-file.h"
#include "ops/unlink.h"
#include "vmdk/create.h"
#include "vmdk/descriptor-change.h"

/* What describes the guest rather than this disk. */
const char *const vd_clone_kept_keys[CLONE_KEPT_KEYS + 1] = {
    "toolsVersion", "toolsInstallType", "comment", "logicalSectorSize", "physicalSectorSize", NULL,
};

struct vd_clone_source vd_clone_source_of_disk(struct vd_disk *disk)
{
    return (struct vd_clone_source){.disk = disk, .capacity_sectors = vd_disk_capacity(disk)};
}

struct vd_clone_source vd_clone_source_of_stream(struct vd_stream_reader *reader)
{
    return (struct vd_clone_source){
        .descriptor = vd_stream_reader_descriptor(reader),
        .capacity_sectors = vd_stream_reader_capacity(reader),
        .reader = reader,
    };
}

struct vd_clone_source vd_clone_source_of_raw(struct vd_raw_stream *raw)
{
    return (struct vd_clone_source){
        .capacity_sectors = vd_bytes_to_sectors_up(raw->size_bytes),
        .raw = raw,
    };
}

const char *vd_clone_value(const struct vd_clone_source *source, const char *key)
{
    if (source->disk)
        return vd_disk_meta_get(source->disk, key);
    return source->descriptor ? vd_descriptor_ddb(source->descriptor, key) : NULL;
}

struct vd_geometry vd_clone_geometry(const struct vd_clone_source *source, bool bios)
{
    struct vd_disk_info info = {0};

    if (source->disk) {
        vd_disk_info(source->disk, &info);
    } else if (source->descriptor) {
        info.geometry = vd_descriptor_geometry(source->descriptor);
        info.bios_geometry = vd_descriptor_bios_geometry(source->descriptor);
    }
    return bios ? info.bios_geometry : info.geometry;
}

uint32_t vd_clone_hw_version(const struct vd_clone_source *source,
                             const struct vd_clone_params *params)
{
    const char *text = vd_clone_value(source, "virtualHWVersion");
    unsigned long value = text ? strtoul(text, NULL, 10) : 0;

    if (params->hw_version != 0)
        return params->hw_version;
    return value <= 1000 ? (uint32_t)value : 0;
}

bool vd_clone_keeps_geometry(const struct vd_clone_source *source,
                             const struct vd_clone_params *params)
{
    const char *own = vd_clone_value(source, "adapterType");

    return !params->adapter || vd_descriptor_adapter(own) == vd_descriptor_adapter(params->adapter);
}

/* --- a disk being made --- */

struct cloning {
    const struct vd_fs *fs;
    struct vd_clone_source source;
    const struct vd_clone_params *params;
    const char *path;
    char *temp;
    struct vd_disk *disk; /* of that name, open for writing */
};

/* Zeros in the source are none in the copy; a new disk reads as zeros wherever nothing was
 * written. */
static int put_sectors(void *data, uint64_t start_sectors, uint64_t count_sectors,
                       const void *bytes, struct vd_error *err)
{
    struct vd_disk *disk = data;
    const uint8_t *at = bytes;
    uint64_t done = 0;

    while (done < count_sectors) {
        uint64_t length = 0;
        int r;

        while (done + length < count_sectors) {
            uint64_t piece = VD_MIN(count_sectors - done - length, (uint64_t)CLONE_GRAIN_SECTORS);

            if (vd_bytes_all_zero(at + vd_sectors_to_bytes(done + length),
                                  (size_t)vd_sectors_to_bytes(piece)))
                break;
            length += piece;
        }
        r = length == 0 ? VD_OK
                        : vd_disk_write(disk, start_sectors + done, length,
                                        at + vd_sectors_to_bytes(done), err);
        if (r < 0)
            return r;
        done += length + CLONE_GRAIN_SECTORS; /* past the zeros that ended it */
    }
    return VD_OK;
}

static enum vd_disk_type type_of(const struct cloning *self)
{
    struct vd_disk_info info = {.type = VD_DISK_UNKNOWN};

    if (self->params->type != VD_DISK_UNKNOWN)
        return self->params->type;
    if (self->source.disk)
        vd_disk_info(self->source.disk, &info);
    return info.type;
}

static uint32_t sector_bytes(const struct cloning *self, const char *key)
{
    const char *text = vd_clone_value(&self->source, key);

    return text && strcmp(text, "4096") == 0 ? 4096 : 0;
}

static int make_disk(struct cloning *self, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = self->fs, .flags = VD_VMDK_WRITE_OUT};
    const char *adapter = self->params->adapter;
    struct vd_vmdk_create_params create = {
        .type = type_of(self),
        .capacity_sectors = self->source.capacity_sectors,
        .adapter = adapter ? adapter : vd_clone_value(&self->source, "adapterType"),
        .hw_version = vd_clone_hw_version(&self->source, self->params),
        .logical_sector_bytes = sector_bytes(self, "logicalSectorSize"),
        .physical_sector_bytes = sector_bytes(self, "physicalSectorSize"),
    };
    VD_FREE char *folder = vd_path_folder(self->path);
    VD_FREE char *temp = NULL;
    int r = folder ? vd_temp_name(self->fs, folder, ".vmdk", &temp, err)
                   : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r == VD_OK)
        r = vd_vmdk_create(temp, &create, self->fs, NULL, err);
    if (r < 0)
        return r;
    self->temp = VD_TAKE_PTR(temp);
    return vd_vmdk_open(self->temp, &options, &self->disk, err);
}

/* The keys that creating does not know of. */
static int describe(const struct cloning *self, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = self->fs};
    struct vd_geometry geometry = vd_clone_geometry(&self->source, false);
    struct vd_disk_files files = {0};
    int r = vd_disk_files_open(self->temp, &options, false, &files, err);

    if (r < 0)
        return r;
    if (geometry.cylinders != 0 && vd_clone_keeps_geometry(&self->source, self->params))
        r = vd_descriptor_set_geometry(files.descriptor, geometry, err);
    for (size_t i = 0; r == VD_OK && i < 3; i++) { /* the others are create's */
        const char *value = vd_clone_value(&self->source, vd_clone_kept_keys[i]);

        if (value)
            r = vd_descriptor_set_ddb(files.descriptor, vd_clone_kept_keys[i], value, err);
    }
    if (r == VD_OK)
        r = vd_disk_files_store(&files, err);
    vd_disk_files_done(&files);
    return r;
}

/* The disk, or what else has that name, makes room. */
static int remove_old(const struct cloning *self, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = self->fs};
    struct vd_fs_stat status;
    int r = vd_fs_stat(self->fs, self->path, &status, err);

    if (r < 0 || status.kind == VD_FS_NOTHING)
        return r;
    r = vd_unlink(self->path, &options, false, NULL);
    if (r < 0 && vd_error_is(r, VD_E_NOT_A_DISK))
        return vd_fs_unlink(self->fs, self->path, err);
    return r < 0 ? vd_error_set(err, r, "cannot replace '%s'", self->path) : r;
}

static int publish(struct cloning *self, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = self->fs};
    int r = vd_disk_flush(self->disk, err);

    if (r == VD_OK)
        r = vd_disk_close(VD_TAKE_PTR(self->disk), err);
    if (r == VD_OK)
        r = describe(self, err);
    if (r == VD_OK && self->params->overwrite)
        r = remove_old(self, err);
    return r < 0 ? r : vd_rename(self->temp, self->path, &options, err);
}

static int check_target(const struct cloning *self, struct vd_error *err)
{
    struct vd_fs_stat status;
    int r = vd_fs_stat(self->fs, self->path, &status, err);

    if (r < 0)
        return r;
    if (!vd_path_has_suffix(self->path, ".vmdk"))
        return vd_error_set(err, VD_E_NAME_INVALID,
                            "the name of the new disk '%s' does not end in "
                            ".vmdk",
                            self->path);
    if (status.kind == VD_FS_NOTHING)
        return VD_OK;
    if (status.kind != VD_FS_FILE)
        return vd_error_set(err, VD_E_FILE_TYPE, "cannot make the disk '%s': it is no file",
                            self->path);
    if (!self->params->overwrite)
        return vd_error_set(err, VD_E_EXISTS, "the target '%s' exists and is not to be overwritten",
                            self->path);
    return VD_OK;
}

static int run(struct cloning *self, const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = self->fs};
    struct vd_clone_sink sink = {.put = put_sectors};
    int r = make_disk(self, err);

    sink.data = self->disk;
    if (r == VD_OK)
        r = vd_clone_run(&self->source, &sink, progress, err);
    if (r == VD_OK)
        r = publish(self, err);
    if (self->disk)
        (void)vd_disk_close(self->disk, NULL); /* it failed before */
    if (r < 0 && self->temp)
        VD_DISCARD(vd_unlink(self->temp, &options, false, NULL)); /* or it has its name already */
    free(self->temp);
    return r;
}

static int clone(struct vd_clone_source source, const char *path,
                 const struct vd_clone_params *params, const struct vd_fs *fs,
                 const struct vd_progress *progress, struct vd_error *err)
{
    struct cloning self = {
        .fs = fs ? fs : vd_fs_host(),
        .source = source,
        .params = params,
        .path = path,
    };
    struct vd_spool spool = {0};
    int r = check_target(&self, err);

    /* Nothing can be made before its size is known. */
    if (r == VD_OK && source.raw && source.raw->size_bytes == 0) {
        r = vd_spool_open(source.raw, path, self.fs, progress, &spool, err);
        if (r == VD_OK)
            self.source = vd_clone_source_of_disk(spool.disk);
    }
    if (r == VD_OK)
        r = run(&self, progress, err);
    vd_spool_done(&spool);
    return r;
}

int vd_clone(struct vd_disk *source, const char *path, const struct vd_clone_params *params,
             const struct vd_fs *fs, const struct vd_progress *progress, struct vd_error *err)
{
    return clone(vd_clone_source_of_disk(source), path, params, fs, progress, err);
}

int vd_clone_from_stream(struct vd_stream_reader *reader, const char *path,
                         const struct vd_clone_params *params, const struct vd_fs *fs,
                         const struct vd_progress *progress, struct vd_error *err)
{
    return clone(vd_clone_source_of_stream(reader), path, params, fs, progress, err);
}

int vd_clone_from_raw(struct vd_raw_stream *raw, const char *path,
                      const struct vd_clone_params *params, const struct vd_fs *fs,
                      const struct vd_progress *progress, struct vd_error *err)
{
    return clone(vd_clone_source_of_raw(raw), path, params, fs, progress, err);
}
