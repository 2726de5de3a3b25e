/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plug is pulled at every moment of an operation on whole disks. What the machine finds then
 * (block/power-cut.h): a disk that was there is the old one or the new; one that was being made is
 * not there or is complete; files the operation only reads have not changed by a byte. A check
 * finds nothing worse than leaked space, repairing gives that back and changes nothing that is
 * read; and the operation can be run again, once what a sentence says is in its way is removed,
 * growing without that.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "block/power-cut.h"
#include "build-disks.h"
#include "build-image.h"
#include "harness.h"
#include "ops/attach.h"
#include "ops/clone.h"
#include "ops/commit.h"
#include "ops/defragment.h"
#include "ops/grow.h"
#include "ops/rename.h"
#include "ops/shrink.h"
#include "ops/unlink.h"
#include "vmdk/check.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

enum { MAX_WATCHED = 4, REPAIR_EVERY = 3, AGAIN_EVERY = 4, MAX_SECTORS = 10000 };

/* States of an operation, as far as its length does not ask for more: each cut has the four plain
 * ones and a few others. Sanitizers look at a sample, because files come and go with each state. */
#ifdef VD_SANITIZED
enum { RANDOM_STATES = 1, STATES = 80, MAX_CUTS = 16 };
#else
enum { RANDOM_STATES = 4, STATES = 600, MAX_CUTS = 1000 };
#endif

#define KEY "comment"

/* What a disk is to the operation. */
enum role {
    ROLE_NONE,
    ROLE_KEPT,  /* there before and after it */
    ROLE_MADE,  /* by it */
    ROLE_GONE,  /* after it */
    ROLE_BELOW, /* as kept, but on the way sector by sector old or new, hidden by its child */
};

enum found { FOUND_NOTHING, FOUND_OLD, FOUND_NEW, FOUND_BETWEEN };

struct watched {
    const char *path;
    enum role role;
};

struct operation {
    const char *name;
    enum built_kind kind; /* of the disk BUILT_DISK */
    void (*prepare)(struct vd_fs_memory *files);
    int (*run)(const struct vd_fs *fs, struct vd_error *err);
    struct watched disks[MAX_WATCHED];
    const char *only_read;   /* files whose names begin so; NULL: none */
    bool one_is_there;       /* of the disks, at every moment */
    bool nothing_in_its_way; /* it runs again by itself, which is tried after every cut */
    /* Grows the disk once more after each cut at which it had come to its end. */
    int (*further)(const struct vd_fs *fs, struct vd_error *err);
    bool cid_may_differ; /* a child's note of its parent's content ID lags behind it for a moment */
};

/* What a disk is. */
struct content {
    uint64_t sectors;
    uint8_t *bytes; /* NULL: there is none */
    char *comment;
};

struct knowledge {
    const struct operation *operation;
    struct content before[MAX_WATCHED];
    struct content after[MAX_WATCHED];
    struct vd_fs_memory *first; /* a copy of all files before it */
    unsigned long lagging;
};

/* --- contents --- */

static bool is_there(const struct vd_fs *fs, const char *path)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, path, &status, NULL), VD_OK);
    return status.kind != VD_FS_NOTHING;
}

/* Valid until the next call. */
static struct content content_of(struct vd_disk *disk)
{
    static uint8_t bytes[MAX_SECTORS * VD_SECTOR_BYTES];
    static char comment[1024];
    const char *found = vd_disk_meta_get(disk, KEY);
    struct content content = {
        .sectors = vd_disk_capacity(disk), .bytes = bytes, .comment = comment};
    struct vd_error err = VD_ERROR_INIT;
    check(content.sectors <= MAX_SECTORS);
    check_code_err(vd_disk_read(disk, 0, content.sectors, bytes, &err), VD_OK, &err);
    (void)snprintf(comment, sizeof comment, "%s", found ? found : "");
    return content;
}

static void content_done(struct content *content)
{
    free(content->bytes);
    free(content->comment);
    *content = (struct content){0};
}

static struct content read_disk(const struct vd_fs *fs, const char *path)
{
    const struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    if (!path || !is_there(fs, path))
        return (struct content){0};
    check_code_err(vd_vmdk_open(path, &options, &disk, &err), VD_OK, &err);
    struct content content = content_of(disk);
    vd_disk_free(disk);
    size_t length = (size_t)vd_sectors_to_bytes(content.sectors);
    uint8_t *bytes = malloc(length);
    content.comment = strdup(content.comment);
    check(bytes && content.comment);
    content.bytes = memcpy(bytes, content.bytes, length);
    return content;
}

