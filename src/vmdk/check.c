/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain is loaded first, as far as it goes, and each link's files are opened, so that what is
 * wrong with the whole (missing files, files used twice) is known before any is repaired. Then each
 * file is looked at by its format.
 */
#include "vmdk/check.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/chain-int.h"
#include "vmdk/check-chain.h"
#include "vmdk/check-int.h"
#include "vmdk/check-unreadable.h"
#include "vmdk/probe.h"

/* Once for a header that was put right, once for a descriptor, and then the rest. */
#define MAX_TIMES 3

typedef int format_check(struct vd_check_file *file, struct vd_block *block,
                         const struct vd_extent_line *line, struct vd_error *err);

static format_check *check_of(enum vd_file_kind kind)
{
    switch (kind) {
    case VD_FILE_KDMV:
        return vd_check_kdmv;
    case VD_FILE_COWD:
        return vd_check_cowd;
    case VD_FILE_SESPARSE:
        return vd_check_sesparse;
    default:
        return NULL;
    }
}

/* By what the file is; that its line calls it something else is a fault of the descriptor. */
static int check_by_kind(struct vd_check_file *file, struct vd_block *block,
                         const struct vd_extent_line *line, bool embedded, struct vd_error *err)
{
    enum vd_file_kind expected = embedded ? VD_FILE_KDMV : vd_file_kind_expected(line->type);
    enum vd_file_kind kind;
    if (!embedded && vd_extent_type_is_raw(line->type))
        return vd_check_flat(file, block, line, err);
    int r = vd_probe_block(block, &kind, err);
    if (r < 0)
        return r;
    if (kind != expected)
        vd_check_fault(file, "extent-kind", 0, false,
                       "'%s' is %s, expected %s as its extent line says; put the right file back, "
                       "or correct the line",
                       file->path, vd_file_kind_text(kind), vd_file_kind_text(expected));
    format_check *check = check_of(kind);
    return check != NULL ? check(file, block, line, err) : 0;
}

/* The writer's lock of the file checked before is given up only when the next one is held, and that
 * of the first not before the end: who wants all of them cannot get in between. */
struct locks {
    struct vd_repair *first;
    struct vd_repair *last;
};

static int close_repair(struct vd_repair **repair, struct vd_error *err)
{
    struct vd_repair *taken = VD_TAKE_PTR(*repair);
    return vd_repair_close(taken, err);
}

static int hold(struct locks *locks, struct vd_repair *repair, struct vd_error *err)
{
    if (locks->first == NULL) {
        locks->first = repair;
        return 0;
    }
    int r = close_repair(&locks->last, err);
    locks->last = repair;
    return r;
}

static int check_extent(struct vd_check_run *run, struct locks *locks, uint32_t index,
                        const struct vd_link *link, const struct vd_link_extent *extent,
                        struct vd_error *err)
{
    const struct vd_extent_line *line = &link->descriptor->extents[extent->line];
    struct vd_check_file file;
    struct vd_block *block = extent->block;
    bool raw = vd_extent_type_is_raw(line->type) && !link->embedded;
    int r = 0;
    vd_check_file_init(&file, run, index, extent->path);
    file.weight_bytes = vd_sectors_to_bytes(line->sectors);
    file.repairing = locks != NULL;
    if (locks != NULL && !raw) {
        r = vd_repair_open(run->fs, extent->path, &file.repair, err);
        if (r >= 0)
            r = hold(locks, file.repair, err);
        if (r < 0)
            return r;
        block = vd_repair_block(file.repair);
    }
    r = check_by_kind(&file, block, line, link->embedded, err);
    if (r >= 0)
        r = vd_check_file_finish(&file, err);
    vd_check_file_done(&file);
    return r;
}

/* `repair` is that of the file the descriptor is in, where it is in one and that is repaired. */
static int check_descriptor(struct vd_check_run *run, bool repairing, struct vd_repair *repair,
                            uint32_t index, const struct vd_checked_link *checked,
                            struct vd_error *err)
{
    struct vd_check_file file;
    vd_check_file_init(&file, run, index, checked->link->path);
    file.repairing = repairing;
    file.repair = repair;
    vd_check_tell_problems(&file, checked);
    int r = vd_check_descriptor(&file, checked->link, err);
    if (r >= 0)
        r = vd_check_file_finish(&file, err);
    vd_check_file_done(&file);
    return r;
}

static int check_extents(struct vd_check_run *run, struct locks *locks, uint32_t index,
                         const struct vd_link *link, struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < link->num_extents; i++) {
        if (link->extents[i].block != NULL)
            r = check_extent(run, locks, index, link, &link->extents[i], err);
    }
    return r;
}

/* Files first: the descriptor is replaced while their locks are held. */
static int check_link(struct vd_check_run *run, uint32_t index,
                      const struct vd_checked_link *checked, struct vd_error *err)
{
    struct locks locks = {NULL, NULL};
    bool repairing = run->options->repair && index == 0 && !checked->shared_files;
    int r = check_extents(run, repairing ? &locks : NULL, index, checked->link, err);
    if (r >= 0)
        r = check_descriptor(run, repairing, checked->link->embedded ? locks.first : NULL, index,
                             checked, err);
    int last = close_repair(&locks.last, r < 0 ? NULL : err);
    int first = close_repair(&locks.first, r < 0 || last < 0 ? NULL : err);
    if (r >= 0)
        r = last < 0 ? last : first;
    return r;
}

static uint64_t weight_of(const struct vd_link *link)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < link->num_extents; i++) {
        if (link->extents[i].block != NULL)
            bytes += vd_sectors_to_bytes(link->descriptor->extents[link->extents[i].line].sectors);
    }
    return bytes;
}

static int check_links(struct vd_check_run *run, const struct vd_checked_chain *chain,
                       struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; i < chain->num_links; i++)
        run->total_bytes += weight_of(chain->links[i].link);
    for (size_t i = 0; r >= 0 && i < chain->num_links; i++)
        r = check_link(run, (uint32_t)i, &chain->links[i], err);
    if (r >= 0 && run->total_bytes == 0 && !vd_progress_report(run->options->progress, 0, 0))
        r = vd_error_set(err, VD_E_CANCELLED, "the check was stopped");
    return r;
}

/* 1 when the disk was unreadable and is no more. */
static int check_once(struct vd_check_run *run, const char *path, struct vd_error *err)
{
    struct vd_checked_chain chain = {0};
    struct vd_error damage = VD_ERROR_INIT;
    bool mended = false;
    int r = vd_checked_chain_load(path, &run->options->open, &chain, &damage, err);
    if (r >= 0 && damage.code >= 0)
        r = check_links(run, &chain, err);
    vd_checked_chain_done(&chain);
    if (r >= 0 && damage.code < 0)
        r = vd_check_unreadable(run, path, &damage, &mended, err);
    return r < 0 ? r : mended;
}

int vd_vmdk_check(const char *path, const struct vd_check_options *options,
                  struct vd_check_result *ret, struct vd_error *err)
{
    struct vd_check_run run = {
        .options = options,
        .fs = options->open.fs != NULL ? options->open.fs : vd_fs_host(),
        .result = {.clean = true},
    };
    int r = 1;
    for (int times = 0; r > 0 && times < MAX_TIMES; times++)
        r = check_once(&run, path, err);
    if (r < 0)
        return r;
    *ret = run.result;
    return 0;
}
