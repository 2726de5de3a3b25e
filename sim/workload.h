/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running machine writes, if asked to. Write number N to the disk with key K is told by the
 * seed alone, so that a test knows what a snapshot must hold from how many there were:
 *
 *   x = mix(seed ^ K << 32 ^ N), where mix is one step of splitmix64 from that state
 *   sectors: 8 * (1 + x >> 40 & 15)
 *   start:   the area's first sector + 8 * (x mod (area sectors / 8 - 16))
 *   every 8 bytes of its I-th sector: mix(x + I), little-endian
 *
 * The area is the last quarter of the disk, 64 MiB at most, so that a file system in front of it
 * stays whole. Disks with an area below 128 KiB are left alone.
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "sim.h"

/* Both with the machine's operation lock held. Starting does nothing where no workload is asked
 * for, or one runs. Stopping closes the disks. */
VD_MUST_CHECK int sim_workload_start(struct sim *sim, struct sim_vm *vm, struct vd_error *err);
VD_MUST_CHECK int sim_workload_stop(struct sim_vm *vm, struct vd_error *err);

#endif
