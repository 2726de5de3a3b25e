/* SPDX-License-Identifier: Apache-2.0 */
/* Disks as clients of NFC have them open: who may, and what is open now. */
#ifndef SIM_OPEN_DISKS_H
#define SIM_OPEN_DISKS_H

#include <stdatomic.h>

#include "sim.h"

struct sim_open_file;

struct sim_open {
    struct vd_disk *disk;
    struct vd_run run; /* the connection's thread's, as the next: the last one asked for */
    struct sim_open_file *files;
    char *path; /* of this machine */
    bool writable;
    atomic_bool written;
    struct sim_disk *of; /* whose tracking hears of writes; NULL: nobody's */
    struct sim_open *next;
};

/* What a host says when it refuses. */
struct sim_refusal {
    uint64_t code;
    char text[600];
};

enum sim_refusal_code {
    SIM_REFUSED_ARGUMENT = 3, /* ours; hosts' numbers for it are not public, nor for the next */
    SIM_REFUSED_NOT_FOUND = 4,
    SIM_REFUSED_MEMORY = 5,
    SIM_REFUSED_IO = 6,
    SIM_REFUSED_PERMISSION = 11,
    SIM_REFUSED_LOCK = 16392,
};

/* `name` is "[ds] a/b.vmdk". -1 with `ret_refusal`. */
VD_MUST_CHECK int sim_open_disk(struct sim *sim, const struct sim_ticket *ticket, const char *name,
                                bool writable, struct sim_open **ret,
                                struct sim_refusal *ret_refusal);
/* Sectors; tracked. */
VD_MUST_CHECK int sim_open_write(struct sim_open *open, uint64_t offset_bytes, const void *bytes,
                                 size_t size, struct vd_error *err);
/* Where these sectors lie in one piece in one file, as they are: its descriptor, which stays open
 * as long as the disk. -1: they do not, or nobody knows. To be written there they must be of the
 * leaf, which knows by an earlier write that it is written. For the connection's thread. */
int sim_open_file_of(struct sim_open *open, uint64_t start_sectors, uint64_t count_sectors,
                     bool writing, uint64_t *ret_offset_bytes);
/* For tracking: written there. */
void sim_open_written(struct sim_open *open, uint64_t offset_bytes, size_t size);
/* Also a late write error. NULL allowed. */
int sim_close_disk(struct sim *sim, struct sim_open *open, struct vd_error *err);
/* Does a client have this link open? */
bool sim_open_is_used(struct sim *sim, const char *path, bool writers_only);

/* May a classic file operation touch the file? */
bool sim_ticket_allows(struct sim *sim, const struct sim_ticket *ticket, const char *host_path,
                       bool writing);
void sim_refuse(struct sim_refusal *refusal, uint64_t code, const char *fmt, ...) VD_PRINTF(3, 4);
/* The refusal that fits an error of ours. */
void sim_refuse_error(struct sim_refusal *refusal, int code, const char *name,
                      const struct vd_error *err);

#endif
