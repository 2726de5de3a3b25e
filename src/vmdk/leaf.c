/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/leaf.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "vmdk/ascii.h"
#include "vmdk/descriptor-edit.h"
#include "vmdk/descriptor-store.h"
#include "vmdk/encoding.h"
#include "vmdk/identity.h"

#define CTK_COMMENT "# Change Tracking File"

/* One state of the text. */
struct leaf_text {
    const struct vd_descriptor *descriptor;
    struct vd_descriptor *owned; /* NULL for the link's own */
    const char **keys;
    size_t num_keys;
    struct leaf_text *older;
};

struct vd_leaf {
    const struct vd_log *log;
    const char *path;
    struct vd_descriptor_place place;
    pthread_mutex_t edit_lock; /* one change at a time; taken before `lock` */
    pthread_mutex_t lock;      /* guards `newest`; never held during I/O */
    struct leaf_text *newest;
};

static void text_free(struct leaf_text *text)
{
    if (text == NULL)
        return;
    vd_descriptor_free(text->owned);
    free(text->keys);
    free(text);
}

static bool has_key(const struct leaf_text *text, const char *key)
{
    for (size_t i = 0; i < text->num_keys; i++) {
        if (vd_ascii_equal(text->keys[i], key))
            return true;
    }
    return false;
}

/* At most VD_DESCRIPTOR_MAX_ENTRIES, so that comparing each with each stays cheap. */
static struct leaf_text *text_new(const struct vd_descriptor *descriptor)
{
    const struct vd_descriptor_entries *ddb = &descriptor->ddb;
    struct leaf_text *text = calloc(1, sizeof *text);
    const char **keys = calloc(ddb->count + 1, sizeof *keys);
    if (text == NULL || keys == NULL) {
        free(text);
        free(keys);
        return NULL;
    }
    text->descriptor = descriptor;
    text->keys = keys;
    for (size_t i = 0; i < ddb->count; i++) {
        if (!has_key(text, ddb->items[i].key))
            keys[text->num_keys++] = ddb->items[i].key;
    }
    return text;
}

int vd_leaf_new(const struct vd_link *link, const struct vd_fs *fs, const struct vd_log *log,
                struct vd_leaf **ret, struct vd_error *err)
{
    struct vd_leaf *leaf = calloc(1, sizeof *leaf);
    struct leaf_text *text = text_new(link->descriptor);
    if (leaf == NULL || text == NULL) {
        free(leaf);
        text_free(text);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", link->path);
    }
    leaf->log = log;
    leaf->path = link->path;
    leaf->place = (struct vd_descriptor_place){
        .fs = fs,
        .path = link->path,
        .container = link->embedded ? link->extents[0].block : NULL,
    };
    leaf->newest = text;
    (void)pthread_mutex_init(&leaf->edit_lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&leaf->lock, NULL);
    *ret = leaf;
    return 0;
}

void vd_leaf_free(struct vd_leaf *leaf)
{
    if (leaf == NULL)
        return;
    struct leaf_text *older;
    for (struct leaf_text *text = leaf->newest; text != NULL; text = older) {
        older = text->older;
        text_free(text);
    }
    (void)pthread_mutex_destroy(&leaf->edit_lock);
    (void)pthread_mutex_destroy(&leaf->lock);
    free(leaf);
}

static const struct leaf_text *newest(struct vd_leaf *leaf)
{
    (void)pthread_mutex_lock(&leaf->lock);
    const struct leaf_text *text = leaf->newest;
    (void)pthread_mutex_unlock(&leaf->lock);
    return text;
}

const struct vd_descriptor *vd_leaf_descriptor(struct vd_leaf *leaf)
{
    return newest(leaf)->descriptor;
}

const char *vd_leaf_key(struct vd_leaf *leaf, size_t index)
{
    const struct leaf_text *text = newest(leaf);
    return index < text->num_keys ? text->keys[index] : NULL;
}

/* --- changes --- */

static int adopt(struct vd_leaf *leaf, struct vd_descriptor *descriptor, struct vd_error *err)
{
    struct leaf_text *text = text_new(descriptor);
    if (text == NULL) {
        vd_descriptor_free(descriptor);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the descriptor of '%s'",
                            leaf->path);
    }
    text->owned = descriptor;
    (void)pthread_mutex_lock(&leaf->lock);
    text->older = leaf->newest;
    leaf->newest = text;
    (void)pthread_mutex_unlock(&leaf->lock);
    return 0;
}

