/* SPDX-License-Identifier: Apache-2.0 */
/* The SOAP front: another program, vsphere-sim-soap, which is told what there is and then asks. */
#ifndef SIM_FRONT_H
#define SIM_FRONT_H

#include <jansson.h>

#include "options.h"
#include "sim.h"

/* Starts it and waits until it serves. Its names for machines and datastores become ours. *ret_port
 * is that of SOAP. VD_E_NOT_FOUND, with what to install, where the program is missing. */
VD_MUST_CHECK int sim_front_start(struct sim *sim, const struct sim_options *options,
                                  uint16_t nfc_port, struct sim_front **ret, uint16_t *ret_port,
                                  struct vd_error *err);
/* Readable once it has ended by itself. */
int sim_front_end_fd(const struct sim_front *front);
/* Changes a fault there, and waits until it has; how often it struck before. */
uint64_t sim_front_fault(struct sim_front *front, const char *name, json_t *value);
/* NULL allowed. */
void sim_front_stop(struct sim_front *front);

#endif
