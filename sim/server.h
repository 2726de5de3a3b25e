/* SPDX-License-Identifier: Apache-2.0 */
/* The port of authd: one thread per connection. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "sim.h"

/* Hosts take about 50; more are turned away. */
#define SIM_CONNECTIONS_MAX 256u

/* Listens on `host`; port 0: any, told in *ret_port. */
VD_MUST_CHECK int sim_server_start(struct sim *sim, const char *host, uint16_t port,
                                   struct sim_server **ret, uint16_t *ret_port,
                                   struct vd_error *err);
/* Ends every connection and waits for its thread. NULL allowed. */
void sim_server_stop(struct sim_server *server);

#endif