static bool is_same(const struct content *a, const struct content *b)
{
    return a->bytes && b->bytes && a->sectors == b->sectors &&
           strcmp(a->comment, b->comment) == 0 &&
           memcmp(a->bytes, b->bytes, (size_t)vd_sectors_to_bytes(a->sectors)) == 0;
}

static bool is_between(const struct content *got, const struct content *a, const struct content *b)
{
    if (got->sectors != a->sectors || got->sectors != b->sectors)
        return false;
    for (size_t at = 0; at < vd_sectors_to_bytes(got->sectors); at += VD_SECTOR_BYTES)
        if (memcmp(got->bytes + at, a->bytes + at, VD_SECTOR_BYTES) != 0 &&
            memcmp(got->bytes + at, b->bytes + at, VD_SECTOR_BYTES) != 0)
            return false;
    return true;
}

/* --- one state --- */

static int open_found(struct knowledge *known, const struct vd_fs *fs, const char *path,
                      struct vd_disk **ret, struct vd_error *err)
{
    struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    int r = vd_vmdk_open(path, &options, ret, err);
    if (r == VD_E_CID_MISMATCH && known->operation->cid_may_differ) {
        options.flags |= VD_VMDK_IGNORE_CID;
        known->lagging++;
        r = vd_vmdk_open(path, &options, ret, err);
    }
    return r;
}

static enum found look_at(struct knowledge *known, const struct vd_fs *fs, size_t index)
{
    const struct watched *watched = &known->operation->disks[index];
    const struct content *before = &known->before[index], *after = &known->after[index];
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    enum found found = FOUND_NOTHING;
    if (!is_there(fs, watched->path)) {
        check(watched->role == ROLE_MADE || watched->role == ROLE_GONE);
        return FOUND_NOTHING;
    }
    check_code_err(open_found(known, fs, watched->path, &disk, &err), VD_OK, &err);
    struct content got = content_of(disk);
    vd_disk_free(disk);
    if (is_same(&got, after))
        found = FOUND_NEW;
    else if (is_same(&got, before))
        found = FOUND_OLD;
    else if (watched->role == ROLE_BELOW && is_between(&got, before, after))
        found = FOUND_BETWEEN;
    else
        test_fail("'%s' is neither the old nor the new", watched->path);
    return found;
}

struct findings {
    const struct operation *operation;
    unsigned long leaks;
};

static void count_finding(void *data, const struct vd_finding *finding)
{
    struct findings *findings = data;
    /* That one was longer than what was in use, as ESX makes them; what we add comes behind. */
    bool was_ahead =
        findings->operation->kind == BUILT_COWD && strstr(finding->file, "-delta.vmdk") != NULL;
    if (finding->grade == VD_FINDING_LEAK && !was_ahead)
        findings->leaks++;
    else if (finding->grade == VD_FINDING_FAULT &&
             (!findings->operation->cid_may_differ || strcmp(finding->id, "cid-mismatch") != 0))
        test_fail("check: %s: %s", finding->file, finding->text);
}

static unsigned long check_found(const struct operation *operation, const struct vd_fs *fs,
                                 const char *path, bool repair)
{
    struct findings findings = {.operation = operation};
    const struct vd_check_options options = {
        .open = {.fs = fs}, .repair = repair, .finding = count_finding, .data = &findings};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_check(path, &options, &result, &err), VD_OK, &err);
    return findings.leaks;
}

