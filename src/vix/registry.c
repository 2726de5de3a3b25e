/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/registry.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vix/fork.h"

#define BUCKETS 256u /* handles are few; a chain of a hundred is still found at once */
#define GRAVES  64u  /* dead objects of some 300 bytes: 20 KiB; results of 4 KiB at most: 256 KiB */

/* Memory of the latest dead objects. */
struct graves {
    void *memory[GRAVES];
    unsigned next;
};

/* `lock` guards everything here and every node. Results come and go by the thousand, and have
 * graves of their own, so that handles stay in theirs. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t put;
    bool open;
    struct vd_vix_node *buckets[BUCKETS];
    struct graves handles;
    struct graves results;
    struct vd_vix_node *left_behind; /* in a forked child: handles of the parent */
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .put = PTHREAD_COND_INITIALIZER};

static void lock_registry(void)
{
    int r = pthread_mutex_lock(&registry.lock);
    assert(r == 0);
    (void)r; /* only asserted */
}

static void unlock_registry(void)
{
    int r = pthread_mutex_unlock(&registry.lock);
    assert(r == 0);
    (void)r; /* only asserted */
}

static struct vd_vix_node **bucket_of(const void *address)
{
    uint64_t mixed = (uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);
    return &registry.buckets[mixed >> 56];
}

static bool is_result(enum vd_vix_kind kind)
{
    return kind == VD_VIX_INFO || kind == VD_VIX_BLOCKS || kind == VD_VIX_TEXT;
}

/* Results and connect params live at any time, all others between Init and Exit. */
static bool lives_now_locked(enum vd_vix_kind kind)
{
    return registry.open || kind == VD_VIX_PARAMS || is_result(kind);
}

/* Where the pointer to it stands; NULL when there is none. */
static struct vd_vix_node **find_locked(const void *address, enum vd_vix_kind kind)
{
    if (!lives_now_locked(kind))
        return NULL;
    for (struct vd_vix_node **at = bucket_of(address); *at; at = &(*at)->next)
        if ((*at)->address == address && (*at)->kind == kind)
            return at;
    return NULL;
}

static struct vd_vix_node *unlink_locked(struct vd_vix_node **at)
{
    struct vd_vix_node *node = *at;
    *at = node->next;
    node->next = NULL;
    return node;
}

void vd_vix_registry_open(void)
{
    lock_registry();
    registry.open = true;
    unlock_registry();
}

void vd_vix_registry_close(void)
{
    lock_registry();
    registry.open = false;
    unlock_registry();
}

bool vd_vix_registry_is_open(void)
{
    lock_registry();
    bool open = registry.open;
    unlock_registry();
    return open;
}

int vd_vix_add(struct vd_vix_node *node, const void *address)
{
    assert(node->kind != VD_VIX_DEAD);
    lock_registry();
    bool allowed = lives_now_locked(node->kind);
    if (allowed) {
        node->address = address;
        node->references = 1;
        node->next = *bucket_of(address);
        *bucket_of(address) = node;
    }
    unlock_registry();
    return allowed ? VD_OK : VD_E_NOT_INITIALISED;
}

struct vd_vix_node *vd_vix_get(const void *address, enum vd_vix_kind kind)
{
    lock_registry();
    struct vd_vix_node **at = find_locked(address, kind);
    struct vd_vix_node *node = at ? *at : NULL;
    if (node)
        node->references++;
    unlock_registry();
    return node;
}

/* Its memory takes the place of the oldest dead object's, which is freed at last. */
static void bury(struct vd_vix_node *node)
{
    lock_registry();
    struct graves *graves = is_result(node->kind) ? &registry.results : &registry.handles;
    void *dead = node;
    node->kind = VD_VIX_DEAD;
    if (!node->large) {
        dead = graves->memory[graves->next];
        graves->memory[graves->next] = node;
        graves->next = (graves->next + 1) % GRAVES;
    }
    unlock_registry();
    free(dead);
}

static void clear_graves_locked(struct graves *graves)
{
    for (size_t i = 0; i < GRAVES; i++) {
        free(graves->memory[i]);
        graves->memory[i] = NULL;
    }
}

/* When the process ends nobody is left to confuse. */
__attribute__((destructor)) static void clear_graves(void)
{
    lock_registry();
    clear_graves_locked(&registry.handles);
    clear_graves_locked(&registry.results);
    unlock_registry();
}

void vd_vix_put(struct vd_vix_node *node)
{
    lock_registry();
    assert(node->kind != VD_VIX_DEAD && node->references > 0);
    bool last = --node->references == 0;
    if (!last)
        (void)pthread_cond_broadcast(&registry.put); /* cannot fail on a valid condition */
    unlock_registry();
    if (!last)
        return;
    node->destroy(node);
    bury(node);
}

struct vd_vix_node *vd_vix_take(const void *address, enum vd_vix_kind kind)
{
    lock_registry();
    struct vd_vix_node **at = find_locked(address, kind);
    struct vd_vix_node *node = at ? unlink_locked(at) : NULL;
    unlock_registry();
    return node;
}

struct vd_vix_node *vd_vix_turn(const void *address, enum vd_vix_kind from, enum vd_vix_kind to)
{
    lock_registry();
    struct vd_vix_node **at = find_locked(address, from);
    struct vd_vix_node *node = at ? *at : NULL;
    if (node)
        node->kind = to;
    unlock_registry();
    return node;
}

static struct vd_vix_node **find_any_locked(enum vd_vix_kind kind)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct vd_vix_node **at = &registry.buckets[i]; *at; at = &(*at)->next)
            if ((*at)->kind == kind)
                return at;
    return NULL;
}

struct vd_vix_node *vd_vix_take_any(enum vd_vix_kind kind)
{
    lock_registry();
    struct vd_vix_node **at = find_any_locked(kind);
    struct vd_vix_node *node = at ? unlink_locked(at) : NULL;
    unlock_registry();
    return node;
}

void vd_vix_wait_alone(struct vd_vix_node *node)
{
    lock_registry();
    while (node->references > 1)
        (void)pthread_cond_wait(&registry.put, &registry.lock); /* fails only on misuse */
    unlock_registry();
}

/* Handles of the parent are none here; what it was given stays, to be freed. */
static void leave_handles_locked(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct vd_vix_node **at = &registry.buckets[i];
        while (*at) {
            if ((*at)->kind == VD_VIX_PARAMS || is_result((*at)->kind)) {
                at = &(*at)->next;
                continue;
            }
            struct vd_vix_node *node = unlink_locked(at);
            node->next = registry.left_behind;
            registry.left_behind = node;
        }
    }
}

void vd_vix_registry_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE) {
        lock_registry();
        return;
    }
    if (when == VD_VIX_FORK_CHILD) {
        registry.open = false;
        leave_handles_locked();
        (void)pthread_cond_init(&registry.put, NULL); /* who waited is not here */
    }
    unlock_registry();
}
