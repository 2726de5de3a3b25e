/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a damaged stream still holds, found without its tables: every sector is asked whether a
 * grain record begins there. A record counts only when its data unpacks to a grain with the right
 * checksum, so nothing is taken for one by chance. For check-stream-mend.c.
 */
#ifndef VD_VMDK_CHECK_CARVE_H
#define VD_VMDK_CHECK_CARVE_H

#include "vmdk/check-int.h"
#include "vmdk/kdmv-header.h"

struct vd_carved_record {
    uint64_t grain;
    uint32_t sector;
};

struct vd_carving {
    /* By grain; owned; 16 bytes for each sector of the file at most. */
    struct vd_carved_record *records;
    size_t count;
    size_t allocated;
    uint64_t first_sector; /* of the first record; `end_sector` where there is none */
    uint64_t end_sector;   /* behind the last record; behind header and descriptor at least */
    uint64_t gd_sector;    /* a directory behind the last record, after its marker; 0: none */
    uint64_t gd_end_sector;
    bool repeated; /* a grain has more than one record */
};

/* For headers with markers. `ret` is to be given back after success. */
VD_MUST_CHECK int vd_check_carve(const struct vd_check_file *file, struct vd_block *block,
                                 const struct vd_kdmv_header *header, struct vd_carving *ret,
                                 struct vd_error *err);
/* Zeros are allowed. */
void vd_carving_done(struct vd_carving *carving);

#endif
