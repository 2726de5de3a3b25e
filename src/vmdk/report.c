/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built in two passes: what opens is opened, and what does not becomes a sentence; then, where it
 * is asked for, the tables of what is open are counted. The links live in a chain as they do in an
 * open disk, only that extents may be missing from them.
 */
#include "vmdk/report.h"

#include <string.h>

#include "base/units.h"
#include "vmdk/chain-int.h"
#include "vmdk/report-count.h"

/* Tables are gone through in order and once, so few pages of them do, and memory that was used
 * already is much cheaper than new memory. Only directories are come back to with each window. */
#define COUNT_PAGES 8u

/* The report the caller sees, and what keeps its parts alive. */
struct report_store {
    struct vd_report base; /* first, so that the one is the other */
    struct vd_chain *chain;
    struct vd_link_context context;
    const char *const *parent_folders;
    size_t links_allocated;
    struct vd_error *err;
};

static int no_memory(const struct report_store *store)
{
    return vd_error_set(store->err, VD_E_NO_MEMORY, "no memory for a report");
}

static bool is_fatal(int code)
{
    return code == VD_E_NO_MEMORY || code == VD_E_TOO_MANY_FILES;
}

/* Keeps the sentence of `failure` at *place, and in the report, where none is yet. Fails only with
 * what is no news about the disk. */
static int note_problem(struct report_store *store, char **place, int code,
                        const struct vd_error *failure)
{
    const char *text = vd_error_message(failure, code);
    if (is_fatal(code))
        return vd_error_set(store->err, code, "%s", text);
    if (*place == NULL)
        *place = strdup(text);
    if (store->base.problem == NULL)
        store->base.problem = strdup(text);
    return *place == NULL || store->base.problem == NULL ? no_memory(store) : 0;
}

/* What the file system knows of the file. */
static int measure_file(struct vd_report_extent *extent, struct vd_block *block,
                        struct vd_error *failure)
{
    int r = vd_block_size(block, &extent->file_bytes, failure);
    if (r >= 0)
        r = vd_block_allocated(block, &extent->file_allocated_bytes, failure);
    return r;
}

static int describe_extent(struct report_store *store, struct vd_report_extent *extent,
                           const struct vd_link_extent *opened)
{
    extent->opened = true;
    extent->facts = opened->extent->facts;
    if (opened->block == NULL)
        return 0;
    extent->path = strdup(opened->path);
    if (extent->path == NULL)
        return no_memory(store);
    struct vd_error failure = VD_ERROR_INIT;
    int r = measure_file(extent, opened->block, &failure);
    return r < 0 ? note_problem(store, &extent->problem, r, &failure) : 0;
}

/* The next of the link's extents, which goes to the link when it opens. */
static int report_extent(struct report_store *store, struct vd_link *link,
                         struct vd_report_extent *extent, size_t line_index, uint64_t start_sectors)
{
    extent->line = &link->descriptor->extents[line_index];
    if (extent->line->sectors == 0) { /* a placeholder, whose file is never looked for */
        extent->opened = true;
        return 0;
    }
    struct vd_error failure = VD_ERROR_INIT;
    struct vd_link_extent *opened = &link->extents[link->num_extents];
    int r = vd_link_open_extent(link, &store->context, line_index, opened, &failure);
    if (r < 0)
        return note_problem(store, &extent->problem, r, &failure);
    opened->start_sectors = start_sectors;
    link->num_extents++;
    return describe_extent(store, extent, opened);
}

static int report_extents(struct report_store *store, struct vd_link *link,
                          struct vd_report_link *report)
{
    size_t count = link->descriptor->num_extents;
    report->extents = calloc(count, sizeof *report->extents);
    link->extents = calloc(count, sizeof *link->extents);
    if (report->extents == NULL || link->extents == NULL)
        return no_memory(store);
    report->num_extents = count;

    uint64_t start_sectors = 0;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        r = report_extent(store, link, &report->extents[i], i, start_sectors);
        start_sectors += link->descriptor->extents[i].sectors;
    }
    if (r < 0)
        return r;
    struct vd_error failure = VD_ERROR_INIT;
    r = vd_link_check_files(link, &failure);
    return r < 0 ? note_problem(store, &report->problem, r, &failure) : 0;
}

