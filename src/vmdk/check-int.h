/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a check. check.c walks links and files; each file is looked at by the function of
 * its format, which tells findings to a struct vd_check_file and, where it may, repairs.
 *
 * Findings of one file are kept until the file is done, because only then it is known what became
 * of them. Of each kind so many are kept; the rest is counted, and told in one sentence.
 */
#ifndef VD_VMDK_CHECK_INT_H
#define VD_VMDK_CHECK_INT_H

#include "vmdk/check.h"
#include "vmdk/link.h"
#include "vmdk/repair.h"

/* A file damaged from end to end would otherwise tell millions of times the same. */
#define VD_CHECK_MAX_TOLD 100u
/* Ids there are in one file; more would be a mistake of ours. */
#define VD_CHECK_MAX_IDS 48u
#define VD_CHECK_NOWHERE UINT64_MAX

struct vd_check_run {
    const struct vd_check_options *options;
    const struct vd_fs *fs;
    struct vd_check_result result;
    uint64_t done_bytes;  /* of capacity, files done */
    uint64_t total_bytes; /* of all links */
    uint64_t told_bytes;  /* the last progress reported, which never falls */
};

struct vd_told {
    enum vd_finding_grade grade;
    const char *id;
    uint64_t offset_bytes;
    char *text; /* owned */
    bool repairable;
};

struct vd_check_id {
    const char *id;
    enum vd_finding_grade grade;
    uint64_t count;
    uint64_t repairable;
};

/* One file of one link, or the descriptor. */
struct vd_check_file {
    struct vd_check_run *run;
    uint32_t link;
    const char *path;
    uint64_t weight_bytes; /* its share of the progress: its capacity */
    /* What is repairable is repaired while it is told, and a fact when the function of the format
     * returns success. */
    bool repairing;
    struct vd_repair *repair; /* of the file, where that is repaired sector by sector; else NULL */
    bool never_repairable;    /* a format that is never changed in place */
    /* The rest is check-findings.c's. */
    struct vd_told *told;
    size_t num_told;
    size_t allocated;
    struct vd_check_id ids[VD_CHECK_MAX_IDS];
    size_t num_ids;
    uint64_t lasting_faults; /* that no repair of ours mends */
    bool out_of_memory;
};

void vd_check_file_init(struct vd_check_file *file, struct vd_check_run *run, uint32_t link,
                        const char *path);
void vd_check_file_done(struct vd_check_file *file);
/* Tells the caller what was found, and adds it to the result; the file's share of progress is done.
 * VD_E_CANCELLED. */
VD_MUST_CHECK int vd_check_file_finish(struct vd_check_file *file, struct vd_error *err);

/* One finding. `repairable`: this file's repair mends it (and, where file->repair is set, does so
 * now). Links above the leaf are never repairable. Running out of memory is told at the end. */
void vd_check_fault(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                    bool repairable, const char *fmt, ...) VD_PRINTF(5, 6);
void vd_check_leak(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                   bool repairable, const char *fmt, ...) VD_PRINTF(5, 6);
void vd_check_info(struct vd_check_file *file, const char *id, uint64_t offset_bytes,
                   bool repairable, const char *fmt, ...) VD_PRINTF(5, 6);
/* `done` of `total` parts of this file. VD_E_CANCELLED. */
VD_MUST_CHECK int vd_check_progress(const struct vd_check_file *file, uint64_t done, uint64_t total,
                                    struct vd_error *err);

/* The formats. `block` is open for reading, or is that of file->repair. */
VD_MUST_CHECK int vd_check_kdmv(struct vd_check_file *file, struct vd_block *block,
                                const struct vd_extent_line *line, struct vd_error *err);
VD_MUST_CHECK int vd_check_cowd(struct vd_check_file *file, struct vd_block *block,
                                const struct vd_extent_line *line, struct vd_error *err);
VD_MUST_CHECK int vd_check_sesparse(struct vd_check_file *file, struct vd_block *block,
                                    const struct vd_extent_line *line, struct vd_error *err);
VD_MUST_CHECK int vd_check_flat(struct vd_check_file *file, struct vd_block *block,
                                const struct vd_extent_line *line, struct vd_error *err);

/* The text of a link's descriptor, and what stands behind it in an embedded one. */
VD_MUST_CHECK int vd_check_descriptor(struct vd_check_file *file, const struct vd_link *link,
                                      struct vd_error *err);

/* Failures that are news about the machine and not about the disk. */
static inline bool vd_check_is_fatal(int code)
{
    return code == VD_E_NO_MEMORY || code == VD_E_TOO_MANY_FILES || code == VD_E_CANCELLED ||
           code == VD_E_ACCESS || code == VD_E_LOCKED || vd_error_is(code, VD_E_IO);
}

#endif
