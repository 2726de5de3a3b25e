/* SPDX-License-Identifier: Apache-2.0 */
/* A VixDiskLib that does what a test asks: what stub.c is built as, with what it tells of itself in
 * the symbol `stub_control`. Its disk is memory, its first 128 sectors allocated and every second
 * 128 sectors behind them. */
#ifndef VD_TESTS_STUB_H
#define VD_TESTS_STUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STUB_SECTORS 1000

struct stub_control {
    /* What happened */
    char calls[4096];   /* "InitEx ConnectEx Open " */
    char strings[1024]; /* what the connection was told, by ConnectEx */
    uint32_t open_flags;
    uint64_t largest;       /* sectors of one transfer */
    atomic_bool misaligned; /* a buffer was not aligned to a page */
    uint64_t largest_query; /* chunks */

    /* What should happen */
    const char *fail_at; /* the function that fails, NULL for none */
    uint64_t fail_code;
    const char *nothing_from; /* a function that succeeds and gives NULL */
    uint64_t capacity;        /* sectors that GetInfo tells; 0: STUB_SECTORS */
    const char *transport;
    bool backwards; /* blocks come in no order */
    bool no_text;   /* errors have no text */
    char *metadata; /* of the key "key"; NULL: no key */
};

#endif
