/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size-text.h"

#include "base/units.h"
#include "tests/harness.h"

VD_TEST(parses_what_people_write)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"512", 512},
        {"1K", VD_KIB},
        {"10G", 10 * VD_GIB},
        {"10g", 10 * VD_GIB},
        {"10GB", 10 * VD_GIB},
        {"10GiB", 10 * VD_GIB},
        {"10gib", 10 * VD_GIB},
        {"62T", 62 * VD_TIB},
        {"1.5G", VD_GIB + VD_GIB / 2},
        {"0.5K", 512},
        {"1.50000000000000K", 1536},
        {"2.0", 2},
        {"0.0009765625M", 1024},
        {"007M", 7 * VD_MIB},
        {"18446744073709551615", UINT64_MAX},
        {"16777215T", UINT64_C(16777215) * VD_TIB},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        struct vd_error err = VD_ERROR_INIT;
        uint64_t bytes = 1;
        check_code_err(vd_size_parse(cases[i].text, &bytes, &err), VD_OK, &err);
        check_u64_eq(bytes, cases[i].bytes);
    }
}

VD_TEST(refuses_the_rest)
{
    static const char *const cases[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 G",
        "G",
        ".5G",
        "1.",
        "1.G",
        "1.5",
        "1.3K",
        "1X",
        "1Kb/s",
        "1KK",
        "0x10",
        "1e3",
        "1,5G",
        "1P",
        "1.2.3G",
        "1iB",
        "1B",
        "--5",
        "nan",
        "16777216T",
        "18446744073709551616",
        "99999999999999999999999G",
        "0.99999999999999999999999G",
        "1.5T1",
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        struct vd_error err = VD_ERROR_INIT;
        uint64_t bytes = 77;
        check_code(vd_size_parse(cases[i], &bytes, &err), VD_E_INVALID_ARG);
        check_u64_eq(bytes, 77);
        check_str_has(err.text, cases[i]);
    }
}

VD_TEST(says_why)
{
    struct vd_error err = VD_ERROR_INIT;
    uint64_t bytes;
    check_code(vd_size_parse("12Q", &bytes, &err), VD_E_INVALID_ARG);
    check_str_eq(err.text, "cannot read '12Q' as a size: its unit is unknown (expected digits and "
                           "an optional K, M, G or T)");
}

VD_TEST(shows_sizes)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {512, "512 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {VD_KIB + 10, "1.01 KiB"},
        {10 * VD_GIB, "10 GiB"},
        {VD_MIB - 1, "1 MiB"},
        {1023 * VD_KIB, "1023 KiB"},
        {999 * VD_MIB + VD_MIB / 2, "1000 MiB"},
        {12 * VD_MIB + 307 * VD_KIB, "12.3 MiB"},
        {10 * VD_MIB - 1, "10 MiB"},
        {62 * VD_TIB, "62 TiB"},
        {UINT64_C(1) << 60, "1 EiB"},
        {(UINT64_C(1) << 62) + (UINT64_C(1) << 59), "4.5 EiB"},
        {UINT64_MAX, "16 EiB"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        char text[VD_SIZE_TEXT_BYTES];
        check_str_eq(vd_size_to_text(cases[i].bytes, text), cases[i].text);
    }
}
