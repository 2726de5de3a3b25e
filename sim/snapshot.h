/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of a machine: from then on it writes into children. Each call holds the machine's
 * operation lock, and stops its writes only while files change hands. */
#ifndef SIM_SNAPSHOT_H
#define SIM_SNAPSHOT_H

#include "sim.h"

VD_MUST_CHECK int sim_snapshot_create(struct sim *sim, struct sim_vm *vm, const char *id,
                                      struct sim_snapshot **ret, struct vd_error *err);
/* Its data goes into its parent, while the machine keeps writing. VD_E_LOCKED while a client has
 * one of the two links open. */
VD_MUST_CHECK int sim_snapshot_remove(struct sim *sim, struct sim_vm *vm, const char *id,
                                      struct vd_error *err);
/* The machine is off. */
VD_MUST_CHECK int sim_snapshot_revert(struct sim *sim, struct sim_vm *vm, const char *id,
                                      struct vd_error *err);
VD_MUST_CHECK int sim_power(struct sim *sim, struct sim_vm *vm, bool on, struct vd_error *err);
/* NULL: there is none. */
struct sim_snapshot *sim_snapshot_find(struct sim *sim, struct sim_vm *vm, const char *id);

#endif
