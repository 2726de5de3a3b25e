/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/source.h"

#include <sys/stat.h>

#include "base/path.h"
#include "disk/raw.h"
#include "vmdk/probe.h"
#include "vmdk/report.h"

static const struct vd_fs *fs_of(const struct vd_source_options *options)
{
    return options->vmdk.fs ? options->vmdk.fs : vd_fs_host();
}

int vd_source_detect(const char *path, const struct vd_source_options *options,
                     enum vd_source_format *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    enum vd_file_kind kind;
    int r;

    if (options->format != VD_SOURCE_AUTO) {
        *ret = options->format;
        return VD_OK;
    }
    r = vd_fs_open(fs_of(options), path, VD_FS_ALLOW_DEVICE, &block, err);
    if (r < 0)
        return r;
    if (block->capabilities & VD_BLOCK_DEVICE) {
        *ret = VD_SOURCE_RAW;
        return VD_OK;
    }
    r = vd_probe_block(block, &kind, err);
    if (r < 0)
        return r;
    if (kind == VD_FILE_OTHER && !vd_path_has_suffix(path, ".vmdk"))
        *ret = VD_SOURCE_RAW;
    else
        *ret = VD_SOURCE_VMDK;
    return VD_OK;
}

static int source_open(const char *path, const struct vd_source_options *options, bool writable,
                       struct vd_disk **ret, struct vd_error *err)
{
    struct vd_vmdk_options vmdk = options->vmdk;
    enum vd_source_format format;
    unsigned raw_flags = VD_FS_ALLOW_DEVICE | (writable ? VD_FS_WRITE : 0);
    int r = vd_source_detect(path, options, &format, err);

    if (r < 0)
        return r;
    if (format == VD_SOURCE_RAW) {
        if (vmdk.flags & VD_VMDK_UNBUFFERED)
            raw_flags |= VD_FS_UNBUFFERED;
        return vd_raw_open(fs_of(options), path, raw_flags, ret, err);
    }
    vmdk.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    vmdk.flags |= writable ? 0 : VD_VMDK_READ_ONLY;
    return vd_vmdk_open(path, &vmdk, ret, err);
}

int vd_source_open(const char *path, const struct vd_source_options *options, struct vd_disk **ret,
                   struct vd_error *err)
{
    return source_open(path, options, false, ret, err);
}

int vd_source_open_writable(const char *path, const struct vd_source_options *options,
                            struct vd_disk **ret, struct vd_error *err)
{
    return source_open(path, options, true, ret, err);
}

static bool is_file(const char *path, const struct vd_block_identity *file)
{
    struct stat st;

    /* What cannot be looked at cannot be the file that was looked at. */
    return path && stat(path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

static bool link_holds_file(const struct vd_report_link *link, const struct vd_block_identity *file)
{
    if (is_file(link->path, file))
        return true;
    for (size_t i = 0; i < link->num_extents; i++) {
        if (is_file(link->extents[i].path, file))
            return true;
    }
    return false;
}

int vd_source_holds_file(const char *path, const struct vd_source_options *options,
                         const struct vd_block_identity *file, bool *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    enum vd_source_format format;
    bool held = is_file(path, file);
    int r = vd_source_detect(path, options, &format, err);

    if (r < 0)
        return r;
    if (format == VD_SOURCE_VMDK && !held) {
        r = vd_report_new(path, &options->vmdk, false, &report, err);
        if (r < 0)
            return r;
        for (size_t i = 0; i < report->num_links && !held; i++)
            held = link_holds_file(&report->links[i], file);
    }
    *ret = held;
    return VD_OK;
}
