/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on a small family of disks in memory, as the bytes of an input say: a base, its child,
 * the child of that, the last one open for writing.
 *
 * Input: type and capacity of the base, then steps: one byte that picks the operation, and what
 * that takes. Bytes past the end are zeros. With `damage` a step may write over bytes of any file;
 * then nothing is known of what the disks read, and all that is asked is that every failure is told
 * and that all comes to an end. Otherwise a model in memory knows all the bytes.
 */
#ifndef VD_FUZZ_OPS_H
#define VD_FUZZ_OPS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "block/memory.h"
#include "ops/attach.h"
#include "ops/commit.h"
#include "ops/defragment.h"
#include "ops/grow.h"
#include "ops/rename.h"
#include "ops/shrink.h"
#include "vmdk/check.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

#define OPS_MAX_STEPS    24u
#define OPS_MAX_LINKS    3u
#define OPS_MAX_SECTORS  1200u
#define OPS_MAX_TRANSFER 64u

struct ops_link {
    const char *path;
    enum vd_disk_type type;
    uint64_t sectors;
    uint8_t *content; /* what is read of the chain that ends here */
};

struct ops_family {
    const uint8_t *at, *end;
    bool damage;
    struct vd_fs_memory *files;
    struct vd_vmdk_options options;
    struct ops_link links[OPS_MAX_LINKS];
    size_t num_links;
    unsigned num_renames;
    struct vd_disk *disk; /* the last one; NULL: not open */
};

static inline uint8_t ops_byte(struct ops_family *family)
{
    return family->at < family->end ? *family->at++ : 0;
}

static inline uint64_t ops_number(struct ops_family *family, uint64_t limit)
{
    uint64_t low = ops_byte(family);
    return (ops_byte(family) * UINT64_C(256) + low) % limit;
}

static inline struct ops_link *ops_last(struct ops_family *family)
{
    return &family->links[family->num_links - 1];
}

/* True when it was done. Where nothing is damaged it may only have been refused. */
static inline bool ops_done(const struct ops_family *family, int r, const struct vd_error *err)
{
    assert((r < 0) == (err->code < 0));
    if (r >= 0)
        return true;
    assert(err->text[0] != '\0');
    assert(family->damage || r == VD_E_NOT_SUPPORTED || r == VD_E_CANT_SHRINK ||
           r == VD_E_INVALID_ARG || r == VD_E_ATTACH_ROOT || r == VD_E_CHAIN_LOOP);
    return false;
}

static inline void ops_close(struct ops_family *family)
{
    struct vd_error err = VD_ERROR_INIT;
    if (family->disk)
        (void)ops_done(family, vd_disk_close(VD_TAKE_PTR(family->disk), &err), &err);
}

static inline bool ops_open(struct ops_family *family)
{
    struct vd_error err = VD_ERROR_INIT;
    return family->disk ||
           ops_done(family,
                    vd_vmdk_open(ops_last(family)->path, &family->options, &family->disk, &err),
                    &err);
}

/* --- looking --- */

static inline void ops_compare(struct ops_family *family, const struct ops_link *link)
{
    static uint8_t bytes[OPS_MAX_SECTORS * VD_SECTOR_BYTES];
    struct vd_vmdk_options reading = family->options;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    reading.flags |= VD_VMDK_READ_ONLY;
    if (!ops_done(family, vd_vmdk_open(link->path, &reading, &disk, &err), &err))
        return;
    uint64_t sectors = VD_MIN(vd_disk_capacity(disk), (uint64_t)OPS_MAX_SECTORS);
    (void)ops_done(family, vd_disk_read(disk, 0, sectors, bytes, &err), &err);
    vd_disk_free(disk);
    if (family->damage)
        return;
    assert(sectors == link->sectors);
    assert(memcmp(bytes, link->content, (size_t)vd_sectors_to_bytes(sectors)) == 0);
}

static inline void ops_check(struct ops_family *family, const struct ops_link *link, bool repair)
{
    const struct vd_check_options options = {.open = family->options, .repair = repair};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    if (ops_done(family, vd_vmdk_check(link->path, &options, &result, &err), &err))
        assert(family->damage || (result.clean && result.faults == 0));
}

static inline void ops_look(struct ops_family *family)
{
    bool repair = ops_byte(family) % 2;
    ops_close(family);
    for (size_t i = 0; i < family->num_links; i++) {
        ops_check(family, &family->links[i], repair);
        ops_compare(family, &family->links[i]);
    }
}

