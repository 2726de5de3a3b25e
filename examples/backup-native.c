/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup-native DISK RAW [LIBDIR]: copies what a virtual disk holds into a sparse raw file, through
 * the native interface; with LIBDIR a VixDiskLib in that folder does the work.
 *
 *     cc examples/backup-native.c $(pkg-config --cflags --libs vdisk) -o backup-native
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <vdisk/vdisk.h>

#define PIECE_BYTES ((size_t)4 << 20)

struct backup {
    struct vdisk *disk;
    int raw;
    char *piece;
};

/* Called for every part of the disk that is allocated. */
static int copy_block(void *data, uint64_t offset, uint64_t length)
{
    struct backup *backup = data;
    struct vdisk_error error;

    while (length > 0) {
        size_t wanted = length < PIECE_BYTES ? (size_t)length : PIECE_BYTES;
        ssize_t got = vdisk_read_at(backup->disk, backup->piece, wanted, offset, &error);
        if (got <= 0)
            errx(1, "%s", got < 0 ? error.text : "the disk ends too early");
        if (pwrite(backup->raw, backup->piece, (size_t)got, (off_t)offset) != got)
            err(1, "cannot write the raw file");
        offset += (uint64_t)got;
        length -= (uint64_t)got;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct vdisk_params params = VDISK_PARAMS_INIT;
    struct vdisk_error error;
    struct backup backup;

    if (argc < 3)
        errx(1, "usage: backup-native DISK RAW [LIBDIR]");
    params.path = argv[1];
    params.libdir = argc > 3 ? argv[3] : NULL;
    params.flags = VDISK_READ_ONLY;
    if (vdisk_open(&params, &backup.disk, &error) < 0)
        errx(1, "%s", error.text);
    backup.raw = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    backup.piece = malloc(PIECE_BYTES);
    if (backup.raw < 0 || !backup.piece || ftruncate(backup.raw, (off_t)vdisk_size(backup.disk)))
        err(1, "cannot make '%s'", argv[2]);
    if (vdisk_blocks(backup.disk, 0, UINT64_MAX, copy_block, &backup, &error) < 0)
        errx(1, "%s", error.text);
    if (fsync(backup.raw) < 0 || close(backup.raw) < 0)
        err(1, "cannot write '%s'", argv[2]);
    vdisk_close(backup.disk, NULL); /* nothing was written to it */
    free(backup.piece);
    return 0;
}
