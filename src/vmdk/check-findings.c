/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmdk/check-int.h"

void vd_check_file_init(struct vd_check_file *file, struct vd_check_run *run, uint32_t link,
                        const char *path)
{
    *file = (struct vd_check_file){.run = run, .link = link, .path = path};
}

void vd_check_file_done(struct vd_check_file *file)
{
    for (size_t i = 0; i < file->num_told; i++)
        free(file->told[i].text);
    free(file->told);
    file->told = NULL;
    file->num_told = 0;
}

static struct vd_check_id *id_of(struct vd_check_file *file, const char *id,
                                 enum vd_finding_grade grade)
{
    for (size_t i = 0; i < file->num_ids; i++) {
        if (file->ids[i].grade == grade && strcmp(file->ids[i].id, id) == 0)
            return &file->ids[i];
    }
    assert(file->num_ids < VD_CHECK_MAX_IDS);
    file->ids[file->num_ids] = (struct vd_check_id){.id = id, .grade = grade};
    return &file->ids[file->num_ids++];
}

/* Takes `told` over. */
static void keep(struct vd_check_file *file, struct vd_told told)
{
    if (file->num_told == file->allocated) {
        size_t wanted = file->allocated == 0 ? 8 : file->allocated * 2;
        struct vd_told *grown = reallocarray(file->told, wanted, sizeof *grown);
        if (grown != NULL) {
            file->told = grown;
            file->allocated = wanted;
        }
    }
    if (told.text == NULL || file->num_told == file->allocated) {
        file->out_of_memory = true;
        free(told.text);
        return;
    }
    file->told[file->num_told++] = told;
}

static void tell(struct vd_check_file *file, struct vd_told told, const char *fmt, va_list args)
    VD_PRINTF(3, 0);

static void tell(struct vd_check_file *file, struct vd_told told, const char *fmt, va_list args)
{
    struct vd_check_id *id = id_of(file, told.id, told.grade);
    told.repairable = told.repairable && file->link == 0 && !file->never_repairable;
    id->count++;
    id->repairable += told.repairable;
    if (told.grade == VD_FINDING_FAULT && !told.repairable)
        file->lasting_faults++;
    if (id->count > VD_CHECK_MAX_TOLD)
        return;
    if (vasprintf(&told.text, fmt, args) < 0)
        told.text = NULL;
    keep(file, told);
}

void vd_check_fault(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                    bool repairable, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(file,
         (struct vd_told){.grade = VD_FINDING_FAULT,
                          .id = id,
                          .offset_bytes = offset_bytes,
                          .repairable = repairable},
         fmt, args);
    va_end(args);
}

void vd_check_leak(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                   bool repairable, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(file,
         (struct vd_told){.grade = VD_FINDING_LEAK,
                          .id = id,
                          .offset_bytes = offset_bytes,
                          .repairable = repairable},
         fmt, args);
    va_end(args);
}

void vd_check_info(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                   bool repairable, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tell(file,
         (struct vd_told){.grade = VD_FINDING_INFO,
                          .id = id,
                          .offset_bytes = offset_bytes,
                          .repairable = repairable},
         fmt, args);
    va_end(args);
}

/* There are more bytes than parts in any file, so that rounding down loses little. */
static uint64_t share(uint64_t weight, uint64_t done, uint64_t total)
{
    return total == 0 ? weight : weight / total * VD_MIN(done, total);
}

int vd_check_progress(const struct vd_check_file *file, uint64_t done, uint64_t total,
                      struct vd_error *err)
{
    struct vd_check_run *run = file->run;
    uint64_t bytes = run->done_bytes + share(file->weight_bytes, done, total);
    run->told_bytes = VD_MAX(run->told_bytes, bytes);
    if (vd_progress_report(run->options->progress, run->told_bytes, run->total_bytes))
        return 0;
    return vd_error_set(err, VD_E_CANCELLED, "the check of '%s' was stopped", file->path);
}

/* One sentence for those of a kind that were only counted. */
static void tell_rest(struct vd_check_file *file, const struct vd_check_id *id)
{
    struct vd_told told = {
        .grade = id->grade,
        .id = id->id,
        .offset_bytes = VD_CHECK_NOWHERE,
        .repairable = id->repairable == id->count,
    };
    if (id->count <= VD_CHECK_MAX_TOLD)
        return;
    if (asprintf(&told.text, "%" PRIu64 " more of this kind in '%s'", id->count - VD_CHECK_MAX_TOLD,
                 file->path) < 0)
        told.text = NULL;
    keep(file, told);
}

static void count(struct vd_check_file *file)
{
    struct vd_check_result *result = &file->run->result;
    for (size_t i = 0; i < file->num_ids; i++) {
        const struct vd_check_id *id = &file->ids[i];
        uint64_t *const counts[] = {
            [VD_FINDING_INFO] = &result->infos,
            [VD_FINDING_LEAK] = &result->leaks,
            [VD_FINDING_FAULT] = &result->faults,
        };
        *counts[id->grade] += id->count;
        if (file->repairing)
            result->repaired += id->repairable;
        if (id->grade == VD_FINDING_FAULT && (!file->repairing || id->repairable < id->count))
            result->clean = false;
    }
}

int vd_check_file_finish(struct vd_check_file *file, struct vd_error *err)
{
    const struct vd_check_options *options = file->run->options;
    for (size_t i = 0; i < file->num_ids; i++)
        tell_rest(file, &file->ids[i]);
    if (file->out_of_memory)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", file->path);
    count(file);
    for (size_t i = 0; options->finding != NULL && i < file->num_told; i++) {
        const struct vd_told *told = &file->told[i];
        options->finding(options->data, &(struct vd_finding){
                                            .grade = told->grade,
                                            .id = told->id,
                                            .link = file->link,
                                            .file = file->path,
                                            .offset_bytes = told->offset_bytes,
                                            .text = told->text,
                                            .repairable = told->repairable,
                                            .repaired = told->repairable && file->repairing,
                                        });
    }
    int r = vd_check_progress(file, 1, 1, err);
    file->run->done_bytes += file->weight_bytes;
    return r;
}
