/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files a disk's chain consists of. Who may open what is asked at every open, of every disk
 * there is; so a chain that was walked is remembered for as long as none of its files changes.
 */
#ifndef SIM_CHAINS_H
#define SIM_CHAINS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Beyond that many all are forgotten, and walked anew. */
#define SIM_CHAINS_MAX 4096u

struct sim_chains {
    pthread_mutex_t lock; /* the rest */
    void *tree;           /* of tsearch, by the leaf's path */
    size_t count;
};

void sim_chains_init(struct sim_chains *chains);
void sim_chains_done(struct sim_chains *chains);

/* The path's files, leaf first, as paths of this machine; NULL-terminated, each malloc'd. */
VD_MUST_CHECK int sim_chain(struct sim_chains *chains, const char *leaf, char ***ret,
                            struct vd_error *err);
void sim_chain_free(char **chain);
/* Is the file one of them? False where the chain cannot be walked. */
bool sim_chain_holds(struct sim_chains *chains, const char *leaf, const char *path);

#endif