/* Only what can be read back is written. */
static int store(struct vd_leaf *leaf, const struct vd_buf *text, bool any_mix,
                 struct vd_error *err)
{
    struct vd_descriptor *descriptor = NULL;
    int r = vd_descriptor_parse(vd_buf_text(text), text->length, leaf->path, &descriptor, err);
    if (r < 0)
        return r;
    r = vd_descriptor_store(&leaf->place, text, any_mix, err);
    if (r < 0) {
        vd_descriptor_free(descriptor);
        return r;
    }
    return adopt(leaf, descriptor, err);
}

static int new_cid(uint32_t before, uint32_t *ret, struct vd_error *err)
{
    uint32_t cid = before;
    int r = 0;
    while (r >= 0 && cid == before)
        r = vd_cid_new(&cid, err);
    *ret = cid;
    return r;
}

static int edit_cid(struct vd_buf *text, uint32_t cid, struct vd_error *err)
{
    char digits[9];
    (void)snprintf(digits, sizeof digits, "%08" PRIx32, cid); /* fits */
    return vd_descriptor_edit_header(text, "CID", digits, err);
}

static int edit_long_id(struct vd_buf *text, uint32_t cid, struct vd_error *err)
{
    char digits[VD_LONG_CONTENT_ID_BYTES];
    int r = vd_long_content_id_new(cid, digits, err);
    return r < 0 ? r : vd_descriptor_edit_ddb(text, "longContentID", digits, err);
}

/* What another program records of this disk is wrong from now on (Virtual Disk Development Kit
 * guide: version 3 goes with change tracking, version 1 without). */
static int edit_tracking(const struct vd_leaf *leaf, const struct vd_descriptor *descriptor,
                         struct vd_buf *text, struct vd_error *err)
{
    vd_log(leaf->log, VD_LOG_WARNING,
           "'%s': change tracking ends here ('%s' does not follow what is written now): the next "
           "incremental backup must be a full one",
           leaf->path, descriptor->change_track);
    vd_descriptor_edit_remove(text, "changeTrackPath", CTK_COMMENT);
    if (descriptor->version != 3)
        return 0;
    return vd_descriptor_edit_header(text, "version", "1", err);
}

static int edit_content(struct vd_leaf *leaf, struct vd_buf *text, struct vd_error *err)
{
    const struct vd_descriptor *descriptor = vd_leaf_descriptor(leaf);
    uint32_t cid = 0;
    int r = new_cid(descriptor->cid, &cid, err);
    if (r >= 0)
        r = edit_cid(text, cid, err);
    if (r >= 0 && vd_descriptor_ddb(descriptor, "longContentID") != NULL)
        r = edit_long_id(text, cid, err);
    if (r >= 0 && descriptor->change_track != NULL)
        r = edit_tracking(leaf, descriptor, text, err);
    return r;
}

static int new_content_locked(struct vd_leaf *leaf, struct vd_buf *text, struct vd_error *err)
{
    int r = vd_descriptor_fetch(&leaf->place, text, err);
    if (r < 0)
        return r;
    bool tracked = vd_leaf_descriptor(leaf)->change_track != NULL;
    size_t length = text->length;
    r = edit_content(leaf, text, err);
    /* Digits among digits: a mix of two CIDs is a third one, which is as new. */
    return r < 0 ? r : store(leaf, text, !tracked && text->length == length, err);
}

int vd_leaf_new_content(struct vd_leaf *leaf, struct vd_error *err)
{
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    (void)pthread_mutex_lock(&leaf->edit_lock);
    int r = new_content_locked(leaf, &text, err);
    (void)pthread_mutex_unlock(&leaf->edit_lock);
    vd_buf_done(&text);
    if (r < 0)
        vd_error_prefix(err, "giving '%s' a new content ID before its first write", leaf->path);
    return r;
}

static int set_locked(struct vd_leaf *leaf, struct vd_buf *text, const char *key, const char *value,
                      struct vd_error *err)
{
    VD_FREE char *encoded = NULL;
    const char *encoding = vd_leaf_descriptor(leaf)->encoding;
    int r = value == NULL ? 0 : vd_encoding_from_utf8(encoding, value, &encoded, err);
    if (r >= 0)
        r = vd_descriptor_fetch(&leaf->place, text, err);
    if (r >= 0)
        r = vd_descriptor_edit_ddb(text, key, encoded, err);
    return r < 0 ? r : store(leaf, text, false, err);
}

int vd_leaf_set(struct vd_leaf *leaf, const char *key, const char *value, struct vd_error *err)
{
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    (void)pthread_mutex_lock(&leaf->edit_lock);
    int r = set_locked(leaf, &text, key, value, err);
    (void)pthread_mutex_unlock(&leaf->edit_lock);
    vd_buf_done(&text);
    if (r < 0)
        vd_error_prefix(err, "setting the key '%s' of '%s'", key, leaf->path);
    return r;
}
