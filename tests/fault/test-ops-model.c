/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a family of disks in a folder of the host, against plain copies in memory.
 *
 * Every step is chosen by a generator; VD_TEST_SEED gives it another seed, and with VD_TEST_TRACE
 * set every operation is told as a comment. What an operation should answer is derived from the
 * family (who has a parent, who has children, which type) before it is called.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "block/fs.h"
#include "build-disks.h"
#include "build-image.h"
#include "harness.h"
#include "ops/attach.h"
#include "ops/commit.h"
#include "ops/defragment.h"
#include "ops/grow.h"
#include "ops/rebase.h"
#include "ops/rename.h"
#include "ops/shrink.h"
#include "ops/unlink.h"
#include "vmdk/check.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

enum { LIVES = 2, STEPS = 250, ALONE = 60, MAX_DISKS = 6, MAX_RANGE = 700, MAX_CAPACITY = 24000 };

struct member {
    char *path; /* NULL: none here */
    enum vd_disk_type type;
    struct member *parent;
    uint64_t capacity_sectors;
    uint8_t *content;
};

struct family {
    struct member members[MAX_DISKS];
    struct member *current; /* open for writing; a leaf */
    struct vd_disk *disk;   /* that one; NULL: none is open */
    uint64_t random;
    unsigned num_names;
    unsigned age; /* steps done; before ALONE it is only the base, which can grow then */
    bool trace;
};

/* --- the model --- */

static uint64_t below(struct family *family, uint64_t limit)
{
    return build_random_below(&family->random, limit);
}

static bool is_hosted(const struct member *member)
{
    return member->type == VD_DISK_MONOLITHIC_SPARSE || member->type == VD_DISK_SPLIT_SPARSE;
}

static bool is_flat(const struct member *member)
{
    return !is_hosted(member) && member->type != VD_DISK_VMFS_SPARSE &&
           member->type != VD_DISK_SE_SPARSE;
}

static size_t num_children(const struct family *family, const struct member *parent)
{
    size_t count = 0;
    for (size_t i = 0; i < MAX_DISKS; i++)
        count += family->members[i].path != NULL && family->members[i].parent == parent;
    return count;
}

static size_t num_members(const struct family *family)
{
    size_t count = 0;
    for (size_t i = 0; i < MAX_DISKS; i++)
        count += family->members[i].path != NULL;
    return count;
}

static struct member *any_member(struct family *family)
{
    for (;;) {
        struct member *member = &family->members[below(family, MAX_DISKS)];
        if (member->path)
            return member;
    }
}

static struct member *any_leaf(struct family *family)
{
    for (;;) {
        struct member *member = any_member(family);
        if (num_children(family, member) == 0)
            return member;
    }
}

static struct member *free_place(struct family *family)
{
    for (size_t i = 0; i < MAX_DISKS; i++)
        if (!family->members[i].path)
            return &family->members[i];
    return NULL;
}

static char *new_path(struct family *family)
{
    char *path;
    check(asprintf(&path, "%s/d%u.vmdk", test_folder(), family->num_names++) >= 0);
    return path;
}

static void forget(struct member *member)
{
    free(member->path);
    free(member->content);
    *member = (struct member){0};
}

static void tell(const struct family *family, const char *what, const struct member *member,
                 uint64_t number, int code)
{
    if (family->trace)
        printf("# %s %s %llu: %s\n", what, strrchr(member->path, '/') + 1,
               (unsigned long long)number, code < 0 ? vd_error_name(code) : "done");
}

/* --- looking at what is there --- */

static void check_bytes(const uint8_t *got, const uint8_t *want, uint64_t sectors)
{
    size_t length = (size_t)vd_sectors_to_bytes(sectors);
    if (memcmp(got, want, length) != 0)
        check_mem_eq(got, want, length); /* tells where, slowly */
}

static void compare_open(struct vd_disk *disk, const struct member *member)
{
    VD_FREE uint8_t *bytes = malloc((size_t)vd_sectors_to_bytes(member->capacity_sectors));
    struct vd_error err = VD_ERROR_INIT;
    check(bytes != NULL);
    check_u64_eq(vd_disk_capacity(disk), member->capacity_sectors);
    check_code_err(vd_disk_read(disk, 0, member->capacity_sectors, bytes, &err), VD_OK, &err);
    check_bytes(bytes, member->content, member->capacity_sectors);
}

static void count_finding(void *data, const struct vd_finding *finding)
{
    size_t *leaks = data;
    if (finding->grade == VD_FINDING_LEAK)
        ++*leaks;
    else if (finding->grade != VD_FINDING_FAULT)
        return;
    printf("# %s: %s: %s\n", finding->file, finding->id, finding->text);
}

