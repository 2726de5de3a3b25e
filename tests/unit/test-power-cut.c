/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First each rule of the model on the smallest trace that shows it, then whole programs: a log that
 * is written right and never loses anything, and the same log with one mistake each, which has to
 * be found.
 */
#include "block/power-cut.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/replace.h"
#include "tests/harness.h"

#define SECTOR VD_SECTOR_BYTES

struct rig {
    struct vd_fs_memory *files;
    struct vd_fs_trace *trace;
    const struct vd_fs *fs;
};

static struct rig rig_new(void)
{
    struct rig rig = {0};
    check_code(vd_fs_memory_new(&rig.files, NULL), VD_OK);
    check_code(vd_fs_trace_new(vd_fs_memory_fs(rig.files), &rig.trace, NULL), VD_OK);
    rig.fs = vd_fs_trace_fs(rig.trace);
    return rig;
}

static void rig_done(struct rig *rig)
{
    vd_fs_trace_free(rig->trace);
    vd_fs_memory_free(rig->files);
}

/* A file of whole sectors, each full of one letter. */
static void add(struct rig *rig, const char *path, const char *letters)
{
    char bytes[16 * SECTOR];
    size_t count = strlen(letters);
    check(count <= 16);
    for (size_t i = 0; i < count; i++)
        memset(bytes + i * SECTOR, letters[i], SECTOR);
    check_code(vd_fs_memory_add(rig->files, path, bytes, count * SECTOR, NULL), VD_OK);
}

static struct vd_block *open_writer(const struct rig *rig, const char *path)
{
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_open(rig->fs, path, VD_FS_WRITE, &block, &err), VD_OK, &err);
    return block;
}

static struct vd_block *create(const struct rig *rig, const char *path)
{
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_create(rig->fs, path, 0, NULL, &block, &err), VD_OK, &err);
    return block;
}

/* One write of sectors full of these letters. */
static void put(struct vd_block *block, unsigned sector, const char *letters)
{
    char bytes[16 * SECTOR];
    size_t count = strlen(letters);
    for (size_t i = 0; i < count; i++)
        memset(bytes + i * SECTOR, letters[i], SECTOR);
    check_code(vd_block_write(block, sector * SECTOR, bytes, count * SECTOR, NULL), VD_OK);
}

static void flush(struct vd_block *block)
{
    check_code(vd_block_flush(block, NULL), VD_OK);
}

/* A file as text: a letter for each sector, '.' for zeros; "-" when it is not there. */
static void file_to_text(struct vd_fs_memory *files, const char *path, char out[32])
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    memcpy(out, "-", 2);
    if (vd_fs_open(vd_fs_memory_fs(files), path, 0, &block, NULL) < 0)
        return;
    char bytes[16 * SECTOR];
    size_t length;
    check_code(vd_block_read_some(block, 0, bytes, sizeof bytes, &length, NULL), VD_OK);
    check_u64_eq(length % SECTOR, 0);
    for (size_t i = 0; i < length / SECTOR; i++) {
        const char *sector = bytes + i * SECTOR;
        for (size_t j = 1; j < SECTOR; j++)
            check_int_eq(sector[j], sector[0]); /* no sector is ever torn */
        out[i] = sector[0] ? sector[0] : '.';
    }
    out[length / SECTOR] = '\0';
}

/* All that the names lead to, as "path=text path=text", in one line. */
static void state_to_text(struct vd_fs_memory *files, char *out, size_t size)
{
    VD_FREE char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    size_t length = 0;
    out[0] = '\0';
    char *rest = names;
    for (char *name = strsep(&rest, "\n"); name && *name; name = strsep(&rest, "\n")) {
        char text[32];
        file_to_text(files, name, text);
        int put = snprintf(out + length, size - length, "%s%s=%s", length ? " " : "", name, text);
        check(put > 0 && (size_t)put < size - length);
        length += (size_t)put;
    }
}

enum { TEXT_BYTES = 256, MAX_STATES = 200, SEEDS = 400 };

/* The different states of one cut, over many seeds. */
struct states {
    char texts[MAX_STATES][TEXT_BYTES];
    size_t count;
};

static bool has(const struct states *states, const char *text)
{
    for (size_t i = 0; i < states->count; i++)
        if (strcmp(states->texts[i], text) == 0)
            return true;
    return false;
}

