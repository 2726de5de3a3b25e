/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attach.h"

#include <inttypes.h>
#include <string.h>

#include "base/path.h"
#include "ops/attach-int.h"
#include "vmdk/descriptor-change.h"

static int identity_of(const struct vd_fs *fs, const char *path, struct vd_block_identity *ret,
                       struct vd_error *err)
{
    struct vd_fs_stat status;
    int r = vd_fs_stat(fs, path, &status, err);

    if (r == VD_OK)
        *ret = status.identity;
    return r;
}

/* Neither the parent nor what it rests on may be the child. */
static int check_loop(const struct vd_fs *fs, const struct vd_report *parent, const char *child,
                      struct vd_error *err)
{
    struct vd_block_identity own;
    int r = identity_of(fs, child, &own, err);

    for (size_t i = 0; r == VD_OK && i < parent->num_links; i++) {
        struct vd_block_identity link;

        r = identity_of(fs, parent->links[i].path, &link, err);
        if (r == VD_OK && link.device == own.device && link.inode == own.inode)
            r = vd_error_set(err, VD_E_CHAIN_LOOP,
                             "cannot attach '%s' to '%s': the parent %s the child itself", child,
                             parent->links[0].path, i == 0 ? "is" : "rests on");
    }
    return r;
}

static int check_pair(const struct vd_report *parent, const struct vd_descriptor *child,
                      const char *child_path, bool ignore_cid, struct vd_error *err)
{
    const struct vd_descriptor *base = parent->links[0].descriptor;

    if (!vd_descriptor_has_parent(child))
        return vd_error_set(err, VD_E_ATTACH_ROOT,
                            "cannot attach '%s' to '%s': it is a base disk, not a child",
                            child_path, parent->links[0].path);
    if (base->capacity_sectors != child->capacity_sectors)
        return vd_error_set(err, VD_E_CAPACITY_DIFFERS,
                            "cannot attach '%s' to '%s': it has %ju sectors, the parent %ju",
                            child_path, parent->links[0].path, (uintmax_t)child->capacity_sectors,
                            (uintmax_t)base->capacity_sectors);
    if (base->cid != child->parent_cid && !ignore_cid)
        return vd_error_set(err, VD_E_CID_MISMATCH,
                            "cannot attach '%s' to '%s': it was made for a parent with content ID "
                            "%08" PRIx32 ", and this one has %08" PRIx32,
                            child_path, parent->links[0].path, child->parent_cid, base->cid);
    return VD_OK;
}

int vd_attach_look_at(const char *path, const struct vd_vmdk_options *options,
                      struct vd_report **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    int r = vd_report_new(path, options, false, &report, err);

    if (r < 0)
        return r;
    if (!report->complete)
        return vd_error_set(err, VD_E_PARENT_TYPE, "'%s' cannot be a parent: %s", path,
                            report->problem);
    *ret = VD_TAKE_PTR(report);
    return VD_OK;
}

static int check_with(const struct vd_report *parent, const struct vd_descriptor *child,
                      const char *child_path, const struct vd_vmdk_options *options,
                      struct vd_error *err)
{
    bool ignore_cid = options && options->flags & VD_VMDK_IGNORE_CID;
    int r = check_loop(vd_ops_fs(options), parent, child_path, err);

    return r < 0 ? r : check_pair(parent, child, child_path, ignore_cid, err);
}

int vd_attach_check(const char *parent, const char *child, const struct vd_vmdk_options *options,
                    struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *base = NULL;
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *leaf = NULL;
    struct vd_vmdk_options single = options ? *options : (struct vd_vmdk_options){0};
    int r = vd_attach_look_at(parent, options, &base, err);

    single.flags |= VD_VMDK_SINGLE_LINK;
    if (r == VD_OK)
        r = vd_report_new(child, &single, false, &leaf, err);
    return r < 0 ? r : check_with(base, leaf->links[0].descriptor, child, options, err);
}

/* How the child may call its parent: by name in one folder, by its path otherwise. */
static int hint_for(const struct vd_disk_files *child, const char *parent, char **ret,
                    struct vd_error *err)
{
    VD_FREE char *real = NULL;
    VD_FREE char *folder = NULL;
    int r = vd_fs_real_path(child->fs, parent, &real, err);

    if (r < 0)
        return r;
    folder = vd_path_folder(real);
    *ret = folder && strcmp(folder, child->folder) == 0 ? strdup(vd_path_name(real)) : strdup(real);
    return folder && *ret ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

int vd_attach_describe(struct vd_disk_files *child, const char *parent, uint32_t parent_cid,
                       struct vd_error *err)
{
    struct vd_descriptor *descriptor = child->descriptor;
    VD_FREE char *hint = NULL;
    int r = hint_for(child, parent, &hint, err);

    if (r == VD_OK)
        r = vd_descriptor_set_parent_hint(descriptor, hint, err);
    if (r < 0)
        return r;
    descriptor->parent_cid = parent_cid;
    descriptor->has_parent_cid = true;
    return VD_OK;
}

int vd_attach_files_check(const char *parent, const struct vd_disk_files *child,
                          const struct vd_vmdk_options *options, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *base = NULL;
    int r = vd_attach_look_at(parent, options, &base, err);

    return r < 0 ? r : check_with(base, child->descriptor, child->path, options, err);
}

int vd_attach_files(const char *parent, struct vd_disk_files *child,
                    const struct vd_vmdk_options *options, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *base = NULL;
    int r = vd_attach_look_at(parent, options, &base, err);

    if (r == VD_OK)
        r = check_with(base, child->descriptor, child->path, options, err);
    if (r == VD_OK)
        r = vd_attach_describe(child, parent, base->links[0].descriptor->cid, err);
    return r < 0 ? r : vd_disk_files_store(child, err);
}

int vd_attach(const char *parent, const char *child, const struct vd_vmdk_options *options,
              struct vd_error *err)
{
    struct vd_disk_files files = {0};
    int r = vd_disk_files_open(child, options, false, &files, err);

    if (r == VD_OK)
        r = vd_attach_files(parent, &files, options, err);
    vd_disk_files_done(&files);
    return r;
}