static void check_only_read(const struct knowledge *known, const struct vd_fs *fs)
{
    VD_FREE char *names = NULL;
    const char *prefix = known->operation->only_read;
    check_code(vd_fs_memory_list(known->first, &names, NULL), VD_OK);
    char *rest = names;
    for (char *name = strsep(&rest, "\n"); name && *name; name = strsep(&rest, "\n")) {
        if (!prefix || strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *was = NULL;
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *is = NULL;
        uint64_t size_was, size_is;
        check_code(vd_fs_open(vd_fs_memory_fs(known->first), name, 0, &was, NULL), VD_OK);
        check_code(vd_fs_open(fs, name, 0, &is, NULL), VD_OK);
        check_code(vd_block_size(was, &size_was, NULL), VD_OK);
        check_code(vd_block_size(is, &size_is, NULL), VD_OK);
        check_u64_eq(size_is, size_was);
        VD_FREE uint8_t *a = malloc((size_t)size_was + 1);
        VD_FREE uint8_t *b = malloc((size_t)size_is + 1);
        check(a && b);
        check_code(vd_block_read(was, 0, a, (size_t)size_was, NULL), VD_OK);
        check_code(vd_block_read(is, 0, b, (size_t)size_is, NULL), VD_OK);
        check(memcmp(a, b, (size_t)size_is) == 0);
    }
}

/* When the old one is gone and the new one has not its name yet, that is there, complete. */
static bool waits_aside(const struct knowledge *known, const struct vd_fs *fs)
{
    const struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    struct vd_fs_names names = {0};
    bool found = false;
    check_code(vd_fs_list(fs, ".", &names, NULL), VD_OK);
    for (size_t i = 0; i < names.count && !found; i++) {
        struct vd_disk *disk = NULL;
        if (strncmp(names.items[i], ".vdisk-", 7) != 0 ||
            vd_vmdk_open(names.items[i], &options, &disk, NULL) < 0)
            continue;
        struct content content = content_of(disk);
        found = is_same(&content, &known->after[0]);
        vd_disk_free(disk);
    }
    vd_fs_names_done(&names);
    return found;
}

/* True when the operation had come to its end. */
static bool check_state(struct knowledge *known, const struct vd_fs *fs)
{
    const struct operation *operation = known->operation;
    enum found found[MAX_WATCHED];
    bool any = false, done = true;
    for (size_t i = 0; i < MAX_WATCHED && operation->disks[i].path; i++) {
        found[i] = look_at(known, fs, i);
        any |= found[i] != FOUND_NOTHING;
        done &= operation->disks[i].role == ROLE_GONE ? found[i] == FOUND_NOTHING
                                                      : found[i] == FOUND_NEW;
        if (operation->disks[i].role == ROLE_BELOW && i > 0 && found[i - 1] == FOUND_NOTHING)
            check(found[i] == FOUND_NEW); /* nothing hides it */
        if (found[i] != FOUND_NOTHING)
            (void)check_found(operation, fs, operation->disks[i].path, false);
    }
    check(any || !operation->one_is_there || waits_aside(known, fs));
    check_only_read(known, fs);
    return done;
}

static void repair_state(struct knowledge *known, const struct vd_fs *fs)
{
    const struct operation *operation = known->operation;
    for (size_t i = 0; i < MAX_WATCHED && operation->disks[i].path; i++) {
        const char *path = operation->disks[i].path;
        if (!is_there(fs, path))
            continue;
        (void)check_found(operation, fs, path, true);
        check_u64_eq(check_found(operation, fs, path, false), 0);
    }
    (void)check_state(known, fs);
}

/* The file a sentence ends with. */
static char *named_last(const char *sentence)
{
    const char *end = strrchr(sentence, '\'');
    check(end != NULL);
    const char *start = end;
    while (start > sentence && start[-1] != '\'')
        start--;
    return strndup(start, (size_t)(end - start));
}

/* A name that is left of the first time is told, and removed by hand. */
static void run_again(struct knowledge *known, const struct vd_fs *fs)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    while ((r = known->operation->run(fs, &err)) == VD_E_EXISTS &&
           !known->operation->nothing_in_its_way) {
        VD_FREE char *left = named_last(err.text);
        check_code(vd_fs_unlink(fs, left, NULL), VD_OK);
        vd_error_clear(&err);
    }
    check_code_err(r, VD_OK, &err);
    check(check_state(known, fs));
}

static bool has_temporary_names(const struct vd_fs *fs)
{
    struct vd_fs_names names = {0};
    bool found = false;
    check_code(vd_fs_list(fs, ".", &names, NULL), VD_OK);
    for (size_t i = 0; i < names.count; i++)
        found |= strncmp(names.items[i], ".vdisk-", 7) == 0;
    vd_fs_names_done(&names);
    return found;
}

/* Second names of extents that the disk names may have come back with the cut. They say nothing,
 * so no extent goes because of them, but they. True when there were any. */
