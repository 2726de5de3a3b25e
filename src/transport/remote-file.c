/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/remote-file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define MAX_LIST_BYTES 512u /* of disks in a sentence */
#define MAX_PATH_BYTES 8192u

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

static bool writable(const struct vd_transport_request *request)
{
    return !(request->local->flags & VD_VMDK_READ_ONLY);
}

static int take_path(struct vd_remote_file *file, const char *path, struct vd_error *err)
{
    free(file->path);
    file->path = strdup(path);
    return file->path ? VD_OK
                      : vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", path);
}

static int take_disk(struct vd_remote_file *file, const struct vd_vsphere_disk *disk,
                     const char *path, struct vd_error *err)
{
    file->key = disk->key;
    file->capacity_bytes = disk->capacity_bytes;
    file->thick = !disk->thin;
    return take_path(file, path, err);
}

/* --- disks of a VM --- */

static const struct vd_vsphere_disk *disk_with_key(const struct vd_vsphere_vm *vm, int32_t key)
{
    for (size_t i = 0; i < vm->disk_count; i++)
        if (vm->disks[i].key == key && vm->disks[i].chain && vm->disks[i].chain[0])
            return &vm->disks[i];
    return NULL;
}

static void list_disks(const struct vd_vsphere_vm *vm, char text[MAX_LIST_BYTES])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < vm->disk_count && length < MAX_LIST_BYTES - 1; i++) {
        const char *leaf = vm->disks[i].chain && vm->disks[i].chain[0] ? vm->disks[i].chain[0] : "";
        int added = snprintf(text + length, MAX_LIST_BYTES - length, "%s'%s'", i ? ", " : "", leaf);
        length += added > 0 ? (size_t)added : 0;
    }
}

static int not_a_disk(const struct vd_transport_request *request, const struct vd_vsphere_vm *vm,
                      struct vd_error *err)
{
    char list[MAX_LIST_BYTES];
    list_disks(vm, list);
    return vd_error_set(err, VD_E_NOT_FOUND,
                        "opening '%s': no disk of the virtual machine '%s' has that file; its "
                        "disks are %s",
                        request->path, vm->name ? vm->name : request->place->vm_moid,
                        list[0] ? list : "none");
}

/* The path is one of now, and the snapshot froze another: that one is meant. */
static int find_frozen(const struct vd_transport_request *request,
                       const struct vd_vsphere_vm *frozen, struct vd_remote_file *ret,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *now = NULL;
    const struct vd_transport_place *place = request->place;
    int r = vd_vsphere_vm_get(place->session, place->vm_moid, NULL, &now, err);
    if (r < 0)
        return r;
    const struct vd_vsphere_disk *disk = vd_vsphere_vm_disk(now, request->path);
    if (!disk)
        return writable(request) ? not_a_disk(request, frozen, err)
                                 : take_path(ret, request->path, err);
    const struct vd_vsphere_disk *then = disk_with_key(frozen, disk->key);
    if (!then)
        return vd_error_set(err, VD_E_NOT_FOUND,
                            "opening '%s': the disk was added after the snapshot '%s'",
                            request->path, place->snapshot);
    vd_log(request->log, VD_LOG_INFO, "VixDiskLib: '%s' at the snapshot '%s' is '%s'",
           request->path, place->snapshot, then->chain[0]);
    return take_disk(ret, then, then->chain[0], err);
}

static int find_in_vm(const struct vd_transport_request *request, struct vd_remote_file *ret,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
    const struct vd_transport_place *place = request->place;
    const char *snapshot = given(place->snapshot) ? place->snapshot : NULL;
    (void)snprintf(ret->vm_moid, sizeof ret->vm_moid, "%s", place->vm_moid);
    int r = vd_vsphere_vm_get(place->session, place->vm_moid, snapshot, &vm, err);
    if (r < 0)
        return r;
    const struct vd_vsphere_disk *disk = vd_vsphere_vm_disk(vm, request->path);
    ret->live = disk && !snapshot && vm->powered_on && disk->chain && disk->chain[0] &&
                strcmp(disk->chain[0], request->path) == 0;
    if (disk)
        return take_disk(ret, disk, request->path, err);
    if (snapshot)
        return find_frozen(request, vm, ret, err);
    return writable(request) ? not_a_disk(request, vm, err) : take_path(ret, request->path, err);
}

/* --- first-class disks --- */

static int find_fcd(const struct vd_transport_request *request, struct vd_remote_file *ret,
                    struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_fcd_free_cleanup) struct vd_vsphere_fcd *disk = NULL;
    const struct vd_transport_place *place = request->place;
    (void)snprintf(ret->datastore_moid, sizeof ret->datastore_moid, "%s", place->datastore_moid);
    int r = vd_vsphere_fcd_get(place->session, place->datastore_moid, place->disk_id, &disk, err);
    if (r < 0)
        return r;
    ret->capacity_bytes = disk->capacity_bytes;
    if (!given(place->snapshot))
        return take_path(ret, disk->path, err);
    VD_FREE char *change_id = NULL;
    return vd_vsphere_fcd_snapshot(place->session, place->datastore_moid, place->disk_id,
                                   place->snapshot, &ret->path, &change_id, err);
}

/* --- files of a datastore --- */

/* The one with that moid, or of that name. */
struct search {
    const char *moid;
    const char *name;
    size_t name_length;
    unsigned found;
    char found_moid[VD_MOID_BYTES];
    char found_name[256];
};

