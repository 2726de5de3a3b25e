/* SPDX-License-Identifier: Apache-2.0 */
/* Datastores: folders of this machine, and "[name] folder/file" for what is in them. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct sim_store {
    char *name;
    char *folder; /* symbolic links resolved */
    char *moref;  /* the front's, or datastore-N */
};

/* Fixed when the simulator is ready, so read without a lock. */
struct sim_stores {
    struct sim_store *list;
    size_t count;
};

/* "NAME=DIR". VD_E_NOT_FOUND for a folder that is not there, VD_E_EXISTS for a name given twice. */
VD_MUST_CHECK int sim_stores_add(struct sim_stores *stores, const char *text, struct vd_error *err);
void sim_stores_done(struct sim_stores *stores);
const struct sim_store *sim_stores_find(const struct sim_stores *stores, const char *name);
const struct sim_store *sim_stores_by_moref(const struct sim_stores *stores, const char *moref);

/* "[ds] a/b.vmdk" as a path of this machine, malloc'd: below the datastore's folder, also where
 * symbolic links are on the way. The file need not exist, nor, with `deep`, folders above it.
 * VD_E_NOT_FOUND, VD_E_NAME_INVALID, VD_E_OUTSIDE_FOLDER. */
VD_MUST_CHECK int sim_store_resolve(const struct sim_stores *stores, const char *path, bool deep,
                                    char **ret, struct vd_error *err);
/* The reverse, malloc'd; NULL for what is in no datastore, or when out of memory. */
char *sim_store_name(const struct sim_stores *stores, const char *host_path);
/* The datastore that holds a path of this machine; NULL. */
const struct sim_store *sim_store_of(const struct sim_stores *stores, const char *host_path);

#endif
