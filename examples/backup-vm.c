/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup-vm SERVER[:PORT] MACHINE FOLDER: copies all disks of a virtual machine, running or not,
 * to sparse raw files in a folder; from the second time on only what changed. VM_USER, VM_PASSWORD
 * and VM_THUMBPRINT in the environment say who asks and whom to trust.
 *
 *     cc examples/backup-vm.c $(pkg-config --cflags --libs vdisk) -o backup-vm
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vdisk/vdisk.h>

#define PIECE_BYTES ((size_t)4 << 20)

struct backup {
    struct vdisk_params params; /* with the snapshot */
    unsigned number;            /* of the disk: disk-1.raw, with its change ID in disk-1.id */
    char raw_name[32], id_name[32];
    struct vdisk *disk;
    int raw;
    uint64_t copied;
    char piece[PIECE_BYTES];
};

/* Called for every part of the disk that is to be copied. */
static int copy_block(void *data, uint64_t offset, uint64_t length)
{
    struct backup *backup = data;
    struct vdisk_error error;

    backup->copied += length;
    while (length > 0) {
        size_t wanted = length < PIECE_BYTES ? (size_t)length : PIECE_BYTES;
        ssize_t got = vdisk_read_at(backup->disk, backup->piece, wanted, offset, &error);
        if (got <= 0) {
            warnx("%s", got < 0 ? error.text : "the disk ends too early");
            return 1;
        }
        if (pwrite(backup->raw, backup->piece, (size_t)got, (off_t)offset) != got) {
            warn("cannot write the raw file");
            return 1;
        }
        offset += (uint64_t)got;
        length -= (uint64_t)got;
    }
    return 0;
}

/* Only what changed since the last time, where that is known; otherwise what is allocated, and
 * until that is complete there is no change ID. */
static int copy_disk(struct backup *backup, const char *since)
{
    off_t size = (off_t)vdisk_size(backup->disk);
    struct vdisk_error error;
    int r = -ESTALE;

    if (since[0] && lseek(backup->raw, 0, SEEK_END) == size)
        r = vdisk_changed(backup->disk, since, copy_block, backup, &error);
    if (r == -ESTALE) {
        if ((unlink(backup->id_name) < 0 && errno != ENOENT) || ftruncate(backup->raw, 0) < 0 ||
            ftruncate(backup->raw, size) < 0) {
            warn("cannot make '%s'", backup->raw_name);
            return 1;
        }
        r = vdisk_blocks(backup->disk, 0, UINT64_MAX, copy_block, backup, &error);
    }
    if (r < 0)
        warnx("%s", error.text);
    else if (r == 0 && (r = fsync(backup->raw)) < 0)
        warn("cannot write the raw file");
    return r;
}

/* The change ID of the copy stands beside it, and is written when the copy is complete. */
static int backup_disk(void *data, const struct vdisk_vm_disk *found)
{
    struct backup *backup = data;
    struct vdisk_params params = backup->params;
    struct vdisk_error error;
    char since[256] = "";
    FILE *id;
    int r;

    snprintf(backup->id_name, sizeof backup->id_name, "disk-%u.id", ++backup->number);
    snprintf(backup->raw_name, sizeof backup->raw_name, "disk-%u.raw", backup->number);
    if ((id = fopen(backup->id_name, "r"))) {
        if (!fgets(since, sizeof since, id))
            since[0] = '\0';
        fclose(id);
    }
    params.path = found->path;
    params.flags = VDISK_READ_ONLY;
    backup->raw = open(backup->raw_name, O_WRONLY | O_CREAT, 0600);
    if (backup->raw < 0) {
        warn("cannot open '%s'", backup->raw_name);
        return 1;
    }
    r = vdisk_open(&params, &backup->disk, &error);
    if (r < 0) {
        warnx("%s", error.text);
    } else {
        r = copy_disk(backup, since);
        vdisk_close(backup->disk, NULL); /* nothing was written to it */
    }
    close(backup->raw);
    if (r == 0 && found->change_id) {
        id = fopen(backup->id_name, "w");
        if (!id || fputs(found->change_id, id) < 0 || fclose(id) != 0) {
            warn("cannot write '%s'", backup->id_name);
            return 1;
        }
    }
    return r;
}

int main(int argc, char **argv)
{
    static struct backup backup = {.params = VDISK_PARAMS_INIT};
    struct vdisk_params *params = &backup.params;
    struct vdisk_error error;
    char *port, *snapshot = NULL;
    int r;

    if (argc != 4 || chdir(argv[3]) < 0)
        errx(1, "usage: backup-vm SERVER[:PORT] MACHINE FOLDER");
    params->server = argv[1];
    if ((port = strrchr(argv[1], ':'))) {
        *port++ = '\0';
        params->port = (uint32_t)strtoul(port, NULL, 10);
    }
    params->vmx_spec = argv[2];
    params->user = getenv("VM_USER");
    params->password = getenv("VM_PASSWORD");
    params->thumbprint = getenv("VM_THUMBPRINT");
    if (vdisk_vm_track_changes(params, 1, &error) < 0)
        warnx("%s", error.text); /* then every copy is a whole one */
    r = vdisk_vm_snapshot(params, "backup", &snapshot, &error);
    params->snapshot = snapshot;
    if (r == 0)
        r = vdisk_vm_disks(params, backup_disk, &backup, &error);
    if (r < 0 && error.code != VDISK_OK)
        warnx("%s", error.text);
    /* It may have been made, although the call that makes it failed. */
    if (snapshot && vdisk_vm_remove_snapshot(params, &error) < 0)
        errx(1, "%s", error.text);
    vdisk_free(snapshot);
    if (r == 0)
        printf("%u disks, %llu bytes\n", backup.number, (unsigned long long)backup.copied);
    return r == 0 ? 0 : 1;
}