static int add_report_link(struct report_store *store, const char *path)
{
    if (store->base.num_links == store->links_allocated) {
        size_t wanted = store->links_allocated == 0 ? 4 : store->links_allocated * 2;
        struct vd_report_link *grown = reallocarray(store->base.links, wanted, sizeof *grown);
        if (grown == NULL)
            return no_memory(store);
        store->base.links = grown;
        store->links_allocated = wanted;
    }
    struct vd_report_link *link = &store->base.links[store->base.num_links];
    *link = (struct vd_report_link){.path = strdup(path)};
    if (link->path == NULL)
        return no_memory(store);
    store->base.num_links++;
    return 0;
}

/* Takes `link` over in any case. */
static int report_link(struct report_store *store, struct vd_link *link)
{
    int r = vd_chain_append(store->chain, link, store->err);
    if (r < 0) {
        vd_link_free(link);
        return r;
    }
    r = add_report_link(store, link->path);
    if (r < 0)
        return r;
    struct vd_report_link *report = &store->base.links[store->base.num_links - 1];
    report->descriptor = link->descriptor;
    report->embedded = link->embedded;
    return report_extents(store, link, report);
}

/* The chain from its second link on, as far as it goes. */
static int report_parents(struct report_store *store)
{
    for (;;) {
        struct vd_error failure = VD_ERROR_INIT;
        struct vd_link *parent;
        int r = vd_chain_load_parent(store->chain, &store->context, store->parent_folders, &parent,
                                     &failure);
        if (r == 0)
            return 0;
        if (r < 0) {
            struct vd_report_link *last = &store->base.links[store->base.num_links - 1];
            return note_problem(store, &last->problem, r, &failure);
        }
        r = report_link(store, parent);
        if (r < 0)
            return r;
    }
}

static int report_chain(struct report_store *store, const char *path)
{
    struct vd_link *leaf;
    int r = vd_link_load(path, NULL, &store->context, &leaf, store->err);
    if (r >= 0)
        r = report_link(store, leaf);
    if (r < 0)
        return r;
    store->base.capacity_sectors = store->chain->links[0]->capacity_sectors;
    return report_parents(store);
}

/* A table that cannot be walked is trouble of its extent, of which nothing more is counted. */
static int count_extents(struct report_store *store, struct vd_count *count, size_t index)
{
    const struct vd_link *link = store->chain->links[index];
    size_t i = count->start_sectors < link->capacity_sectors
                   ? vd_link_extent_at(link, count->start_sectors)
                   : link->num_extents;
    for (; i < link->num_extents; i++) {
        const struct vd_link_extent *opened = &link->extents[i];
        if (opened->start_sectors >= count->end_sectors)
            break;
        struct vd_report_extent *extent = &store->base.links[index].extents[opened->line];
        if (extent->problem != NULL)
            continue;
        struct vd_error failure = VD_ERROR_INIT;
        int r = vd_count_extent(count, opened, &extent->data_bytes, &failure);
        if (r >= 0)
            continue;
        extent->data_bytes = 0;
        r = note_problem(store, &extent->problem, r, &failure);
        if (r < 0)
            return r;
    }
    return 0;
}

static int count_links(struct report_store *store, struct vd_count *count)
{
    int r = count_extents(store, count, 0);
    for (size_t i = 1; r >= 0 && i < store->chain->num_links; i++) {
        r = vd_count_parent(count, store->err);
        if (r >= 0)
            r = count_extents(store, count, i);
    }
    return r;
}

/* The furthest that any link reaches. */
static uint64_t largest_link(const struct vd_chain *chain)
{
    uint64_t largest_sectors = 0;
    for (size_t i = 0; i < chain->num_links; i++)
        largest_sectors = VD_MAX(largest_sectors, chain->links[i]->capacity_sectors);
    return largest_sectors;
}

/* Up to where, from `at` on, the link has one and the same and no file that tells it: zeros, or
 * nothing because a file is missing. `at` where a file tells. */