/* --- changing content --- */

static inline void ops_write(struct ops_family *family)
{
    static uint8_t bytes[OPS_MAX_TRANSFER * VD_SECTOR_BYTES];
    struct ops_link *link = ops_last(family);
    struct vd_error err = VD_ERROR_INIT;
    uint64_t start = ops_number(family, link->sectors);
    uint64_t count = 1 + ops_byte(family) % OPS_MAX_TRANSFER;
    count = VD_MIN(count, link->sectors - start);
    memset(bytes, ops_byte(family), (size_t)vd_sectors_to_bytes(count));
    if (!ops_open(family) ||
        !ops_done(family, vd_disk_write(family->disk, start, count, bytes, &err), &err))
        return;
    memcpy(link->content + vd_sectors_to_bytes(start), bytes, (size_t)vd_sectors_to_bytes(count));
}

static inline void ops_read(struct ops_family *family)
{
    static uint8_t bytes[OPS_MAX_TRANSFER * VD_SECTOR_BYTES];
    const struct ops_link *link = ops_last(family);
    struct vd_error err = VD_ERROR_INIT;
    uint64_t start = ops_number(family, link->sectors);
    uint64_t count = VD_MIN(UINT64_C(8), link->sectors - start);
    if (!ops_open(family) ||
        !ops_done(family, vd_disk_read(family->disk, start, count, bytes, &err), &err))
        return;
    assert(family->damage || memcmp(bytes, link->content + vd_sectors_to_bytes(start),
                                    (size_t)vd_sectors_to_bytes(count)) == 0);
}

static inline void ops_flush(struct ops_family *family)
{
    struct vd_error err = VD_ERROR_INIT;
    if (family->disk)
        (void)ops_done(family, vd_disk_flush(family->disk, &err), &err);
}

static inline void ops_set_key(struct ops_family *family)
{
    static const char value[] = "................................................................";
    struct vd_error err = VD_ERROR_INIT;
    const char *text = value + ops_byte(family) % sizeof value;
    if (ops_open(family))
        (void)ops_done(family, vd_disk_meta_set(family->disk, "comment", text, &err), &err);
}

/* --- operations on whole disks --- */

static inline void ops_create(struct ops_family *family)
{
    static const char *const paths[OPS_MAX_LINKS] = {"a.vmdk", "b.vmdk", "c.vmdk"};
    static const enum vd_disk_type types[] = {
        VD_DISK_MONOLITHIC_SPARSE, VD_DISK_SPLIT_SPARSE, VD_DISK_VMFS_SPARSE, VD_DISK_SE_SPARSE,
        VD_DISK_MONOLITHIC_FLAT,   VD_DISK_SPLIT_FLAT,   VD_DISK_VMFS_FLAT,   VD_DISK_VMFS_THIN};
    struct vd_error err = VD_ERROR_INIT;
    size_t place = family->num_links;
    uint8_t choice = ops_byte(family);
    struct vd_vmdk_create_params params = {.type = types[choice % (place > 0 ? 4 : 8)]};
    if (choice % 8 < 2) {
        params.grain_sectors = UINT64_C(8) << (choice / 8 % 3);
        params.zeroed_grains = choice >= 128;
    }
    ops_close(family);
    if (place == OPS_MAX_LINKS)
        return;
    if (place > 0)
        params.parent_path = family->links[place - 1].path;
    else
        params.capacity_sectors = 1 + ops_number(family, OPS_MAX_SECTORS / 2);
    if (!ops_done(family, vd_vmdk_create(paths[place], &params, family->options.fs, NULL, &err),
                  &err))
        return;
    uint64_t sectors = place > 0 ? family->links[place - 1].sectors : params.capacity_sectors;
    uint8_t *content = calloc(OPS_MAX_SECTORS, VD_SECTOR_BYTES);
    assert(content != NULL);
    if (place > 0)
        memcpy(content, family->links[place - 1].content, (size_t)vd_sectors_to_bytes(sectors));
    family->links[place] = (struct ops_link){paths[place], params.type, sectors, content};
    family->num_links++;
}

static inline void ops_grow(struct ops_family *family)
{
    struct ops_link *link = &family->links[ops_byte(family) % family->num_links];
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_grow_params params = {
        .capacity_sectors = 1 + ops_number(family, OPS_MAX_SECTORS), .update_geometry = true};
    ops_close(family);
    if (ops_done(family, vd_grow(link->path, &family->options, &params, NULL, &err), &err))
        link->sectors = params.capacity_sectors;
}

