/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on disks that are sound: every byte is as a model in memory says, and a check finds no
 * fault. The input is told in fuzz-ops.h. */
#include "fuzz-ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return ops_run(data, size, false);
}
