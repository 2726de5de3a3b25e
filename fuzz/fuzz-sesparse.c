/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "fuzz-extent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t capacity = size >= 24 ? vd_le64_decode(data + 16) : 0;
    fuzz_extent(vd_extent_sesparse_open, data, size, capacity);
    return 0;
}
