/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-bitmap.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/units.h"

#define WORD_BITS  64u
#define PAGE_BITS  (UINT64_C(1) << 18)
#define PAGE_WORDS (PAGE_BITS / WORD_BITS)

struct vd_check_bitmap {
    uint64_t slots;
    uint64_t set;
    uint64_t end;     /* behind the last one */
    uint64_t **pages; /* NULL where nothing is set */
    size_t num_pages;
};

int vd_check_bitmap_new(uint64_t slots, struct vd_check_bitmap **ret, struct vd_error *err)
{
    if (slots > VD_CHECK_MAX_SLOTS)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "checking needs a bit for each of %" PRIu64
                            " places of the file, expected at most %" PRIu64,
                            slots, VD_CHECK_MAX_SLOTS);
    struct vd_check_bitmap *bitmap = calloc(1, sizeof *bitmap);
    if (bitmap != NULL) {
        bitmap->slots = slots;
        bitmap->num_pages = (size_t)vd_div_up(slots, PAGE_BITS);
        bitmap->pages = calloc(bitmap->num_pages + 1, sizeof *bitmap->pages);
    }
    if (bitmap == NULL || bitmap->pages == NULL) {
        vd_check_bitmap_free(bitmap);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check a file");
    }
    *ret = bitmap;
    return 0;
}

void vd_check_bitmap_free(struct vd_check_bitmap *bitmap)
{
    if (bitmap == NULL)
        return;
    for (size_t i = 0; bitmap->pages != NULL && i < bitmap->num_pages; i++)
        free(bitmap->pages[i]);
    free(bitmap->pages);
    free(bitmap);
}

/* Bits [bit, bit + count) of one word. */
static uint64_t mask_of(uint64_t bit, uint64_t count)
{
    uint64_t ones = count == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return ones << bit;
}

/* How many slots from `first` on share a word, of `count`. */
static uint64_t in_word(uint64_t first, uint64_t count)
{
    return VD_MIN(count, WORD_BITS - first % WORD_BITS);
}

static uint64_t *word_of(const struct vd_check_bitmap *bitmap, uint64_t slot)
{
    uint64_t *page = bitmap->pages[slot / PAGE_BITS];
    return page != NULL ? &page[slot % PAGE_BITS / WORD_BITS] : NULL;
}

int vd_check_bitmap_take(struct vd_check_bitmap *bitmap, uint64_t first, uint64_t count,
                         bool *ret_taken, struct vd_error *err)
{
    bool taken = false;
    assert(vd_range_inside(first, count, bitmap->slots));
    if (count > 0)
        bitmap->end = VD_MAX(bitmap->end, first + count);
    while (count > 0) {
        uint64_t here = in_word(first, count);
        uint64_t mask = mask_of(first % WORD_BITS, here);
        uint64_t **page = &bitmap->pages[first / PAGE_BITS];
        if (*page == NULL && (*page = calloc(PAGE_WORDS, sizeof **page)) == NULL)
            return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check a file");
        uint64_t *word = word_of(bitmap, first);
        taken = taken || (*word & mask) != 0;
        bitmap->set += (uint64_t)__builtin_popcountll(mask & ~*word);
        *word |= mask;
        first += here;
        count -= here;
    }
    if (ret_taken != NULL)
        *ret_taken = taken;
    return 0;
}

bool vd_check_bitmap_any(const struct vd_check_bitmap *bitmap, uint64_t first, uint64_t count)
{
    while (count > 0 && first < bitmap->slots) {
        uint64_t here = in_word(first, count);
        const uint64_t *word = word_of(bitmap, first);
        if (word != NULL && (*word & mask_of(first % WORD_BITS, here)) != 0)
            return true;
        first += here;
        count -= here;
    }
    return false;
}

uint64_t vd_check_bitmap_end(const struct vd_check_bitmap *bitmap)
{
    return bitmap->end;
}

uint64_t vd_check_bitmap_count(const struct vd_check_bitmap *bitmap)
{
    return bitmap->set;
}