static bool run_further(const struct knowledge *known, const struct vd_fs *fs)
{
    const struct content *after = &known->after[0];
    struct vd_error err = VD_ERROR_INIT;
    bool had_names = has_temporary_names(fs);
    check_code_err(known->operation->further(fs, &err), VD_OK, &err);
    struct content got = read_disk(fs, known->operation->disks[0].path);
    check(got.sectors > after->sectors);
    check(memcmp(got.bytes, after->bytes, (size_t)vd_sectors_to_bytes(after->sectors)) == 0);
    content_done(&got);
    check(!has_temporary_names(fs));
    (void)check_found(known->operation, fs, known->operation->disks[0].path, false);
    return had_names;
}

/* --- all states --- */

/* Every cut, or, where sanitizers slow it down, evenly chosen ones. */
static void cut_everywhere(struct knowledge *known, const struct vd_fs_trace *trace, uint64_t seed)
{
    const struct operation *operation = known->operation;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    struct vd_error err = VD_ERROR_INIT;
    unsigned long count = 0, repaired = 0, again = 0, came_back = 0;
    bool same = is_same(&known->before[0], &known->after[0]); /* then nobody can tell the end */
    check_code_err(vd_power_cut_new(trace, &cuts, &err), VD_OK, &err);
    size_t num_cuts = vd_power_cut_last(cuts) + 1;
    uint64_t each = VD_MAX(STATES / num_cuts, (uint64_t)VD_CUT_RANDOM + RANDOM_STATES);
    size_t step = vd_div_up(num_cuts, MAX_CUTS);
    for (size_t cut = 0; cut < num_cuts; cut += step) {
        for (uint64_t state = 0; state < each; state++, count++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
            uint64_t choice =
                state < VD_CUT_RANDOM ? state : VD_CUT_RANDOM + build_random(&seed) % 1000000;
            check_code_err(vd_power_cut_build(cuts, cut, choice, &files, &err), VD_OK, &err);
            const struct vd_fs *fs = vd_fs_memory_fs(files);
            bool done = check_state(known, fs);
            if (count % REPAIR_EVERY == 0) {
                repair_state(known, fs);
                repaired++;
            }
            if ((count % AGAIN_EVERY == 0 || operation->nothing_in_its_way) && (!done || same)) {
                run_again(known, fs);
                again++;
            }
            if (operation->further && done)
                came_back += run_further(known, fs);
        }
    }
    check(!operation->further || came_back > 0 || step > 1);
    printf("# %s: %lu cuts (%zu events, %lu repaired, %lu run again, %lu with a lagging ID)\n",
           known->operation->name, count, num_cuts - 1, repaired, again, known->lagging);
}

/* A file is in the record from when it is named. */
static void name_all(struct vd_fs_memory *files, struct vd_fs_trace *trace)
{
    VD_FREE char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    char *rest = names;
    for (char *name = strsep(&rest, "\n"); name && *name; name = strsep(&rest, "\n")) {
        struct vd_block *block = NULL;
        check_code(vd_fs_open(vd_fs_trace_fs(trace), name, 0, &block, NULL), VD_OK);
        vd_block_free(block);
    }
}

static struct vd_fs_memory *copy_of(struct vd_fs_memory *files)
{
    VD_FREE char *names = NULL;
    struct vd_fs_memory *copy = NULL;
    check_code(vd_fs_memory_new(&copy, NULL), VD_OK);
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    char *rest = names;
    for (char *name = strsep(&rest, "\n"); name && *name; name = strsep(&rest, "\n")) {
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
        uint64_t size;
        check_code(vd_fs_open(vd_fs_memory_fs(files), name, 0, &block, NULL), VD_OK);
        check_code(vd_block_size(block, &size, NULL), VD_OK);
        VD_FREE uint8_t *bytes = malloc((size_t)size + 1);
        check(bytes != NULL);
        check_code(vd_block_read(block, 0, bytes, (size_t)size, NULL), VD_OK);
        check_code(vd_fs_memory_add(copy, name, bytes, (size_t)size, NULL), VD_OK);
    }
    return copy;
}