static uint64_t plain_until(const struct vd_link *link, uint64_t at)
{
    if (link->num_extents == 0 || at >= link->capacity_sectors)
        return UINT64_MAX;
    size_t index = vd_link_extent_at(link, at);
    const struct vd_link_extent *extent = &link->extents[index];
    uint64_t end = extent->start_sectors + extent->extent->capacity_sectors;
    if (at < extent->start_sectors)
        return extent->start_sectors;
    if (at < end)
        return extent->block == NULL ? end : at;
    return index + 1 < link->num_extents ? extent[1].start_sectors : UINT64_MAX;
}

/* A window is as large as what is remembered of it allows. Where nothing is hidden or seen, that is
 * nothing, and where no link has a file, a range for each link: a few lines of text make a disk of
 * any size, and are not worth a window for each gigabyte of it. */
static uint64_t window_end(const struct vd_chain *chain, const struct vd_count *count, uint64_t at,
                           uint64_t end_sectors)
{
    uint64_t plain = UINT64_MAX;
    if (count->num_links == 1 || at >= count->capacity_sectors)
        return end_sectors;
    for (size_t i = 0; i < chain->num_links; i++)
        plain = VD_MIN(plain, plain_until(chain->links[i], at));
    return VD_MIN(end_sectors, VD_MAX(at + VD_COUNT_WINDOW_SECTORS, plain));
}

static int count_windows(struct report_store *store, struct vd_count *count)
{
    uint64_t end_sectors = largest_link(store->chain);
    uint64_t at = 0;
    size_t pages = COUNT_PAGES;
    if (count->num_links > 1 && end_sectors > VD_COUNT_WINDOW_SECTORS)
        pages += count->num_links;
    vd_table_cache_limit(store->chain->cache, pages * VD_TABLE_PAGE_BYTES);
    int r = 0;
    while (r >= 0 && at < end_sectors) {
        uint64_t until = window_end(store->chain, count, at, end_sectors);
        r = vd_count_window(count, at, until, store->err);
        if (r >= 0)
            r = count_links(store, count);
        at = until;
    }
    return r;
}

static int count_all(struct report_store *store)
{
    struct vd_count count = {.num_links = store->chain->num_links,
                             .capacity_sectors = store->base.capacity_sectors};
    int r = count_windows(store, &count);
    if (r >= 0 && store->base.problem == NULL)
        store->base.allocated_bytes = vd_sectors_to_bytes(count.seen_sectors);
    vd_count_done(&count);
    return r;
}

static int build(struct report_store *store, const char *path,
                 const struct vd_vmdk_options *options, bool count_data)
{
    int r = vd_chain_new(options, &store->chain, store->err);
    if (r < 0)
        return r;
    r = vd_link_context_init(&store->context, path, options, store->chain->cache, store->err);
    if (r < 0)
        return r;
    store->parent_folders = options->parent_folders;
    r = report_chain(store, path);
    if (r >= 0 && count_data)
        r = count_all(store);
    store->base.complete = r >= 0 && store->base.problem == NULL;
    vd_link_context_done(&store->context);
    return r;
}

int vd_report_new(const char *path, const struct vd_vmdk_options *options, bool count_data,
                  struct vd_report **ret, struct vd_error *err)
{
    static const struct vd_vmdk_options defaults = {0};
    struct report_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a report");
    store->err = err;
    int r = build(store, path, options != NULL ? options : &defaults, count_data);
    if (r < 0) {
        vd_report_free(&store->base);
        return r;
    }
    *ret = &store->base;
    return 0;
}

static void link_done(struct vd_report_link *link)
{
    for (size_t i = 0; i < link->num_extents; i++) {
        free(link->extents[i].path);
        free(link->extents[i].problem);
    }
    free(link->extents);
    free(link->path);
    free(link->problem);
}

void vd_report_free(struct vd_report *report)
{
    if (report == NULL)
        return;
    struct report_store *store = (struct report_store *)report;
    for (size_t i = 0; i < report->num_links; i++)
        link_done(&report->links[i]);
    free(report->links);
    free(report->problem);
    vd_chain_free(store->chain);
    free(store);
}