static void states_at(const struct rig *rig, size_t cut, struct states *ret)
{
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig->trace, &cuts, NULL), VD_OK);
    ret->count = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
        check_code(vd_power_cut_build(cuts, cut, seed, &files, NULL), VD_OK);
        char text[TEXT_BYTES];
        state_to_text(files, text, sizeof text);
        if (!has(ret, text)) {
            check(ret->count < MAX_STATES);
            memcpy(ret->texts[ret->count++], text, strlen(text) + 1);
        }
    }
}

/* The states at this cut are just these, separated by '|'. */
static void check_states(const struct rig *rig, size_t cut, const char *want)
{
    static struct states states;
    states_at(rig, cut, &states);
    char copy[2048];
    check(strlen(want) < sizeof copy);
    memcpy(copy, want, strlen(want) + 1);
    size_t count = 0;
    char *rest = copy;
    for (char *text = strsep(&rest, "|"); text; text = strsep(&rest, "|")) {
        count++;
        if (!has(&states, text))
            test_fail("cut %zu: no seed gives '%s'", cut, text);
    }
    for (size_t i = 0; i < states.count; i++)
        if (states.count > count)
            printf("# state '%s'\n", states.texts[i]);
    check_u64_eq(states.count, count);
}

/* Rules 1 and 2. */
VD_TEST(orderly_cuts_are_prefixes)
{
    struct rig rig = rig_new();
    add(&rig, "a", "xyz");
    struct vd_block *block = open_writer(&rig, "a");
    put(block, 1, "1");
    check_code(vd_block_resize(block, 2 * SECTOR, NULL), VD_OK);
    put(block, 3, "2");
    check_code(vd_block_punch(block, 0, SECTOR, NULL), VD_OK);
    check_code(vd_block_allocate(block, 3 * SECTOR, 2 * SECTOR, NULL, NULL), VD_OK);
    vd_block_free(block);
    block = create(&rig, "b");
    check_code(vd_fs_rename(rig.fs, "b", "c", NULL), VD_OK);
    put(block, 0, "3");
    check_code(vd_fs_unlink(rig.fs, "a", NULL), VD_OK);
    check_code(vd_fs_rename_replacing(rig.fs, "c", "c", NULL), VD_OK);
    vd_block_free(block);

    static const char *const want[] = {
        "a=xyz",      "a=x1z",      "a=x1",        "a=x1.2", "a=.1.2", "a=.1...",
        "a=.1... b=", "a=.1... c=", "a=.1... c=3", "c=3",    "c=3",
    };
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig.trace, &cuts, NULL), VD_OK);
    check_u64_eq(vd_power_cut_last(cuts), VD_ARRAY_SIZE(want) - 1);
    for (int falling = 0; falling < 2; falling++) {
        for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++) {
            size_t cut = falling ? VD_ARRAY_SIZE(want) - 1 - i : i;
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
            check_code(vd_power_cut_build(cuts, cut, VD_CUT_ORDERLY, &files, NULL), VD_OK);
            char text[TEXT_BYTES];
            state_to_text(files, text, sizeof text);
            check_str_eq(text, want[cut]);
        }
    }
    rig_done(&rig);
}