/* A member whose chain is not open for writing. */
static void compare(const struct member *member)
{
    const struct vd_vmdk_options reading = {.flags = VD_VMDK_READ_ONLY};
    size_t leaks = 0;
    const struct vd_check_options checking = {
        .open = reading, .finding = count_finding, .data = &leaks};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(vd_vmdk_open(member->path, &reading, &disk, &err), VD_OK, &err);
    compare_open(disk, member);
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
    check_code_err(vd_vmdk_check(member->path, &checking, &result, &err), VD_OK, &err);
    check_u64_eq(result.faults, 0);
    check_u64_eq(leaks, 0);
    check(result.clean);
}

static void compare_all(const struct family *family)
{
    for (size_t i = 0; i < MAX_DISKS; i++)
        if (family->members[i].path)
            compare(&family->members[i]);
}

/* The names in the folder, in one text. */
static char *names(void)
{
    struct vd_fs_names list = {0};
    struct vd_buf text = VD_BUF_INIT(65536);
    check_code(vd_fs_list(vd_fs_host(), test_folder(), &list, NULL), VD_OK);
    check_code(vd_buf_printf(&text, "%s", ""), VD_OK);
    for (size_t i = 0; i < list.count; i++)
        check_code(vd_buf_printf(&text, "%s\n", list.items[i]), VD_OK);
    vd_fs_names_done(&list);
    return vd_buf_steal(&text);
}

/* --- opening and closing --- */

static void close_current(struct family *family)
{
    struct vd_error err = VD_ERROR_INIT;
    if (family->disk)
        check_code_err(vd_disk_close(VD_TAKE_PTR(family->disk), &err), VD_OK, &err);
}

static void open_current(struct family *family)
{
    /* a few pages at times, so that tables come and go while some are dirty */
    const struct vd_vmdk_options options = {.table_budget_bytes = below(family, 2) ? 3 * 16384 : 0};
    struct vd_error err = VD_ERROR_INIT;
    if (family->disk)
        return;
    family->current = any_leaf(family);
    check_code_err(vd_vmdk_open(family->current->path, &options, &family->disk, &err), VD_OK, &err);
}

/* --- new disks --- */

static uint64_t random_capacity(struct family *family)
{
    if (below(family, 4) == 0)
        return 8000 + below(family, 8000); /* with small grains: several tables */
    return 300 + below(family, 2700);
}

static void create(const char *path, const struct vd_vmdk_create_params *params)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_create(path, params, NULL, NULL, &err), VD_OK, &err);
}

static struct vd_vmdk_create_params random_params(struct family *family, enum vd_disk_type type)
{
    const struct member like = {.type = type};
    struct vd_vmdk_create_params params = {.type = type};
    if (is_hosted(&like)) {
        params.grain_sectors = UINT64_C(8) << below(family, 5);
        params.zeroed_grains = below(family, 2);
    } else if (type == VD_DISK_VMFS_SPARSE) {
        params.grain_sectors = UINT64_C(1) << below(family, 4);
    }
    return params;
}

/* Puts `line` behind the first extent line of the text descriptor. */
static void add_extent_line(const char *path, const char *line)
{
    char text[4096];
    FILE *file = fopen(path, "r+e");
    check(file != NULL);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    char *first = strstr(text, "\nRW ");
    check(first != NULL);
    char *rest = strchr(first + 1, '\n') + 1;
    rewind(file);
    check(fprintf(file, "%.*s%s%s", (int)(rest - text), text, line, rest) > 0);
    check(fclose(file) == 0);
}

/* Gives a split disk a second extent, as only disks of more than 2 GB get one. */
static void add_extent(struct family *family, struct member *member,
                       struct vd_vmdk_create_params params)
{
    VD_FREE char *other = new_path(family);
    char from[512], to[512], line[512];
    char kind = is_flat(member) ? 'f' : 's';
    params.capacity_sectors = 100 + below(family, 2000);
    create(other, &params);
    check_code(vd_fs_unlink(vd_fs_host(), other, NULL), VD_OK);
    (void)snprintf(from, sizeof from, "%.*s-%c001.vmdk", (int)(strlen(other) - 5), other, kind);
    (void)snprintf(to, sizeof to, "%.*s-%c002.vmdk", (int)(strlen(member->path) - 5), member->path,
                   kind);
    check_code(vd_fs_rename(vd_fs_host(), from, to, NULL), VD_OK);
    (void)snprintf(line, sizeof line, "RW %llu %s \"%s\"%s\n",
                   (unsigned long long)params.capacity_sectors, kind == 'f' ? "FLAT" : "SPARSE",
                   strrchr(to, '/') + 1, kind == 'f' ? " 0" : "");
    add_extent_line(member->path, line);
    member->capacity_sectors += params.capacity_sectors;
}

