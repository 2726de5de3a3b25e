/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-change.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "vmdk/identity.h"

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "no memory to change a descriptor");
}

/* What the line `ddb.KEY = "VALUE"` cannot carry: there is no way to escape. */
static int check_entry(const char *key, const char *value, struct vd_error *err)
{
    if (key[0] == '\0' || strpbrk(key, "= \t\r\n\"#") != NULL)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the key '%s' cannot stand in a descriptor: it is empty or has blanks, "
                            "quotes, '=' or '#'",
                            key);
    if (value != NULL && strpbrk(value, "\r\n\"") != NULL)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the value of '%s' cannot stand in a descriptor: it has quotes or line "
                            "ends",
                            key);
    return 0;
}

/* Removes the entries of `key` from index `from` on. */
static void remove_entries(struct vd_descriptor_entries *entries, const char *key, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < entries->count; i++) {
        struct vd_descriptor_entry *entry = &entries->items[i];
        if (vd_path_equal_but_case(entry->key, key)) {
            free(entry->key);
            free(entry->value);
        } else {
            entries->items[kept++] = *entry;
        }
    }
    entries->count = kept;
}

static size_t find_entry(const struct vd_descriptor_entries *entries, const char *key)
{
    size_t i = 0;
    while (i < entries->count && !vd_path_equal_but_case(entries->items[i].key, key))
        i++;
    return i;
}

static int append_entry(struct vd_descriptor_entries *entries, const char *key, char **value,
                        struct vd_error *err)
{
    if (entries->count >= VD_DESCRIPTOR_MAX_ENTRIES)
        return vd_error_set(err, VD_E_TOO_BIG, "the descriptor has %zu entries already",
                            entries->count);
    struct vd_descriptor_entry *grown =
        reallocarray(entries->items, entries->count + 1, sizeof *grown);
    if (grown == NULL)
        return no_memory(err);
    entries->items = grown;
    char *copy = strdup(key);
    if (copy == NULL)
        return no_memory(err);
    grown[entries->count++] = (struct vd_descriptor_entry){copy, VD_TAKE_PTR(*value), true};
    return 0;
}

static int set_entry(struct vd_descriptor_entries *entries, const char *key, const char *value,
                     struct vd_error *err)
{
    if (value == NULL) {
        remove_entries(entries, key, 0);
        return 0;
    }
    VD_FREE char *copy = strdup(value);
    if (copy == NULL)
        return no_memory(err);
    size_t at = find_entry(entries, key);
    if (at == entries->count)
        return append_entry(entries, key, &copy, err);
    free(entries->items[at].value);
    entries->items[at].value = VD_TAKE_PTR(copy);
    entries->items[at].quoted = true;
    remove_entries(entries, key, at + 1);
    return 0;
}

int vd_descriptor_set_ddb(struct vd_descriptor *descriptor, const char *key, const char *value,
                          struct vd_error *err)
{
    int r = check_entry(key, value, err);
    return r < 0 ? r : set_entry(&descriptor->ddb, key, value, err);
}

static int set_number(struct vd_descriptor *descriptor, const char *key, uint32_t value,
                      struct vd_error *err)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    return vd_descriptor_set_ddb(descriptor, key, text, err);
}

int vd_descriptor_set_geometry(struct vd_descriptor *descriptor, struct vd_geometry geometry,
                               struct vd_error *err)
{
    int r = set_number(descriptor, "geometry.cylinders", geometry.cylinders, err);
    if (r >= 0)
        r = set_number(descriptor, "geometry.heads", geometry.heads, err);
    if (r >= 0)
        r = set_number(descriptor, "geometry.sectors", geometry.sectors, err);
    return r;
}

/* Puts a copy of `value` in place of *field, and forgets the bytes it was once written as. */
static int replace_name(char **field, char **raw, const char *value, struct vd_error *err)
{
    char *copy = value != NULL ? strdup(value) : NULL;
    if (value != NULL && copy == NULL)
        return no_memory(err);
    free(*field);
    *field = copy;
    if (raw != NULL) {
        free(*raw);
        *raw = NULL;
    }
    return 0;
}

int vd_descriptor_set_parent_hint(struct vd_descriptor *descriptor, const char *hint,
                                  struct vd_error *err)
{
    return replace_name(&descriptor->parent_hint, &descriptor->parent_hint_raw, hint, err);
}

int vd_descriptor_set_change_track(struct vd_descriptor *descriptor, const char *path,
                                   struct vd_error *err)
{
    int r = replace_name(&descriptor->change_track, NULL, path, err);
    if (r >= 0 && path == NULL) {
        remove_entries(&descriptor->header, "changeTrackPath", 0);
        if (descriptor->version == 3)
            descriptor->version = 1;
    }
    return r;
}

int vd_extent_line_set_file(struct vd_extent_line *line, const char *file, struct vd_error *err)
{
    return replace_name(&line->file, &line->file_raw, file, err);
}

int vd_descriptor_append_like(struct vd_descriptor *descriptor, const struct vd_extent_line *like,
                              const char *file, uint64_t sectors, struct vd_error *err)
{
    if (descriptor->num_extents >= VD_DESCRIPTOR_MAX_EXTENTS)
        return vd_error_set(err, VD_E_TOO_BIG, "the descriptor has %zu extents already",
                            descriptor->num_extents);
    struct vd_extent_line line = {
        .access = like->access,
        .type = like->type,
        .sectors = sectors,
        .has_offset = like->has_offset,
    };
    struct vd_extent_line *grown =
        reallocarray(descriptor->extents, descriptor->num_extents + 1, sizeof *grown);
    if (grown == NULL)
        return no_memory(err);
    descriptor->extents = grown;
    int r = file != NULL ? vd_extent_line_set_file(&line, file, err) : 0;
    if (r < 0)
        return r;
    grown[descriptor->num_extents++] = line;
    descriptor->capacity_sectors += sectors;
    return 0;
}

int vd_descriptor_new_content_id(struct vd_descriptor *descriptor, struct vd_error *err)
{
    char text[VD_LONG_CONTENT_ID_BYTES];
    uint32_t cid;
    int r;

    do {
        r = vd_cid_new(&cid, err);
    } while (r >= 0 && cid == descriptor->cid);
    if (r >= 0 && vd_descriptor_ddb(descriptor, "longContentID") != NULL) {
        r = vd_long_content_id_new(cid, text, err);
        if (r >= 0)
            r = vd_descriptor_set_ddb(descriptor, "longContentID", text, err);
    }
    if (r < 0)
        return r;
    descriptor->cid = cid;
    descriptor->has_cid = true;
    return 0;
}