/* Rules 3 and 4: dropped, torn, reordered, and none of it before the flush. */
VD_TEST(sectors_come_on_their_own)
{
    struct rig rig = rig_new();
    add(&rig, "a", "xy");
    struct vd_block *block = open_writer(&rig, "a");
    put(block, 0, "ab");
    put(block, 1, "c");
    flush(block);
    put(block, 0, "d");
    check_states(&rig, 1, "a=xy|a=ay|a=xb|a=ab");
    check_states(&rig, 2, "a=xy|a=ay|a=xb|a=ab|a=xc|a=ac");
    check_states(&rig, 3, "a=ac");
    check_states(&rig, 4, "a=ac|a=dc");
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(zeros_come_as_any_other_write)
{
    struct rig rig = rig_new();
    add(&rig, "a", "xyz");
    struct vd_block *block = open_writer(&rig, "a");
    check_code(vd_block_punch(block, 0, 2 * SECTOR, NULL), VD_OK);
    check_states(&rig, 1, "a=xyz|a=.yz|a=x.z|a=..z");
    flush(block);
    check_code(vd_block_allocate(block, 2 * SECTOR, SECTOR, NULL, NULL), VD_OK);
    check_states(&rig, 3, "a=..z|a=...");
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(the_flush_of_one_file_is_not_anothers)
{
    struct rig rig = rig_new();
    add(&rig, "a", "x");
    add(&rig, "b", "y");
    struct vd_block *a = open_writer(&rig, "a");
    struct vd_block *b = open_writer(&rig, "b");
    put(a, 0, "1");
    put(b, 0, "2");
    flush(b);
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_OK);
    check_states(&rig, 4, "a=x b=2|a=1 b=2");
    vd_block_free(a);
    vd_block_free(b);
    rig_done(&rig);
}

/* Parts of a sector: the second write brings the first along, for they share it. */
VD_TEST(a_sector_is_never_torn)
{
    struct rig rig = rig_new();
    add(&rig, "a", "x");
    struct vd_block *block = open_writer(&rig, "a");
    check_code(vd_block_write(block, 10, "first", 5, NULL), VD_OK);
    check_code(vd_block_write(block, 20, "second", 6, NULL), VD_OK);
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig.trace, &cuts, NULL), VD_OK);
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *found = NULL;
        check_code(vd_power_cut_build(cuts, 2, seed, &files, NULL), VD_OK);
        check_code(vd_fs_open(vd_fs_memory_fs(files), "a", 0, &found, NULL), VD_OK);
        char got[SECTOR];
        check_code(vd_block_read(found, 0, got, SECTOR, NULL), VD_OK);
        bool first = memcmp(got + 10, "first", 5) == 0;
        bool second = memcmp(got + 20, "second", 6) == 0;
        check(first || memcmp(got + 10, "xxxxx", 5) == 0);
        check(second || memcmp(got + 20, "xxxxxx", 6) == 0);
        check(first || !second);
        seen |= 1u << (first + second);
        vd_block_free(VD_TAKE_PTR(found));
    }
    check_u64_eq(seen, 7);
    vd_block_free(block);
    rig_done(&rig);
}

/* Rule 5. */
VD_TEST(sizes_are_written_back_too)
{
    struct rig rig = rig_new();
    add(&rig, "a", "x");
    struct vd_block *block = open_writer(&rig, "a");
    put(block, 2, "y");
    check_states(&rig, 1, "a=x|a=x..|a=x.y");
    flush(block);
    check_code(vd_block_resize(block, 0, NULL), VD_OK);
    check_code(vd_block_resize(block, 3 * SECTOR, NULL), VD_OK);
    put(block, 1, "z");
    /* Cut off and grown again: each sector as it was or zeros, and "x.y" in full only before. */
    static struct states states;
    states_at(&rig, 5, &states);
    check(has(&states, "a=x.y") && has(&states, "a=") && has(&states, "a=.z.") &&
          has(&states, "a=..."));
    flush(block);
    check_states(&rig, 6, "a=.z.");
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(what_was_cut_off_does_not_come_back)
{
    struct rig rig = rig_new();
    add(&rig, "a", "");
    struct vd_block *block = open_writer(&rig, "a");
    put(block, 0, "sss");
    check_code(vd_block_resize(block, 0, NULL), VD_OK);
    put(block, 4, "n");
    /* 's' is seen in files that were never cut, and never beside the size of the longer one */
    static struct states states;
    states_at(&rig, 3, &states);
    for (size_t i = 0; i < states.count; i++)
        check(!strchr(states.texts[i] + 2, 's') || strlen(states.texts[i] + 2) <= 3);
    check(has(&states, "a=sss") && has(&states, "a=....n") && has(&states, "a="));
    vd_block_free(block);
    rig_done(&rig);
}

/* Rules 6 and 8. */
VD_TEST(names_need_their_folder)
{
    struct rig rig = rig_new();
    struct vd_block *block = create(&rig, "d/a");
    put(block, 0, "x");
    check_states(&rig, 2, "|d/a=|d/a=.|d/a=x");
    flush(block);
    check_states(&rig, 3, "|d/a=x");
    check_code(vd_fs_sync_folder(rig.fs, "d", NULL), VD_OK);
    check_states(&rig, 4, "d/a=x");
    check_code(vd_fs_unlink(rig.fs, "d/a", NULL), VD_OK);
    check_states(&rig, 5, "|d/a=x");
    put(block, 0, "y"); /* still open, and nobody will ever know */
    flush(block);
    check_code(vd_fs_sync_folder(rig.fs, "d", NULL), VD_OK);
    check_states(&rig, 8, "");
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(a_synced_name_is_no_data)
{
    struct rig rig = rig_new();
    struct vd_block *block = create(&rig, "d/a");
    put(block, 0, "x");
    check_code(vd_fs_sync_folder(rig.fs, "d", NULL), VD_OK);
    check_states(&rig, 3, "d/a=|d/a=.|d/a=x");
    vd_block_free(block);
    rig_done(&rig);
}

/* Rule 7. */
VD_TEST(a_renamed_file_has_one_name)
{
    struct rig rig = rig_new();
    add(&rig, "a", "x");
    add(&rig, "b", "y");
    add(&rig, "e/c", "z");
    vd_block_free(open_writer(&rig, "a"));
    vd_block_free(open_writer(&rig, "b"));
    vd_block_free(open_writer(&rig, "e/c"));
    check_code(vd_fs_rename_replacing(rig.fs, "a", "b", NULL), VD_OK);
    check_states(&rig, 1, "a=x b=y e/c=z|b=x e/c=z");
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_OK);
    check_states(&rig, 2, "b=x e/c=z");
    check_code(vd_fs_rename(rig.fs, "e/c", "a", NULL), VD_OK);
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_OK);
    check_states(&rig, 4, "b=x e/c=z|a=z b=x"); /* its old folder was not synced */
    check_code(vd_fs_sync_folder(rig.fs, "e", NULL), VD_OK);
    check_states(&rig, 5, "a=z b=x");
    rig_done(&rig);
}