static int look_at(void *data, const struct vd_vsphere_datastore *datastore)
{
    struct search *search = data;
    bool fits = search->moid ? strcmp(search->moid, datastore->moid) == 0
                             : strlen(datastore->name) == search->name_length &&
                                   memcmp(datastore->name, search->name, search->name_length) == 0;
    if (!fits)
        return VD_OK;
    search->found++;
    (void)snprintf(search->found_moid, sizeof search->found_moid, "%s", datastore->moid);
    (void)snprintf(search->found_name, sizeof search->found_name, "%s", datastore->name);
    return VD_OK;
}

/* A path somebody gave, and what he wants with it: "opening". */
struct given_path {
    const struct vd_transport_place *place;
    const char *path;
    const char *doing;
};

static int search_run(const struct given_path *given_path, struct search *search,
                      struct vd_error *err)
{
    int r = vd_vsphere_datastore_list(given_path->place->session, look_at, search, err);
    if (r < 0 || search->found == 1)
        return r;
    if (search->found == 0)
        return vd_error_set(err, VD_E_NOT_FOUND, "%s '%s': no datastore '%.*s' is there",
                            given_path->doing, given_path->path,
                            search->moid ? (int)strlen(search->moid) : (int)search->name_length,
                            search->moid ? search->moid : search->name);
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "%s '%s': %u datastores have that name; name the virtual machine, or the "
                        "datastore by its reference",
                        given_path->doing, given_path->path, search->found);
}

static int find_by_name(const struct given_path *given_path, struct vd_remote_file *ret,
                        struct vd_error *err)
{
    struct search search = {.name = given_path->path + 1,
                            .name_length = strcspn(given_path->path + 1, "]")};
    int r = search_run(given_path, &search, err);
    if (r < 0)
        return r;
    memcpy(ret->datastore_moid, search.found_moid, sizeof ret->datastore_moid);
    return take_path(ret, given_path->path, err);
}

static int path_in_folder(const struct given_path *given_path, char **ret, struct vd_error *err)
{
    struct search search = {.moid = given_path->place->datastore_moid};
    const char *folder = given(given_path->place->folder) ? given_path->place->folder : "";
    int r = search_run(given_path, &search, err);
    if (r < 0)
        return r;
    size_t size =
        strlen(search.found_name) + strlen(folder) + strlen(given_path->path) + sizeof "[] /";
    char *path = size <= MAX_PATH_BYTES ? malloc(size) : NULL;
    if (!path)
        return vd_error_set(err, size <= MAX_PATH_BYTES ? VD_E_NO_MEMORY : VD_E_NAME_TOO_LONG,
                            "%s '%s': its path is too long", given_path->doing, given_path->path);
    bool slash = folder[0] != '\0' && folder[strlen(folder) - 1] != '/';
    (void)snprintf(path, size, "[%s] %s%s%s", search.found_name, folder, slash ? "/" : "",
                   given_path->path); /* it fits */
    *ret = path;
    return VD_OK;
}

static int find_on_datastore(const struct given_path *given_path, struct vd_remote_file *ret,
                             struct vd_error *err)
{
    const char *moid = given_path->place->datastore_moid;
    bool whole = given_path->path[0] == '[';
    if (!given(moid))
        return find_by_name(given_path, ret, err);
    (void)snprintf(ret->datastore_moid, sizeof ret->datastore_moid, "%s", moid);
    if (whole)
        return take_path(ret, given_path->path, err);
    VD_FREE char *path = NULL;
    int r = path_in_folder(given_path, &path, err);
    return r < 0 ? r : take_path(ret, path, err);
}

static int check_path(const struct given_path *given_path, struct vd_error *err)
{
    const struct vd_transport_place *place = given_path->place;
    const char *path = given_path->path;
    bool below = given(place->datastore_moid) && !given(place->vm_moid);
    if (!given(path))
        return vd_error_set(err, VD_E_INVALID_ARG, "%s a disk: no path is given",
                            given_path->doing);
    if (path[0] == '[' ? strchr(path, ']') != NULL : below)
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_FOUND,
                        "%s '%s': no path on a datastore, '[datastore] folder/name.vmdk', on a "
                        "connection to a server",
                        given_path->doing, path);
}

int vd_remote_path(const struct vd_transport_place *place, const char *path, const char *doing,
                   char **ret, struct vd_error *err)
{
    const struct given_path given_path = {.place = place, .path = path, .doing = doing};
    int r = check_path(&given_path, err);
    if (r < 0)
        return r;
    if (path[0] != '[')
        return path_in_folder(&given_path, ret, err);
    char *copy = strdup(path);
    if (!copy)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s '%s': out of memory", doing, path);
    *ret = copy;
    return VD_OK;
}

int vd_remote_file_find(const struct vd_transport_request *request, struct vd_remote_file *ret,
                        struct vd_error *err)
{
    const struct given_path given_path = {
        .place = request->place, .path = request->path, .doing = "opening"};
    *ret = (struct vd_remote_file){0};
    if (given(request->place->disk_id))
        return find_fcd(request, ret, err);
    int r = check_path(&given_path, err);
    if (r < 0)
        return r;
    return given(request->place->vm_moid) ? find_in_vm(request, ret, err)
                                          : find_on_datastore(&given_path, ret, err);
}

void vd_remote_file_done(struct vd_remote_file *file)
{
    free(file->path);
    file->path = NULL;
}
