/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that belong to no machine: what a virtual disk manager does, and exports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "control.h"
#include "file-names.h"
#include "open-disks.h"
#include "ops/clone.h"
#include "ops/grow.h"
#include "ops/rename.h"
#include "ops/unlink.h"
#include "vmdk/create.h"

static int path_of(struct sim *sim, json_t *request, const char *member, char **ret,
                   struct vd_error *err)
{
    const char *name;
    int r = sim_text_of(request, member, &name, err);

    return r < 0 ? r : sim_store_resolve(&sim->stores, name, false, ret, err);
}

/* Of a disk that nobody uses. */
static int free_path_of(struct sim *sim, json_t *request, const char *member, char **ret,
                        struct vd_error *err)
{
    struct sim_owner owner;
    int r = path_of(sim, request, member, ret, err);

    if (r == VD_OK && (sim_open_is_used(sim, *ret, false) ||
                       (sim_owner_of(sim, *ret, &owner) && owner.vm->powered)))
        r = vd_error_set(err, VD_E_LOCKED, "'%s' is in use", *ret);
    return r;
}

static const char *adapter_of(json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "adapterType"));

    if (name && strcmp(name, "busLogic") == 0)
        return "buslogic";
    return name && strcmp(name, "ide") == 0 ? "ide" : "lsilogic";
}

static int op_create(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    json_int_t bytes = json_integer_value(json_object_get(request, "capacityBytes"));
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_VMFS_THIN, /* whatever is asked for: nobody's real disk is to fill up */
        .capacity_sectors = (uint64_t)bytes / VD_SECTOR_BYTES,
        .adapter = adapter_of(request),
    };
    int r = free_path_of(sim, request, "path", &path, err);

    (void)answer;
    if (r == VD_OK && (bytes <= 0 || bytes % VD_SECTOR_BYTES))
        r = vd_error_set(err, VD_E_INVALID_ARG, "a disk of %lld bytes", (long long)bytes);
    return r < 0 ? r : vd_vmdk_create(path, &params, NULL, NULL, err);
}

static int op_delete(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    int r = free_path_of(sim, request, "path", &path, err);

    (void)answer;
    return r < 0 ? r : vd_unlink(path, NULL, true, err);
}

static int op_extend(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    json_int_t bytes = json_integer_value(json_object_get(request, "capacityBytes"));
    struct vd_grow_params params = {.capacity_sectors = (uint64_t)bytes / VD_SECTOR_BYTES};
    int r = free_path_of(sim, request, "path", &path, err);

    (void)answer;
    return r < 0 ? r : vd_grow(path, NULL, &params, NULL, err);
}

static int two_paths(struct sim *sim, json_t *request, char **from, char **to, struct vd_error *err)
{
    int r = path_of(sim, request, "source", from, err);

    return r < 0 ? r : free_path_of(sim, request, "path", to, err);
}

static int op_copy(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *from = NULL;
    VD_FREE char *to = NULL;
    int r = two_paths(sim, request, &from, &to, err);

    (void)answer;
    return r < 0 ? r : sim_copy(from, to, json_is_true(json_object_get(request, "force")), err);
}

static int op_move(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *from = NULL;
    VD_FREE char *to = NULL;
    int r = free_path_of(sim, request, "source", &from, err);

    (void)answer;
    if (r == VD_OK)
        r = free_path_of(sim, request, "path", &to, err);
    return r < 0 ? r : sim_move(from, to, json_is_true(json_object_get(request, "force")), err);
}

static int op_info(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    struct sim_vm *vm = NULL;
    char **chain = NULL;
    int r = path_of(sim, request, "path", &path, err);

    if (r == VD_OK)
        r = sim_fcd_find(sim, json_string_value(json_object_get(request, "path")), &vm, err);
    if (r == VD_OK)
        r = sim_chain(&sim->chains, path, &chain, err);
    if (r < 0)
        return r;
    const struct sim_disk *disk = vm->disks[0];
    char id[SIM_CHANGE_ID_BYTES];
    sim_tracker_id(&vm->disks[0]->tracker, id);
    json_object_set_new(answer, "capacityBytes", json_integer((json_int_t)disk->capacity_bytes));
    json_object_set_new(answer, "thin", json_boolean(disk->thin));
    json_object_set_new(answer, "adapter", json_string(disk->adapter));
    json_object_set_new(answer, "uuid", json_string(disk->uuid));
    if (id[0])
        json_object_set_new(answer, "changeId", json_string(id));
    if (chain[0] && chain[1]) {
        VD_FREE char *parent = sim_store_name(&sim->stores, chain[1]);
        json_object_set_new(answer, "parent", json_string(parent ? parent : chain[1]));
    }
    sim_chain_free(chain);
    return VD_OK;
}