VD_TEST(a_linked_file_is_one_under_both_names)
{
    struct rig rig = rig_new();
    add(&rig, "a", "x");
    struct vd_block *block = open_writer(&rig, "a");
    check_code(vd_fs_link(rig.fs, "a", "b", NULL), VD_OK);
    check_states(&rig, 1, "a=x|a=x b=x");
    put(block, 0, "y");
    check_states(&rig, 2, "a=x|a=y|a=x b=x|a=y b=y");
    flush(block);
    check_code(vd_fs_unlink(rig.fs, "a", NULL), VD_OK);
    check_states(&rig, 4, "a=y|a=y b=y|b=y"); /* never without any name */
    check_code(vd_fs_sync_folder(rig.fs, ".", NULL), VD_OK);
    check_states(&rig, 5, "b=y");
    vd_block_free(block);
    rig_done(&rig);
}

VD_TEST(changes_of_one_name_keep_their_order)
{
    struct rig rig = rig_new();
    add(&rig, "a", "1");
    struct vd_block *block = open_writer(&rig, "a");
    vd_block_free(block);
    check_code(vd_fs_rename(rig.fs, "a", "b", NULL), VD_OK);
    vd_block_free(create(&rig, "a"));
    check_code(vd_fs_rename(rig.fs, "a", "c", NULL), VD_OK);
    check_states(&rig, 3, "a=1|b=1|a= b=1|b=1 c=");
    vd_block_free(create(&rig, "d/x"));
    check_states(&rig, 4, "a=1|b=1|a= b=1|b=1 c=|a=1 d/x=|b=1 d/x=|a= b=1 d/x=|b=1 c= d/x=");
    rig_done(&rig);
}

VD_TEST(one_seed_is_one_state)
{
    struct rig rig = rig_new();
    add(&rig, "a", "01234567");
    struct vd_block *block = open_writer(&rig, "a");
    for (unsigned i = 0; i < 8; i++)
        put(block, i, "n");
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *one = NULL;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *two = NULL;
    check_code(vd_power_cut_new(rig.trace, &one, NULL), VD_OK);
    check_code(vd_power_cut_new(rig.trace, &two, NULL), VD_OK);
    for (size_t cut = 9; cut-- > 0;) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *a = NULL;
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *b = NULL;
            check_code(vd_power_cut_build(one, cut, seed, &a, NULL), VD_OK);
            check_code(vd_power_cut_build(two, cut, seed, &b, NULL), VD_OK);
            char text_a[TEXT_BYTES];
            char text_b[TEXT_BYTES];
            state_to_text(a, text_a, sizeof text_a);
            state_to_text(b, text_b, sizeof text_b);
            check_str_eq(text_a, text_b);
        }
    }
    vd_block_free(block);
    rig_done(&rig);
}

/* ---- a log: one sector that says how many records there are, and the records behind it */

enum mistake {
    NO_MISTAKE,
    NO_BARRIER,       /* the count may be durable before the record it counts */
    NO_LAST_FLUSH,    /* the record is called safe before it is */
    COUNT_IN_2_PARTS, /* what has to change at once is not in one sector */
    COUNT_FIRST,      /* flushed well, in the wrong order */
};

enum { RECORDS = 40, RECORD_BYTES = 700, FIRST_RECORD = 2 * SECTOR, COUNT_COPY = SECTOR };

