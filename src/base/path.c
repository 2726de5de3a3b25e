/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <stdio.h>
#include <string.h>

/* Names in descriptors differ from names on disk in ASCII case at most, and the answer must not
 * depend on the embedding program's locale, as strcasecmp's does. */
static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u - 'A' + 'a') : u;
}

bool vd_path_equal_but_case(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}

const char *vd_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *vd_path_folder(const char *path)
{
    const char *end = vd_path_name(path);
    if (end == path)
        return strdup(".");
    while (end > path + 1 && end[-1] == '/')
        end--;
    return strndup(path, (size_t)(end - path));
}

char *vd_path_join(const char *folder, const char *name)
{
    if (name[0] == '/' || folder[0] == '\0' || strcmp(folder, ".") == 0)
        return strdup(name);

    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    char *joined;
    if (asprintf(&joined, "%s%s%s", folder, slash, name) < 0)
        return NULL;
    return joined;
}

char *vd_path_from_windows(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return NULL;
    for (char *p = copy; *p; p++)
        if (*p == '\\')
            *p = '/';
    return copy;
}

struct part {
    const char *text;
    size_t length;
};

/* Steps over slashes and "." to the next part that means something; false at the end. */
static bool next_part(const char **at, struct part *ret)
{
    for (;;) {
        const char *start = *at + strspn(*at, "/");
        size_t length = strcspn(start, "/");
        *at = start + length;
        if (length == 0)
            return false;
        if (length == 1 && start[0] == '.')
            continue;
        ret->text = start;
        ret->length = length;
        return true;
    }
}

static bool is_up(const struct part *part)
{
    return part->length == 2 && part->text[0] == '.' && part->text[1] == '.';
}

/* The text built so far: `root` bytes of leading slash, parts joined by slashes. */
struct normal {
    char *text;
    size_t root;
    size_t length;
    size_t depth; /* parts that ".." can take away */
};

static void normal_push(struct normal *out, const struct part *part)
{
    if (out->length > out->root)
        out->text[out->length++] = '/';
    memcpy(out->text + out->length, part->text, part->length);
    out->length += part->length;
}

static void normal_pop(struct normal *out)
{
    while (out->length > out->root && out->text[out->length - 1] != '/')
        out->length--;
    if (out->length > out->root)
        out->length--;
    out->depth--;
}

static void normal_add(struct normal *out, const struct part *part)
{
    if (!is_up(part)) {
        normal_push(out, part);
        out->depth++;
    } else if (out->depth > 0) {
        normal_pop(out);
    } else if (out->root == 0) {
        normal_push(out, part); /* above a relative start: cannot be resolved by text */
    }
}

char *vd_path_normalise(const char *path)
{
    struct normal out = {malloc(strlen(path) + 2), path[0] == '/', 0, 0};
    if (!out.text)
        return NULL;
    if (out.root)
        out.text[out.length++] = '/';

    struct part part;
    while (next_part(&path, &part))
        normal_add(&out, &part);

    if (out.length == 0)
        out.text[out.length++] = '.';
    out.text[out.length] = '\0';
    return out.text;
}

bool vd_path_leaves_folder(const char *path)
{
    if (path[0] == '/')
        return true;

    size_t depth = 0;
    struct part part;
    while (next_part(&path, &part)) {
        if (!is_up(&part))
            depth++;
        else if (depth-- == 0)
            return true;
    }
    return false;
}

bool vd_path_has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path);
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && vd_path_equal_but_case(path + length - suffix_length, suffix);
}
