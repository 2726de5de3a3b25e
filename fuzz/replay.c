/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay [FILE|FOLDER]...: gives every corpus file to a fuzz target once, without a fuzzer, so that
 * what was ever found is tried again under every compiler and sanitizer. Speaks TAP: one test per
 * file. The name is told before the file is tried, so a crash can be placed.
 *
 * Each input lies at the end of its own allocation, so a sanitizer sees the first byte read past
 * it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* Larger than any seed worth keeping; a corpus file beyond it is a mistake. */
#define REPLAY_MAX_BYTES (16l << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replay_count;
static bool replay_failed;

static void tell(bool good, const char *name, const char *why)
{
    replay_count++;
    replay_failed = replay_failed || !good;
    if (why != NULL)
        (void)printf("# %s: %s\n", name, why);
    (void)printf("%sok %u - %s\n", good ? "" : "not ", replay_count, name);
}

static uint8_t *load(const char *path, size_t *ret_size)
{
    uint8_t *bytes = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        if (size >= 0 && size <= REPLAY_MAX_BYTES && fseek(file, 0, SEEK_SET) == 0)
            bytes = malloc(size > 0 ? (size_t)size : 1);
        if (bytes != NULL && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
            free(bytes);
            bytes = NULL;
        }
        *ret_size = (size_t)size;
    }
    (void)fclose(file); /* only read */
    return bytes;
}

static void replay_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = 0;

    (void)printf("# trying %s\n", path);
    (void)fflush(stdout);
    VD_FREE uint8_t *bytes = load(path, &size);
    if (bytes == NULL) {
        tell(false, name, "cannot be read, or is too large");
        return;
    }
    (void)LLVMFuzzerTestOneInput(bytes, size); /* always 0 */
    tell(true, name, NULL);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0) {
        tell(false, folder, strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) >= 0) {
            replay_file(path);
            free(path);
        } else {
            tell(false, entries[i]->d_name, "out of memory");
        }
        free(entries[i]);
    }
    free(entries);
}

static void replay(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        tell(false, path, strerror(errno));
    else if (S_ISDIR(status.st_mode))
        replay_folder(path);
    else
        replay_file(path);
}

int main(int argc, char **argv)
{
    VD_FREE uint8_t *nothing = calloc(1, 1);  /* a place, of which no byte may be read */
    (void)LLVMFuzzerTestOneInput(nothing, 0); /* always 0 */
    tell(true, "no bytes at all", NULL);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    (void)printf("1..%u\n", replay_count);
    return replay_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