static void fill_record(unsigned char record[RECORD_BYTES], uint64_t number)
{
    memset(record, (int)('a' + number % 26), RECORD_BYTES);
    vd_le64_encode(record, number);
}

static void write_record(struct vd_block *log, uint64_t number)
{
    unsigned char record[RECORD_BYTES];
    fill_record(record, number);
    check_code(
        vd_block_write(log, FIRST_RECORD + number * RECORD_BYTES, record, RECORD_BYTES, NULL),
        VD_OK);
}

static void write_count(struct vd_block *log, uint64_t count, enum mistake mistake)
{
    unsigned char head[2 * SECTOR] = {0};
    vd_le64_encode(head, count);
    vd_le64_encode(head + COUNT_COPY, mistake == COUNT_IN_2_PARTS ? count : 0);
    check_code(vd_block_write(log, 0, head, sizeof head, NULL), VD_OK);
}

/* Appends records; acked[i] is how much of the trace there was when record i was called safe. */
static void write_log(struct rig *rig, enum mistake mistake, size_t acked[RECORDS])
{
    struct vd_block *log = create(rig, "d/log");
    write_count(log, 0, mistake);
    flush(log);
    check_code(vd_fs_sync_folder(rig->fs, "d", NULL), VD_OK);
    for (uint64_t i = 0; i < RECORDS; i++) {
        if (mistake == COUNT_FIRST)
            write_count(log, i + 1, mistake);
        else
            write_record(log, i);
        if (mistake != NO_BARRIER)
            flush(log);
        if (mistake == COUNT_FIRST)
            write_record(log, i);
        else
            write_count(log, i + 1, mistake);
        if (mistake != NO_LAST_FLUSH)
            flush(log);
        acked[i] = vd_fs_trace_count(rig->trace);
    }
    vd_block_free(log);
}

static bool record_is_good(struct vd_block *log, uint64_t number)
{
    unsigned char want[RECORD_BYTES];
    unsigned char got[RECORD_BYTES];
    fill_record(want, number);
    return vd_block_read(log, FIRST_RECORD + number * RECORD_BYTES, got, RECORD_BYTES, NULL) >= 0 &&
           memcmp(got, want, RECORD_BYTES) == 0;
}

/* Is what was found after the cut what was promised before it? */
static bool log_is_good(struct vd_fs_memory *files, uint64_t promised, enum mistake mistake)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *log = NULL;
    unsigned char head[2 * SECTOR];
    if (vd_fs_open(vd_fs_memory_fs(files), "d/log", 0, &log, NULL) < 0 ||
        vd_block_read(log, 0, head, sizeof head, NULL) < 0)
        return promised == 0;
    uint64_t count = vd_le64_decode(head);
    if (mistake == COUNT_IN_2_PARTS && vd_le64_decode(head + COUNT_COPY) != count)
        return false;
    if (count < promised || count > RECORDS)
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!record_is_good(log, i))
            return false;
    return true;
}

/* How many of the states after all cuts are not as promised. */
static size_t count_bad_states(enum mistake mistake, size_t *ret_states)
{
    enum { LOG_SEEDS = 24 };
    struct rig rig = rig_new();
    size_t acked[RECORDS];
    write_log(&rig, mistake, acked);
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig.trace, &cuts, NULL), VD_OK);
    size_t bad = 0;
    *ret_states = 0;
    uint64_t promised = 0;
    for (size_t cut = 0; cut <= vd_power_cut_last(cuts); cut++) {
        while (promised < RECORDS && acked[promised] <= cut)
            promised++;
        for (uint64_t seed = 0; seed < LOG_SEEDS; seed++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
            check_code(vd_power_cut_build(cuts, cut, seed, &files, NULL), VD_OK);
            bad += !log_is_good(files, promised, mistake);
            ++*ret_states;
        }
    }
    rig_done(&rig);
    return bad;
}

VD_TEST(a_right_log_never_fails)
{
    size_t states;
    check_u64_eq(count_bad_states(NO_MISTAKE, &states), 0);
    printf("# %zu states after power cuts\n", states);
    check(states > 3000);
}

VD_TEST(every_wrong_log_is_found)
{
    static const enum mistake mistakes[] = {NO_BARRIER, NO_LAST_FLUSH, COUNT_IN_2_PARTS,
                                            COUNT_FIRST};
    for (size_t i = 0; i < VD_ARRAY_SIZE(mistakes); i++) {
        size_t states;
        size_t bad = count_bad_states(mistakes[i], &states);
        printf("# mistake %d: %zu of %zu states show it\n", (int)mistakes[i], bad, states);
        check(bad > 0);
    }
}

