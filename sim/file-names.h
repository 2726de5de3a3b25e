/* SPDX-License-Identifier: Apache-2.0 */
/* Making, removing, renaming and copying what is in a datastore: disks with all their files, other
 * files, folders. Paths are of this machine. */
#ifndef SIM_FILE_NAMES_H
#define SIM_FILE_NAMES_H

#include <stdbool.h>

#include "base/error.h"

/* `parents`: the folders above too; then one that is there already is no error. */
VD_MUST_CHECK int sim_make_folder(const char *path, bool parents, struct vd_error *err);
/* `deep`: a folder with all that is in it. */
VD_MUST_CHECK int sim_remove(const char *path, bool deep, struct vd_error *err);
VD_MUST_CHECK int sim_move(const char *from, const char *to, bool force, struct vd_error *err);
VD_MUST_CHECK int sim_copy(const char *from, const char *to, bool force, struct vd_error *err);
/* Does the file describe a disk? */
bool sim_is_disk(const char *path);

#endif