static void pull_the_plug(const struct operation *operation)
{
    uint64_t seed = build_random_seed(20260611);
    BUILT model;
    struct knowledge known = {.operation = operation};
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    struct vd_error err = VD_ERROR_INIT;
    /* Every state is a new set of files, whose memory need not go to the system and back. Only for
     * speed, and not known to every allocator. */
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    built_make(&model, operation->kind);
    operation->prepare(model.files);
    known.first = copy_of(model.files);
    for (size_t i = 0; i < MAX_WATCHED; i++)
        known.before[i] = read_disk(vd_fs_memory_fs(model.files), operation->disks[i].path);
    check_code(vd_fs_trace_new(vd_fs_memory_fs(model.files), &trace, NULL), VD_OK);
    name_all(model.files, trace);
    check_code_err(operation->run(vd_fs_trace_fs(trace), &err), VD_OK, &err);
    for (size_t i = 0; i < MAX_WATCHED; i++)
        known.after[i] = read_disk(vd_fs_memory_fs(model.files), operation->disks[i].path);
    cut_everywhere(&known, trace, seed);
    for (size_t i = 0; i < MAX_WATCHED; i++) {
        content_done(&known.before[i]);
        content_done(&known.after[i]);
    }
    vd_fs_memory_free(known.first);
}

/* --- disks to begin with --- */

/* Grains in no order, some of zeros, one rewritten. */
static void write_some(struct vd_fs_memory *files, const char *path, uint64_t stamp)
{
    static const uint64_t starts[] = {3003, 70, 1490, 2000, 3, 2996, 1024, 71, 4000};
    static uint8_t bytes[40 * VD_SECTOR_BYTES];
    const struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files)};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(vd_vmdk_open(path, &options, &disk, &err), VD_OK, &err);
    for (size_t i = 0; i < VD_ARRAY_SIZE(starts); i++) {
        if (starts[i] + 40 > vd_disk_capacity(disk))
            continue;
        built_stamp(bytes, starts[i], 40, stamp + i);
        if (i % 4 == 3)
            memset(bytes, 0, sizeof bytes);
        check_code_err(vd_disk_write(disk, starts[i], 40, bytes, &err), VD_OK, &err);
    }
    check_code_err(vd_disk_meta_set(disk, KEY, "the old comment", &err), VD_OK, &err);
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
}

static void written(struct vd_fs_memory *files)
{
    write_some(files, BUILT_DISK, 0x10);
}

static void make_disk(struct vd_fs_memory *files, const char *path, enum vd_disk_type type,
                      const char *parent)
{
    const struct vd_vmdk_create_params params = {
        .type = type, .capacity_sectors = parent ? 0 : 1111, .parent_path = parent};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_create(path, &params, vd_fs_memory_fs(files), NULL, &err), VD_OK, &err);
    write_some(files, path, 0x20);
}

/* Another disk, which is flat and in files of its own, besides the built one. */
static void with_flat(struct vd_fs_memory *files)
{
    make_disk(files, "e.vmdk", VD_DISK_MONOLITHIC_FLAT, NULL);
}

static void with_split_flat(struct vd_fs_memory *files)
{
    make_disk(files, "e.vmdk", VD_DISK_SPLIT_FLAT, NULL);
}

/* In extents so small that more of them come. */
static void with_small_extents(struct vd_fs_memory *files)
{
    static const uint8_t zeros[500 * VD_SECTOR_BYTES];
    static const char text[] = "# Disk DescriptorFile\n"
                               "version=1\nCID=12345678\nparentCID=ffffffff\n"
                               "createType=\"twoGbMaxExtentFlat\"\n"
                               "RW 500 FLAT \"e-f001.vmdk\" 0\n"
                               "RW 300 FLAT \"e-f002.vmdk\" 0\n"
                               "ddb.adapterType = \"lsilogic\"\n";
    check_code(vd_fs_memory_add(files, "e.vmdk", text, sizeof text - 1, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "e-f001.vmdk", zeros, sizeof zeros, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "e-f002.vmdk", zeros, 300 * VD_SECTOR_BYTES, NULL), VD_OK);
    write_some(files, "e.vmdk", 0x20);
}

static void with_thin(struct vd_fs_memory *files)
{
    make_disk(files, "e.vmdk", VD_DISK_VMFS_THIN, NULL);
}

static void with_cowd(struct vd_fs_memory *files)
{
    make_disk(files, "e.vmdk", VD_DISK_VMFS_SPARSE, NULL);
}

