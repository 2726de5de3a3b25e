/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/parent.h"

#include <inttypes.h>

#include "base/buf.h"

#define TRIED_BYTES 600u

/* What came of the places looked at. Of several failures the one worth telling is the one that got
 * nearest to a parent. */
struct search {
    const struct vd_link *child;
    const struct vd_link_context *context;
    struct vd_link *found;
    struct vd_link *stale;     /* the first with another CID */
    struct vd_error unusable;  /* the first that is there but cannot be read */
    struct vd_error forbidden; /* the first outside the folder */
    struct vd_buf missing;
};

/* A parent whose CID nobody wrote down cannot be told to be the wrong one. */
static bool is_the_parent(const struct vd_descriptor *child, const struct vd_descriptor *parent)
{
    return !child->has_parent_cid || (parent->has_cid && parent->cid == child->parent_cid);
}

/* Failures that say nothing about the place, so that looking on would hide them. */
static bool is_fatal(int code)
{
    return code == VD_E_NO_MEMORY || code == VD_E_TOO_MANY_FILES || code == VD_E_CANCELLED;
}

/* The base name of a hint that leads to another folder may be the child's own: that is no parent
 * that was changed. */
static bool is_the_child(const struct vd_link *child, const struct vd_link *link)
{
    return child->identity.device == link->identity.device &&
           child->identity.inode == link->identity.inode;
}

static int look_at(struct search *search, const char *path, struct vd_error *err)
{
    VD_CLEANUP(vd_link_free_cleanup) struct vd_link *link = NULL;
    struct vd_error failure = VD_ERROR_INIT;
    VD_FREE char *real_path = NULL;
    int r = vd_resolve_allowed(&search->context->resolve, path, &real_path, &failure);
    if (r >= 0)
        r = vd_link_load(path, real_path, search->context, &link, &failure);
    if (is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);

    if (r >= 0 && is_the_parent(search->child->descriptor, link->descriptor))
        search->found = VD_TAKE_PTR(link);
    else if (r >= 0 && is_the_child(search->child, link))
        vd_path_note(&search->missing, path);
    else if (r >= 0 && search->stale == NULL)
        search->stale = VD_TAKE_PTR(link);
    else if (r == VD_E_NOT_FOUND || r == VD_E_NAME_TOO_LONG)
        vd_path_note(&search->missing, path);
    else if (r == VD_E_OUTSIDE_FOLDER)
        (void)vd_error_set(&search->forbidden, r, "%s", failure.text); /* kept: the first */
    else if (r < 0)
        (void)vd_error_set(&search->unusable, r, "%s", failure.text); /* kept: the first */
    return 0;
}

static int look_at_list(struct search *search, const struct vd_path_list *list, size_t from,
                        struct vd_error *err)
{
    for (size_t i = from; i < list->count && search->found == NULL; i++) {
        int r = look_at(search, list->paths[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Names in another case are looked for only when there is nothing under the right ones. */
static int look_everywhere(struct search *search, const char *const *parent_folders,
                           struct vd_error *err)
{
    struct vd_path_list list = {0};
    int r = vd_resolve_parent_paths(search->child->descriptor, &search->child->folders,
                                    parent_folders, &list, err);
    if (r >= 0)
        r = look_at_list(search, &list, 0, err);
    if (r >= 0 && search->found == NULL && search->stale == NULL && search->unusable.code == 0) {
        size_t exact = list.count;
        r = vd_resolve_any_case(search->context->resolve.fs, &list, err);
        if (r >= 0)
            r = look_at_list(search, &list, exact, err);
    }
    vd_path_list_done(&list);
    return r;
}

static int tell_stale(const struct search *search, struct vd_error *err)
{
    const struct vd_descriptor *parent = search->stale->descriptor;
    const struct vd_descriptor *child = search->child->descriptor;
    if (!parent->has_cid)
        return vd_error_set(err, VD_E_CID_MISMATCH,
                            "the parent '%s' has no CID, '%s' expects %08" PRIx32,
                            search->stale->path, search->child->path, child->parent_cid);
    return vd_error_set(err, VD_E_CID_MISMATCH,
                        "the parent '%s' has CID %08" PRIx32 ", '%s' expects %08" PRIx32
                        ": it was changed after the child was made",
                        search->stale->path, parent->cid, search->child->path, child->parent_cid);
}

static int tell_failure(const struct search *search, struct vd_error *err)
{
    const char *child = search->child->path;
    const char *hint = search->child->descriptor->parent_hint;
    if (search->stale != NULL)
        return tell_stale(search, err);
    if (search->unusable.code < 0)
        return vd_error_set(err, VD_E_PARENT_OPEN, "cannot open the parent '%s' of '%s': %s", hint,
                            child, search->unusable.text);
    if (search->forbidden.code < 0)
        return vd_error_set(err, VD_E_OUTSIDE_FOLDER, "the parent '%s' of '%s': %s", hint, child,
                            search->forbidden.text);
    if (search->child->descriptor->parent_hint_undecoded)
        return vd_error_set(err, VD_E_DESC_ENCODING,
                            "the parent '%s' of '%s' is not there, and its name is not text in the "
                            "descriptor's encoding",
                            hint, child);
    return vd_error_set(err, VD_E_PARENT_MISSING,
                        "the parent '%s' of '%s' is not there (looked for %s)", hint, child,
                        vd_buf_text(&search->missing));
}

/* The forced choice. */
static void accept_stale(struct search *search)
{
    if (search->found != NULL || search->stale == NULL ||
        (search->context->flags & VD_VMDK_IGNORE_CID) == 0)
        return;
    struct vd_error story = VD_ERROR_INIT;
    (void)tell_stale(search, &story); /* always fails; it is the sentence that is wanted */
    vd_log(search->context->log, VD_LOG_WARNING, "%s; opened all the same", story.text);
    search->found = VD_TAKE_PTR(search->stale);
}

int vd_parent_load(const struct vd_link *child, const struct vd_link_context *context,
                   const char *const *parent_folders, struct vd_link **ret, struct vd_error *err)
{
    const struct vd_descriptor *descriptor = child->descriptor;
    if (descriptor->parent_hint == NULL)
        return vd_error_set(err, VD_E_PARENT_MISSING,
                            "'%s' has a parent (parentCID %08" PRIx32
                            ") but does not name its file",
                            child->path, descriptor->parent_cid);
    struct search search = {
        .child = child, .context = context, .missing = VD_BUF_INIT(TRIED_BYTES)};
    int r = look_everywhere(&search, parent_folders, err);
    if (r >= 0) {
        accept_stale(&search);
        if (search.found != NULL)
            *ret = VD_TAKE_PTR(search.found);
        else
            r = tell_failure(&search, err);
    }
    vd_link_free(search.stale);
    vd_link_free(search.found);
    vd_buf_done(&search.missing);
    return r;
}
