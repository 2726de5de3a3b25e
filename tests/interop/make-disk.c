/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's creating side for the scripts of this folder:
 *
 *   make-disk create TYPE SECTORS DISK [adapter=A] [parent=P] [grain=SECTORS] [hw=N] [zeroed=1]
 *   make-disk stream RAW DISK LEVEL THREADS
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "vmdk/create.h"
#include "vmdk/stream-writer.h"

#define PIECE_BYTES (1u << 20)

static int tell(const struct vd_error *err, int code)
{
    (void)fprintf(stderr, "make-disk: %s (%s)\n", vd_error_message(err, code), vd_error_name(code));
    return 2;
}

static const char *value_of(const char *word, const char *key)
{
    size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static void take_option(const char *word, struct vd_vmdk_create_params *params)
{
    const char *value;
    if ((value = value_of(word, "adapter")))
        params->adapter = value;
    else if ((value = value_of(word, "parent")))
        params->parent_path = value;
    else if ((value = value_of(word, "grain")))
        params->grain_sectors = strtoull(value, NULL, 0);
    else if ((value = value_of(word, "hw")))
        params->hw_version = (uint32_t)strtoul(value, NULL, 0);
    else if ((value = value_of(word, "zeroed")))
        params->zeroed_grains = value[0] == '1';
    else
        exit(3);
}

static int create(int argc, char **argv)
{
    struct vd_vmdk_create_params params = {.type = vd_disk_type_parse(argv[2]),
                                           .capacity_sectors = strtoull(argv[3], NULL, 0)};
    struct vd_error err = VD_ERROR_INIT;
    for (int i = 5; i < argc; i++)
        take_option(argv[i], &params);
    int r = vd_vmdk_create(argv[4], &params, NULL, NULL, &err);
    return r < 0 ? tell(&err, r) : 0;
}

static int write_out(void *data, const void *bytes, size_t length, struct vd_error *err)
{
    FILE *out = data;
    if (fwrite(bytes, 1, length, out) != length)
        return vd_error_set(err, VD_E_IO, "cannot write the stream");
    return 0;
}

static int copy(int raw, uint64_t bytes, struct vd_stream_writer *writer, struct vd_error *err)
{
    VD_FREE uint8_t *buffer = malloc(PIECE_BYTES);
    int r = 0;
    if (buffer == NULL)
        return VD_E_NO_MEMORY;
    for (uint64_t at = 0; r >= 0 && at < bytes; at += PIECE_BYTES) {
        size_t length = (size_t)VD_MIN(bytes - at, (uint64_t)PIECE_BYTES);
        if (pread(raw, buffer, length, (off_t)at) != (ssize_t)length)
            return vd_error_set(err, VD_E_IO, "cannot read the raw file");
        r = vd_stream_writer_write(writer, at / VD_SECTOR_BYTES, length / VD_SECTOR_BYTES, buffer,
                                   err);
    }
    return r < 0 ? r : vd_stream_writer_finish(writer, err);
}

static int stream(char **argv)
{
    VD_CLOSE int raw = open(argv[2], O_RDONLY | O_CLOEXEC);
    FILE *out = fopen(argv[3], "wb");
    if (raw < 0 || out == NULL)
        return 3;
    uint64_t bytes = (uint64_t)lseek(raw, 0, SEEK_END);
    unsigned threads = (unsigned)strtoul(argv[5], NULL, 0);
    struct vd_workers *workers = NULL;
    struct vd_stream_writer *writer = NULL;
    struct vd_error err = VD_ERROR_INIT;
    int r = threads > 0 ? vd_workers_new(threads, &workers, &err) : 0;
    struct vd_stream_sink sink = {write_out, out, argv[3]};
    struct vd_stream_writer_params params = {.capacity_sectors = bytes / VD_SECTOR_BYTES,
                                             .level = (int)strtol(argv[4], NULL, 0),
                                             .workers = workers};
    if (r >= 0)
        r = vd_stream_writer_open(&sink, &params, &writer, &err);
    if (r >= 0)
        r = copy(raw, bytes, writer, &err);
    vd_stream_writer_free(writer);
    vd_workers_free(workers);
    if (fclose(out) != 0 && r >= 0)
        r = vd_error_set(&err, VD_E_IO, "cannot write the stream");
    return r < 0 ? tell(&err, r) : 0;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "create") == 0)
        return create(argc, argv);
    if (argc == 6 && strcmp(argv[1], "stream") == 0)
        return stream(argv);
    return 3;
}
