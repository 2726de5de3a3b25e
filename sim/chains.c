/* SPDX-License-Identifier: Apache-2.0 */
#include "chains.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "vmdk/report.h"

/* A file as it was when the chain was walked. */
struct stamp {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec changed;
};

struct known {
    char *leaf; /* first: what the tree compares */
    char **files;
    struct stamp *stamps; /* of each */
};

static int by_leaf(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void known_free(void *entry)
{
    struct known *known = entry;

    if (!known)
        return;
    sim_chain_free(known->files);
    free(known->stamps);
    free(known->leaf);
    free(known);
}

void sim_chains_init(struct sim_chains *chains)
{
    *chains = (struct sim_chains){0};
    pthread_mutex_init(&chains->lock, NULL);
}

void sim_chains_done(struct sim_chains *chains)
{
    tdestroy(chains->tree, known_free);
    pthread_mutex_destroy(&chains->lock);
}

void sim_chain_free(char **chain)
{
    for (char **at = chain; at && *at; at++)
        free(*at);
    free(chain);
}

static size_t length_of(char *const *chain)
{
    size_t count = 0;

    while (chain[count])
        count++;
    return count;
}

static char **copy_of(char *const *chain)
{
    size_t count = length_of(chain);
    char **copy = calloc(count + 1, sizeof(char *));

    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(chain[i]);
        if (!copy[i]) {
            sim_chain_free(copy);
            return NULL;
        }
    }
    return copy;
}

static bool stamp_of(const char *path, struct stamp *ret)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return false;
    *ret = (struct stamp){status.st_dev, status.st_ino, status.st_size, status.st_ctim};
    return true;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static bool is_unchanged(const struct known *known)
{
    struct stamp now;

    for (size_t i = 0; known->files[i]; i++) {
        const struct stamp *then = &known->stamps[i];
        if (!stamp_of(known->files[i], &now) || now.device != then->device ||
            now.number != then->number || now.size != then->size ||
            is_before(&now.changed, &then->changed) || is_before(&then->changed, &now.changed))
            return false;
    }
    return true;
}

/* What is remembered of the leaf, copied; NULL where there is nothing that still holds. */
static char **recall(struct sim_chains *chains, const char *leaf)
{
    char **copy = NULL;

    pthread_mutex_lock(&chains->lock);
    struct known **found = tfind(&leaf, &chains->tree, by_leaf);
    if (found && is_unchanged(*found)) {
        copy = copy_of((*found)->files);
    } else if (found) {
        struct known *stale = *found;
        (void)tdelete(&leaf, &chains->tree, by_leaf); /* which was there */
        known_free(stale);
        chains->count--;
    }
    pthread_mutex_unlock(&chains->lock);
    return copy;
}

/* A chain no file of which changed since `began`, by the clock that stamps files. NULL: one did. */
static struct known *known_new(const char *leaf, char *const *chain, const struct timespec *began)
{
    struct known *known = calloc(1, sizeof *known);

    if (!known)
        return NULL;
    known->leaf = strdup(leaf);
    known->files = copy_of(chain);
    known->stamps = calloc(length_of(chain) + 1, sizeof *known->stamps);
    bool good = known->leaf && known->files && known->stamps;
    for (size_t i = 0; good && chain[i]; i++)
        good = stamp_of(chain[i], &known->stamps[i]) && is_before(&known->stamps[i].changed, began);
    if (good)
        return known;
    known_free(known);
    return NULL;
}

/* Where it cannot be remembered, it is walked again. */
static void remember(struct sim_chains *chains, const char *leaf, char *const *chain,
                     const struct timespec *began)
{
    struct known *known = known_new(leaf, chain, began);

    if (!known)
        return;
    pthread_mutex_lock(&chains->lock);
    if (chains->count == SIM_CHAINS_MAX) {
        tdestroy(VD_TAKE_PTR(chains->tree), known_free);
        chains->count = 0;
    }
    struct known **place = tsearch(known, &chains->tree, by_leaf);
    bool taken = place && *place == known;
    chains->count += taken;
    pthread_mutex_unlock(&chains->lock);
    if (!taken) /* somebody else was faster */
        known_free(known);
}

/* Tells whether all of it was found. */
static int walk(const char *leaf, char ***ret, bool *ret_complete, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    int r = vd_report_new(leaf, NULL, false, &report, err);

    if (r < 0)
        return r;
    char **chain = calloc(report->num_links + 1, sizeof(char *));
    for (size_t i = 0; chain && i < report->num_links; i++) {
        chain[i] = realpath(report->links[i].path, NULL);
        if (!chain[i]) {
            sim_chain_free(chain);
            chain = NULL;
        }
    }
    if (!chain)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    *ret = chain;
    *ret_complete = report->complete;
    return VD_OK;
}

int sim_chain(struct sim_chains *chains, const char *leaf, char ***ret, struct vd_error *err)
{
    struct timespec began;
    bool complete = false;
    char **chain = recall(chains, leaf);
    int r = VD_OK;

    if (!chain) {
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &began); /* never fails on Linux */
        r = walk(leaf, &chain, &complete, err);
        if (complete)
            remember(chains, leaf, chain, &began);
    }
    if (r == VD_OK)
        *ret = chain;
    return r;
}

bool sim_chain_holds(struct sim_chains *chains, const char *leaf, const char *path)
{
    char **chain = NULL;
    bool found = false;

    if (sim_chain(chains, leaf, &chain, NULL) < 0)
        return false;
    for (char **at = chain; *at && !found; at++)
        found = strcmp(*at, path) == 0;
    sim_chain_free(chain);
    return found;
}