static void with_sesparse(struct vd_fs_memory *files)
{
    make_disk(files, "e.vmdk", VD_DISK_SE_SPARSE, NULL);
}

static void with_text_child(struct vd_fs_memory *files)
{
    written(files);
    make_disk(files, "e.vmdk", VD_DISK_VMFS_SPARSE, BUILT_DISK);
}

static void with_grandchild(struct vd_fs_memory *files)
{
    with_text_child(files);
    make_disk(files, "g.vmdk", VD_DISK_MONOLITHIC_SPARSE, "e.vmdk");
}

/* A child whose parent has a twin of another name. */
static void with_twin(struct vd_fs_memory *files)
{
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = {.fs = fs};
    struct vd_error err = VD_ERROR_INIT;
    with_text_child(files);
    check_code_err(vd_rename("e.vmdk", "twin.vmdk", &options, &err), VD_OK, &err);
    check_code_err(vd_fs_link(fs, BUILT_DISK, "new-parent.vmdk", &err), VD_OK, &err);
    make_disk(files, "g.vmdk", VD_DISK_MONOLITHIC_SPARSE, "twin.vmdk");
    check_code_err(vd_fs_link(fs, "twin.vmdk", "twin-too.vmdk", &err), VD_OK, &err);
}

/* --- operations --- */

static int create(const struct vd_fs *fs, enum vd_disk_type type, const char *parent,
                  struct vd_error *err)
{
    const struct vd_vmdk_create_params params = {
        .type = type, .capacity_sectors = parent ? 0 : 777, .parent_path = parent};
    return vd_vmdk_create("new.vmdk", &params, fs, NULL, err);
}

static int clone(const struct vd_fs *fs, const char *from, enum vd_disk_type type, bool overwrite,
                 struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    const struct vd_clone_params params = {.type = type, .overwrite = overwrite};
    struct vd_disk *disk = NULL;
    int r = vd_vmdk_open(from, &options, &disk, err);
    if (r >= 0)
        r = vd_clone(disk, overwrite ? "e.vmdk" : "new.vmdk", &params, fs, NULL, err);
    vd_disk_free(disk);
    return r;
}

static int set_comment(const struct vd_fs *fs, const char *path, struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs};
    struct vd_disk *disk = NULL;
    int r = vd_vmdk_open(path, &options, &disk, err);
    if (r < 0)
        return r;
    r = vd_disk_meta_set(
        disk, KEY,
        "a new comment, longer than the old one and longer than a sector: "
        "............................................................................"
        "............................................................................"
        "............................................................................"
        "............................................................................"
        "............................................................................"
        "............................................................................"
        "............................................................................",
        err);
    int closed = vd_disk_close(disk, r < 0 ? NULL : err);
    return r < 0 ? r : closed;
}

static int grow(const struct vd_fs *fs, const char *path, uint64_t sectors, struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs};
    const struct vd_grow_params params = {.capacity_sectors = sectors, .update_geometry = true};
    return vd_grow(path, &options, &params, NULL, err);
}

static int grow_built_further(const struct vd_fs *fs, struct vd_error *err)
{
    return grow(fs, BUILT_DISK, 9000, err);
}

static int grow_other_further(const struct vd_fs *fs, struct vd_error *err)
{
    return grow(fs, "e.vmdk", 4000, err);
}

static int commit(const struct vd_fs *fs, const char *child, bool keep, struct vd_error *err)
{
    /* Where the plug was pulled before the child noted the parent's new ID. */
    const struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_IGNORE_CID};
    return vd_commit(child, &options, keep, NULL, err);
}

