/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a disk, link by link, what its format says? Every finding is told with file, place, value
 * found and expected; what repair would do is said before it is done. Repair works only on what it
 * can prove from the other copy of a table or from the format's own arithmetic, writes a backup of
 * every sector it replaces (beside the file, NAME.vdisk-repair-backup), never makes data
 * unreachable that was reachable, and can be run again after a power cut.
 */
#ifndef VD_VMDK_CHECK_H
#define VD_VMDK_CHECK_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

enum vd_finding_grade {
    VD_FINDING_INFO,  /* worth knowing, nothing is wrong */
    VD_FINDING_LEAK,  /* space that nothing refers to, or an allocation that a crash cut short */
    VD_FINDING_FAULT, /* the format is violated; data may be lost or wrong */
};

struct vd_finding {
    enum vd_finding_grade grade;
    const char *id; /* stable word for scripts: "gt-differs", "gte-outside", "cid-mismatch", ... */
    uint32_t link;
    const char *file;
    uint64_t offset_bytes; /* in that file; UINT64_MAX where there is no place */
    const char *text;      /* one sentence */
    bool repairable;
    bool repaired;
};

struct vd_check_result {
    uint64_t infos, leaks, faults; /* before repair */
    uint64_t repaired;
    uint64_t leaked_bytes;
    uint64_t allocated_grains;
    bool clean; /* no fault is left */
};

struct vd_check_options {
    struct vd_vmdk_options open; /* SINGLE_LINK checks the leaf alone */
    bool repair;                 /* the leaf; parents are only read */
    /* Repairs count as provable, too, that give up what is lost anyhow so that the rest is of use
     * again: entries of tables that lead nowhere in every copy become absent, and a stream that was
     * cut off gets tables for the grains it has. */
    bool salvage;
    /* Each finding, in order, on the calling thread; the strings live during the call. NULL
     * allowed. */
    void (*finding)(void *data, const struct vd_finding *finding);
    void *data;
    const struct vd_progress *progress;
};

/* Fails only when checking itself could not be done; faults are findings. Memory: one bit per grain
 * slot of the file under check. */
VD_MUST_CHECK int vd_vmdk_check(const char *path, const struct vd_check_options *options,
                                struct vd_check_result *ret, struct vd_error *err);

#endif