/* ---- replacing a small file */

enum replacing { REPLACE_RIGHT, REPLACE_WITHOUT_FLUSH, REPLACE_WITHOUT_SYNC, REPLACE_IN_PLACE };

static void replace_by_hand(const struct rig *rig, enum replacing how, const char *letters)
{
    struct vd_block *block =
        how == REPLACE_IN_PLACE ? open_writer(rig, "d/a") : create(rig, "d/new");
    put(block, 0, letters);
    if (how != REPLACE_WITHOUT_FLUSH)
        flush(block);
    vd_block_free(block);
    if (how != REPLACE_IN_PLACE)
        check_code(vd_fs_rename_replacing(rig->fs, "d/new", "d/a", NULL), VD_OK);
    if (how != REPLACE_WITHOUT_SYNC)
        check_code(vd_fs_sync_folder(rig->fs, "d", NULL), VD_OK);
}

static void replace(const struct rig *rig, enum replacing how, const char *letters)
{
    if (how != REPLACE_RIGHT) {
        replace_by_hand(rig, how, letters);
        return;
    }
    char bytes[4 * SECTOR];
    check_u64_eq(strlen(letters), 4);
    for (size_t i = 0; i < 4; i++)
        memset(bytes + i * SECTOR, letters[i], SECTOR);
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_replace_file(rig->fs, "d/a", bytes, sizeof bytes, &err), VD_OK, &err);
}

/* Old or new, whole; new once it was told to be. */
static size_t count_bad_replacements(enum replacing how)
{
    static const char *const contents[] = {"oooo", "1111", "2222", "3333"};
    struct rig rig = rig_new();
    size_t done[VD_ARRAY_SIZE(contents)] = {0};
    add(&rig, "d/a", contents[0]);
    for (size_t i = 1; i < VD_ARRAY_SIZE(contents); i++) {
        replace(&rig, how, contents[i]);
        done[i] = vd_fs_trace_count(rig.trace);
    }
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig.trace, &cuts, NULL), VD_OK);
    size_t bad = 0;
    for (size_t cut = 0; cut <= vd_power_cut_last(cuts); cut++) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
            check_code(vd_power_cut_build(cuts, cut, seed, &files, NULL), VD_OK);
            char text[32];
            file_to_text(files, "d/a", text);
            bool good = false;
            for (size_t i = 0; i < VD_ARRAY_SIZE(contents); i++)
                good |= strcmp(text, contents[i]) == 0 &&
                        (i + 1 == VD_ARRAY_SIZE(contents) || cut < done[i + 1]);
            bad += !good;
        }
    }
    rig_done(&rig);
    return bad;
}

VD_TEST(replacing_a_file_is_safe_and_only_when_done_right)
{
    check_u64_eq(count_bad_replacements(REPLACE_RIGHT), 0);
    check(count_bad_replacements(REPLACE_WITHOUT_FLUSH) > 0);
    check(count_bad_replacements(REPLACE_WITHOUT_SYNC) > 0);
    check(count_bad_replacements(REPLACE_IN_PLACE) > 0);
}

/* Large empty files cost nothing, and files are found with the locks of none. */
VD_TEST(large_sizes_and_locks)
{
    struct rig rig = rig_new();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = create(&rig, "d/a");
    check_code(vd_block_resize(block, 62 * VD_TIB, NULL), VD_OK);
    put(block, 2, "x");
    check_code(vd_block_resize(block, 100 * SECTOR, NULL), VD_OK);
    check_code(vd_block_resize(block, 62 * VD_TIB, NULL), VD_OK);
    check_code(vd_fs_sync_folder(rig.fs, "d", NULL), VD_OK);
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    check_code(vd_power_cut_new(rig.trace, &cuts, NULL), VD_OK);
    for (uint64_t seed = 0; seed < 50; seed++) {
        VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
        struct vd_block *found = NULL;
        check_code_err(vd_power_cut_build(cuts, 6, seed, &files, &err), VD_OK, &err);
        check_code_err(vd_fs_open(vd_fs_memory_fs(files), "d/a", VD_FS_WRITE, &found, &err), VD_OK,
                       &err);
        uint64_t size;
        check_code(vd_block_size(found, &size, NULL), VD_OK);
        check(size == 62 * VD_TIB || size == 100 * SECTOR || size == 0);
        vd_block_free(found);
    }
    vd_block_free(block);
    rig_done(&rig);
}
