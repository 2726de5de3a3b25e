/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to a link with its descriptor, and what links of a chain share. */
#include <string.h>

#include "vmdk/descriptor-file.h"
#include "vmdk/link-int.h"
#include "vmdk/probe.h"
#include "vmdk/wrong-file.h"

int vd_link_context_init(struct vd_link_context *context, const char *path,
                         const struct vd_vmdk_options *options, struct vd_table_cache *cache,
                         struct vd_error *err)
{
    *context =
        (struct vd_link_context){.log = options->log, .flags = options->flags, .cache = cache};
    int r = vd_resolve_init(&context->resolve, path, options, err);
    if (r >= 0)
        r = vd_file_pool_new(context->resolve.fs, &context->pool, err);
    if (r < 0)
        vd_link_context_done(context);
    return r;
}

void vd_link_context_done(struct vd_link_context *context)
{
    vd_resolve_done(&context->resolve);
    vd_file_pool_unref(context->pool);
    context->pool = NULL;
}

/* The descriptor of a hosted sparse file. The name in its extent line says nothing: exports carry
 * names of their own and users rename files, so the extent is the file itself. Only a header of no
 * sectors does not speak for its file: then the extents are where the lines say. */
static int load_embedded(struct vd_link *link, struct vd_block *block, const struct vd_front *front,
                         const struct vd_fs *fs, struct vd_error *err)
{
    struct vd_kdmv_header *header = &link->header;
    int r = front->length < VD_KDMV_HEADER_BYTES
                ? vd_kdmv_header_read(block, header, err) /* which tells what is missing */
                : vd_kdmv_header_take(block, front->bytes, header, err);
    if (r < 0)
        return r;
    r = vd_descriptor_read_embedded(block, header, front, &link->descriptor, err);
    if (r < 0)
        return r;
    if (link->descriptor == NULL)
        return vd_wrong_file(fs, block, VD_FILE_KDMV, link->path, err);
    link->embedded = header->capacity_sectors != 0;
    if (link->embedded && link->descriptor->num_extents != 1)
        return vd_error_set(err, VD_E_DESC_EXTENT,
                            "'%s': the descriptor inside the file has %zu extents, expected 1",
                            link->path, link->descriptor->num_extents);
    return 0;
}

static int load_descriptor(struct vd_link *link, struct vd_block *block, const struct vd_fs *fs,
                           struct vd_error *err)
{
    struct vd_front front;
    int r = vd_front_read(block, &front, err);
    if (r < 0)
        return r;
    enum vd_file_kind kind = vd_probe_bytes(front.bytes, front.length);
    if (kind == VD_FILE_DESCRIPTOR)
        return vd_descriptor_read(block, &front, &link->descriptor, err);
    if (kind == VD_FILE_KDMV)
        return load_embedded(link, block, &front, fs, err);
    return vd_wrong_file(fs, block, kind, link->path, err);
}

/* A header of no sectors with a descriptor that names other files: read where it is met, but there
 * is no safe way to change it. */
static int refuse_odd_place(const struct vd_link *link, struct vd_block *block,
                            struct vd_error *err)
{
    enum vd_file_kind kind;
    int r = vd_probe_block(block, &kind, err);
    if (r < 0 || kind == VD_FILE_DESCRIPTOR)
        return r;
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "cannot open '%s' for writing: it is a sparse file of no sectors whose "
                        "descriptor names other files",
                        link->path);
}

static int open_descriptor(const char *path, const struct vd_link_context *context,
                           struct vd_block **ret, struct vd_error *err)
{
    unsigned flags = ((context->flags & VD_VMDK_UNBUFFERED) != 0 ? VD_FS_UNBUFFERED : 0u) |
                     ((context->flags & VD_VMDK_WRITE_OUT) != 0 ? VD_FS_WRITE_OUT : 0u);
    if (context->write)
        return vd_fs_open(context->resolve.fs, path, flags | VD_FS_WRITE, ret, err);
    return vd_file_pool_open(context->pool, path, flags, ret, err);
}

/* Resolving a path takes a call for each of its folders: it is done once for each link. */
static int find_folders(struct vd_link *link, const char *real_path, const struct vd_fs *fs,
                        struct vd_error *err)
{
    if (real_path != NULL)
        return vd_folders_of(&link->folders, link->path, real_path, err);
    return vd_folders_init(&link->folders, fs, link->path, err);
}

int vd_link_load(const char *path, const char *real_path, const struct vd_link_context *context,
                 struct vd_link **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_link_free_cleanup) struct vd_link *link = calloc(1, sizeof *link);
    if (link == NULL || (link->path = strdup(path)) == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", path);

    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    int r = open_descriptor(path, context, &block, err);
    if (r < 0)
        return r;
    r = load_descriptor(link, block, context->resolve.fs, err);
    if (r >= 0 && context->write && !link->embedded)
        r = refuse_odd_place(link, block, err);
    if (r >= 0)
        r = find_folders(link, real_path, context->resolve.fs, err);
    if (r < 0)
        return r;
    link->identity = block->identity;
    link->capacity_sectors = link->descriptor->capacity_sectors;
    if (link->embedded)
        link->container = VD_TAKE_PTR(block);
    else if (context->write)
        link->guard = VD_TAKE_PTR(block);
    *ret = VD_TAKE_PTR(link);
    return 0;
}