static inline void ops_tidy(struct ops_family *family)
{
    uint8_t choice = ops_byte(family);
    const struct ops_link *link = &family->links[choice / 2 % family->num_links];
    struct vd_error err = VD_ERROR_INIT;
    ops_close(family);
    int r = choice % 2 ? vd_shrink(link->path, &family->options, NULL, &err)
                       : vd_defragment(link->path, &family->options, NULL, &err);
    (void)ops_done(family, r, &err);
}

/* The last one goes into its parent; one in between too, and the last is joined to that. */
static inline void ops_commit(struct ops_family *family)
{
    size_t place = ops_byte(family) % family->num_links;
    struct ops_link *link = &family->links[place];
    struct vd_error err = VD_ERROR_INIT;
    ops_close(family);
    if (place + 1 < family->num_links)
        return; /* the names of those above would have to change places */
    if (!ops_done(family, vd_commit(link->path, &family->options, false, NULL, &err), &err))
        return;
    if (place == 0)
        abort(); /* a base has nowhere to go */
    memcpy(link[-1].content, link->content, (size_t)vd_sectors_to_bytes(link->sectors));
    free(link->content);
    family->num_links--;
}

static inline void ops_attach(struct ops_family *family)
{
    size_t parent = ops_byte(family) % family->num_links;
    size_t child = VD_MIN(parent + 1, family->num_links - 1);
    struct vd_error err = VD_ERROR_INIT;
    ops_close(family);
    (void)ops_done(
        family,
        vd_attach(family->links[parent].path, family->links[child].path, &family->options, &err),
        &err);
}

/* Away and back, where that is open to it: the last one. */
static inline void ops_rename(struct ops_family *family)
{
    const struct ops_link *link = ops_last(family);
    struct vd_error err = VD_ERROR_INIT;
    ops_close(family);
    if (ops_done(family, vd_rename(link->path, "sub/moved.vmdk", &family->options, &err), &err))
        (void)ops_done(family, vd_rename("sub/moved.vmdk", link->path, &family->options, &err),
                       &err);
}

/* Writes over a few bytes of a file; its name, a place near the start or near the end. */
static inline void ops_damage(struct ops_family *family)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    struct vd_fs_names names = {0};
    uint64_t size = 0;
    uint8_t bytes[8];
    ops_close(family);
    int r = vd_fs_list(family->options.fs, ".", &names, NULL);
    assert(r >= 0 && names.count > 0);
    const char *name = names.items[ops_byte(family) % names.count];
    uint64_t place = ops_number(family, UINT64_C(1) << 16);
    size_t length = 1 + ops_byte(family) % sizeof bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = ops_byte(family);
    if (vd_fs_open(family->options.fs, name, VD_FS_WRITE | VD_FS_NO_LOCK, &block, NULL) >= 0 &&
        vd_block_size(block, &size, NULL) >= 0 && place + length <= size) {
        r = vd_block_write(block, place, bytes, length, NULL);
        assert(r >= 0);
    }
    vd_fs_names_done(&names);
}

static inline void ops_step(struct ops_family *family)
{
    static void (*const steps[])(struct ops_family *) = {
        ops_write, ops_write,  ops_read,   ops_flush,   ops_close,  ops_create, ops_grow,
        ops_tidy,  ops_commit, ops_attach, ops_set_key, ops_rename, ops_look,   ops_damage};
    size_t count = VD_ARRAY_SIZE(steps) - (family->damage ? 0 : 1);
    steps[ops_byte(family) % count](family);
}

static inline int ops_run(const uint8_t *data, size_t size, bool damage)
{
    struct ops_family family = {.at = data, .end = data + size, .damage = damage};
    int r = vd_fs_memory_new(&family.files, NULL);
    assert(r >= 0);
    family.options.fs = vd_fs_memory_fs(family.files);
    r = vd_fs_memory_add(family.files, "sub/other", "", 0, NULL); /* so that there is a folder */
    assert(r >= 0);
    ops_create(&family);
    for (unsigned i = 0; i < OPS_MAX_STEPS && family.num_links > 0 && family.at < family.end; i++)
        ops_step(&family);
    ops_look(&family);
    for (size_t i = 0; i < family.num_links; i++)
        free(family.links[i].content);
    vd_fs_memory_free(family.files);
    return 0;
}

#endif
