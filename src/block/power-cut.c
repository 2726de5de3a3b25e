/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per file, an image of what is durable at `position` is kept and moved forward. A state begins as
 * its copy, `disk`; where single sectors are chosen a second copy, `now`, is taken through all the
 * later changes, and what the machine writes back is copied from `now` to `disk` on the way (rule
 * 4).
 *
 * Names are numbers here: the index of a text seen in the trace.
 */
#include "block/power-cut.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"
#include "block/memory-int.h"

#define NONE SIZE_MAX

struct image {
    unsigned char *bytes;
    size_t stored; /* what follows reads as zeros */
    size_t allocated;
    uint64_t size; /* >= stored, but for what is written back ahead of its size */
};

struct cut_file {
    struct image durable; /* as of its last flush before `position` */
    size_t next;          /* the first event that is not in it */
};

/* What a change of names touches, or the folder that is synced. */
struct step {
    size_t from, to;               /* names */
    size_t from_folder, to_folder; /* names; of SYNC_FOLDER the first alone */
};

struct vd_power_cut {
    const struct vd_fs_trace *trace;
    size_t num_events;
    size_t position;
    struct cut_file *files;
    size_t num_files;
    struct step *steps; /* one per event */
    char **texts;
    size_t num_texts;
    size_t *first_file; /* per name: the file that has it at the start */
};

/* ---- chance: splitmix64, which any seed starts well */

struct chance {
    uint64_t state;
};

