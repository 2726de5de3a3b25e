/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmdk/check-unreadable.h"
#include "vmdk/probe.h"

static int note(struct vd_checked_link *checked, enum vd_finding_grade grade, const char *id,
                struct vd_error *err, const char *fmt, ...) VD_PRINTF(5, 6);

static int note(struct vd_checked_link *checked, enum vd_finding_grade grade, const char *id,
                struct vd_error *err, const char *fmt, ...)
{
    struct vd_check_problem *grown =
        reallocarray(checked->problems, checked->num_problems + 1, sizeof *grown);
    char *text;
    va_list args;
    va_start(args, fmt);
    int length = grown != NULL ? vasprintf(&text, fmt, args) : -1;
    va_end(args);
    if (grown != NULL)
        checked->problems = grown;
    if (length < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check a disk");
    grown[checked->num_problems++] = (struct vd_check_problem){grade, id, text};
    return 0;
}

void vd_check_tell_problems(struct vd_check_file *file, const struct vd_checked_link *checked)
{
    for (size_t i = 0; i < checked->num_problems; i++) {
        const struct vd_check_problem *problem = &checked->problems[i];
        if (problem->grade == VD_FINDING_FAULT)
            vd_check_fault(file, problem->id, VD_CHECK_NOWHERE, false, "%s", problem->text);
        else
            vd_check_info(file, problem->id, VD_CHECK_NOWHERE, false, "%s", problem->text);
    }
}

/* --- files of a link --- */

static int note_missing(struct vd_checked_link *checked, int code, const struct vd_error *failure,
                        struct vd_error *err)
{
    if (vd_check_is_fatal(code))
        return vd_error_set(err, code, "%s", failure->text);
    if (code == VD_E_NOT_FOUND)
        return note(checked, VD_FINDING_FAULT, "extent-missing", err,
                    "%s; put it back from a backup", failure->text);
    if (code == VD_E_OUTSIDE_FOLDER)
        return note(checked, VD_FINDING_FAULT, "extent-outside", err, "%s", failure->text);
    return note(checked, VD_FINDING_FAULT, "extent-unusable", err, "%s", failure->text);
}

/* Only its own host can look at these. */
static bool is_remote(const struct vd_extent_line *line)
{
    return line->type == VD_EXTENT_VMFSRDM || line->type == VD_EXTENT_VSANSPARSE;
}

static int open_file(struct vd_checked_link *checked, const struct vd_link_context *context,
                     size_t line_index, struct vd_error *err)
{
    struct vd_link *link = checked->link;
    const struct vd_extent_line *line = &link->descriptor->extents[line_index];
    struct vd_link_extent *extent = &link->extents[link->num_extents];
    struct vd_error failure = VD_ERROR_INIT;
    if (line->sectors == 0 || line->type == VD_EXTENT_ZERO)
        return 0;
    if (is_remote(line))
        return note(
            checked, VD_FINDING_INFO, "extent-remote", err,
            "the extent '%s' of '%s' is on storage of its ESX host (%s) and was not checked",
            line->file, link->path, vd_extent_type_text(line->type));
    int r = vd_resolve_extent(&context->resolve, context->pool, &link->folders, line, link->path,
                              &extent->block, &failure);
    if (r < 0)
        return note_missing(checked, r, &failure, err);
    extent->path = vd_block_path(extent->block);
    extent->line = line_index;
    link->num_extents++;
    return 0;
}

static int open_lines(struct vd_checked_link *checked, const struct vd_link_context *context,
                      struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < checked->link->descriptor->num_extents; i++)
        r = open_file(checked, context, i, err);
    return r;
}

