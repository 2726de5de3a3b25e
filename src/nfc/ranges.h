/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a request have arrived. Fragments come in any order and any size, and none may
 * come twice; in practice they come in order, forwards or backwards, and one range is enough. */
#ifndef VD_NFC_RANGES_H
#define VD_NFC_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* More holes at a time than any host makes: a request of 2 MiB in fragments of 4 KiB, every other.
 */
#define VD_NFC_RANGES_MAX 256u

struct vd_nfc_range {
    uint32_t start, end;
};

/* Zeroed: nothing arrived. */
struct vd_nfc_ranges {
    struct vd_nfc_range *list; /* ascending, disjoint, never touching */
    size_t count, allocated;
};

/* VD_E_PROTOCOL where any of it arrived before, is empty, or leaves too many holes; VD_E_NO_MEMORY.
 */
VD_MUST_CHECK int vd_nfc_ranges_add(struct vd_nfc_ranges *ranges, uint32_t start, uint32_t length);
/* Is all of [0, length) there? */
bool vd_nfc_ranges_full(const struct vd_nfc_ranges *ranges, uint32_t length);
void vd_nfc_ranges_done(struct vd_nfc_ranges *ranges);

#endif
