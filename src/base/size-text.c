/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size-text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/path.h"

static bool take_digit(const char **at, unsigned *ret)
{
    if (**at < '0' || **at > '9')
        return false;
    *ret = (unsigned)(*(*at)++ - '0');
    return true;
}

/* Reads digits onto *value; *scale, where given, grows tenfold with each. False on overflow or
 * where there is no digit. */
static bool take_digits(const char **at, uint64_t *value, uint64_t *scale)
{
    const char *start = *at;
    unsigned digit;
    while (take_digit(at, &digit)) {
        if (!vd_mul_u64(*value, 10, value) || !vd_add_u64(*value, digit, value))
            return false;
        if (scale && !vd_mul_u64(*scale, 10, scale))
            return false;
    }
    return *at != start;
}

/* "", "K", "KB", "KiB", in any case. False on anything else. */
static bool unit_bytes(const char *text, uint64_t *ret)
{
    static const char letters[] = "kmgt";
    static const char *const tails[] = {"", "B", "iB"};

    *ret = 1;
    if (text[0] == '\0')
        return true;
    for (unsigned power = 0; letters[power]; power++) {
        char lower = letters[power];
        if (text[0] != lower && text[0] != lower - 'a' + 'A')
            continue;
        *ret = UINT64_C(1) << (10 * (power + 1));
        for (size_t i = 0; i < VD_ARRAY_SIZE(tails); i++)
            if (vd_path_equal_but_case(text + 1, tails[i]))
                return true;
    }
    return false;
}

static int refuse(const char *text, const char *why, struct vd_error *err)
{
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "cannot read '%s' as a size: %s (expected digits and an optional K, M, G "
                        "or T)",
                        text, why);
}

int vd_size_parse(const char *text, uint64_t *ret_bytes, struct vd_error *err)
{
    const char *at = text;
    uint64_t whole = 0;
    if (*at < '0' || *at > '9')
        return refuse(text, "it does not begin with a digit", err);
    if (!take_digits(&at, &whole, NULL))
        return refuse(text, "it is too large", err);

    uint64_t part = 0; /* part / scale is what stands behind the point */
    uint64_t scale = 1;
    if (*at == '.') {
        at++;
        if (!take_digits(&at, &part, &scale))
            return refuse(text, "it has no usable digits behind the point", err);
    }

    uint64_t unit;
    if (!unit_bytes(at, &unit))
        return refuse(text, "its unit is unknown", err);
    while (scale > 1 && part % 10 == 0) {
        part /= 10;
        scale /= 10;
    }
    if (!vd_mul_u64(part, unit, &part) || part % scale != 0)
        return refuse(text, "it is no whole number of bytes", err);

    uint64_t bytes;
    if (!vd_mul_u64(whole, unit, &bytes) || !vd_add_u64(bytes, part / scale, &bytes))
        return refuse(text, "it is too large", err);
    *ret_bytes = bytes;
    return VD_OK;
}

/* `bytes` in units of 2^shift, times `scale`, rounded to the nearest. */
static uint64_t rounded(uint64_t bytes, unsigned shift, uint64_t scale)
{
    uint64_t whole = bytes >> shift;
    uint64_t rest = bytes & ((UINT64_C(1) << shift) - 1);
    if (shift > 40) { /* keeps rest * scale inside 64 bits; three digits need no more */
        rest >>= shift - 40;
        shift = 40;
    }
    uint64_t half = shift > 0 ? UINT64_C(1) << (shift - 1) : 0;
    return whole * scale + ((rest * scale + half) >> shift);
}

const char *vd_size_to_text(uint64_t bytes, char out[VD_SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    /* The unit is chosen after rounding, so that nothing is ever shown as 1024 of a unit. */
    unsigned unit = 0;
    while (unit + 1 < VD_ARRAY_SIZE(units) && rounded(bytes, 10 * unit, 1) >= 1024)
        unit++;
    unsigned shift = 10 * unit;

    uint64_t scale = 100; /* 1.23, 12.3, 123: three digits that mean something */
    unsigned decimals = 2;
    for (uint64_t limit = 10; decimals > 0 && rounded(bytes, shift, scale) >= limit * scale;
         limit *= 10) {
        scale /= 10;
        decimals--;
    }
    uint64_t value = rounded(bytes, shift, scale);
    for (; decimals > 0 && value % 10 == 0; decimals--) {
        value /= 10;
        scale /= 10;
    }

    /* Not "%f", whose point depends on the locale. */
    if (decimals == 0)
        (void)snprintf(out, VD_SIZE_TEXT_BYTES, "%llu %s", (unsigned long long)value, units[unit]);
    else
        (void)snprintf(out, VD_SIZE_TEXT_BYTES, "%llu.%0*llu %s",
                       (unsigned long long)(value / scale), (int)decimals,
                       (unsigned long long)(value % scale), units[unit]);
    return out;
}