static void make_base(struct family *family, enum vd_disk_type type)
{
    struct vd_vmdk_create_params params = random_params(family, type);
    struct member *base = &family->members[0];
    params.capacity_sectors = random_capacity(family);
    *base = (struct member){
        .path = new_path(family), .type = type, .capacity_sectors = params.capacity_sectors};
    create(base->path, &params);
    tell(family, "base", base, params.capacity_sectors, VD_OK);
    if ((type == VD_DISK_SPLIT_SPARSE || type == VD_DISK_SPLIT_FLAT) && below(family, 3) > 0)
        add_extent(family, base, params);
    base->content = calloc((size_t)base->capacity_sectors, VD_SECTOR_BYTES);
    check(base->content != NULL);
}

static void step_snapshot(struct family *family)
{
    static const enum vd_disk_type types[] = {VD_DISK_MONOLITHIC_SPARSE, VD_DISK_SPLIT_SPARSE,
                                              VD_DISK_VMFS_SPARSE, VD_DISK_SE_SPARSE};
    enum vd_disk_type type = types[below(family, VD_ARRAY_SIZE(types))];
    struct vd_vmdk_create_params params = random_params(family, type);
    struct member *child = free_place(family);
    if (!child)
        return;
    close_current(family);
    /* Mostly what is a leaf, so that chains grow longer than they grow wide. */
    struct member *parent = below(family, 4) ? any_leaf(family) : any_member(family);
    size_t length = (size_t)vd_sectors_to_bytes(parent->capacity_sectors);
    params.parent_path = parent->path;
    *child = (struct member){.path = new_path(family),
                             .type = type,
                             .parent = parent,
                             .capacity_sectors = parent->capacity_sectors,
                             .content = malloc(length)};
    check(child->content != NULL);
    memcpy(child->content, parent->content, length);
    create(child->path, &params);
    tell(family, "snapshot", parent, family->num_names - 1, VD_OK);
    compare(child);
}

/* --- content --- */

static uint64_t random_range(struct family *family, uint64_t *ret_count)
{
    uint64_t capacity = family->current->capacity_sectors;
    uint64_t start = below(family, capacity);
    uint64_t most = below(family, 3) ? 40 : MAX_RANGE;
    if (below(family, 3) == 0)
        start = start / 8 * 8;
    *ret_count = 1 + below(family, VD_MIN(most, capacity - start));
    return start;
}

static void step_write(struct family *family)
{
    static uint8_t bytes[MAX_RANGE * VD_SECTOR_BYTES];
    struct vd_error err = VD_ERROR_INIT;
    uint64_t count;
    open_current(family);
    uint64_t start = random_range(family, &count);
    built_stamp(bytes, start, count, build_random(&family->random) & 0xffff);
    uint64_t choice = below(family, 6);
    if (choice <= 1)
        memset(bytes, 0, (size_t)vd_sectors_to_bytes(count));
    if (choice == 0)
        check_code_err(vd_disk_zero(family->disk, start, count, &err), VD_OK, &err);
    else
        check_code_err(vd_disk_write(family->disk, start, count, bytes, &err), VD_OK, &err);
    memcpy(family->current->content + vd_sectors_to_bytes(start), bytes,
           (size_t)vd_sectors_to_bytes(count));
}

static void step_read(struct family *family)
{
    static uint8_t bytes[MAX_RANGE * VD_SECTOR_BYTES];
    struct vd_error err = VD_ERROR_INIT;
    uint64_t count;
    open_current(family);
    uint64_t start = random_range(family, &count);
    check_code_err(vd_disk_read(family->disk, start, count, bytes, &err), VD_OK, &err);
    check_bytes(bytes, family->current->content + vd_sectors_to_bytes(start), count);
}

static void step_flush(struct family *family)
{
    open_current(family);
    check_code(vd_disk_flush(family->disk, NULL), VD_OK);
}

static void step_reopen(struct family *family)
{
    close_current(family);
    compare(any_member(family));
    open_current(family);
}

/* --- operations --- */

/* What an operation is called on; sometimes it is still open for writing. */
static struct member *choose(struct family *family)
{
    if (family->disk && below(family, 6) == 0)
        return family->current;
    close_current(family);
    return any_member(family);
}

