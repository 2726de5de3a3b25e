/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "fuzz-extent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t capacity = size >= 16 ? vd_le32_decode(data + 12) : 0;
    fuzz_extent(vd_extent_cowd_open, data, size, capacity);
    return 0;
}