static uint64_t chance_next(struct chance *chance)
{
    chance->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = chance->state;
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

static size_t chance_below(struct chance *chance, size_t limit)
{
    return (size_t)(chance_next(chance) % limit);
}

/* True `eighths` times of eight. */
static bool chance_of(struct chance *chance, unsigned eighths)
{
    return chance_next(chance) % 8 < eighths;
}

/* The state that is being built. */
struct state {
    const struct vd_power_cut *cuts;
    size_t cut;
    uint64_t seed;
    struct chance chance;
};

/* ---- images */

static bool image_copy(struct image *to, const struct image *from)
{
    unsigned char *bytes = malloc(from->stored ? from->stored : 1);
    if (!bytes)
        return false;
    if (from->stored > 0)
        memcpy(bytes, from->bytes, from->stored);
    *to = (struct image){bytes, from->stored, from->stored, from->size};
    return true;
}

static bool image_store(struct image *image, uint64_t end)
{
    if (end <= image->stored)
        return true;
    if (end > VD_MEMORY_MAX_BYTES)
        return false;
    if (end > image->allocated) {
        size_t wanted = VD_MAX((size_t)end, image->allocated * 2);
        unsigned char *bytes = realloc(image->bytes, wanted);
        if (!bytes)
            return false;
        image->bytes = bytes;
        image->allocated = wanted;
    }
    memset(image->bytes + image->stored, 0, (size_t)end - image->stored);
    image->stored = (size_t)end;
    image->size = VD_MAX(image->size, end);
    return true;
}

static void image_clear(struct image *image, uint64_t offset, uint64_t length)
{
    if (offset < image->stored)
        memset(image->bytes + offset, 0, (size_t)VD_MIN(length, image->stored - offset));
}

static void image_resize(struct image *image, uint64_t size)
{
    image->size = size;
    image->stored = (size_t)VD_MIN((uint64_t)image->stored, size);
}

/* False when out of memory. */
static bool image_apply(struct image *image, const struct vd_trace_event *event)
{
    uint64_t end = event->offset_bytes + event->length;
    switch (event->kind) {
    case VD_TRACE_WRITE:
        if (!image_store(image, end))
            return false;
        memcpy(image->bytes + event->offset_bytes, event->bytes, (size_t)event->length);
        return true;
    case VD_TRACE_ALLOCATE:
        image_clear(image, event->offset_bytes, event->length);
        image->size = VD_MAX(image->size, end);
        return true;
    case VD_TRACE_PUNCH:
        image_clear(image, event->offset_bytes, event->length);
        return true;
    case VD_TRACE_RESIZE:
        image_resize(image, event->length);
        return true;
    default:
        return true; /* the others change no data */
    }
}

static bool changes_data(const struct vd_trace_event *event)
{
    return event->kind == VD_TRACE_WRITE || event->kind == VD_TRACE_RESIZE ||
           event->kind == VD_TRACE_ALLOCATE || event->kind == VD_TRACE_PUNCH;
}

/* ---- what is durable */

/* Takes all of the file's changes before event `end` into its durable image. */
static bool make_durable(struct vd_power_cut *self, size_t file, size_t end)
{
    struct cut_file *at = &self->files[file];
    for (; at->next < end; at->next++) {
        const struct vd_trace_event *event = vd_fs_trace_event(self->trace, at->next);
        if (changes_data(event) && event->file == file && !image_apply(&at->durable, event))
            return false;
    }
    return true;
}

static bool rewind_files(struct vd_power_cut *self)
{
    for (size_t i = 0; i < self->num_files; i++) {
        const struct vd_trace_file *file = vd_fs_trace_file(self->trace, i);
        const struct image first = {file->bytes, file->length, file->length, file->length};
        free(self->files[i].durable.bytes);
        self->files[i] = (struct cut_file){0};
        if (!image_copy(&self->files[i].durable, &first))
            return false;
    }
    self->position = 0;
    return true;
}

static bool move_to(struct vd_power_cut *self, size_t cut)
{
    if (cut < self->position && !rewind_files(self))
        return false;
    for (; self->position < cut; self->position++) {
        const struct vd_trace_event *event = vd_fs_trace_event(self->trace, self->position);
        if (event->kind == VD_TRACE_FLUSH && !make_durable(self, event->file, self->position))
            return false;
    }
    return true;
}

/* ---- the fate of what is not durable */

enum fate_kind { FATE_NOTHING, FATE_ALL, FATE_UNTIL, FATE_EVENTS, FATE_SECTORS, NUM_FATES };

struct fate {
    enum fate_kind kind;
    unsigned eighths; /* EVENTS, SECTORS: how many make it */
    size_t until;     /* UNTIL: the event that is torn */
};

static struct fate choose_fate(struct chance *chance, uint64_t seed, size_t start, size_t cut)
{
    if (seed == VD_CUT_NOTHING || seed == VD_CUT_NAMES)
        return (struct fate){.kind = FATE_NOTHING};
    if (seed == VD_CUT_ORDERLY || seed == VD_CUT_DATA || start >= cut)
        return (struct fate){.kind = FATE_ALL};
    static const unsigned weights[] = {1, 4, 7};
    return (struct fate){
        .kind = (enum fate_kind)chance_below(chance, NUM_FATES),
        .eighths = weights[chance_below(chance, VD_ARRAY_SIZE(weights))],
        .until = start + chance_below(chance, cut - start),
    };
}

/* A file on its way from what is durable to what is found. */
struct writeback {
    struct image now;
    struct image disk;
    uint64_t least_size; /* of `now` since a size was written back (rule 5) */
    struct fate fate;
    struct chance *chance;
};

/* The bytes an event may have changed, whether they were zeros before or not. */
static void touched_range(const struct vd_trace_event *event, uint64_t old_size,
                          uint64_t *ret_start, uint64_t *ret_end)
{
    *ret_start = event->offset_bytes;
    *ret_end = event->offset_bytes + event->length;
    if (event->kind == VD_TRACE_RESIZE) {
        *ret_start = VD_MIN(event->length, old_size);
        *ret_end = old_size;
    }
}

static void size_written_back(struct writeback *self)
{
    self->disk.stored = (size_t)VD_MIN((uint64_t)self->disk.stored, self->least_size);
    self->disk.size = self->now.size;
    self->least_size = self->now.size;
}

/* The size on the disk does not come with the sector: what lies past it stays unseen until a size
 * is written back that covers it. */
static bool sector_written_back(struct writeback *self, uint64_t start)
{
    uint64_t end =
        VD_MIN(start + VD_SECTOR_BYTES, (uint64_t)VD_MAX(self->now.stored, self->disk.stored));
    if (start >= end)
        return true;
    uint64_t size = self->disk.size;
    if (!image_store(&self->disk, end))
        return false;
    image_clear(&self->disk, start, end - start);
    if (start < self->now.stored)
        memcpy(self->disk.bytes + start, self->now.bytes + start,
               (size_t)(VD_MIN(end, (uint64_t)self->now.stored) - start));
    self->disk.size = size;
    return true;
}

/* How many eighths of this event's sectors are written back. */
static unsigned event_eighths(struct writeback *self, size_t index)
{
    const struct fate *fate = &self->fate;
    switch (fate->kind) {
    case FATE_UNTIL:
        return index < fate->until ? 8 : index == fate->until ? 4 : 0;
    case FATE_EVENTS:
        return chance_of(self->chance, fate->eighths) ? 8 : 0;
    default:
        assert(fate->kind == FATE_SECTORS);
        return fate->eighths;
    }
}

static bool write_back_event(struct writeback *self, const struct vd_trace_event *event,
                             size_t index)
{
    uint64_t start;
    uint64_t end;
    touched_range(event, self->now.size, &start, &end);
    if (!image_apply(&self->now, event))
        return false;
    self->least_size = VD_MIN(self->least_size, self->now.size);

    unsigned eighths = event_eighths(self, index);
    bool size_differs = self->now.size != self->disk.size || self->now.size != self->least_size;
    if (size_differs && chance_of(self->chance, eighths))
        size_written_back(self);
    /* Past what either stores all is zeros, however large the range is. */
    end = VD_MIN(end, (uint64_t)VD_MAX(self->now.stored, self->disk.stored));
    for (uint64_t at = start - start % VD_SECTOR_BYTES; at < end; at += VD_SECTOR_BYTES)
        if (chance_of(self->chance, eighths) && !sector_written_back(self, at))
            return false;
    return true;
}

static bool write_back_chosen(struct writeback *self, const struct vd_power_cut *cuts, size_t file,
                              size_t cut)
{
    if (!image_copy(&self->now, &self->disk))
        return false;
    self->least_size = self->now.size;
    bool good = true;
    for (size_t i = cuts->files[file].next; i < cut && good; i++) {
        const struct vd_trace_event *event = vd_fs_trace_event(cuts->trace, i);
        if (changes_data(event) && event->file == file)
            good = write_back_event(self, event, i);
    }
    free(self->now.bytes);
    return good;
}

static bool write_back_all(struct image *disk, const struct vd_power_cut *cuts, size_t file,
                           size_t cut)
{
    for (size_t i = cuts->files[file].next; i < cut; i++) {
        const struct vd_trace_event *event = vd_fs_trace_event(cuts->trace, i);
        if (changes_data(event) && event->file == file && !image_apply(disk, event))
            return false;
    }
    return true;
}

/* What is found of the file; the caller owns the bytes. */
static bool render(struct state *state, size_t file, struct image *ret)
{
    const struct vd_power_cut *cuts = state->cuts;
    struct writeback writeback = {.chance = &state->chance};
    if (!image_copy(&writeback.disk, &cuts->files[file].durable))
        return false;
    writeback.fate = choose_fate(&state->chance, state->seed, cuts->files[file].next, state->cut);
    bool good = true;
    if (writeback.fate.kind == FATE_ALL)
        good = write_back_all(&writeback.disk, cuts, file, state->cut);
    else if (writeback.fate.kind != FATE_NOTHING)
        good = write_back_chosen(&writeback, cuts, file, state->cut);
    if (!good) {
        free(writeback.disk.bytes);
        return false;
    }
    image_resize(&writeback.disk, writeback.disk.size); /* what is past it is not seen */
    *ret = writeback.disk;
    return true;
}

/* ---- names */

struct naming {
    bool *is_synced;  /* per name of a folder: after the event looked at */
    bool *is_touched; /* per name: by a later change that is there */
    bool *is_there;   /* per event: a change of names that is */
    size_t *file;     /* per name: what it leads to */
};

static bool is_name_change(const struct vd_trace_event *event)
{
    return event->kind == VD_TRACE_CREATE || event->kind == VD_TRACE_UNLINK ||
           event->kind == VD_TRACE_RENAME || event->kind == VD_TRACE_LINK;
}

static unsigned name_eighths(struct chance *chance, uint64_t seed)
{
    static const unsigned weights[] = {0, 2, 4, 6, 8};
    if (seed == VD_CUT_ORDERLY || seed == VD_CUT_NAMES)
        return 8;
    if (seed == VD_CUT_NOTHING || seed == VD_CUT_DATA)
        return 0;
    return weights[chance_below(chance, VD_ARRAY_SIZE(weights))];
}

/* From the last event to the first, because what is there brings earlier changes along (rule 7). */
static void choose_names(struct state *state, struct naming *naming)
{
    unsigned eighths = name_eighths(&state->chance, state->seed);
    for (size_t i = state->cut; i-- > 0;) {
        const struct vd_trace_event *event = vd_fs_trace_event(state->cuts->trace, i);
        const struct step *step = &state->cuts->steps[i];
        if (event->kind == VD_TRACE_SYNC_FOLDER)
            naming->is_synced[step->from_folder] = true;
        if (!is_name_change(event))
            continue;
        bool is_durable =
            naming->is_synced[step->from_folder] && naming->is_synced[step->to_folder];
        bool is_needed = naming->is_touched[step->from] || naming->is_touched[step->to];
        naming->is_there[i] = is_durable || is_needed || chance_of(&state->chance, eighths);
        if (naming->is_there[i])
            naming->is_touched[step->from] = naming->is_touched[step->to] = true;
    }
}

static void apply_names(const struct vd_power_cut *self, struct naming *naming, size_t cut)
{
    memcpy(naming->file, self->first_file, self->num_texts * sizeof *naming->file);
    for (size_t i = 0; i < cut; i++) {
        if (!naming->is_there[i])
            continue;
        const struct vd_trace_event *event = vd_fs_trace_event(self->trace, i);
        const struct step *step = &self->steps[i];
        if (event->kind != VD_TRACE_LINK)
            naming->file[step->from] = NONE;
        if (event->kind != VD_TRACE_UNLINK)
            naming->file[step->to] = event->file;
    }
}

static void naming_done(struct naming *naming)
{
    free(naming->is_synced);
    free(naming->is_touched);
    free(naming->is_there);
    free(naming->file);
}

static bool naming_init(struct naming *naming, const struct vd_power_cut *self)
{
    naming->is_synced = calloc(self->num_texts + 1, sizeof *naming->is_synced);
    naming->is_touched = calloc(self->num_texts + 1, sizeof *naming->is_touched);
    naming->is_there = calloc(self->num_events + 1, sizeof *naming->is_there);
    naming->file = calloc(self->num_texts + 1, sizeof *naming->file);
    return naming->is_synced && naming->is_touched && naming->is_there && naming->file;
}

/* ---- building */

static int no_memory(struct vd_error *err)
{
    return vd_error_set_errno(err, ENOMEM, "cannot build the state after a power cut");
}

/* The first name of the file that `name` leads to. */
static size_t first_name(const struct naming *naming, size_t name)
{
    size_t first = 0;
    while (naming->file[first] != naming->file[name])
        first++;
    return first;
}

static int add_file(struct state *state, size_t file, const char *name, struct vd_fs_memory *files,
                    struct vd_error *err)
{
    struct image image;
    if (!render(state, file, &image))
        return no_memory(err);
    return vd_fs_memory_give(files, name, image.bytes, image.stored, image.size, err);
}

static int add_files(struct state *state, const struct naming *naming, struct vd_fs_memory *files,
                     struct vd_error *err)
{
    char **names = state->cuts->texts;
    for (size_t i = 0; i < state->cuts->num_texts; i++) {
        if (naming->file[i] == NONE)
            continue;
        size_t first = first_name(naming, i);
        int code = first == i ? add_file(state, naming->file[i], names[i], files, err)
                              : vd_fs_link(vd_fs_memory_fs(files), names[first], names[i], err);
        if (code < 0)
            return code;
    }
    return VD_OK;
}

static int fill(struct state *state, struct vd_fs_memory *files, struct vd_error *err)
{
    struct naming naming = {0};
    int code = naming_init(&naming, state->cuts) ? VD_OK : no_memory(err);
    if (code >= 0) {
        choose_names(state, &naming);
        apply_names(state->cuts, &naming, state->cut);
        code = add_files(state, &naming, files, err);
    }
    naming_done(&naming);
    return code;
}

int vd_power_cut_build(struct vd_power_cut *self, size_t cut, uint64_t seed,
                       struct vd_fs_memory **ret, struct vd_error *err)
{
    assert(cut <= self->num_events);
    if (!move_to(self, cut)) {
        self->position = NONE; /* half moved: the next one starts again */
        return no_memory(err);
    }
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    struct state state = {self, cut, seed, {seed * UINT64_C(0x2545f4914f6cdd1d) + cut}};
    int code = vd_fs_memory_new(&files, err);
    if (code >= 0)
        code = fill(&state, files, err);
    if (code < 0)
        return code;
    *ret = VD_TAKE_PTR(files);
    return VD_OK;
}

/* ---- reading the trace */

/* The number of a text; NONE when out of memory. */
static size_t text_index(struct vd_power_cut *self, const char *text)
{
    for (size_t i = 0; i < self->num_texts; i++)
        if (strcmp(self->texts[i], text) == 0)
            return i;
    char **texts = reallocarray(self->texts, self->num_texts + 1, sizeof *texts);
    if (texts)
        self->texts = texts;
    size_t *files = reallocarray(self->first_file, self->num_texts + 1, sizeof *files);
    if (files)
        self->first_file = files;
    char *copy = strdup(text);
    if (!texts || !files || !copy) {
        free(copy);
        return NONE;
    }
    self->texts[self->num_texts] = copy;
    self->first_file[self->num_texts] = NONE;
    return self->num_texts++;
}

static size_t folder_index(struct vd_power_cut *self, const char *path)
{
    VD_FREE char *folder = vd_path_folder(path);
    return folder ? text_index(self, folder) : NONE;
}

static bool read_event(struct vd_power_cut *self, const struct vd_trace_event *event,
                       struct step *step)
{
    if (event->kind == VD_TRACE_SYNC_FOLDER) {
        step->from_folder = text_index(self, event->path);
        return step->from_folder != NONE;
    }
    if (!is_name_change(event))
        return true;
    const char *to = event->to ? event->to : event->path;
    step->from = text_index(self, event->path);
    step->to = text_index(self, to);
    step->from_folder = folder_index(self, event->path);
    step->to_folder = folder_index(self, to);
    return step->from != NONE && step->to != NONE && step->from_folder != NONE &&
           step->to_folder != NONE;
}

static bool read_trace(struct vd_power_cut *self)
{
    self->files = calloc(self->num_files + 1, sizeof *self->files);
    self->steps = calloc(self->num_events + 1, sizeof *self->steps);
    if (!self->files || !self->steps)
        return false;
    for (size_t i = 0; i < self->num_files; i++) {
        const struct vd_trace_file *file = vd_fs_trace_file(self->trace, i);
        size_t name = file->path ? text_index(self, file->path) : 0;
        if (name == NONE)
            return false;
        if (file->path)
            self->first_file[name] = i;
    }
    for (size_t i = 0; i < self->num_events; i++)
        if (!read_event(self, vd_fs_trace_event(self->trace, i), &self->steps[i]))
            return false;
    return rewind_files(self);
}

int vd_power_cut_new(const struct vd_fs_trace *trace, struct vd_power_cut **ret,
                     struct vd_error *err)
{
    struct vd_power_cut *self = calloc(1, sizeof *self);
    if (!self)
        return no_memory(err);
    self->trace = trace;
    self->num_events = vd_fs_trace_count(trace);
    self->num_files = vd_fs_trace_num_files(trace);
    if (!read_trace(self)) {
        vd_power_cut_free(self);
        return no_memory(err);
    }
    *ret = self;
    return VD_OK;
}

size_t vd_power_cut_last(const struct vd_power_cut *self)
{
    return self->num_events;
}

void vd_power_cut_free(struct vd_power_cut *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->num_files && self->files; i++)
        free(self->files[i].durable.bytes);
    for (size_t i = 0; i < self->num_texts; i++)
        free(self->texts[i]);
    free(self->files);
    free(self->steps);
    free(self->texts);
    free(self->first_file);
    free(self);
}