static int open_files(struct vd_checked_link *checked, const struct vd_link_context *context,
                      struct vd_error *err)
{
    struct vd_link *link = checked->link;
    struct vd_error failure = VD_ERROR_INIT;
    link->extents = calloc(link->descriptor->num_extents + 1, sizeof *link->extents);
    if (link->extents == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", link->path);
    if (link->embedded) {
        link->extents[0].block = VD_TAKE_PTR(link->container);
        link->extents[0].path = vd_block_path(link->extents[0].block);
        link->num_extents = 1;
        return 0;
    }
    int r = open_lines(checked, context, err);
    if (r >= 0)
        r = vd_link_check_files(link, &failure);
    if (r >= 0 || failure.code == 0)
        return r;
    if (vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    checked->shared_files = true;
    return note(checked, VD_FINDING_FAULT, "extent-shared", err, "%s; correct the extent lines",
                failure.text);
}

/* --- the chain --- */

static int add_link(struct vd_checked_chain *chain, struct vd_link *link, struct vd_error *err)
{
    int r = vd_chain_append(chain->chain, link, err);
    if (r < 0) {
        vd_link_free(link);
        return r;
    }
    struct vd_checked_link *grown = reallocarray(chain->links, chain->num_links + 1, sizeof *grown);
    if (grown == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", link->path);
    chain->links = grown;
    grown[chain->num_links++] = (struct vd_checked_link){.link = link};
    return open_files(&grown[chain->num_links - 1], &chain->context, err);
}

/* Which kind of finding a parent that cannot be had is. */
static const char *parent_problem_id(int code)
{
    switch (code) {
    case VD_E_PARENT_MISSING:
        return "parent-missing";
    case VD_E_CHAIN_LOOP:
        return "chain-loop";
    case VD_E_CHAIN_TOO_LONG:
        return "chain-too-long";
    default:
        return "parent-unusable";
    }
}

static int compare_with_parent(struct vd_checked_link *checked, const struct vd_link *parent,
                               bool cid_ignored, struct vd_error *err)
{
    const struct vd_descriptor *child = checked->link->descriptor;
    int r = 0;
    if (child->has_parent_cid &&
        (!parent->descriptor->has_cid || parent->descriptor->cid != child->parent_cid))
        r = note(checked, cid_ignored ? VD_FINDING_INFO : VD_FINDING_FAULT, "cid-mismatch", err,
                 "'%s' expects a parent with CID %08" PRIx32 ", but '%s' has %08" PRIx32
                 ": it was changed after the child was made; only who knows that its content was "
                 "not may correct parentCID",
                 checked->link->path, child->parent_cid, parent->path, parent->descriptor->cid);
    if (r >= 0 && parent->capacity_sectors != checked->link->capacity_sectors)
        r = note(checked, VD_FINDING_FAULT, "capacity-mismatch", err,
                 "'%s' has %" PRIu64 " sectors, its parent '%s' has %" PRIu64
                 "; VMware refuses such a chain, convert the disk to a new one",
                 checked->link->path, checked->link->capacity_sectors, parent->path,
                 parent->capacity_sectors);
    return r;
}

/* 1 when there is one more link. */
static int load_parent(struct vd_checked_chain *chain, const struct vd_vmdk_options *options,
                       struct vd_error *err)
{
    struct vd_checked_link *last = &chain->links[chain->num_links - 1];
    struct vd_error failure = VD_ERROR_INIT;
    struct vd_link *parent;
    int r = vd_chain_load_parent(chain->chain, &chain->context, options->parent_folders, &parent,
                                 &failure);
    if (r == 0 && chain->chain->missing_parent)
        return note(last, VD_FINDING_INFO, "parent-unchecked", err,
                    "the parent of '%s' was not asked for", last->link->path);
    if (r == 0)
        return 0;
    if (r < 0 && vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    if (r < 0)
        return note(last, VD_FINDING_FAULT, parent_problem_id(r), err, "%s", failure.text);
    r = compare_with_parent(last, parent, (options->flags & VD_VMDK_IGNORE_CID) != 0, err);
    if (r < 0) {
        vd_link_free(parent);
        return r;
    }
    r = add_link(chain, parent, err);
    return r < 0 ? r : 1;
}

/* Failures of reading the first file that say that it is a disk, and damaged. */
static bool is_damage(const char *path, const struct vd_checked_chain *chain, int code)
{
    struct vd_block *block;
    enum vd_file_kind kind;
    if (vd_check_is_fatal(code) ||
        vd_file_pool_open(chain->context.pool, path, 0, &block, NULL) < 0)
        return false;
    bool refused =
        code == VD_E_VERSION || vd_error_is(code, VD_E_NOT_SUPPORTED) || code == VD_E_DATA_EXTENT;
    bool known = (!refused && vd_probe_block(block, &kind, NULL) >= 0 &&
                  (kind == VD_FILE_DESCRIPTOR || kind == VD_FILE_KDMV)) ||
                 vd_check_is_headless_stream(block);
    vd_block_free(block);
    return known;
}

int vd_checked_chain_load(const char *path, const struct vd_vmdk_options *options,
                          struct vd_checked_chain *chain, struct vd_error *ret_damage,
                          struct vd_error *err)
{
    struct vd_link *link;
    int r = vd_chain_new(options, &chain->chain, err);
    if (r < 0)
        return r;
    /* Silent, and past a CID that differs: what there is to say is a finding. */
    struct vd_vmdk_options quiet = *options;
    quiet.log = NULL;
    quiet.flags |= VD_VMDK_IGNORE_CID;
    r = vd_link_context_init(&chain->context, path, &quiet, chain->chain->cache, err);
    if (r < 0)
        return r;
    chain->has_context = true;
    struct vd_error failure = VD_ERROR_INIT;
    r = vd_link_load(path, NULL, &chain->context, &link, &failure);
    if (r < 0 && is_damage(path, chain, r)) {
        *ret_damage = failure;
        return 0;
    }
    if (r < 0)
        return vd_error_set(err, r, "%s", failure.text);
    r = add_link(chain, link, err);
    if (r < 0)
        return r;
    do
        r = load_parent(chain, options, err);
    while (r > 0);
    return r;
}

void vd_checked_chain_done(struct vd_checked_chain *chain)
{
    for (size_t i = 0; i < chain->num_links; i++) {
        for (size_t j = 0; j < chain->links[i].num_problems; j++)
            free(chain->links[i].problems[j].text);
        free(chain->links[i].problems);
    }
    free(chain->links);
    vd_chain_free(chain->chain);
    if (chain->has_context)
        vd_link_context_done(&chain->context);
    *chain = (struct vd_checked_chain){0};
}