/* Was the answer right? A refusal has changed nothing; true when there was none. */
static bool settle(struct family *family, const struct member *member, int got, int want,
                   const char *before, const struct vd_error *err)
{
    bool locked = family->disk != NULL;
    if (locked && got == VD_E_LOCKED)
        want = got;
    check(!locked || got < 0);
    check_code_err(got, want, err);
    if (got >= 0)
        return true;
    check(err->text[0] != '\0');
    VD_FREE char *after = names();
    check_str_eq(after, before);
    if (locked)
        compare_open(family->disk, family->current);
    if (!locked || member != family->current)
        compare(member);
    return false;
}

static void step_grow(struct family *family)
{
    VD_FREE char *before = names();
    struct vd_error err = VD_ERROR_INIT;
    struct member *member = choose(family);
    uint64_t old_bytes = vd_sectors_to_bytes(member->capacity_sectors);
    struct vd_grow_params params = {.update_geometry = below(family, 2)};
    bool larger = below(family, 8) > 0;
    params.capacity_sectors =
        member->capacity_sectors + (larger ? 1 + below(family, 2000) : UINT64_C(0));
    if (params.capacity_sectors > MAX_CAPACITY)
        return;
    int want = VD_OK;
    if (member->parent || (larger && num_children(family, member) > 0))
        want = VD_E_NOT_SUPPORTED;
    else if (!larger)
        want = VD_E_INVALID_ARG;
    int got = vd_grow(member->path, NULL, &params, NULL, &err);
    tell(family, "grow", member, params.capacity_sectors, got);
    if (!settle(family, member, got, want, before, &err))
        return;
    uint8_t *content = calloc((size_t)params.capacity_sectors, VD_SECTOR_BYTES);
    check(content != NULL);
    memcpy(content, member->content, (size_t)old_bytes);
    free(member->content);
    member->content = content;
    member->capacity_sectors = params.capacity_sectors;
    compare(member);
}

/* Shrinks or defragments: neither changes what anybody reads. */
static void step_tidy(struct family *family, bool shrink)
{
    VD_FREE char *before = names();
    struct vd_error err = VD_ERROR_INIT;
    struct member *member = choose(family);
    int want = !is_flat(member) && shrink && member->parent ? VD_E_CANT_SHRINK : VD_OK;
    int got = shrink ? vd_shrink(member->path, NULL, NULL, &err)
                     : vd_defragment(member->path, NULL, NULL, &err);
    tell(family, shrink ? "shrink" : "defragment", member, 0, got);
    if (!settle(family, member, got, want, before, &err))
        return;
    VD_FREE char *after = names();
    check_str_eq(after, before);
    compare_all(family);
}

static void step_rename(struct family *family)
{
    VD_FREE char *before = names();
    VD_FREE char *fresh = new_path(family);
    struct vd_error err = VD_ERROR_INIT;
    struct member *member = choose(family);
    bool taken = below(family, 5) == 0;
    const char *to = taken ? any_member(family)->path : fresh;
    int got = vd_rename(member->path, to, NULL, &err);
    tell(family, "rename", member, family->num_names - 1, got);
    if (!settle(family, member, got, taken ? VD_E_EXISTS : VD_OK, before, &err))
        return;
    free(member->path);
    member->path = VD_TAKE_PTR(fresh);
    for (size_t i = 0; i < MAX_DISKS; i++) {
        struct member *child = &family->members[i];
        if (child->path && child->parent == member)
            check_code_err(vd_attach(member->path, child->path, NULL, &err), VD_OK, &err);
    }
    compare_all(family);
}

/* Siblings do not mind a commit that changes nothing. */
static bool reads_as_parent(const struct member *member)
{
    return memcmp(member->content, member->parent->content,
                  (size_t)vd_sectors_to_bytes(member->capacity_sectors)) == 0;
}

static void step_commit(struct family *family)
{
    VD_FREE char *before = names();
    struct vd_error err = VD_ERROR_INIT;
    /* the parent of what is open for writing, or as with the others */
    bool held = family->disk && family->current->parent && below(family, 3) == 0;
    struct member *member = held ? family->current->parent : choose(family);
    struct member *parent = member->parent;
    bool keep = !held && below(family, 4) == 0;
    int want = VD_OK;
    if (!parent)
        want = VD_E_ATTACH_ROOT;
    else if (num_children(family, parent) > 1 && !reads_as_parent(member))
        want = VD_E_NOT_SUPPORTED;
    int got = vd_commit(member->path, NULL, keep, NULL, &err);
    tell(family, "commit", member, keep, got);
    if (!settle(family, member, got, want, before, &err))
        return;
    memcpy(parent->content, member->content, (size_t)vd_sectors_to_bytes(member->capacity_sectors));
    for (size_t i = 0; !keep && i < MAX_DISKS; i++)
        if (family->members[i].parent == member)
            family->members[i].parent = parent;
    if (!keep)
        forget(member);
    compare_all(family);
}

