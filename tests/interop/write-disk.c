/* SPDX-License-Identifier: Apache-2.0 */
/* write-disk DISK OFFSET COUNT BYTE ...: writes COUNT sectors filled with BYTE at sector OFFSET, as
 * many such triples as there are, and closes the disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/vmdk.h"

static int write_one(struct vd_disk *disk, char **words, struct vd_error *err)
{
    uint64_t start = strtoull(words[0], NULL, 0), count = strtoull(words[1], NULL, 0);
    uint8_t *bytes = malloc(count * VD_SECTOR_BYTES);
    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    memset(bytes, (int)strtoul(words[2], NULL, 0), count * VD_SECTOR_BYTES);
    int r = vd_disk_write(disk, start, count, bytes, err);
    free(bytes);
    return r;
}

int main(int argc, char **argv)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    if (argc < 2)
        return 2;
    int r = vd_vmdk_open(argv[1], NULL, &disk, &err);
    for (int i = 2; r >= 0 && i + 2 < argc; i += 3)
        r = write_one(disk, argv + i, &err);
    int closed = vd_disk_close(disk, &err);
    if (r >= 0)
        r = closed;
    if (r < 0)
        (void)fprintf(stderr, "%s\n", vd_error_message(&err, r));
    return r < 0 ? 2 : 0;
}
