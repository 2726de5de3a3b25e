/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of vsphere-sim. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim.h"

/* Strings are argv's. */
struct sim_options {
    const char **datastores, **vms, **faults, **tickets; /* in order, each ended by NULL */
    size_t num_datastores, num_vms, num_faults, num_tickets;
    const char *host, *user, *password;
    uint16_t port, nfc_port; /* 0: any */
    int nfc_version;         /* -1: the profile's */
    bool no_soap, help, version, powered_off;
};

/* What belongs to the simulator itself goes there. VD_E_INVALID_ARG with a sentence. */
VD_MUST_CHECK int sim_options_parse(int argc, char **argv, struct sim *sim, struct sim_options *ret,
                                    struct vd_error *err);
void sim_options_done(struct sim_options *options);
void sim_options_help(void);

#endif
