/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parent that is open, put under a child that is open alone. The child becomes the chain and owns
 * the parent from then on; the parent's handle is spent, whether that succeeds or not, and closing
 * it is allowed but not needed.
 */
#include "vmdk/join.h"

#include "vix/disk.h"
#include "vix/export.h"
#include "vix/report.h"

static int check_handles(VixDiskLibHandle parent, VixDiskLibHandle child, struct vd_error *err)
{
    if (parent != child)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG, "attaching: parent and child are one disk, %p",
                        (const void *)parent);
}

/* Links are joined as files of this machine: a server's disk is one whole to who reads it. */
static int check_local(const struct vd_vix_disk *parent, const struct vd_vix_disk *child,
                       struct vd_error *err)
{
    if (parent->remote != child->remote)
        return vd_error_set(err, VD_E_MIXED_CHAIN,
                            "attaching '%s' to '%s': one of them is on a server and the other on "
                            "this machine, and links of a chain are at one place",
                            vd_disk_path(child->disk), vd_disk_path(parent->disk));
    int r = vd_vix_disk_check_local(parent, "attaching to", err);
    return r < 0 ? r : vd_vix_disk_check_local(child, "attaching", err);
}

static int attach_check(VixDiskLibHandle parent, VixDiskLibHandle child, struct vd_error *err)
{
    struct vd_vix_disk *above;
    struct vd_vix_disk *below;
    int r = check_handles(parent, child, err);
    if (r == VD_OK)
        r = vd_vix_disk_get(child, &above, err);
    if (r < 0)
        return r;
    r = vd_vix_disk_get(parent, &below, err);
    if (r == VD_OK) {
        r = check_local(below, above, err);
        if (r == VD_OK)
            r = vd_vmdk_check_join(below->disk, above->disk, err);
        vd_vix_put(&below->node);
    }
    vd_vix_put(&above->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_IsAttachPossible(VixDiskLibHandle parent, VixDiskLibHandle child)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = attach_check(parent, child, &err);
    return vd_vix_result("VixDiskLib_IsAttachPossible", r, &err);
}

/* A parent that could not be attached is closed; the first failure is the one to tell. */
static int attach_claimed(struct vd_vix_disk *parent, struct vd_vix_disk *child,
                          struct vd_error *err)
{
    int r = check_local(parent, child, err);
    if (r == VD_OK)
        r = vd_vmdk_join(parent->disk, child->disk, err);
    if (r < 0) {
        struct vd_error late = VD_ERROR_INIT;
        int closed = vd_disk_close(VD_TAKE_PTR(parent->disk), &late);
        if (closed < 0)
            vd_vix_warn("VixDiskLib: VixDiskLib_Attach: %s.", vd_error_message(&late, closed));
        return r;
    }
    parent->disk = NULL; /* the child's now */
    child->attached = true;
    return VD_OK;
}

static int attach(VixDiskLibHandle parent, VixDiskLibHandle child, struct vd_error *err)
{
    struct vd_vix_disk *above;
    struct vd_vix_disk *below;
    int r = check_handles(parent, child, err);
    if (r == VD_OK)
        r = vd_vix_disk_claim(child, "attaching", &above, err);
    if (r < 0)
        return r;
    r = vd_vix_disk_claim(parent, "attaching", &below, err);
    if (r == VD_OK) {
        r = attach_claimed(below, above, err);
        vd_vix_disk_release(below);
    }
    vd_vix_disk_release(above);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_Attach(VixDiskLibHandle parent, VixDiskLibHandle child)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = attach(parent, child, &err);
    return vd_vix_result("VixDiskLib_Attach", r, &err);
}