static bool rests_on(const struct member *member, const struct member *below)
{
    while (member && member != below)
        member = member->parent;
    return member != NULL;
}

static int wanted_of_rebase(const struct member *member, const struct member *parent)
{
    if (!member->parent)
        return VD_E_ATTACH_ROOT;
    if (parent && rests_on(parent, member))
        return VD_E_CHAIN_LOOP;
    return parent && parent->capacity_sectors != member->capacity_sectors ? VD_E_CAPACITY_DIFFERS
                                                                          : VD_OK;
}

/* On any other parent, or on none: nobody reads anything else then. */
static void step_rebase(struct family *family)
{
    VD_FREE char *before = names();
    struct vd_error err = VD_ERROR_INIT;
    struct member *member = choose(family);
    struct member *parent = below(family, 4) == 0 ? NULL : any_member(family);
    int want = wanted_of_rebase(member, parent);
    int got = vd_rebase(member->path, parent ? parent->path : NULL, NULL, NULL, &err);
    tell(family, parent ? "rebase" : "flatten", member, 0, got);
    if (!settle(family, member, got, want, before, &err))
        return;
    member->parent = parent;
    compare_all(family);
}

static void step_unlink(struct family *family)
{
    VD_FREE char *before = names();
    struct vd_error err = VD_ERROR_INIT;
    struct member *member = choose(family);
    if (!member->parent && num_children(family, member) == 0)
        return; /* the last one */
    int want = num_children(family, member) > 0 ? VD_E_NOT_SUPPORTED : VD_OK;
    int got = vd_unlink(member->path, NULL, true, &err);
    tell(family, "unlink", member, 0, got);
    if (!settle(family, member, got, want, before, &err))
        return;
    forget(member);
}

/* --- a life --- */

static void step(struct family *family)
{
    uint64_t choice = below(family, 100);
    if (choice < 45)
        step_write(family);
    else if (choice < 70)
        step_read(family);
    else if (choice < 73)
        step_flush(family);
    else if (choice < 78)
        step_reopen(family);
    else if (choice < 81 && family->age >= ALONE)
        step_snapshot(family);
    else if (choice < 84 && family->age >= ALONE)
        step_rebase(family);
    else if (choice < 87 && family->age >= ALONE)
        step_commit(family);
    else if (choice < 90)
        step_grow(family);
    else if (choice < 95)
        step_tidy(family, choice < 93);
    else if (choice < 98)
        step_rename(family);
    else
        step_unlink(family);
}

/* Removes the whole family, children first; nothing else is left in the folder. */
static void remove_all(struct family *family)
{
    struct vd_error err = VD_ERROR_INIT;
    while (num_members(family) > 0) {
        struct member *leaf = any_leaf(family);
        check_code_err(vd_unlink(leaf->path, NULL, true, &err), VD_OK, &err);
        forget(leaf);
    }
    VD_FREE char *left = names();
    check_str_eq(left, "");
}

static void run_life(enum vd_disk_type type, uint64_t seed)
{
    struct family family = {.random = seed * 0x9e3779b97f4a7c15 + 1,
                            .trace = getenv("VD_TEST_TRACE") != NULL};
    make_base(&family, type);
    for (; family.age < STEPS; family.age++)
        step(&family);
    close_current(&family);
    compare_all(&family);
    remove_all(&family);
}

static void run_lives(enum vd_disk_type type, uint64_t usual)
{
    uint64_t seed = build_random_seed(usual);
    for (unsigned life = 0; life < LIVES; life++)
        run_life(type, seed + life + 100 * (unsigned)type);
}

#define LIVES_TEST(name, type)           \
    VD_TEST(random_operations_on_##name) \
    {                                    \
        run_lives(type, 20260415);       \
    }
LIVES_TEST(monolithic_sparse, VD_DISK_MONOLITHIC_SPARSE)
LIVES_TEST(monolithic_flat, VD_DISK_MONOLITHIC_FLAT)
LIVES_TEST(split_sparse, VD_DISK_SPLIT_SPARSE)
LIVES_TEST(split_flat, VD_DISK_SPLIT_FLAT)
LIVES_TEST(vmfs_flat, VD_DISK_VMFS_FLAT)
LIVES_TEST(vmfs_thin, VD_DISK_VMFS_THIN)
LIVES_TEST(vmfs_sparse, VD_DISK_VMFS_SPARSE)
LIVES_TEST(se_sparse, VD_DISK_SE_SPARSE)