/* "6000C29x-..." or the disk database's own form -> that form. */
static void ddb_uuid(const char *text, char out[48])
{
    size_t digits = 0;
    size_t length = 0;

    for (; *text && digits < 32; text++) {
        if (!strchr("0123456789abcdefABCDEF", *text))
            continue;
        if (digits > 0 && digits % 2 == 0)
            out[length++] = digits == 16 ? '-' : ' ';
        out[length++] = *text;
        digits++;
    }
    out[length] = '\0';
}

static int op_set_uuid(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    struct vd_disk *disk = NULL;
    const char *uuid;
    char text[80];
    int r = free_path_of(sim, request, "path", &path, err);

    (void)answer;
    if (r == VD_OK)
        r = sim_text_of(request, "uuid", &uuid, err);
    if (r == VD_OK)
        r = vd_vmdk_open(path, NULL, &disk, err);
    if (r < 0)
        return r;
    ddb_uuid(uuid, text);
    r = vd_disk_meta_set(disk, "uuid", text, err);
    int closed = vd_disk_close(disk, err);
    return r < 0 ? r : closed;
}

static int op_child(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *parent = NULL;
    VD_FREE char *path = NULL;
    int r = path_of(sim, request, "parent", &parent, err);

    (void)answer;
    if (r == VD_OK)
        r = free_path_of(sim, request, "path", &path, err);
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_MONOLITHIC_SPARSE,
        .parent_path = parent,
    };
    return r < 0 ? r : vd_vmdk_create(path, &params, NULL, NULL, err);
}

static int clone_at(const char *from, const char *to, enum vd_disk_type type, struct vd_error *err)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY};
    struct vd_clone_params params = {.type = type};
    struct vd_target_options plain = {0};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    int r = vd_vmdk_open(from, &options, &disk, err);

    if (r < 0 || type != VD_DISK_STREAM_OPTIMIZED)
        return r < 0 ? r : vd_clone(disk, to, &params, NULL, NULL, err);
    r = vd_target_open(to, &plain, &target, err);
    if (r == VD_OK)
        r = vd_clone_to_target(disk, target, &params, NULL, err);
    return r < 0 ? r : vd_target_finish(target, err);
}

/* A flat copy takes the thin one's place. */
static int op_inflate(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    VD_FREE char *flat = NULL;
    int r = free_path_of(sim, request, "path", &path, err);

    (void)answer;
    if (r < 0)
        return r;
    if (asprintf(&flat, "%.*s-inflated.vmdk", (int)strlen(path) - 5, path) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    r = clone_at(path, flat, VD_DISK_VMFS_FLAT, err);
    if (r == VD_OK)
        r = vd_unlink(path, NULL, true, err);
    return r < 0 ? r : vd_rename(flat, path, NULL, err);
}

static int op_export(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    struct sim_owner owner;
    char file[128];
    struct vd_fs_stat status;
    int r = path_of(sim, request, "path", &path, err);

    if (r == VD_OK && sim_owner_of(sim, path, &owner) && owner.leaf && owner.vm->powered)
        r = vd_error_set(err, VD_E_LOCKED, "'%s' is running", owner.vm->name);
    if (r < 0)
        return r;
    pthread_mutex_lock(&sim->lock);
    unsigned number = ++sim->exports;
    pthread_mutex_unlock(&sim->lock);
    (void)snprintf(file, sizeof file, "%s/export-%u.vmdk", sim->folder, number);
    r = clone_at(path, file, VD_DISK_STREAM_OPTIMIZED, err);
    if (r == VD_OK)
        r = vd_fs_stat(vd_fs_host(), file, &status, err);
    if (r < 0)
        return r;
    json_object_set_new(answer, "file", json_string(file));
    json_object_set_new(answer, "bytes", json_integer((json_int_t)status.size_bytes));
    return VD_OK;
}

static const struct {
    const char *name;
    sim_op run;
} operations[] = {
    {"createDisk", op_create},    {"deleteDisk", op_delete}, {"extendDisk", op_extend},
    {"copyDisk", op_copy},        {"moveDisk", op_move},     {"diskInfo", op_info},
    {"setDiskUuid", op_set_uuid}, {"childDisk", op_child},   {"inflateDisk", op_inflate},
    {"export", op_export},
};

sim_op sim_disk_op(const char *name)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(operations); i++) {
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].run;
    }
    return NULL;
}
