/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be asked of the simulator while it runs: one JSON object each way. The SOAP front asks
 * over its channel, who started the simulator over standard input: {"op": ...}, or
 * {"fault": NAME, "value": ...}. A failure is {"error": {"fault": TYPE, "message": TEXT}}, with the
 * name of a fault of vSphere.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <jansson.h>

#include "sim.h"

/* Thread-safe. Never NULL but when out of memory; "id" of the request is repeated. */
json_t *sim_control(struct sim *sim, json_t *request);

/* control-disks.c: the operations on disks that belong to nobody, by name. NULL: not one of them.
 */
typedef int (*sim_op)(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err);
sim_op sim_disk_op(const char *name);
/* The text of a member; VD_E_INVALID_ARG. */
VD_MUST_CHECK int sim_text_of(json_t *request, const char *name, const char **ret,
                              struct vd_error *err);

#endif
