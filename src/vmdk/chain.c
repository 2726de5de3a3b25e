/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/chain.h"

#include <inttypes.h>

#include "vmdk/chain-int.h"
#include "vmdk/parent.h"

int vd_chain_new(const struct vd_vmdk_options *options, struct vd_chain **ret, struct vd_error *err)
{
    struct vd_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a chain of links");
    size_t budget_bytes =
        options->table_budget_bytes != 0 ? options->table_budget_bytes : VD_VMDK_TABLE_BUDGET_BYTES;
    int r = vd_table_cache_new(budget_bytes, &chain->cache, err);
    if (r < 0) {
        vd_chain_free(chain);
        return r;
    }
    *ret = chain;
    return 0;
}

void vd_chain_free(struct vd_chain *chain)
{
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->num_links; i++)
        vd_link_free(chain->links[i]);
    free(chain->links);
    vd_table_cache_free(chain->cache);
    free(chain);
}

int vd_chain_close_leaf(struct vd_chain *chain, struct vd_error *err)
{
    struct vd_link *leaf = chain->links[0];
    int first = 0;
    for (size_t i = 0; i < leaf->num_extents; i++) {
        struct vd_link_extent *extent = &leaf->extents[i];
        vd_extent_free(VD_TAKE_PTR(extent->extent));
        int r = vd_block_close(VD_TAKE_PTR(extent->block), err);
        if (r < 0 && first >= 0)
            first = r;
    }
    return first;
}

int vd_chain_append(struct vd_chain *chain, struct vd_link *link, struct vd_error *err)
{
    if (chain->num_links == chain->allocated) {
        size_t wanted = chain->allocated == 0 ? 4 : chain->allocated * 2;
        struct vd_link **grown = reallocarray(chain->links, wanted, sizeof(struct vd_link *));
        if (grown == NULL)
            return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a chain of links");
        chain->links = grown;
        chain->allocated = wanted;
    }
    chain->links[chain->num_links++] = link;
    return 0;
}

const char *vd_chain_ddb(const struct vd_chain *chain, const char *key)
{
    for (size_t i = 0; i < chain->num_links; i++) {
        const char *value = vd_descriptor_ddb(chain->links[i]->descriptor, key);
        if (value != NULL)
            return value;
    }
    return NULL;
}

static int check_new(const struct vd_chain *chain, const struct vd_link *parent,
                     struct vd_error *err)
{
    const struct vd_link *child = chain->links[chain->num_links - 1];
    for (size_t i = 0; i < chain->num_links; i++) {
        const struct vd_link *link = chain->links[i];
        if (link->identity.device == parent->identity.device &&
            link->identity.inode == parent->identity.inode)
            return vd_error_set(err, VD_E_CHAIN_LOOP,
                                "the parents run in a circle: '%s' has the parent '%s', which is "
                                "'%s' again",
                                child->path, parent->path, link->path);
    }
    if (chain->num_links >= VD_VMDK_MAX_LINKS)
        return vd_error_set(err, VD_E_CHAIN_TOO_LONG,
                            "the chain of '%s' has more than %d links, '%s' would be the next",
                            chain->links[0]->path, VD_VMDK_MAX_LINKS, parent->path);
    return 0;
}

/* 1, 0, or the reason why the parent cannot be named. */
static int wants_parent(const struct vd_link *link, bool single, struct vd_error *err)
{
    if (vd_descriptor_has_parent(link->descriptor))
        return 1;
    if (!vd_descriptor_is_virtualbox_child(link->descriptor))
        return 0;
    if (single)
        return 1;
    return vd_error_set(err, VD_E_DISK_FEATURE,
                        "'%s' is a VirtualBox differencing disk: it names its parent by the UUID "
                        "%s alone, so the parent cannot be found",
                        link->path, vd_descriptor_ddb(link->descriptor, "uuid.parent"));
}

/* Read as VMware would not: what a shorter parent does not reach is zeros. */
static void log_capacities(const struct vd_link *child, const struct vd_link *parent,
                           const struct vd_log *log)
{
    if (child->capacity_sectors != parent->capacity_sectors)
        vd_log(log, VD_LOG_WARNING, "'%s' has %" PRIu64 " sectors, its parent '%s' has %" PRIu64,
               child->path, child->capacity_sectors, parent->path, parent->capacity_sectors);
}

int vd_chain_load_parent(struct vd_chain *chain, const struct vd_link_context *context,
                         const char *const *parent_folders, struct vd_link **ret,
                         struct vd_error *err)
{
    const struct vd_link *child = chain->links[chain->num_links - 1];
    bool single = (context->flags & VD_VMDK_SINGLE_LINK) != 0;
    int wanted = wants_parent(child, single, err);
    if (wanted <= 0)
        return wanted;
    if (single) {
        chain->missing_parent = true;
        return 0;
    }
    VD_CLEANUP(vd_link_free_cleanup) struct vd_link *parent = NULL;
    int r = vd_parent_load(child, context, parent_folders, &parent, err);
    if (r >= 0)
        r = check_new(chain, parent, err);
    if (r < 0)
        return r;
    log_capacities(child, parent, context->log);
    *ret = VD_TAKE_PTR(parent);
    return 1;
}

/* A parent's failure is told as one: an extent that is not there is not the disk's own. */
static int as_parent(const struct vd_chain *chain, int code, struct vd_error *err)
{
    if (chain->num_links == 0 || code == VD_E_NO_MEMORY || code == VD_E_TOO_MANY_FILES)
        return code;
    vd_error_prefix(err, "cannot open the parent of '%s'",
                    chain->links[chain->num_links - 1]->path);
    return vd_error_recode(err, VD_E_PARENT_OPEN);
}

/* Takes `link` over in any case. */
static int admit(struct vd_chain *chain, struct vd_link *link,
                 const struct vd_link_context *context, struct vd_error *err)
{
    int r = vd_link_open_extents(link, context, err);
    if (r < 0)
        r = as_parent(chain, r, err);
    else
        r = vd_chain_append(chain, link, err);
    if (r < 0)
        vd_link_free(link);
    return r;
}

static int open_links(struct vd_chain *chain, const char *path, struct vd_link_context *context,
                      const char *const *parent_folders, struct vd_error *err)
{
    struct vd_link *link;
    int r = vd_link_load(path, NULL, context, &link, err);
    if (r < 0)
        return r;
    do {
        r = admit(chain, link, context, err);
        context->write = false; /* parents are read */
        if (r >= 0)
            r = vd_chain_load_parent(chain, context, parent_folders, &link, err);
    } while (r > 0);
    return r;
}

int vd_chain_open(const char *path, const struct vd_vmdk_options *options, struct vd_chain **ret,
                  struct vd_error *err)
{
    VD_CLEANUP(vd_chain_free_cleanup) struct vd_chain *chain = NULL;
    int r = vd_chain_new(options, &chain, err);
    if (chain == NULL)
        return r;
    struct vd_link_context context;
    r = vd_link_context_init(&context, path, options, chain->cache, err);
    if (r < 0)
        return r;
    bool write = (options->flags & VD_VMDK_READ_ONLY) == 0;
    context.write = write;
    r = open_links(chain, path, &context, options->parent_folders, err);
    vd_link_context_done(&context);
    if (r >= 0 && write)
        r = vd_chain_check_write(chain, options->log, err);
    if (r >= 0)
        *ret = VD_TAKE_PTR(chain);
    return r;
}