/* The operation as a function of its name, and a test of that name. */
#define OPERATION(title, call, ...)                                                                \
    static int run_##title(const struct vd_fs *fs, struct vd_error *err)                           \
    {                                                                                              \
        const struct vd_vmdk_options options = {.fs = fs};                                         \
        (void)options;                                                                             \
        return call;                                                                               \
    }                                                                                              \
    VD_TEST(title)                                                                                 \
    {                                                                                              \
        pull_the_plug(&(const struct operation){.name = #title, .run = run_##title, __VA_ARGS__}); \
    }
#define DISKS(...)  .disks = {__VA_ARGS__}
#define ON(k, prep) .kind = (k), .prepare = (prep)
#define NEW_DISK    DISKS({"new.vmdk", ROLE_MADE})
#define KEPT_DISK   DISKS({BUILT_DISK, ROLE_KEPT})
#define OTHER_DISK  DISKS({"e.vmdk", ROLE_KEPT})

#define CREATE(title, type, parent)                                                           \
    OPERATION(create_##title, create(fs, type, parent, err), ON(BUILT_SPARSE_CHILD, written), \
              NEW_DISK, .only_read = "")
CREATE(sparse, VD_DISK_MONOLITHIC_SPARSE, NULL)
CREATE(split, VD_DISK_SPLIT_SPARSE, NULL)
CREATE(flat, VD_DISK_MONOLITHIC_FLAT, NULL)
CREATE(split_flat, VD_DISK_SPLIT_FLAT, NULL)
CREATE(thin, VD_DISK_VMFS_THIN, NULL)
CREATE(sparse_child, VD_DISK_MONOLITHIC_SPARSE, BUILT_DISK)
CREATE(cowd_child, VD_DISK_VMFS_SPARSE, BUILT_DISK)
CREATE(sesparse_child, VD_DISK_SE_SPARSE, BUILT_DISK)

#define CLONE(title, type)                                               \
    OPERATION(clone_to_##title, clone(fs, BUILT_DISK, type, false, err), \
              ON(BUILT_SPARSE_CHILD, written), NEW_DISK, .only_read = "")
CLONE(sparse, VD_DISK_MONOLITHIC_SPARSE)
CLONE(split, VD_DISK_SPLIT_SPARSE)
CLONE(flat, VD_DISK_MONOLITHIC_FLAT)
CLONE(split_flat, VD_DISK_SPLIT_FLAT)
CLONE(vmfs, VD_DISK_VMFS_FLAT)
CLONE(thin, VD_DISK_VMFS_THIN)
OPERATION(clone_over_another, clone(fs, BUILT_DISK, VD_DISK_MONOLITHIC_FLAT, true, err),
          ON(BUILT_SPLIT, with_flat), DISKS({"e.vmdk", ROLE_MADE}), .one_is_there = true,
          .only_read = "d")

OPERATION(grow_sparse, grow(fs, BUILT_DISK, 5000, err), ON(BUILT_MONOLITHIC, written), KEPT_DISK)
OPERATION(grow_split, grow(fs, BUILT_DISK, 5000, err), ON(BUILT_SPLIT, written), KEPT_DISK,
          .nothing_in_its_way = true, .further = grow_built_further)
OPERATION(grow_flat, grow(fs, "e.vmdk", 2000, err), ON(BUILT_FLAT, with_flat), OTHER_DISK)
OPERATION(grow_split_flat, grow(fs, "e.vmdk", 2000, err), ON(BUILT_FLAT, with_split_flat),
          OTHER_DISK)
OPERATION(grow_small_extents, grow(fs, "e.vmdk", 2000, err), ON(BUILT_FLAT, with_small_extents),
          OTHER_DISK, .nothing_in_its_way = true, .further = grow_other_further)
OPERATION(grow_thin, grow(fs, "e.vmdk", 2000, err), ON(BUILT_FLAT, with_thin), OTHER_DISK)
OPERATION(grow_cowd, grow(fs, "e.vmdk", 9000, err), ON(BUILT_FLAT, with_cowd), OTHER_DISK)
OPERATION(grow_sesparse, grow(fs, "e.vmdk", 2000, err), ON(BUILT_FLAT, with_sesparse), OTHER_DISK)

OPERATION(shrink_sparse, vd_shrink(BUILT_DISK, &options, NULL, err), ON(BUILT_MONOLITHIC, written),
          KEPT_DISK)
OPERATION(shrink_split, vd_shrink(BUILT_DISK, &options, NULL, err), ON(BUILT_SPLIT, written),
          KEPT_DISK)
OPERATION(shrink_cowd, vd_shrink("e.vmdk", &options, NULL, err), ON(BUILT_FLAT, with_cowd),
          OTHER_DISK)
OPERATION(shrink_sesparse, vd_shrink("e.vmdk", &options, NULL, err), ON(BUILT_FLAT, with_sesparse),
          OTHER_DISK)
OPERATION(defragment_sparse, vd_defragment(BUILT_DISK, &options, NULL, err),
          ON(BUILT_SINGLE, written), KEPT_DISK)
OPERATION(defragment_split, vd_defragment(BUILT_DISK, &options, NULL, err),
          ON(BUILT_SPLIT, written), KEPT_DISK)
OPERATION(defragment_child, vd_defragment(BUILT_DISK, &options, NULL, err),
          ON(BUILT_ZERO_CHILD, written), KEPT_DISK, .only_read = "parent")
OPERATION(defragment_cowd_child, vd_defragment(BUILT_DISK, &options, NULL, err),
          ON(BUILT_COWD, written), KEPT_DISK, .only_read = "parent")
OPERATION(defragment_sesparse_child, vd_defragment(BUILT_DISK, &options, NULL, err),
          ON(BUILT_SESPARSE, written), KEPT_DISK, .only_read = "parent")

#define MOVED(from, to) DISKS({from, ROLE_GONE}, {to, ROLE_MADE}), .one_is_there = true
OPERATION(rename_sparse, vd_rename(BUILT_DISK, "new.vmdk", &options, err),
          ON(BUILT_MONOLITHIC, written), MOVED(BUILT_DISK, "new.vmdk"))
OPERATION(rename_split, vd_rename(BUILT_DISK, "new.vmdk", &options, err), ON(BUILT_SPLIT, written),
          MOVED(BUILT_DISK, "new.vmdk"))
OPERATION(rename_cowd, vd_rename(BUILT_DISK, "new.vmdk", &options, err), ON(BUILT_COWD, written),
          MOVED(BUILT_DISK, "new.vmdk"), .only_read = "parent")

OPERATION(unlink_sparse, vd_unlink(BUILT_DISK, &options, true, err), ON(BUILT_MONOLITHIC, written),
          DISKS({BUILT_DISK, ROLE_GONE}))
OPERATION(unlink_split, vd_unlink(BUILT_DISK, &options, true, err), ON(BUILT_SPLIT, written),
          DISKS({BUILT_DISK, ROLE_GONE}))
OPERATION(unlink_child, vd_unlink(BUILT_DISK, &options, true, err), ON(BUILT_SESPARSE, written),
          DISKS({BUILT_DISK, ROLE_GONE}), .only_read = "parent")

OPERATION(meta_inside, set_comment(fs, BUILT_DISK, err), ON(BUILT_MONOLITHIC, written), KEPT_DISK)
OPERATION(meta_in_text, set_comment(fs, BUILT_DISK, err), ON(BUILT_SPLIT, written), KEPT_DISK)

OPERATION(attach_text, vd_attach("new-parent.vmdk", "twin.vmdk", &options, err),
          ON(BUILT_SPARSE_CHILD, with_twin), DISKS({"twin.vmdk", ROLE_KEPT}, {"g.vmdk", ROLE_KEPT}),
          .only_read = "d.vmdk")
OPERATION(attach_inside, vd_attach("twin-too.vmdk", "g.vmdk", &options, err),
          ON(BUILT_SPARSE_CHILD, with_twin), DISKS({"g.vmdk", ROLE_KEPT}), .only_read = "twin")

#define COMMITTED(child, parent) \
    DISKS({child, ROLE_GONE}, {parent, ROLE_BELOW}), .cid_may_differ = true
OPERATION(commit_sparse_into_flat, commit(fs, BUILT_DISK, false, err),
          ON(BUILT_SPARSE_CHILD, written), COMMITTED(BUILT_DISK, "parent.vmdk"))
OPERATION(commit_cowd_into_sparse, commit(fs, "e.vmdk", false, err),
          ON(BUILT_MONOLITHIC, with_text_child), COMMITTED("e.vmdk", BUILT_DISK))
OPERATION(commit_below_another, commit(fs, "e.vmdk", false, err), ON(BUILT_SPLIT, with_grandchild),
          DISKS({"e.vmdk", ROLE_GONE}, {BUILT_DISK, ROLE_BELOW}, {"g.vmdk", ROLE_KEPT}),
          .cid_may_differ = true)
OPERATION(commit_and_keep, commit(fs, BUILT_DISK, true, err), ON(BUILT_SPARSE_CHILD, written),
          DISKS({BUILT_DISK, ROLE_KEPT}, {"parent.vmdk", ROLE_BELOW}), .cid_may_differ = true)
